import Contracts
import Kit

/// The protocol of a security group rule as a number, and what its ports mean.
struct PacketProtocol: Equatable {
  /// nil: any.
  var number: Int?

  /// The assigned numbers of the names that the API knows (IANA, Protocol Numbers).
  private static let numbers = [
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "icmpv6": 58, "igmp": 2, "ipip": 4,
    "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43,
    "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
  ]

  /// nil for a name or number that is none. `icmp` in an IPv6 rule means ICMPv6, and 0 any protocol, as upstream.
  init?(_ rule: SecurityRule) {
    guard let name = rule.protocol, name != "any", name != "0", name != "-1" else { return }
    guard let number = Self.numbers[name] ?? Int(name), (1...255).contains(number) else { return nil }
    self.number = number == 1 && rule.isV6 ? 58 : number
  }

  /// TCP, UDP, DCCP, SCTP, UDP-Lite.
  var hasPorts: Bool { number.map { [6, 17, 33, 132, 136].contains($0) } ?? false }
  var isICMP: Bool { number == 1 || number == 58 }
}

extension SecurityRule {
  /// The match and verdict in nftables' language (nft(8)). A rule whose remote group is not known allows nothing: nil.
  func statement(groups: Set<String>) -> String? {
    guard let kind = PacketProtocol(self) else { return nil }
    var words = [isV6 ? "meta nfproto ipv6" : "meta nfproto ipv4"]
    let side = (isV6 ? "ip6 " : "ip ") + (isIngress ? "saddr" : "daddr")
    if let remoteGroupID {
      guard groups.contains(remoteGroupID) else { return nil }
      words.append("\(side) @\(Self.memberSet(remoteGroupID, isV6: isV6))")
    } else if let remoteCIDR, let cidr = CIDR(remoteCIDR), cidr.prefix > 0 {
      words.append("\(side) \(cidr)")
    }
    if let number = kind.number { words.append("meta l4proto \(number)") }
    if kind.hasPorts, let first = portMin ?? portMax {
      let last = portMax ?? first
      words.append("th dport \(first == last ? "\(first)" : "\(first)-\(last)")")
    } else if kind.isICMP, let type = portMin {
      let name = kind.number == 58 ? "icmpv6" : "icmp"
      words.append("\(name) type \(type)")
      if let code = portMax { words.append("\(name) code \(code)") }
    }
    return words.joined(separator: " ") + " accept"
  }

  /// Name of the set with a group's addresses.
  static func memberSet(_ groupID: String, isV6: Bool) -> String {
    "members\(isV6 ? 6 : 4)_" + KernelName.rule(groupID)
  }

  /// Whether this rule lets the first packet of a flow pass. `members`: the addresses of the remote group.
  func allows(_ flow: TrackedFlow, isIngress direction: Bool, members: (String) -> [CIDR]) -> Bool {
    guard isIngress == direction, isV6 == flow.source.isV6, let kind = PacketProtocol(self) else { return false }
    if let number = kind.number, number != flow.protocolNumber { return false }
    if kind.hasPorts, let first = portMin ?? portMax {
      guard first <= flow.destinationPort, flow.destinationPort <= portMax ?? first else { return false }
    } else if kind.isICMP, let type = portMin {
      guard type == flow.icmpType, portMax == nil || portMax == flow.icmpCode else { return false }
    }
    let remote = isIngress ? flow.source : flow.destination
    if let remoteGroupID { return members(remoteGroupID).contains { $0.contains(remote) } }
    guard let remoteCIDR else { return true }
    return CIDR(remoteCIDR)?.contains(remote) ?? false
  }
}
