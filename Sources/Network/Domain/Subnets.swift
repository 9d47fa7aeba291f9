import API
import Kit
import Store

/// Subnets (API reference, Networking, Subnets).
enum Subnets {
  static let resource = Resource(
    name: "subnet", collection: "subnets", path: "/v2.0/subnets", table: "network_subnet",
    fields: [
      Standard.id, Standard.name, Standard.owner,
      Field("network_id", .uuid, create: .required, update: false),
      Field("ip_version", .int(4...6), create: .required, update: false),
      Field("subnetpool_id", .text(0...64), nullable: true, update: false),
      Field("cidr", .cidr, nullable: true, update: false),
      Field("prefixlen", .int(0...128), isStored: false, update: false),
      Field("use_default_subnetpool", .bool, isStored: false, update: false),
      // An absent gateway is the first address, null is none: the empty text stands for absent.
      Field("gateway_ip", .ipAddress, nullable: true, initial: ""),
      Field("allocation_pools", .json(pools), initial: "", filter: false, sort: false),
      Field("enable_dhcp", .bool, initial: true),
      Field(
        "dns_nameservers", .json(.array(.string(1...64), unique: true)), nullable: true, filter: false, sort: false),
      Field("host_routes", .json(routes), nullable: true, filter: false, sort: false),
      Field("ipv6_ra_mode", .oneOf(modes), nullable: true, update: false),
      Field("ipv6_address_mode", .oneOf(modes), nullable: true, update: false),
      Field("dns_publish_fixed_ip", .bool, initial: false),
      Field(
        "service_types", .json(.array(.string(1...255), count: 0...32, unique: true)), initial: .array([]),
        filter: false, sort: false, write: .admin),
    ] + Standard.all,
    policies: Standard.policies("subnet", read: NetworkRule.readerOrService), notFoundKind: "SubnetNotFound",
    title: "Subnet", style: .network, hasBulkCreate: true, hasRevision: true, quota: Quotas.limit("subnet"))

  static let modes = ["dhcpv6-stateful", "dhcpv6-stateless", "slaac"]
  static let pools = Schema.array(
    .object([Schema.required("start", .string(1...64)), Schema.required("end", .string(1...64))]))
  static let routes = Schema.array(
    .object([Schema.required("destination", .string(1...64)), Schema.required("nexthop", .string(1...64))]))
  /// Upstream's max_dns_nameservers and max_subnet_host_routes.
  static let (nameserversMax, hostRoutesMax) = (5, 20)

  static func notFound(_ id: String) -> Fault {
    .notFound("Subnet \(id.prefix(64)) could not be found.", kind: "SubnetNotFound")
  }
}

/// A subnet as allocation needs it.
struct Subnet: Sendable {
  var id: String
  var networkID: String
  var projectID: String
  var cidr: CIDR
  var gateway: IPAddress?
  var pools: [ClosedRange<IPAddress>]
  var hasDHCP: Bool
  var raMode: String?
  var addressMode: String?
  var serviceTypes: [String]

  var version: Int { cidr.isV6 ? 6 : 4 }
  /// Ports make their own address from their MAC (SLAAC, or DHCPv6 for options only).
  var isAutoAddress: Bool {
    let modes = [raMode, addressMode]
    return modes.contains("slaac") || modes.contains("dhcpv6-stateless")
  }

  /// From a resource's values; nil when the row cannot be read.
  init?(_ values: JSONObject) {
    guard let cidr = CIDR(values.text("cidr")) else { return nil }
    (id, networkID, projectID, self.cidr) = (values.id, values.text("network_id"), values.projectID, cidr)
    gateway = values.optionalText("gateway_ip").flatMap { IPAddress($0) }
    pools = SubnetPlan.ranges(values.list("allocation_pools"))
    hasDHCP = values.flag("enable_dhcp")
    (raMode, addressMode) = (values.optionalText("ipv6_ra_mode"), values.optionalText("ipv6_address_mode"))
    serviceTypes = values.strings("service_types")
  }

  /// Whether ports of this device owner may have addresses here (subnet-service-types).
  func serves(_ deviceOwner: String) -> Bool { serviceTypes.isEmpty || serviceTypes.contains(deviceOwner) }

  /// Whether the address may be a port's: inside, and not the network's or broadcast address.
  func isUsable(_ address: IPAddress, isRouter: Bool = false) -> Bool {
    guard cidr.contains(address) else { return false }
    if cidr.isV6 { return isRouter || cidr.prefix >= 127 || address != cidr.network }
    return cidr.prefix >= 31 || (address != cidr.network && address != cidr.last)
  }

  /// The host part of an address, for finding free ones; -1 when it is too large to count.
  func offset(_ address: IPAddress) -> Int {
    let offset = address.value - cidr.network.value
    return offset < UInt128(1) << 62 ? Int(offset) : -1
  }

  /// The address that a port makes from its MAC (RFC 4291, appendix A).
  func eui64(_ mac: String) -> IPAddress? {
    let bytes = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    guard bytes.count == 6, cidr.isV6 else { return nil }
    let id = [bytes[0] ^ 2, bytes[1], bytes[2], 0xFF, 0xFE, bytes[3], bytes[4], bytes[5]]
    return IPAddress(value: cidr.network.value | id.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }, isV6: true)
  }

  var wiringMode: String? { addressMode ?? raMode }
}
