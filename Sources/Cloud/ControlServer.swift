import API
import Foundation
import Kit
import Logs

/// What the command line asks a running process: status, log levels, stop. HTTP on a unix socket that only the owner of
/// the state folder can open, so there is no token.
struct ControlServer: Sendable {
  let services: CloudServices
  let overrides: PolicyOverrides
  let startedAt: Timestamp
  /// Seconds from the start of the process until every API answered.
  let startup: Double

  func respond(_ call: HTTPCall) async -> Reply {
    do {
      switch (call.method, call.path) {
      case ("GET", "/status"): return .json(try await status())
      case ("GET", "/doctor"):
        return .json(.array(try await CloudCheck(services: services).run().map(\.json)))
      case ("GET", "/log"): return .json(levels())
      case ("PUT", "/log"): return .json(try await setLevel(call))
      case ("POST", "/keys/rotate"):
        let numbers = try await services.identity.rotateKeys()
        let volumes = ("volume key", JSONValue.int(try services.blockStorage.rotateKeys()))
        return .json(.object(JSONObject(numbers.map { ($0.purpose, .int($0.number)) } + [volumes])))
      case ("POST", "/measure/token"):
        let token = try JSONParser.parse(try await call.body.collect(limit: 65_536))["token"]?.string ?? ""
        let cost = try await services.identity.verificationCost(token, count: 20_000)
        return .json(["microseconds": .double(cost)])
      case ("POST", "/policy"):
        let body = try JSONParser.parse(try await call.body.collect(limit: 65_536))
        return .json(try PolicyExplanation.answer(body, services.identity, overrides))
      default: return .json(["error": "no such control call"], status: 404)
      }
    } catch {
      return .json(["error": .string(Fault(error).message)], status: Fault(error).status)
    }
  }

  private func levels() -> JSONValue {
    let levels = services.logs.levels().sorted { $0.key < $1.key }
    return .object(JSONObject(levels.map { ($0.key, .string($0.value.name)) }))
  }

  private func setLevel(_ call: HTTPCall) async throws -> JSONValue {
    let body = try JSONParser.parse(try await call.body.collect(limit: 4096))
    guard let service = body["service"]?.string, let name = body["level"]?.string, let level = LogLevel(name: name)
    else {
      let names = LogLevel.allCases.map { $0.name.lowercased() }.joined(separator: ", ")
      throw Fault.badRequest("The level must be one of \(names).")
    }
    guard LogService.all.contains(service) else {
      throw Fault.badRequest(
        "There is no service '\(service)'; it must be one of \(LogService.all.joined(separator: ", ")).")
    }
    services.logs.setLevel(level, of: service)
    services.logs.logger(service).audit("log level set to \(level.name)")
    return levels()
  }

  private func status() async throws -> JSONValue {
    let guests = try await services.hypervisor.list()
    let jobs = try await services.database.read { try $0.count("SELECT COUNT(*) FROM job WHERE is_live = 1") }
    let resources = try await services.hypervisor.resources()
    let configuration = services.configuration
    let endpoints = (ServicePort.all + [.dashboard]).map { ($0.service, JSONValue.string($0.url(configuration))) }
    return [
      "pid": .int(Int(getpid())), "state": .string(services.state.path), "host": .string(resources.hostname),
      "started_at": .string(startedAt.iso8601), "startup_seconds": .double(startup),
      "memory_mb": .int(NodeFacts.residentMB()), "hypervisor": .string(resources.hypervisorType),
      "accelerator": .string(resources.accelerator), "accelerator_reason": .string(resources.acceleratorReason),
      "endpoints": .object(JSONObject(endpoints)), "guests": .int(guests.count),
      "guests_running": .int(guests.count { $0.power == .running }), "jobs": .int(jobs),
    ]
  }
}

/// The names that `martlet log set` takes: one log each.
public enum LogService {
  public static let all = [
    "martlet", "identity", "image", "compute", "placement", "network", "block-storage", "workflow", "compute-node",
    "network-node",
  ]
}
