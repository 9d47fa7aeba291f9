import API
import Kit
import Store

extension IdentityService {
  private static let accessRule = Schema.either([
    .object([.required("id", .identifier)]),
    .object([
      .required("path", .string(1...225) { $0.hasPrefix("/") ? nil : "it must begin with a slash" }),
      .required("method", .oneOf(["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"])),
      .required("service", .identifier), .may("id", .identifier),
    ]),
  ])
  private static let credentialSchema = Schema.object([
    .required("name", .name(255)), .may("id", .string(0...64)), .may("description", .optional(.freeText)),
    .may("secret", .optional(.string(0...4096))), .may("expires_at", .optional(.string(0...64))),
    .may("unrestricted", .optional(.boolean)), .may("project_id", .string(0...64)),
    .may("roles", .array(roleReference, count: 0...1000)),
    .may("access_rules", .array(accessRule, count: 0...1000)), .may("system", .optional(.string(0...64))),
  ])

  /// Application credentials and the rules on what they may call (API reference, Application credentials).
  var applicationCredentialRoutes: [Route] {
    let all = "/v3/users/{user_id}/application_credentials"
    let one = all + "/{application_credential_id}"
    let rules = "/v3/users/{user_id}/access_rules"
    let rule = rules + "/{access_rule_id}"
    func read(_ name: String) -> TargetPolicy { .owner(name, or: TargetPolicy.adminOrSystemReader) }
    let (list, show) = (read("list_application_credentials"), read("get_application_credential"))
    let create = TargetPolicy.owner("create_application_credential", or: .any([]), scopes: .project)
    let remove = TargetPolicy.owner("delete_application_credential", or: .admin)
    // Upstream leaves administrators of a project out here.
    let system = Rule.all([.systemScope, .role("reader")])
    let (listRules, showRule) = (
      TargetPolicy.owner("list_access_rules", or: system), TargetPolicy.owner("get_access_rule", or: system)
    )
    let removeRule = TargetPolicy.owner("delete_access_rule", or: .all([.admin, .systemScope]))
    return [
      Route("GET", all, list.route) { [self] in try await listCredentials($0, list) },
      Route("POST", all, create.route, body: .json) { [self] in try await createCredential($0, create) },
      Route("GET", one, show.route) { [self] in try await showCredential($0, show) },
      Route("DELETE", one, remove.route) { [self] in try await deleteCredential($0, remove) },
      Route("GET", rules, listRules.route) { [self] in try await listAccessRules($0, listRules) },
      Route("GET", rule, showRule.route) { [self] in try await showAccessRule($0, showRule) },
      Route("DELETE", rule, removeRule.route) { [self] in try await deleteAccessRule($0, removeRule) },
    ]
  }

  // MARK: Views

  private func credentialView(_ row: Row, _ call: Call, secret: String? = nil) -> JSONValue {
    let (id, user) = (row.text("id"), row.text("user_id"))
    let roles = SnapshotStore.strings(row.json("roles")).compactMap { books.roles[$0] }
    var view: JSONObject = [
      "id": .string(id), "name": .string(row.text("name")), "description": .optional(row.optionalText("description")),
      "user_id": .string(user), "project_id": .string(row.text("project_id")), "system": nil,
      "expires_at": .optional(row.optionalTimestamp("expires_at")?.iso8601Micros),
      "unrestricted": .bool(row.bool("unrestricted")),
      "roles": .array(
        roles.map {
          [
            "id": .string($0.id), "name": .string($0.name),
            "domain_id": $0.domainID.isEmpty ? .null : .string($0.domainID),
          ]
        }),
      "links": ["self": .string("\(call.baseURL)/v3/users/\(user)/application_credentials/\(id)")],
    ]
    if let rules = row.json("access_rules").array, !rules.isEmpty { view["access_rules"] = .array(rules) }
    if let secret { view["secret"] = .string(secret) }
    return .object(view)
  }

  private func ruleView(_ row: Row, _ call: Call) -> JSONValue {
    let (id, user) = (row.text("id"), row.text("user_id"))
    return [
      "id": .string(id), "service": .string(row.text("service")), "method": .string(row.text("method")),
      "path": .string(row.text("path")),
      "links": ["self": .string("\(call.baseURL)/v3/users/\(user)/access_rules/\(id)")],
    ]
  }

  // MARK: Rights

  /// The user that a call is about: the owner of the application credential in its path, if there is one.
  private func checkUser(_ call: Call, _ policy: TargetPolicy) throws -> String {
    let owner = books.applicationCredentials[call.parameter("application_credential_id")]?.userID
    let (id, auth) = (owner ?? call.parameter("user_id"), try call.auth)
    try policy.check(auth, PolicyTarget(userIDs: [id]))
    if open(auth.tokenID.value)?.trustID != nil {
      throw Fault.forbidden("Cannot manage application credentials with a token issued via delegation.")
    }
    return id
  }

  /// An application credential may make and remove others only when it is unrestricted.
  private func refuseRestricted(_ auth: AuthContext) throws {
    guard let credential = try token(of: auth).applicationCredential, !credential.isUnrestricted else { return }
    throw Fault.forbidden(
      ErrorShape.identity.policyMessage(
        "Using method 'application_credential' is not allowed for managing additional application credentials."))
  }

  // MARK: Application credentials

  private func listCredentials(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    let names = call.query.all("name")
    return try await database.read { [self] tx in
      var sql: SQL = "SELECT * FROM identity_application_credential WHERE user_id = \(user)"
      if !names.isEmpty { sql = "\(sql) AND name IN \(list: names)" }
      let rows = try tx.query("\(sql) ORDER BY created_at, id")
      return .json(CollectionView.body("application_credentials", rows.map { credentialView($0, call) }, call))
    }
  }

  private func credential(_ call: Call, _ user: String, _ tx: any Transaction) throws -> Row {
    let id = call.parameter("application_credential_id")
    guard
      let row = try tx.first(
        "SELECT * FROM identity_application_credential WHERE id = \(id) AND user_id = \(user)")
    else { throw Fault.notFound("Could not find application credential: \(id.prefix(64)).") }
    return row
  }

  private func showCredential(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    return try await database.read { [self] tx in
      .json(["application_credential": credentialView(try credential(call, user, tx), call)])
    }
  }

  private func createCredential(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (auth, input) = (try call.auth, call.body["application_credential"] ?? .null)
    try Self.credentialSchema.check(input, path: "application_credential")
    let user = try checkUser(call, policy)
    try refuseRestricted(auth)
    guard let project = auth.project else {
      throw Fault.badRequest("An application credential needs a token that is scoped to a project.")
    }
    let roles = try credentialRoles(input["roles"], try token(of: auth))
    let expires = try expiry(input["expires_at"])
    let given = input["secret"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    let secret = Secret(given ?? Secret.random(bytes: 43).value)
    let hash = try await hasher.hash(secret)
    return try await change(call) { [self] change in
      let row = try insertCredential(input, user, project.id, hash, roles, expires, change)
      audit(call, "created application credential \(row.text("id")) for project \(project.id)", change.tx)
      return .json(["application_credential": credentialView(row, call, secret: secret.value)], status: 201)
    }
  }

  private func insertCredential(
    _ input: JSONValue, _ user: String, _ project: String, _ hash: String, _ roles: [String], _ expires: Timestamp?,
    _ change: Change
  ) throws -> Row {
    let id = UUIDText.makeHex()
    let rules = try accessRules(input["access_rules"], user, change.tx)
    do {
      try change.tx.execute(
        .insert(
          into: "identity_application_credential",
          [
            "id": id, "user_id": user, "project_id": project, "name": input["name"]?.string ?? "",
            "description": input["description"]?.string, "secret_hash": hash, "roles": JSONValue.strings(roles),
            "access_rules": rules, "expires_at": expires, "unrestricted": input["unrestricted"]?.bool ?? false,
            "created_at": change.now,
          ]))
    } catch is DuplicateRow {
      throw Fault.conflict("There is an application credential with this name already.")
    }
    change.touch(.applicationCredential(id))
    guard let row = try change.tx.first("SELECT * FROM identity_application_credential WHERE id = \(id)") else {
      throw Fault.internal("application credential \(id) is gone")
    }
    return row
  }

  /// The roles that are asked for, within those of the token; all of them when none is asked for.
  private func credentialRoles(_ asked: JSONValue?, _ token: ResolvedToken) throws -> [String] {
    let held = token.roles.map(\.id)
    guard let asked = asked?.array, !asked.isEmpty else { return held }
    let wanted: [String]
    do {
      wanted = try roleIDs(.array(asked))
    } catch let fault as Fault { throw Fault.badRequest("Invalid application credential: \(fault.message)") }
    if let missing = wanted.first(where: { !held.contains($0) }) {
      throw Fault.badRequest("Invalid application credential: Could not find role assignment with role: \(missing).")
    }
    return wanted
  }

  /// The rules as they are kept with the credential. A rule that the user has already keeps its id.
  private func accessRules(_ asked: JSONValue?, _ user: String, _ tx: any Transaction) throws -> JSONValue {
    var result: [JSONValue] = []
    for rule in asked?.array ?? [] {
      let row: Row?
      if rule["path"] == nil {
        let id = rule["id"]?.string ?? ""
        row = try tx.first("SELECT * FROM identity_access_rule WHERE id = \(id) AND user_id = \(user)")
        if row == nil { throw Fault.badRequest("Invalid application credential: Could not find Access Rule: \(id).") }
      } else {
        row = try accessRule(
          service: rule["service"]?.string ?? "", method: rule["method"]?.string ?? "",
          path: rule["path"]?.string ?? "",
          user, tx)
      }
      guard let row else { continue }
      result.append([
        "id": .string(row.text("id")), "service": .string(row.text("service")), "method": .string(row.text("method")),
        "path": .string(row.text("path")),
      ])
    }
    return .array(result)
  }

  private func accessRule(
    service: String, method: String, path: String, _ user: String, _ tx: any Transaction
  ) throws -> Row? {
    let same: SQL =
      "user_id = \(user) AND service = \(service) AND method = \(method) AND path = \(path)"
    if let row = try tx.first("SELECT * FROM identity_access_rule WHERE \(same)") { return row }
    try tx.execute(
      .insert(
        into: "identity_access_rule",
        ["id": UUIDText.makeHex(), "user_id": user, "service": service, "method": method, "path": path]))
    return try tx.first("SELECT * FROM identity_access_rule WHERE \(same)")
  }

  private func deleteCredential(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    try refuseRestricted(try call.auth)
    return try await change(call) { [self] change in
      let id = try credential(call, user, change.tx).text("id")
      try change.removeApplicationCredentials("id = \(id)")
      audit(call, "deleted application credential \(id)", change.tx)
      return .empty(204)
    }
  }

  // MARK: Access rules

  private func listAccessRules(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    return try await database.read { [self] tx in
      var sql: SQL = "SELECT * FROM identity_access_rule WHERE user_id = \(user)"
      for name in ["service", "method", "path"] where call.query.contains(name) {
        sql = "\(sql) AND \(raw: name) IN \(list: call.query.all(name))"
      }
      let rows = try tx.query("\(sql) ORDER BY id")
      return .json(CollectionView.body("access_rules", rows.map { ruleView($0, call) }, call))
    }
  }

  private func rule(_ call: Call, _ user: String, _ tx: any Transaction) throws -> Row {
    let id = call.parameter("access_rule_id")
    guard let row = try tx.first("SELECT * FROM identity_access_rule WHERE id = \(id) AND user_id = \(user)") else {
      throw Fault.notFound("Could not find Access Rule: \(id.prefix(64)).")
    }
    return row
  }

  private func showAccessRule(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    return try await database.read { [self] tx in
      .json(["access_rule": ruleView(try rule(call, user, tx), call)])
    }
  }

  private func deleteAccessRule(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkUser(call, policy)
    return try await change(call) { [self] change in
      let id = try rule(call, user, change.tx).text("id")
      let used = try change.tx.count(
        "SELECT COUNT(*) FROM identity_application_credential WHERE INSTR(access_rules, \("\"\(id)\"")) > 0")
      guard used == 0 else { throw Fault.forbidden("Access rule \(id) is used by an application credential.") }
      try change.tx.execute("DELETE FROM identity_access_rule WHERE id = \(id)")
      audit(call, "deleted access rule \(id)", change.tx)
      return .empty(204)
    }
  }
}
