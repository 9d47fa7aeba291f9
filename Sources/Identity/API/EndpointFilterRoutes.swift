import API
import Kit
import Store

extension IdentityService {
  /// Endpoint groups (API reference, OS-EP-FILTER): the endpoints that have what the filters name.
  var endpointGroupEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { values, _ in
      if values["filters"]?.object?.isEmpty ?? true {
        throw Fault.badRequest("filters field is required and cannot be empty")
      }
    }
    // The stock client sends null for what it leaves as it is.
    hooks.prepare = { input, call in
      if call.http.method == "PATCH", input["filters"]?.isNull == true { input["filters"] = nil }
      return [:]
    }
    hooks.deleting = { old, context in
      let id = old["id"]?.string ?? ""
      try context.tx.execute("DELETE FROM identity_project_endpoint_group WHERE endpoint_group_id = \(id)")
    }
    hooks.touched = { _ in [.catalog] }
    let filters = Schema.object([
      .may("interface", Self.interfaces), .may("service_id", .identifier), .may("region_id", .optional(Self.regionID)),
    ])
    return Entity(
      name: "endpoint_group", collection: "endpoint_groups", path: "/v3/OS-EP-FILTER/endpoint_groups",
      table: "identity_endpoint_group",
      attributes: [
        Attribute("name", .text, .name(255), required: true),
        Attribute("description", .text, .freeText, nullable: true),
        Attribute("filters", .json, filters, required: true),
      ], keepsExtra: false,
      policies: [
        .list: .systemReader("list_endpoint_groups"), .show: .systemReader("get_endpoint_group"),
        .create: .admin("create_endpoint_group"), .update: .admin("update_endpoint_group"),
        .delete: .admin("delete_endpoint_group"),
      ], hooks: hooks)
  }

  /// Which endpoints a project's catalog shows (API reference, OS-EP-FILTER).
  var endpointFilterRoutes: [Route] {
    func read(_ name: String) -> Policy { TargetPolicy.systemReader(name).route }
    func write(_ name: String) -> Policy { TargetPolicy.admin(name).route }
    let root = "/v3/OS-EP-FILTER"
    let endpoint = root + "/projects/{project_id}/endpoints/{endpoint_id}"
    let group = root + "/endpoint_groups/{endpoint_group_id}"
    let inGroup = group + "/projects/{project_id}"
    let own: [Route] = [
      Route("GET", endpoint, read("check_endpoint_in_project")) { [self] in try await checkEndpoint($0) },
      Route("PUT", endpoint, write("add_endpoint_to_project")) { [self] in try await addEndpoint($0) },
      Route("DELETE", endpoint, write("remove_endpoint_from_project")) { [self] in try await removeEndpoint($0) },
      Route("GET", root + "/endpoints/{endpoint_id}/projects", read("list_projects_for_endpoint")) { [self] in
        try await projectsOfEndpoint($0)
      },
      Route("GET", root + "/projects/{project_id}/endpoints", read("list_endpoints_for_project")) { [self] in
        try await endpointsOfProject($0)
      },
      Route("GET", inGroup, read("get_endpoint_group_in_project")) { [self] in try await showGroupInProject($0) },
      Route("PUT", inGroup, write("add_endpoint_group_to_project")) { [self] in try await addGroup($0) },
      Route("DELETE", inGroup, write("remove_endpoint_group_from_project")) { [self] in try await removeGroup($0) },
      Route("GET", group + "/projects", read("list_projects_associated_with_endpoint_group")) { [self] in
        try await projectsOfGroup($0)
      },
      Route("GET", group + "/endpoints", read("list_endpoints_associated_with_endpoint_group")) { [self] in
        try await endpointsOfGroup($0)
      },
      Route("GET", root + "/projects/{project_id}/endpoint_groups", read("list_endpoint_groups_for_project")) {
        [self] in try await groupsOfProject($0)
      },
    ]
    return EntityRoutes(endpointGroupEntity, self).routes + own
  }

  // MARK: Lookups

  /// The entity's values, or its 404.
  func existing(_ entity: Entity, _ id: String, _ tx: any Transaction) throws -> JSONObject {
    guard let values = try entity.find(id, secrets, tx: tx) else { throw entity.notFound(id) }
    return values
  }

  private func pair(_ call: Call, _ tx: any Transaction) throws -> (project: String, endpoint: String) {
    let (project, endpoint) = (call.parameter("project_id"), call.parameter("endpoint_id"))
    _ = try existing(endpointEntity, endpoint, tx)
    guard books.projects[project] != nil else { throw projectEntity.notFound(project) }
    return (project, endpoint)
  }

  private func groupPair(_ call: Call, _ tx: any Transaction) throws -> (project: String, group: String) {
    let (project, group) = (call.parameter("project_id"), call.parameter("endpoint_group_id"))
    guard books.projects[project] != nil else { throw projectEntity.notFound(project) }
    _ = try existing(endpointGroupEntity, group, tx)
    return (project, group)
  }

  // MARK: Single endpoints

  private func checkEndpoint(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let (project, endpoint) = try pair(call, tx)
      let found = try tx.count(
        "SELECT COUNT(*) FROM identity_project_endpoint WHERE project_id = \(project) AND endpoint_id = \(endpoint)")
      guard found == 1 else { throw Fault.notFound("Endpoint \(endpoint) not found in project \(project)") }
      return .empty(204)
    }
  }

  private func addEndpoint(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (project, endpoint) = try pair(call, change.tx)
      do {
        try change.tx.execute(
          .insert(into: "identity_project_endpoint", ["project_id": project, "endpoint_id": endpoint]))
      } catch is DuplicateRow {
        throw Fault.conflict("Conflict occurred attempting to store project_endpoint - Duplicate entry found.")
      }
      change.touch(.catalog)
      audit(call, "gave endpoint \(endpoint) to project \(project)", change.tx)
      return .empty(204)
    }
  }

  private func removeEndpoint(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (project, endpoint) = (call.parameter("project_id"), call.parameter("endpoint_id"))
      let removed = try change.tx.execute(
        "DELETE FROM identity_project_endpoint WHERE project_id = \(project) AND endpoint_id = \(endpoint)")
      guard removed == 1 else {
        throw Fault.notFound("Endpoint \(endpoint.prefix(64)) not found in project \(project.prefix(64))")
      }
      change.touch(.catalog)
      audit(call, "took endpoint \(endpoint) from project \(project)", change.tx)
      return .empty(204)
    }
  }

  private func projectsOfEndpoint(_ call: Call) async throws -> Reply {
    let id = call.parameter("endpoint_id")
    let own: SQL = "id IN (SELECT project_id FROM identity_project_endpoint WHERE endpoint_id = \(id))"
    return try await listRows(projectEntity, [own], call) { [self] in _ = try existing(endpointEntity, id, $0) }
  }

  private func endpointsOfProject(_ call: Call) async throws -> Reply {
    let id = call.parameter("project_id")
    guard books.projects[id] != nil else { throw projectEntity.notFound(id) }
    return try await listRows(endpointEntity, ["id IN \(list: (books.endpointFilters[id] ?? []).sorted())"], call)
  }

  // MARK: Groups

  private func showGroupInProject(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let (project, group) = try groupPair(call, tx)
      let found = try tx.count(
        """
        SELECT COUNT(*) FROM identity_project_endpoint_group
        WHERE project_id = \(project) AND endpoint_group_id = \(group)
        """)
      guard found == 1 else { throw Fault.notFound("Endpoint Group Project Association not found") }
      return .json([
        "project_endpoint_group": [
          "project_id": .string(project), "endpoint_group_id": .string(group),
          "links": ["self": .string("/OS-EP-FILTER/endpoint_groups/\(group)/projects/\(project)")],
        ]
      ])
    }
  }

  private func addGroup(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (project, group) = try groupPair(call, change.tx)
      do {
        try change.tx.execute(
          .insert(into: "identity_project_endpoint_group", ["project_id": project, "endpoint_group_id": group]))
      } catch is DuplicateRow {
        throw Fault.conflict("Conflict occurred attempting to store project_endpoint_group - Duplicate entry found.")
      }
      change.touch(.catalog)
      audit(call, "gave endpoint group \(group) to project \(project)", change.tx)
      return .empty(204)
    }
  }

  private func removeGroup(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (project, group) = try groupPair(call, change.tx)
      let removed = try change.tx.execute(
        "DELETE FROM identity_project_endpoint_group WHERE project_id = \(project) AND endpoint_group_id = \(group)")
      guard removed == 1 else { throw Fault.notFound("Endpoint Group Project Association not found") }
      change.touch(.catalog)
      audit(call, "took endpoint group \(group) from project \(project)", change.tx)
      return .empty(204)
    }
  }

  private func projectsOfGroup(_ call: Call) async throws -> Reply {
    let id = call.parameter("endpoint_group_id")
    let own: SQL = "id IN (SELECT project_id FROM identity_project_endpoint_group WHERE endpoint_group_id = \(id))"
    return try await listRows(projectEntity, [own], call) { [self] in _ = try existing(endpointGroupEntity, id, $0) }
  }

  private func endpointsOfGroup(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let group = try existing(endpointGroupEntity, call.parameter("endpoint_group_id"), tx)
      let condition = EndpointGroup.condition(group["filters"] ?? .null)
      let rows = try tx.query("SELECT * FROM identity_endpoint WHERE \(condition) ORDER BY id")
      let views = try EntityRoutes(endpointEntity, self).views(
        rows.map { endpointEntity.values($0, secrets) }, tx: tx, call)
      return .json(CollectionView.body("endpoints", views, call))
    }
  }

  private func groupsOfProject(_ call: Call) async throws -> Reply {
    let id = call.parameter("project_id")
    let own: SQL = "id IN (SELECT endpoint_group_id FROM identity_project_endpoint_group WHERE project_id = \(id))"
    return try await listRows(endpointGroupEntity, [own], call)
  }
}

/// What the filters of an endpoint group mean.
enum EndpointGroup {
  /// The endpoints that have every value that the filters name.
  static func condition(_ filters: JSONValue) -> SQL {
    var parts: [SQL] = []
    for name in ["interface", "service_id", "region_id"] {
      switch filters[name] {
      case .string(let value)?: parts.append("\(raw: name) = \(value)")
      case .null?: parts.append("\(raw: name) IS NULL")
      default: break
      }
    }
    return parts.isEmpty ? "1 = 1" : SQL.join(parts, " AND ")
  }

  /// The endpoints that each project has been given, alone or by a group; disabled ones count as given. A project that
  /// is not in it sees all of them.
  static func filters(_ tx: any Transaction) throws -> [String: Set<String>] {
    var result: [String: Set<String>] = [:]
    let single =
      "SELECT l.project_id, e.id FROM identity_project_endpoint l JOIN identity_endpoint e ON e.id = l.endpoint_id"
    for row in try tx.query("\(raw: single)") { result[row.text("project_id"), default: []].insert(row.text("id")) }
    let links = try tx.query("SELECT project_id, endpoint_group_id FROM identity_project_endpoint_group")
    let used = Set(links.map { $0.text("endpoint_group_id") })
    guard !used.isEmpty else { return result }
    var members: [String: [String]] = [:]
    for row in try tx.query("SELECT id, filters FROM identity_endpoint_group WHERE id IN \(list: used.sorted())") {
      members[row.text("id")] = try tx.query(
        "SELECT id FROM identity_endpoint WHERE \(condition(row.json("filters")))"
      ).map { $0.text("id") }
    }
    for link in links {
      result[link.text("project_id"), default: []].formUnion(members[link.text("endpoint_group_id")] ?? [])
    }
    return result.filter { !$0.value.isEmpty }
  }
}
