import Contracts
import Kit
import Store
import TestKit
import Testing

@testable import Network

/// What the data plane is told, what comes back, and what it costs.
struct WiringTests {
  private static let project = TestVerifier.mainProject

  private func serve(_ cloud: NetworkHarness, _ network: String, servers: Int) async throws {
    let service = cloud.service
    try await cloud.database.write { tx in
      for index in 0..<servers {
        _ = try service.bind(
          [NetworkRequest(networkID: network)], serverID: "server-\(index)", name: "s\(index)",
          securityGroups: ["default"], projectID: Self.project, host: "node1", zone: "nova", tx: tx)
      }
    }
  }

  @Test func theNodeIsToldEverythingAndTellsStatusBack() async throws {
    let cloud = try await NetworkHarness()
    let (network, subnet) = try await cloud.network()
    let external = try await cloud.external
    let router =
      try await cloud.make(
        "routers", "router", ["external_gateway_info": ["network_id": .string(external)]])["id"]?.string ?? ""
    _ = try await cloud.send("PUT", "/v2.0/routers/\(router)/add_router_interface", ["subnet_id": .string(subnet)])
    try await serve(cloud, network, servers: 2)
    let port = try await cloud.send("GET", "/v2.0/ports?device_id=server-0").body["ports"]?[0]?["id"]?.string ?? ""
    let floating = try await cloud.make(
      "floatingips", "floatingip", ["floating_network_id": .string(external), "port_id": .string(port)])
    try await cloud.running { try await cloud.service.waitWired(serverID: "server-0") }
    let state = cloud.dataplane.last
    #expect(Set(state.ports.map(\.deviceID)) == ["server-0", "server-1"])
    #expect(Set(state.networks.map(\.id)) == [network, external])
    let wired = try #require(state.networks.first { $0.id == network })
    #expect(wired.mtu == 1450 && wired.hasRouterMetadata && wired.dhcpPort?.fixedIPs.first?.address == "10.0.0.2")
    #expect(wired.subnets.first?.gateway == "10.0.0.1")
    let routing = try #require(state.routers.first)
    #expect(routing.interfaces.first?.fixedIPs.first?.address == "10.0.0.1")
    #expect(routing.gateway?.networkID == external && routing.hasSNAT)
    #expect(routing.floatingIPs.map(\.fixedAddress) == ["10.0.0.3"])
    let group = try #require(state.securityGroups.first)
    #expect(group.rules.count == 4 && group.memberAddresses == ["10.0.0.3", "10.0.0.4"])
    let shown = try await cloud.send("GET", "/v2.0/ports/\(port)").body["port"]
    #expect(shown?["status"] == "ACTIVE")
    let ip = try await cloud.send("GET", "/v2.0/floatingips/\(floating["id"]?.string ?? "")").body["floatingip"]
    #expect(ip?["status"] == "ACTIVE")
    let agents = try await cloud.send("GET", "/v2.0/agents", as: "admin").body["agents"]?.array ?? []
    #expect(agents.count == 4 && agents.allSatisfy { $0["alive"] == true && $0["host"] == "node1" })
    cloud.clock.advance(.seconds(100))
    let late = try await cloud.send("GET", "/v2.0/agents?alive=true", as: "admin").body["agents"]
    #expect(late == [])
  }

  /// A rule that names an address group is a rule for each address of its IP version.
  @Test func addressGroupsAreSpelledOut() async throws {
    let cloud = try await NetworkHarness()
    let (network, _) = try await cloud.network()
    try await serve(cloud, network, servers: 1)
    let list = try await cloud.make(
      "address-groups", "address_group", ["addresses": ["10.1.0.0/16", "10.2.0.0/16", "fd00::/8"]])
    let groups = try await cloud.send("GET", "/v2.0/security-groups").body["security_groups"]
    _ = try await cloud.make(
      "security-group-rules", "security_group_rule",
      [
        "security_group_id": groups?[0]?["id"] ?? "", "direction": "ingress", "protocol": "udp",
        "remote_address_group_id": list["id"] ?? "",
      ])
    try await cloud.service.node.pass()
    let rules = cloud.dataplane.last.securityGroups.flatMap(\.rules).filter { $0.protocol == "udp" }
    #expect(rules.map(\.remoteCIDR) == ["10.1.0.0/16", "10.2.0.0/16"])
  }

  @Test func whatCannotBeWiredIsToldToTheServerItBelongsTo() async throws {
    let cloud = try await NetworkHarness()
    let (network, _) = try await cloud.network()
    try await serve(cloud, network, servers: 2)
    let ports = try await cloud.send("GET", "/v2.0/ports?device_id=server-0").body["ports"]
    let port = ports?[0]?["id"]?.string ?? ""
    cloud.dataplane.fail(port, "no such bridge")
    try await cloud.running {
      await #expect(throws: Fault.self) { try await cloud.service.waitWired(serverID: "server-0") }
      try await cloud.service.waitWired(serverID: "server-1")
    }
    #expect(try await cloud.send("GET", "/v2.0/ports/\(port)").body["port"]?["status"] == "DOWN")
  }

  @Test func anAdministratorTakesARouterFromItsAgent() async throws {
    let cloud = try await NetworkHarness()
    let router = try await cloud.make("routers", "router", [:])["id"]?.string ?? ""
    try await cloud.service.node.pass()
    #expect(cloud.dataplane.last.routers.map(\.id) == [router])
    let agents = try await cloud.send("GET", "/v2.0/routers/\(router)/l3-agents", as: "admin").body["agents"]
    let agent = agents?[0]?["id"]?.string ?? ""
    let path = "/v2.0/agents/\(agent)/l3-routers"
    #expect(try await cloud.send("POST", path, ["router_id": .string(router)], as: "admin").status == 409)
    #expect(try await cloud.send("DELETE", "\(path)/\(router)", as: "admin").status == 204)
    #expect(try await cloud.send("GET", path, as: "admin").body["routers"] == [])
    try await cloud.service.node.pass()
    #expect(cloud.dataplane.last.routers.isEmpty)
    #expect(try await cloud.send("POST", path, ["router_id": .string(router)], as: "admin").status == 201)
  }

  /// The queries of a pass and of lists do not grow with the rows.
  @Test func queriesAreBounded() async throws {
    let cloud = try await NetworkHarness()
    let (network, _) = try await cloud.network("10.0.0.0/20")
    func cost(_ body: () async throws -> Void) async throws -> Int {
      let before = cloud.database.statementCount
      try await body()
      return cloud.database.statementCount - before
    }
    func lists() async throws -> [Int] {
      var costs: [Int] = []
      for path in ["networks", "subnets", "ports", "routers", "security-groups", "floatingips"] {
        costs.append(try await cost { _ = try await cloud.send("GET", "/v2.0/\(path)") })
      }
      let service = cloud.service
      let ids = (0..<40).map { "server-\($0)" }
      costs.append(
        try await cost { _ = try await cloud.database.read { tx in try service.ports(ofServers: ids, tx: tx) } })
      costs.append(try await cost { try await cloud.service.node.pass() })
      return costs
    }
    try await serve(cloud, network, servers: 2)
    try await cloud.service.node.pass()
    let few = try await lists()
    try await serve(cloud, network, servers: 40)
    try await cloud.service.node.pass()
    let many = try await lists()
    #expect(few == many)
    #expect(many.max() ?? 0 <= 13, "\(many)")
    let made = try await cost { _ = try await cloud.port(network) }
    #expect(made <= 16, "a port took \(made) statements")
    let net = try await cost { _ = try await cloud.make("networks", "network", ["name": "x"]) }
    #expect(net <= 12, "a network took \(net) statements")
  }

  @Test func aBurstOfPortsCostsFewPasses() async throws {
    let cloud = try await NetworkHarness()
    let (network, _) = try await cloud.network("10.0.0.0/20")
    let passes = try await cloud.running {
      for _ in 0..<200 { _ = try await cloud.port(network) }
      try await cloud.service.waitWired(serverID: "none")
      return cloud.dataplane.applied.count
    }
    #expect(passes < 20, "unbound ports took \(passes) passes of the data plane")
  }
}
