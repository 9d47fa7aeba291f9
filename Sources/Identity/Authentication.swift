import API
import Kit
import Store

/// Who has proved to be whom, by the methods of a login.
private struct Proof {
  var userID: String?
  var methods: [TokenPayload.Method] = []
  /// An earlier token's end bounds the new one's.
  var expiresAt: Timestamp?
  var auditChain: String?
  var credential: Snapshot.ApplicationCredential?
  /// The project that a delegation is bound to.
  var boundProjectID: String?

  /// All methods have to prove the same user.
  mutating func prove(_ userID: String) throws(Fault) {
    if let known = self.userID, known != userID { throw Fault.unauthorized() }
    self.userID = userID
  }
}

extension IdentityService {
  /// Checks who logs in and what scope that gives. Throws 401 with upstream's words whatever was wrong about a user or
  /// password, and records the reason.
  func authenticate(_ request: LoginRequest, _ call: Call) async throws -> TokenPayload {
    do {
      var proof = Proof()
      for method in request.methods {
        switch method {
        case .password: try await provePassword(request, &proof)
        case .token: try proveToken(request, &proof)
        case .applicationCredential: try await proveCredential(request, &proof)
        }
      }
      return try await scoped(request, proof, call)
    } catch let fault as Fault {
      let who = request.user.id ?? request.user.name ?? request.credential.id ?? "?"
      log.request(call.requestID).audit(
        "refused a login by \(request.methods.map(\.name).joined(separator: ", ")) of \(who.prefix(64)) "
          + "from \(call.http.remoteAddress): \(fault.status) \(fault.message)")
      throw fault
    }
  }

  // MARK: Methods

  private func provePassword(_ request: LoginRequest, _ proof: inout Proof) async throws {
    let user = books.user(request.user)
    let id = user?.id ?? ""
    let row = try await database.read { try $0.first("SELECT password_hash FROM identity_user WHERE id = \(id)") }
    let isRight = try await hasher.check(request.password, row?.optionalText("password_hash"))
    guard isRight, let user, books.isEnabled(user) else { throw Fault.unauthorized() }
    try proof.prove(user.id)
    proof.methods.append(.password)
  }

  private func proveToken(_ request: LoginRequest, _ proof: inout Proof) throws {
    guard let payload = open(request.token.value), let token = books.resolve(payload, now: clock.now()) else {
      throw Fault.notFound("Could not find token.")
    }
    if token.trust != nil {
      throw Fault.forbidden("A token of a trust cannot be used to make another token.")
    }
    try proof.prove(payload.userID)
    proof.methods.append(.token)
    for method in payload.methods where method != .token { proof.methods.append(method) }
    proof.expiresAt = payload.expiresAt
    proof.auditChain = payload.auditIDs.last
    proof.credential = token.applicationCredential
    proof.boundProjectID = token.applicationCredential?.projectID
  }

  private func proveCredential(_ request: LoginRequest, _ proof: inout Proof) async throws {
    let found: Snapshot.ApplicationCredential?
    if let id = request.credential.id {
      found = books.applicationCredentials[id]
    } else {
      guard let name = request.credential.name else {
        throw Fault.badRequest("Expecting to find name or ID in application credential.")
      }
      let user = books.user(request.credentialUser)
      found = books.applicationCredentials.values.first { $0.name == name && $0.userID == user?.id }
    }
    let id = found?.id ?? ""
    let row = try await database.read {
      try $0.first("SELECT secret_hash FROM identity_application_credential WHERE id = \(id)")
    }
    let isRight = try await hasher.check(request.credentialSecret, row?.optionalText("secret_hash"))
    let now = clock.now()
    guard isRight, let found, found.expiresAt.map({ $0 > now }) ?? true, let user = books.users[found.userID],
      books.isEnabled(user)
    else { throw Fault.unauthorized() }
    try proof.prove(user.id)
    proof.methods.append(.applicationCredential)
    (proof.credential, proof.boundProjectID) = (found, found.projectID)
    if let end = found.expiresAt { proof.expiresAt = min(proof.expiresAt ?? end, end) }
  }

  // MARK: Scope

  private func scoped(_ request: LoginRequest, _ proof: Proof, _ call: Call) async throws -> TokenPayload {
    guard let userID = proof.userID, let user = books.users[userID] else { throw Fault.unauthorized() }
    let now = clock.now()
    var end = now + tokenLifetime
    // Whole seconds, as upstream's tokens end.
    end = Timestamp(seconds: end.seconds)
    if let bound = proof.expiresAt { end = min(end, bound) }
    var payload = TokenPayload(
      userID: userID, scope: .unscoped, methods: proof.methods, issuedAt: now, expiresAt: end,
      auditIDs: [TokenPayload.makeAuditID()] + [proof.auditChain].compactMap { $0 },
      applicationCredentialID: proof.credential?.id)
    if case .trust(let id) = request.scope {
      try await useTrust(id, user, &payload)
    } else {
      payload.scope = try scope(request.scope, user, proof)
    }
    guard let place = payload.scope.place else { return payload }
    guard books.resolve(payload, now: now) != nil else {
      throw Fault.unauthorized("User \(userID) has no access to \(place.kind) \(place.id)")
    }
    return payload
  }

  private func scope(
    _ asked: LoginRequest.Scope, _ user: Snapshot.User, _ proof: Proof
  ) throws -> TokenPayload.Scope {
    let scope: TokenPayload.Scope
    switch asked {
    case .unscoped: scope = .unscoped
    case .system: scope = .system
    case .project(let reference):
      guard let project = books.project(reference), books.isEnabled(project) else { throw Fault.unauthorized() }
      scope = .project(project.id)
    case .domain(let reference):
      guard let domain = books.domain(id: reference.id, name: reference.name), domain.isEnabled else {
        throw Fault.unauthorized()
      }
      scope = .domain(domain.id)
    case .automatic:
      if let id = proof.boundProjectID { return .project(id) }
      guard let id = user.defaultProjectID, let project = books.projects[id], books.isEnabled(project),
        !books.global(books.roleIDs(of: user.id, at: .project(id))).isEmpty
      else { return .unscoped }
      return .project(id)
    case .trust: scope = .unscoped
    }
    // What an application credential allows does not grow by making another token from its own.
    if let id = proof.boundProjectID, scope != .project(id) {
      throw Fault.unauthorized("Application credentials cannot request a scope.")
    }
    return scope
  }

  /// Scopes a token to a trust, and counts its use.
  private func useTrust(_ id: String, _ user: Snapshot.User, _ payload: inout TokenPayload) async throws {
    guard let trust = books.trusts[id] else { throw Fault.notFound("Could not find trust: \(id.prefix(64)).") }
    guard payload.applicationCredentialID == nil else {
      throw Fault.forbidden("An application credential cannot use a trust.")
    }
    guard trust.trusteeID == user.id else { throw Fault.forbidden("User is not a trustee.") }
    guard let trustor = books.users[trust.trustorID], books.isEnabled(trustor) else {
      throw Fault.forbidden("Trustor is disabled.")
    }
    (payload.trustID, payload.scope) = (id, trust.projectID.map { .project($0) } ?? .unscoped)
    if let end = trust.expiresAt { payload.expiresAt = min(payload.expiresAt, end) }
    guard books.resolve(payload, now: clock.now()) != nil else {
      throw Fault.forbidden("Trust \(id) is not in force: it has ended, or its trustor lost a role or the project.")
    }
    try await change { change in
      let used = try change.tx.execute(
        """
        UPDATE identity_trust SET remaining_uses = remaining_uses - 1
        WHERE id = \(id) AND deleted_at IS NULL AND (remaining_uses IS NULL OR remaining_uses > 0)
        """)
      guard used == 1 else { throw Fault.forbidden("No remaining uses for trust: \(id)") }
    }
  }
}

extension TokenPayload.Scope {
  /// Where roles count; nil when unscoped.
  var place: Place? {
    switch self {
    case .unscoped: nil
    case .project(let id): .project(id)
    case .domain(let id): .domain(id)
    case .system: .system
    }
  }
}
