import API
import Kit
import Store

/// Tags of projects and domains.
enum ProjectTags {
  static let countMax = 80
  static let tag = Schema.string(1...255) { text in
    text.contains { $0 == "," || $0 == "/" } ? "it holds a comma or a slash" : nil
  }
  static let list = Schema.array(tag, count: 0...countMax, unique: true)

  /// Takes `tags` out of a body's fields, where it lies under the fields that the entity does not know.
  static func take(_ values: inout JSONObject) throws -> JSONValue {
    guard var extra = values["extra"]?.object, let tags = extra["tags"] else { return .null }
    try list.check(tags, path: "tags")
    extra["tags"] = nil
    values["extra"] = extra.isEmpty ? nil : .object(extra)
    return tags
  }

  static func replace(_ tags: [String], of project: JSONObject, tx: any Transaction) throws {
    let id = project["id"]?.string ?? ""
    try tx.execute("DELETE FROM identity_project_tag WHERE project_id = \(id)")
    for tag in tags { try tx.execute(.insert(into: "identity_project_tag", ["project_id": id, "name": tag])) }
  }

  /// The tags of one project, sorted.
  static func all(_ id: String, tx: any Transaction) throws -> [String] {
    try tx.query("SELECT name FROM identity_project_tag WHERE project_id = \(id) ORDER BY name").map { $0.text("name") }
  }

  /// Adds `tags` to the values of projects, with one query.
  static func add(to values: inout [JSONObject], tx: any Transaction) throws {
    let ids = values.compactMap { $0["id"]?.string }
    let rows = try tx.query("SELECT * FROM identity_project_tag WHERE project_id IN \(list: ids) ORDER BY name")
    let tags = Dictionary(grouping: rows, by: { $0.text("project_id") })
    for index in values.indices {
      values[index]["tags"] = .strings((tags[values[index]["id"]?.string ?? ""] ?? []).map { $0.text("name") })
    }
  }

  /// `tags` (all of them), `tags-any`, `not-tags` (not all of them), `not-tags-any`, each a list with commas.
  static func filter(_ query: Query) throws -> [SQL] {
    ["tags", "tags-any", "not-tags", "not-tags-any"].flatMap { name -> [SQL] in
      query.all(name).map { text in
        let tags = Array(Set(text.split(separator: ",").map(String.init)))
        let matching: SQL =
          "(SELECT COUNT(*) FROM identity_project_tag t WHERE t.project_id = identity_project.id AND t.name IN \(list: tags))"
        switch name {
        case "tags": return "\(matching) = \(tags.count)"
        case "tags-any": return "\(matching) > 0"
        case "not-tags": return "\(matching) < \(tags.count)"
        default: return "\(matching) = 0"
        }
      }
    }
  }
}

extension IdentityService {
  /// The project of a tag route, checked against the policy.
  private func tagged(_ call: Call, _ policy: TargetPolicy) throws -> String {
    let id = call.parameter("project_id")
    let project = books.projects[id]
    try policy.check(try call.auth, project.map { PolicyTarget(domainIDs: [$0.domainID], projectID: $0.id) })
    guard project != nil else { throw Fault.notFound("Could not find project: \(id.prefix(64)).") }
    return id
  }

  private func tagsView(_ tags: [String], _ call: Call) -> Reply {
    .json(["links": ["self": .string(call.baseURL + call.http.path)], "tags": .strings(tags)])
  }
  private func noTag(_ tag: String, _ id: String) -> Fault {
    .notFound("Could not find project tag: \(tag.prefix(64)) of project \(id).")
  }

  func listTags(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let id = try tagged(call, policy)
    return try await database.read { [self] in tagsView(try ProjectTags.all(id, tx: $0), call) }
  }

  func replaceTags(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let id = try tagged(call, policy)
    guard let given = call.body["tags"] else { throw Fault.badRequest("'tags' is a required property") }
    try ProjectTags.list.check(given, path: "tags")
    return try await change(call) { [self] change in
      try ProjectTags.replace(SnapshotStore.strings(given), of: ["id": .string(id)], tx: change.tx)
      audit(call, "replaced the tags of project \(id)", change.tx)
      return tagsView(try ProjectTags.all(id, tx: change.tx), call)
    }
  }

  func clearTags(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let id = try tagged(call, policy)
    return try await change(call) { [self] change in
      try ProjectTags.replace([], of: ["id": .string(id)], tx: change.tx)
      audit(call, "removed the tags of project \(id)", change.tx)
      return .empty(204)
    }
  }

  func showTag(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (id, tag) = (try tagged(call, policy), call.parameter("value"))
    let tags = try await database.read { try ProjectTags.all(id, tx: $0) }
    guard tags.contains(tag) else { throw noTag(tag, id) }
    return .empty(204)
  }

  func addTag(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (id, tag) = (try tagged(call, policy), call.parameter("value"))
    try ProjectTags.tag.check(.string(tag), path: "tag")
    return try await change(call) { [self] change in
      let tags = try ProjectTags.all(id, tx: change.tx)
      if !tags.contains(tag) {
        try ProjectTags.list.check(.strings(tags + [tag]), path: "tags")
        try change.tx.execute(.insert(into: "identity_project_tag", ["project_id": id, "name": tag]))
        audit(call, "added a tag to project \(id)", change.tx)
      }
      return Reply(201, headers: ["Location": "\(call.baseURL)/v3/projects/\(id)/tags/\(Percent.encode(tag))"])
    }
  }

  func removeTag(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let (id, tag) = (try tagged(call, policy), call.parameter("value"))
    return try await change(call) { [self] change in
      let removed = try change.tx.execute(
        "DELETE FROM identity_project_tag WHERE project_id = \(id) AND name = \(tag)")
      guard removed == 1 else { throw noTag(tag, id) }
      audit(call, "removed a tag from project \(id)", change.tx)
      return .empty(204)
    }
  }
}
