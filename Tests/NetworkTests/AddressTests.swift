import Kit
import Testing

@testable import Network

struct AddressTests {
  private func cidr(_ text: String) throws -> CIDR { try #require(CIDR(text)) }
  private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
  private func text(_ pools: [ClosedRange<IPAddress>]) -> [String] {
    pools.map { "\($0.lowerBound)-\($0.upperBound)" }
  }

  @Test func poolsAreEverythingButTheGateway() throws {
    let net = try cidr("10.0.0.0/24")
    #expect(SubnetPlan.defaultGateway(net).description == "10.0.0.1")
    #expect(text(SubnetPlan.defaultPools(net, gateway: try address("10.0.0.1"))) == ["10.0.0.2-10.0.0.254"])
    #expect(
      text(SubnetPlan.defaultPools(net, gateway: try address("10.0.0.9"))) == [
        "10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254",
      ])
    #expect(text(SubnetPlan.defaultPools(net, gateway: nil)) == ["10.0.0.1-10.0.0.254"])
    #expect(text(SubnetPlan.defaultPools(try cidr("10.0.0.0/31"), gateway: nil)) == ["10.0.0.0-10.0.0.1"])
    #expect(
      text(SubnetPlan.defaultPools(try cidr("fd00::/64"), gateway: try address("fd00::1"))) == [
        "fd00::2-fd00::ffff:ffff:ffff:ffff"
      ])
  }

  @Test(arguments: [
    ([["10.0.0.5", "10.0.0.9"], ["10.0.0.9", "10.0.0.12"]], "OverlappingAllocationPools"),
    ([["10.0.0.0", "10.0.0.9"]], "OutOfBoundsAllocationPool"),
    ([["10.0.0.200", "10.0.0.255"]], "OutOfBoundsAllocationPool"),
    ([["10.0.0.9", "10.0.0.5"]], "InvalidAllocationPool"), ([["fd00::1", "fd00::5"]], "InvalidAllocationPool"),
    ([["x", "10.0.0.5"]], "InvalidAllocationPool"), ([["10.0.0.1", "10.0.0.5"]], "GatewayConflictWithAllocationPools"),
  ]) func badPoolsAreNamed(_ pools: [[String]], _ kind: String) throws {
    let given = pools.map { pool -> JSONValue in ["start": .string(pool[0]), "end": .string(pool[1])] }
    let (net, gateway) = (try cidr("10.0.0.0/24"), try address("10.0.0.1"))
    let error = #expect(throws: Fault.self) { try SubnetPlan.checkPools(given, cidr: net, gateway: gateway) }
    #expect(error?.kind == kind)
  }

  @Test func portsMakeTheirOwnIPv6Address() throws {
    let subnet = try #require(
      Subnet(["id": "s", "cidr": "2003:0:0:1::/64", "ipv6_address_mode": "slaac", "allocation_pools": .array([])]))
    #expect(subnet.isAutoAddress)
    #expect(subnet.eui64("fa:16:3e:01:02:03")?.description == "2003::1:f816:3eff:fe01:203")
    #expect(subnet.offset(try address("2003:0:0:1::7")) == 7)
  }

  @Test func subnetPoolsGiveTheFirstFreePrefix() throws {
    let pool = [try cidr("10.0.0.0/22"), try cidr("192.168.0.0/24")]
    func free(_ prefix: Int, _ used: [String]) -> String? {
      SubnetPools.free(prefix: prefix, in: pool, used: used.compactMap { CIDR($0) })?.description
    }
    #expect(free(24, []) == "10.0.0.0/24")
    #expect(free(24, ["10.0.0.0/26", "10.0.1.128/25"]) == "10.0.2.0/24")
    #expect(free(23, ["10.0.0.0/22"]) == nil)
    #expect(free(26, ["10.0.0.0/22"]) == "192.168.0.0/26")
    #expect(
      SubnetPools.compact([try cidr("10.0.0.0/25"), try cidr("10.0.0.128/25"), try cidr("10.0.0.3/32")]).map(
        \.description)
        == ["10.0.0.0/24"])
  }

  @Test func protocolsHaveNamesAndNumbers() throws {
    #expect(try SecurityProtocol.canonical("TCP") == "tcp")
    #expect(try SecurityProtocol.canonical(17) == "17")
    #expect(try SecurityProtocol.canonical("any") == .null)
    for bad: JSONValue in ["nope", 256, -1, 1.5, true, [:]] {
      #expect(throws: Fault.self) { try SecurityProtocol.canonical(bad) }
    }
    var rule: JSONObject = ["ethertype": "IPv6", "protocol": "icmp"]
    try SecurityRules.check(&rule)
    #expect(rule["protocol"] == "ipv6-icmp")
  }

  @Test func namesBecomeLabels() {
    #expect(DNSText.label("Web Server_1.example") == "web-server-1-example")
    #expect(DNSText.label("--ä--") == "")
    #expect(DNSText.label(String(repeating: "x", count: 80)).count == 63)
  }
}
