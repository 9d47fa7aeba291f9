import API
import Kit
import Store

/// A grant's route: whom, where, and whether it is inherited by the projects below.
private struct GrantPath: Sendable {
  let actorKind: String
  let placeKind: String
  let isInherited: Bool

  /// `/v3/projects/{project_id}/users/{user_id}/roles`
  var list: String {
    let place = placeKind == "system" ? "/system" : "/\(placeKind)s/{\(placeKind)_id}"
    return "/v3" + (isInherited ? "/OS-INHERIT" : "") + place + "/\(actorKind)s/{\(actorKind)_id}/roles"
  }

  func actor(_ call: Call) -> Actor {
    let id = call.parameter(actorKind + "_id")
    return actorKind == "user" ? .user(id) : .group(id)
  }
  func place(_ call: Call) -> Place {
    switch placeKind {
    case "project": .project(call.parameter("project_id"))
    case "domain": .domain(call.parameter("domain_id"))
    default: .system
    }
  }
  func assignment(_ call: Call) -> Assignment {
    Assignment(
      actor: actor(call), place: place(call), roleID: call.parameter("role_id"), isInherited: isInherited)
  }
}

extension IdentityService {
  /// Role assignments one by one (API reference, Roles: Assign, check, list, unassign).
  var grantRoutes: [Route] {
    var routes: [Route] = []
    for placeKind in ["project", "domain", "system"] {
      for actorKind in ["user", "group"] {
        for isInherited in placeKind == "system" ? [false] : [false, true] {
          routes += grantRoutes(GrantPath(actorKind: actorKind, placeKind: placeKind, isInherited: isInherited))
        }
      }
    }
    let assignments = TargetPolicy.domainReader("list_role_assignments")
    return routes + [
      Route("GET", "/v3/role_assignments", assignments.route) { [self] in try await listAssignments($0, assignments) }
    ]
  }

  private func grantRoutes(_ path: GrantPath) -> [Route] {
    let isSystem = path.placeKind == "system"
    func name(_ verb: String, _ noun: String) -> String {
      isSystem ? "\(verb)_system_\(noun)_for_\(path.actorKind)" : "\(verb)_\(noun)"
    }
    func read(_ name: String) -> TargetPolicy {
      isSystem ? .systemReader(name) : .domainReader(name)
    }
    func write(_ name: String) -> TargetPolicy {
      isSystem ? .admin(name) : TargetPolicy(name, .admin, [.managedGrant])
    }
    let end = path.isInherited ? "/inherited_to_projects" : ""
    let one = path.list + "/{role_id}" + end
    let (list, check) = (read(name("list", "grants")), read(name("check", "grant")))
    let (create, revoke) = (write(name("create", "grant")), write(name("revoke", "grant")))
    return [
      Route("GET", path.list + end, list.route) { [self] in try await listGrants($0, path, list) },
      Route("GET", one, check.route) { [self] in try await checkGrant($0, path, check) },
      Route("PUT", one, create.route) { [self] in try await createGrant($0, path, create) },
      Route("DELETE", one, revoke.route) { [self] in try await revokeGrant($0, path, revoke) },
    ]
  }

  /// Checks that what a grant names exists and that the caller may; 403 and 404 as upstream orders them. A grant of an
  /// actor that is gone can still be revoked.
  private func allow(_ call: Call, _ path: GrantPath, _ policy: TargetPolicy, needsActor: Bool = true) throws {
    let (books, grant) = (books, path.assignment(call))
    var missing: Fault?
    var target = PolicyTarget()
    func look(_ title: String, _ id: String, _ domainID: String?, isNeeded: Bool = true) {
      if domainID == nil, isNeeded { missing = missing ?? .notFound("Could not find \(title): \(id.prefix(64)).") }
      target.domainIDs.append(domainID)
    }
    if call.parameters["role_id"] != nil {
      let role = books.roles[grant.roleID]
      if role == nil { missing = .notFound("Could not find role: \(grant.roleID.prefix(64)).") }
      target.roleName = role?.name
      if let domain = role?.domainID, !domain.isEmpty { target.domainIDs.append(domain) }
    }
    switch grant.actor {
    case .user(let id): look("user", id, books.users[id]?.domainID, isNeeded: needsActor)
    case .group(let id): look("group", id, books.groupDomains[id]?.id, isNeeded: needsActor)
    }
    switch grant.place {
    case .project(let id): look("project", id, books.projects[id].map { $0.isDomain ? $0.id : $0.domainID })
    case .domain(let id): look("domain", id, books.domain(id)?.id)
    case .system: break
    }
    target.attributes = attributes(grant)
    try policy.check(try call.auth, missing == nil ? target : nil)
    if let missing { throw missing }
  }

  /// By upstream's keys, for rules that replace the defaults.
  private func attributes(_ grant: Assignment) -> [String: String] {
    var values: [String: String] = [:]
    switch grant.actor {
    case .user(let id): values["target.user.domain_id"] = books.users[id]?.domainID
    case .group(let id): values["target.group.domain_id"] = books.groupDomains[id]?.id
    }
    switch grant.place {
    case .project(let id): values["target.project.domain_id"] = books.projects[id]?.domainID
    case .domain(let id): values["target.domain.id"] = id
    case .system: break
    }
    values["target.role.domain_id"] = books.roles[grant.roleID]?.domainID
    return values
  }

  /// A domain's own role can be given only inside that domain.
  private func checkDomainRole(_ role: Snapshot.Role, _ place: Place) throws {
    let domain: String? =
      switch place {
      case .project(let id): books.projects[id]?.domainID
      case .domain(let id): id
      case .system: nil
      }
    guard domain == role.domainID else {
      throw Fault.forbidden("Role \(role.id) belongs to domain \(role.domainID) and cannot be given outside of it.")
    }
  }

  private func holds(_ assignment: Assignment) -> Bool {
    books.assignments[assignment.actor]?.contains(assignment) == true
  }
  private func noGrant(_ grant: Assignment) -> Fault {
    .notFound(
      "Could not find role assignment with role: \(grant.roleID), \(grant.actor.kind): \(grant.actor.id), "
        + "\(grant.place.kind): \(grant.place.id).")
  }

  private func listGrants(_ call: Call, _ path: GrantPath, _ policy: TargetPolicy) async throws -> Reply {
    try allow(call, path, policy)
    let (actor, place) = (path.actor(call), path.place(call))
    let ids = (books.assignments[actor] ?? []).filter { $0.place == place && $0.isInherited == path.isInherited }
    return try await listRows(roleEntity, ["id IN \(list: ids.map(\.roleID))"], call)
  }

  private func checkGrant(_ call: Call, _ path: GrantPath, _ policy: TargetPolicy) async throws -> Reply {
    try allow(call, path, policy)
    let grant = path.assignment(call)
    guard holds(grant) else { throw noGrant(grant) }
    return .empty(204)
  }

  private func createGrant(_ call: Call, _ path: GrantPath, _ policy: TargetPolicy) async throws -> Reply {
    try allow(call, path, policy)
    let grant = path.assignment(call)
    if let role = books.roles[grant.roleID], !role.domainID.isEmpty { try checkDomainRole(role, grant.place) }
    return try await change(call) { [self] change in
      try AssignmentStore.insert(grant, change)
      let inherited = grant.isInherited ? " (inherited)" : ""
      audit(
        call,
        "gave role \(grant.roleID)\(inherited) to \(grant.actor.kind) \(grant.actor.id) "
          + "on \(grant.place.kind) \(grant.place.id)", change.tx)
      return .empty(204)
    }
  }

  private func revokeGrant(_ call: Call, _ path: GrantPath, _ policy: TargetPolicy) async throws -> Reply {
    try allow(call, path, policy, needsActor: false)
    let grant = path.assignment(call)
    return try await change(call) { [self] change in
      guard try AssignmentStore.remove(grant, change) else { throw noGrant(grant) }
      audit(
        call,
        "took role \(grant.roleID) from \(grant.actor.kind) \(grant.actor.id) on \(grant.place.kind) \(grant.place.id)",
        change.tx)
      return .empty(204)
    }
  }
}
