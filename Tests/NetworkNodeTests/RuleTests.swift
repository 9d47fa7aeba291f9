import Contracts
import Kit
import Testing

@testable import NetworkNode

@Suite struct RuleTests {
  private func flow(_ source: String, _ destination: String, _ number: Int, _ port: Int, zone: Int = 1) throws
    -> TrackedFlow
  {
    let (from, to) = (try #require(IPAddress(source)), try #require(IPAddress(destination)))
    return TrackedFlow(
      zone: zone, protocolNumber: number, source: from, destination: to, sourcePort: 40000, destinationPort: port,
      replySource: to, replyDestination: from)
  }

  @Test func statements() {
    let rule = Make.rule(true, "tcp", 22, 80, from: "10.0.0.0/8")
    #expect(
      rule.statement(groups: []) == "meta nfproto ipv4 ip saddr 10.0.0.0/8 meta l4proto 6 th dport 22-80 accept")
    #expect(Make.rule(false).statement(groups: []) == "meta nfproto ipv4 accept")
    #expect(
      Make.rule(true, "112", from: "0.0.0.0/0").statement(groups: []) == "meta nfproto ipv4 meta l4proto 112 accept")
    #expect(
      Make.rule(true, "icmp", 8, isV6: true).statement(groups: [])
        == "meta nfproto ipv6 meta l4proto 58 icmpv6 type 8 accept")
    #expect(
      Make.rule(true, "icmp", 3, 4).statement(groups: [])
        == "meta nfproto ipv4 meta l4proto 1 icmp type 3 icmp code 4 accept")
    #expect(Make.rule(true, "udp", 53, group: "a-b").statement(groups: []) == nil)
    #expect(
      Make.rule(true, "udp", 53, group: "a-b").statement(groups: ["a-b"])
        == "meta nfproto ipv4 ip saddr @members4_a_b meta l4proto 17 th dport 53 accept")
    #expect(PacketProtocol(Make.rule(true, "nonsense")) == nil)
    #expect(PacketProtocol(Make.rule(true, "256")) == nil)
    #expect(PacketProtocol(Make.rule(true, "sctp"))?.number == 132)
  }

  @Test func ruleSetsAreComparedByElements() throws {
    let network = Make.network([Make.subnet()])
    let group = Make.group(
      Make.egress + [Make.rule(true, "tcp", 22)], members: ["10.0.0.5", "10.0.0.6", "10.0.0.0/30"])
    let (a, b) = (
      Make.port(network, ["10.0.0.5"], groups: [group.id]), Make.port(network, ["10.0.0.6"], groups: [group.id])
    )
    func firewall(_ ports: [PortWiring], _ groups: [SecurityGroupWiring]) -> RuleSet {
      Firewall(
        members: ports.map { Firewall.Member(port: $0, isExternal: false, isTrusted: !$0.hasPortSecurity) },
        groups: groups, zones: ["br-x": 7]
      ).rules
    }
    let one = firewall([a], [group])
    let two = firewall([a, b], [group])
    #expect(one.mark == firewall([a], [group]).mark)
    #expect(one.mark != two.mark)
    let added = try #require(two.script(from: one))
    #expect(added.contains("add element bridge martlet entries { \"\(b.tapName)\" : jump guest }"))
    #expect(!added.contains("flush"))
    #expect(!two.takesAway(from: one))
    #expect(one.takesAway(from: two))
    let removed = try #require(one.script(from: two))
    #expect(removed.contains("delete element bridge martlet entries { \"\(b.tapName)\" : jump guest }"))
    // A rule that goes: its chain is filled anew in the same transaction.
    var less = group
    less.rules.removeLast()
    let cut = try #require(firewall([a, b], [less]).script(from: two))
    #expect(cut.contains("flush chain inet martlet ingress_\(KernelName.rule(group.id))"))
    #expect(firewall([a, b], [less]).takesAway(from: two))
    #expect(
      two.elements["inet martlet members4_\(KernelName.rule(group.id))"] == ["10.0.0.5", "10.0.0.6", "10.0.0.0/30"])
    #expect(two.elements["inet martlet zones"] == ["\"br-x\" : 7"])
    // Ports with the same groups share a mark; what is off is unknown to the rules.
    #expect(Set(try #require(two.elements["bridge martlet marks"]).map { $0.split(separator: " ").last }).count == 1)
    var off = b
    off.isUp = false
    #expect(firewall([a, off], [group]).elements["bridge martlet exits"]?.count == 1)
    var open = b
    open.hasPortSecurity = false
    #expect(firewall([a, open], [group]).elements["bridge martlet marks"]?.count == 1)
  }

  @Test func addressesOfAllowedPairs() {
    #expect(Firewall.linkLocal("fa:16:3e:00:00:01") == "fe80::f816:3eff:fe00:1")
    #expect(
      Firewall.disjoint(["10.0.0.1", "10.0.0.0/24", "10.0.0.0/16", "fd00::1"]).map(\.description) == [
        "10.0.0.0/16", "fd00::1/128",
      ])
    let marks = Firewall.marks(["a", "b", "a b", ""])
    #expect(Set(marks.values).count == 4)
    #expect(!marks.values.contains(0))
    #expect(marks == Firewall.marks(["", "a b", "b", "a"]))
  }

  @Test func flowsAreJudgedByTheRulesOfNow() throws {
    let network = Make.network([Make.subnet()])
    let clients = Make.group(Make.egress, members: ["10.0.0.5"])
    var servers = Make.group(
      [Make.rule(true, "tcp", 80, group: clients.id), Make.rule(true, "icmp")], members: ["10.0.0.6"])
    let a = Make.port(network, ["10.0.0.5"], groups: [clients.id])
    var b = Make.port(network, ["10.0.0.6"], groups: [servers.id])
    func judge(_ ports: [PortWiring], _ groups: [SecurityGroupWiring]) -> FlowJudge {
      FlowJudge(
        state: NetworkState(networks: [network], ports: ports, securityGroups: groups), zones: [network.id: 1])
    }
    let web = try flow("10.0.0.5", "10.0.0.6", 6, 80)
    #expect(!judge([a, b], [clients, servers]).mustEnd(web))
    #expect(try judge([a, b], [clients, servers]).mustEnd(flow("10.0.0.5", "10.0.0.6", 6, 81)))
    // Servers may not begin anything.
    #expect(try judge([a, b], [clients, servers]).mustEnd(flow("10.0.0.6", "10.0.0.5", 6, 80)))
    #expect(try !judge([a, b], [clients, servers]).mustEnd(flow("10.0.0.6", "10.0.0.1", 17, 67)))
    #expect(try judge([a, b], [clients, servers]).mustEnd(flow("10.9.0.6", "10.9.0.1", 6, 67, zone: 5)))
    // From beyond a router: only the rules of the guest here count.
    #expect(try judge([a, b], [clients, servers]).mustEnd(flow("192.0.2.1", "10.0.0.6", 6, 80)))
    #expect(try !judge([a, b], [clients, servers]).mustEnd(flow("10.0.0.5", "192.0.2.1", 6, 443)))
    var noMembers = clients
    noMembers.memberAddresses = []
    #expect(judge([a, b], [noMembers, servers]).mustEnd(web))
    servers.rules.removeFirst()
    #expect(judge([a, b], [clients, servers]).mustEnd(web))
    b.hasPortSecurity = false
    #expect(!judge([a, b], [clients, servers]).mustEnd(web))
  }

  @Test func translatedFlowsThatNoFloatingIPExplains() throws {
    let external = Make.network([Make.subnet("172.24.4.0/24", gateway: "172.24.4.1")], isExternal: true)
    let gateway = Make.port(external, ["172.24.4.9"], owner: "network:router_gateway")
    let floating = FloatingIPWiring(id: "f", floatingAddress: "172.24.4.20", fixedAddress: "10.0.0.5")
    var router = RouterWiring(
      id: "r", isUp: true, interfaces: [], gateway: gateway, hasSNAT: true, routes: [], floatingIPs: [floating])
    func translated(_ source: String, _ destination: String, _ replySource: String, _ replyDestination: String) throws
      -> TrackedFlow
    {
      var one = try flow(source, destination, 6, 80, zone: 0)
      one.replySource = try #require(IPAddress(replySource))
      one.replyDestination = try #require(IPAddress(replyDestination))
      return one
    }
    let inward = try translated("172.24.4.1", "172.24.4.20", "10.0.0.5", "172.24.4.1")
    let outward = try translated("10.0.0.5", "192.0.2.1", "192.0.2.1", "172.24.4.20")
    let shared = try translated("10.0.0.6", "192.0.2.1", "192.0.2.1", "172.24.4.9")
    let hairpin = try translated("10.0.0.6", "172.24.4.20", "10.0.0.5", "172.24.4.9")
    let metadata = try translated("10.0.0.6", "169.254.169.254", "10.0.0.1", "10.0.0.6")
    for one in [inward, outward, shared, hairpin, metadata] { #expect(!RouterRules(router).isStale(one)) }
    router.floatingIPs = []
    for one in [inward, outward, hairpin] { #expect(RouterRules(router).isStale(one)) }
    for one in [shared, metadata] { #expect(!RouterRules(router).isStale(one)) }
    router.hasSNAT = false
    #expect(RouterRules(router).isStale(shared))
  }

  /// A machine without the package netbase has no /etc/protocols: a protocol's name loads no rule there.
  @Test func protocolsAreNumbers() throws {
    let router = RouterWiring(
      id: "r", isUp: true, interfaces: [], gateway: nil, hasSNAT: true, routes: [], floatingIPs: [])
    let named = RouterRules(router).rules.baseRules.filter { rule in
      guard let range = rule.range(of: "l4proto ") else { return false }
      let rest = rule[range.upperBound...]
      let protocols = rest.hasPrefix("{") ? rest.prefix { $0 != "}" } : rest.prefix { $0 != " " }
      return protocols.contains { $0.isLetter }
    }
    #expect(named == [])
  }
}
