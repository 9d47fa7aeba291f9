import API
import Kit
import Store

extension PlacementService {
  private static let collection = "/resource_providers/{uuid}/inventories"
  private static let item = collection + "/{resource_class}"

  var inventoryRoutes: [Route] {
    let delete = placementPolicy("resource_providers:inventories:delete")
    return [
      Route("GET", Self.collection, placementPolicy("resource_providers:inventories:list")) { [self] call in
        let (provider, inventories) = try await database.read { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          return (provider, try InventoryStore.all(of: [provider.id], tx: tx)[provider.id] ?? [:])
        }
        return reply(
          call, PlacementView.inventories(inventories, generation: provider.generation), modified: provider.updatedAt)
      },
      Route(
        "POST", Self.collection, placementPolicy("resource_providers:inventories:create"),
        schema: PlacementSchemas.createInventory, createInventory),
      Route(
        "PUT", Self.collection, placementPolicy("resource_providers:inventories:update"),
        schema: PlacementSchemas.setInventories, setInventories),
      Route("DELETE", Self.collection, delete, until: Microversion(1, 4)) { _ in
        throw Fault(
          405, "All inventories of a provider can be deleted since microversion 1.5.",
          headers: ["Allow": "GET, POST, PUT"])
      },
      Route("DELETE", Self.collection, delete, since: Microversion(1, 5)) { [self] call in
        let now = clock.now()
        try await database.write { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          try InventoryStore.replace([:], of: provider, now: now, tx: tx)
          try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
        }
        return .empty()
      },
      Route("GET", Self.item, placementPolicy("resource_providers:inventories:show")) { [self] call in
        let (provider, inventory) = try await database.read { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          return (provider, try self.require(call.parameter("resource_class"), of: provider, tx: tx))
        }
        return one(call, inventory, generation: provider.generation, modified: provider.updatedAt)
      },
      Route(
        "PUT", Self.item, placementPolicy("resource_providers:inventories:update"),
        schema: PlacementSchemas.updateInventory, updateInventory),
      Route("DELETE", Self.item, delete) { [self] call in
        let now = clock.now()
        try await database.write { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          let name = call.parameter("resource_class")
          _ = try self.require(name, of: provider, tx: tx)
          try InventoryStore.remove([name], of: provider, tx: tx)
          try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
        }
        return .empty()
      },
    ]
  }

  private func require(_ name: String, of provider: Provider, tx: any Transaction) throws -> Inventory {
    guard let inventory = try InventoryStore.all(of: [provider.id], tx: tx)[provider.id]?[name] else {
      throw Fault.notFound("No inventory of class \(name.prefix(255)) for \(provider.id)")
    }
    return inventory
  }

  private func one(
    _ call: Call, _ inventory: Inventory, generation: Int, status: Int = 200, modified: Timestamp
  ) -> Reply {
    var view = PlacementView.inventory(inventory)
    view.append("resource_provider_generation", .int(generation))
    return reply(call, .object(view), status: status, modified: modified)
  }

  private func createInventory(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let name = call.body["resource_class"]?.string ?? ""
    let (provider, inventory) = try await database.write { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      try provider.checkGeneration(call.body["resource_provider_generation"]?.int)
      let inventory = try Inventory(call.body, name, provider.id, call)
      try ClassStore.check([name], tx: tx)
      do {
        try InventoryStore.write(inventory, name, of: provider.id, isNew: true, now: now, tx: tx)
      } catch is DuplicateRow {
        throw Fault.conflict(
          "Update conflict: provider \(provider.id) has an inventory of \(name) already.",
          kind: ErrorCode.concurrentUpdate)
      }
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
      return (provider, inventory)
    }
    var reply = one(call, inventory, generation: provider.generation + 1, status: 201, modified: now)
    reply.headers["Location"] = "/resource_providers/\(provider.id)/inventories/\(name)"
    return reply
  }

  private func updateInventory(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let name = call.parameter("resource_class")
    let (provider, inventory) = try await database.write { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      try provider.checkGeneration(call.body["resource_provider_generation"]?.int)
      let inventory = try Inventory(call.body, name, provider.id, call)
      guard try InventoryStore.all(of: [provider.id], tx: tx)[provider.id]?[name] != nil else {
        throw Fault.badRequest(
          "No inventory record with resource class for resource provider \(provider.id): "
            + "No inventory of class \(name.prefix(255)) found.")
      }
      try InventoryStore.write(inventory, name, of: provider.id, isNew: false, now: now, tx: tx)
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
      return (provider, inventory)
    }
    return one(call, inventory, generation: provider.generation + 1, modified: now)
  }

  private func setInventories(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let (provider, inventories) = try await database.write { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      try provider.checkGeneration(call.body["resource_provider_generation"]?.int)
      let inventories = try Inventory.all(call.body["inventories"], provider.id, call)
      try InventoryStore.replace(inventories, of: provider, now: now, tx: tx)
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
      return (provider, inventories)
    }
    return reply(call, PlacementView.inventories(inventories, generation: provider.generation + 1), modified: now)
  }
}

extension Inventory {
  /// Reads a checked body. Throws 400 for a ratio that is too large and for an inventory with nothing to give.
  init(_ body: JSONValue, _ resourceClass: String, _ provider: String, _ call: Call) throws {
    self.init(total: body["total"]?.int ?? 0)
    reserved = body["reserved"]?.int ?? reserved
    minUnit = body["min_unit"]?.int ?? minUnit
    maxUnit = body["max_unit"]?.int ?? maxUnit
    stepSize = body["step_size"]?.int ?? stepSize
    allocationRatio = body["allocation_ratio"]?.double ?? allocationRatio
    guard abs(allocationRatio) <= Self.ratioMax else {
      throw Fault.badRequest("allocation_ratio \(allocationRatio) is greater than the maximum of \(Self.ratioMax)")
    }
    try check(resourceClass: resourceClass, provider: provider, allowsFullReservation: call.since(1, 26))
  }
  /// Reads a checked object of them by class.
  static func all(_ body: JSONValue?, _ provider: String, _ call: Call) throws -> [String: Inventory] {
    var result: [String: Inventory] = [:]
    for member in body?.object ?? [:] {
      result[member.key] = try Inventory(member.value, member.key, provider, call)
    }
    return result
  }
}
