import Kit

/// Who a role is given to.
enum Actor: Hashable, Sendable {
  case user(String)
  case group(String)
  var id: String {
    switch self {
    case .user(let id), .group(let id): id
    }
  }
  /// `user` or `group`, as columns and paths write it.
  var kind: String { if case .user = self { "user" } else { "group" } }
}

/// Where a role is given.
enum Place: Hashable, Sendable {
  case project(String)
  case domain(String)
  case system
  var id: String {
    switch self {
    case .project(let id), .domain(let id): id
    case .system: "all"
    }
  }
  /// `project`, `domain` or `system`, as columns and paths write it.
  var kind: String {
    switch self {
    case .project: "project"
    case .domain: "domain"
    case .system: "system"
    }
  }
}

/// A role given to an actor at a place; an inherited one counts for the projects below it, not for the place itself.
struct Assignment: Hashable, Sendable {
  var actor: Actor
  var place: Place
  var roleID: String
  var isInherited: Bool
}

/// What verifying tokens needs of the books, in memory. It changes with every committed write (`SnapshotStore`).
struct Snapshot: Sendable {
  struct User: Sendable {
    var id: String
    var name: String
    var domainID: String
    var isEnabled: Bool
    var defaultProjectID: String?
    /// When its password ends, if it does.
    var passwordExpiresAt: Timestamp?
    /// Sets of methods of which one has to succeed at a login; empty: any will do.
    var mfaRules: [[String]] = []
  }
  /// A project, or a domain: a domain is a project without parent.
  struct Project: Sendable {
    var id: String
    var name: String
    /// Empty for a domain.
    var domainID: String
    var parentID: String
    var isDomain: Bool
    var isEnabled: Bool
    var named: AuthContext.Named { AuthContext.Named(id: id, name: name) }
  }
  struct Role: Sendable {
    var id: String
    var name: String
    /// Empty for a role of the whole cloud.
    var domainID: String
  }
  struct Trust: Sendable {
    var id: String
    var trustorID: String
    var trusteeID: String
    var projectID: String?
    var isImpersonating: Bool
    var expiresAt: Timestamp?
    var roleIDs: [String]
    /// How often it may be passed on.
    var redelegationCount: Int
  }
  struct ApplicationCredential: Sendable {
    var id: String
    var name: String
    var userID: String
    var projectID: String
    var expiresAt: Timestamp?
    var roleIDs: [String]
    var isUnrestricted: Bool
    var accessRules: [AccessRule]
  }
  struct Service: Sendable {
    var id: String
    var type: String
    var name: String
    var endpoints: [Endpoint]
  }
  struct Endpoint: Sendable {
    var id: String
    var interface: String
    var regionID: String?
    var url: String
  }

  /// A name inside a domain.
  struct NameKey: Hashable, Sendable {
    var domainID: String
    var name: String
  }

  /// Raised by every change.
  var generation = 0
  private(set) var users: [String: User] = [:]
  private(set) var projects: [String: Project] = [:]
  private(set) var userIDs: [NameKey: String] = [:]
  private(set) var projectIDs: [NameKey: String] = [:]
  var roles: [String: Role] = [:]
  /// Roles that a role implies directly.
  var implied: [String: [String]] = [:]
  var assignments: [Actor: [Assignment]] = [:]
  /// Groups of a user.
  var groups: [String: [String]] = [:]
  var groupDomains: [String: AuthContext.Named] = [:]
  var trusts: [String: Trust] = [:]
  var applicationCredentials: [String: ApplicationCredential] = [:]
  var catalog: [Service] = []
  /// Endpoints by project, where a project has been given some (`EndpointGroup.filters`).
  var endpointFilters: [String: Set<String>] = [:]
  /// The enabled service providers, as tokens show them.
  var serviceProviders: [JSONValue] = []
  var revocations = Revocations()

  /// Puts a user in, or takes it out.
  mutating func set(_ user: User?, id: String) {
    if let old = users[id] { userIDs[NameKey(domainID: old.domainID, name: old.name)] = nil }
    users[id] = user
    if let user { userIDs[NameKey(domainID: user.domainID, name: user.name)] = id }
  }
  /// Puts a project or domain in, or takes it out.
  mutating func set(_ project: Project?, id: String) {
    if let old = projects[id] { projectIDs[NameKey(domainID: old.domainID, name: old.name)] = nil }
    projects[id] = project
    if let project { projectIDs[NameKey(domainID: project.domainID, name: project.name)] = id }
  }
  /// Replaces all users, projects and domains.
  mutating func set(users all: [User], projects allProjects: [Project]) {
    (users, projects, userIDs, projectIDs) = ([:], [:], [:], [:])
    for user in all { set(user, id: user.id) }
    for project in allProjects { set(project, id: project.id) }
  }

  func domain(_ id: String) -> Project? { projects[id].flatMap { $0.isDomain ? $0 : nil } }
  func isEnabled(_ project: Project) -> Bool {
    project.isEnabled && (project.isDomain || projects[project.domainID]?.isEnabled == true)
  }
  func isEnabled(_ user: User) -> Bool { user.isEnabled && projects[user.domainID]?.isEnabled == true }

  /// The project's ancestors, nearest first, its domain last.
  func ancestors(of project: Project) -> [Project] {
    var result: [Project] = []
    var next = project
    while !next.isDomain, let parent = projects[next.parentID], result.count < 64 {
      result.append(parent)
      next = parent
    }
    return result
  }

  /// The roles and all that they imply, each once, given ones first.
  func expanded(_ given: [String]) -> [String] {
    var result: [String] = []
    var seen: Set<String> = []
    var queue = given
    var at = 0
    while at < queue.count {
      let role = queue[at]
      at += 1
      guard seen.insert(role).inserted else { continue }
      result.append(role)
      queue += implied[role] ?? []
    }
    return result
  }

  /// Ids of the roles that a user has at a place: own ones, those of its groups, inherited and implied ones.
  func roleIDs(of userID: String, at place: Place) -> [String] {
    var above: Set<Place> = []
    if case .project(let id) = place, let project = projects[id] {
      above = Set(ancestors(of: project).map { $0.isDomain ? .domain($0.id) : .project($0.id) })
    }
    let actors = [Actor.user(userID)] + (groups[userID] ?? []).map { Actor.group($0) }
    var given: [String] = []
    for actor in actors {
      for assignment in assignments[actor] ?? [] {
        if assignment.isInherited ? above.contains(assignment.place) : assignment.place == place {
          given.append(assignment.roleID)
        }
      }
    }
    return expanded(given)
  }

  /// Roles that appear in tokens: a domain's own roles only stand for what they imply.
  func global(_ roleIDs: [String]) -> [Role] { roleIDs.compactMap { roles[$0] }.filter { $0.domainID.isEmpty } }

  /// Every project (`isDomain` false) or domain at which the user has a role.
  func places(of userID: String, isDomain: Bool) -> [Project] {
    let actors = [Actor.user(userID)] + (groups[userID] ?? []).map { Actor.group($0) }
    var direct: Set<String> = []
    var above: Set<String> = []
    for assignment in actors.flatMap({ assignments[$0] ?? [] }) {
      switch assignment.place {
      case .project(let id), .domain(let id):
        if assignment.isInherited { above.insert(id) } else { direct.insert(id) }
      case .system: break
      }
    }
    if isDomain { return direct.compactMap { domain($0) } }
    if above.isEmpty { return direct.compactMap { projects[$0] }.filter { !$0.isDomain } }
    return projects.values.filter { project in
      !project.isDomain && (direct.contains(project.id) || ancestors(of: project).contains { above.contains($0.id) })
    }
  }
}

/// Tokens that count no more although they have not expired. A subject's time: tokens issued until then are revoked.
struct Revocations: Sendable {
  var auditIDs: Set<String> = []
  var users: [String: Timestamp] = [:]
  var projects: [String: Timestamp] = [:]
  var domains: [String: Timestamp] = [:]
  /// By user and place, written `user/place`.
  var grants: [String: Timestamp] = [:]
  /// Everything is empty in a young cloud: then nothing has to be asked.
  var isEmpty: Bool {
    auditIDs.isEmpty && users.isEmpty && projects.isEmpty && domains.isEmpty && grants.isEmpty
  }

  /// Whether a token of these users, place and domains is revoked.
  func covers(_ token: TokenPayload, userIDs: [String], place: Place?, domainIDs: [String]) -> Bool {
    if isEmpty { return false }
    if token.auditIDs.first.map({ auditIDs.contains($0) }) == true { return true }
    func isOld(_ time: Timestamp?) -> Bool { time.map { token.issuedAt <= $0 } ?? false }
    if userIDs.contains(where: { isOld(users[$0]) }) || domainIDs.contains(where: { isOld(domains[$0]) }) {
      return true
    }
    guard let place else { return false }
    if case .project(let id) = place, isOld(projects[id]) { return true }
    return userIDs.contains { isOld(grants["\($0)/\(place.id)"]) }
  }
}
