import API
import Kit

extension IdentityService {
  /// GET /v3/role_assignments (API reference, Roles: List role assignments).
  func listAssignments(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (auth, books) = (try call.auth, books)
    let query = try AssignmentQuery(call.query)
    var target = PolicyTarget(domainIDs: [auth.domain?.id])
    if query.includesSubtree, case .project(let id)? = query.place {
      guard let project = books.projects[id] else { throw Fault.notFound("Could not find project: \(id.prefix(64)).") }
      target = PolicyTarget(domainIDs: [project.domainID])
    }
    try policy.check(auth, target)
    var found = books.assignments(query)
    if let domain = auth.domain?.id {
      found = found.filter { assignment in
        switch assignment.assignment.place {
        case .domain(let id): id == domain
        case .project(let id): books.projects[id]?.domainID == domain
        case .system: false
        }
      }
    }
    let view = AssignmentView(books: books, baseURL: call.baseURL + "/v3", includesNames: query.includesNames)
    return .json(CollectionView.body("role_assignments", found.map { view.json($0) }, call))
  }
}

/// A role assignment as clients see it, with the link to the grant that it comes from.
struct AssignmentView: Sendable {
  let books: Snapshot
  let baseURL: String
  let includesNames: Bool

  func json(_ found: EffectiveAssignment) -> JSONValue {
    let assignment = found.assignment
    let source = found.inheritedFrom ?? assignment.place
    let isInherited = assignment.isInherited || found.inheritedFrom != nil
    var scope = JSONObject()
    switch assignment.place {
    case .system: scope["system"] = ["all": true]
    case .project(let id): scope["project"] = named(id, books.projects[id]?.name, books.projects[id]?.domainID)
    case .domain(let id): scope["domain"] = named(id, books.projects[id]?.name, nil)
    }
    if isInherited { scope["OS-INHERIT:inherited_to"] = "projects" }
    let holder = found.group.map { Actor.group($0) } ?? assignment.actor
    var path = isInherited ? "/OS-INHERIT" : ""
    path += source == .system ? "/system" : "/\(source.kind)s/\(source.id)"
    path += "/\(holder.kind)s/\(holder.id)/roles/\(found.impliedBy ?? assignment.roleID)"
    if isInherited { path += "/inherited_to_projects" }
    var links: JSONObject = ["assignment": .string(baseURL + path)]
    if let group = found.group {
      links["membership"] = .string("\(baseURL)/groups/\(group)/users/\(assignment.actor.id)")
    }
    if let prior = found.impliedBy {
      links["prior_role"] = .string("\(baseURL)/prior_role/\(prior)/implies/\(assignment.roleID)")
    }
    var view: JSONObject = ["role": role(assignment.roleID), "scope": .object(scope), "links": .object(links)]
    switch assignment.actor {
    case .user(let id): view["user"] = named(id, books.users[id]?.name, books.users[id]?.domainID)
    case .group(let id): view["group"] = named(id, books.groupDomains[id]?.name, books.groupDomains[id]?.id)
    }
    return .object(view)
  }

  private func named(_ id: String, _ name: String?, _ domainID: String?) -> JSONValue {
    guard includesNames else { return ["id": .string(id)] }
    var view: JSONObject = ["id": .string(id), "name": .string(name ?? "")]
    if let domainID { view["domain"] = domain(domainID) }
    return .object(view)
  }
  private func domain(_ id: String) -> JSONValue {
    ["id": .string(id), "name": .string(books.projects[id]?.name ?? "")]
  }
  private func role(_ id: String) -> JSONValue {
    let role = books.roles[id]
    return named(id, role?.name, role.flatMap { $0.domainID.isEmpty ? nil : $0.domainID })
  }
}
