import Config
import Foundation
import Host

/// Small facts of this machine and process.
enum NodeFacts {
  /// The node's name: configured, or the machine's.
  static func name(_ configuration: Configuration) -> String {
    let wanted = configuration.text("cloud.host")
    return wanted.isEmpty ? HostFacts.hostname : wanted
  }

  /// Resident memory of this process in MiB; see proc(5), /proc/pid/statm.
  static func residentMB() -> Int {
    guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8),
      let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return pages * Int(sysconf(CInt(_SC_PAGESIZE))) >> 20
  }
}
