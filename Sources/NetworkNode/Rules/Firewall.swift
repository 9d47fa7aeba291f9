import Contracts
import Kit

/// The rules of the cloud's namespace: what ports may send (anti-spoofing, in the `bridge` family) and what security groups
/// let pass (stateful, in the `inet` family, which br_netfilter calls for bridged packets).
///
/// A guest's packet carries a mark: the combination of security groups of the port where it comes in, then of the port
/// where it goes out. Ports with the same groups share their chains, so a thousand ports cost a few rules and a thousand
/// elements. A flow's first direction is judged packet by packet, replies by their connection: what is no longer allowed
/// stops in the same transaction that changes the rules. A port that no rule knows can send and receive nothing.
struct Firewall {
  static let bridgeTable = "bridge martlet"
  static let inetTable = "inet martlet"

  /// A port as the rules see it.
  struct Member {
    var port: PortWiring
    /// Whether packets of it may be meant for the cloud's namespace itself: only on the external bridge.
    var isExternal: Bool
    /// DHCP servers, routers, and guests without port security.
    var isTrusted: Bool
  }

  private(set) var rules: RuleSet

  /// `zones`: conntrack zones by bridge. `gateway`: traffic of the host to the external network gets this source.
  init(
    members: [Member], groups: [SecurityGroupWiring], zones: [String: Int], trustedLinks: [String] = [],
    translation: (from: String, to: String)? = nil
  ) {
    rules = Self.base(translation)
    for link in trustedLinks { admit(link, isExternal: true, verdict: "accept") }
    rules.elements["\(Self.inetTable) zones"] = Set(zones.map { "\"\($0.key)\" : \($0.value)" })
    let marks = Self.marks(members.filter { !$0.isTrusted }.map { Self.combination($0.port) })
    for member in members where member.port.isUp {
      admit(member.port.tapName, isExternal: member.isExternal, verdict: member.isTrusted ? "accept" : "jump guest")
      if !member.isTrusted, let mark = marks[Self.combination(member.port)] { guardGuest(member.port, mark) }
    }
    addGroups(groups)
    addCombinations(marks, known: Set(groups.map(\.id)))
  }

  // MARK: - Ports

  private mutating func add(_ element: String, to set: String) { rules.elements[set, default: []].insert(element) }

  private mutating func admit(_ link: String, isExternal: Bool, verdict: String) {
    add("\"\(link)\" : \(verdict)", to: "\(Self.bridgeTable) entries")
    add("\"\(link)\"", to: "\(Self.bridgeTable) exits")
    if isExternal { add("\"\(link)\"", to: "\(Self.bridgeTable) locals") }
  }

  /// The addresses that a guest may use: its own, the link-local one of its MAC, and its allowed pairs.
  private mutating func guardGuest(_ port: PortWiring, _ mark: UInt32) {
    let table = Self.bridgeTable
    add("\"\(port.tapName)\" : \(mark)", to: "\(table) marks")
    var pairs = port.fixedIPs.map { AddressPair(mac: port.mac, address: $0.address) } + port.allowedPairs
    for mac in Set(pairs.map(\.mac) + [port.mac]) {
      add("\"\(port.tapName)\" . \(mac)", to: "\(table) macs")
      if let local = Self.linkLocal(mac) { pairs.append(AddressPair(mac: mac, address: local)) }
    }
    for (mac, cidrs) in Dictionary(grouping: pairs, by: \.mac).mapValues({ Self.disjoint($0.map(\.address)) }) {
      for cidr in cidrs {
        let key = "\"\(port.tapName)\" . \(mac) . "
        let version = cidr.isV6 ? "6" : "4"
        if cidr.hostBits == 0 {
          add(key + "\(cidr.network)", to: "\(table) hosts\(version)")
        } else {
          add(key + "\(cidr)", to: "\(table) nets\(version)")
        }
        if cidr.isV6, cidr.hostBits == 0 {
          let hex = String(cidr.network.value, radix: 16)
          add("\"\(port.tapName)\" . 0x" + String(repeating: "0", count: 32 - hex.count) + hex, to: "\(table) targets6")
        }
      }
    }
  }

  /// RFC 4291, appendix A: the interface identifier of a MAC.
  static func linkLocal(_ mac: String) -> String? {
    let bytes = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    guard bytes.count == 6 else { return nil }
    let id = [bytes[0] ^ 2, bytes[1], bytes[2], 0xFF, 0xFE, bytes[3], bytes[4], bytes[5]]
    return IPAddress(value: id.reduce(UInt128(0xFE80) << 48) { $0 << 8 | UInt128($1) }, isV6: true).description
  }

  /// The networks without those that lie in another one: intervals of a set must not overlap.
  static func disjoint(_ addresses: [String]) -> [CIDR] {
    let cidrs = Set(addresses.compactMap { CIDR($0) }).sorted { ($0.prefix, $0.network) < ($1.prefix, $1.network) }
    let wide = cidrs.filter { $0.hostBits > 0 }
    return cidrs.filter { cidr in !wide.contains { $0 != cidr && $0.prefix < cidr.prefix && $0.contains(cidr) } }
  }

  // MARK: - Security groups

  private static func combination(_ port: PortWiring) -> String {
    Set(port.securityGroupIDs).sorted().joined(separator: " ")
  }

  /// A mark for every combination: a hash, so that it is the same in every process.
  static func marks(_ combinations: [String]) -> [String: UInt32] {
    var taken: Set<UInt32> = [0]
    var result: [String: UInt32] = [:]
    for combination in Set(combinations).sorted() {
      let hash = KernelName.hash("groups " + combination)
      var mark = UInt32(truncatingIfNeeded: hash ^ hash >> 32)
      while !taken.insert(mark).inserted { mark &+= 1 }
      result[combination] = mark
    }
    return result
  }

  private mutating func addGroups(_ groups: [SecurityGroupWiring]) {
    let table = Self.inetTable
    let known = Set(groups.map(\.id))
    for group in groups {
      for isIngress in [true, false] {
        rules.chains["\(table) \(Self.chain(group.id, isIngress: isIngress))"] =
          Set(group.rules.filter { $0.isIngress == isIngress }.compactMap { $0.statement(groups: known) }).sorted()
      }
      let members = Self.disjoint(group.memberAddresses)
      for isV6 in [false, true] {
        let name = "\(table) \(SecurityRule.memberSet(group.id, isV6: isV6))"
        rules.sets[name] = "type \(isV6 ? "ipv6_addr" : "ipv4_addr"); flags interval;"
        rules.elements[name] = Set(
          members.filter { $0.isV6 == isV6 }.map { $0.hostBits == 0 ? "\($0.network)" : "\($0)" })
      }
    }
  }

  private mutating func addCombinations(_ marks: [String: UInt32], known: Set<String>) {
    for (combination, mark) in marks {
      for isIngress in [true, false] {
        let name = "\(isIngress ? "in" : "out")_\(String(mark, radix: 16))"
        let groups = combination.split(separator: " ").map(String.init).filter { known.contains($0) }
        rules.chains["\(Self.inetTable) \(name)"] =
          groups.map { "jump \(Self.chain($0, isIngress: isIngress))" } + ["drop"]
        add("\(mark) : jump \(name)", to: "\(Self.inetTable) \(isIngress ? "ingress" : "egress")")
      }
    }
  }

  private static func chain(_ groupID: String, isIngress: Bool) -> String {
    "\(isIngress ? "ingress" : "egress")_" + KernelName.rule(groupID)
  }

  // MARK: - What is always there

  private static func base(_ translation: (from: String, to: String)?) -> RuleSet {
    let (bridge, inet) = (bridgeTable, inetTable)
    var set = RuleSet(tables: [bridge, inet])
    set.declarations = [
      "add map \(bridge) entries { type ifname : verdict; }",
      "add map \(bridge) marks { type ifname : mark; }",
      "add set \(bridge) exits { type ifname; }",
      "add set \(bridge) locals { type ifname; }",
      "add set \(bridge) macs { type ifname . ether_addr; }",
      "add set \(bridge) hosts4 { type ifname . ether_addr . ipv4_addr; }",
      "add set \(bridge) nets4 { type ifname . ether_addr . ipv4_addr; flags interval; }",
      "add set \(bridge) hosts6 { type ifname . ether_addr . ipv6_addr; }",
      "add set \(bridge) nets6 { type ifname . ether_addr . ipv6_addr; flags interval; }",
      "add set \(bridge) targets6 { typeof iifname . @th,64,128; }",
      "add chain \(bridge) guest",
      "add chain \(bridge) arrival { type filter hook prerouting priority -310; policy accept; }",
      "add chain \(bridge) passage { type filter hook forward priority -10; policy accept; }",
      "add chain \(bridge) delivery { type filter hook input priority 0; policy accept; }",
      "add map \(inet) zones { typeof iifname : ct zone; }",
      "add map \(inet) egress { type mark : verdict; }",
      "add map \(inet) ingress { type mark : verdict; }",
      "add chain \(inet) zoning { type filter hook prerouting priority -300; policy accept; }",
      "add chain \(inet) leaving { type filter hook prerouting priority -150; policy accept; }",
      "add chain \(inet) entering { type filter hook forward priority 0; policy accept; }",
      "add chain \(inet) translation { type nat hook postrouting priority 100; policy accept; }",
    ]
    func rules(_ chain: String, _ list: [String]) { set.baseRules += list.map { "add rule \(chain) \($0)" } }
    rules("\(bridge) guest", antiSpoofing)
    rules(
      "\(bridge) arrival", ["meta mark set 0", "meta mark set iifname map @marks", "iifname vmap @entries", "drop"])
    rules("\(bridge) passage", ["meta mark set 0", "oifname != @exits drop", "meta mark set oifname map @marks"])
    // Nothing that a tenant's bridge carries is for this namespace: else it would be routed past every router.
    rules("\(bridge) delivery", ["iifname != @locals drop"])
    rules("\(inet) zoning", ["ct zone set iifname map @zones"])
    rules("\(inet) leaving", stateful("{ 130, 131, 132, 133, 135, 136, 143 }", "udp sport 68 udp dport 67", "egress"))
    rules("\(inet) entering", stateful("{ 130, 131, 132, 134, 135, 136, 143 }", "udp sport 67 udp dport 68", "ingress"))
    if let translation {
      rules(
        "\(inet) translation",
        ["ip saddr \(translation.from) oifname \"\(KernelName.externalBridge)\" snat ip to \(translation.to)"])
    }
    return set
  }

  private static let antiSpoofing = [
    "iifname . ether saddr != @macs drop",
    "ether type arp iifname . arp saddr ether . arp saddr ip @hosts4 accept",
    "ether type arp iifname . arp saddr ether . arp saddr ip @nets4 accept",
    // Probes (RFC 5227) ask before they have an address.
    "ether type arp iifname . arp saddr ether @macs arp saddr ip 0.0.0.0 accept",
    "ether type ip udp sport 67 udp dport 68 drop",
    "ether type ip ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
    "ether type ip iifname . ether saddr . ip saddr @hosts4 accept",
    "ether type ip iifname . ether saddr . ip saddr @nets4 accept",
    "ether type ip6 udp sport 547 udp dport 546 drop",
    "ether type ip6 icmpv6 type nd-router-advert drop",
    "ether type ip6 icmpv6 type nd-redirect drop",
    "ether type ip6 icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @targets6 drop",
    // Duplicate address detection and MLD reports before an address is there (RFC 4862, RFC 3810).
    "ether type ip6 ip6 saddr :: icmpv6 type { 131, 132, 133, 135, 143 } accept",
    "ether type ip6 iifname . ether saddr . ip6 saddr @hosts6 accept",
    "ether type ip6 iifname . ether saddr . ip6 saddr @nets6 accept",
    "drop",
  ]

  private static func stateful(_ icmpv6Types: String, _ dhcp: String, _ map: String) -> [String] {
    [
      "meta mark 0 accept",
      "ct state invalid drop",
      "meta nfproto ipv4 \(dhcp) accept",
      "meta nfproto ipv6 \(map == "egress" ? "udp sport 546 udp dport 547" : "udp sport 547 udp dport 546") accept",
      "icmpv6 type \(icmpv6Types) accept",
      "ct state related accept",
      "ct direction reply accept",
      "meta mark vmap @\(map)",
      "drop",
    ]
  }
}
