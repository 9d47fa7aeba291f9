import Kit
import Store

/// A part of the snapshot that a write has touched.
enum SnapshotPart: Hashable, Sendable {
  case user(String)
  case project(String)
  case assignments(Actor)
  case membership(userID: String)
  case trust(String)
  case applicationCredential(String)
  case roles
  case groups
  case catalog
  case revocations
  case everything
}

/// Reads parts of the snapshot from the rows.
enum SnapshotStore {
  typealias Update = @Sendable (inout Snapshot) -> Void

  /// Reads what has changed, inside the transaction that changed it; the result brings the snapshot up to date.
  static func read(_ parts: [SnapshotPart], tx: any Transaction) throws -> Update {
    if parts.contains(.everything) { return try readAll(tx) }
    var seen: Set<SnapshotPart> = []
    let updates = try parts.filter { seen.insert($0).inserted }.map { try read($0, tx) }
    return { snapshot in for update in updates { update(&snapshot) } }
  }

  private static func readAll(_ tx: any Transaction) throws -> Update {
    let users = try tx.query("SELECT * FROM identity_user").map(user)
    let projects = try tx.query("SELECT * FROM identity_project").map(project)
    var ids = SharedTexts()
    let assignments = try tx.query("SELECT * FROM identity_assignment").map { ids.share(assignment($0)) }
    let groups = try tx.query("SELECT * FROM identity_membership").map { ($0.text("user_id"), $0.text("group_id")) }
    let trusts = try tx.query("SELECT * FROM identity_trust WHERE deleted_at IS NULL").map(trust)
    let credentials = try tx.query("SELECT * FROM identity_application_credential").map(credential)
    let tables = try [SnapshotPart.roles, .groups, .catalog, .revocations].map { try read($0, tx) }
    return { snapshot in
      snapshot.set(users: users, projects: projects)
      snapshot.assignments = Dictionary(grouping: assignments, by: \.actor)
      snapshot.groups = Dictionary(grouping: groups, by: \.0).mapValues { $0.map(\.1) }
      snapshot.trusts = Dictionary(trusts.map { ($0.id, $0) }) { first, _ in first }
      snapshot.applicationCredentials = Dictionary(credentials.map { ($0.id, $0) }) { first, _ in first }
      for update in tables { update(&snapshot) }
    }
  }

  private static func read(_ part: SnapshotPart, _ tx: any Transaction) throws -> Update {
    switch part {
    case .user(let id):
      let found = try tx.first("SELECT * FROM identity_user WHERE id = \(id)").map(user)
      return { $0.set(found, id: id) }
    case .project(let id):
      let found = try tx.first("SELECT * FROM identity_project WHERE id = \(id)").map(project)
      return { $0.set(found, id: id) }
    case .assignments(let actor):
      let found = try tx.query(
        "SELECT * FROM identity_assignment WHERE actor_kind = \(actor.kind) AND actor_id = \(actor.id)"
      ).map(assignment)
      return { $0.assignments[actor] = found.isEmpty ? nil : found }
    case .membership(let id):
      let found = try tx.query("SELECT group_id FROM identity_membership WHERE user_id = \(id)").map {
        $0.text("group_id")
      }
      return { $0.groups[id] = found.isEmpty ? nil : found }
    case .trust(let id):
      let found = try tx.first("SELECT * FROM identity_trust WHERE id = \(id) AND deleted_at IS NULL").map(trust)
      return { $0.trusts[id] = found }
    case .applicationCredential(let id):
      let found = try tx.first("SELECT * FROM identity_application_credential WHERE id = \(id)").map(credential)
      return { $0.applicationCredentials[id] = found }
    case .roles: return try readRoles(tx)
    case .groups:
      let found = try tx.query("SELECT id, name, domain_id FROM identity_group").map {
        ($0.text("id"), AuthContext.Named(id: $0.text("domain_id"), name: $0.text("name")))
      }
      return { $0.groupDomains = Dictionary(found) { first, _ in first } }
    case .catalog: return try readCatalog(tx)
    case .revocations: return try readRevocations(tx)
    case .everything: return try readAll(tx)
    }
  }

  private static func readRoles(_ tx: any Transaction) throws -> Update {
    let roles = try tx.query("SELECT id, name, domain_id FROM identity_role").map {
      Snapshot.Role(id: $0.text("id"), name: $0.text("name"), domainID: $0.text("domain_id"))
    }
    let rules = try tx.query("SELECT * FROM identity_implication ORDER BY prior_id, implied_id").map {
      ($0.text("prior_id"), $0.text("implied_id"))
    }
    return { snapshot in
      snapshot.roles = Dictionary(roles.map { ($0.id, $0) }) { first, _ in first }
      snapshot.implied = Dictionary(grouping: rules, by: \.0).mapValues { $0.map(\.1) }
    }
  }

  private static func readCatalog(_ tx: any Transaction) throws -> Update {
    let endpoints = Dictionary(
      grouping: try tx.query("SELECT * FROM identity_endpoint WHERE enabled = 1 ORDER BY id"),
      by: { $0.text("service_id") })
    let services = try tx.query("SELECT * FROM identity_service WHERE enabled = 1 ORDER BY type, id").map { row in
      Snapshot.Service(
        id: row.text("id"), type: row.text("type"), name: row.text("name"),
        endpoints: (endpoints[row.text("id")] ?? []).map {
          Snapshot.Endpoint(
            id: $0.text("id"), interface: $0.text("interface"), regionID: $0.optionalText("region_id"),
            url: $0.text("url"))
        })
    }
    let filters = try EndpointGroup.filters(tx)
    let providers = try tx.query("SELECT * FROM identity_service_provider WHERE enabled = 1 ORDER BY id").map {
      JSONValue.object([
        "id": .string($0.text("id")), "auth_url": .string($0.text("auth_url")), "sp_url": .string($0.text("sp_url")),
      ])
    }
    return { ($0.catalog, $0.endpointFilters, $0.serviceProviders) = (services, filters, providers) }
  }

  private static func readRevocations(_ tx: any Transaction) throws -> Update {
    var found = Revocations()
    for row in try tx.query("SELECT * FROM identity_revocation") {
      let (subject, time) = (row.text("subject"), row.timestamp("issued_before"))
      switch RevocationKind(rawValue: row.text("kind")) {
      case .token: found.auditIDs.insert(subject)
      case .user: found.users[subject] = time
      case .project: found.projects[subject] = time
      case .domain: found.domains[subject] = time
      case .grant: found.grants[subject] = time
      case nil: break
      }
    }
    return { [found] in $0.revocations = found }
  }

  // MARK: Rows

  private static func user(_ row: Row) -> Snapshot.User {
    let text = row.text("options")
    // Most users have none: nothing to read then.
    let options = text.isEmpty || text == "{}" ? JSONValue.null : row.json("options")
    let ignores = UserOption.isSet(.ignoreExpiry, options)
    return Snapshot.User(
      id: row.text("id"), name: row.text("name"), domainID: row.text("domain_id"), isEnabled: row.bool("enabled"),
      defaultProjectID: row.optionalText("default_project_id"),
      passwordExpiresAt: ignores ? nil : row.optionalTimestamp("password_expires_at"),
      mfaRules: UserOption.rules(options))
  }
  private static func project(_ row: Row) -> Snapshot.Project {
    Snapshot.Project(
      id: row.text("id"), name: row.text("name"), domainID: row.text("domain_id"), parentID: row.text("parent_id"),
      isDomain: row.bool("is_domain"), isEnabled: row.bool("enabled"))
  }
  private static func assignment(_ row: Row) -> Assignment {
    let (actorID, placeID) = (row.text("actor_id"), row.text("place_id"))
    let place: Place =
      switch row.text("place_kind") {
      case "project": .project(placeID)
      case "domain": .domain(placeID)
      default: .system
      }
    return Assignment(
      actor: row.text("actor_kind") == "user" ? .user(actorID) : .group(actorID), place: place,
      roleID: row.text("role_id"), isInherited: row.bool("inherited"))
  }
  /// Ids that occur often, each kept once: a hundred thousand assignments name few roles and places.
  private struct SharedTexts {
    private var known: Set<String> = []
    private mutating func share(_ text: String) -> String { known.insert(text).memberAfterInsert }

    mutating func share(_ given: Assignment) -> Assignment {
      var result = given
      result.roleID = share(given.roleID)
      switch given.actor {
      case .user(let id): result.actor = .user(share(id))
      case .group(let id): result.actor = .group(share(id))
      }
      switch given.place {
      case .project(let id): result.place = .project(share(id))
      case .domain(let id): result.place = .domain(share(id))
      case .system: break
      }
      return result
    }
  }

  static func strings(_ value: JSONValue) -> [String] { (value.array ?? []).compactMap(\.string) }
  private static func trust(_ row: Row) -> Snapshot.Trust {
    Snapshot.Trust(
      id: row.text("id"), trustorID: row.text("trustor_user_id"), trusteeID: row.text("trustee_user_id"),
      projectID: row.optionalText("project_id"), isImpersonating: row.bool("impersonation"),
      expiresAt: row.optionalTimestamp("expires_at"), roleIDs: strings(row.json("roles")),
      redelegationCount: row.int("redelegation_count"))
  }
  private static func credential(_ row: Row) -> Snapshot.ApplicationCredential {
    Snapshot.ApplicationCredential(
      id: row.text("id"), name: row.text("name"), userID: row.text("user_id"), projectID: row.text("project_id"),
      expiresAt: row.optionalTimestamp("expires_at"), roleIDs: strings(row.json("roles")),
      isUnrestricted: row.bool("unrestricted"),
      accessRules: (row.json("access_rules").array ?? []).map {
        AccessRule(
          service: $0["service"]?.string ?? "", method: $0["method"]?.string ?? "", path: $0["path"]?.string ?? "")
      })
  }
}
