import API
import Kit
import Store

/// Ports (API reference, Networking, Ports).
enum Ports {
  static let resource = Resource(
    name: "port", collection: "ports", path: "/v2.0/ports", table: "network_port",
    fields: [
      Standard.id, Standard.name, Standard.owner,
      Field("network_id", .uuid, create: .required, update: false),
      Field("admin_state_up", .bool, initial: true),
      Field("mac_address", .custom(mac), nullable: true),
      // Absent means automatic, an empty list none: the empty text stands for absent.
      Field("fixed_ips", .json(fixedIPs), isStored: false, nullable: true, initial: ""),
      Field("device_id", .text(0...255), initial: ""),
      Field("device_owner", .text(0...255), initial: ""),
      Field("status", .text(0...16), create: .forbidden, update: false, initial: "DOWN"),
      Field("port_security_enabled", .bool),
      Field("security_groups", .json(groups), isStored: false, nullable: true, initial: ""),
      Field(
        "allowed_address_pairs", .json(pairs), nullable: true, initial: .array([]), filter: false, sort: false),
      Field("extra_dhcp_opts", .json(options), nullable: true, initial: .array([]), filter: false, sort: false),
      Field("dns_name", .custom(DNSText.host), initial: ""),
      Field("dns_domain", .custom(DNSText.domain), initial: ""),
      Field("ip_allocation", .text(0...16), create: .forbidden, update: false, initial: "immediate"),
      Field("binding:host_id", .text(0...255), nullable: true, initial: "", read: .service, write: .service),
      Field("binding:vnic_type", .oneOf(vnicTypes), initial: "normal"),
      Field(
        "binding:profile", .json(.object([], additional: .allowed)), nullable: true, initial: .object([:]),
        filter: false, sort: false, read: .service, write: .service),
      Field("binding:vif_type", .text(0...64), isStored: false, create: .forbidden, update: false, read: .service),
      Field("binding:vif_details", .json(.any), isStored: false, create: .forbidden, update: false, read: .service),
      Standard.description,
      Field("tags", .json(Standard.tagList), update: false, initial: .array([]), filter: false, sort: false),
      // Whether Compute made it, so that it goes with its server; its order among the server's ports; Compute's own tag.
      Field("is_made_by_compute", .bool, create: .forbidden, update: false, initial: false, hidden: true),
      Field("ordinal", .int(0...Int.max), create: .forbidden, update: false, initial: 0, hidden: true),
      Field("device_tag", .text(0...255), nullable: true, create: .forbidden, update: false, hidden: true),
    ] + Standard.times,
    policies: Standard.policies("port", read: NetworkRule.readerOrService, write: NetworkRule.memberOrService),
    notFoundKind: "PortNotFound", title: "Port", style: .network, hasBulkCreate: true, hasRevision: true,
    quota: Quotas.limit("port"))

  static let vnicTypes = [
    "normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic", "vdpa",
    "accelerator-direct", "accelerator-direct-physical", "remote-managed",
  ]
  private static let fixedIPs = Schema.array(
    .object([Schema.may("subnet_id", .optional(.string(1...64))), Schema.may("ip_address", .string(1...64))]),
    count: 0...100)
  private static let groups = Schema.array(.uuid, count: 0...500, unique: true)
  private static let pairs = Schema.array(
    .object([
      Schema.required("ip_address", .string(1...64)), Schema.may("mac_address", .optional(.string(1...32))),
      Schema.may("active", .any),
    ]), count: 0...pairsMax)
  private static let options = Schema.array(
    .object([
      Schema.required("opt_name", .text(1...64)), Schema.required("opt_value", .optional(.string(0...255))),
      Schema.may("ip_version", .looseInteger(4...6)),
    ]), count: 0...100)
  /// Upstream's max_allowed_address_pair.
  static let pairsMax = 10

  @Sendable private static func mac(_ value: JSONValue) throws(Fault) -> JSONValue {
    guard let text = value.string, let mac = MACText.canonical(text), mac != "00:00:00:00:00:00" else {
      throw Fault.badRequest(
        "Invalid input for mac_address. Reason: '\((value.string ?? value.text).prefix(40))' is not a valid MAC address.",
        kind: "HTTPBadRequest")
    }
    return .string(mac)
  }

  static func notFound(_ id: String) -> Fault {
    .notFound("Port \(id.prefix(64)) could not be found.", kind: "PortNotFound")
  }

  static let dhcpOwner = "network:dhcp"
  static let interfaceOwner = "network:router_interface"
  static let gatewayOwner = "network:router_gateway"
  static let floatingOwner = "network:floatingip"
  static let routerOwners = [interfaceOwner, gatewayOwner]
  /// Owners whose ports are not in the way of a network's or subnet's end.
  static let automaticOwners = [dhcpOwner, "network:distributed"]
  /// Ports of these belong to the network's own machinery: no security groups, no anti-spoofing.
  static func isTrusted(_ deviceOwner: String) -> Bool { deviceOwner.hasPrefix("network:") }

  /// A random MAC in upstream's default range fa:16:3e:00:00:00 (base_mac).
  static func makeMAC() -> String {
    let bytes = (0..<3).map { _ in UInt8.random(in: 0...255) }
    return "fa:16:3e" + bytes.map { ":" + (($0 < 16 ? "0" : "") + String($0, radix: 16)) }.joined()
  }

  /// `allowed_address_pairs` in canonical form; a pair without MAC gets the port's.
  static func checkPairs(_ given: [JSONValue], mac: String) throws(Fault) -> JSONValue {
    var result: [JSONValue] = []
    for pair in given {
      guard let text = pair["ip_address"]?.string, let cidr = CIDR(text) else {
        throw Fault.badRequest(
          "Invalid input for allowed_address_pairs. Reason: '\((pair["ip_address"]?.string ?? "").prefix(60))' is not a valid IP address or subnet.",
          kind: "HTTPBadRequest")
      }
      if SubnetPlan.isMulticast(cidr.network) {
        throw Fault.badRequest(
          "Invalid input for allowed_address_pairs. Reason: '\(cidr)' is a multicast address.", kind: "HTTPBadRequest")
      }
      let own = pair["mac_address"]?.string
      guard let address = own == nil ? mac : MACText.canonical(own ?? "") else {
        throw Fault.badRequest(
          "Invalid input for allowed_address_pairs. Reason: '\(own ?? "")' is not a valid MAC address.",
          kind: "HTTPBadRequest")
      }
      let value: JSONValue = [
        "mac_address": .string(address),
        "ip_address": .string(text.contains("/") ? cidr.description : cidr.network.description),
      ]
      if result.contains(value) {
        throw Fault.badRequest(
          "Request contains duplicate address pair: mac_address \(address) ip_address \(text).",
          kind: "DuplicateAddressPairInRequest")
      }
      result.append(value)
    }
    return .array(result)
  }

  /// `extra_dhcp_opts` merged over the present ones: a null value removes an option.
  static func mergeOptions(_ old: [JSONValue], _ given: [JSONValue]) -> JSONValue {
    func version(_ option: JSONValue) -> Int { option["ip_version"].flatMap(Schema.integer) ?? 4 }
    var result = old
    for option in given {
      result.removeAll { $0["opt_name"] == option["opt_name"] && version($0) == version(option) }
      guard let value = option["opt_value"]?.string else { continue }
      result.append([
        "opt_name": option["opt_name"] ?? "", "opt_value": .string(value), "ip_version": .int(version(option)),
      ])
    }
    return .array(result)
  }

  /// What a hypervisor needs to plug the port: a tap on the network's bridge.
  static func binding(_ values: JSONObject) -> (type: String, details: JSONValue) {
    if values.text("binding:host_id").isEmpty { return ("unbound", .object([:])) }
    return (
      "bridge",
      ["connectivity": "l2", "port_filter": true, "bound_drivers": ["0": "martlet"]]
    )
  }
}
