import Contracts
import Kit

/// What a server asks of the host that is to run it.
struct SchedulerRequest: Sendable {
  var resources: ResourceRequest
  /// The availability zone that was asked for.
  var zone: String?
  /// The only host that will do.
  var forcedHost: String?
  var policy: ServerGroup.Policy?
  /// Members that a host may have under anti-affinity.
  var membersPerHostMax = 1
  /// How many members of the server's group each host runs.
  var members: [String: Int] = [:]
  /// Hosts of the servers named by the hint `same_host`; nil: no such hint.
  var sameHosts: Set<String>?
  /// Hosts of the servers named by the hint `different_host`.
  var differentHosts: Set<String> = []
}

/// A host with its state and what is free on it.
struct SchedulerHost: Sendable {
  var node: ComputeNode
  var capacity: HostCapacity
}

/// Chooses a host for a server, or says of every host why it will not do.
enum Scheduler {
  /// The host with the most free memory among those that meet every requirement.
  static func choose(_ request: SchedulerRequest, among hosts: [SchedulerHost]) throws -> SchedulerHost {
    var rejections: [Rejection] = []
    var suitable: [SchedulerHost] = []
    for host in hosts {
      let unmet = self.unmet(host, request)
      if unmet.isEmpty { suitable.append(host) } else { rejections += unmet }
    }
    guard let best = suitable.max(by: { weight($0, request) < weight($1, request) }) else {
      throw noValidHost(rejections, hosts: hosts.count)
    }
    return best
  }

  /// Soft policies first, then free memory; the name makes the choice the same each time.
  private static func weight(_ host: SchedulerHost, _ request: SchedulerRequest) -> (Int, Int, String) {
    let members = request.members[host.node.host] ?? 0
    let soft =
      switch request.policy {
      case .softAffinity: members
      case .softAntiAffinity: -members
      default: 0
      }
    return (soft, host.capacity.memoryMBTotal - host.capacity.memoryMBUsed, host.node.host)
  }

  /// Every requirement that a host does not meet.
  private static func unmet(_ host: SchedulerHost, _ request: SchedulerRequest) -> [Rejection] {
    var result: [Rejection] = []
    let (name, node, capacity) = (host.node.host, host.node, host.capacity)
    func require(_ isMet: Bool, _ requirement: String, _ asked: String, _ had: String) {
      if !isMet { result.append(Rejection(host: name, requirement: requirement, asked: asked, had: had)) }
    }
    func fits(_ resource: String, _ asked: Int, _ total: Int, _ used: Int) {
      require(asked <= total - used, resource, String(asked), String(max(0, total - used)))
    }
    require(node.isEnabled, "service", "enabled", "disabled: \(node.disabledReason ?? "no reason given")")
    require(node.isUp, "service", "up", "down")
    if let forced = request.forcedHost { require(forced == name, "host", forced, name) }
    if let zone = request.zone { require(node.zone == zone, "availability zone", zone, node.zone) }
    fits("VCPU", request.resources.vcpus, capacity.vcpusTotal, capacity.vcpusUsed)
    fits("MEMORY_MB", request.resources.memoryMB, capacity.memoryMBTotal, capacity.memoryMBUsed)
    fits("DISK_GB", request.resources.diskGB, capacity.diskGBTotal, capacity.diskGBUsed)
    if let same = request.sameHosts {
      require(same.contains(name), "same_host", same.sorted().joined(separator: ","), name)
    }
    require(!request.differentHosts.contains(name), "different_host", "another host", name)
    let members = request.members[name] ?? 0
    if request.policy == .affinity, !request.members.isEmpty {
      require(
        members > 0, "affinity", "one of \(request.members.keys.sorted().joined(separator: ","))", name)
    }
    if request.policy == .antiAffinity {
      let most = request.membersPerHostMax
      require(members < most, "anti-affinity", "fewer than \(most) members", "\(members)")
    }
    return result
  }

  /// The fault that names, host by host, what was asked and what was there.
  static func noValidHost(_ rejections: [Rejection], hosts: Int, status: Int = 500) -> Fault {
    let shown = rejections.prefix(20).map { "\($0.host): \($0.requirement) asked \($0.asked), had \($0.had)" }
    var reason = hosts == 0 ? "No host has reported yet." : shown.joined(separator: "; ") + "."
    if rejections.count > shown.count { reason += " And \(rejections.count - shown.count) more reasons." }
    return Fault(
      status, kind: "NoValidHost", "No valid host was found. \(reason)",
      explanation: .array(
        rejections.map {
          [
            "host": .string($0.host), "requirement": .string($0.requirement), "asked": .string($0.asked),
            "had": .string($0.had),
          ]
        }))
  }
}
