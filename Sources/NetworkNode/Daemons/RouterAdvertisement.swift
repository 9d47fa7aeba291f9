import Contracts
import Kit

/// The file of a router's radvd (radvd.conf(5)): by its advertisements guests find prefixes and the way out over IPv6.
struct RouterAdvertisement {
  var router: RouterWiring
  var networks: [String: NetworkWiring]

  /// nil when no subnet of the router wants advertisements.
  func plan(namespace: String) -> DaemonPlan? {
    let sections = router.interfaces.compactMap(section)
    if sections.isEmpty { return nil }
    return DaemonPlan(
      name: "ra-" + router.id, resourceID: router.id, namespace: namespace, program: "radvd",
      arguments: ["--nodaemon", "--config", "%/radvd.conf", "--pidfile", "%/radvd.pid", "--logmethod", "stderr"],
      marker: "%/radvd.conf", files: ["radvd.conf": sections.joined()], restartFiles: [])
  }

  private func section(_ port: PortWiring) -> String? {
    guard let network = networks[port.networkID] else { return nil }
    let subnets = network.subnets.filter { subnet in
      subnet.ipv6Mode != nil && subnet.cidr.contains(":") && port.fixedIPs.contains { $0.subnetID == subnet.id }
    }
    if subnets.isEmpty { return nil }
    let isManaged = subnets.contains { $0.ipv6Mode == "dhcpv6-stateful" }
    let hasOther = subnets.contains { $0.ipv6Mode == "dhcpv6-stateless" }
    var lines = [
      "interface \(KernelName.routerEnd(port.id))", "{", "  AdvSendAdvert on;", "  MinRtrAdvInterval 30;",
      "  MaxRtrAdvInterval 100;", "  AdvLinkMTU \(network.mtu);", "  AdvManagedFlag \(isManaged ? "on" : "off");",
      "  AdvOtherConfigFlag \(isManaged || hasOther ? "on" : "off");",
    ]
    for subnet in subnets {
      let isAutonomous = subnet.ipv6Mode != "dhcpv6-stateful"
      lines += [
        "  prefix \(subnet.cidr)", "  {", "    AdvOnLink on;", "    AdvAutonomous \(isAutonomous ? "on" : "off");",
        "  };",
      ]
      let servers = subnet.dnsServers.filter { $0.contains(":") }
      if isAutonomous, !servers.isEmpty { lines.append("  RDNSS \(servers.prefix(3).joined(separator: " ")) {};") }
    }
    return (lines + ["};"]).joined(separator: "\n") + "\n"
  }
}
