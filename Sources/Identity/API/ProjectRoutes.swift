import API
import Kit
import Store

extension IdentityService {
  /// Levels of projects below a domain.
  static let projectDepthMax = 5

  /// Projects (API reference, Projects). A domain is a project without parent.
  var projectEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in auth.domain.map { ["domain_id = \($0.id)"] } ?? [] }
    hooks.target = { PolicyTarget(domainIDs: [$0["domain_id"]?.string], projectID: $0["id"]?.string) }
    hooks.creating = { [self] values, context in try creatingProject(&values, context) }
    hooks.created = { values, context in
      try ProjectTags.replace(SnapshotStore.strings(values["tags"] ?? []), of: values, tx: context.tx)
    }
    hooks.updating = { [self] old, changes, context in try updatingProject("project", old, &changes, context) }
    hooks.deleting = { [self] old, context in try deletingProject(old, context) }
    hooks.touched = { [.project($0)] }
    hooks.decorate = { [self] values, tx, call in
      try ProjectTags.add(to: &values, tx: tx)
      if values.count == 1, call.parameters["project_id"] != nil { try addFamily(&values[0], tx, call) }
    }
    hooks.filter = { query, _ in
      try ProjectTags.filter(query) + (query.contains("is_domain") ? [] : ["is_domain = 0"])
    }
    let manager = TargetPolicy.domainManager
    return Entity(
      name: "project", collection: "projects", table: "identity_project", attributes: Self.projectAttributes,
      policies: [
        .list: .domainReader("list_projects"), .show: .domainReader("get_project", or: .project),
        .create: manager("create_project"), .update: manager("update_project"), .delete: manager("delete_project"),
      ], hooks: hooks)
  }

  private static let projectAttributes = [
    Attribute("name", .text, .name(64), required: true),
    Attribute("domain_id", .text, .identifier, nullable: true, update: false, holdsEmpty: true),
    Attribute("parent_id", .text, .identifier, nullable: true, holdsEmpty: true),
    Attribute("is_domain", .bool, .boolean, update: false, initial: false),
    Attribute("enabled", .bool, .boolean, initial: true),
    Attribute("description", .text, .freeText, nullable: true, initial: ""),
    Attribute("options", .json, .options, initial: [:]),
  ]

  var projectRoutes: [Route] {
    let read = TargetPolicy.domainReader("list_project_tags", or: .project)
    let show = TargetPolicy.domainReader("get_project_tag", or: .project)
    let all = "/v3/projects/{project_id}/tags"
    let one = all + "/{value}"
    let (replace, add) = (
      TargetPolicy.domainManager("update_project_tags"), TargetPolicy.domainManager("create_project_tag")
    )
    let (clear, remove) = (
      TargetPolicy.domainManager("delete_project_tags"), TargetPolicy.domainManager("delete_project_tag")
    )
    return EntityRoutes(projectEntity, self).routes + [
      Route("GET", all, read.route) { [self] in try await listTags($0, read) },
      Route("PUT", all, replace.route, body: .json) { [self] in try await replaceTags($0, replace) },
      Route("DELETE", all, clear.route) { [self] in try await clearTags($0, clear) },
      Route("GET", one, show.route) { [self] in try await showTag($0, show) },
      Route("PUT", one, add.route) { [self] in try await addTag($0, add) },
      Route("DELETE", one, remove.route) { [self] in try await removeTag($0, remove) },
    ]
  }

  // MARK: Rules

  private func creatingProject(_ values: inout JSONObject, _ context: EntityContext) throws {
    values["tags"] = try ProjectTags.take(&values)
    values["name"] = .string(Self.trimmed(values["name"]?.string ?? ""))
    if values["is_domain"]?.bool == true {
      guard values["parent_id"]?.isNull ?? true, values["domain_id"]?.isNull ?? true else {
        throw Fault.badRequest("only root projects are allowed to act as domains.")
      }
      return
    }
    if values["domain_id"]?.isNull ?? true, let parent = values["parent_id"]?.string, let known = books.projects[parent]
    {
      values["domain_id"] = .string(known.isDomain ? known.id : known.domainID)
    }
    try ownDomain(&values, context)
    let domain = values["domain_id"]?.string ?? ""
    if values["parent_id"]?.isNull ?? true { values["parent_id"] = .string(domain) }
    guard let parent = books.projects[values["parent_id"]?.string ?? ""] else {
      throw Fault.badRequest("Could not find project: \(values["parent_id"]?.string ?? "").")
    }
    guard (parent.isDomain ? parent.id : parent.domainID) == domain else {
      throw Fault.badRequest("Cannot create project: its parent \(parent.id) is not in the domain \(domain).")
    }
    let above = [parent] + books.ancestors(of: parent)
    if let disabled = above.first(where: { !$0.isEnabled }) {
      throw Fault.badRequest("cannot create a project in a branch containing a disabled project: \(disabled.id)")
    }
    guard above.count <= settings.limitModel.projectDepthMax else {
      throw Fault.forbidden("Max hierarchy depth reached for \(parent.id) branch.")
    }
  }

  private static func trimmed(_ text: String) -> String {
    var rest = text[...]
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }

  /// Also for domains.
  func updatingProject(
    _ title: String, _ old: JSONObject, _ changes: inout JSONObject, _ context: EntityContext
  ) throws {
    try Immutability.checkUpdate(title, old, changes)
    let id = old["id"]?.string ?? ""
    if let name = changes["name"]?.string { changes["name"] = .string(Self.trimmed(name)) }
    if let parent = changes["parent_id"], parent != old["parent_id"] ?? .null {
      throw Fault.forbidden("Update of `parent_id` is not allowed.")
    }
    if let options = changes["options"]?.object {
      changes["options"] = .object(JSONObject(options.filter { !$0.value.isNull }.map { ($0.key, $0.value) }))
    }
    if let tags = try ProjectTags.take(&changes).array {
      try ProjectTags.replace(SnapshotStore.strings(.array(tags)), of: old, tx: context.tx)
    }
    guard let known = books.projects[id], let wanted = changes["enabled"]?.bool, wanted != known.isEnabled else {
      return
    }
    if wanted {
      guard books.ancestors(of: known).allSatisfy(\.isEnabled) else {
        throw Fault.forbidden("Cannot enable project \(id) since it has disabled parents")
      }
    } else {
      let below = books.projects.values.contains { project in
        project.isEnabled && !known.isDomain && books.ancestors(of: project).contains { $0.id == id }
      }
      if below { throw Fault.forbidden("Cannot disable project \(id) since its subtree contains enabled projects.") }
      try context.change.revoke(known.isDomain ? .domain : .project, id)
    }
  }

  private func deletingProject(_ old: JSONObject, _ context: EntityContext) throws {
    let id = old["id"]?.string ?? ""
    try Immutability.checkDelete("project", old)
    if old["is_domain"]?.bool == true { return try deletingDomain(old, context) }
    guard try context.tx.count("SELECT COUNT(*) FROM identity_project WHERE parent_id = \(id)") == 0 else {
      throw Fault.forbidden("Cannot delete the project \(id) since it is not a leaf in the hierarchy.")
    }
    try context.change.removeProjects([id])
  }

  // MARK: Parents and children

  /// `parents` and `subtree` as the query asks for them.
  private func addFamily(_ values: inout JSONObject, _ tx: any Transaction, _ call: Call) throws {
    func asks(_ name: String) -> Bool {
      call.query[name].map { $0.isEmpty || Schema.boolean(.string($0)) == true } ?? false
    }
    for side in ["parents", "subtree"] where asks(side + "_as_list") && asks(side + "_as_ids") {
      throw Fault.badRequest("Cannot use \(side)_as_list and \(side)_as_ids query params at the same time.")
    }
    guard let project = books.projects[values["id"]?.string ?? ""] else { return }
    let above = books.ancestors(of: project)
    if asks("parents_as_ids") {
      values["parents"] = above.reversed().reduce(JSONValue.null) { [$1.id: $0] }
    } else if asks("parents_as_list") {
      values["parents"] = try family(above.map(\.id), tx, call)
    }
    guard asks("subtree_as_ids") || asks("subtree_as_list") else { return }
    let children = Dictionary(grouping: books.projects.values.filter { !$0.isDomain }, by: \.parentID)
    if asks("subtree_as_ids") {
      values["subtree"] = Self.tree(project.id, children)
    } else {
      values["subtree"] = try family(Self.below(project.id, children), tx, call)
    }
  }

  /// Those of the projects at which the caller has a role, as views.
  private func family(_ ids: [String], _ tx: any Transaction, _ call: Call) throws -> JSONValue {
    let userID = try call.auth.user.id
    let own = Set((books.places(of: userID, isDomain: false) + books.places(of: userID, isDomain: true)).map(\.id))
    let wanted = ids.filter { own.contains($0) }
    guard !wanted.isEmpty else { return [] }
    let entity = projectEntity
    let rows = try tx.query("SELECT * FROM identity_project WHERE id IN \(list: wanted)")
    var values = rows.map { entity.values($0, secrets) }
    try ProjectTags.add(to: &values, tx: tx)
    let order = Dictionary(ids.enumerated().map { ($1, $0) }) { first, _ in first }
    values.sort { order[$0["id"]?.string ?? ""] ?? 0 < order[$1["id"]?.string ?? ""] ?? 0 }
    return .array(values.map { ["project": entity.view($0, call)] })
  }

  private static func tree(_ id: String, _ children: [String: [Snapshot.Project]]) -> JSONValue {
    guard let below = children[id], !below.isEmpty else { return .null }
    return .object(JSONObject(below.sorted { $0.id < $1.id }.map { ($0.id, tree($0.id, children)) }))
  }
  private static func below(_ id: String, _ children: [String: [Snapshot.Project]]) -> [String] {
    (children[id] ?? []).sorted { $0.id < $1.id }.flatMap { [$0.id] + below($0.id, children) }
  }
}
