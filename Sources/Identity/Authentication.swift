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
        case .totp: try await provePasscode(request, &proof)
        case .ec2Credential: throw Fault.unauthorized()
        }
      }
      try checkRules(&proof, call)
      return try await scoped(request, proof, call)
    } catch let fault as Fault {
      let user = request.methods.contains(.totp) && request.user.id == nil ? request.totpUser : request.user
      let who = user.id ?? user.name ?? request.credential.id ?? "?"
      log.request(call.requestID).audit(
        "refused a login by \(request.methods.map(\.name).joined(separator: ", ")) of \(who.prefix(64)) "
          + "from \(call.http.remoteAddress): \(fault.status) \(fault.message)")
      throw fault
    }
  }

  // MARK: Methods

  private func provePassword(_ request: LoginRequest, _ proof: inout Proof) async throws {
    let user = books.user(request.user)
    _ = try await checkPassword(request.password, of: user, allowsExpired: false)
    try proof.prove(user?.id ?? "")
    proof.methods.append(.password)
  }

  /// Throws 401 for a wrong password, a locked or disabled account and, unless it may be, an ended password. It costs a
  /// hash whatever is wrong, also for a user that there is none of.
  func checkPassword(
    _ given: Secret, of user: Snapshot.User?, allowsExpired: Bool
  ) async throws -> PasswordRecord {
    guard settings.compliance.lockoutFailureAttempts > 0, let user else {
      return try await checkOnce(given, of: user, allowsExpired: allowsExpired)
    }
    return try await gate.pass(user.id) { try await checkOnce(given, of: user, allowsExpired: allowsExpired) }
  }

  private func checkOnce(
    _ given: Secret, of user: Snapshot.User?, allowsExpired: Bool
  ) async throws -> PasswordRecord {
    let id = user?.id ?? ""
    let record = try await database.read { try PasswordStore.find(id, tx: $0) }
    let isRight = try await hasher.check(given, record?.hash)
    guard let user, let record else {
      try await countFailure(nil)
      throw Fault.unauthorized()
    }
    try checkLock(record, id)
    guard isRight else {
      try await countFailure(id)
      throw Fault.unauthorized()
    }
    guard books.isEnabled(user) else { throw Fault.unauthorized() }
    if !allowsExpired, record.isExpired(clock.now()) {
      throw Fault.unauthorized("The password is expired and needs to be changed for user: \(id).")
    }
    if record.failures > 0 { try await change { try PasswordStore.forgetFailures(id, $0) } }
    return record
  }

  private func checkLock(_ record: PasswordRecord, _ id: String) throws(Fault) {
    let isLocked = settings.compliance.isLocked(
      failures: record.failures, last: record.failedAt, options: record.options, now: clock.now())
    if isLocked { throw Fault.unauthorized("The account is locked for user: \(id).") }
  }

  /// nil: of a user that there is none of.
  private func countFailure(_ id: String?) async throws {
    let limit = settings.compliance.lockoutFailureAttempts
    guard limit > 0 else { return }
    try await change { [self] change in
      guard let id else { return try PasswordStore.countUnknown(change) }
      let record = try PasswordStore.find(id, tx: change.tx)
      // A lock that has ended begins anew.
      if (record?.failures ?? 0) >= limit { try PasswordStore.forgetFailures(id, change) }
      try PasswordStore.countFailure(id, change)
      if (record?.failures ?? 0) + 1 == limit { audit(nil, "locked the account of user \(id)", change.tx) }
    }
  }

  /// A one-time password: of one of the user's credentials of the type `totp`. A wrong one counts as a wrong password.
  private func provePasscode(_ request: LoginRequest, _ proof: inout Proof) async throws {
    let user = books.user(request.totpUser)
    let id = user?.id ?? ""
    let fits = try await gate.pass(id) { try await checkPasscode(request.passcode, of: id) }
    guard fits, let user, books.isEnabled(user) else { throw Fault.unauthorized() }
    try proof.prove(id)
    proof.methods.append(.totp)
  }

  private func checkPasscode(_ passcode: Secret, of id: String) async throws -> Bool {
    let (record, texts) = try await database.read { [self] tx -> (PasswordRecord?, [String]) in
      let rows = try tx.query("SELECT * FROM identity_credential WHERE user_id = \(id) AND type = 'totp'")
      let values = rows.map { credentialEntity.values($0, secrets) }
      return (try PasswordStore.find(id, tx: tx), values.compactMap { $0["blob"]?.string })
    }
    if let record { try checkLock(record, id) }
    let now = clock.now()
    let fits = texts.reduce(false) { OneTimePassword.fits(passcode.value, secret: $1, now: now) || $0 }
    if !fits { try await countFailure(record == nil ? nil : id) }
    return fits
  }

  /// Throws a receipt for the methods so far when the user's rules ask for more.
  private func checkRules(_ proof: inout Proof, _ call: Call) throws {
    guard let id = proof.userID, let user = books.users[id] else { throw Fault.unauthorized() }
    if let text = call.http.headers[AuthReceipt.header] {
      guard let receipt = openReceipt(text), receipt.userID == id else {
        throw Fault.unauthorized("Could not find auth receipt.")
      }
      for method in receipt.methods where !proof.methods.contains(method) { proof.methods.append(method) }
    }
    guard AuthReceipt.satisfies(proof.methods, user.mfaRules) else {
      log.request(call.requestID).audit(
        "user \(user.name) (\(id)) has to log in by more than \(proof.methods.map(\.name).joined(separator: ", ")) "
          + "from \(call.http.remoteAddress)")
      throw AuthReceipt(userID: id, methods: proof.methods, now: clock.now(), required: user.mfaRules)
    }
  }

  private func proveToken(_ request: LoginRequest, _ proof: inout Proof) throws {
    guard let payload = open(request.token.value), let token = books.resolve(payload, now: clock.now()) else {
      throw Fault.notFound("Could not find token.")
    }
    if payload.methods.contains(.ec2Credential) {
      throw Fault.forbidden("A token of an EC2 credential cannot be used to make another token.")
    }
    if token.trust != nil {
      throw Fault.forbidden("A token of a trust cannot be used to make another token.")
    }
    try proof.prove(payload.userID)
    proof.methods.append(.token)
    for method in payload.methods where !proof.methods.contains(method) { proof.methods.append(method) }
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
