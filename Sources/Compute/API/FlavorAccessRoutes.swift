import API
import Kit
import Store

/// Who may use flavors that are not public (API reference, Flavors access).
struct FlavorAccessRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = FlavorAccessRoutes(service: dependencies)
    let action = "/v2.1/flavors/{flavor_id}/action"
    return [
      Route(
        "GET", "/v2.1/flavors/{flavor_id}/os-flavor-access", CataloguePolicy.admin("os-flavor-access"), this.list),
      Route(
        "POST", action, action: "addTenantAccess", CataloguePolicy.admin("os-flavor-access:add_tenant_access"),
        schema: schema("addTenantAccess"), this.add),
      Route(
        "POST", action, action: "removeTenantAccess", CataloguePolicy.admin("os-flavor-access:remove_tenant_access"),
        schema: schema("removeTenantAccess"), this.remove),
    ]
  }
  private static func schema(_ action: String) -> Schema {
    .object([Schema.required(action, .object([Schema.required("tenant", .string(1...255))]))])
  }

  private static func reply(_ id: String, _ projects: [String]) -> Reply {
    .json([
      "flavor_access": .array(projects.map { ["flavor_id": .string(id), "tenant_id": .string($0)] })
    ])
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let (id, auth) = (call.parameter("flavor_id"), try call.auth)
    let projects = try await service.database.read { tx in
      guard try !FlavorStore.require(id, visibleTo: auth, tx: tx).isPublic else {
        throw Fault.notFound("Access list not available for public flavors.")
      }
      return try FlavorStore.projects(of: id, tx: tx)
    }
    return Self.reply(id, projects)
  }

  @Sendable private func add(_ call: Call) async throws -> Reply {
    let project = call.body["addTenantAccess"]?["tenant"]?.string ?? ""
    let (id, auth, now) = (call.parameter("flavor_id"), try call.auth, service.clock.now())
    let projects = try await service.database.write { [directory = service.projects] tx in
      guard try directory.projectExists(project, tx: tx) else {
        throw Fault.badRequest("Project ID \(project) is not a valid project.")
      }
      let flavor = try FlavorStore.require(id, visibleTo: auth, tx: tx)
      if flavor.isPublic, call.since(2, 7) { throw Fault.conflict("Can not add access to a public flavor.") }
      try FlavorStore.addAccess(project, to: id, now: now, tx: tx)
      return try FlavorStore.projects(of: id, tx: tx)
    }
    return Self.reply(id, projects)
  }

  @Sendable private func remove(_ call: Call) async throws -> Reply {
    let project = call.body["removeTenantAccess"]?["tenant"]?.string ?? ""
    let (id, auth) = (call.parameter("flavor_id"), try call.auth)
    let projects = try await service.database.write { tx in
      _ = try FlavorStore.require(id, visibleTo: auth, tx: tx)
      try FlavorStore.removeAccess(project, from: id, tx: tx)
      return try FlavorStore.projects(of: id, tx: tx)
    }
    return Self.reply(id, projects)
  }
}
