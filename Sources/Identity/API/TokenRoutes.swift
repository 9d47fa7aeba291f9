import API
import Kit
import Store

extension IdentityService {
  /// Logging in, and tokens (API reference, Authentication and token management).
  var tokenRoutes: [Route] {
    let tokens = "/v3/auth/tokens"
    let validate = TargetPolicy(
      "validate_token", .any([TargetPolicy.adminOrSystemReader, .role("service")]), [.owner(role: nil)])
    let check = TargetPolicy("check_token", TargetPolicy.adminOrSystemReader, [.owner(role: nil)])
    let revoke = TargetPolicy("revoke_token", .admin, [.owner(role: nil)])
    func own(_ name: String) -> Policy { TargetPolicy.authenticated(name).route }
    return [
      Route("POST", tokens, .open, body: .json) { [self] in try await login($0) },
      Route("GET", tokens, validate.route) { [self] in try await showToken($0, validate) },
      Route("HEAD", tokens, check.route) { [self] in try await showToken($0, check) },
      Route("DELETE", tokens, revoke.route) { [self] in try await revokeToken($0, revoke) },
      Route("GET", "/v3/auth/catalog", own("get_auth_catalog")) { [self] in try await showCatalog($0) },
      Route("GET", "/v3/auth/projects", own("get_auth_projects")) { [self] in try await scopes($0, isDomain: false) },
      Route("GET", "/v3/auth/domains", own("get_auth_domains")) { [self] in try await scopes($0, isDomain: true) },
      Route("GET", "/v3/OS-FEDERATION/projects", own("get_auth_projects")) { [self] in
        try await scopes($0, isDomain: false)
      },
      Route("GET", "/v3/OS-FEDERATION/domains", own("get_auth_domains")) { [self] in
        try await scopes($0, isDomain: true)
      },
      Route("GET", "/v3/auth/system", own("get_auth_system")) { [self] in try await systemScope($0) },
    ]
  }

  private func login(_ call: Call) async throws -> Reply {
    let payload: TokenPayload
    do {
      payload = try await authenticate(try LoginRequest(call.body), call)
    } catch let receipt as AuthReceipt {
      return receipt.reply(books, sealed: try seal(receipt))
    }
    guard let token = books.resolve(payload, now: clock.now()) else { throw Fault.unauthorized() }
    log.request(call.requestID).audit(
      "user \(token.user.name) (\(token.user.id)) logged in by \(payload.methods.map(\.name).joined(separator: ", ")) "
        + "for \(token.place.map { "\($0.kind) \($0.id)" } ?? "no scope") from \(call.http.remoteAddress)")
    let view = TokenView.json(token, books, withCatalog: !call.query.contains("nocatalog"))
    return .json(
      ["token": view], status: 201, headers: ["X-Subject-Token": try seal(payload), "Vary": "X-Auth-Token"])
  }

  /// The token that a request is about; 404 when it is none, or not in force.
  private func subject(_ call: Call, _ policy: TargetPolicy) throws -> (text: String, token: ResolvedToken) {
    let auth = try call.auth
    guard let text = call.http.headers["X-Subject-Token"], !text.isEmpty else {
      throw Fault.badRequest("The request needs the header X-Subject-Token.")
    }
    let isLate = call.query["allow_expired"].flatMap { Schema.boolean(.string($0)) } ?? false
    let token = open(text).flatMap {
      books.resolve($0, now: clock.now(), grace: isLate ? Self.expiredWindow : .zero)
    }
    let owners = token.map { [$0.user.id, $0.payload.userID] } ?? [auth.user.id]
    try policy.check(auth, PolicyTarget(userIDs: owners))
    guard let token else { throw Fault.notFound("Could not find token.") }
    return (text, token)
  }

  private func showToken(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (text, token) = try subject(call, policy)
    let view = TokenView.json(token, books, withCatalog: !call.query.contains("nocatalog"))
    return .json(["token": view], headers: ["X-Subject-Token": text, "Vary": "X-Auth-Token"])
  }

  private func revokeToken(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (_, token) = try subject(call, policy)
    return try await change(call) { [self] change in
      try change.revoke(.token, token.payload.auditIDs.first ?? "")
      audit(call, "revoked a token of user \(token.user.id)", change.tx)
      return .empty(204)
    }
  }

  private func showCatalog(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    guard let project = auth.project else {
      throw Fault.forbidden("A project-scoped token is required to produce a service catalog.")
    }
    return .json([
      "catalog": Catalog.view(books, projectID: project.id, userID: auth.user.id),
      "links": ["self": .string("\(call.baseURL)/v3/auth/catalog")],
    ])
  }

  /// Projects or domains that the caller could have a token for.
  private func scopes(_ call: Call, isDomain: Bool) async throws -> Reply {
    let userID = try call.auth.user.id
    let books = books
    let places = books.places(of: userID, isDomain: isDomain).filter { books.isEnabled($0) }
    return try await listPlaces(places.map(\.id), isDomain ? domainEntity : projectEntity, call)
  }

  private func systemScope(_ call: Call) async throws -> Reply {
    let hasRole = !books.roleIDs(of: try call.auth.user.id, at: .system).isEmpty
    return .json([
      "system": hasRole ? [["all": true]] : [], "links": ["self": .string("\(call.baseURL)/v3/auth/system")],
    ])
  }
}

/// A token as clients see it.
enum TokenView {
  static func json(_ token: ResolvedToken, _ books: Snapshot, withCatalog: Bool) -> JSONValue {
    let payload = token.payload
    var view: JSONObject = [
      "methods": .strings(payload.methods.map(\.name)),
      "user": [
        "domain": named(token.userDomain), "id": .string(token.user.id), "name": .string(token.user.name),
        "password_expires_at": .optional(token.user.passwordExpiresAt?.iso8601Micros),
      ], "audit_ids": .strings(payload.auditIDs), "expires_at": .string(payload.expiresAt.iso8601MicrosZ),
      "issued_at": .string(payload.issuedAt.iso8601MicrosZ),
    ]
    if let trust = token.trust {
      view["OS-TRUST:trust"] = [
        "id": .string(trust.id), "trustor_user": ["id": .string(trust.trustorID)],
        "trustee_user": ["id": .string(trust.trusteeID)], "impersonation": .bool(trust.isImpersonating),
      ]
    }
    if let project = token.project, let domain = token.projectDomain {
      view["project"] = ["domain": named(domain), "id": .string(project.id), "name": .string(project.name)]
      if token.trust == nil { view["is_domain"] = .bool(project.isDomain) }
    }
    if let domain = token.domain { view["domain"] = named(domain) }
    if token.place == .system { view["system"] = ["all": true] }
    if token.place != nil {
      view["roles"] = .array(token.roles.map { ["id": .string($0.id), "name": .string($0.name)] })
      if withCatalog {
        view["catalog"] = Catalog.view(books, projectID: token.project?.id, userID: token.user.id)
      }
    }
    if !books.serviceProviders.isEmpty { view["service_providers"] = .array(books.serviceProviders) }
    if let credential = token.applicationCredential {
      var own: JSONObject = [
        "id": .string(credential.id), "name": .string(credential.name), "restricted": .bool(!credential.isUnrestricted),
      ]
      if !credential.accessRules.isEmpty {
        own["access_rules"] = .array(
          credential.accessRules.map {
            ["service": .string($0.service), "method": .string($0.method), "path": .string($0.path)]
          })
      }
      view["application_credential"] = .object(own)
    }
    return .object(view)
  }

  private static func named(_ domain: Snapshot.Project) -> JSONValue {
    ["id": .string(domain.id), "name": .string(domain.name)]
  }
}
