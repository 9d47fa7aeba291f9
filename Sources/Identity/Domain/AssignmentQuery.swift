import API
import Kit

/// A role assignment with how it came about, for `GET /v3/role_assignments`.
struct EffectiveAssignment: Sendable {
  var assignment: Assignment
  /// The group by which a user has it.
  var group: String?
  /// The project or domain from which a project inherits it.
  var inheritedFrom: Place?
  /// The role that implies it.
  var impliedBy: String?
}

/// The filters of `GET /v3/role_assignments`.
struct AssignmentQuery: Sendable {
  var userID: String?
  var groupID: String?
  var roleID: String?
  var place: Place?
  var isInherited: Bool?
  var isEffective: Bool
  var includesNames: Bool
  var includesSubtree: Bool

  /// Throws 400 for filters that exclude each other.
  init(_ query: Query) throws(Fault) {
    func text(_ name: String) -> String? { query[name].flatMap { $0.isEmpty ? nil : $0 } }
    func flag(_ name: String) -> Bool {
      guard let text = query[name] else { return false }
      return text.isEmpty || Schema.boolean(.string(text)) ?? true
    }
    (userID, groupID, roleID) = (text("user.id"), text("group.id"), text("role.id"))
    (isEffective, includesNames, includesSubtree) = (flag("effective"), flag("include_names"), flag("include_subtree"))
    isInherited = query["scope.OS-INHERIT:inherited_to"].map { $0 == "projects" }
    let places = [
      text("scope.project.id").map { Place.project($0) }, text("scope.domain.id").map { Place.domain($0) },
      text("scope.system").map { _ in Place.system },
    ].compactMap { $0 }
    if places.count > 1 { throw Fault.badRequest("Specify one of a domain, a project or the system.") }
    place = places.first
    if userID != nil, groupID != nil { throw Fault.badRequest("Specify a user or group, not both") }
    if isEffective, groupID != nil {
      throw Fault.badRequest("Combining effective and group filter will always result in an empty list.")
    }
    if isEffective, isInherited == true, case .domain? = place {
      throw Fault.badRequest("Combining effective, domain and inherited filters will always result in an empty list.")
    }
    if includesSubtree {
      guard case .project? = place else {
        throw Fault.badRequest("scope.project.id must be specified if include_subtree is also specified")
      }
    }
  }
}

extension Snapshot {
  /// The assignments that fit the query, in a stable order.
  func assignments(_ query: AssignmentQuery) -> [EffectiveAssignment] {
    let places = places(query)
    let stored = candidates(query, places)
    var result =
      query.isEffective ? effective(stored, query, places) : stored.map { EffectiveAssignment(assignment: $0) }
    result = result.filter { found in
      let assignment = found.assignment
      if let user = query.userID, assignment.actor != .user(user) { return false }
      if let group = query.groupID, assignment.actor != .group(group) { return false }
      if let role = query.roleID, assignment.roleID != role { return false }
      if let places, !places.contains(assignment.place) { return false }
      if let wanted = query.isInherited {
        return (query.isEffective ? found.inheritedFrom != nil : assignment.isInherited) == wanted
      }
      return true
    }
    return result.map { (Self.key($0), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
  }

  /// The stored assignments that can lead to what the query asks for: of its user and the user's groups, at its place or,
  /// inherited, above it.
  private func candidates(_ query: AssignmentQuery, _ places: Set<Place>?) -> [Assignment] {
    var sources = places
    if query.isEffective, let places {
      for case .project(let id) in places {
        guard let project = projects[id] else { continue }
        for above in ancestors(of: project) { sources?.insert(above.isDomain ? .domain(above.id) : .project(above.id)) }
      }
    }
    var actors: [Actor]?
    if let user = query.userID {
      actors = [.user(user)] + (query.isEffective ? groups[user] ?? [] : []).map { .group($0) }
    } else if let group = query.groupID {
      actors = [.group(group)]
    }
    var result: [Assignment] = []
    func take(_ list: [Assignment]) {
      for assignment in list where sources?.contains(assignment.place) ?? true { result.append(assignment) }
    }
    if let actors {
      for actor in actors { take(assignments[actor] ?? []) }
    } else {
      for list in assignments.values { take(list) }
    }
    return result
  }

  private static func key(_ found: EffectiveAssignment) -> String {
    let assignment = found.assignment
    return [
      assignment.place.kind, assignment.place.id, assignment.actor.kind, assignment.actor.id, assignment.roleID,
      assignment.isInherited ? "1" : "0", found.group ?? "", found.impliedBy ?? "", found.inheritedFrom?.id ?? "",
    ].joined(separator: "/")
  }

  private func places(_ query: AssignmentQuery) -> Set<Place>? {
    guard let place = query.place else { return nil }
    guard query.includesSubtree, case .project(let id) = place else { return [place] }
    let below = projects.values.filter { !$0.isDomain && ancestors(of: $0).contains { $0.id == id } }
    return Set(below.map { .project($0.id) } + [place])
  }

  /// Groups replaced by their users, inherited assignments by the projects below, roles by what they imply; a domain's own
  /// roles only by what they imply.
  private func effective(
    _ stored: [Assignment], _ query: AssignmentQuery, _ places: Set<Place>?
  ) -> [EffectiveAssignment] {
    var members: [String: [String]] = [:]
    if let user = query.userID {
      for group in groups[user] ?? [] { members[group] = [user] }
    } else if stored.contains(where: { $0.actor.kind == "group" }) {
      for (user, groups) in groups { for group in groups { members[group, default: []].append(user) } }
    }
    var result: [EffectiveAssignment] = []
    for assignment in stored {
      for placed in spread(assignment, places) {
        switch assignment.actor {
        case .user: result += implied(placed)
        case .group(let group):
          for user in members[group] ?? [] {
            var own = placed
            own.assignment.actor = .user(user)
            own.group = group
            result += implied(own)
          }
        }
      }
    }
    return result
  }

  /// An inherited assignment stands at the projects below its place, within `places`.
  private func spread(_ assignment: Assignment, _ places: Set<Place>?) -> [EffectiveAssignment] {
    guard assignment.isInherited else { return [EffectiveAssignment(assignment: assignment)] }
    let source = assignment.place.id
    let wanted = places.map { $0.compactMap { projects[$0.id] } } ?? Array(projects.values)
    return wanted.filter { !$0.isDomain && ancestors(of: $0).contains { $0.id == source } }.map { project in
      var found = EffectiveAssignment(assignment: assignment, inheritedFrom: assignment.place)
      found.assignment.place = .project(project.id)
      return found
    }
  }

  private func implied(_ found: EffectiveAssignment) -> [EffectiveAssignment] {
    expanded([found.assignment.roleID]).compactMap { id in
      guard let role = roles[id], role.domainID.isEmpty else { return nil }
      var result = found
      if id != found.assignment.roleID {
        result.assignment.roleID = id
        result.impliedBy = found.assignment.roleID
      }
      return result
    }
  }
}
