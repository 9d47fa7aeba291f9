import Contracts
import Kit

/// Takes out of a desired state what cannot be made, with the reasons: one bad resource must not stop the others, and no
/// text of a user may reach rules, configuration files or commands unread.
struct StateCheck {
  /// What can be made; addresses and MACs in their canonical form.
  private(set) var state = NetworkState()
  /// Reasons by resource id.
  private(set) var failures: [String: String] = [:]
  private var networks: [String: NetworkWiring] = [:]
  private var taps: [String: String] = [:]

  init(_ desired: NetworkState) {
    for network in desired.networks { if let good = checked(network) { state.networks.append(good) } }
    for port in desired.ports { if let good = checked(port) { state.ports.append(good) } }
    for group in desired.securityGroups { if let good = checked(group) { state.securityGroups.append(good) } }
    for router in desired.routers { if let good = checked(router) { state.routers.append(good) } }
  }

  private mutating func fail(_ id: String, _ reason: String) {
    failures[id] = failures[id].map { "\($0); \(reason)" } ?? reason
  }

  private mutating func checked(_ network: NetworkWiring) -> NetworkWiring? {
    guard KernelName.isIdentifier(network.id), networks[network.id] == nil else {
      fail(network.id, "its id is malformed or given twice")
      return nil
    }
    guard (576...65535).contains(network.mtu) else {
      fail(network.id, "its MTU \(network.mtu) is not between 576 and 65535")
      return nil
    }
    var good = network
    good.dnsDomain = Self.hostName(network.dnsDomain)
    good.subnets = []
    for subnet in network.subnets { if let kept = checked(subnet) { good.subnets.append(kept) } }
    networks[network.id] = good
    if let port = network.dhcpPort {
      good.dhcpPort = checked(port)
      networks[network.id] = good
    }
    return good
  }

  private mutating func checked(_ subnet: SubnetWiring) -> SubnetWiring? {
    guard KernelName.isIdentifier(subnet.id), let cidr = CIDR(subnet.cidr) else {
      fail(subnet.id, "its id or its CIDR '\(subnet.cidr)' is malformed")
      return nil
    }
    var good = subnet
    good.cidr = "\(cidr)"
    good.gateway = subnet.gateway.flatMap { IPAddress($0) }.map { "\($0)" }
    good.dnsServers = subnet.dnsServers.compactMap { IPAddress($0) }.map { "\($0)" }
    good.hostRoutes = subnet.hostRoutes.compactMap(Self.route)
    if good.dnsServers.count != subnet.dnsServers.count || good.hostRoutes.count != subnet.hostRoutes.count
      || (good.gateway == nil) != (subnet.gateway == nil)
    {
      fail(subnet.id, "its gateway, a DNS server or a host route is malformed")
    }
    return good
  }

  private mutating func checked(_ port: PortWiring) -> PortWiring? {
    guard KernelName.isIdentifier(port.id), let mac = Self.mac(port.mac) else {
      fail(port.id, "its id or its MAC '\(port.mac)' is malformed")
      return nil
    }
    guard let network = networks[port.networkID] else {
      fail(port.id, "its network \(port.networkID) is not wired")
      return nil
    }
    if let other = taps.updateValue(port.id, forKey: port.tapName) {
      fail(port.id, "its device name \(port.tapName) is taken by port \(other)")
      taps[port.tapName] = other
      return nil
    }
    var good = port
    good.mac = mac
    good.fixedIPs = []
    for fixed in port.fixedIPs {
      guard let address = IPAddress(fixed.address), network.subnets.contains(where: { $0.id == fixed.subnetID }) else {
        fail(port.id, "its address '\(fixed.address)' is malformed, or its subnet is not wired")
        continue
      }
      good.fixedIPs.append(FixedAddress(subnetID: fixed.subnetID, address: "\(address)"))
    }
    good.allowedPairs = []
    for pair in port.allowedPairs {
      guard let cidr = CIDR(pair.address), let pairMAC = pair.mac.isEmpty ? mac : Self.mac(pair.mac) else {
        fail(port.id, "an allowed address pair is malformed: '\(pair.mac)' '\(pair.address)'")
        continue
      }
      good.allowedPairs.append(AddressPair(mac: pairMAC, address: "\(cidr)"))
    }
    good.dnsName = Self.hostName(port.dnsName)
    good.dhcpOptions = port.dhcpOptions.filter { option in
      KernelName.isIdentifier(option.name) && option.value.utf8.count <= 255
        && option.value.utf8.allSatisfy { $0 >= 32 && $0 < 127 }
    }
    if good.dhcpOptions.count != port.dhcpOptions.count { fail(port.id, "an extra DHCP option is malformed") }
    return good
  }

  private mutating func checked(_ group: SecurityGroupWiring) -> SecurityGroupWiring? {
    guard KernelName.isIdentifier(group.id) else {
      fail(group.id, "its id is malformed")
      return nil
    }
    var good = group
    good.rules = group.rules.filter(Self.isGood)
    if good.rules.count != group.rules.count {
      fail(group.id, "a rule's protocol, ports or remote address are malformed")
    }
    good.memberAddresses = group.memberAddresses.filter { CIDR($0) != nil }
    if good.memberAddresses.count != group.memberAddresses.count { fail(group.id, "a member's address is malformed") }
    return good
  }

  private mutating func checked(_ router: RouterWiring) -> RouterWiring? {
    guard KernelName.isIdentifier(router.id) else {
      fail(router.id, "its id is malformed")
      return nil
    }
    var good = router
    good.interfaces = []
    for port in router.interfaces { if let kept = checked(port) { good.interfaces.append(kept) } }
    good.gateway = router.gateway.flatMap { checked($0) }
    good.routes = router.routes.compactMap(Self.route)
    good.floatingIPs = []
    for floating in router.floatingIPs {
      guard KernelName.isIdentifier(floating.id), let outside = IPAddress(floating.floatingAddress),
        let inside = IPAddress(floating.fixedAddress), !outside.isV6, !inside.isV6
      else {
        fail(floating.id, "its addresses are malformed or not IPv4")
        continue
      }
      good.floatingIPs.append(
        FloatingIPWiring(id: floating.id, floatingAddress: "\(outside)", fixedAddress: "\(inside)"))
    }
    if good.routes.count != router.routes.count { fail(router.id, "a route is malformed") }
    return good
  }

  /// Whether a rule can be written: nftables refuses a whole transaction for one bad statement.
  private static func isGood(_ rule: SecurityRule) -> Bool {
    guard let kind = PacketProtocol(rule), rule.remoteCIDR.map({ CIDR($0)?.isV6 == rule.isV6 }) ?? true,
      rule.remoteGroupID.map({ KernelName.isIdentifier($0) }) ?? true
    else { return false }
    let numbers = [rule.portMin, rule.portMax].compactMap { $0 }
    if kind.hasPorts {
      return numbers.allSatisfy { (0...65535).contains($0) } && rule.portMin ?? 0 <= rule.portMax ?? 65535
    }
    return !kind.isICMP || numbers.allSatisfy { (0...255).contains($0) }
  }

  private static func route(_ route: StaticRoute) -> StaticRoute? {
    guard let destination = CIDR(route.destination), let nexthop = IPAddress(route.nexthop),
      nexthop.isV6 == destination.isV6
    else { return nil }
    return StaticRoute(destination: "\(destination)", nexthop: "\(nexthop)")
  }

  /// Six pairs of hexadecimal digits with colons, in lower case.
  private static func mac(_ text: String) -> String? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let isGood = parts.count == 6 && parts.allSatisfy { $0.utf8.count == 2 && $0.allSatisfy(\.isHexDigit) }
    return isGood ? text.lowercased() : nil
  }

  /// A name of letters, digits, hyphens and dots, without a final dot; empty when it is none.
  private static func hostName(_ text: String) -> String {
    let name = text.hasSuffix(".") ? text.dropLast() : text[...]
    return name.utf8.count <= 255 && KernelName.isIdentifier(name.replacing(".", with: "").prefix(64))
      ? String(name) : ""
  }
}
