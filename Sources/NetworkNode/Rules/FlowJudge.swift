import Contracts
import Kit

/// Judges the connections that conntrack follows by the rules of now, as the firewall would judge their first packet. What
/// nothing allows any more is cut; everything else goes on untouched.
struct FlowJudge: Sendable {
  private struct Owner: Sendable {
    var groupIDs: [String]
    var pairs: [CIDR]
  }
  private struct Zone: Sendable {
    var byAddress: [IPAddress: [Owner]] = [:]
    /// Ports with allowed pairs that are networks.
    var wide: [Owner] = []
  }

  private var zones: [Int: Zone] = [:]
  private var rules: [String: [SecurityRule]] = [:]
  private var members: [String: [CIDR]] = [:]
  private var networkZones: Set<Int> = []

  /// `zones`: conntrack zone by network.
  init(state: NetworkState, zones numbers: [String: Int]) {
    for group in state.securityGroups {
      rules[group.id] = group.rules
      members[group.id] = Firewall.disjoint(group.memberAddresses)
    }
    networkZones = Set(numbers.values)
    for port in state.ports {
      guard let zone = numbers[port.networkID] else { continue }
      let pairs = port.allowedPairs.compactMap { CIDR($0.address) }
      // Without port security everything is allowed: no groups are asked.
      let owner = Owner(groupIDs: port.hasPortSecurity ? port.securityGroupIDs : ["*"], pairs: pairs)
      for fixed in port.fixedIPs {
        if let address = IPAddress(fixed.address) {
          zones[zone, default: Zone()].byAddress[address, default: []].append(owner)
        }
      }
      for pair in pairs where pair.hostBits == 0 {
        zones[zone, default: Zone()].byAddress[pair.network, default: []].append(owner)
      }
      if pairs.contains(where: { $0.hostBits > 0 }) { zones[zone, default: Zone()].wide.append(owner) }
    }
  }

  /// Whether a flow must end: its zone is no network's any more, or a port at one of its ends does not allow it.
  func mustEnd(_ flow: TrackedFlow) -> Bool {
    if flow.zone != 0, !networkZones.contains(flow.zone) { return true }
    guard let zone = zones[flow.zone] else { return false }
    // DHCP is always allowed.
    if flow.protocolNumber == 17, [67, 68, 546, 547].contains(flow.destinationPort) { return false }
    return !isAllowed(flow, zone, flow.source, isIngress: false)
      || !isAllowed(flow, zone, flow.destination, isIngress: true)
  }

  /// An address that no port here has is allowed: it is beyond a router.
  private func isAllowed(_ flow: TrackedFlow, _ zone: Zone, _ address: IPAddress, isIngress: Bool) -> Bool {
    let owners =
      zone.byAddress[address, default: []]
      + zone.wide.filter { $0.pairs.contains { $0.hostBits > 0 && $0.contains(address) } }
    if owners.isEmpty { return true }
    return owners.contains { owner in
      owner.groupIDs.contains { id in
        id == "*"
          || rules[id, default: []].contains { rule in
            rule.allows(flow, isIngress: isIngress) { members[$0, default: []] }
          }
      }
    }
  }
}
