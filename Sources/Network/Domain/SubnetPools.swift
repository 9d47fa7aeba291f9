import API
import Kit
import Store

/// Subnet pools (API reference, Networking, Subnet pools).
enum SubnetPools {
  static let resource = Resource(
    name: "subnetpool", collection: "subnetpools", path: "/v2.0/subnetpools", table: "network_subnetpool",
    fields: [
      Standard.id, Field("name", .text(1...255), create: .required), Standard.owner,
      Field("prefixes", .json(.array(.string(1...64), count: 0...1000)), create: .required, filter: false, sort: false),
      Field("default_quota", .int(0...Int(Int32.max)), nullable: true),
      Field("ip_version", .int(4...6), create: .forbidden, update: false),
      Field("default_prefixlen", .custom(prefixLength), nullable: true),
      Field("min_prefixlen", .custom(prefixLength), nullable: true),
      Field("max_prefixlen", .custom(prefixLength), nullable: true),
      Field("address_scope_id", .uuid, nullable: true),
      Field("is_default", .bool, initial: false, write: .admin),
      Field("shared", .bool, isStored: false, update: false, initial: false, write: .admin),
    ] + Standard.all,
    policies: Standard.policies("subnetpool"), notFoundKind: "SubnetPoolNotFound", title: "Subnet pool",
    style: .network, hasRevision: true, quota: Quotas.limit("subnetpool"))

  /// Numbers in the API's answers are texts or integers alike upstream; Martlet writes integers.
  @Sendable private static func prefixLength(_ value: JSONValue) throws(Fault) -> JSONValue {
    guard let number = Schema.integer(value), (0...128).contains(number) else {
      throw Fault.badRequest(
        "Invalid input for prefixlen. Reason: '\((value.string ?? value.text).prefix(40))' is not a prefix length.",
        kind: "HTTPBadRequest")
    }
    return .int(number)
  }

  /// Checks prefixes and the bounds of prefix lengths together, and fills what was not given (upstream: the least prefix
  /// length is 8 for IPv4 and 64 for IPv6, the largest the address's length).
  static func check(_ values: inout JSONObject) throws(Fault) {
    let prefixes = try prefixes(values.strings("prefixes"))
    guard let first = prefixes.first else {
      throw Fault.badRequest("Empty subnet pool prefix list.", kind: "EmptySubnetPoolPrefixList")
    }
    guard prefixes.allSatisfy({ $0.isV6 == first.isV6 }) else {
      throw Fault.badRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", kind: "PrefixVersionMismatch")
    }
    values["prefixes"] = .strings(compact(prefixes).map(\.description))
    values["ip_version"] = .int(first.isV6 ? 6 : 4)
    let low = values.number("min_prefixlen") ?? (first.isV6 ? 64 : 8)
    let high = values.number("max_prefixlen") ?? first.network.bits
    let usual = values.number("default_prefixlen") ?? low
    func illegal(_ text: String) -> Fault {
      .badRequest("Illegal prefix bounds: \(text).", kind: "IllegalSubnetPoolPrefixBounds")
    }
    if high > first.network.bits { throw illegal("max_prefixlen=\(high), ip_version=\(first.isV6 ? 6 : 4)") }
    if low > high { throw illegal("min_prefixlen=\(low), max_prefixlen=\(high)") }
    if usual < low { throw illegal("default_prefixlen=\(usual), min_prefixlen=\(low)") }
    if usual > high { throw illegal("default_prefixlen=\(usual), max_prefixlen=\(high)") }
    (values["min_prefixlen"], values["max_prefixlen"], values["default_prefixlen"]) = (
      .int(low), .int(high), .int(usual)
    )
  }

  static func prefixes(_ texts: [String]) throws(Fault) -> [CIDR] {
    var result: [CIDR] = []
    for text in texts {
      guard text.contains("/"), let cidr = CIDR(text) else {
        throw Fault.badRequest(
          "Invalid input for prefixes. Reason: '\(text.prefix(60))' is not a valid IP subnet.", kind: "HTTPBadRequest")
      }
      result.append(cidr)
    }
    return result
  }

  /// The same addresses in as few CIDRs as possible, sorted.
  static func compact(_ given: [CIDR]) -> [CIDR] {
    var set = Set(given)
    for cidr in given where set.contains(where: { $0 != cidr && $0.contains(cidr) }) { set.remove(cidr) }
    var isChanged = true
    while isChanged {
      isChanged = false
      for cidr in set where cidr.prefix > 0 {
        let parent = CIDR(cidr.network, prefix: cidr.prefix - 1)
        let halves = [parent.network, parent.last].map { CIDR($0, prefix: cidr.prefix) }
        if halves.allSatisfy(set.contains) {
          halves.forEach { set.remove($0) }
          set.insert(parent)
          isChanged = true
          break
        }
      }
    }
    return set.sorted { ($0.network, $0.prefix) < ($1.network, $1.prefix) }
  }

  /// The first free network of a prefix length in the pool.
  static func free(prefix: Int, in prefixes: [CIDR], used: [CIDR]) -> CIDR? {
    for pool in prefixes where pool.prefix <= prefix {
      var candidate = CIDR(pool.network, prefix: prefix)
      let taken = used.filter { $0.overlaps(pool) }.sorted { $0.network < $1.network }
      while pool.contains(candidate) {
        guard let blocker = taken.first(where: { $0.overlaps(candidate) }) else { return candidate }
        // The next network of this length behind what is in the way.
        let last = max(blocker.last, candidate.last)
        guard last < pool.last else { break }
        candidate = CIDR(IPAddress(value: last.value + 1, isV6: pool.isV6), prefix: prefix)
      }
    }
    return nil
  }

  static func notFound(_ id: String) -> Fault {
    .notFound("Subnet pool \(id.prefix(64)) could not be found.", kind: "SubnetPoolNotFound")
  }
}

/// Address scopes (API reference, Networking, Address scopes).
enum AddressScopes {
  static let resource = Resource(
    name: "address_scope", collection: "address_scopes", path: "/v2.0/address-scopes", table: "network_address_scope",
    fields: [
      Standard.id, Standard.name, Standard.owner, Field("ip_version", .int(4...6), create: .required, update: false),
      Field("shared", .bool, isStored: false, initial: false, write: .admin),
    ],
    policies: Standard.policies("address_scope"), notFoundKind: "AddressScopeNotFound", title: "Address scope",
    style: .network)

  static func notFound(_ id: String) -> Fault {
    .notFound("Address scope \(id.prefix(64)) could not be found", kind: "AddressScopeNotFound")
  }
}
