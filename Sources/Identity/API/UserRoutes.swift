import API
import Kit
import Store

extension IdentityService {
  /// Users (API reference, Users).
  var userEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in auth.domain.map { ["domain_id = \($0.id)"] } ?? [] }
    hooks.target = { PolicyTarget(domainIDs: [$0["domain_id"]?.string], userIDs: [$0["id"]?.string ?? ""]) }
    hooks.prepare = { [self] input, call in try await takePassword(&input, call) }
    hooks.creating = { [self] values, context in
      values["id"] = .string(UUIDText.makeHex())
      try ownDomain(&values, context)
      try checkDefaultProject(values)
    }
    hooks.updating = { [self] old, changes, context in try updatingUser(old, &changes, context) }
    hooks.deleting = { old, context in try context.change.removeUsers([old["id"]?.string ?? ""]) }
    hooks.touched = { [.user($0)] }
    hooks.decorate = { values, _, _ in
      for index in values.indices {
        if values[index]["default_project_id"]?.isNull == true { values[index]["default_project_id"] = nil }
        values[index]["password_expires_at"] = .null
      }
    }
    return Entity(
      name: "user", collection: "users", table: "identity_user",
      attributes: [
        Attribute("name", .text, .name(255), required: true),
        Attribute("domain_id", .text, .identifier, update: false),
        Attribute("enabled", .bool, .boolean, initial: true),
        Attribute("default_project_id", .text, .string(0...64), nullable: true),
        Attribute("options", .json, .object([], additional: .allowed), initial: [:]),
        Attribute("password_hash", .text, .freeText, hidden: true),
      ],
      policies: [
        .list: .domainReader("list_users"), .show: .domainReader("get_user", or: .owner(role: nil)),
        .create: .domainManager("create_user"), .update: .domainManager("update_user"),
        .delete: .domainManager("delete_user"),
      ], hooks: hooks)
  }

  var userRoutes: [Route] {
    let projects = TargetPolicy.domainReader("list_user_projects", or: .owner(role: nil))
    let groups = TargetPolicy.domainReader("list_groups_for_user", or: .owner(role: nil))
    let tokens = TargetPolicy("revoke_tokens_for_user", .admin, [.owner(role: nil)])
    return EntityRoutes(userEntity, self).routes + [
      Route("POST", "/v3/users/{user_id}/password", .open, body: .json) { [self] in try await changePassword($0) },
      Route("GET", "/v3/users/{user_id}/projects", projects.route) { [self] in try await projectsOfUser($0, projects) },
      Route("GET", "/v3/users/{user_id}/groups", groups.route) { [self] in try await groupsOfUser($0, groups) },
      Route("DELETE", "/v3/users/{user_id}/tokens", tokens.route) { [self] in try await revokeTokens($0, tokens) },
    ]
  }

  /// A new resource without a domain belongs to the caller's.
  func ownDomain(_ values: inout JSONObject, _ context: EntityContext) throws {
    if values["domain_id"]?.string == nil {
      values["domain_id"] = .string(context.auth.domain?.id ?? context.auth.projectDomain?.id ?? "default")
    }
    let id = values["domain_id"]?.string ?? ""
    guard books.domain(id) != nil else { throw Fault.badRequest("Could not find domain: \(id).") }
  }

  private func checkDefaultProject(_ values: JSONObject) throws {
    guard let id = values["default_project_id"]?.string, let project = books.projects[id] else { return }
    if project.isDomain { throw Fault.badRequest("A domain (\(id)) cannot be the default project of a user.") }
  }

  /// Takes the password out of a body and gives its hash. Only those who may set passwords cost us the hashing.
  private func takePassword(_ input: inout JSONObject, _ call: Call) async throws -> JSONObject {
    guard let value = input["password"] else { return [:] }
    let auth = try call.auth
    guard auth.isAdmin || auth.has("manager") else {
      throw Fault.forbidden(ErrorShape.identity.policyMessage(call.route.policy.name))
    }
    input["password"] = nil
    if value.isNull { return ["password_hash": nil] }
    try PasswordRules.schema.check(value, path: "password")
    return ["password_hash": .string(try await hasher.hash(Secret(value.string ?? "")))]
  }

  private func updatingUser(_ old: JSONObject, _ changes: inout JSONObject, _ context: EntityContext) throws {
    let id = old["id"]?.string ?? ""
    try checkDefaultProject(changes)
    if let options = changes["options"]?.object {
      var all = old["options"]?.object ?? [:]
      all.merge(options)
      changes["options"] = .object(JSONObject(all.filter { !$0.value.isNull }.map { ($0.key, $0.value) }))
    }
    let isDisabled = changes["enabled"]?.bool == false && old["enabled"]?.bool == true
    if isDisabled || changes["password_hash"] != nil { try context.change.revoke(.user, id) }
  }

  /// POST /v3/users/{user_id}/password: the original password is what authorizes it.
  func changePassword(_ call: Call) async throws -> Reply {
    guard let body = call.body["user"] else { throw Fault.badRequest("'user' is a required property") }
    try PasswordRules.change.check(body, path: "user")
    let (id, given) = (call.parameter("user_id"), Secret(body["original_password"]?.string ?? ""))
    let wanted = Secret(body["password"]?.string ?? "")
    let known = try await database.read { try $0.first("SELECT password_hash FROM identity_user WHERE id = \(id)") }
    let isRight = try await hasher.check(given, known?.optionalText("password_hash"))
    guard isRight, let user = books.users[id], books.isEnabled(user) else {
      log.request(call.requestID).audit("refused to change the password of user \(id.prefix(64))")
      throw Fault.unauthorized()
    }
    let hash = try await hasher.hash(wanted)
    return try await change(call) { [self] change in
      // Another change may have been faster: then the original password is no more the one that was checked.
      let changed = try change.tx.execute(
        """
        UPDATE identity_user SET password_hash = \(hash)
        WHERE id = \(id) AND password_hash = \(known?.text("password_hash") ?? "")
        """)
      guard changed == 1 else { throw Fault.conflict("The password has been changed at the same time.") }
      try change.revoke(.user, id)
      audit(nil, "user \(user.name) (\(id)) changed the own password", change.tx)
      return .empty(204)
    }
  }

  private func target(ofUser id: String) -> PolicyTarget? {
    books.users[id].map { PolicyTarget(domainIDs: [$0.domainID], userIDs: [$0.id]) }
  }
  private func noUser(_ id: String) -> Fault { .notFound("Could not find user: \(id.prefix(64)).") }

  func projectsOfUser(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let id = call.parameter("user_id")
    try policy.check(try call.auth, target(ofUser: id))
    guard books.users[id] != nil else { throw noUser(id) }
    return try await listPlaces(books.places(of: id, isDomain: false).map(\.id), projectEntity, call)
  }

  func groupsOfUser(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (id, auth) = (call.parameter("user_id"), try call.auth)
    try policy.check(auth, target(ofUser: id))
    guard books.users[id] != nil else { throw noUser(id) }
    let entity = groupEntity
    var conditions = try EntityList.request(entity, call.query).conditions
    conditions.append("id IN (SELECT group_id FROM identity_membership WHERE user_id = \(id))")
    if let domain = auth.domain { conditions.append("domain_id = \(domain.id)") }
    return try await listRows(entity, conditions, call)
  }

  func revokeTokens(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let id = call.parameter("user_id")
    try policy.check(try call.auth, target(ofUser: id))
    guard books.users[id] != nil else { throw noUser(id) }
    return try await change(call) { [self] change in
      try change.revoke(.user, id)
      audit(call, "revoked all tokens of user \(id)", change.tx)
      return .empty(204)
    }
  }

  /// Rows of an entity that fit all conditions, as a list.
  func listRows(_ entity: Entity, _ conditions: [SQL], _ call: Call) async throws -> Reply {
    let all = SQL.join(conditions.map { "(\($0))" }, " AND ")
    return try await database.read { [self] tx in
      let rows = try tx.query("SELECT * FROM \(raw: entity.table) WHERE \(all) ORDER BY id")
      let views = try EntityRoutes(entity, self).views(rows.map { entity.values($0, secrets) }, tx: tx, call)
      return .json(CollectionView.body(entity.collection, views, call))
    }
  }

  /// Projects or domains by id, within the query's filters.
  func listPlaces(_ ids: [String], _ entity: Entity, _ call: Call) async throws -> Reply {
    let request = try EntityList.request(entity, call.query)
    return try await listRows(entity, request.conditions + ["id IN \(list: ids)"], call)
  }
}

/// What a password may be.
enum PasswordRules {
  static let schema = Schema.string(1...4096)
  static let change = Schema.object([.required("original_password", .string(0...4096)), .required("password", schema)])
}
