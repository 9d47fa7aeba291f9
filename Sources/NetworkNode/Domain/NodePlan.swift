import Contracts
import Kit

/// A bridge of the cloud's namespace.
struct BridgePlan: Sendable, Equatable {
  var name: String
  var networkID: String
  var mtu: Int
  /// Conntrack zone; 0 for the external bridge.
  var zone: Int
  /// What the kernel remembers for us: whose bridge it is, and its zone, which connections depend on.
  var alias: String { "network \(networkID) zone \(zone)" }

  /// The zone in a bridge's alias.
  static func zone(inAlias alias: String) -> (networkID: String, zone: Int)? {
    let words = alias.split(separator: " ").map(String.init)
    guard words.count == 4, words[0] == "network", words[2] == "zone", let zone = Int(words[3]) else { return nil }
    return (words[1], zone)
  }
}

/// A bridge's port in the cloud's namespace.
struct PortPlan: Sendable, Equatable {
  var name: String
  var portID: String
  var bridge: String
  var mtu: Int
  var isUp: Bool
  /// The namespace and the link at the other end; nil: a TAP.
  var peer: EndPlan?
}

/// The end of a veth in the namespace of a DHCP server or a router.
struct EndPlan: Sendable, Equatable {
  var namespace: String
  var name: String
  var mac: String
  var mtu: Int
  /// With prefix lengths.
  var addresses: Set<String>
}

/// A route in such a namespace.
struct RoutePlan: Sendable, Hashable {
  /// `default`, `default6` or a CIDR.
  var destination: String
  var gateway: String
}

/// The namespace of a DHCP server or a router.
struct NamespacePlan: Sendable, Equatable {
  enum Role: Sendable, Equatable {
    case dhcp
    case router
  }
  var name: String
  var role: Role
  /// The network's or the router's id.
  var resourceID: String
  var ends: [EndPlan] = []
  var routes: Set<RoutePlan> = []
  var router: RouterWiring?
  var daemon: DaemonPlan?
  /// Whether guests' metadata requests arrive here.
  var hasMetadata = false
}

/// How the external network's bridge is made.
struct ExternalPlan: Sendable, Equatable {
  var mode: ExternalNetworkMode
  var cidr: String
  var gateway: String
  /// The two ends of the transfer network to the host, when there is one.
  var transfer: (host: String, cloud: String)?

  static func == (left: ExternalPlan, right: ExternalPlan) -> Bool {
    left.mode == right.mode && left.cidr == right.cidr && left.gateway == right.gateway
      && left.transfer?.host == right.transfer?.host && left.transfer?.cloud == right.transfer?.cloud
  }
}

/// Everything that a desired state means for the kernel of this node: pure.
struct NodePlan: Sendable {
  var bridges: [BridgePlan] = []
  var ports: [PortPlan] = []
  var namespaces: [NamespacePlan] = []
  /// Conntrack zones by network.
  var zones: [String: Int] = [:]
  var firewall: RuleSet

  /// `state`: what `StateCheck` let pass. `zones`: those that the kernel's bridges have.
  init(_ state: NetworkState, cloud: String, external: ExternalPlan, zones taken: [String: Int]) {
    let networks = Dictionary(state.networks.map { ($0.id, $0) }) { first, _ in first }
    let isExternal: (NetworkWiring) -> Bool = { network in
      guard network.isExternal else { return false }
      if case .bridged = external.mode { return true }
      guard let cidr = CIDR(external.cidr) else { return false }
      return network.subnets.contains { CIDR($0.cidr)?.overlaps(cidr) ?? false }
    }
    let externals = Set(state.networks.filter(isExternal).map(\.id))
    zones = Self.zones(state.networks.map(\.id), externals: externals, taken: taken)
    var members: [Firewall.Member] = []
    firewall = RuleSet(tables: [])
    for network in state.networks where !externals.contains(network.id) {
      bridges.append(
        BridgePlan(
          name: KernelName.bridge(network.id), networkID: network.id, mtu: network.mtu, zone: zones[network.id] ?? 0))
    }
    func attach(_ port: PortWiring, peer: EndPlan?) {
      guard let network = networks[port.networkID] else { return }
      let isOutside = externals.contains(network.id)
      ports.append(
        PortPlan(
          name: port.tapName, portID: port.id,
          bridge: isOutside ? KernelName.externalBridge : KernelName.bridge(network.id), mtu: network.mtu,
          isUp: port.isUp, peer: peer))
      members.append(
        Firewall.Member(port: port, isExternal: isOutside, isTrusted: peer != nil || !port.hasPortSecurity))
    }
    for port in state.ports { attach(port, peer: nil) }
    let portsByNetwork = Dictionary(grouping: state.ports, by: \.networkID)
    for network in state.networks {
      guard let port = network.dhcpPort else { continue }
      let plan = Self.dhcp(network, port, portsByNetwork[network.id] ?? [], cloud)
      namespaces.append(plan)
      attach(port, peer: plan.ends[0])
    }
    for router in state.routers where router.isUp {
      let plan = Self.router(router, networks, cloud)
      namespaces.append(plan)
      for (port, end) in zip(router.interfaces + (router.gateway.map { [$0] } ?? []), plan.ends) {
        attach(port, peer: end)
      }
    }
    firewall = Self.firewall(members, state, bridges, external)
  }

  private static func firewall(
    _ members: [Firewall.Member], _ state: NetworkState, _ bridges: [BridgePlan], _ external: ExternalPlan
  ) -> RuleSet {
    var links: [String] = []
    if case .bridged(let nic) = external.mode { links = [nic] }
    return Firewall(
      members: members, groups: state.securityGroups,
      zones: Dictionary(bridges.map { ($0.name, $0.zone) }) { first, _ in first }, trustedLinks: links,
      translation: external.transfer.map { ($0.host, external.gateway) }
    ).rules
  }

  /// Keeps the zones that networks have, and gives the others the smallest that are free. The external bridge's is 0.
  static func zones(_ ids: [String], externals: Set<String>, taken: [String: Int]) -> [String: Int] {
    var result: [String: Int] = [:]
    var used: Set<Int> = [0]
    for id in ids where !externals.contains(id) {
      if let zone = taken[id], (1...65535).contains(zone), used.insert(zone).inserted { result[id] = zone }
    }
    var next = 1
    for id in ids where result[id] == nil && !externals.contains(id) {
      while !used.insert(next).inserted { next += 1 }
      result[id] = next
    }
    for id in externals { result[id] = 0 }
    return result
  }

  /// The port's addresses with their subnets' prefix lengths.
  private static func addresses(_ port: PortWiring, _ network: NetworkWiring?) -> Set<String> {
    Set(
      port.fixedIPs.compactMap { fixed in
        network?.subnets.first { $0.id == fixed.subnetID }.flatMap { CIDR($0.cidr) }.map {
          "\(fixed.address)/\($0.prefix)"
        }
      })
  }

  private static func dhcp(
    _ network: NetworkWiring, _ port: PortWiring, _ guests: [PortWiring], _ cloud: String
  ) -> NamespacePlan {
    let name = KernelName.dhcpNamespace(cloud, network.id)
    let end = EndPlan(
      namespace: name, name: KernelName.dhcpEnd(port.id), mac: port.mac, mtu: network.mtu,
      addresses: addresses(port, network).union(network.hasRouterMetadata ? [] : ["169.254.169.254/32"]))
    return NamespacePlan(
      name: name, role: .dhcp, resourceID: network.id, ends: [end],
      daemon: DHCPServer(network: network, port: port, guests: guests).plan(namespace: name),
      hasMetadata: !network.hasRouterMetadata)
  }

  private static func router(_ router: RouterWiring, _ networks: [String: NetworkWiring], _ cloud: String)
    -> NamespacePlan
  {
    var plan = NamespacePlan(
      name: KernelName.routerNamespace(cloud, router.id), role: .router, resourceID: router.id, router: router,
      hasMetadata: true)
    for port in router.interfaces {
      plan.ends.append(
        EndPlan(
          namespace: plan.name, name: KernelName.routerEnd(port.id), mac: port.mac,
          mtu: networks[port.networkID]?.mtu ?? 1500, addresses: addresses(port, networks[port.networkID])))
    }
    if let gateway = router.gateway, let network = networks[gateway.networkID] {
      plan.ends.append(
        EndPlan(
          namespace: plan.name, name: KernelName.gatewayEnd(gateway.id), mac: gateway.mac, mtu: network.mtu,
          addresses: addresses(gateway, network).union(router.floatingIPs.map { "\($0.floatingAddress)/32" })))
      for fixed in gateway.fixedIPs {
        guard let next = network.subnets.first(where: { $0.id == fixed.subnetID })?.gateway else { continue }
        let name = next.contains(":") ? "default6" : "default"
        if !plan.routes.contains(where: { $0.destination == name }) {
          plan.routes.insert(RoutePlan(destination: name, gateway: next))
        }
      }
    }
    for route in router.routes {
      var destination = route.destination
      if destination == "0.0.0.0/0" { destination = "default" }
      if destination == "::/0" { destination = "default6" }
      plan.routes = plan.routes.filter { $0.destination != destination }
      plan.routes.insert(RoutePlan(destination: destination, gateway: route.nexthop))
    }
    plan.daemon = RouterAdvertisement(router: router, networks: networks).plan(namespace: plan.name)
    return plan
  }
}
