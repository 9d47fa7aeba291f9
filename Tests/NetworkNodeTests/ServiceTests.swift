import Contracts
import Glibc
import Host
import Kit
import NetworkNode
import TestKit
import Testing

/// DHCP, routers, floating IPs and metadata of the kernel's data plane.
@Suite(.serialized) struct ServiceTests {
  /// A guest's DHCP client: the values that it got; nil when there was no answer.
  private func lease(_ guest: NetworkNamespace, _ lab: Lab) async throws -> [String: String]? {
    let (script, result) = ("\(lab.directory)/lease.sh", "\(lab.directory)/lease-\(guest.name)")
    try HostFiles.writeAtomically(
      script, Array("#!/bin/sh\n[ \"$1\" = bound ] && env > \(result)\nexit 0\n".utf8), mode: 0o755)
    try HostFiles.remove(result)
    let output = try await Command(
      "busybox",
      ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "4", "-T", "1", "-s", script, "-O", "mtu", "-O", "121"],
      namespace: guest
    ).run()
    guard output.status == 0, HostFiles.exists(result) else { return nil }
    let lines = String(decoding: try HostFiles.read(result), as: UTF8.self).split(separator: "\n")
    return Dictionary(
      lines.compactMap { line in
        line.firstIndex(of: "=").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
      }, uniquingKeysWith: { first, _ in first })
  }

  private func get(_ guest: NetworkNamespace, _ path: String, body: String = "") async throws -> String {
    guard let wire = try await Wire.connect(guest, "169.254.169.254", 80) else { return "" }
    let method = body.isEmpty ? "GET" : "POST"
    wire.send(
      "\(method) \(path) HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Forwarded-For: 1.2.3.4\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
    )
    return try await wire.receive(milliseconds: 2000)
  }

  @Test func dhcpAndMetadataOfANetworkWithoutARouter() async throws {
    try await Lab.run { lab, dataplane in
      var network = Make.network([Make.subnet()], mtu: 1442)
      network.dhcpPort = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
      let group = Make.group(Make.egress)
      var a = Make.port(network, ["10.0.0.5"], groups: [group.id])
      a.dnsName = "web"
      let b = Make.port(network, ["10.0.0.6"], groups: [group.id])
      var state = NetworkState(networks: [network], ports: [a], securityGroups: [group])
      let ga = try await lab.guest(a)
      #expect(try await dataplane.apply(state).failures == [:])
      let first = try #require(try await lease(ga, lab))
      #expect(first["ip"] == "10.0.0.5")
      #expect(first["mtu"] == "1442")
      #expect(first["router"] == "10.0.0.1")
      #expect(first["lease"] == "86400")
      #expect(first["hostname"] == "web")
      #expect(first["staticroutes"] == "169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.1")
      // A port that comes later is served without a restart of the server.
      let process = try #require(dnsmasq(lab, network))
      let gb = try await lab.guest(b)
      state.ports.append(b)
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try #require(try await lease(gb, lab))["ip"] == "10.0.0.6")
      #expect(dnsmasq(lab, network) == process)
      // Metadata, with the guest's own address whatever it claims.
      try await lab.ip("addr add 10.0.0.5/24 dev eth0", ga)
      try await lab.ip("route add 169.254.169.254/32 via 10.0.0.2", ga)
      let answer = try await get(ga, "/openstack/latest/meta_data.json?x=1")
      #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
      #expect(answer.hasSuffix("GET /openstack/latest/meta_data.json?x=1 of 10.0.0.5 body 0"))
      #expect(lab.metadata.all.last?.networkID == network.id)
      #expect(lab.metadata.all.last?.routerID == nil)
      #expect(try await get(ga, "/openstack/latest/password", body: "secret").hasSuffix("of 10.0.0.5 body 6"))
      #expect(try await get(ga, "/", body: String(repeating: "x", count: 70000)).hasPrefix("HTTP/1.1 413"))
      // A server that dies comes back by itself.
      process.signal(SIGKILL)
      var revived: ProcessHandle?
      for _ in 0..<60 where revived == nil {
        try await Task.sleep(for: .milliseconds(100))
        revived = dnsmasq(lab, network).flatMap { $0 == process ? nil : $0 }
      }
      #expect(revived?.isAlive == true)
      // The address of a port that is gone goes to another MAC.
      let c = Make.port(network, ["10.0.0.5"], groups: [group.id])
      let gc = try await lab.guest(c)
      state.ports[0] = c
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try #require(try await lease(gc, lab))["ip"] == "10.0.0.5")
      // No DHCP any more: the server ends.
      let last = try #require(dnsmasq(lab, network))
      state.networks[0].dhcpPort = nil
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(!last.isAlive)
      #expect(try await lease(gb, lab) == nil)
    }
  }

  private func dnsmasq(_ lab: Lab, _ network: NetworkWiring) -> ProcessHandle? {
    ProcessHandle(pidFile: "\(lab.directory)/daemons/dhcp-\(network.id)/pid")
  }

  /// A network behind a router with a guest that all may reach.
  private struct Site {
    var network: NetworkWiring
    var router: RouterWiring
    var port: PortWiring
    var guest: NetworkNamespace
  }

  private func site(_ lab: Lab, _ external: NetworkWiring, _ outside: String, _ floating: String, _ group: String)
    async throws -> Site
  {
    var network = Make.network([Make.subnet()])
    network.hasRouterMetadata = true
    let port = Make.port(network, ["10.0.0.5"], groups: [group])
    let router = RouterWiring(
      id: UUIDText.make(), isUp: true,
      interfaces: [Make.port(network, ["10.0.0.1"], owner: "network:router_interface")],
      gateway: Make.port(external, [outside], owner: "network:router_gateway"), hasSNAT: true, routes: [],
      floatingIPs: [FloatingIPWiring(id: UUIDText.make(), floatingAddress: floating, fixedAddress: "10.0.0.5")])
    let guest = try await lab.guest(port, address: "10.0.0.5/24", gateway: "10.0.0.1")
    return Site(network: network, router: router, port: port, guest: guest)
  }

  @Test func routersFloatingIPsAndMetadata() async throws {
    try await Lab.run { lab, dataplane in
      let external = Make.network([Make.subnet("172.24.4.0/24", gateway: "172.24.4.1")], mtu: 1500, isExternal: true)
      let group = Make.group(Make.egress + [Make.rule()])
      let one = try await site(lab, external, "172.24.4.9", "172.24.4.20", group.id)
      let two = try await site(lab, external, "172.24.4.10", "172.24.4.21", group.id)
      let plain = Make.port(one.network, ["10.0.0.6"], groups: [group.id])
      let gp = try await lab.guest(plain, address: "10.0.0.6/24", gateway: "10.0.0.1")
      var state = NetworkState(
        networks: [external, one.network, two.network], ports: [one.port, two.port, plain], securityGroups: [group],
        routers: [one.router, two.router])
      #expect(try await dataplane.apply(state).failures == [:])
      // From outside to a floating IP, and its owner's way out.
      let inward = try #require(try await Wire.pair(lab.cloud, to: "172.24.4.20", 22, server: one.guest))
      #expect(inward.peer == "172.24.4.1")
      #expect(try await inward.server.reaches(inward.client))
      #expect(
        try #require(try await Wire.pair(one.guest, to: "172.24.4.1", 7001, server: lab.cloud)).peer == "172.24.4.20")
      #expect(try #require(try await Wire.pair(gp, to: "172.24.4.1", 7002, server: lab.cloud)).peer == "172.24.4.9")
      // To another project with the same addresses, only by its floating IP; and to one's own.
      let across = try #require(try await Wire.pair(one.guest, to: "172.24.4.21", 22, server: two.guest))
      #expect(across.peer == "172.24.4.20")
      #expect(try #require(try await Wire.pair(gp, to: "172.24.4.20", 23, server: one.guest)).peer == "172.24.4.9")
      #expect(try await Wire.pair(one.guest, to: "172.24.4.20", 24, server: one.guest) != nil)
      try await lab.ip("route add 10.0.0.0/24 via 172.24.4.10", lab.cloud)
      #expect(try await Wire.pair(lab.cloud, to: "10.0.0.5", 22, server: two.guest, milliseconds: 400) == nil)
      // Metadata by router; the service is not open from outside.
      #expect(try await get(two.guest, "/latest/meta-data").hasSuffix("GET /latest/meta-data of 10.0.0.5 body 0"))
      #expect(lab.metadata.all.last?.routerID == two.router.id)
      #expect(lab.metadata.all.last?.networkID == nil)
      #expect(try await Wire.connect(lab.cloud, "172.24.4.9", 9697, milliseconds: 300) == nil)
      #expect(try await Wire.connect(one.guest, "10.0.0.1", 9697, milliseconds: 300) == nil)
      // A floating IP that is taken away: its connections end and nobody answers at it.
      state.routers[0].floatingIPs = []
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await !inward.server.reaches(inward.client, milliseconds: 400))
      #expect(try await !inward.client.reaches(inward.server, milliseconds: 400))
      #expect(try await !lab.pings(lab.cloud, "172.24.4.20"))
      #expect(
        try #require(try await Wire.pair(one.guest, to: "172.24.4.1", 7003, server: lab.cloud)).peer == "172.24.4.9")
      // It moves to the other router: neighbours learn where it is.
      state.routers[1].floatingIPs = [
        FloatingIPWiring(id: UUIDText.make(), floatingAddress: "172.24.4.20", fixedAddress: "10.0.0.5")
      ]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await Wire.pair(lab.cloud, to: "172.24.4.20", 22, server: two.guest) != nil)
      // A route by a guest, one that cannot be, and no translation.
      try await lab.ip("addr add 192.168.77.1/32 dev lo", gp)
      state.routers[0].routes = [StaticRoute(destination: "192.168.77.0/24", nexthop: "10.0.0.6")]
      state.ports[2].allowedPairs = [AddressPair(mac: plain.mac, address: "192.168.77.0/24")]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await lab.pings(one.guest, "192.168.77.1"))
      state.routers[0].routes.append(StaticRoute(destination: "192.168.78.0/24", nexthop: "10.99.0.1"))
      state.routers[0].hasSNAT = false
      #expect(try await dataplane.apply(state).failures.keys.sorted() == [one.router.id])
      #expect(try await !lab.pings(one.guest, "172.24.4.77"))
      try await lab.ip("route replace 10.0.0.0/24 via 172.24.4.9", lab.cloud)
      #expect(try #require(try await Wire.pair(gp, to: "172.24.4.1", 7004, server: lab.cloud)).peer == "10.0.0.6")
    }
  }

  @Test func ipv6ByAdvertisementAndItsRules() async throws {
    try await Lab.run { lab, dataplane in
      var six = Make.subnet("fd00:7::/64", gateway: "fd00:7::1")
      six.ipv6Mode = "slaac"
      let network = Make.network([six])
      var group = Make.group(Make.egress)
      var a = Make.port(network, [], groups: [group.id])
      let local = try #require(IPAddress(localAddress(a.mac)))
      let address = IPAddress(
        value: (try #require(IPAddress("fd00:7::"))).value | local.value & 0xFFFF_FFFF_FFFF_FFFF, isV6: true)
      a.fixedIPs = [FixedAddress(subnetID: six.id, address: "\(address)")]
      let b = Make.port(network, ["fd00:7::6"], groups: [group.id])
      let router = RouterWiring(
        id: UUIDText.make(), isUp: true,
        interfaces: [Make.port(network, ["fd00:7::1"], owner: "network:router_interface")], gateway: nil, hasSNAT: true,
        routes: [], floatingIPs: [])
      let ga = try await lab.guest(a)
      let gb = try await lab.guest(b, address: "fd00:7::6/64")
      var state = NetworkState(networks: [network], ports: [a, b], securityGroups: [group], routers: [router])
      #expect(try await dataplane.apply(state).failures == [:])
      var isThere = false
      for _ in 0..<100 where !isThere {
        isThere = try await lab.ip("-6 addr show dev eth0 scope global -tentative", ga).contains("\(address)/64")
        try await Task.sleep(for: .milliseconds(100))
      }
      #expect(isThere)
      #expect(try await lab.ip("-6 route show default", ga).contains("via fe80::"))
      #expect(try await lab.pings(ga, "fd00:7::1"))
      // By its given address: the advertisements made it another one too, which is not the port's.
      #expect(try await !lab.pings(gb, "\(address)", from: "fd00:7::6"))
      group.rules.append(Make.rule(true, "ipv6-icmp", 128, isV6: true))
      group.rules[group.rules.count - 1].portMax = nil
      state.securityGroups = [group]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await lab.pings(gb, "\(address)", from: "fd00:7::6"))
      try await lab.ip("addr add fd00:7::bad/64 dev eth0 nodad", gb)
      #expect(try await !lab.pings(gb, "\(address)", from: "fd00:7::bad"))
    }
  }

  /// RFC 4291, appendix A.
  private func localAddress(_ mac: String) -> String {
    let bytes = mac.split(separator: ":").compactMap { UInt16($0, radix: 16) }
    let groups = [(bytes[0] ^ 2) << 8 | bytes[1], bytes[2] << 8 | 0xFF, 0xFE00 | bytes[3], bytes[4] << 8 | bytes[5]]
    return "fe80::" + groups.map { String($0, radix: 16) }.joined(separator: ":")
  }
}
