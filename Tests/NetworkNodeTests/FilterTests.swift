import Contracts
import Host
import Kit
import NetworkNode
import TestKit
import Testing

/// Security groups and anti-spoofing between guests of the kernel's data plane.
@Suite(.serialized) struct FilterTests {
  @Test func allowedPassesTheRestIsDroppedAndRemovedRulesCut() async throws {
    try await Lab.run { lab, dataplane in
      let network = Make.network([Make.subnet()])
      var clients = Make.group(Make.egress)
      var servers = Make.group(Make.egress)
      let a = Make.port(network, ["10.0.0.5"], groups: [clients.id])
      let b = Make.port(network, ["10.0.0.6"], groups: [servers.id])
      let c = Make.port(network, ["10.0.0.7"], groups: [servers.id])
      clients.memberAddresses = ["10.0.0.5"]
      servers.rules += [
        Make.rule(true, "tcp", 80, group: clients.id), Make.rule(true, "tcp", 8000, 8010, from: "10.0.0.4/31"),
      ]
      var state = NetworkState(networks: [network], ports: [a, b, c], securityGroups: [clients, servers])
      let ga = try await lab.guest(a, address: "10.0.0.5/24")
      let gb = try await lab.guest(b, address: "10.0.0.6/24")
      let gc = try await lab.guest(c, address: "10.0.0.7/24")
      #expect(try await dataplane.apply(state).failures == [:])
      // No rule allows it, in either direction.
      #expect(try await !lab.pings(ga, "10.0.0.6"))
      #expect(try await Wire.pair(ga, to: "10.0.0.6", 81, server: gb, milliseconds: 400) == nil)
      #expect(try await Wire.pair(gc, to: "10.0.0.6", 80, server: gb, milliseconds: 400) == nil)
      #expect(try await Wire.pair(gb, to: "10.0.0.5", 80, server: ga, milliseconds: 400) == nil)
      // A rule allows it; replies pass.
      let web = try #require(try await Wire.pair(ga, to: "10.0.0.6", 80, server: gb))
      let wide = try #require(try await Wire.pair(ga, to: "10.0.0.6", 8005, server: gb))
      #expect(try await web.client.reaches(web.server))
      #expect(try await web.server.reaches(web.client))
      // The remote group loses its member: its connection ends, the other one goes on.
      state.securityGroups[0].memberAddresses = []
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !web.client.reaches(web.server, milliseconds: 400))
      #expect(try await !web.server.reaches(web.client, milliseconds: 400))
      #expect(try await wide.server.reaches(wide.client))
      #expect(try await wide.client.reaches(wide.server))
      // The rule itself goes.
      state.securityGroups[1].rules.removeLast()
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !wide.client.reaches(wide.server, milliseconds: 400))
      #expect(try await !wide.server.reaches(wide.client, milliseconds: 400))
      // Rules come.
      state.securityGroups[1].rules.append(Make.rule(true, "icmp", 8))
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await lab.pings(ga, "10.0.0.6"))
      // A port changes its groups, and one of them goes.
      let open = Make.group([Make.rule(false), Make.rule(true, "tcp", 90)])
      state.securityGroups.append(open)
      state.ports[1].securityGroupIDs = [open.id]
      #expect(try await dataplane.apply(state).failures == [:])
      let moved = try #require(try await Wire.pair(gc, to: "10.0.0.6", 90, server: gb))
      #expect(try await !lab.pings(ga, "10.0.0.6"))
      state.ports[1].securityGroupIDs = [servers.id, open.id]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await moved.client.reaches(moved.server))
      #expect(try await lab.pings(ga, "10.0.0.6"))
      state.securityGroups.removeLast()
      state.ports[1].securityGroupIDs = [servers.id]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !moved.client.reaches(moved.server, milliseconds: 400))
      // Without port security nothing is filtered; a port that is down carries nothing.
      state.ports[0].hasPortSecurity = false
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await lab.pings(gb, "10.0.0.5"))
      state.ports[0].isUp = false
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !lab.pings(gb, "10.0.0.5"))
    }
  }

  @Test func spoofedSourcesAreDropped() async throws {
    try await Lab.run { lab, dataplane in
      let network = Make.network([Make.subnet()])
      let group = Make.group(Make.egress + [Make.rule(), Make.rule(isV6: true)])
      var a = Make.port(network, ["10.0.0.5"], groups: [group.id])
      a.allowedPairs = [AddressPair(mac: a.mac, address: "10.0.0.64/28")]
      let b = Make.port(network, ["10.0.0.6"], groups: [group.id])
      let ga = try await lab.guest(a, address: "10.0.0.5/24")
      let gb = try await lab.guest(b, address: "10.0.0.6/24")
      let state = NetworkState(networks: [network], ports: [a, b], securityGroups: [group])
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await lab.pings(ga, "10.0.0.6"))
      for address in ["10.0.0.99", "10.0.0.70"] { try await lab.ip("addr add \(address)/24 dev eth0", ga) }
      #expect(try await !lab.pings(ga, "10.0.0.6", from: "10.0.0.99"))
      #expect(try await lab.pings(ga, "10.0.0.6", from: "10.0.0.70"))
      // An answer to ARP for an address that is not the port's.
      try await lab.ip("neigh flush all", gb)
      #expect(try await !lab.pings(gb, "10.0.0.99"))
      #expect(try await lab.pings(gb, "10.0.0.70"))
      // IPv6: the address of the MAC is its own, another one is not.
      let local =
        "fe80::" + String((try #require(firstLocal(await lab.ip("-6 addr show dev eth0 scope link", ga)))).dropFirst(6))
      try await Task.sleep(for: .milliseconds(1500))
      #expect(try await lab.pings(gb, local + "%eth0"))
      try await lab.ip("addr add fe80::bad/64 dev eth0 nodad", ga)
      #expect(try await !lab.pings(gb, "fe80::bad%eth0"))
      try await lab.ip("link set eth0 address fa:16:3e:99:99:99", ga)
      #expect(try await !lab.pings(ga, "10.0.0.6"))
      try await lab.ip("link set eth0 address \(a.mac)", ga)
      #expect(try await lab.pings(ga, "10.0.0.6"))
    }
  }

  private func firstLocal(_ text: String) -> Substring? {
    text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "/" }).first { $0.hasPrefix("fe80:") }
  }

  @Test func networksWithTheSameAddressesDoNotMeet() async throws {
    try await Lab.run { lab, dataplane in
      let group = Make.group(Make.egress + [Make.rule()])
      var state = NetworkState(securityGroups: [group])
      var guests: [NetworkNamespace] = []
      for _ in 0..<2 {
        let network = Make.network([Make.subnet()])
        state.networks.append(network)
        for address in ["10.0.0.5", "10.0.0.6"] {
          let port = Make.port(network, [address], groups: [group.id])
          state.ports.append(port)
          guests.append(try await lab.guest(port, address: "\(address)/24"))
        }
      }
      #expect(try await dataplane.apply(state).failures == [:])
      // The same five-tuple in both: each reaches its own neighbour.
      let first = try #require(try await Wire.pair(guests[0], to: "10.0.0.6", 80, server: guests[1]))
      let second = try #require(try await Wire.pair(guests[2], to: "10.0.0.6", 80, server: guests[3]))
      #expect(try await first.client.reaches(first.server))
      #expect(try await second.server.reaches(second.client))
      try guests[3].delete()
      state.ports.removeLast()
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !lab.pings(guests[2], "10.0.0.6"))
      #expect(try await first.client.reaches(first.server))
      // A bridge does not route: a frame to the bridge's own MAC with an address elsewhere goes nowhere.
      let mac =
        try await lab.ip("-o link show dev br-\(state.networks[0].id.prefix(11))", lab.cloud)
        .split(separator: " ").drop { $0 != "link/ether" }.dropFirst().first ?? ""
      try await lab.ip("neigh replace 10.0.0.200 lladdr \(mac) dev eth0", guests[0])
      try await lab.ip("route add 172.24.4.0/24 via 10.0.0.200", guests[0])
      #expect(try await !lab.pings(guests[0], "172.24.4.1"))
    }
  }
}
