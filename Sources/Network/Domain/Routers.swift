import API
import Kit
import Store

/// Routers (API reference, Networking, Routers).
enum Routers {
  static let resource = Resource(
    name: "router", collection: "routers", path: "/v2.0/routers", table: "network_router",
    fields: [
      Standard.id, Standard.name, Standard.owner,
      Field("admin_state_up", .bool, initial: true),
      Field("status", .text(0...16), create: .forbidden, update: false, initial: "ACTIVE"),
      Field("external_gateway_info", .json(gateway), isStored: false, nullable: true),
      Field("distributed", .bool, initial: false, read: .admin, write: .admin),
      Field("ha", .bool, initial: false, read: .admin, write: .admin),
      Field(
        "routes", .json(Subnets.routes), nullable: true, create: .forbidden, initial: .array([]), filter: false,
        sort: false),
      Field(
        "availability_zone_hints", .json(.array(.text(1...255), count: 0...10)), update: false, initial: .array([]),
        filter: false, sort: false),
      Field("enable_snat", .bool, create: .forbidden, update: false, initial: true, hidden: true),
    ] + Standard.all,
    policies: Standard.policies("router"), notFoundKind: "RouterNotFound", title: "Router", style: .network,
    hasRevision: true, quota: Quotas.limit("router"))

  private static let gateway = Schema.object([
    Schema.may("network_id", .uuid), Schema.may("enable_snat", .looseBoolean),
    Schema.may(
      "external_fixed_ips",
      .array(
        .object([Schema.may("subnet_id", .uuid), Schema.may("ip_address", .string(1...64))]), count: 0...100)),
  ])

  static func notFound(_ id: String) -> Fault {
    .notFound("Router \(id.prefix(64)) could not be found", kind: "RouterNotFound")
  }

  /// Each next hop must be reachable through an interface, and not be the router itself.
  static func checkRoutes(_ routes: [JSONValue], cidrs: [CIDR], own: [String]) throws(Fault) {
    for route in routes {
      let nexthop = route["nexthop"]?.string ?? ""
      guard let address = IPAddress(nexthop), cidrs.contains(where: { $0.contains(address) }) else {
        throw invalidRoutes(routes, "the nexthop is not connected with router")
      }
      if own.contains(nexthop) { throw invalidRoutes(routes, "the nexthop is used by router") }
    }
  }
  private static func invalidRoutes(_ routes: [JSONValue], _ reason: String) -> Fault {
    .badRequest(
      "Invalid format for routes: \(JSONValue.array(routes).text.prefix(400)), \(reason)", kind: "InvalidRoutes")
  }
}

/// Floating IPs (API reference, Networking, Floating IPs).
enum FloatingIPs {
  static let resource = Resource(
    name: "floatingip", collection: "floatingips", path: "/v2.0/floatingips", table: "network_floating_ip",
    fields: [
      Standard.id, Standard.owner,
      Field("floating_network_id", .uuid, create: .required, update: false),
      Field("subnet_id", .uuid, isStored: false, nullable: true, update: false),
      Field("floating_ip_address", .ipAddress, nullable: true, update: false, write: .projectManager),
      Field("port_id", .uuid, nullable: true),
      Field("fixed_ip_address", .ipAddress, nullable: true),
      Field("router_id", .uuid, nullable: true),
      Field("status", .text(0...16), create: .forbidden, update: false, initial: "DOWN"),
      Field("dns_name", .custom(DNSText.host), update: false, initial: ""),
      Field("dns_domain", .custom(DNSText.domain), update: false, initial: ""),
      Field("floating_port_id", .uuid, nullable: true, create: .forbidden, update: false, hidden: true),
    ] + Standard.all,
    policies: Standard.policies("floatingip"), notFoundKind: "FloatingIPNotFound", title: "Floating IP",
    style: .network, hasRevision: true, quota: Quotas.limit("floatingip"))
}
