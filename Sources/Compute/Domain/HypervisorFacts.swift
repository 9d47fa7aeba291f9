import Contracts
import Foundation
import Kit

/// A host as `os-hypervisors` shows it: what it has, what is claimed of it in Placement, and its servers
/// (API reference, Hypervisors).
struct HypervisorFacts: Sendable {
  struct Guest: Sendable {
    var id: String
    var name: String
  }
  var node: ComputeNode
  /// nil: it has no resource provider yet.
  var capacity: HostCapacity?
  var servers: [Guest] = []
  /// Servers of it that a job changes at this moment.
  var workload = 0

  var number: Int { node.service.number }
  /// The id of its resource provider, as upstream's.
  var uuid: String { capacity?.providerID ?? node.uuid }
  var hostname: String { node.resources.hostname }

  var vcpusUsed: Int { capacity?.vcpusUsed ?? 0 }
  var memoryMBUsed: Int { capacity?.memoryMBUsed ?? 0 }
  var diskGBUsed: Int { capacity?.diskGBUsed ?? 0 }
  var freeMemoryMB: Int { node.resources.memoryMB - memoryMBUsed }
  var freeDiskGB: Int { node.resources.diskGB - diskGBUsed }

  /// As `uptime(1)` prints it, without the number of users; nil when the kernel does not tell.
  static func uptime(now: Timestamp) -> String? {
    guard let uptime = try? String(contentsOfFile: "/proc/uptime", encoding: .utf8),
      let load = try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8),
      let seconds = uptime.split(separator: " ").first.flatMap({ Double($0) }).map({ Int($0) })
    else { return nil }
    func pad(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60)
    let span = (days > 0 ? "\(days) day\(days == 1 ? "" : "s"), " : "") + "\(pad(hours)):\(pad(minutes))"
    let averages = load.split(separator: " ").prefix(3).joined(separator: ", ")
    return " \(now.iso8601.dropFirst(11).prefix(8)) up \(span),  load average: \(averages)"
  }
}
