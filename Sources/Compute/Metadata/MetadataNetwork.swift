import Contracts
import Kit

/// `network_data.json`: links, networks and name servers of a guest.
enum MetadataNetwork {
  static func data(_ ports: [ServerPort]) -> JSONValue {
    var links: [JSONValue] = []
    var networks: [JSONValue] = []
    var services: [JSONValue] = []
    for port in ports {
      let link = PortWiring.tapName(port.id)
      links.append([
        "id": .string(link), "vif_id": .string(port.id), "type": "bridge", "mtu": .int(port.mtu),
        "ethernet_mac_address": .string(port.mac),
      ])
      for fixed in port.fixedIPs {
        guard let subnet = port.subnets.first(where: { $0.id == fixed.subnetID }) else { continue }
        networks.append(network("network\(networks.count)", link, port, fixed, subnet))
        for server in dns(subnet) where !services.contains(server) { services.append(server) }
      }
    }
    return ["links": .array(links), "networks": .array(networks), "services": .array(services)]
  }

  private static func dns(_ subnet: SubnetWiring) -> [JSONValue] {
    subnet.dnsServers.map { ["type": "dns", "address": .string($0)] }
  }

  private static func network(
    _ id: String, _ link: String, _ port: ServerPort, _ fixed: ServerPort.Fixed, _ subnet: SubnetWiring
  ) -> JSONValue {
    var view: JSONObject = ["id": .string(id)]
    guard let cidr = CIDR(subnet.cidr), !(subnet.hasDHCP && fixed.version == 4) else {
      view.append("type", .string("ipv\(fixed.version)_dhcp"))
      view.append("link", .string(link))
      view.append("network_id", .string(port.networkID))
      if subnet.hasDHCP { view.append("services", .array(dns(subnet))) }
      return .object(view)
    }
    let mode = subnet.hasDHCP ? subnet.ipv6Mode.map { "_\($0)" } ?? "" : ""
    view.append("type", .string("ipv\(fixed.version)\(fixed.version == 6 ? mode : "")"))
    view.append("link", .string(link))
    view.append("network_id", .string(port.networkID))
    view.append("ip_address", .string(fixed.address))
    view.append("netmask", .string(cidr.netmask.description))
    var routes: [JSONValue] = []
    if let gateway = subnet.gateway {
      let any = fixed.version == 4 ? "0.0.0.0" : "::"
      routes.append(["network": .string(any), "netmask": .string(any), "gateway": .string(gateway)])
    }
    for route in subnet.hostRoutes {
      guard let target = CIDR(route.destination) else { continue }
      routes.append([
        "network": .string(target.network.description), "netmask": .string(target.netmask.description),
        "gateway": .string(route.nexthop),
      ])
    }
    view.append("routes", .array(routes))
    view.append("services", .array(dns(subnet)))
    return .object(view)
  }
}
