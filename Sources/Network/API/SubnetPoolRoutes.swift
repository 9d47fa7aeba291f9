import API
import Kit
import Store

extension NetworkModel {
  static func poolsVisible(_ auth: AuthContext) -> SQL? {
    visible { RBACPolicies.visible("subnetpool", to: $0.projectID) }(auth)
  }
  private static func scopesVisible(_ auth: AuthContext) -> SQL? {
    visible { RBACPolicies.visible("address_scope", to: $0.projectID) }(auth)
  }

  var subnetPoolRoutes: [Route] {
    let hooks = subnetPoolHooks
    return routes(
      SubnetPools.resource, hooks, filters: ListFilters(more: ["shared": Self.sharedFilter("subnetpool")]))
      + [
        prefixRoute("add_prefixes") { have, given in have + given },
        prefixRoute("remove_prefixes") { have, given in
          guard given.allSatisfy(have.contains) else {
            throw Fault.badRequest(of: "subnetpools", "The prefixes to remove are not prefixes of the subnet pool")
          }
          return have.filter { !given.contains($0) }
        },
      ]
  }

  private var subnetPoolHooks: ResourceHooks {
    var hooks = ResourceHooks()
    hooks.visible = { Self.poolsVisible($0) }
    hooks.creating = { values, context in
      try SubnetPools.check(&values)
      try checkScope(values, context)
      try refuseSecondDefault(values, context.tx)
    }
    hooks.created = { values, context in
      if values.flag("shared") {
        try Self.share("subnetpool", values, with: true, action: RBACPolicies.shared, tx: context.tx)
      }
    }
    hooks.updating = { old, changes, context in
      if changes["prefixes"] != nil {
        let (have, wanted) = (
          try SubnetPools.prefixes(old.strings("prefixes")), try SubnetPools.prefixes(changes.strings("prefixes"))
        )
        guard have.allSatisfy({ prefix in wanted.contains { $0.contains(prefix) } }) else {
          throw Fault.badRequest(
            "Illegal update to prefixes: existing prefixes must be part of the new ones.",
            kind: "IllegalSubnetPoolPrefixUpdate")
        }
      }
      try applyPoolChange(old, &changes, context)
    }
    hooks.deleting = { values, context in
      if try context.tx.first("SELECT 1 AS one FROM network_subnet WHERE subnetpool_id = \(values.id) LIMIT 1") != nil {
        throw Fault.badRequest(
          "Unable to delete subnet pool: Subnet pool has existing allocations.", kind: "SubnetPoolDeleteError")
      }
      try context.tx.execute("DELETE FROM network_rbac WHERE object_id = \(values.id)")
    }
    hooks.decorate = { try Self.decorateShared("subnetpool", &$0, $1) }
    return hooks
  }

  private func applyPoolChange(_ old: JSONObject, _ changes: inout JSONObject, _ context: ResourceContext) throws {
    var merged = old
    merged.merge(changes)
    try SubnetPools.check(&merged)
    for name in ["prefixes", "min_prefixlen", "max_prefixlen", "default_prefixlen"] where changes[name] != nil {
      changes[name] = merged[name]
    }
    if changes["address_scope_id"] != nil || changes["prefixes"] != nil { try checkScope(merged, context) }
    if changes.flag("is_default"), !old.flag("is_default") { try refuseSecondDefault(merged, context.tx) }
  }

  private func refuseSecondDefault(_ pool: JSONObject, _ tx: any Transaction) throws {
    guard pool.flag("is_default") else { return }
    let version = pool.number("ip_version") ?? 4
    let other = try tx.first("SELECT 1 AS one FROM network_subnetpool WHERE is_default = 1 AND ip_version = \(version)")
    if other != nil {
      throw Fault.invalidInput(
        "A default subnetpool for this IP family has already been set. Only one default may exist per IP family")
    }
  }

  /// An address scope that the caller sees, of the pool's IP version, in which no other pool has the same addresses.
  private func checkScope(_ pool: JSONObject, _ context: ResourceContext) throws {
    guard let id = pool.optionalText("address_scope_id") else { return }
    let visible = Self.scopesVisible(context.auth)
    guard let scope = try AddressScopes.resource.find(id, where: visible, tx: context.tx) else {
      throw AddressScopes.notFound(id)
    }
    guard scope.number("ip_version") == pool.number("ip_version") else {
      throw Fault.badRequest(
        "Illegal subnetpool association: subnetpool \(pool.id) cannot associate with address scope \(id) because subnetpool ip_version is not \(scope.number("ip_version") ?? 0).",
        kind: "IllegalSubnetPoolIpVersionAssociationToAddressScope")
    }
    let own = try SubnetPools.prefixes(pool.strings("prefixes"))
    let others = try context.tx.query(
      "SELECT prefixes FROM network_subnetpool WHERE address_scope_id = \(id) AND id != \(pool.id)")
    for row in others {
      let texts = row.json("prefixes").array?.compactMap(\.string) ?? []
      let theirs = try SubnetPools.prefixes(texts)
      if own.contains(where: { prefix in theirs.contains { $0.overlaps(prefix) } }) {
        throw Fault.conflict(
          "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
          kind: "AddressScopePrefixConflict")
      }
    }
  }

  private func prefixRoute(
    _ action: String, _ change: @escaping @Sendable ([CIDR], [CIDR]) throws -> [CIDR]
  ) -> Route {
    let schema = Schema.object([Schema.required("prefixes", .array(.string(1...64), count: 1...1000))])
    return Route(
      "PUT", "/v2.0/subnetpools/{id}/\(action)", Policy(action, .projectMember), schema: schema
    ) { call in
      let auth = try call.auth
      let given = try SubnetPools.prefixes(call.body["prefixes"]?.array?.compactMap(\.string) ?? [])
      let now = clock.now()
      return try await database.write { tx in
        let id = call.parameter("id")
        guard let pool = try SubnetPools.resource.find(id, where: Self.poolsVisible(auth), tx: tx) else {
          throw SubnetPools.notFound(id)
        }
        guard auth.isAdmin || pool.projectID == auth.projectID else { throw Fault.disallowed(action) }
        let prefixes = try change(try SubnetPools.prefixes(pool.strings("prefixes")), given)
        var changes: JSONObject = ["prefixes": .strings(prefixes.map(\.description))]
        let context = ResourceContext(tx: tx, auth: auth, call: call, now: now, resource: SubnetPools.resource)
        try applyPoolChange(pool, &changes, context)
        try SubnetPools.resource.update(pool, changes, now: now, tx: tx)
        return .json(["prefixes": changes["prefixes"] ?? .array([])])
      }
    }
  }

  /// A network out of a pool: the one asked for, or the first free one of the prefix length.
  func allocate(
    _ wanted: CIDR?, prefix: Int?, from pool: JSONObject, project: String, tx: any Transaction
  ) throws -> CIDR {
    let prefixes = try SubnetPools.prefixes(pool.strings("prefixes"))
    let rows = try tx.query("SELECT cidr, project_id FROM network_subnet WHERE subnetpool_id = \(pool.id)")
    let used = rows.compactMap { CIDR($0.text("cidr")) }
    let length = wanted?.prefix ?? prefix ?? pool.number("default_prefixlen") ?? 24
    let (low, high) = (pool.number("min_prefixlen") ?? 0, pool.number("max_prefixlen") ?? 128)
    if length < low {
      throw Fault.badRequest(
        "Unable to allocate subnet with prefix length \(length), minimum allowed prefix is \(low).",
        kind: "MinPrefixSubnetAllocationError")
    }
    if length > high {
      throw Fault.badRequest(
        "Unable to allocate subnet with prefix length \(length), maximum allowed prefix is \(high).",
        kind: "MaxPrefixSubnetAllocationError")
    }
    try checkPoolQuota(pool, rows: rows, project: project, length: length)
    if let wanted {
      guard prefixes.contains(where: { $0.contains(wanted) }), !used.contains(where: { $0.overlaps(wanted) }) else {
        throw Fault.badRequest(of: "subnets", "Cannot allocate requested subnet from the available set of prefixes")
      }
      return wanted
    }
    guard let free = SubnetPools.free(prefix: length, in: prefixes, used: used) else {
      throw Fault.conflict(
        "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /\(length).",
        kind: "SubnetAllocationError")
    }
    return free
  }

  /// `default_quota` counts addresses for IPv4, /64 networks for IPv6, per project.
  private func checkPoolQuota(_ pool: JSONObject, rows: [Row], project: String, length: Int) throws {
    guard let quota = pool.number("default_quota"), quota >= 0 else { return }
    let bits = pool.number("ip_version") == 6 ? 64 : 32
    func size(_ prefix: Int) -> Int { 1 << min(max(bits - prefix, 0), 62) }
    let used = rows.filter { $0.text("project_id") == project }
      .reduce(0) { $0.addingReportingOverflow(size(CIDR($1.text("cidr"))?.prefix ?? bits)).partialValue }
    if used + size(length) > quota {
      throw Fault.conflict("Per-project subnet pool prefix quota exceeded.", kind: "SubnetPoolQuotaExceeded")
    }
  }

  var addressScopeRoutes: [Route] {
    var hooks = ResourceHooks()
    hooks.visible = { Self.scopesVisible($0) }
    hooks.creating = { values, _ in
      guard values.number("ip_version") != 5 else {
        throw Fault.badRequest("Invalid input for ip_version. Reason: '5' is not in [4, 6].", kind: "HTTPBadRequest")
      }
    }
    hooks.created = { values, context in
      if values.flag("shared") {
        try Self.share("address_scope", values, with: true, action: RBACPolicies.shared, tx: context.tx)
      }
    }
    hooks.updating = { old, changes, context in
      guard let isShared = changes["shared"]?.bool else { return }
      if !isShared {
        throw Fault.invalidInput("Shared address scope can't be unshared", kind: "AddressScopeUpdateError")
      }
      try Self.share("address_scope", old, with: true, action: RBACPolicies.shared, tx: context.tx)
    }
    hooks.deleting = { values, context in
      let used = try context.tx.first(
        "SELECT 1 AS one FROM network_subnetpool WHERE address_scope_id = \(values.id) LIMIT 1")
      if used != nil {
        throw Fault.conflict(
          "Unable to complete operation on address scope \(values.id). There are one or more subnet pools in use on the address scope",
          kind: "AddressScopeInUse")
      }
      try context.tx.execute("DELETE FROM network_rbac WHERE object_id = \(values.id)")
    }
    hooks.decorate = { try Self.decorateShared("address_scope", &$0, $1) }
    return routes(
      AddressScopes.resource, hooks, filters: ListFilters(more: ["shared": Self.sharedFilter("address_scope")]))
  }
}
