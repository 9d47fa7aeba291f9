import Kit

extension IdentityService {
  /// Where a user would have a token for, by id or name.
  public enum PersonaScope: Sendable {
    /// The user's default project, else the only one there is a role in.
    case automatic
    case project(String)
    case domain(String)
    case system
  }

  /// Who the services would see if the user had a token of that scope now: for explanations, there is no token. Throws 404
  /// for a user or scope that there is none of, 403 where the user has no role.
  public func persona(user name: String, domain: String, scope: PersonaScope) throws(Fault) -> AuthContext {
    let books = books
    let home = books.domain(id: domain, name: nil) ?? books.domain(id: nil, name: domain)
    let named = books.user(LoginRequest.Reference(name: name, domainID: home?.id))
    guard let user = books.users[name] ?? named else {
      throw Fault.notFound("There is no user '\(name)' in the domain '\(domain)'.")
    }
    let wanted = try place(scope, user, books)
    let now = clock.now()
    let payload = TokenPayload(
      userID: user.id, scope: wanted, methods: [.password], issuedAt: now, expiresAt: now + tokenLifetime, auditIDs: [])
    guard let token = books.resolve(payload, now: now) else {
      let place = wanted.place.map { "\($0.kind) \($0.id)" } ?? "no scope"
      throw Fault.forbidden("User \(user.name) is disabled or has no role on \(place).")
    }
    return books.context(token, text: "")
  }

  private func place(
    _ scope: PersonaScope, _ user: Snapshot.User, _ books: Snapshot
  ) throws(Fault) -> TokenPayload.Scope {
    switch scope {
    case .system: return .system
    case .domain(let name):
      guard let domain = books.domain(id: name, name: nil) ?? books.domain(id: nil, name: name) else {
        throw Fault.notFound("There is no domain '\(name)'.")
      }
      return .domain(domain.id)
    case .project(let name):
      if let project = books.projects[name] { return .project(project.id) }
      let found = books.projects.values.filter { $0.name == name && !$0.isDomain }
      guard found.count == 1, let project = found.first else {
        throw Fault.notFound("There are \(found.count) projects named '\(name)': give the id.")
      }
      return .project(project.id)
    case .automatic:
      if let id = user.defaultProjectID, books.projects[id] != nil { return .project(id) }
      let places = books.places(of: user.id, isDomain: false)
      guard places.count == 1, let only = places.first else {
        throw Fault.badRequest("User \(user.name) has roles in \(places.count) projects: name a scope.")
      }
      return .project(only.id)
    }
  }
}
