import API
import Kit
import Store

extension IdentityService {
  static let interfaces = Schema.oneOf(["admin", "internal", "public"])
  static let url = Schema.string(1...225) { text in
    let scheme = text.prefix { $0 != ":" }
    let isGood =
      text.contains(":") && !scheme.isEmpty && scheme.count + 1 < text.count
      && scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
    return isGood ? nil : "it is not a URL"
  }
  static let regionID = Schema.string(1...255)

  /// Regions (API reference, Regions): their ids are given by whoever makes them.
  var regionEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in
      let (id, parent) = (values["id"]?.string ?? "", values["parent_region_id"]?.string)
      guard try context.tx.count("SELECT COUNT(*) FROM identity_region WHERE id = \(id)") == 0 else {
        throw regionEntity.duplicate(values)
      }
      if let parent { try checkParent(parent, of: id, context.tx) }
    }
    hooks.updating = { [self] old, changes, context in
      if let parent = changes["parent_region_id"]?.string {
        try checkParent(parent, of: old["id"]?.string ?? "", context.tx)
      }
    }
    hooks.deleting = { [self] old, context in try deletingRegion(old["id"]?.string ?? "", context.tx) }
    return Entity(
      name: "region", collection: "regions", table: "identity_region",
      attributes: [
        Attribute("description", .text, .freeText, nullable: true, initial: ""),
        Attribute("parent_region_id", .text, Self.regionID, nullable: true),
      ],
      policies: [
        .list: .authenticated("list_regions"), .show: .authenticated("get_region"), .create: .admin("create_region"),
        .update: .admin("update_region"), .delete: .admin("delete_region"),
      ], hooks: hooks)
  }

  private func checkParent(_ parent: String, of id: String, _ tx: any Transaction) throws {
    var next: String? = parent
    var depth = 0
    while let region = next {
      depth += 1
      if region == id || depth > 64 {
        throw Fault.badRequest("Could not use region \(parent) as the parent of \(id): it would be its own ancestor.")
      }
      guard let row = try tx.first("SELECT parent_region_id FROM identity_region WHERE id = \(region)") else {
        throw Fault.notFound("Could not find region: \(region).")
      }
      next = row.optionalText("parent_region_id")
    }
  }

  /// A region goes with those below it, unless one of them has endpoints.
  private func deletingRegion(_ id: String, _ tx: any Transaction) throws {
    var all = [id]
    var level = [id]
    while !level.isEmpty {
      level = try tx.query("SELECT id FROM identity_region WHERE parent_region_id IN \(list: level)").map {
        $0.text("id")
      }
      all += level
    }
    let used =
      try tx.count("SELECT COUNT(*) FROM identity_endpoint WHERE region_id IN \(list: all)")
      + tx.count("SELECT COUNT(*) FROM identity_registered_limit WHERE region_id IN \(list: all)")
    guard used == 0 else {
      throw Fault.forbidden(
        "Unable to delete region \(id) because it or its child regions have associated endpoints or limits.")
    }
    try tx.execute("DELETE FROM identity_policy_association WHERE region_id IN \(list: all)")
    try tx.execute("DELETE FROM identity_region WHERE id IN \(list: all)")
  }

  /// Services (API reference, Service catalog and endpoints).
  var serviceEntity: Entity {
    var hooks = EntityHooks()
    hooks.deleting = { old, context in
      let id = old["id"]?.string ?? ""
      guard try context.tx.count("SELECT COUNT(*) FROM identity_registered_limit WHERE service_id = \(id)") == 0 else {
        throw Fault.forbidden("Unable to delete service \(id) because it has registered limits.")
      }
      let endpoints = try context.tx.query("SELECT id FROM identity_endpoint WHERE service_id = \(id)")
      try context.change.removeEndpoints(endpoints.map { $0.text("id") })
      try context.tx.execute("DELETE FROM identity_policy_association WHERE service_id = \(id)")
    }
    hooks.touched = { _ in [.catalog] }
    return Entity(
      name: "service", collection: "services", table: "identity_service",
      attributes: [
        Attribute("type", .text, .string(1...255), required: true),
        Attribute("name", .text, .string(1...255), initial: ""),
        Attribute("description", .text, .freeText, nullable: true, initial: ""),
        Attribute("enabled", .bool, .boolean, initial: true),
      ],
      policies: [
        .list: .systemReader("list_services"), .show: .systemReader("get_service"), .create: .admin("create_service"),
        .update: .admin("update_service"), .delete: .admin("delete_service"),
      ], hooks: hooks)
  }

  /// Endpoints (API reference, Service catalog and endpoints). `region` is the old name of `region_id`.
  var endpointEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in try checkEndpoint(&values, context) }
    hooks.updating = { [self] _, changes, context in try checkEndpoint(&changes, context) }
    hooks.deleting = { old, context in try context.change.removeEndpoints([old["id"]?.string ?? ""]) }
    hooks.touched = { _ in [.catalog] }
    hooks.decorate = { values, _, _ in
      for index in values.indices { values[index]["region"] = values[index]["region_id"] ?? .null }
    }
    hooks.filter = { query, _ in query.contains("region") ? ["region_id IN \(list: query.all("region"))"] : [] }
    return Entity(
      name: "endpoint", collection: "endpoints", table: "identity_endpoint",
      attributes: [
        Attribute("interface", .text, Self.interfaces, required: true),
        Attribute("region_id", .text, Self.regionID, nullable: true),
        Attribute("service_id", .text, .identifier, required: true),
        Attribute("url", .text, Self.url, required: true), Attribute("enabled", .bool, .boolean, initial: true),
      ],
      policies: [
        .list: .systemReader("list_endpoints"), .show: .systemReader("get_endpoint"),
        .create: .admin("create_endpoint"), .update: .admin("update_endpoint"), .delete: .admin("delete_endpoint"),
      ], hooks: hooks)
  }

  private func checkEndpoint(_ values: inout JSONObject, _ context: EntityContext) throws {
    let tx = context.tx
    if var extra = values["extra"]?.object, let region = extra["region"] {
      extra["region"] = nil
      values["extra"] = extra.isEmpty ? nil : .object(extra)
      if values["region_id"]?.string == nil, !region.isNull {
        try Self.regionID.check(region, path: "region")
        values["region_id"] = region
        let id = region.string ?? ""
        // Upstream makes a region that is named in this old way.
        if try tx.count("SELECT COUNT(*) FROM identity_region WHERE id = \(id)") == 0 {
          try tx.execute(
            .insert(into: "identity_region", ["id": id, "description": "", "created_at": context.change.now]))
        }
      }
    }
    if let id = values["region_id"]?.string,
      try tx.count("SELECT COUNT(*) FROM identity_region WHERE id = \(id)") == 0
    {
      throw Fault.badRequest("Could not find region: \(id).")
    }
    if let id = values["service_id"]?.string,
      try tx.count("SELECT COUNT(*) FROM identity_service WHERE id = \(id)") == 0
    {
      throw Fault.badRequest("Could not find service: \(id).")
    }
    if let url = values["url"]?.string { try Catalog.check(url) }
  }

  /// Policies (API reference, Policies): documents that are kept for clients.
  var policyEntity: Entity {
    var hooks = EntityHooks()
    hooks.deleting = { old, context in
      let id = old["id"]?.string ?? ""
      try context.tx.execute("DELETE FROM identity_policy_association WHERE policy_id = \(id)")
    }
    return Entity(
      name: "policy", collection: "policies", table: "identity_policy",
      attributes: [
        Attribute("blob", .text, .freeText, column: "data", required: true),
        Attribute("type", .text, .string(0...255), required: true),
      ],
      policies: [
        .list: .systemReader("list_policies"), .show: .systemReader("get_policy"), .create: .admin("create_policy"),
        .update: .admin("update_policy"), .delete: .admin("delete_policy"),
      ], hooks: hooks)
  }

  /// Consumers (API reference, OS-OAUTH1). The secret is shown once.
  var consumerEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { values, _ in values["secret"] = .string(Secret.random(bytes: 16).value) }
    hooks.decorate = { values, _, call in
      for index in values.indices where call.http.method != "POST" { values[index]["secret"] = nil }
    }
    hooks.deleting = { old, context in
      for table in ["identity_request_token", "identity_access_token"] {
        try context.tx.execute("DELETE FROM \(raw: table) WHERE consumer_id = \(old["id"]?.string ?? "")")
      }
    }
    hooks.updating = { _, changes, _ in
      if changes["secret"] != nil { throw Fault.badRequest("The secret of a consumer cannot be changed.") }
    }
    return Entity(
      name: "consumer", collection: "consumers", path: "/v3/OS-OAUTH1/consumers", table: "identity_consumer",
      attributes: [
        Attribute("description", .text, .freeText, nullable: true),
        Attribute("secret", .sealed, .string(0...255), nullable: true),
      ],
      policies: [
        .list: .systemReader("list_consumers"), .show: .systemReader("get_consumer"),
        .create: .admin("create_consumer"), .update: .admin("update_consumer"), .delete: .admin("delete_consumer"),
      ], hooks: hooks)
  }

  var catalogRoutes: [Route] {
    let regions = EntityRoutes(regionEntity, self)
    let create = TargetPolicy.admin("create_region").route
    let withoutPost = regions.routes.filter { $0.method != "POST" }
    let own: [Route] = [
      Route("POST", "/v3/regions", create, body: .json) { call in
        let input = try regions.entity.input(call.body)
        return try await Self.createRegion(regions, input, id: nil, call)
      },
      Route("PUT", "/v3/regions/{region_id}", create, body: .json) { call in
        let input = try regions.entity.input(call.body)
        return try await Self.createRegion(regions, input, id: call.parameter("region_id"), call)
      },
    ]
    let others = [serviceEntity, endpointEntity, policyEntity, consumerEntity]
    return withoutPost + own + others.flatMap { EntityRoutes($0, self).routes }
  }

  private static func createRegion(
    _ routes: EntityRoutes, _ input: JSONObject, id: String?, _ call: Call
  ) async throws -> Reply {
    let given = input["id"]
    if let given, given.string != "" { try regionID.check(given, path: "id") }
    if let id, let given, given.string != id { throw Fault.badRequest("Conflicting region IDs specified: \(id)") }
    var values = try routes.entity.createValues(input)
    let wanted = id ?? given?.string ?? ""
    try Schema.string(0...255).check(.string(wanted), path: "id")
    values["id"] = .string(wanted.isEmpty ? UUIDText.makeHex() : wanted)
    return try await routes.insert(values, call)
  }
}

/// The catalog as tokens carry it.
enum Catalog {
  private static let placeholders = ["project_id", "tenant_id", "user_id"]

  /// Throws 400 for a URL with a placeholder that nothing fills in.
  static func check(_ url: String) throws(Fault) {
    var rest = url
    for name in placeholders { rest = rest.replacing("%(\(name))s", with: "").replacing("$(\(name))s", with: "") }
    if rest.contains("%(") || rest.contains("$(") {
      throw Fault.badRequest("The URL has a placeholder other than project_id, tenant_id and user_id: \(url)")
    }
  }

  /// Services with their endpoints, placeholders filled in; endpoints that need a project are left out where there is
  /// none. A project that has been given endpoints sees only those, and only services that have one of them.
  static func view(_ books: Snapshot, projectID: String?, userID: String) -> JSONValue {
    let given = projectID.flatMap { books.endpointFilters[$0] }
    return .array(
      books.catalog.compactMap { service in
        let endpoints = service.endpoints.filter { given?.contains($0.id) ?? true }
        if given != nil, endpoints.isEmpty { return nil }
        return [
          "endpoints": .array(
            endpoints.compactMap { endpoint in
              guard let url = fill(endpoint.url, projectID: projectID, userID: userID) else { return nil }
              return [
                "id": .string(endpoint.id), "interface": .string(endpoint.interface),
                "region_id": .optional(endpoint.regionID), "url": .string(url), "region": .optional(endpoint.regionID),
              ]
            }), "id": .string(service.id), "type": .string(service.type), "name": .string(service.name),
        ]
      })
  }

  private static func fill(_ url: String, projectID: String?, userID: String) -> String? {
    guard url.contains("(") else { return url }
    var result = url
    for (name, value) in [("project_id", projectID), ("tenant_id", projectID), ("user_id", userID)] {
      for form in ["%(\(name))s", "$(\(name))s"] where result.contains(form) {
        guard let value else { return nil }
        result = result.replacing(form, with: value)
      }
    }
    return result
  }
}
