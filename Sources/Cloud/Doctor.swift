import Config
import Foundation
import Host
import Kit

/// Checks a machine and the cloud on it from end to end.
public struct Doctor: Sendable {
  private let configuration: Configuration
  private let state: StateFolder

  public init(configuration: Configuration, state: StateFolder) {
    (self.configuration, self.state) = (configuration, state)
  }

  public func run() async throws -> [CheckResult] {
    var results = await Preflight(state: state).run()
    guard state.exists else {
      return results + [CheckResult("cloud", .warning, "none in \(state.path) yet: `martlet up` makes one")]
    }
    results += secrets
    do {
      guard let answer = try ControlClient(state).call("GET", "/doctor") else {
        return results + [CheckResult("cloud", .failed, "not running: `martlet up --state \(state.path)` starts it")]
      }
      results.append(CheckResult("cloud", .ok, "running"))
      results += endpoints
      for entry in answer.array ?? [] {
        results.append(
          CheckResult(
            entry["check"]?.string ?? "", CheckResult.Verdict(rawValue: entry["verdict"]?.string ?? "") ?? .failed,
            entry["detail"]?.string ?? ""))
      }
    } catch {
      results.append(CheckResult("cloud", .failed, Fault(error).message))
    }
    return results
  }

  /// Each API answers its version document at the address that stands in the catalog.
  private var endpoints: [CheckResult] {
    (ServicePort.all + [.dashboard, .console]).map { place in
      let (address, port) = (configuration.text("api.address"), place.port(configuration))
      let path = place.service == ServicePort.console.service ? "/console.js" : "/"
      let answer = PlainHTTP.status(address: address, port: port, path: path)
      return answer.map { (200..<400).contains($0) } == true
        ? CheckResult(place.service, .ok, "answers at \(place.url(configuration))")
        : CheckResult(
          place.service, .failed,
          "\(answer.map { "answers \($0)" } ?? "does not answer") at \(address):\(port); see \(state.logs)/\(place.service)"
        )
    }
  }

  /// Files that hold secrets are their owner's alone.
  private var secrets: [CheckResult] {
    let files =
      [state.adminPassword, state.database] + ((try? HostFiles.list(state.keys)) ?? []).map { state.keys + "/" + $0 }
    let open = files.filter { path in
      var facts = stat()
      return stat(path, &facts) == 0 && facts.st_mode & 0o077 != 0
    }
    // The folder itself is closed to others; a file in it that is open is one mistake away from being read.
    return open.isEmpty
      ? [CheckResult("secrets", .ok, "readable by their owner only")]
      : [CheckResult("secrets", .warning, "readable by others: \(open.joined(separator: ", ")); chmod 600")]
  }
}
