import API
import Kit
import Store

extension IdentityService {
  private static let limitValue = Schema.integer(-1...2_147_483_647)
  private static let optionalRegion = Attribute(
    "region_id", .text, .string(1...255), nullable: true, update: true, holdsEmpty: true)

  /// Registered limits (API reference, Unified limits): what every project may use of a resource.
  var registeredLimitEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in try checkService(values, context.tx) }
    hooks.updating = { [self] old, changes, context in
      try checkService(changes, context.tx)
      let moves = ["service_id", "region_id", "resource_name"].contains { name in
        changes[name].map { $0 != old[name] ?? .null } ?? false
      }
      if moves { try checkUnused(old, context.tx) }
    }
    hooks.deleting = { [self] old, context in try checkUnused(old, context.tx) }
    return Entity(
      name: "registered_limit", collection: "registered_limits", table: "identity_registered_limit",
      attributes: [
        Attribute("service_id", .text, .identifier, required: true), Self.optionalRegion,
        Attribute("resource_name", .text, .name(255), required: true),
        Attribute("default_limit", .int, Self.limitValue, required: true),
        Attribute("description", .text, .freeText, nullable: true),
      ], keepsExtra: false,
      policies: [
        .list: .authenticated("list_registered_limits"), .show: .authenticated("get_registered_limit"),
        .create: .admin("create_registered_limits"), .update: .admin("update_registered_limit"),
        .delete: .admin("delete_registered_limit"),
      ], hooks: hooks)
  }

  /// Limits (API reference, Unified limits): what one project or domain may use instead.
  var limitEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in
      if TargetPolicy.adminOrSystemReader.allows(auth) { return [] }
      if let domain = auth.domain?.id {
        let projects: SQL = "SELECT id FROM identity_project WHERE domain_id = \(domain)"
        return ["domain_id = \(domain) OR project_id IN (\(projects))"]
      }
      return ["project_id = \(auth.projectID) AND project_id <> ''"]
    }
    hooks.target = { [self] values in
      let project = values["project_id"]?.string
      let domain = project.map { books.projects[$0]?.domainID } ?? values["domain_id"]?.string
      return PolicyTarget(domainIDs: [domain], projectID: project)
    }
    hooks.creating = { [self] values, context in try creatingLimit(values, context.tx) }
    hooks.updating = { [self] old, changes, context in
      guard let limit = changes["resource_limit"]?.int else { return }
      try settings.limitModel.check(
        limit, LimitModel.Key(old), project: old["project_id"]?.string, domain: old["domain_id"]?.string, books: books,
        tx: context.tx)
    }
    return Entity(
      name: "limit", collection: "limits", table: "identity_limit",
      attributes: [
        Attribute("project_id", .text, .identifier, nullable: true, update: false, holdsEmpty: true),
        Attribute("domain_id", .text, .identifier, nullable: true, update: false, holdsEmpty: true),
        Attribute("service_id", .text, .identifier, required: true, update: false),
        Attribute("region_id", .text, .string(1...255), nullable: true, update: false, holdsEmpty: true),
        Attribute("resource_name", .text, .name(255), required: true, update: false),
        Attribute("resource_limit", .int, Self.limitValue, required: true),
        Attribute("description", .text, .freeText, nullable: true),
      ], keepsExtra: false,
      policies: [
        .list: .authenticated("list_limits"),
        .show: TargetPolicy("get_limit", TargetPolicy.adminOrSystemReader, [.domain(role: nil), .project]),
        .create: .admin("create_limits"), .update: .admin("update_limit"), .delete: .admin("delete_limit"),
      ], hooks: hooks)
  }

  var limitRoutes: [Route] {
    let model = TargetPolicy.authenticated("get_limit_model").route
    let both = [registeredLimitEntity, limitEntity].flatMap { entity in
      EntityRoutes(entity, self).routes.filter { $0.method != "POST" } + [
        Route("POST", entity.path, TargetPolicy.admin("create_\(entity.collection)").route, body: .json) { [self] in
          try await createLimits(entity, $0)
        }
      ]
    }
    return both + [
      Route("GET", "/v3/limits/model", model) { [self] _ in
        let model = settings.limitModel
        return .json(["model": ["name": .string(model.rawValue), "description": .string(model.description)]])
      }
    ]
  }

  /// Several limits at once; all or none.
  private func createLimits(_ entity: Entity, _ call: Call) async throws -> Reply {
    guard let items = call.body[entity.collection]?.array, (1...1000).contains(items.count) else {
      throw Fault.badRequest("'\(entity.collection)' must be a list of 1 to 1000 objects.")
    }
    let wanted = try items.map { item in
      guard let object = item.object else { throw Fault.badRequest("'\(entity.collection)' must hold objects only.") }
      return try entity.createValues(object)
    }
    let auth = try call.auth
    return try await change(call) { [self] change in
      let context = EntityContext(change: change, call: call, auth: auth)
      let made = try wanted.map { given in
        var values = given
        values["id"] = .string(UUIDText.makeHex())
        try entity.hooks.creating?(&values, context)
        try entity.insert(values, now: change.now, secrets, tx: change.tx)
        audit(call, "created \(entity.title) \(values["id"]?.string ?? "")", change.tx)
        return entity.view(values, call)
      }
      return .json([entity.collection: .array(made)], status: 201)
    }
  }

  private func checkService(_ values: JSONObject, _ tx: any Transaction) throws {
    for (name, table) in [("service_id", "identity_service"), ("region_id", "identity_region")] {
      guard let id = values[name]?.string else { continue }
      guard try tx.count("SELECT COUNT(*) FROM \(raw: table) WHERE id = \(id)") == 1 else {
        throw Fault.badRequest("Could not find \(name.dropLast(3)): \(id).")
      }
    }
  }

  private static func same(_ values: JSONObject) -> SQL {
    """
    service_id = \(values["service_id"]?.string ?? "") AND region_id = \(values["region_id"]?.string ?? "")
    AND resource_name = \(values["resource_name"]?.string ?? "")
    """
  }

  private func checkUnused(_ values: JSONObject, _ tx: any Transaction) throws {
    guard try tx.count("SELECT COUNT(*) FROM identity_limit WHERE \(Self.same(values))") == 0 else {
      throw Fault.forbidden(
        "Unable to update or delete registered limit \(values["id"]?.string ?? "") because there are project limits associated with it."
      )
    }
  }

  private func creatingLimit(_ values: JSONObject, _ tx: any Transaction) throws {
    let (project, domain) = (values["project_id"]?.string, values["domain_id"]?.string)
    guard (project == nil) != (domain == nil) else {
      throw Fault.badRequest("A limit is for either a project or a domain.")
    }
    if let project, books.projects[project]?.isDomain != false {
      throw Fault.badRequest("Could not find project: \(project).")
    }
    if let domain, books.domain(domain) == nil { throw Fault.badRequest("Could not find domain: \(domain).") }
    try checkService(values, tx)
    guard try tx.count("SELECT COUNT(*) FROM identity_registered_limit WHERE \(Self.same(values))") == 1 else {
      throw Fault.forbidden(
        "Unable to create a limit that has no corresponding registered limit for \(values["resource_name"]?.string ?? "")."
      )
    }
    try settings.limitModel.check(
      values["resource_limit"]?.int ?? 0, LimitModel.Key(values), project: project, domain: domain, books: books, tx: tx
    )
  }
}
