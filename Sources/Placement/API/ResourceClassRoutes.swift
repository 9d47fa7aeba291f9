import API
import Kit
import Store

extension PlacementService {
  private static let v2 = Microversion(1, 2)

  var resourceClassRoutes: [Route] {
    let update = placementPolicy("resource_classes:update")
    return [
      Route("GET", "/resource_classes", placementPolicy("resource_classes:list"), since: Self.v2) { [self] call in
        let names = try await database.read { tx in try ClassStore.all(tx: tx) }
        return reply(call, ["resource_classes": .array(names.map(PlacementView.resourceClass))])
      },
      Route(
        "POST", "/resource_classes", placementPolicy("resource_classes:create"), since: Self.v2,
        schema: PlacementSchemas.customClass
      ) { [self] call in
        let (name, now) = (call.body["name"]?.string ?? "", clock.now())
        try await database.write { tx in try ClassStore.insert(name, now: now, tx: tx) }
        return Reply(201, headers: ["Location": "/resource_classes/\(name)"])
      },
      Route("GET", "/resource_classes/{name}", placementPolicy("resource_classes:show"), since: Self.v2) {
        [self] call in
        let name = call.parameter("name")
        try await database.read { tx in try self.requireClass(name, tx: tx) }
        return reply(call, PlacementView.resourceClass(name))
      },
      Route(
        "PUT", "/resource_classes/{name}", update, since: Self.v2, until: Microversion(1, 6),
        schema: PlacementSchemas.customClass, renameClass),
      Route("PUT", "/resource_classes/{name}", update, since: Microversion(1, 7), ensureClass),
      Route("DELETE", "/resource_classes/{name}", placementPolicy("resource_classes:delete"), since: Self.v2) {
        [self] call in
        let name = call.parameter("name")
        try await database.write { tx in
          try self.requireClass(name, tx: tx)
          guard !ResourceClass.standardSet.contains(name) else {
            throw Fault.badRequest("Error in delete resource class: Cannot delete standard resource class \(name).")
          }
          guard try !ClassStore.isUsed(name, tx: tx) else {
            throw Fault.conflict(
              "Error in delete resource class: Cannot delete resource class \(name). Class is in use in inventory.")
          }
          try ClassStore.delete(name, tx: tx)
        }
        return .empty()
      },
    ]
  }

  private func requireClass(_ name: String, tx: any Transaction) throws {
    guard try ClassStore.exists(name, tx: tx) else {
      throw Fault.notFound("No such resource class \(name.prefix(255)).")
    }
  }

  private func renameClass(_ call: Call) async throws -> Reply {
    let (name, other) = (call.parameter("name"), call.body["name"]?.string ?? "")
    try await database.write { tx in
      try self.requireClass(name, tx: tx)
      guard !ResourceClass.standardSet.contains(name) else {
        throw Fault.badRequest("Cannot update standard resource class \(name)")
      }
      if other != name { try ClassStore.rename(name, to: other, tx: tx) }
    }
    return reply(call, PlacementView.resourceClass(other))
  }

  private func ensureClass(_ call: Call) async throws -> Reply {
    let (name, now) = (call.parameter("name"), clock.now())
    guard ResourceClass.isCustomName(name) else {
      throw Fault.badRequest(
        "'\(name.prefix(80))' is no custom resource class: CUSTOM_ and then upper-case letters, digits and underscores."
      )
    }
    let isNew = try await database.write { tx in
      if try ClassStore.exists(name, tx: tx) { return false }
      try ClassStore.insert(name, now: now, tx: tx)
      return true
    }
    return Reply(isNew ? 201 : 204, headers: ["Location": "/resource_classes/\(name)"])
  }
}
