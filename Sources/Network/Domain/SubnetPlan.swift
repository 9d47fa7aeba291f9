import Kit

/// The arithmetic and checks of a subnet's addresses, without I/O.
enum SubnetPlan {
  /// The pools in a `allocation_pools` list that are readable.
  static func ranges(_ pools: [JSONValue]) -> [ClosedRange<IPAddress>] {
    pools.compactMap { pool in
      guard let start = pool["start"]?.string.flatMap({ IPAddress($0) }),
        let end = pool["end"]?.string.flatMap({ IPAddress($0) }), start.isV6 == end.isV6, start <= end
      else { return nil }
      return start...end
    }
  }
  static func json(_ ranges: [ClosedRange<IPAddress>]) -> JSONValue {
    .array(ranges.map { ["start": .string($0.lowerBound.description), "end": .string($0.upperBound.description)] })
  }

  /// The addresses that ports may get: without an IPv4 network's and broadcast address, and IPv6's subnet-router anycast.
  static func usable(_ cidr: CIDR) -> ClosedRange<IPAddress> {
    if cidr.isV6 { return (cidr.prefix >= 127 ? cidr.network : cidr.network.advanced(by: 1))...cidr.last }
    return cidr.prefix >= 31 ? cidr.network...cidr.last : cidr.network.advanced(by: 1)...cidr.last.advanced(by: -1)
  }

  /// The gateway when none is given: the first usable address.
  static func defaultGateway(_ cidr: CIDR) -> IPAddress {
    cidr.hostBits == 0 ? cidr.network : usable(cidr).lowerBound
  }

  /// The pools when none are given: everything but the gateway.
  static func defaultPools(_ cidr: CIDR, gateway: IPAddress?) -> [ClosedRange<IPAddress>] {
    let all = usable(cidr)
    guard let gateway, all.contains(gateway) else { return [all] }
    var pools: [ClosedRange<IPAddress>] = []
    if gateway > all.lowerBound { pools.append(all.lowerBound...gateway.advanced(by: -1)) }
    if gateway < all.upperBound { pools.append(gateway.advanced(by: 1)...all.upperBound) }
    return pools
  }

  /// Checks pools that a client gave.
  static func checkPools(_ given: [JSONValue], cidr: CIDR, gateway: IPAddress?) throws(Fault) -> [ClosedRange<
    IPAddress
  >] {
    let all = usable(cidr)
    var pools: [ClosedRange<IPAddress>] = []
    for pool in given {
      guard let range = ranges([pool]).first, range.lowerBound.isV6 == cidr.isV6 else {
        throw Fault.badRequest("The allocation pool \(shown(pool)) is not valid.", kind: "InvalidAllocationPool")
      }
      guard all.contains(range.lowerBound), all.contains(range.upperBound) else {
        throw Fault.badRequest(
          "The allocation pool \(shown(pool)) spans beyond the subnet cidr \(cidr).", kind: "OutOfBoundsAllocationPool")
      }
      if let other = pools.first(where: { $0.overlaps(range) }) {
        throw Fault.conflict(
          "Found overlapping allocation pools: \(text(other)) \(text(range)) for subnet \(cidr).",
          kind: "OverlappingAllocationPools")
      }
      pools.append(range)
    }
    try checkGateway(gateway, pools)
    return pools
  }

  static func checkGateway(_ gateway: IPAddress?, _ pools: [ClosedRange<IPAddress>]) throws(Fault) {
    guard let gateway, let pool = pools.first(where: { $0.contains(gateway) }) else { return }
    throw Fault.conflict(
      "Gateway ip \(gateway) conflicts with allocation pool \(text(pool)).", kind: "GatewayConflictWithAllocationPools")
  }

  private static func text(_ range: ClosedRange<IPAddress>) -> String { "\(range.lowerBound)-\(range.upperBound)" }
  private static func shown(_ pool: JSONValue) -> String {
    "\(pool["start"]?.string?.prefix(50) ?? "")-\(pool["end"]?.string?.prefix(50) ?? "")"
  }

  /// Checks a subnet's CIDR by itself.
  static func check(_ cidr: CIDR, version: Int, hasDHCP: Bool) throws(Fault) {
    guard cidr.isV6 == (version == 6) else {
      throw Fault.invalidInput("Invalid value for cidr: '\(cidr)' does not match the ip_version '\(version)'")
    }
    if cidr.prefix == 0 { throw Fault.invalidInput("0 is not allowed as CIDR prefix length") }
    if cidr.isV6, cidr.network.value == 0 { throw Fault.invalidInput("IPv6 subnet '::' is not supported") }
    guard hasDHCP else { return }
    if cidr.prefix > (cidr.isV6 ? 126 : 30) {
      throw Fault.invalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
    }
    if isMulticast(cidr.network) {
      throw Fault.invalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
    }
    if isLoopback(cidr.network) {
      throw Fault.invalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
    }
    if !cidr.isV6, cidr.network.value == 0 {
      throw Fault.invalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True")
    }
  }

  static func isMulticast(_ address: IPAddress) -> Bool {
    address.isV6 ? address.value >> 120 == 0xFF : address.value >> 28 == 0xE
  }
  private static func isLoopback(_ address: IPAddress) -> Bool {
    address.isV6 ? address.value == 1 : address.value >> 24 == 127
  }

  /// A gateway that a client gave: of the subnet's version, and one that a router can have. It may lie outside the subnet.
  static func checkGateway(_ gateway: IPAddress, cidr: CIDR) throws(Fault) {
    guard gateway.isV6 == cidr.isV6 else {
      throw Fault.invalidInput(
        "Invalid value for gateway_ip: '\(gateway)' does not match the ip_version '\(cidr.isV6 ? 6 : 4)'")
    }
    guard cidr.contains(gateway), !cidr.isV6, cidr.prefix < 31 else { return }
    if gateway == cidr.network || gateway == cidr.last { throw Fault.invalidInput("Gateway is not valid on subnet") }
  }

  /// `ipv6_ra_mode` and `ipv6_address_mode` (RFC 4861, RFC 8415): both equal, or one alone, and only with DHCP on.
  static func checkModes(ra: String?, address: String?, cidr: CIDR, hasDHCP: Bool) throws(Fault) {
    guard ra != nil || address != nil else { return }
    guard cidr.isV6 else {
      throw Fault.invalidInput("\(ra != nil ? "ipv6_ra_mode" : "ipv6_address_mode") is not valid when ip_version is 4")
    }
    guard hasDHCP else {
      throw Fault.invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    }
    if let ra, let address, ra != address {
      throw Fault.invalidInput(
        "ipv6_ra_mode set to '\(ra)' with ipv6_address_mode set to '\(address)' is not valid. If both attributes are set, they must be the same value"
      )
    }
    let isAuto = [ra, address].contains("slaac") || [ra, address].contains("dhcpv6-stateless")
    if isAuto, cidr.prefix != 64 {
      throw Fault.invalidInput(
        "Invalid CIDR \(cidr) for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64"
      )
    }
  }

  /// Name servers in canonical form.
  static func checkNameservers(_ given: [String], version: Int) throws(Fault) -> JSONValue {
    if given.count > Subnets.nameserversMax {
      throw Fault.badRequest(
        "Unable to complete operation for the subnet: the number of DNS nameservers exceeds the limit \(Subnets.nameserversMax).",
        kind: "DNSNameServersExhausted")
    }
    var result: [JSONValue] = []
    for text in given {
      guard let address = IPAddress(text) else {
        throw Fault.badRequest(
          "Invalid input for dns_nameservers. Reason: '\(text.prefix(60))' is not a valid nameserver.",
          kind: "HTTPBadRequest")
      }
      guard address.version == version else {
        throw Fault.invalidInput(
          "Invalid value for dns_nameserver: '\(address)' does not match the ip_version '\(version)'")
      }
      result.append(.string(address.description))
    }
    return .array(result)
  }

  /// Routes in canonical form. `version` nil: any.
  static func checkRoutes(_ given: [JSONValue], version: Int?, field: String) throws(Fault) -> [JSONValue] {
    var result: [JSONValue] = []
    for route in given {
      guard let text = route["destination"]?.string, text.contains("/"), let destination = CIDR(text) else {
        throw Fault.badRequest(
          "Invalid input for \(field). Reason: '\((route["destination"]?.string ?? "").prefix(60))' is not a valid IP subnet.",
          kind: "HTTPBadRequest")
      }
      guard let nexthop = route["nexthop"]?.string.flatMap({ IPAddress($0) }) else {
        throw Fault.badRequest(
          "Invalid input for \(field). Reason: '\((route["nexthop"]?.string ?? "").prefix(60))' is not a valid IP address.",
          kind: "HTTPBadRequest")
      }
      if let version, destination.isV6 != (version == 6) || nexthop.version != version {
        throw Fault.invalidInput(
          "Invalid route \(destination) via \(nexthop): it does not match the ip_version '\(version)'")
      }
      let value: JSONValue = [
        "destination": .string(destination.description), "nexthop": .string(nexthop.description),
      ]
      if result.contains(value) {
        throw Fault.badRequest(
          "Invalid input for \(field). Reason: Duplicate hostroute '\(destination)'.", kind: "HTTPBadRequest")
      }
      result.append(value)
    }
    return result
  }
}
