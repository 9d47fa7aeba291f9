import Contracts
import Kit
import Store
import TestKit
import Testing

@testable import Network

/// What Compute does with ports.
struct BindingTests {
  private let member = TestVerifier.context("member")
  private static let project = TestVerifier.mainProject

  private func bind(_ cloud: NetworkHarness, _ requests: [NetworkRequest], server: String = "server-1") async throws
    -> [ServerPort]
  {
    let service = cloud.service
    return try await cloud.database.write { tx in
      try service.bind(
        requests, serverID: server, name: "Web 1", securityGroups: ["default"], projectID: Self.project, host: "node1",
        zone: "nova", tx: tx)
    }
  }

  @Test func portsComeAndGoWithTheirServer() async throws {
    let cloud = try await NetworkHarness()
    let (network, subnet) = try await cloud.network()
    let own = try await cloud.port(network)["id"]?.string
    let requests = [NetworkRequest(networkID: network), NetworkRequest(portID: own, tag: "nic")]
    let ports = try await bind(cloud, requests)
    #expect(ports.map(\.isOwnedByCompute) == [true, false])
    #expect(ports[0].fixedIPs.map(\.address) == ["10.0.0.4"])
    #expect(ports[0].networkName == "net")
    #expect(ports[0].securityGroupNames == ["default"])
    #expect(ports[0].subnets.map(\.id) == [subnet])
    #expect(ports[1].tag == "nic")
    // A step that is done again makes nothing new.
    #expect(try await bind(cloud, requests) == ports)
    let shown = try await cloud.send("GET", "/v2.0/ports/\(ports[0].id)", as: "admin").body["port"]
    #expect(shown?["device_owner"] == "compute:nova")
    #expect(shown?["binding:vif_type"] == "bridge")
    #expect(shown?["dns_name"] == "web-1")
    // Its user cannot pull the port from under the server.
    #expect(try await cloud.send("DELETE", "/v2.0/ports/\(ports[0].id)").status == 403)
    let service = cloud.service
    try await cloud.database.write { tx in try service.release(serverID: "server-1", tx: tx) }
    #expect(try await cloud.send("GET", "/v2.0/ports/\(ports[0].id)").status == 404)
    let kept = try await cloud.send("GET", "/v2.0/ports/\(ports[1].id)", as: "admin").body["port"]
    #expect(kept?["device_id"] == "" && kept?["device_owner"] == "" && kept?["binding:host_id"] == "")
  }

  @Test func plansAreCheckedBeforeAnythingIsMade() async throws {
    let cloud = try await NetworkHarness()
    let service = cloud.service
    let auth = try #require(member)
    func plan(_ requests: [NetworkRequest]?, groups: [String] = [], servers: Int = 1) async throws -> [NetworkRequest] {
      try await cloud.database.read { tx in
        try service.plan(requests, securityGroups: groups, servers: servers, auth: auth, tx: tx)
      }
    }
    #expect(try await plan(nil).isEmpty)
    let bare = try await cloud.make("networks", "network", ["name": "bare"])["id"]?.string
    await #expect(throws: Fault.self) { try await plan([NetworkRequest(networkID: bare)]) }
    _ = try await cloud.send("DELETE", "/v2.0/networks/\(bare ?? "")")
    let (network, _) = try await cloud.network()
    #expect(try await plan(nil) == [NetworkRequest(networkID: network)])
    let other = try await cloud.network(as: "other-member")
    let external = try await cloud.external
    let cases: [([NetworkRequest]?, [String], Int, Int)] = [
      ([NetworkRequest(networkID: other.network)], [], 1, 400), ([NetworkRequest(networkID: external)], [], 1, 403),
      ([NetworkRequest(portID: NetworkHarness.missing)], [], 1, 400), ([NetworkRequest()], [], 1, 400),
      ([NetworkRequest(networkID: network, fixedIP: "10.0.0.2")], [], 1, 400),
      ([NetworkRequest(networkID: network, fixedIP: "10.0.0.99")], [], 2, 400),
      ([NetworkRequest(networkID: network, fixedIP: "x")], [], 1, 400), (nil, ["nope"], 1, 400),
      ([NetworkRequest(networkID: network)], [], 600, 403),
    ]
    for (requests, groups, servers, status) in cases {
      do {
        _ = try await plan(requests, groups: groups, servers: servers)
        Issue.record("\(String(describing: requests)) was planned")
      } catch let fault as Fault { #expect(fault.status == status, "\(fault)") }
    }
    _ = try await cloud.network("10.1.0.0/24")
    do {
      _ = try await plan(nil)
      Issue.record("an ambiguous choice was planned")
    } catch let fault as Fault { #expect(fault.status == 409) }
  }

  @Test func addressesAndGroupsOfServersChange() async throws {
    let cloud = try await NetworkHarness()
    let (network, _) = try await cloud.network()
    let port = try await bind(cloud, [NetworkRequest(networkID: network)])[0]
    let group = try await cloud.make("security-groups", "security_group", ["name": "web"])["id"]?.string ?? ""
    let service = cloud.service
    let ports = try await cloud.database.write { tx in
      try service.addFixedIP(networkID: network, serverID: "server-1", tx: tx)
      try service.addSecurityGroup("web", serverID: "server-1", projectID: Self.project, tx: tx)
      try service.removeSecurityGroup("default", serverID: "server-1", projectID: Self.project, tx: tx)
      return try service.ports(ofServers: ["server-1"], tx: tx)["server-1"] ?? []
    }
    #expect(ports[0].fixedIPs.map(\.address) == ["10.0.0.3", "10.0.0.4"])
    #expect(ports[0].securityGroupNames == ["web"])
    #expect(try await cloud.send("DELETE", "/v2.0/security-groups/\(group)").status == 409)
    let found = try await cloud.database.write { tx in
      try service.removeFixedIP("10.0.0.3", serverID: "server-1", tx: tx)
      return try service.serverID(address: "10.0.0.4", networkID: network, routerID: nil, tx: tx)
    }
    #expect(found == "server-1")
    let second = try await cloud.database.write { tx in
      try service.attach(
        NetworkRequest(networkID: network, fixedIP: "10.0.0.50"), serverID: "server-1", name: "x",
        projectID: Self.project, host: "node1", zone: "nova", tx: tx)
    }
    #expect(second.fixedIPs.map(\.address) == ["10.0.0.50"])
    try await cloud.database.write { tx in try service.detach(portID: port.id, serverID: "server-1", tx: tx) }
    let left = try await cloud.database.read { tx in try service.ports(ofServers: ["server-1", "none"], tx: tx) }
    #expect(left.mapValues { $0.map(\.id) } == ["server-1": [second.id]])
  }

  @Test func oldSecurityGroupProxiesWork() async throws {
    let cloud = try await NetworkHarness()
    let service = cloud.service
    let auth = try #require(member)
    let shown = try await cloud.database.write { tx in
      let group = try service.createSecurityGroup(name: "web", description: "d", auth: auth, tx: tx)
      let rule = ProxySecurityGroup.Rule(
        id: "", parentGroupID: group.id, protocol: "tcp", fromPort: 22, toPort: 22, cidr: "10.0.0.0/8", groupName: nil,
        groupProjectID: nil)
      let made = try service.createRule(rule, remoteGroupID: nil, auth: auth, tx: tx)
      #expect(made.cidr == "10.0.0.0/8" && made.fromPort == 22)
      let names = try service.securityGroups(allProjects: false, auth: auth, tx: tx).map(\.name).sorted()
      #expect(names == ["default", "web"])
      return try service.updateSecurityGroup(group.id, name: "www", description: "e", auth: auth, tx: tx)
    }
    #expect(shown.name == "www" && shown.rules.count == 1)
    let stranger = try #require(TestVerifier.context("other-member"))
    await #expect(throws: Fault.self) {
      try await cloud.database.read { tx in try service.securityGroup(shown.id, auth: stranger, tx: tx) }
    }
    try await cloud.database.write { tx in
      try service.deleteRule(shown.rules[0].id, auth: auth, tx: tx)
      try service.deleteSecurityGroup(shown.id, auth: auth, tx: tx)
    }
  }
}
