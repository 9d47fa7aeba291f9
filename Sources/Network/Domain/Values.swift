import API
import Kit
import Store

extension JSONObject {
  /// A text member; absent, null and other kinds are empty.
  func text(_ name: String) -> String { self[name]?.string ?? "" }
  /// A text member; absent, null and other kinds are nil.
  func optionalText(_ name: String) -> String? { self[name]?.string }
  func flag(_ name: String) -> Bool { self[name]?.bool ?? false }
  func number(_ name: String) -> Int? { self[name]?.int }
  func list(_ name: String) -> [JSONValue] { self[name]?.array ?? [] }
  func strings(_ name: String) -> [String] { list(name).compactMap(\.string) }
  var id: String { text("id") }
  var projectID: String { text("project_id") }
}

extension Fault {
  /// neutron-lib's InvalidInput.
  static func invalidInput(_ reason: String, kind: String = "InvalidInput") -> Fault {
    Fault(400, kind: kind, kind == "InvalidInput" ? "Invalid input for operation: \(reason)." : reason)
  }
  /// neutron-lib's BadRequest, which names the kind of resource.
  static func badRequest(of resource: String, _ reason: String) -> Fault {
    Fault(400, kind: "BadRequest", "Bad \(resource) request: \(reason).")
  }
  /// The answer to a caller who sees a resource but may not do this with it.
  static func disallowed(_ rule: String) -> Fault {
    Fault(403, kind: "PolicyNotAuthorized", "(rule:\(rule)) is disallowed by policy")
  }
}

/// Rules that upstream's default policy uses beside those of `Rule` (conf/policies/base.py names them).
enum NetworkRule {
  static let readerOrService = Rule.any([.service, .projectReader])
  static let memberOrService = Rule.any([.service, .projectMember])
}

/// The fields that every Network resource shares (API reference, Networking, standard attributes).
enum Standard {
  static let id = Field("id", .uuid, create: .forbidden, update: false)
  static let owner = Field("project_id", .text(0...255), update: false, alias: "tenant_id")
  static let name = Field("name", .text(0...255), initial: "")
  static let description = Field("description", .text(0...255), initial: "")
  static let tags = Field(
    "tags", .json(tagList), create: .forbidden, update: false, initial: .array([]), filter: false, sort: false)
  static let tagList = Schema.array(.string(1...255), count: 0...50, unique: true)

  /// Times and revision; most resources have them after their own fields.
  static let times = [
    Field("created_at", .timestamp { $0.iso8601 }, create: .forbidden, update: false),
    Field("updated_at", .timestamp { $0.iso8601 }, create: .forbidden, update: false),
    Field("revision_number", .int(0...Int.max), create: .forbidden, update: false),
  ]
  static let all = [description, tags] + times

  /// list, show, create, update and delete with upstream's usual rules: the project's readers see, its members change.
  static func policies(
    _ name: String, collection: String? = nil, read: Rule = .projectReader, write: Rule = .projectMember,
    update: Bool = true
  ) -> [Verb: Policy] {
    var policies: [Verb: Policy] = [
      .list: Policy("get_\(name)", read), .show: Policy("get_\(name)", read),
      .create: Policy("create_\(name)", write), .delete: Policy("delete_\(name)", write),
    ]
    if update { policies[.update] = Policy("update_\(name)", write) }
    return policies
  }

  /// Columns that `all` needs in a table.
  static let columns =
    "description VARCHAR(255) NOT NULL, tags TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, "
    + "revision_number INT NOT NULL"
}
