import API
import Kit

/// Networks (API reference, Networking, Networks).
enum Networks {
  static let resource = Resource(
    name: "network", collection: "networks", path: "/v2.0/networks", table: "network",
    fields: [
      Standard.id, Standard.name, Standard.owner,
      Field("admin_state_up", .bool, initial: true),
      Field(
        "status", .oneOf(["ACTIVE", "DOWN", "BUILD", "ERROR"]), create: .forbidden, update: false, initial: "ACTIVE"),
      Field("shared", .bool, isStored: false, initial: false, write: .admin),
      Field("router:external", .bool, column: "is_external", initial: false, write: .admin),
      Field("is_default", .bool, initial: false, write: .admin),
      Field("mtu", .int(0...65_535)),
      Field("port_security_enabled", .bool, initial: true),
      Field("dns_domain", .custom(DNSText.domain), initial: ""),
      Field("provider:network_type", .oneOf(networkTypes), read: .admin, write: .admin),
      Field("provider:physical_network", .text(0...64), nullable: true, read: .admin, write: .admin),
      Field("provider:segmentation_id", .int(0...16_777_215), nullable: true, read: .admin, write: .admin),
      Field(
        "availability_zone_hints", .json(.array(.text(1...255), count: 0...10)), update: false, initial: .array([]),
        filter: false, sort: false),
    ] + Standard.all,
    policies: [
      .list: Policy("get_network", NetworkRule.readerOrService),
      .show: Policy("get_network", NetworkRule.readerOrService),
      .create: Policy("create_network", .projectMember), .update: Policy("update_network", .projectMember),
      .delete: Policy("delete_network", .projectMember),
    ], notFoundKind: "NetworkNotFound", title: "Network", style: .network, hasBulkCreate: true, hasRevision: true,
    quota: Quotas.limit("network"))

  static let networkTypes = ["flat", "vxlan"]
  /// The smallest MTU of IPv4 and of IPv6 (RFC 791, RFC 8200), in bytes.
  static let mtuMin = (v4: 68, v6: 1280)

  /// Throws 409 when subnets of this version cannot live on links so narrow.
  static func checkMTU(_ mtu: Int, isV6: Bool, network: String) throws(Fault) {
    let least = isV6 ? mtuMin.v6 : mtuMin.v4
    guard mtu > 0, mtu < least else { return }
    throw Fault.conflict(
      "Network \(network) has an MTU of \(mtu), but its IPv\(isV6 ? 6 : 4) subnets need at least \(least).",
      kind: "NetworkMTUSubnetConflict")
  }

  /// `provider:*` of a new network: what the administrator gave, completed from the settings.
  static func segment(_ values: JSONObject, isExternal: Bool, settings: NetworkSettings, freeVNI: () throws -> Int)
    throws -> (type: String, physical: String?, segmentation: Int?)
  {
    let physical = values.optionalText("provider:physical_network")
    let segmentation = values.number("provider:segmentation_id")
    let type = values.optionalText("provider:network_type") ?? (isExternal ? "flat" : "vxlan")
    if values.optionalText("provider:network_type") == nil, physical != nil || segmentation != nil {
      throw Fault.invalidInput("network_type required")
    }
    if type == "flat" {
      if segmentation != nil { throw Fault.invalidInput("segmentation_id specified for flat network") }
      if let physical, physical != settings.physicalNetwork {
        throw Fault.invalidInput("physical_network '\(physical)' unknown for flat provider network")
      }
      return ("flat", physical ?? settings.physicalNetwork, nil)
    }
    if physical != nil { throw Fault.invalidInput("physical_network prohibited for vxlan provider network") }
    return ("vxlan", nil, try segmentation ?? freeVNI())
  }

  static func notFound(_ id: String) -> Fault {
    .notFound("Network \(id.prefix(64)) could not be found.", kind: "NetworkNotFound")
  }
  static func inUse(_ id: String) -> Fault {
    .conflict(
      "Unable to complete operation on network \(id). There are one or more ports still in use on the network.",
      kind: "NetworkInUse")
  }
}

/// Names of DNS (RFC 1035 §2.3.1).
enum DNSText {
  static func isLabel(_ text: some StringProtocol) -> Bool {
    (1...63).contains(text.utf8.count) && text.first != "-" && text.last != "-"
      && text.utf8.allSatisfy {
        ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || ($0 >= 48 && $0 <= 57) || $0 == 45 || $0 == 95
      }
  }
  private static func isName(_ text: some StringProtocol) -> Bool {
    text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isLabel($0) }
  }
  /// A domain name that ends in a dot, or an empty text.
  @Sendable static func domain(_ value: JSONValue) throws(Fault) -> JSONValue {
    guard case .string(let text) = value else { throw invalid("dns_domain", value) }
    if text.isEmpty { return value }
    guard text.utf8.count <= 255, isName(text.hasSuffix(".") ? String(text.dropLast()) : text) else {
      throw invalid("dns_domain", value)
    }
    return value
  }
  /// A host name, fully qualified or not, or an empty text.
  @Sendable static func host(_ value: JSONValue) throws(Fault) -> JSONValue {
    guard case .string(let text) = value else { throw invalid("dns_name", value) }
    if text.isEmpty { return value }
    guard text.utf8.count <= 255, isName(text.hasSuffix(".") ? String(text.dropLast()) : text) else {
      throw invalid("dns_name", value)
    }
    return value
  }
  private static func invalid(_ field: String, _ value: JSONValue) -> Fault {
    .badRequest(
      "Invalid input for \(field). Reason: '\((value.string ?? value.text).prefix(80))' not a valid PQDN or FQDN.",
      kind: "HTTPBadRequest")
  }
  /// A label from a server's name: what is no letter, digit or dash becomes a dash.
  static func label(_ name: String) -> String {
    let mapped = name.lowercased().unicodeScalars.map { scalar -> Character in
      let isPlain = (97...122).contains(scalar.value) || (48...57).contains(scalar.value)
      return isPlain ? Character(scalar) : "-"
    }
    return String(String(mapped.prefix(63)).drop { $0 == "-" }.reversed().drop { $0 == "-" }.reversed())
  }
}
