import Kit

/// A token with everything that it refers to, found in the snapshot and in force.
struct ResolvedToken: Sendable {
  var payload: TokenPayload
  /// Who acts: the trustor under an impersonating trust, else who logged in.
  var user: Snapshot.User
  var userDomain: Snapshot.Project
  /// The place of a scoped token.
  var place: Place?
  /// The project or domain of the scope.
  var project: Snapshot.Project?
  /// The project's domain.
  var projectDomain: Snapshot.Project?
  var domain: Snapshot.Project?
  var roles: [Snapshot.Role] = []
  var trust: Snapshot.Trust?
  var applicationCredential: Snapshot.ApplicationCredential?
}

extension Snapshot {
  /// nil when the token is expired (by more than `grace`), revoked, or of something that is gone or disabled, or when no
  /// role is left at its scope.
  func resolve(_ payload: TokenPayload, now: Timestamp, grace: Duration = .zero) -> ResolvedToken? {
    guard payload.expiresAt + grace > now, let holder = users[payload.userID], isEnabled(holder) else { return nil }
    var actor = holder
    var trust: Trust?
    var credential: ApplicationCredential?
    if let id = payload.trustID {
      guard let found = trusts[id], found.expiresAt.map({ $0 > now }) ?? true, let trustor = users[found.trustorID],
        isEnabled(trustor)
      else { return nil }
      trust = found
      if found.isImpersonating { actor = trustor }
    }
    if let id = payload.applicationCredentialID {
      guard let found = applicationCredentials[id], found.expiresAt.map({ $0 > now }) ?? true else { return nil }
      credential = found
    }
    guard let userDomain = domain(actor.domainID) else { return nil }
    var token = ResolvedToken(
      payload: payload, user: actor, userDomain: userDomain, trust: trust, applicationCredential: credential)
    guard place(payload.scope, &token) else { return nil }
    let place = token.place
    var userIDs = [holder.id]
    if let trust { userIDs.append(trust.trustorID) }
    let domainIDs = [holder.domainID, actor.domainID, token.projectDomain?.id ?? token.domain?.id ?? ""]
    guard !revocations.covers(payload, userIDs: userIDs, place: place, domainIDs: domainIDs) else { return nil }
    if let place {
      token.roles = global(roleIDs(of: trust?.trustorID ?? holder.id, at: place, trust: trust, credential: credential))
      if token.roles.isEmpty { return nil }
    }
    return token
  }

  /// Fills in the scope; false when it is gone or disabled.
  private func place(_ scope: TokenPayload.Scope, _ token: inout ResolvedToken) -> Bool {
    switch scope {
    case .unscoped: return true
    case .system: token.place = .system
    case .project(let id):
      guard let project = projects[id], isEnabled(project) else { return false }
      (token.place, token.project) = (.project(id), project)
      token.projectDomain = project.isDomain ? project : domain(project.domainID)
    case .domain(let id):
      guard let domain = domain(id), domain.isEnabled else { return false }
      (token.place, token.domain) = (.domain(id), domain)
    }
    return true
  }

  /// Ids of the roles at a place, within what a delegation allows.
  private func roleIDs(
    of userID: String, at place: Place, trust: Trust?, credential: ApplicationCredential?
  ) -> [String] {
    let held = roleIDs(of: userID, at: place)
    guard trust != nil || credential != nil else { return held }
    let heldSet = Set(held)
    var allowed = heldSet
    if let trust {
      // A trust stands for all of its roles: when the trustor has lost one, it counts no more.
      guard trust.roleIDs.allSatisfy({ heldSet.contains($0) }) else { return [] }
      allowed.formIntersection(expanded(trust.roleIDs))
    }
    if let credential { allowed.formIntersection(expanded(credential.roleIDs)) }
    return held.filter { allowed.contains($0) }
  }

  /// Who asks, as the services see it.
  func context(_ token: ResolvedToken, text: String) -> AuthContext {
    var context = AuthContext(
      user: AuthContext.Named(id: token.user.id, name: token.user.name), userDomain: token.userDomain.named,
      project: token.project?.named, projectDomain: token.projectDomain?.named, domain: token.domain?.named,
      isSystemScoped: token.place == .system, roles: Set(token.roles.map(\.name)), tokenID: Secret(text),
      expiresAt: token.payload.expiresAt)
    context.accessRules = token.applicationCredential.flatMap { $0.accessRules.isEmpty ? nil : $0.accessRules }
    return context
  }
}
