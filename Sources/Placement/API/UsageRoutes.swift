import API
import Kit
import Store

extension PlacementService {
  var usageRoutes: [Route] {
    let totals = Policy(
      "placement:usages", .any([.all([.projectScope, .any([.admin, .role("service"), .role("reader")])])]))
    let aggregates = "/resource_providers/{uuid}/aggregates"
    let setPolicy = placementPolicy("resource_providers:aggregates:update")
    return [
      Route("GET", "/resource_providers/{uuid}/usages", placementPolicy("resource_providers:usages"), providerUsages),
      Route("GET", "/usages", totals, since: Microversion(1, 9), totalUsages),
      Route("GET", aggregates, placementPolicy("resource_providers:aggregates:list"), since: Microversion(1, 1)) {
        [self] call in
        let (provider, ids) = try await database.read { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          return (provider, try AggregateStore.of(provider.id, tx: tx))
        }
        return view(call, ids, generation: provider.generation)
      },
      Route(
        "PUT", aggregates, setPolicy, since: Microversion(1, 1), until: Microversion(1, 18), body: .optionalJSON,
        schema: PlacementSchemas.aggregateList, setAggregates),
      Route(
        "PUT", aggregates, setPolicy, since: Microversion(1, 19), schema: PlacementSchemas.aggregates, setAggregates),
      Route(
        "GET", "/allocation_candidates", placementPolicy("allocation_candidates:list"), since: Microversion(1, 10)
      ) { [self] call in
        let query = try CandidateQuery(call.query, minor: call.microversion.minor)
        let (snapshot, candidates) = try await database.read { tx in
          try ClassStore.check(Set(query.groups.values.flatMap { $0.resources.keys }), tx: tx)
          try TraitStore.check(query.traits, tx: tx)
          let snapshot = try ProviderSnapshot.load(try ProviderStore.all(tx: tx), tx: tx)
          return (snapshot, CandidateSearch(snapshot, query, isNestedAware: call.since(1, 29)).run())
        }
        return reply(call, PlacementView.candidates(candidates, snapshot, query, call))
      },
    ]
  }

  private func view(_ call: Call, _ ids: [String], generation: Int) -> Reply {
    var view: JSONObject = ["aggregates": .strings(ids)]
    if call.since(1, 19) { view.append("resource_provider_generation", .int(generation)) }
    return reply(call, .object(view))
  }

  private func setAggregates(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let knowsGeneration = call.since(1, 19)
    guard let values = knowsGeneration ? call.body["aggregates"]?.array : call.body.array else {
      throw Fault.badRequest("The request needs a JSON list of aggregate UUIDs.")
    }
    let ids = Set(values.compactMap { $0.string.flatMap(UUIDText.canonical) }).sorted()
    let generation = try await database.write { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      if knowsGeneration { try provider.checkGeneration(call.body["resource_provider_generation"]?.int) }
      try AggregateStore.replace(ids, of: provider.id, tx: tx)
      guard knowsGeneration else { return provider.generation }
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
      return provider.generation + 1
    }
    return view(call, ids, generation: generation)
  }

  private func providerUsages(_ call: Call) async throws -> Reply {
    let (provider, usages) = try await database.read { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      let used = try InventoryStore.used(of: [provider.id], tx: tx)[provider.id] ?? [:]
      let classes = try InventoryStore.all(of: [provider.id], tx: tx)[provider.id] ?? [:]
      return (provider, Dictionary(uniqueKeysWithValues: classes.keys.map { ($0, used[$0] ?? 0) }))
    }
    return reply(
      call, ["resource_provider_generation": .int(provider.generation), "usages": PlacementView.amounts(usages)])
  }

  private func totalUsages(_ call: Call) async throws -> Reply {
    let known = call.since(1, 38) ? ["project_id", "user_id", "consumer_type"] : ["project_id", "user_id"]
    for item in call.query.items where !known.contains(item.name) || !(1...255).contains(item.value.count) {
      throw Fault.badRequest("Invalid query string parameters: '\(item.name.prefix(80))' was unexpected or out of size")
    }
    guard let project = call.query["project_id"] else {
      throw Fault.badRequest("Invalid query string parameters: 'project_id' is a required property")
    }
    let auth = try call.auth
    guard auth.isAdmin || auth.isService || auth.projectID == project else {
      throw Fault.forbidden("Policy does not allow placement:usages to be performed.")
    }
    let type = call.query["consumer_type"]
    guard type == nil || type == "all" || type == "unknown" || ResourceClass.isName(type ?? "") else {
      throw Fault.badRequest("Invalid query string parameters: '\(type?.prefix(80) ?? "")' is no consumer type")
    }
    var scope: SQL = "c.project_id = \(project)"
    if let user = call.query["user_id"] { scope = "\(scope) AND c.user_id = \(user)" }
    let condition = scope
    let usages = try await database.read { tx in
      call.since(1, 38)
        ? try Self.usagesByType(condition, type: type, tx: tx) : try Self.usages(condition, tx: tx)
    }
    return reply(call, ["usages": usages])
  }

  private static func usages(_ scope: SQL, tx: any Transaction) throws -> JSONValue {
    let rows = try tx.query(
      """
      SELECT a.resource_class, SUM(a.used) AS used FROM placement_allocation a
      JOIN placement_consumer c ON c.id = a.consumer_id WHERE \(scope) GROUP BY a.resource_class
      """)
    return PlacementView.amounts(Dictionary(rows.map { ($0.text("resource_class"), $0.int("used")) }) { $0 + $1 })
  }

  /// Grouped by consumer type, with the number of consumers of each.
  private static func usagesByType(_ scope: SQL, type: String?, tx: any Transaction) throws -> JSONValue {
    var scope = scope
    if type == "unknown" { scope = "\(scope) AND c.consumer_type IS NULL" }
    if let type, type != "all", type != "unknown" { scope = "\(scope) AND c.consumer_type = \(type)" }
    let label: SQL = type == "all" ? "'all'" : "COALESCE(c.consumer_type, 'unknown')"
    let counts = try tx.query(
      """
      SELECT \(label) AS label, COUNT(DISTINCT a.consumer_id) AS amount FROM placement_allocation a
      JOIN placement_consumer c ON c.id = a.consumer_id WHERE \(scope) GROUP BY label
      """)
    let rows = try tx.query(
      """
      SELECT \(label) AS label, a.resource_class, SUM(a.used) AS used FROM placement_allocation a
      JOIN placement_consumer c ON c.id = a.consumer_id WHERE \(scope) GROUP BY label, a.resource_class
      """)
    var result: [String: [String: Int]] = [:]
    for row in counts { result[row.text("label"), default: [:]]["consumer_count"] = row.int("amount") }
    for row in rows { result[row.text("label"), default: [:]][row.text("resource_class")] = row.int("used") }
    return PlacementView.sorted(result) { PlacementView.amounts($0) }
  }
}

extension CandidateQuery {
  /// Every trait that is named.
  var traits: Set<String> {
    groups.values.reduce(into: rootRequired.union(rootForbidden)) { set, group in
      set.formUnion(group.forbidden)
      set.formUnion(group.required.joined())
    }
  }
}
