import API
import Kit
import Store

extension PlacementService {
  private static let one = "/allocations/{consumer_uuid}"

  var allocationRoutes: [Route] {
    let update = placementPolicy("allocations:update")
    let manage = placementPolicy("allocations:manage")
    func put(_ since: Int, _ until: Int, _ schema: Schema) -> Route {
      Route(
        "PUT", Self.one, update, since: Microversion(1, since), until: Microversion(1, until), schema: schema,
        setAllocations)
    }
    func post(_ since: Int, _ until: Int) -> Route {
      Route(
        "POST", "/allocations", manage, since: Microversion(1, since), until: Microversion(1, until),
        schema: PlacementSchemas.manyAllocations(since), setManyAllocations)
    }
    let routes: [Route] = [
      Route("GET", Self.one, placementPolicy("allocations:list"), listOfConsumer),
      Route("DELETE", Self.one, placementPolicy("allocations:delete")) { [self] call in
        let id = call.parameter("consumer_uuid")
        guard try await database.write({ tx in try AllocationStore.release(id.lowercased(), tx: tx) }) else {
          throw Fault.notFound("No allocations for consumer '\(id.prefix(64))'")
        }
        return .empty()
      },
      put(0, 7, PlacementSchemas.allocationList), put(8, 11, PlacementSchemas.allocationListOfConsumer),
      put(12, 27, PlacementSchemas.allocations(12)), put(28, 33, PlacementSchemas.allocations(28)),
      put(34, 37, PlacementSchemas.allocations(34)), put(38, 39, PlacementSchemas.allocations(38)),
      post(13, 27), post(28, 33), post(34, 37), post(38, 39),
      Route(
        "GET", "/resource_providers/{uuid}/allocations", placementPolicy("resource_providers:allocations:list"),
        listOnProvider),
    ]
    let reshape = Policy("placement:reshaper:reshape", .all([.projectScope, .role("service")]))
    return routes
      + [(30, 33), (34, 37), (38, 39)].map { since, until in
        Route(
          "POST", "/reshaper", reshape, since: Microversion(1, since), until: Microversion(1, until),
          schema: PlacementSchemas.reshape(since), self.reshape)
      }
  }

  private func listOfConsumer(_ call: Call) async throws -> Reply {
    let id = call.parameter("consumer_uuid").lowercased()
    let (consumer, allocations, generations) = try await database.read { tx in
      let allocations = try AllocationStore.allocations(of: [id], tx: tx)
      let providers = try ProviderStore.find(Set(allocations.map(\.provider)), tx: tx)
      return (try AllocationStore.consumers([id], tx: tx)[id], allocations, providers.mapValues(\.generation))
    }
    return reply(call, PlacementView.allocations(of: consumer, allocations, generations, call))
  }

  private func listOnProvider(_ call: Call) async throws -> Reply {
    let (provider, allocations, consumers) = try await database.read { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      let rows = try tx.query(
        """
        SELECT * FROM placement_consumer WHERE id IN
        (SELECT consumer_id FROM placement_allocation WHERE provider_id = \(provider.id))
        """)
      let consumers = Dictionary(rows.map { ($0.text("id"), AllocationStore.consumer($0)) }) { first, _ in first }
      return (provider, try AllocationStore.allocations(on: provider.id, tx: tx), consumers)
    }
    return reply(call, PlacementView.allocations(on: provider, allocations, consumers, call))
  }

  private func setAllocations(_ call: Call) async throws -> Reply {
    let id = call.parameter("consumer_uuid")
    guard let consumer = UUIDText.canonical(id) else {
      throw Fault.badRequest("Malformed consumer_uuid: \(id.prefix(80))")
    }
    let claim = try Claim(consumer, call.body, call, isEmptyAllowed: call.since(1, 28))
    let now = clock.now()
    try await database.write { tx in try AllocationStore.replace([claim], now: now, tx: tx) }
    return .empty()
  }

  private func setManyAllocations(_ call: Call) async throws -> Reply {
    let claims = try Claim.all(call.body, call)
    guard !claims.isEmpty else { throw Fault.badRequest("{} does not have enough properties: no consumer is named.") }
    let now = clock.now()
    try await database.write { tx in try AllocationStore.replace(claims, now: now, tx: tx) }
    return .empty()
  }

  /// Moves inventories and the claims on them in one transaction. Inventories that are to vanish may be in use until the
  /// claims have moved, so they are emptied last.
  private func reshape(_ call: Call) async throws -> Reply {
    let claims = try Claim.all(call.body["allocations"] ?? [:], call)
    let bodies = call.body["inventories"]?.object ?? [:]
    guard !bodies.isEmpty else { throw Fault.badRequest("inventories does not have enough properties: it is empty.") }
    let now = clock.now()
    try await database.write { tx in
      let providers = try ProviderStore.find(bodies.keys.map { $0.lowercased() }, tx: tx)
      var wanted: [(Provider, [String: Inventory])] = []
      for member in bodies {
        guard let provider = providers[member.key.lowercased()] else {
          throw Fault.badRequest(
            "Resource provider \(member.key) in inventories not found.", kind: ErrorCode.providerNotFound)
        }
        try provider.checkGeneration(member.value["resource_provider_generation"]?.int)
        wanted.append((provider, try Inventory.all(member.value["inventories"], provider.id, call)))
      }
      for (provider, inventories) in wanted {
        let present = try InventoryStore.all(of: [provider.id], tx: tx)[provider.id] ?? [:]
        try InventoryStore.replace(
          present.merging(inventories) { _, new in new }, of: provider, now: now, tx: tx)
      }
      if !claims.isEmpty { try AllocationStore.replace(claims, now: now, tx: tx) }
      for (provider, inventories) in wanted {
        try InventoryStore.replace(inventories, of: provider, now: now, tx: tx)
      }
      try ProviderStore.raiseGeneration(wanted.map(\.0.id), now: now, tx: tx)
    }
    return .empty()
  }
}

extension Claim {
  /// Who holds what was claimed before microversion 1.8, when nobody had to be named.
  private static let nobody = "00000000-0000-0000-0000-000000000000"

  /// Reads a checked body in the list form (before 1.12) or by provider.
  init(_ consumer: String, _ body: JSONValue, _ call: Call, isEmptyAllowed: Bool) throws {
    var allocations: [(provider: String, resources: [(resourceClass: String, amount: Int)])] = []
    let entries: [(String, JSONValue)] =
      body["allocations"]?.array.map { $0.map { ($0["resource_provider"]?["uuid"]?.string ?? "", $0) } }
      ?? (body["allocations"]?.object ?? [:]).map { ($0.key, $0.value) }
    for (id, entry) in entries {
      let resources = (entry["resources"]?.object ?? [:]).map { (resourceClass: $0.key, amount: $0.value.int ?? 0) }
      guard !resources.isEmpty else {
        throw Fault.badRequest("resources of provider \(id) does not have enough properties: it is empty.")
      }
      allocations.append((provider: UUIDText.canonical(id) ?? id, resources: resources))
    }
    guard isEmptyAllowed || !allocations.isEmpty else {
      throw Fault.badRequest("allocations does not have enough properties: it is empty.")
    }
    var generation = Generation.any
    if call.since(1, 28) { generation = body["consumer_generation"]?.int.map { .seen($0) } ?? .new }
    self.init(
      consumer: consumer, projectID: body["project_id"]?.string ?? Self.nobody,
      userID: body["user_id"]?.string ?? Self.nobody, generation: generation,
      consumerType: call.since(1, 38) ? body["consumer_type"]?.string : nil, allocations: allocations)
  }

  /// Reads a checked body of several consumers.
  static func all(_ body: JSONValue, _ call: Call) throws -> [Claim] {
    try (body.object ?? [:]).map {
      try Claim(UUIDText.canonical($0.key) ?? $0.key, $0.value, call, isEmptyAllowed: true)
    }
  }
}
