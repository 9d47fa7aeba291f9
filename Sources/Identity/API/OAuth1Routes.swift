import API
import Kit
import Store

extension IdentityService {
  /// How long a request token waits to be authorized, and how long an access token is good for (upstream's defaults).
  private static let requestLifetime: Duration = .seconds(28_800)
  private static let accessLifetime: Duration = .seconds(86_400)

  /// Consumers that a user lets act (API reference, OS-OAUTH1). The tokens are kept and shown; logging in by them is off,
  /// as upstream without the method `oauth1`.
  var oauth1Routes: [Route] {
    let root = "/v3/OS-OAUTH1"
    let all = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
    let one = all + "/{access_token_id}"
    func admin(_ name: String) -> Policy { TargetPolicy(name, .admin, scopes: .project).route }
    return [
      Route("POST", root + "/request_token", .open) { [self] in try await makeRequestToken($0) },
      Route("POST", root + "/access_token", .open) { [self] in try await makeAccessToken($0) },
      Route(
        "PUT", root + "/authorize/{request_token_id}", admin("authorize_request_token"), body: .json
      ) { [self] in try await authorizeToken($0) },
      Route("GET", all, admin("list_access_tokens")) { [self] in try await listAccessTokens($0) },
      Route("GET", one, admin("get_access_token")) { [self] in try await showAccessToken($0) },
      Route("DELETE", one, admin("delete_access_token")) { [self] in try await deleteAccessToken($0) },
      Route("GET", one + "/roles", admin("list_access_token_roles")) { [self] in try await listTokenRoles($0) },
      Route("GET", one + "/roles/{role_id}", admin("get_access_token_role")) { [self] in try await showTokenRole($0) },
    ]
  }

  // MARK: The consumer's side

  private func unsealed(_ bytes: [UInt8]) -> Secret {
    Secret(secrets.open(bytes).map { String(decoding: $0, as: UTF8.self) } ?? "")
  }

  private func consumer(_ id: String, _ tx: any Transaction) throws -> Secret {
    guard let row = try tx.first("SELECT secret FROM identity_consumer WHERE id = \(id)") else {
      throw Fault.notFound("Could not find Consumer: \(id.prefix(64)).")
    }
    return unsealed(row.blob("secret"))
  }

  private func requestToken(_ id: String, _ tx: any Transaction) throws -> Row {
    guard let row = try tx.first("SELECT * FROM identity_request_token WHERE id = \(id)") else {
      throw Fault.notFound("Could not find request token: \(id.prefix(64)).")
    }
    guard row.timestamp("expires_at") > clock.now() else { throw Fault.unauthorized("Request token is expired") }
    return row
  }

  private func makeRequestToken(_ call: Call) async throws -> Reply {
    let request = OAuthRequest(call)
    try request.require("oauth_consumer_key")
    guard let project = call.http.headers["Requested-Project-Id"], !project.isEmpty else {
      throw Fault.badRequest("Expecting to find Requested-Project-Id in request.")
    }
    guard books.projects[project] != nil else { throw projectEntity.notFound(project) }
    return try await change { [self] change in
      try request.check(consumer: try consumer(request.consumerID, change.tx), token: nil, now: change.now)
      let (id, secret) = (UUIDText.makeHex(), Secret.random(bytes: 16))
      let end = change.now + Self.requestLifetime
      try change.tx.execute("DELETE FROM identity_request_token WHERE expires_at < \(change.now)")
      try change.tx.execute(
        .insert(
          into: "identity_request_token",
          [
            "id": id, "secret": SQLValue.blob(try secrets.seal(Array(secret.value.utf8))),
            "consumer_id": request.consumerID, "project_id": project, "expires_at": end,
          ]))
      audit(nil, "consumer \(request.consumerID) asked for a token of project \(project)", change.tx)
      return Self.form(id, secret, end)
    }
  }

  private func makeAccessToken(_ call: Call) async throws -> Reply {
    let request = OAuthRequest(call)
    try request.require("oauth_consumer_key", "oauth_token", "oauth_verifier")
    return try await change { [self] change in
      let row = try requestToken(request.tokenID, change.tx)
      guard row.text("consumer_id") == request.consumerID else {
        throw Fault.unauthorized("Provided consumer key does not match stored consumer key.")
      }
      let owner = try consumer(request.consumerID, change.tx)
      try request.check(consumer: owner, token: unsealed(row.blob("secret")), now: change.now)
      guard let user = row.optionalText("authorizing_user_id"),
        Secret(row.text("verifier")).equals(request.verifier)
      else { throw Fault.unauthorized("Provided verifier does not match stored verifier") }
      let (id, secret) = (UUIDText.makeHex(), Secret.random(bytes: 16))
      let end = change.now + Self.accessLifetime
      try change.tx.execute(
        .insert(
          into: "identity_access_token",
          [
            "id": id, "secret": SQLValue.blob(try secrets.seal(Array(secret.value.utf8))),
            "authorizing_user_id": user, "consumer_id": request.consumerID, "project_id": row.text("project_id"),
            "roles": row.text("roles"), "expires_at": end,
          ]))
      try change.tx.execute("DELETE FROM identity_request_token WHERE id = \(row.text("id"))")
      audit(nil, "consumer \(request.consumerID) got access token \(id) of user \(user)", change.tx)
      return Self.form(id, secret, end)
    }
  }

  private static func form(_ id: String, _ secret: Secret, _ end: Timestamp) -> Reply {
    let text = "oauth_token=\(id)&oauth_token_secret=\(secret.value)&oauth_expires_at=\(end.iso8601MicrosZ)"
    return Reply(201, .bytes(Array(text.utf8), contentType: "application/x-www-form-urlencoded"))
  }

  // MARK: The user's side

  private func refuseDelegation(_ auth: AuthContext, _ what: String) throws(Fault) {
    guard open(auth.tokenID.value)?.isDelegated == true else { return }
    throw Fault.forbidden("Cannot \(what) with a token issued via delegation.")
  }

  private func authorizeToken(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    try refuseDelegation(auth, "authorize a request token")
    let asked = call.body["roles"] ?? .null
    try Schema.array(Self.roleReference, count: 1...1000).check(asked, path: "roles")
    return try await change(call) { [self] change in
      let row = try requestToken(call.parameter("request_token_id"), change.tx)
      let roles = try roleIDs(asked)
      let held = books.roleIDs(of: auth.user.id, at: .project(row.text("project_id")))
      guard Set(roles).isSubset(of: held) else {
        throw Fault.unauthorized("authorizing user does not have role required")
      }
      let verifier = String(Secret.random(bytes: 8).value.prefix(8))
      try change.tx.execute(
        """
        UPDATE identity_request_token SET authorizing_user_id = \(auth.user.id), verifier = \(verifier),
          roles = \(JSONValue.strings(roles).text) WHERE id = \(row.text("id"))
        """)
      audit(call, "authorized consumer \(row.text("consumer_id")) for project \(row.text("project_id"))", change.tx)
      return .json(["token": ["oauth_verifier": .string(verifier)]])
    }
  }

  private func accessToken(_ call: Call, _ tx: any Transaction) throws -> Row {
    let (user, id) = (call.parameter("user_id"), call.parameter("access_token_id"))
    let row = try tx.first(
      "SELECT * FROM identity_access_token WHERE id = \(id) AND authorizing_user_id = \(user)")
    guard let row else { throw Fault.notFound("Could not find access token: \(id.prefix(64)).") }
    return row
  }

  private func view(_ row: Row, _ call: Call) -> JSONValue {
    let (id, user) = (row.text("id"), row.text("authorizing_user_id"))
    let own = "\(call.baseURL)/v3/users/\(user)/OS-OAUTH1/access_tokens/\(id)"
    return [
      "id": .string(id), "consumer_id": .string(row.text("consumer_id")),
      "project_id": .string(row.text("project_id")), "authorizing_user_id": .string(user),
      "expires_at": .string(row.timestamp("expires_at").iso8601MicrosZ),
      "links": ["self": .string(own), "roles": .string(own + "/roles")],
    ]
  }

  private func listAccessTokens(_ call: Call) async throws -> Reply {
    try refuseDelegation(try call.auth, "list access tokens")
    return try await database.read { [self] tx in
      let rows = try tx.query(
        """
        SELECT * FROM identity_access_token
        WHERE authorizing_user_id = \(call.parameter("user_id")) AND expires_at > \(clock.now()) ORDER BY id
        """)
      return .json(CollectionView.body("access_tokens", rows.map { view($0, call) }, call))
    }
  }

  private func showAccessToken(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in .json(["access_token": view(try accessToken(call, tx), call)]) }
  }

  private func deleteAccessToken(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let id = try accessToken(call, change.tx).text("id")
      try change.tx.execute("DELETE FROM identity_access_token WHERE id = \(id)")
      audit(call, "deleted access token \(id)", change.tx)
      return .empty(204)
    }
  }

  private func listTokenRoles(_ call: Call) async throws -> Reply {
    let ids = try await database.read { [self] tx in SnapshotStore.strings(try accessToken(call, tx).json("roles")) }
    return try await listRows(roleEntity, ["id IN \(list: ids)"], call)
  }

  private func showTokenRole(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let id = call.parameter("role_id")
      guard SnapshotStore.strings(try accessToken(call, tx).json("roles")).contains(id) else {
        throw roleEntity.notFound(id)
      }
      let role = try existing(roleEntity, id, tx)
      return .json(["role": try EntityRoutes(roleEntity, self).views([role], tx: tx, call)[0]])
    }
  }
}
