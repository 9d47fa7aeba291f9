import Contracts
import Kit

/// The files of a network's dnsmasq (dnsmasq(8)): who gets which address, options and names.
struct DHCPServer {
  var network: NetworkWiring
  var port: PortWiring
  var guests: [PortWiring]

  private static let leaseSeconds = 86400
  private var domain: String { network.dnsDomain.isEmpty ? "openstacklocal" : network.dnsDomain }
  private var subnets: [SubnetWiring] { network.subnets.filter(\.hasDHCP) }

  func plan(namespace: String) -> DaemonPlan? {
    if subnets.isEmpty { return nil }
    return DaemonPlan(
      name: "dhcp-" + network.id, resourceID: network.id, namespace: namespace, program: "dnsmasq",
      arguments: ["--keep-in-foreground", "--conf-file=%/dnsmasq.conf"], marker: "--conf-file=%/dnsmasq.conf",
      files: ["dnsmasq.conf": configuration, "hosts": hosts, "names": names, "options": options],
      restartFiles: ["dnsmasq.conf"], leases: leases)
  }

  private static func tag(_ subnet: SubnetWiring) -> String { "s-" + subnet.id }

  /// The address of this server on a subnet.
  private func address(on subnet: SubnetWiring) -> String? {
    port.fixedIPs.first { $0.subnetID == subnet.id }?.address
  }

  var configuration: String {
    var lines = [
      "no-hosts", "no-resolv", "no-ping", "bind-dynamic", "user=root", "pid-file", "log-facility=-", "quiet-dhcp",
      "quiet-dhcp6", "quiet-ra", "interface=\(KernelName.dhcpEnd(port.id))", "except-interface=lo",
      "dhcp-authoritative", "dhcp-lease-max=65536", "dhcp-leasefile=%/leases", "dhcp-hostsfile=%/hosts",
      "addn-hosts=%/names", "dhcp-optsfile=%/options", "domain=\(domain)", "local=/\(domain)/",
      "dhcp-option-force=option:mtu,\(network.mtu)",
    ]
    for subnet in subnets {
      guard let cidr = CIDR(subnet.cidr) else { continue }
      if !cidr.isV6 {
        lines.append("dhcp-range=set:\(Self.tag(subnet)),\(cidr.network),static,\(cidr.netmask),\(Self.leaseSeconds)s")
      } else if let mode = subnet.ipv6Mode, mode != "slaac" {
        lines.append("dhcp-range=set:\(Self.tag(subnet)),\(cidr.network),static,\(cidr.prefix),\(Self.leaseSeconds)s")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func name(_ guest: PortWiring, _ address: String) -> String {
    guest.dnsName.isEmpty
      ? "host-" + address.replacing(".", with: "-").replacing(":", with: "-")
      : String(guest.dnsName.split(separator: ".").first ?? "")
  }

  /// A guest's addresses on the subnets that we serve.
  private func served(_ guest: PortWiring) -> [String] {
    guest.fixedIPs.filter { fixed in
      subnets.contains {
        $0.id == fixed.subnetID && ($0.ipv6Mode ?? "slaac" != "slaac" || !fixed.address.contains(":"))
      }
    }.map(\.address)
  }

  var hosts: String {
    var lines: [String] = []
    for guest in guests.sorted(by: { $0.id < $1.id }) {
      let all = served(guest)
      let (four, six) = (all.filter { !$0.contains(":") }, all.filter { $0.contains(":") })
      let tag = guest.dhcpOptions.isEmpty ? "" : ",set:p-\(guest.id)"
      // One line has one IPv4 and one IPv6 address.
      for index in 0..<max(four.count, six.count) {
        var parts = index < four.count ? [four[index]] : []
        if index < six.count { parts.append("[\(six[index])]") }
        let name = name(guest, index < four.count ? four[index] : six[index])
        lines.append("\(guest.mac)\(tag),\(name).\(domain),\(parts.joined(separator: ","))\n")
      }
    }
    return lines.joined()
  }

  var leases: Set<String> {
    Set(guests.flatMap { guest in served(guest).map { "\(guest.mac) \($0)" } })
  }

  var names: String {
    guests.sorted { $0.id < $1.id }.flatMap { guest in
      guest.fixedIPs.map { fixed in
        let name = name(guest, fixed.address)
        return "\(fixed.address) \(name).\(domain) \(name)\n"
      }
    }.joined()
  }

  var options: String {
    var lines: [String] = []
    for subnet in subnets {
      lines += subnet.cidr.contains(":") ? v6Options(subnet) : v4Options(subnet)
    }
    for guest in guests.sorted(by: { $0.id < $1.id }) {
      lines += guest.dhcpOptions.map { option in
        let kind = option.ipVersion == 6 ? "option6:" : "option:"
        let name = Int(option.name) == nil || option.ipVersion == 6 ? kind + option.name : option.name
        return "tag:p-\(guest.id),\(name),\(option.value)"
      }
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private func v6Options(_ subnet: SubnetWiring) -> [String] {
    let servers = subnet.dnsServers.filter { $0.contains(":") }.map { "[\($0)]" }
    var lines = ["tag:\(Self.tag(subnet)),option6:domain-search,\(domain)"]
    if !servers.isEmpty {
      lines.append("tag:\(Self.tag(subnet)),option6:dns-server,\(servers.joined(separator: ","))")
    }
    return lines
  }

  private func v4Options(_ subnet: SubnetWiring) -> [String] {
    let tag = "tag:\(Self.tag(subnet)),"
    var lines = [tag + "option:router" + (subnet.gateway.map { "," + $0 } ?? "")]
    let servers = subnet.dnsServers.filter { !$0.contains(":") }
    // The one server 0.0.0.0 means none; without servers dnsmasq names itself.
    if servers == ["0.0.0.0"] {
      lines.append(tag + "option:dns-server")
    } else if !servers.isEmpty {
      lines.append(tag + "option:dns-server," + servers.joined(separator: ","))
    }
    let routes = routes(subnet)
    if !routes.isEmpty {
      // Clients that take these ignore the router option (RFC 3442); 249 is the older number of the same.
      let text = routes.map { "\($0.destination),\($0.nexthop)" }.joined(separator: ",")
      lines += [tag + "option:classless-static-route," + text, tag + "249," + text]
    }
    return lines
  }

  private func routes(_ subnet: SubnetWiring) -> [StaticRoute] {
    var routes = subnet.hostRoutes.filter { !$0.destination.contains(":") }
    if !network.hasRouterMetadata, let address = address(on: subnet) {
      routes.append(StaticRoute(destination: "169.254.169.254/32", nexthop: address))
    }
    for other in network.subnets where other.id != subnet.id && !other.cidr.contains(":") && other.cidr != subnet.cidr {
      routes.append(StaticRoute(destination: other.cidr, nexthop: "0.0.0.0"))
    }
    if !routes.isEmpty, let gateway = subnet.gateway, !routes.contains(where: { $0.destination == "0.0.0.0/0" }) {
      routes.append(StaticRoute(destination: "0.0.0.0/0", nexthop: gateway))
    }
    return routes
  }
}
