import API
import Kit
import Store

extension IdentityService {
  /// Roles (API reference, Roles). A role with a domain is that domain's own: it only stands for what it implies.
  var roleEntity: Entity {
    var hooks = EntityHooks()
    hooks.target = { PolicyTarget(roleName: $0["name"]?.string) }
    hooks.policy = { verb, values in
      verb == .show && values["domain_id"]?.string != nil ? .systemReader("get_domain_role") : nil
    }
    hooks.listPolicy = { $0.contains("domain_id") ? .systemReader("list_domain_roles") : nil }
    hooks.listTarget = { _, auth in PolicyTarget(domainIDs: [auth.domain?.id]) }
    hooks.creating = { [self] values, _ in
      if let domain = values["domain_id"]?.string, books.domain(domain) == nil {
        throw Fault.badRequest("Could not find domain: \(domain).")
      }
    }
    hooks.updating = { old, changes, _ in
      try Immutability.checkUpdate("role", old, changes)
      if let options = changes["options"]?.object {
        changes["options"] = .object(JSONObject(options.filter { !$0.value.isNull }.map { ($0.key, $0.value) }))
      }
    }
    hooks.deleting = { old, context in
      try Immutability.checkDelete("role", old)
      try context.change.removeRoles([old["id"]?.string ?? ""])
    }
    hooks.touched = { _ in [.roles] }
    hooks.filter = { query, _ in query.contains("domain_id") ? [] : ["domain_id = ''"] }
    return Entity(
      name: "role", collection: "roles", table: "identity_role",
      attributes: [
        Attribute("name", .text, .name(255), required: true),
        Attribute("domain_id", .text, .identifier, nullable: true, update: false, holdsEmpty: true),
        Attribute("description", .text, .freeText, nullable: true),
        Attribute("options", .json, .options, initial: [:]),
      ],
      policies: [
        .list: TargetPolicy("list_roles", TargetPolicy.adminOrSystemReader, [.domain(role: "manager")]),
        .show: TargetPolicy("get_role", TargetPolicy.adminOrSystemReader, [.managedRole]),
        .create: .admin("create_role"), .update: .admin("update_role"), .delete: .admin("delete_role"),
      ], tellsMissing: [.show, .update, .delete], hooks: hooks)
  }

  var roleRoutes: [Route] {
    let list = TargetPolicy.systemReader("list_implied_roles").route
    let show = TargetPolicy.systemReader("get_implied_role").route
    let all = "/v3/roles/{prior_role_id}/implies"
    let one = all + "/{implies_role_id}"
    return EntityRoutes(roleEntity, self).routes + [
      Route("GET", "/v3/role_inferences", TargetPolicy.systemReader("list_role_inference_rules").route) { [self] in
        try await listInferences($0)
      },
      Route("GET", all, list) { [self] in try await listImplied($0) },
      Route("GET", one, show) { [self] in try await showImplied($0, status: 200) },
      Route("HEAD", one, TargetPolicy.systemReader("check_implied_role").route) { [self] in
        try await showImplied($0, status: 204)
      },
      Route("PUT", one, TargetPolicy.admin("create_implied_role").route) { [self] in try await addImplied($0) },
      Route("DELETE", one, TargetPolicy.admin("delete_implied_role").route) { [self] in try await removeImplied($0) },
    ]
  }

  func knownRole(_ id: String) throws -> Snapshot.Role {
    guard let role = books.roles[id] else { throw Fault.notFound("Could not find role: \(id.prefix(64)).") }
    return role
  }

  private func link(_ role: Snapshot.Role, _ call: Call) -> JSONValue {
    [
      "id": .string(role.id), "name": .string(role.name),
      "links": ["self": .string("\(call.baseURL)/v3/roles/\(role.id)")],
    ]
  }

  private func inference(_ prior: Snapshot.Role, _ implied: Snapshot.Role, _ call: Call) -> Reply {
    .json([
      "role_inference": ["prior_role": link(prior, call), "implies": link(implied, call)],
      "links": ["self": .string("\(call.baseURL)/v3/roles/\(prior.id)/implies/\(implied.id)")],
    ])
  }

  private func listInferences(_ call: Call) async throws -> Reply {
    let books = books
    let rules = books.implied.compactMap { id, implied -> (Snapshot.Role, [Snapshot.Role])? in
      books.roles[id].map { ($0, implied.compactMap { books.roles[$0] }) }
    }.sorted { $0.0.id < $1.0.id }
    return .json([
      "role_inferences": .array(
        rules.map { prior, implied in
          ["prior_role": link(prior, call), "implies": .array(implied.map { link($0, call) })]
        }), "links": ["self": .string("\(call.baseURL)/v3/role_inferences")],
    ])
  }

  private func listImplied(_ call: Call) async throws -> Reply {
    let prior = try knownRole(call.parameter("prior_role_id"))
    let implied = (books.implied[prior.id] ?? []).compactMap { books.roles[$0] }
    return .json([
      "role_inference": ["prior_role": link(prior, call), "implies": .array(implied.map { link($0, call) })],
      "links": ["self": .string("\(call.baseURL)/v3/roles/\(prior.id)/implies")],
    ])
  }

  private func rule(_ call: Call) throws -> (prior: Snapshot.Role, implied: Snapshot.Role) {
    (try knownRole(call.parameter("prior_role_id")), try knownRole(call.parameter("implies_role_id")))
  }
  private func noRule(_ prior: Snapshot.Role, _ implied: Snapshot.Role) -> Fault {
    .notFound("\(prior.id) does not imply \(implied.id)")
  }

  private func showImplied(_ call: Call, status: Int) async throws -> Reply {
    let (prior, implied) = try rule(call)
    guard books.implied[prior.id]?.contains(implied.id) == true else { throw noRule(prior, implied) }
    return status == 204 ? .empty(204) : inference(prior, implied, call)
  }

  private func addImplied(_ call: Call) async throws -> Reply {
    let (prior, implied) = try rule(call)
    guard implied.domainID.isEmpty || prior.domainID == implied.domainID else {
      throw Fault.forbidden("A role of a domain can be implied only by another of that domain.")
    }
    guard !(implied.name == "admin" && implied.domainID.isEmpty) else {
      throw Fault.forbidden("Implied role \(implied.id) is prohibited: nothing may imply admin.")
    }
    guard !books.expanded([implied.id]).contains(prior.id) else {
      throw Fault.forbidden(
        "Role \(implied.id) implies \(prior.id) already: roles cannot imply each other in a circle.")
    }
    return try await change(call) { [self] change in
      try change.tx.execute(
        "REPLACE INTO identity_implication (prior_id, implied_id) VALUES (\(prior.id), \(implied.id))")
      change.touch(.roles)
      audit(call, "let role \(prior.name) imply role \(implied.name)", change.tx)
      var reply = inference(prior, implied, call)
      reply.status = 201
      return reply
    }
  }

  private func removeImplied(_ call: Call) async throws -> Reply {
    let (prior, implied) = try rule(call)
    return try await change(call) { [self] change in
      let removed = try change.tx.execute(
        "DELETE FROM identity_implication WHERE prior_id = \(prior.id) AND implied_id = \(implied.id)")
      guard removed == 1 else { throw noRule(prior, implied) }
      change.touch(.roles)
      audit(call, "let role \(prior.name) no more imply role \(implied.name)", change.tx)
      return .empty(204)
    }
  }
}
