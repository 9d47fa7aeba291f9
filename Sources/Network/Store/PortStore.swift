import Kit
import Store

/// Rows of ports with their addresses and security groups.
enum PortStore {
  /// What a new port asks beside the values of its row.
  struct Request: Sendable {
    var wishes: [AddressWish]?
    /// nil: the project's default group where the port may have one.
    var groups: [String]?
  }

  /// Completes a new port's values, and writes its addresses and groups. The caller writes the row itself.
  static func prepare(
    _ values: inout JSONObject, _ request: Request, network: JSONObject, now: Timestamp, tx: any Transaction
  ) throws {
    let owner = values.text("device_owner")
    let mac = try values.optionalText("mac_address") ?? freeMAC(network.id, tx: tx)
    values["mac_address"] = .string(mac)
    if values["port_security_enabled"]?.bool == nil {
      values["port_security_enabled"] = .bool(!Ports.isTrusted(owner) && network.flag("port_security_enabled"))
    }
    if values["binding:host_id"]?.string == nil { values["binding:host_id"] = "" }
    let isSecured = values.flag("port_security_enabled")
    var groups = request.groups ?? []
    if request.groups == nil, isSecured, !Ports.isTrusted(owner), !values.projectID.isEmpty {
      groups = [try SecurityGroupStore.ensureDefault(values.projectID, now: now, tx: tx)]
    }
    if !groups.isEmpty { try SecurityGroupStore.bind(groups, port: values.id, tx: tx) }
    let choices = try Allocations.choose(
      request.wishes, subnets: try Allocations.subnets(of: network.id, tx: tx), networkID: network.id, mac: mac,
      deviceOwner: owner, tx: tx)
    try Allocations.allocate(choices, port: values.id, networkID: network.id, tx: tx)
  }

  /// Makes a whole port.
  @discardableResult
  static func create(
    _ given: JSONObject, _ request: Request = Request(), network: JSONObject, now: Timestamp, tx: any Transaction
  ) throws -> JSONObject {
    var values = given
    values["id"] = .string(UUIDText.make())
    values["network_id"] = .string(network.id)
    try prepare(&values, request, network: network, now: now, tx: tx)
    return try insert(values, now: now, tx: tx)
  }

  static func insert(_ values: JSONObject, now: Timestamp, tx: any Transaction) throws -> JSONObject {
    do {
      return try Ports.resource.insert(values, now: now, tx: tx)
    } catch is DuplicateRow {
      throw macInUse(values.text("mac_address"), values.text("network_id"))
    }
  }

  static func macInUse(_ mac: String, _ network: String) -> Fault {
    .conflict(
      "Unable to complete operation for network \(network). The mac address \(mac) is in use.", kind: "MacAddressInUse")
  }

  /// A MAC that no port of the network has.
  static func freeMAC(_ network: String, tx: any Transaction) throws -> String {
    for _ in 0..<16 {
      let mac = Ports.makeMAC()
      let taken = try tx.first(
        "SELECT 1 AS one FROM network_port WHERE network_id = \(network) AND mac_address = \(mac)")
      if taken == nil { return mac }
    }
    throw Fault(503, kind: "MacAddressGenerationFailure", "Unable to generate unique mac on network \(network).")
  }

  /// Removes a port with its addresses and groups; floating IPs on it stay, without a port.
  static func delete(_ id: String, tx: any Transaction) throws {
    try disassociate(id, tx: tx)
    for table in ["network_allocation", "network_port_group"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE port_id = \(id)")
    }
    try Ports.resource.delete(id, tx: tx)
  }

  static func disassociate(_ port: String, tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE network_floating_ip SET port_id = NULL, fixed_ip_address = NULL, router_id = NULL, status = 'DOWN',
        revision_number = revision_number + 1 WHERE port_id = \(port)
      """)
  }

  /// A network's DHCP server has a port, whose addresses are visible as every other's, while a subnet wants one.
  static func syncDHCP(_ network: JSONObject, host: String, now: Timestamp, tx: any Transaction) throws {
    let subnets = try Allocations.subnets(of: network.id, tx: tx).filter(\.hasDHCP)
    let existing = try tx.first(
      "SELECT * FROM network_port WHERE network_id = \(network.id) AND device_owner = \(Ports.dhcpOwner)"
    ).map(Ports.resource.values)
    guard !subnets.isEmpty else {
      if let existing { try delete(existing.id, tx: tx) }
      return
    }
    let wishes = subnets.map { AddressWish(subnetID: $0.id) }
    guard let existing else {
      // A network whose subnets are full has no DHCP server until an address is free again.
      if try subnets.contains(where: { try !$0.isAutoAddress && Allocations.next(on: $0, tx: tx) == nil }) { return }
      try create(
        [
          "project_id": .string(network.projectID), "device_owner": .string(Ports.dhcpOwner),
          "device_id": .string("dhcp-\(network.id)"), "binding:host_id": .string(host),
        ],
        Request(wishes: wishes, groups: []), network: network, now: now, tx: tx)
      return
    }
    let served = Set(try Allocations.addresses(of: [existing.id], tx: tx)[existing.id]?.map(\.subnetID) ?? [])
    if served == Set(subnets.map(\.id)) { return }
    for subnet in served where !subnets.contains(where: { $0.id == subnet }) {
      try tx.execute(
        "DELETE FROM network_allocation WHERE port_id = \(existing.id) AND subnet_id = \(subnet)")
    }
    for subnet in subnets where !served.contains(subnet.id) {
      let address = subnet.isAutoAddress ? subnet.eui64(existing.text("mac_address")) : nil
      if address == nil, try Allocations.next(on: subnet, tx: tx) == nil { continue }
      try Allocations.allocate(
        [(subnet, address)], port: existing.id, networkID: network.id, from: served.count, tx: tx)
    }
  }
}
