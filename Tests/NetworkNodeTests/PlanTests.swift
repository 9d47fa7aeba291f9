import Contracts
import Kit
import Testing

@testable import NetworkNode

@Suite struct PlanTests {
  private let external = ExternalPlan(mode: .isolated, cidr: "172.24.4.0/24", gateway: "172.24.4.1", transfer: nil)

  @Test func hostileTextIsRefused() {
    let subnet = Make.subnet()
    let network = Make.network([subnet])
    var port = Make.port(network, ["10.0.0.5"])
    port.dnsName = "a\nb"
    port.dhcpOptions = [
      DHCPOption(name: "mtu\nuser=x", value: "1", ipVersion: 4),
      DHCPOption(name: "150", value: "10.0.0.9", ipVersion: 4),
    ]
    var mac = Make.port(network, ["10.0.0.6"])
    mac.mac = "fa:16:3e:00:00:01; flush ruleset"
    var address = Make.port(network, ["10.0.0.7"])
    address.fixedIPs[0].address = "10.0.0.7 }"
    var stranger = Make.port(network, ["10.0.0.8"])
    stranger.networkID = "unknown"
    var idless = Make.port(network, ["10.0.0.9"])
    idless.id = "x\" }"
    let group = SecurityGroupWiring(
      id: "g",
      rules: [
        Make.rule(true, "tcp; drop"), Make.rule(true, "tcp", 22, from: "10.0.0.0/8 accept"), Make.rule(true, "udp", 53),
        Make.rule(true, "tcp", 80, 22), Make.rule(true, "icmp", 256),
      ],
      memberAddresses: ["10.0.0.5", "$x"])
    let check = StateCheck(
      NetworkState(networks: [network], ports: [port, mac, address, stranger, idless], securityGroups: [group]))
    #expect(check.state.ports.map(\.id) == [port.id, address.id])
    #expect(check.state.ports[0].dnsName == "")
    #expect(check.state.ports[0].dhcpOptions.map(\.name) == ["150"])
    #expect(check.state.ports[1].fixedIPs.isEmpty)
    #expect(check.state.securityGroups[0].rules == [Make.rule(true, "udp", 53)])
    #expect(check.state.securityGroups[0].memberAddresses == ["10.0.0.5"])
    #expect(Set(check.failures.keys) == [port.id, mac.id, address.id, stranger.id, idless.id, "g"])
  }

  @Test func zonesStay() {
    #expect(NodePlan.zones(["a", "b"], externals: [], taken: [:]) == ["a": 1, "b": 2])
    #expect(NodePlan.zones(["b", "c", "x"], externals: ["x"], taken: ["a": 1, "b": 2]) == ["b": 2, "c": 1, "x": 0])
    #expect(NodePlan.zones(["b", "c"], externals: [], taken: ["b": 3, "c": 3]) == ["b": 3, "c": 1])
    #expect(BridgePlan.zone(inAlias: "network n-1 zone 12")?.zone == 12)
    #expect(BridgePlan.zone(inAlias: "something") == nil)
  }

  @Test func namesFitTheKernel() {
    let id = UUIDText.make()
    for name in [
      KernelName.bridge(id), KernelName.dhcpEnd(id), KernelName.gatewayEnd(id), KernelName.hostEnd("a-long-cloud-name"),
    ] {
      #expect(name.utf8.count <= 15)
    }
    #expect(KernelName.isNamespace(KernelName.dhcpNamespace("martlet", id), of: "martlet"))
    #expect(!KernelName.isNamespace("martlet-dhcp-x-router-\(id)", of: "martlet"))
    #expect(!KernelName.isNamespace("martlet2-router-\(id)", of: "martlet"))
    #expect(!KernelName.isNamespace("martlet-g1", of: "martlet"))
    #expect(KernelName.hostEnd("a") != KernelName.hostEnd("b"))
    #expect(KernelName.mac("x").hasPrefix("02:"))
    #expect(KernelName.mac("x").utf8.count == 17)
  }

  @Test func dhcpFiles() {
    var subnet = Make.subnet(dns: ["10.0.0.53"])
    subnet.hostRoutes = [StaticRoute(destination: "192.168.9.0/24", nexthop: "10.0.0.7")]
    var six = Make.subnet("fd00::/64", gateway: "fd00::1", dns: ["fd00::53"])
    six.ipv6Mode = "dhcpv6-stateful"
    var network = Make.network([subnet, six])
    let server = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
    var guest = Make.port(network, ["10.0.0.5", "fd00::5"])
    guest.dnsName = "web"
    guest.dhcpOptions = [
      DHCPOption(name: "bootfile-name", value: "pxe.0", ipVersion: 4),
      DHCPOption(name: "150", value: "10.0.0.9", ipVersion: 4),
    ]
    var files = DHCPServer(network: network, port: server, guests: [guest])
    #expect(files.hosts == "\(guest.mac),set:p-\(guest.id),web.test.example,10.0.0.5,[fd00::5]\n")
    #expect(files.names == "10.0.0.5 web.test.example web\nfd00::5 web.test.example web\n")
    #expect(files.configuration.contains("dhcp-range=set:s-\(subnet.id),10.0.0.0,static,255.255.255.0,86400s\n"))
    #expect(files.configuration.contains("dhcp-range=set:s-\(six.id),fd00::,static,64,86400s\n"))
    #expect(files.configuration.contains("dhcp-option-force=option:mtu,1450\n"))
    let routes = "192.168.9.0/24,10.0.0.7,169.254.169.254/32,10.0.0.2,0.0.0.0/0,10.0.0.1"
    #expect(files.options.contains("tag:s-\(subnet.id),option:classless-static-route,\(routes)\n"))
    #expect(files.options.contains("tag:s-\(subnet.id),option:router,10.0.0.1\n"))
    #expect(files.options.contains("tag:s-\(subnet.id),option:dns-server,10.0.0.53\n"))
    #expect(files.options.contains("tag:s-\(six.id),option6:dns-server,[fd00::53]\n"))
    #expect(files.options.contains("tag:p-\(guest.id),option:bootfile-name,pxe.0\ntag:p-\(guest.id),150,10.0.0.9\n"))
    network.hasRouterMetadata = true
    network.subnets[0].hostRoutes = []
    files = DHCPServer(network: network, port: server, guests: [guest])
    #expect(!files.options.contains("classless"))
    #expect(files.leases == ["\(guest.mac) 10.0.0.5", "\(guest.mac) fd00::5"])
    network.subnets = network.subnets.map { subnet in
      var off = subnet
      off.hasDHCP = false
      return off
    }
    #expect(DHCPServer(network: network, port: server, guests: [guest]).plan(namespace: "n") == nil)
  }

  @Test func linksOfANode() {
    let network = Make.network([Make.subnet()])
    let port = Make.port(network, ["10.0.0.5"])
    let state = NetworkState(networks: [network], ports: [port])
    let plan = NodePlan(state, cloud: "c", external: external, zones: [:])
    let lines = LinkDifference.cloud(plan, NamespacePicture(), ends: [:]).map(\.text)
    let bridge = KernelName.bridge(network.id)
    #expect(lines.contains("tuntap add dev \(port.tapName) mode tap"))
    #expect(lines.contains("link set dev \(port.tapName) master \(bridge) mtu 1450 alias \"port \(port.id)\" up"))
    var picture = NamespacePicture()
    picture.links[bridge] = LinkFacts(
      index: 4, kind: "bridge", master: 0, mtu: 1450, isUp: true, mac: "", alias: "network \(network.id) zone 1")
    picture.links[port.tapName] = LinkFacts(
      index: 5, kind: "tun", master: 4, mtu: 1450, isUp: true, mac: "", alias: "port \(port.id)")
    picture.links["tap-old"] = LinkFacts(index: 6, kind: "tun", master: 4, mtu: 1450, isUp: true, mac: "", alias: "")
    picture.links["eth7"] = LinkFacts(index: 7, kind: "veth", master: 0, mtu: 1450, isUp: true, mac: "", alias: "")
    #expect(LinkDifference.cloud(plan, picture, ends: [:]).isEmpty)
    #expect(
      LinkDifference.removals(plan, picture).map(\.text) == ["link set dev tap-old group 7071", "link del group 7071"])
  }

  @Test func failuresOfABatchBelongToTheirResources() {
    let lines = [BatchLine("link set dev a up", for: "port-a"), BatchLine("link set dev b up", for: "port-b")]
    let failures = LinkBatch.failures(in: "Cannot find device \"b\"\nCommand failed -:2\n", lines)
    #expect(failures == ["port-b": "'ip link set dev b up': Cannot find device \"b\""])
    #expect(LinkBatch.failures(in: "strange", lines) == ["": "strange"])
  }

  @Test func advertisements() {
    var six = Make.subnet("fd00:7::/64", gateway: "fd00:7::1", dns: ["fd00::53"])
    six.ipv6Mode = "slaac"
    let network = Make.network([six])
    let port = Make.port(network, ["fd00:7::1"], owner: "network:router_interface")
    let router = RouterWiring(
      id: "r", isUp: true, interfaces: [port], gateway: nil, hasSNAT: true, routes: [], floatingIPs: [])
    let file = RouterAdvertisement(router: router, networks: [network.id: network]).plan(namespace: "n")?.files[
      "radvd.conf"]
    #expect(file?.contains("prefix fd00:7::/64") == true)
    #expect(file?.contains("AdvAutonomous on;") == true)
    #expect(file?.contains("AdvManagedFlag off;") == true)
    #expect(file?.contains("RDNSS fd00::53 {};") == true)
    #expect(RouterAdvertisement(router: router, networks: [:]).plan(namespace: "n") == nil)
  }

  @Test func announcementFrame() throws {
    let frame = try #require(Announcement(link: "x", mac: "fa:16:3e:00:00:01", address: "172.24.4.20").frame)
    #expect(frame.count == 42)
    #expect(Array(frame[28..<32]) == [172, 24, 4, 20])
    #expect(Announcement(link: "x", mac: "fa:16:3e:00:00:01", address: "fd00::1").frame == nil)
  }
}
