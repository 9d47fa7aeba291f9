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
    hooks.created = { [self] values, context in try remember(values, of: values["id"]?.string ?? "", context.change) }
    hooks.updating = { [self] old, changes, context in try updatingUser(old, &changes, context) }
    hooks.filter = { query, _ in try query.all("password_expires_at").map(Self.expiryCondition) }
    hooks.deleting = { old, context in try context.change.removeUsers([old["id"]?.string ?? ""]) }
    hooks.touched = { [.user($0)] }
    hooks.decorate = { values, _, _ in
      for index in values.indices {
        if values[index]["default_project_id"]?.isNull == true { values[index]["default_project_id"] = nil }
        let ignores = UserOption.isSet(.ignoreExpiry, values[index]["options"] ?? .null)
        let end = ignores ? nil : values[index]["password_expiry"]?.int
        values[index]["password_expires_at"] = .optional(
          end.map { Timestamp(microseconds: $0).iso8601Micros })
      }
    }
    return Entity(
      name: "user", collection: "users", table: "identity_user",
      attributes: [
        Attribute("name", .text, .name(255), required: true),
        Attribute("domain_id", .text, .identifier, update: false),
        Attribute("enabled", .bool, .boolean, initial: true),
        Attribute("default_project_id", .text, .string(0...64), nullable: true),
        Attribute("options", .json, Self.userOptions, initial: [:]),
        Attribute("password_hash", .text, .freeText, hidden: true),
        Attribute("password_created", .int, .any, column: "password_created_at", hidden: true),
        Attribute("password_expiry", .int, .any, column: "password_expires_at", hidden: true),
        Attribute("password_self_service", .bool, .any, initial: false, hidden: true),
        Attribute("failed_count", .int, .any, initial: 0, hidden: true),
        Attribute("failed_at", .int, .any, hidden: true),
      ],
      policies: [
        .list: .domainReader("list_users"), .show: .domainReader("get_user", or: .owner(role: nil)),
        .create: .domainManager("create_user"), .update: .domainManager("update_user"),
        .delete: .domainManager("delete_user"),
      ], hooks: hooks)
  }

  private static let userOptions = Schema.object(
    UserOption.allCases.map { .may($0.rawValue, .optional(.boolean)) } + [
      .may(
        UserOption.mfaRules,
        .optional(.array(.array(.string(0...255), count: 1...100, unique: true), count: 0...100, unique: true)))
    ])

  /// `lt:2026-01-02T03:04:05Z`: when the password ends; without operator, at that very time.
  private static func expiryCondition(_ text: String) throws -> SQL {
    let signs = ["lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "eq": "=", "neq": "<>"]
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let sign = parts.count == 2 ? signs[parts[0]] : nil
    guard let time = Timestamp(sign == nil ? text : parts[1]) else {
      throw Fault.badRequest("Invalid timestamp in the filter password_expires_at: \(text.prefix(64))")
    }
    return "password_expires_at \(raw: sign ?? "=") \(time)"
  }

  private func remember(_ values: JSONObject, of id: String, _ change: Change) throws {
    guard let hash = values["password_hash"]?.string else { return }
    try PasswordStore.remember(hash, of: id, count: settings.compliance.uniqueLastPasswordCount, change)
  }

  var userRoutes: [Route] {
    let projects = TargetPolicy.domainReader("list_user_projects", or: .owner(role: nil))
    let groups = TargetPolicy.domainReader("list_groups_for_user", or: .owner(role: nil))
    let tokens = TargetPolicy("revoke_tokens_for_user", .admin, [.owner(role: nil)])
    return EntityRoutes(userEntity, self).routes + passwordRoutes + [
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

  private func updatingUser(_ old: JSONObject, _ changes: inout JSONObject, _ context: EntityContext) throws {
    let id = old["id"]?.string ?? ""
    try checkDefaultProject(changes)
    if let options = changes["options"]?.object {
      var all = old["options"]?.object ?? [:]
      all.merge(options)
      changes["options"] = .object(JSONObject(all.filter { !$0.value.isNull }.map { ($0.key, $0.value) }))
    }
    let isDisabled = changes["enabled"]?.bool == false && old["enabled"]?.bool == true
    try remember(changes, of: id, context.change)
    if isDisabled || changes["password_hash"] != nil { try context.change.revoke(.user, id) }
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
  func listRows(
    _ entity: Entity, _ conditions: [SQL], _ call: Call,
    check: @escaping @Sendable (any Transaction) throws -> Void = { _ in }
  ) async throws -> Reply {
    let all = SQL.join(conditions.map { "(\($0))" }, " AND ")
    return try await database.read { [self] tx in
      try check(tx)
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
