import Contracts
import Host
import Kit
import NetworkNode
import TestKit
import Testing

/// What every data plane does, whatever is below it.
@Suite(.serialized) struct ConformanceTests {
  enum Kind: CaseIterable, Sendable {
    case fake
    case kernel
  }

  private func run(_ kind: Kind, _ body: (any Dataplane) async throws -> Void) async throws {
    switch kind {
    case .fake:
      let dataplane = FakeDataplane()
      try await dataplane.start()
      try await body(dataplane)
      try await dataplane.removeAll()
      #expect(try await dataplane.wiredPorts().isEmpty)
    case .kernel: try await Lab.run { _, dataplane in try await body(dataplane) }
    }
  }

  @Test(arguments: Kind.allCases) func portsComeAndGo(_ kind: Kind) async throws {
    try await run(kind) { (dataplane: any Dataplane) async throws -> Void in
      var network = Make.network([Make.subnet()])
      network.dhcpPort = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
      let ports = (5..<8).map { Make.port(network, ["10.0.0.\($0)"]) }
      let gateway = Make.port(network, ["10.0.0.1"], owner: "network:router_interface")
      var router = RouterWiring(
        id: UUIDText.make(), isUp: true, interfaces: [gateway], gateway: nil, hasSNAT: true, routes: [], floatingIPs: []
      )
      var state = NetworkState(networks: [network], ports: ports, routers: [router])
      let all = Set(ports.map(\.id) + [network.dhcpPort?.id ?? "", gateway.id])
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await dataplane.wiredPorts() == all)
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await dataplane.wiredPorts() == all)
      state.ports.removeFirst()
      router.isUp = false
      state.routers = [router]
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await dataplane.wiredPorts() == all.subtracting([ports[0].id, gateway.id]))
      #expect(try await dataplane.apply(NetworkState()).failures == [:])
      #expect(try await dataplane.wiredPorts().isEmpty)
    }
  }

  @Test(arguments: Kind.allCases) func oneBadResourceDoesNotStopTheOthers(_ kind: Kind) async throws {
    try await run(kind) { (dataplane: any Dataplane) async throws -> Void in
      let network = Make.network([Make.subnet()])
      let good = Make.port(network, ["10.0.0.5"])
      var bad = Make.port(network, ["10.0.0.6"])
      bad.mac = "nonsense"
      var lost = Make.port(network, ["10.0.0.7"])
      lost.networkID = UUIDText.make()
      let group = Make.group([Make.rule(true, "nonsense")])
      let report = try await dataplane.apply(
        NetworkState(networks: [network], ports: [bad, good, lost], securityGroups: [group]))
      #expect(Set(report.failures.keys) == [bad.id, lost.id, group.id])
      #expect(try await dataplane.wiredPorts() == [good.id])
    }
  }

  @Test(arguments: Kind.allCases) func nothingIsAppliedBeforeTheStart(_ kind: Kind) async throws {
    let dataplane: any Dataplane = kind == .fake ? FakeDataplane() : try Lab().dataplane()
    await #expect(throws: Fault.self) { _ = try await dataplane.apply(NetworkState()) }
    #expect(try await dataplane.wiredPorts().isEmpty)
  }
}
