import API
import Kit
import Store

/// Upstream's `admin_or_service_api` rule, under a rule's name.
func placementPolicy(_ name: String) -> Policy {
  Policy("placement:\(name)", .all([.projectScope, .any([.admin, .role("service")])]))
}

extension PlacementService {
  var rootRoutes: [Route] {
    [
      Route("GET", "/", .open) { [self] call in
        reply(
          call,
          [
            "versions": [
              [
                "id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT",
                "links": [["rel": "self", "href": ""]],
              ]
            ]
          ])
      }
    ]
  }

  var providerRoutes: [Route] {
    let v14 = Microversion(1, 14)
    let create = placementPolicy("resource_providers:create")
    let update = placementPolicy("resource_providers:update")
    return [
      Route("GET", "/resource_providers", placementPolicy("resource_providers:list")) { [self] call in
        let filter = try ProviderFilter(call.query, minor: call.microversion.minor)
        let providers = try await database.read { tx in try filter.run(tx) }
        return reply(
          call, ["resource_providers": .array(providers.map { .object(PlacementView.provider($0, call)) })],
          modified: providers.map(\.updatedAt).max())
      },
      Route(
        "POST", "/resource_providers", create, until: Microversion(1, 13), schema: PlacementSchemas.createProvider,
        createProvider),
      Route(
        "POST", "/resource_providers", create, since: v14, schema: PlacementSchemas.createNestedProvider,
        createProvider),
      Route("GET", "/resource_providers/{uuid}", placementPolicy("resource_providers:show")) { [self] call in
        let provider = try await database.read { tx in try ProviderStore.require(call.parameter("uuid"), tx: tx) }
        return reply(call, .object(PlacementView.provider(provider, call)), modified: provider.updatedAt)
      },
      Route(
        "PUT", "/resource_providers/{uuid}", update, until: Microversion(1, 13),
        schema: PlacementSchemas.updateProvider, updateProvider),
      Route(
        "PUT", "/resource_providers/{uuid}", update, since: v14, schema: PlacementSchemas.updateNestedProvider,
        updateProvider),
      Route("DELETE", "/resource_providers/{uuid}", placementPolicy("resource_providers:delete")) { [self] call in
        try await database.write { tx in
          try ProviderStore.delete(ProviderStore.require(call.parameter("uuid"), tx: tx), tx: tx)
        }
        return .empty()
      },
    ]
  }

  private func createProvider(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let id = call.body["uuid"]?.string.flatMap(UUIDText.canonical) ?? UUIDText.make()
    let parent = call.body["parent_provider_uuid"]?.string.flatMap(UUIDText.canonical)
    let provider = try await database.write { tx in
      try ProviderStore.insert(id: id, name: call.body["name"]?.string ?? "", parentID: parent, now: now, tx: tx)
    }
    log.request(call.requestID).audit("resource provider \(provider.name) (\(id)) created")
    var answer = Reply.empty(201)
    if call.since(1, 20) { answer = reply(call, .object(PlacementView.provider(provider, call)), modified: now) }
    answer.headers["Location"] = "/resource_providers/\(id)"
    return answer
  }

  private func updateProvider(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let provider = try await database.write { tx in
      let old = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      if let name = call.body["name"]?.string, name != old.name {
        try ProviderStore.rename(old, to: name, now: now, tx: tx)
      }
      if let value = call.body["parent_provider_uuid"] {
        let parent = value.string.flatMap(UUIDText.canonical)
        if parent != old.parentID {
          guard old.parentID == nil || call.since(1, 37) else {
            throw Fault.badRequest(
              "Unable to save resource provider \(old.id): re-parenting or un-parenting a provider is not allowed "
                + "before microversion 1.37.")
          }
          try ProviderStore.move(old, under: parent, tx: tx)
        }
      }
      return try ProviderStore.require(old.id, tx: tx)
    }
    return reply(call, .object(PlacementView.provider(provider, call)), modified: provider.updatedAt)
  }

  /// A JSON answer; from 1.15 it says when its subject changed (default: now) and that it must not be cached.
  func reply(_ call: Call, _ body: JSONValue, status: Int = 200, modified: Timestamp? = nil) -> Reply {
    dated(.json(body, status: status), call, modified)
  }
  func dated(_ reply: Reply, _ call: Call, _ modified: Timestamp? = nil) -> Reply {
    guard call.since(1, 15) else { return reply }
    var reply = reply
    reply.headers["Last-Modified"] = (modified ?? clock.now()).httpDate
    reply.headers["Cache-Control"] = "no-cache"
    return reply
  }
}

/// The query of `GET /resource_providers`.
struct ProviderFilter: Sendable {
  private var conditions: [SQL] = []
  private var resources: [String: Int] = [:]
  private var required: [Set<String>] = []
  private var forbidden: Set<String> = []
  private var memberOf: [Set<String>] = []
  private var forbiddenAggregates: Set<String> = []

  /// Throws 400 faults that name the bad item.
  init(_ query: Query, minor: Int) throws {
    let known = ["name": 0, "uuid": 0, "member_of": 3, "resources": 4, "in_tree": 14, "required": 18]
    for item in query.items {
      guard let since = known[item.name], minor >= since else {
        throw Fault.badRequest(
          "Invalid query string parameters: Additional properties are not allowed "
            + "('\(item.name.prefix(80))' was unexpected)")
      }
    }
    if let name = query["name"] { conditions.append("name = \(name)") }
    if let id = query["uuid"] { conditions.append("id = \(try Self.uuid(id, "uuid"))") }
    if let id = query["in_tree"] {
      let id = try Self.uuid(id, "in_tree")
      conditions.append("root_id = (SELECT p.root_id FROM placement_provider p WHERE p.id = \(id))")
    }
    if query.contains("member_of") {
      (memberOf, forbiddenAggregates) = try CandidateQuery.memberOf(query.all("member_of"), minor: minor)
    }
    if let text = query["resources"] { resources = try CandidateQuery.resources(text) }
    for text in minor >= 39 ? query.all("required") : query.all("required").suffix(1) {
      let (wanted, unwanted) = try CandidateQuery.traits(
        text, allowsForbidden: minor >= 22, allowsAny: minor >= 39)
      required += wanted
      forbidden.formUnion(unwanted)
    }
  }
  private static func uuid(_ text: String, _ name: String) throws -> String {
    guard let id = UUIDText.canonical(text) else {
      throw Fault.badRequest("Invalid query string parameters: '\(text.prefix(80))' is not a 'uuid': \(name)")
    }
    return id
  }

  func run(_ tx: any Transaction) throws -> [Provider] {
    try ClassStore.check(resources.keys, tx: tx)
    try TraitStore.check(required.reduce(into: forbidden) { $0.formUnion($1) }, tx: tx)
    let scope = conditions.isEmpty ? "1 = 1" : SQL.join(conditions, " AND ")
    let providers = try ProviderStore.all(where: scope, tx: tx)
    if resources.isEmpty, required.isEmpty, forbidden.isEmpty, memberOf.isEmpty, forbiddenAggregates.isEmpty {
      return providers
    }
    let snapshot = try ProviderSnapshot.load(providers, tx: tx)
    return providers.filter { provider in
      resources.allSatisfy { snapshot.fits(provider.id, $0.key, $0.value) }
        && snapshot.hasTraits(provider.id, required: required, forbidden: forbidden)
        && snapshot.isMember(provider.id, of: memberOf, forbidden: forbiddenAggregates)
    }
  }
}

extension ProviderSnapshot {
  /// What the providers have, in four queries whatever their number.
  static func load(_ providers: [Provider], tx: any Transaction) throws -> ProviderSnapshot {
    ProviderSnapshot(
      providers: providers, inventories: try InventoryStore.all(tx: tx), used: try InventoryStore.used(tx: tx),
      traits: try TraitStore.all(tx: tx), aggregates: try AggregateStore.all(tx: tx))
  }
}
