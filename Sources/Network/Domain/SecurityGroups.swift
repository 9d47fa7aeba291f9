import API
import Kit
import Store

/// Security groups (API reference, Networking, Security groups).
enum SecurityGroups {
  static let resource = Resource(
    name: "security_group", collection: "security_groups", path: "/v2.0/security-groups",
    table: "network_security_group",
    fields: [
      Standard.id, Standard.name, Standard.owner, Field("stateful", .bool, initial: true),
    ] + Standard.all,
    policies: Standard.policies("security_group"), notFoundKind: "SecurityGroupNotFound", title: "Security group",
    style: .network, hasRevision: true, quota: Quotas.limit("security_group"))

  static let defaultName = "default"
  static let defaultDescription = "Default security group"

  static func notFound(_ id: String) -> Fault {
    .notFound("Security group \(id.prefix(64)) does not exist", kind: "SecurityGroupNotFound")
  }
}

/// Rules of security groups (API reference, Networking, Security group rules).
enum SecurityRules {
  static let resource = Resource(
    name: "security_group_rule", collection: "security_group_rules", path: "/v2.0/security-group-rules",
    table: "network_security_rule",
    fields: [
      Standard.id, Standard.owner,
      Field("security_group_id", .text(1...36), create: .required, update: false),
      Field("direction", .oneOf(["ingress", "egress"]), create: .required, update: false),
      Field("ethertype", .custom(ethertype), update: false, initial: "IPv4"),
      Field("protocol", .custom(SecurityProtocol.canonical), nullable: true, update: false),
      Field("port_range_min", .custom(port), nullable: true, update: false),
      Field("port_range_max", .custom(port), nullable: true, update: false),
      Field("remote_ip_prefix", .custom(prefix), nullable: true, update: false),
      Field("remote_group_id", .text(0...36), nullable: true, update: false),
      Field("remote_address_group_id", .text(0...36), nullable: true, update: false),
      Standard.description,
    ] + Standard.times,
    policies: Standard.policies("security_group_rule", update: false), notFoundKind: "SecurityGroupRuleNotFound",
    title: "Security group rule", style: .network, hasBulkCreate: true, hasRevision: true,
    quota: Quotas.limit("security_group_rule"))

  @Sendable private static func ethertype(_ value: JSONValue) throws(Fault) -> JSONValue {
    switch value.string?.lowercased() {
    case "ipv4": return "IPv4"
    case "ipv6": return "IPv6"
    default:
      throw Fault.invalidInput(
        "Security group rule for ethertype '\((value.string ?? value.text).prefix(40))' not supported. Allowed values are ['IPv4', 'IPv6'].",
        kind: "SecurityGroupRuleInvalidEtherType")
    }
  }
  @Sendable private static func port(_ value: JSONValue) throws(Fault) -> JSONValue {
    // The range is checked with the protocol: ports for TCP and the like, types and codes for ICMP.
    guard let number = Schema.integer(value), (0...65_535).contains(number) else {
      throw Fault.invalidInput(
        "Invalid value for port \((value.string ?? value.text).prefix(40))", kind: "SecurityGroupInvalidPortValue")
    }
    return .int(number)
  }
  @Sendable private static func prefix(_ value: JSONValue) throws(Fault) -> JSONValue {
    if value == "" { return .null }
    guard let text = value.string, let cidr = CIDR(text), let address = IPAddress(text.split(separator: "/")[0]) else {
      throw Fault.badRequest(
        "The CIDR '\((value.string ?? value.text).prefix(60))' is not valid.", kind: "InvalidCIDR")
    }
    return .string("\(address)/\(cidr.prefix)")
  }

  /// Checks a rule's values together and brings them to upstream's canonical form.
  static func check(_ values: inout JSONObject) throws(Fault) {
    let isV6 = values.text("ethertype") == "IPv6"
    if isV6, let name = values.optionalText("protocol") {
      if name == "icmp" || name == "icmpv6" { values["protocol"] = "ipv6-icmp" }
      if name == "1" { values["protocol"] = "58" }
    }
    if values.number("port_range_min") == 1, values.number("port_range_max") == 65_535 {
      (values["port_range_min"], values["port_range_max"]) = (.null, .null)
    }
    try checkPorts(values)
    if let prefix = values.optionalText("remote_ip_prefix"), prefix.contains(":") != isV6 {
      throw Fault.invalidInput(
        "Conflicting value ethertype \(values.text("ethertype")) for CIDR \(prefix)",
        kind: "SecurityGroupRuleParameterConflict")
    }
    if !isV6, let name = values.optionalText("protocol"), SecurityProtocol.isV6Only(name) {
      throw Fault.invalidInput(
        "Invalid ethertype IPv4 for protocol \(name).", kind: "SecurityGroupEthertypeConflictWithProtocol")
    }
    let remotes = ["remote_ip_prefix", "remote_group_id", "remote_address_group_id"]
    if remotes.filter({ values.optionalText($0) != nil }).count > 1 {
      throw Fault.invalidInput(
        "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
        kind: "SecurityGroupMultipleRemoteEntites")
    }
  }

  private static func checkPorts(_ values: JSONObject) throws(Fault) {
    let (low, high) = (values.number("port_range_min"), values.number("port_range_max"))
    guard low != nil || high != nil else { return }
    guard let name = values.optionalText("protocol") else {
      throw Fault.invalidInput(
        "Must also specify protocol if port range is given.", kind: "SecurityGroupProtocolRequiredWithPorts")
    }
    let number = SecurityProtocol.number(name)
    if SecurityProtocol.withPorts.contains(number) {
      if low == 0 || high == 0 {
        throw Fault.invalidInput("Invalid value for port 0", kind: "SecurityGroupInvalidPortValue")
      }
      guard let low, let high, low <= high else {
        throw Fault.invalidInput(
          "For TCP/UDP protocols, port_range_min must be <= port_range_max", kind: "SecurityGroupInvalidPortRange")
      }
    } else if number == 1 || number == 58 {
      for (value, field, attribute) in [(low, "type", "port_range_min"), (high, "code", "port_range_max")] {
        if let value, value > 255 {
          throw Fault.invalidInput(
            "Invalid value for ICMP \(field) (\(attribute)) \(value). It must be 0 to 255.",
            kind: "SecurityGroupInvalidIcmpValue")
        }
      }
      if low == nil, let high {
        throw Fault.invalidInput(
          "ICMP code (port-range-max) \(high) is provided but ICMP type (port-range-min) is missing.",
          kind: "SecurityGroupMissingIcmpType")
      }
    } else {
      throw Fault.invalidInput(
        "Ports cannot be specified for protocol \(name). Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.",
        kind: "SecurityGroupInvalidProtocolForPort")
    }
  }

  /// What two rules must differ in.
  static func key(_ values: JSONObject) -> [String] {
    let prefix = values.text("remote_ip_prefix")
    return [
      values.text("direction"), values.text("ethertype"),
      values.optionalText("protocol").map { String(SecurityProtocol.number($0)) } ?? "",
      values.number("port_range_min").map(String.init) ?? "", values.number("port_range_max").map(String.init) ?? "",
      values.text("remote_group_id"), values.text("remote_address_group_id"),
      ["0.0.0.0/0", "::/0"].contains(prefix) ? "" : prefix,
    ]
  }

  /// The rules of a new group: everything may leave; for the default group, its members may reach each other.
  static func initial(group: String, isDefault: Bool) -> [JSONObject] {
    var rules: [JSONObject] = []
    for ethertype in ["IPv4", "IPv6"] {
      rules.append(["direction": "egress", "ethertype": .string(ethertype)])
      if isDefault {
        rules.append(["direction": "ingress", "ethertype": .string(ethertype), "remote_group_id": .string(group)])
      }
    }
    return rules
  }
}

/// Lists of addresses that rules name as their remote end (API reference, Networking, Address groups).
enum AddressGroups {
  static let resource = Resource(
    name: "address_group", collection: "address_groups", path: "/v2.0/address-groups", table: "network_address_group",
    fields: [
      Standard.id, Standard.name, Standard.owner, Field("description", .text(0...1024), initial: ""),
      Field(
        "addresses", .json(.array(.string(1...64), count: 0...1000)), update: false, initial: .array([]),
        filter: false, sort: false),
    ] + Standard.times,
    policies: Standard.policies("address_group"), notFoundKind: "AddressGroupNotFound", title: "Address group",
    style: .network, hasRevision: true)

  static func notFound(_ id: String) -> Fault {
    .notFound("Address group \(id.prefix(64)) could not be found.", kind: "AddressGroupNotFound")
  }

  /// CIDRs in canonical form, each once.
  static func canonical(_ texts: [String]) throws(Fault) -> [String] {
    var result: [String] = []
    for text in texts {
      guard let cidr = CIDR(text) else {
        throw Fault.badRequest(
          "Invalid input for addresses. Reason: '\(text.prefix(60))' is not a valid IP subnet.", kind: "HTTPBadRequest")
      }
      if !result.contains(cidr.description) { result.append(cidr.description) }
    }
    return result
  }
}

/// IP protocols by the names that security group rules use (IANA, Assigned Internet Protocol Numbers).
enum SecurityProtocol {
  static let numbers: [String: Int] = [
    "icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6-encap": 41, "ipv6-route": 43,
    "ipv6-frag": 44, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ipv6-nonxt": 59,
    "ipv6-opts": 60, "ospf": 89, "vrrp": 112, "pgm": 113, "sctp": 132, "udplite": 136,
  ]
  static let withPorts: Set<Int> = [6, 17, 33, 132, 136]
  private static let v6Only: Set<Int> = [41, 43, 44, 58, 59, 60]

  /// A name in lower case, or a number 0 to 255 as text; `any` is nil.
  @Sendable static func canonical(_ value: JSONValue) throws(Fault) -> JSONValue {
    if let number = Schema.integer(value) {
      guard (0...255).contains(number) else { throw unknown(value) }
      return .string(String(number))
    }
    guard let name = value.string?.lowercased() else { throw unknown(value) }
    if name == "any" { return .null }
    guard numbers[name] != nil else { throw unknown(value) }
    return .string(name)
  }
  static func number(_ name: String) -> Int { numbers[name] ?? Int(name) ?? -1 }
  static func isV6Only(_ name: String) -> Bool { v6Only.contains(number(name)) }

  private static func unknown(_ value: JSONValue) -> Fault {
    Fault.invalidInput(
      "Security group rule protocol \((value.string ?? value.text).prefix(40)) not supported. Only protocol values \(numbers.keys.sorted()) and integer representations [0 to 255] are supported.",
      kind: "SecurityGroupRuleInvalidProtocol")
  }
}
