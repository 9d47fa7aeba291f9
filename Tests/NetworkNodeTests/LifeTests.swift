import Contracts
import Glibc
import Host
import Kit
import NetworkNode
import TestKit
import Testing

/// Restarts, the host, removal and scale of the kernel's data plane.
@Suite(.serialized) struct LifeTests {
  private func everything(_ lab: Lab) async throws -> (state: NetworkState, a: NetworkNamespace, b: NetworkNamespace) {
    let external = Make.network([Make.subnet("172.24.4.0/24", gateway: "172.24.4.1")], mtu: 1500, isExternal: true)
    var network = Make.network([Make.subnet()])
    network.dhcpPort = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
    network.hasRouterMetadata = true
    let group = Make.group(Make.egress + [Make.rule(true, "tcp", 22, 25)], members: ["10.0.0.5", "10.0.0.6"])
    let a = Make.port(network, ["10.0.0.5"], groups: [group.id])
    let b = Make.port(network, ["10.0.0.6"], groups: [group.id])
    let router = RouterWiring(
      id: UUIDText.make(), isUp: true,
      interfaces: [Make.port(network, ["10.0.0.1"], owner: "network:router_interface")],
      gateway: Make.port(external, ["172.24.4.9"], owner: "network:router_gateway"), hasSNAT: true, routes: [],
      floatingIPs: [FloatingIPWiring(id: UUIDText.make(), floatingAddress: "172.24.4.20", fixedAddress: "10.0.0.5")])
    let state = NetworkState(
      networks: [external, network], ports: [a, b], securityGroups: [group], routers: [router])
    return (
      state, try await lab.guest(a, address: "10.0.0.5/24", gateway: "10.0.0.1"),
      try await lab.guest(b, address: "10.0.0.6/24", gateway: "10.0.0.1")
    )
  }

  /// Everything that a restart must leave as it is, by namespace.
  private func picture(_ lab: Lab) async throws -> [String: String] {
    var result: [String: String] = [:]
    for namespace in try NetworkNamespace.list() where namespace.name.hasPrefix(lab.cloud.name) {
      result[namespace.name + " links"] = try await Command("ip", ["-o", "link"], namespace: namespace).check()
      result[namespace.name + " addresses"] = try await Command("ip", ["-o", "addr"], namespace: namespace).check()
      result[namespace.name + " rules"] = try await Command("nft", ["-a", "list", "ruleset"], namespace: namespace)
        .check()
    }
    return result
  }

  @Test func aRestartChangesNothingAndRemovalLeavesNothing() async throws {
    let lab = try Lab()
    let first = lab.dataplane()
    try await first.start()
    do {
      let (state, a, b) = try await everything(lab)
      #expect(try await first.apply(state).failures == [:])
      let direct = try #require(try await Wire.pair(b, to: "10.0.0.5", 22, server: a))
      let floating = try #require(try await Wire.pair(lab.cloud, to: "172.24.4.20", 23, server: a))
      let pid = "\(lab.directory)/daemons/dhcp-\(state.networks[1].id)/pid"
      let server = try #require(ProcessHandle(pidFile: pid))
      try await Task.sleep(for: .milliseconds(2500))
      let before = try await picture(lab)
      // Another process of ours: here another object, after the first one let go of the metadata port.
      _ = try await first.apply(state)
      let second = lab.dataplane()
      try await second.start()
      let report = try await second.apply(state)
      // Only the listener of the first object, which in truth would have ended, is in the way.
      #expect(report.failures.values.allSatisfy { $0.contains("no metadata service") })
      #expect(try await picture(lab) == before)
      #expect(server.isAlive)
      #expect(ProcessHandle(pidFile: pid) == server)
      #expect(try await direct.client.reaches(direct.server))
      #expect(try await direct.server.reaches(direct.client))
      #expect(try await floating.server.reaches(floating.client))
      // What was changed behind our back is put right.
      try await lab.ip("link set \(state.ports[0].tapName) nomaster", lab.cloud)
      _ = try await Command("nft", ["flush", "ruleset"], namespace: lab.cloud).check()
      try await lab.ip(
        "addr flush dev qg-\(state.routers[0].gateway?.id.prefix(11) ?? "")",
        NetworkNamespace("\(lab.cloud.name)-router-\(state.routers[0].id)"))
      try NetworkNamespace("\(lab.cloud.name)-dhcp-\(state.networks[1].id)").delete()
      _ = try await second.apply(state)
      #expect(try await direct.client.reaches(direct.server))
      #expect(try await Wire.pair(b, to: "10.0.0.5", 80, server: a, milliseconds: 300) == nil)
      #expect(try await Wire.pair(lab.cloud, to: "172.24.4.20", 24, server: a) != nil)
      #expect(try await second.wiredPorts().count == 5)
      try await first.removeAll()
      try await lab.remove(second)
      #expect(!server.isAlive)
      #expect(try NetworkNamespace.list().filter { $0.name.hasPrefix(lab.cloud.name) }.isEmpty)
    } catch {
      try await lab.remove(first)
      throw error
    }
  }

  @Test func routedToTheHostAndTheWorld() async throws {
    let lab = try Lab()
    let host = try lab.namespace("host")
    let world = try lab.namespace("world")
    try await lab.ip("link add eth0 type veth peer name eth0 netns \(world.name)", host)
    try await lab.ip("addr add 203.0.113.2/24 dev eth0", host)
    try await lab.ip("link set eth0 up", host)
    try await lab.ip("addr add 203.0.113.1/24 dev eth0", world)
    try await lab.ip("link set eth0 up", world)
    try await lab.ip("route add default via 203.0.113.1", host)
    let dataplane = lab.dataplane(.routed, host: host)
    do {
      try await dataplane.start()
      let (state, a, b) = try await everything(lab)
      #expect(try await dataplane.apply(state).failures == [:])
      // The host reaches the guest at its floating IP, and is seen as the external gateway.
      #expect(try #require(try await Wire.pair(host, to: "172.24.4.20", 22, server: a)).peer == "172.24.4.1")
      // Guests reach the world with the host's address, which knows no way to theirs.
      #expect(try #require(try await Wire.pair(a, to: "203.0.113.1", 7001, server: world)).peer == "203.0.113.2")
      #expect(try #require(try await Wire.pair(b, to: "203.0.113.1", 7002, server: world)).peer == "203.0.113.2")
      let links = try await lab.ip("-o link", host)
      let again = lab.dataplane(.routed, host: host)
      try await again.start()
      #expect(try await lab.ip("-o link", host) == links)
      // Another cloud of the host with the same external network is refused.
      let other = try Lab()
      let rival = other.dataplane(.routed, host: host)
      await #expect(throws: Fault.self) { try await rival.start() }
      try await other.remove(rival)
      try await dataplane.removeAll()
      #expect(try await lab.ip("-o link", host).split(separator: "\n").count == 2)
      #expect(try await lab.ip("route", host).contains("172.24.4.0") == false)
      #expect(try await Command("nft", ["list", "ruleset"], namespace: host).check() == "")
    } catch {
      try await lab.remove(dataplane)
      throw error
    }
    try await lab.remove(dataplane)
  }

  @Test func bridgedToANIC() async throws {
    let lab = try Lab()
    let host = try lab.namespace("host")
    let wire = try lab.namespace("wire")
    try await lab.ip("link add nic0 type veth peer name eth0 netns \(wire.name)", host)
    try await lab.ip("addr add 172.24.4.1/24 dev eth0", wire)
    try await lab.ip("link set eth0 up", wire)
    let dataplane = lab.dataplane(.bridged(nic: "nic0"), host: host)
    do {
      try await lab.ip("addr add 192.0.2.9/24 dev nic0", host)
      await #expect(throws: Fault.self) { try await dataplane.start() }
      try await lab.ip("addr flush dev nic0", host)
      try await dataplane.start()
      let (state, a, _) = try await everything(lab)
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try #require(try await Wire.pair(wire, to: "172.24.4.20", 22, server: a)).peer == "172.24.4.1")
      try await dataplane.removeAll()
      #expect(try await lab.ip("-o link", host).contains("nic0"))
    } catch {
      try await lab.remove(dataplane)
      throw error
    }
    try await lab.remove(dataplane)
  }

  @Test func programsOfALostStateFolderEndWithTheirNamespaces() async throws {
    try await Lab.run { lab, dataplane in
      var network = Make.network([Make.subnet()])
      network.dhcpPort = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
      #expect(try await dataplane.apply(NetworkState(networks: [network])).failures == [:])
      let daemons = "\(lab.directory)/daemons"
      let server = try #require(ProcessHandle(pidFile: "\(daemons)/dhcp-\(network.id)/pid"))
      try HostFiles.remove(daemons)
      let second = lab.dataplane()
      try await second.start()
      #expect(try await second.apply(NetworkState()).failures == [:])
      #expect(!server.isAlive)
      #expect(!NetworkNamespace("\(lab.cloud.name)-dhcp-\(network.id)").exists)
    }
  }

  @Test func impossibleSettingsAreFaults() async throws {
    let lab = try Lab()
    let bad = lab.dataplane(cidr: "172.24.4.0/24", gateway: "10.0.0.1")
    await #expect(throws: Fault.self) { try await bad.start() }
    let absent = lab.dataplane(.bridged(nic: "absent0"))
    await #expect(throws: Fault.self) { try await absent.start() }
    try await lab.remove(absent)
  }

  @Test func manyPorts() async throws {
    try await Lab.run { _, dataplane in
      let networks = (0..<10).map { _ in Make.network([Make.subnet()]) }
      let groups = (0..<10).map { _ in Make.group(Make.egress + [Make.rule(true, "tcp", 22)]) }
      var state = NetworkState(networks: networks, securityGroups: groups)
      for index in 0..<200 {
        state.ports.append(
          Make.port(networks[index % 10], ["10.0.0.\(index / 10 + 5)"], groups: [groups[index % 10].id]))
      }
      let clock = ContinuousClock()
      let full = try await clock.measure { _ = try await dataplane.apply(state) }
      let nothing = try await clock.measure { _ = try await dataplane.apply(state) }
      state.ports.append(Make.port(networks[0], ["10.0.0.99"], groups: [groups[0].id]))
      let one = try await clock.measure { _ = try await dataplane.apply(state) }
      let figures = "200 ports: \(full), again: \(nothing), one more: \(one)\n"
      _ = write(2, figures, figures.utf8.count)
      #expect(try await dataplane.wiredPorts().count == 201)
      #expect(full < .seconds(20))
    }
  }
}
