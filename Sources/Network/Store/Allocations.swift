import Kit
import Store

/// A wish for a fixed address: a subnet, an address, or both.
struct AddressWish: Sendable, Equatable {
  var subnetID: String?
  var address: IPAddress?

  /// Reads `fixed_ips` of a request.
  static func read(_ list: [JSONValue]) throws(Fault) -> [AddressWish] {
    var wishes: [AddressWish] = []
    for item in list {
      var wish = AddressWish(subnetID: item["subnet_id"]?.string)
      if let text = item["ip_address"]?.string {
        guard let address = IPAddress(text) else {
          throw Fault.badRequest(
            "Invalid input for fixed_ips. Reason: '\(text.prefix(60))' is not a valid IP address.",
            kind: "HTTPBadRequest")
        }
        wish.address = address
      }
      if wish.subnetID == nil, wish.address == nil {
        throw Fault.invalidInput("IP allocation requires subnet_id or ip_address")
      }
      if let address = wish.address, wishes.contains(where: { $0.address == address && $0.subnetID == wish.subnetID }) {
        throw Fault.badRequest("Duplicate IP address '\(address)'.", kind: "HTTPBadRequest")
      }
      wishes.append(wish)
    }
    return wishes
  }
}

/// Fixed addresses of ports: choosing, keeping, giving back.
enum Allocations {
  /// A subnet with the address wanted on it; nil: the next free one.
  typealias Choice = (subnet: Subnet, address: IPAddress?)

  /// The subnets of a network, oldest first.
  static func subnets(of networkID: String, tx: any Transaction) throws -> [Subnet] {
    try tx.query("SELECT * FROM network_subnet WHERE network_id = \(networkID) ORDER BY created_at, id")
      .compactMap { Subnet(Subnets.resource.values($0)) }
  }

  /// Which subnets a new port gets addresses on. `wishes` nil: an IPv4 address and a managed IPv6 address where there are
  /// such subnets. Addresses that ports make themselves (SLAAC) come in addition, but not at routers.
  static func choose(
    _ wishes: [AddressWish]?, subnets all: [Subnet], networkID: String, mac: String, deviceOwner: String,
    except handled: Set<String> = [], tx: any Transaction
  ) throws -> [Choice] {
    let isRouter = Ports.routerOwners.contains(deviceOwner)
    let subnets = all.filter { $0.serves(deviceOwner) }
    var choices: [Choice] = []
    if let wishes {
      for wish in wishes {
        let subnet = try subnet(for: wish, among: all, networkID: networkID, isRouter: isRouter, tx: tx)
        if subnet.isAutoAddress, !isRouter {
          if let address = wish.address, address != subnet.eui64(mac) {
            throw Fault.invalidInput(
              "IPv6 address \(address) cannot be directly assigned to a port on subnet \(subnet.id) as the subnet is configured for automatic addresses",
              kind: "AllocationOnAutoAddressSubnet")
          }
          if wish.address == nil { continue }
        }
        choices.append((subnet, wish.address))
      }
    } else {
      for isV6 in [false, true] {
        let managed = subnets.filter { $0.cidr.isV6 == isV6 && !$0.isAutoAddress }
        if managed.isEmpty { continue }
        var choice: Choice?
        for subnet in managed where choice == nil {
          if let address = try next(on: subnet, tx: tx) { choice = (subnet, address) }
        }
        guard let choice else { throw exhausted(networkID) }
        choices.append(choice)
      }
      if subnets.isEmpty, !all.isEmpty { throw exhausted(networkID) }
    }
    guard !isRouter else { return choices }
    for subnet in subnets where subnet.isAutoAddress {
      if handled.contains(subnet.id) || choices.contains(where: { $0.subnet.id == subnet.id }) { continue }
      choices.append((subnet, subnet.eui64(mac)))
    }
    return choices
  }

  private static func subnet(
    for wish: AddressWish, among subnets: [Subnet], networkID: String, isRouter: Bool, tx: any Transaction
  ) throws -> Subnet {
    guard !subnets.isEmpty || wish.subnetID != nil else {
      throw Fault.invalidInput("IP allocation requires subnets for network")
    }
    if let id = wish.subnetID {
      guard let subnet = subnets.first(where: { $0.id == id }) else {
        if try tx.first("SELECT 1 AS one FROM network_subnet WHERE id = \(id)") == nil { throw Subnets.notFound(id) }
        throw Fault.invalidInput(
          "Failed to create port on network \(networkID), because fixed_ips included invalid subnet \(id)")
      }
      if let address = wish.address, !subnet.isUsable(address, isRouter: isRouter) {
        throw Fault.badRequest(
          "IP address \(address) is not a valid IP for the specified subnet.", kind: "InvalidIpForSubnet")
      }
      return subnet
    }
    guard let address = wish.address,
      let subnet = subnets.first(where: { $0.isUsable(address, isRouter: isRouter) })
    else {
      throw Fault.badRequest(
        "IP address \(wish.address?.description ?? "") is not a valid IP for any of the subnets on the specified network.",
        kind: "InvalidIpForNetwork")
    }
    return subnet
  }

  /// Writes the rows. Throws 409 faults for addresses in use and for full subnets.
  static func allocate(_ choices: [Choice], port: String, networkID: String, from ordinal: Int = 0, tx: any Transaction)
    throws
  {
    for (index, choice) in choices.enumerated() {
      guard let address = try choice.address ?? next(on: choice.subnet, tx: tx) else { throw exhausted(networkID) }
      do {
        try tx.execute(
          .insert(
            into: "network_allocation",
            [
              "port_id": port, "network_id": networkID, "subnet_id": choice.subnet.id,
              "address": address.description, "host_offset": choice.subnet.offset(address), "ordinal": ordinal + index,
            ]))
      } catch is DuplicateRow {
        throw Fault.conflict(
          "IP address \(address) already allocated in subnet \(choice.subnet.id)", kind: "IpAddressAlreadyAllocated")
      }
    }
  }

  /// The next free address in a subnet's pools: behind the last one given out, so that an address rests before it is used
  /// again; then the first gap.
  static func next(on subnet: Subnet, tx: any Transaction) throws -> IPAddress? {
    for pool in subnet.pools {
      let start = subnet.offset(pool.lowerBound)
      let end =
        pool.upperBound.value - subnet.cidr.network.value < UInt128(1) << 62
        ? subnet.offset(pool.upperBound) : Int(1) << 62
      guard start >= 0 else { continue }
      let last = try tx.first(
        """
        SELECT MAX(host_offset) AS last FROM network_allocation
        WHERE subnet_id = \(subnet.id) AND host_offset >= \(start) AND host_offset <= \(end)
        """)?.optionalInt("last")
      let offset: Int?
      if let last { offset = last < end ? last + 1 : try gap(subnet.id, start, end, tx) } else { offset = start }
      if let offset { return subnet.cidr.network.advanced(by: offset) }
    }
    return nil
  }

  private static func gap(_ subnetID: String, _ start: Int, _ end: Int, _ tx: any Transaction) throws -> Int? {
    let first = try tx.first(
      "SELECT 1 AS one FROM network_allocation WHERE subnet_id = \(subnetID) AND host_offset = \(start)")
    if first == nil { return start }
    return try tx.first(
      """
      SELECT a.host_offset + 1 AS free FROM network_allocation a LEFT JOIN network_allocation b
        ON b.subnet_id = a.subnet_id AND b.host_offset = a.host_offset + 1
      WHERE a.subnet_id = \(subnetID) AND a.host_offset >= \(start) AND a.host_offset < \(end)
        AND b.host_offset IS NULL ORDER BY a.host_offset LIMIT 1
      """)?.optionalInt("free")
  }

  /// Changes a port's addresses to what is wished; addresses that fit stay.
  static func change(
    _ wishes: [AddressWish], port: JSONObject, mac: String, deviceOwner: String, tx: any Transaction
  ) throws {
    let networkID = port.text("network_id")
    let subnets = try subnets(of: networkID, tx: tx)
    var old = try addresses(of: [port.id], tx: tx)[port.id] ?? []
    var kept: [FixedIP] = []
    var added: [AddressWish] = []
    for wish in wishes {
      let fit = old.firstIndex { fixed in
        wish.address.map { $0.description == fixed.address } ?? false
          && (wish.subnetID == nil || wish.subnetID == fixed.subnetID)
          || wish.address == nil && wish.subnetID == fixed.subnetID
      }
      if let fit { kept.append(old.remove(at: fit)) } else { added.append(wish) }
    }
    // Automatic addresses stay unless the request named the subnet; a router's are its own affair.
    if !Ports.routerOwners.contains(deviceOwner) {
      kept += old.filter { fixed in subnets.contains { $0.id == fixed.subnetID && $0.isAutoAddress } }
      old.removeAll { fixed in subnets.contains { $0.id == fixed.subnetID && $0.isAutoAddress } }
    }
    let choices = try choose(
      added, subnets: subnets, networkID: networkID, mac: mac, deviceOwner: deviceOwner,
      except: Set(kept.map(\.subnetID)), tx: tx)
    try checkRouterPort(port, removed: old, added: choices)
    for fixed in old { try release(port: port.id, subnetID: fixed.subnetID, address: fixed.address, tx: tx) }
    try allocate(choices, port: port.id, networkID: networkID, from: (kept.map(\.ordinal).max() ?? -1) + 1, tx: tx)
  }

  /// Interfaces of routers keep their IPv4 addresses (l3-port-ip-change-not-allowed).
  private static func checkRouterPort(_ port: JSONObject, removed: [FixedIP], added: [Choice]) throws(Fault) {
    guard Ports.routerOwners.contains(port.text("device_owner")), !port.text("device_id").isEmpty else { return }
    if removed.contains(where: { !$0.address.contains(":") }) || added.contains(where: { !$0.subnet.cidr.isV6 }) {
      throw Fault.badRequest("IP updates for port \(port.id) are not allowed", kind: "IPAddressChangeNotAllowed")
    }
  }

  static func release(port: String, subnetID: String, address: String, tx: any Transaction) throws {
    try tx.execute(
      "DELETE FROM network_allocation WHERE port_id = \(port) AND subnet_id = \(subnetID) AND address = \(address)")
  }

  /// A port's address as kept.
  struct FixedIP: Sendable, Equatable {
    var subnetID: String
    var address: String
    var ordinal: Int
    var json: JSONValue { ["subnet_id": .string(subnetID), "ip_address": .string(address)] }
  }

  /// The addresses of several ports, in one query.
  static func addresses(of ports: some Collection<String>, tx: any Transaction) throws -> [String: [FixedIP]] {
    guard !ports.isEmpty else { return [:] }
    // A page of a list may be larger than the engine's limit of parameters allows.
    let rows = try Batches.query(Array(ports)) { batch in
      try tx.query(
        """
        SELECT port_id, subnet_id, address, ordinal FROM network_allocation WHERE port_id IN \(list: batch)
        ORDER BY ordinal, address
        """)
    }
    return Dictionary(grouping: rows) { $0.text("port_id") }
      .mapValues {
        $0.map { FixedIP(subnetID: $0.text("subnet_id"), address: $0.text("address"), ordinal: $0.int("ordinal")) }
      }
  }

  static func exhausted(_ networkID: String) -> Fault {
    .conflict("No more IP addresses available on network \(networkID).", kind: "IpAddressGenerationFailure")
  }
}

/// Long lists of ids in pieces that fit an engine's limit of parameters.
enum Batches {
  static let size = 10_000
  static func query(_ ids: [String], _ body: ([String]) throws -> [Row]) throws -> [Row] {
    if ids.count <= size { return ids.isEmpty ? [] : try body(ids) }
    return try stride(from: 0, to: ids.count, by: size).flatMap { try body(Array(ids[$0..<min($0 + size, ids.count)])) }
  }
}
