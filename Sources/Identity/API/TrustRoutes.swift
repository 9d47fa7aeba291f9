import API
import Kit
import Store

extension IdentityService {
  /// How often a trust may be passed on at most (upstream's max_redelegation_count).
  static let redelegationMax = 3

  private static let trustSchema = Schema.object(
    [
      .required("trustor_user_id", .string(1...64)), .required("trustee_user_id", .string(1...64)),
      .required("impersonation", .boolean), .may("project_id", .optional(.string(0...64))),
      .may("expires_at", .optional(.string(0...64))), .may("remaining_uses", .optional(.integer(1...2_147_483_647))),
      .may("allow_redelegation", .optional(.boolean)),
      .may("redelegation_count", .optional(.integer(0...2_147_483_647))),
      .may("roles", .array(roleReference, count: 0...1000)),
    ], additional: .allowed)

  /// A role in a body: by id or by name.
  static let roleReference = Schema.either([
    .object([.required("id", .identifier)]), .object([.required("name", .name(255))]),
  ])

  /// Trusts (API reference, OS-TRUST): a user lets another one act in a project with some of its roles.
  var trustRoutes: [Route] {
    let all = "/v3/OS-TRUST/trusts"
    let one = all + "/{trust_id}"
    func read(_ name: String) -> TargetPolicy { .owner(name, or: TargetPolicy.adminOrSystemReader) }
    let (show, roles, role) = (read("get_trust"), read("list_roles_for_trust"), read("get_role_for_trust"))
    let create = TargetPolicy.owner("create_trust", or: .any([]), scopes: .project)
    let remove = TargetPolicy.owner("delete_trust", or: .admin)
    return [
      Route("GET", all, read("list_trusts").route) { [self] in try await listTrusts($0) },
      Route("POST", all, create.route, body: .json) { [self] in try await createTrust($0, create) },
      Route("GET", one, show.route) { [self] in try await showTrust($0, show) },
      Route("DELETE", one, remove.route) { [self] in try await deleteTrust($0, remove) },
      Route("GET", one + "/roles", roles.route) { [self] in try await listTrustRoles($0, roles) },
      Route("GET", one + "/roles/{role_id}", role.route) { [self] in try await showTrustRole($0, role) },
    ]
  }

  // MARK: Views

  private func trustView(_ row: Row, _ call: Call, withRoles: Bool = true) -> JSONValue {
    let own = "\(call.baseURL)/v3/OS-TRUST/trusts/\(row.text("id"))"
    var view: JSONObject = [
      "id": .string(row.text("id")), "trustor_user_id": .string(row.text("trustor_user_id")),
      "trustee_user_id": .string(row.text("trustee_user_id")),
      "project_id": .optional(row.optionalText("project_id")), "impersonation": .bool(row.bool("impersonation")),
      "expires_at": .optional(row.optionalTimestamp("expires_at")?.iso8601MicrosZ),
      "remaining_uses": .optional(row.optionalInt("remaining_uses")), "deleted_at": nil,
      "redelegated_trust_id": .optional(row.optionalText("redelegated_trust_id")),
      "redelegation_count": .int(row.int("redelegation_count")), "links": ["self": .string(own)],
    ]
    if withRoles {
      view["roles"] = roleViews(SnapshotStore.strings(row.json("roles")), call)
      view["roles_links"] = ["self": .string(own + "/roles"), "next": nil, "previous": nil]
    }
    return .object(view)
  }

  private func roleViews(_ ids: [String], _ call: Call) -> JSONValue {
    .array(
      ids.compactMap { books.roles[$0] }.map { role in
        [
          "id": .string(role.id), "name": .string(role.name),
          "domain_id": role.domainID.isEmpty ? .null : .string(role.domainID),
          "links": ["self": .string("\(call.baseURL)/v3/roles/\(role.id)")],
        ]
      })
  }

  // MARK: Reading

  /// Application credentials must not look at or change trusts; tokens of a trust may, to pass it on.
  private func refuseCredential(_ auth: AuthContext) throws {
    guard open(auth.tokenID.value)?.applicationCredentialID == nil else {
      throw Fault.forbidden(ErrorShape.identity.policyMessage("Delegated tokens cannot manage trusts."))
    }
  }

  /// A trust that the policy lets the caller at. An unknown one is a 404 for everybody.
  private func trust(
    _ call: Call, _ policy: TargetPolicy, byTrustee: Bool = true, _ tx: any Transaction
  ) throws -> Row {
    let (id, auth) = (call.parameter("trust_id"), try call.auth)
    guard let row = try tx.first("SELECT * FROM identity_trust WHERE id = \(id) AND deleted_at IS NULL") else {
      throw Fault.notFound("Could not find trust: \(id.prefix(64)).")
    }
    let users = [row.text("trustor_user_id")] + (byTrustee ? [row.text("trustee_user_id")] : [])
    try policy.check(auth, PolicyTarget(userIDs: users))
    try refuseCredential(auth)
    return row
  }

  private func listTrusts(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var conditions: [SQL] = ["deleted_at IS NULL"]
    var users: [String] = []
    var name = "list_trusts"
    for (side, noun) in [("trustor_user_id", "trustor"), ("trustee_user_id", "trustee")] {
      guard let id = call.query[side], !id.isEmpty else { continue }
      conditions.append("\(raw: side) = \(id)")
      users.append(id)
      name = "list_trusts_for_\(noun)"
    }
    let own = users.isEmpty || !users.contains(auth.user.id) ? nil : PolicyTarget(userIDs: users)
    try TargetPolicy.owner(name, or: TargetPolicy.adminOrSystemReader).check(auth, own)
    try refuseCredential(auth)
    let all = SQL.join(conditions, " AND ")
    return try await database.read { [self] tx in
      let rows = try tx.query("SELECT * FROM identity_trust WHERE \(all) ORDER BY created_at, id")
      return .json(CollectionView.body("trusts", rows.map { trustView($0, call, withRoles: false) }, call))
    }
  }

  private func showTrust(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try await database.read { [self] tx in .json(["trust": trustView(try trust(call, policy, tx), call)]) }
  }

  private func listTrustRoles(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try await database.read { [self] tx in
      let ids = SnapshotStore.strings(try trust(call, policy, tx).json("roles"))
      return .json(CollectionView.body("roles", roleViews(ids, call).array ?? [], call))
    }
  }

  private func showTrustRole(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try await database.read { [self] tx in
      let (ids, wanted) = (SnapshotStore.strings(try trust(call, policy, tx).json("roles")), call.parameter("role_id"))
      guard ids.contains(wanted), let view = roleViews([wanted], call)[0] else {
        throw Fault.notFound("Could not find role: \(wanted.prefix(64)).")
      }
      return .json(["role": view])
    }
  }

  // MARK: Changing

  private func createTrust(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (auth, input) = (try call.auth, call.body["trust"] ?? .null)
    try Self.trustSchema.check(input, path: "trust")
    try policy.check(auth, PolicyTarget(userIDs: [input["trustor_user_id"]?.string ?? ""]))
    try refuseCredential(auth)
    let values = try trustValues(input, try token(of: auth))
    return try await change(call) { [self] change in
      let id = UUIDText.makeHex()
      try change.tx.execute(
        .insert(
          into: "identity_trust", [("id", .text(id)), ("created_at", change.now.sqlValue)] + values))
      change.touch(.trust(id))
      audit(call, "trusted user \(input["trustee_user_id"]?.string ?? ""): trust \(id)", change.tx)
      guard let row = try change.tx.first("SELECT * FROM identity_trust WHERE id = \(id)") else {
        throw Fault.internal("trust \(id) is gone")
      }
      return .json(["trust": trustView(row, call)], status: 201)
    }
  }

  /// The columns of a new trust; throws for what it must not be.
  private func trustValues(_ input: JSONValue, _ token: ResolvedToken) throws -> [(String, SQLValue)] {
    let (trustor, trustee) = (input["trustor_user_id"]?.string ?? "", input["trustee_user_id"]?.string ?? "")
    guard books.users[trustee] != nil else { throw Fault.notFound("Could not find user: \(trustee).") }
    let project = input["project_id"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    let roles = try roleIDs(input["roles"])
    if let project {
      guard books.projects[project] != nil else { throw Fault.notFound("Could not find project: \(project).") }
      guard !roles.isEmpty else {
        throw Fault.forbidden(ErrorShape.identity.policyMessage("At least one role should be specified"))
      }
    }
    let held = project.map { Set(books.roleIDs(of: trustor, at: .project($0))) } ?? []
    if let missing = roles.first(where: { !held.contains($0) }) {
      throw Fault.notFound("Could not find role: \(missing): the trustor does not have it in the project.")
    }
    let expires = try expiry(input["expires_at"])
    let uses = input["remaining_uses"]?.int
    var count = input["redelegation_count"]?.int
    if input["allow_redelegation"]?.bool == true {
      if uses != nil { throw Fault.badRequest("remaining_uses must not be set if redelegation is allowed") }
      count = count ?? Self.redelegationMax
    } else if token.trust == nil {
      count = 0
    }
    if let count, count > Self.redelegationMax {
      throw Fault.forbidden(
        "Requested redelegation depth of \(count) is greater than allowed \(Self.redelegationMax)")
    }
    let isImpersonating = input["impersonation"]?.bool ?? false
    if let source = token.trust {
      count = try redelegate(source, project, roles, expires, uses, isImpersonating, count)
    }
    return [
      ("trustor_user_id", .text(trustor)), ("trustee_user_id", .text(trustee)), ("project_id", project.sqlValue),
      ("impersonation", isImpersonating.sqlValue), ("expires_at", expires.sqlValue), ("remaining_uses", uses.sqlValue),
      ("redelegated_trust_id", (token.trust?.id).sqlValue), ("redelegation_count", .int(count ?? 0)),
      ("roles", JSONValue.strings(roles).sqlValue),
    ]
  }

  /// Passing a trust on: it may only become narrower. Returns how often the new one may be passed on.
  private func redelegate(
    _ source: Snapshot.Trust, _ project: String?, _ roles: [String], _ expires: Timestamp?, _ uses: Int?,
    _ isImpersonating: Bool, _ count: Int?
  ) throws -> Int {
    guard source.redelegationCount > 0 else {
      throw Fault.forbidden("Trust \(source.id) must not be passed on: its remaining redelegation depth is 0.")
    }
    guard project == source.projectID, Set(roles).isSubset(of: books.expanded(source.roleIDs)) else {
      throw Fault.forbidden("Some of requested roles are not in redelegated trust")
    }
    if uses != nil { throw Fault.forbidden("remaining_uses must not be set in order to redelegate a trust") }
    if let end = source.expiresAt, expires.map({ $0 > end }) ?? true {
      throw Fault.forbidden("Requested expiration time is more than redelegated trust can provide")
    }
    if isImpersonating, !source.isImpersonating {
      throw Fault.forbidden("Impersonation is not allowed because redelegated trust \(source.id) does not specify it.")
    }
    let left = source.redelegationCount - 1
    guard count.map({ $0 <= left }) ?? true else {
      throw Fault.forbidden("Redelegation depth can be \(left) at most.")
    }
    return count ?? left
  }

  /// Ids of roles that a body names by id or by name.
  func roleIDs(_ references: JSONValue?) throws -> [String] {
    try (references?.array ?? []).map { reference in
      if let id = reference["id"]?.string {
        guard books.roles[id] != nil else { throw Fault.notFound("Could not find role: \(id).") }
        return id
      }
      let name = reference["name"]?.string ?? ""
      guard let role = books.roles.values.first(where: { $0.name == name && $0.domainID.isEmpty }) else {
        throw Fault.notFound("Could not find role: \(name).")
      }
      return role.id
    }
  }

  /// A time in the future, or nil.
  func expiry(_ value: JSONValue?) throws -> Timestamp? {
    guard let text = value?.string else { return nil }
    guard let time = Timestamp(text) else { throw Fault.badRequest("The expires_at '\(text)' is not a time.") }
    guard time > clock.now() else { throw Fault.badRequest("The expires_at '\(text)' must be in the future.") }
    return time
  }

  private func deleteTrust(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try await change(call) { [self] change in
      let row = try trust(call, policy, byTrustee: false, change.tx)
      try change.removeTrusts("id = \(row.text("id"))")
      audit(call, "deleted trust \(row.text("id"))", change.tx)
      return .empty(204)
    }
  }
}
