import API
import Kit
import Store

/// What Block Storage's route tables share.
extension BlockStorageService {
  /// A route below `/v3/{project_id}`. The project in the address must be the token's (API reference, from 3.67 it may be
  /// left out). `since` and `until` are minors of version 3.
  func route(
    _ method: String, _ path: String, action: String? = nil, _ policy: String, _ rule: Rule, since: Int? = nil,
    until: Int? = nil, body: Route.BodyKind? = nil, schema: Schema? = nil, _ handler: @escaping Handler
  ) -> Route {
    Route(
      method, "/v3/{project_id}" + path, action: action, Policy(policy, rule),
      since: since.map { Microversion(3, $0) }, until: until.map { Microversion(3, $0) }, body: body, schema: schema
    ) { call in
      let project = call.parameter("project_id")
      let own = try call.auth.projectID
      guard project == Self.noProject || project == own else {
        throw Fault.badRequest("Malformed request url")
      }
      return try await handler(call)
    }
  }

  /// An action `POST …/action` whose body is `{name: fields}`; nil fields: anything, such as null.
  func action(
    _ path: String, _ name: String, _ policy: String, _ rule: Rule = .projectMember, since: Int? = nil,
    _ fields: Schema? = nil, _ handler: @escaping Handler
  ) -> Route {
    route(
      "POST", path + "/action", action: name, policy, rule, since: since,
      schema: .object([Schema.required(name, fields ?? .any)], additional: .refused), handler)
  }

  /// What stands in a path where the client gave no project.
  static let noProject = "-"
  static let collections: Set<String> = [
    "volumes", "messages", "clusters", "types", "group_types", "groups", "group_snapshots", "snapshots", "limits",
    "consistencygroups", "manageable_volumes", "manageable_snapshots", "backups", "attachments", "workers",
    "resource_filters", "volume-transfers", "default-types", "os-services", "extensions", "cgsnapshots",
    "os-quota-sets", "os-quota-class-sets", "os-availability-zone", "os-hosts", "os-snapshot-manage", "qos-specs",
    "scheduler-stats", "os-volume-manage", "os-volume-transfer", "capabilities",
  ]

  /// Gives every path the form with a project, and the older names of collections their present ones.
  static func normalize(_ path: [String]) -> [String] {
    guard path.first == "v3", path.count > 1 else { return path }
    var path = path
    if collections.contains(path[1]) { path.insert(noProject, at: 1) }
    let renamed = ["os-snapshot-manage": "manageable_snapshots", "os-volume-manage": "manageable_volumes"]
    if path.count > 2, let name = renamed[path[2]] { path[2] = name }
    return path
  }

  func read(_ body: @escaping @Sendable (any Transaction) throws -> JSONValue) async throws -> Reply {
    .json(try await database.read(body))
  }
  func write(
    _ status: Int = 200, _ body: @escaping @Sendable (any Transaction) throws -> JSONValue
  ) async throws -> Reply {
    let value = try await database.write(body)
    return value.isNull ? .empty(status) : .json(value, status: status)
  }
}

extension Call {
  /// `self` and `bookmark` links of a resource.
  func links(_ collection: String, _ id: String) throws -> JSONValue {
    let project = try auth.projectID
    return [
      ["rel": "self", "href": .string("\(baseURL)/v3/\(project)/\(collection)/\(id)")],
      ["rel": "bookmark", "href": .string("\(baseURL)/\(project)/\(collection)/\(id)")],
    ]
  }
  /// A member of the body's object `key`.
  func field(_ key: String, _ name: String) -> JSONValue? {
    body[key]?[name].flatMap { $0.isNull ? nil : $0 }
  }
  func text(_ key: String, _ name: String) -> String? { field(key, name)?.string }
}

/// Texts of Block Storage's inputs.
enum Input {
  static let key = Schema.text(1...255)
  /// Metadata: at most 128 texts of at most 255 characters.
  static let metadata = Schema.object(
    [],
    additional: .matching(
      keys: { key in (1...255).contains(key.count) ? nil : "a key has 1 to 255 characters" }, .text255, countMax: 128))
  static let name = Schema.optional(.string(0...255))
  static let description = Schema.optional(.string(0...255))
  static let uuid = Schema.optional(.uuid)
  static let flag = Schema.looseBoolean

  /// The name without white space at its ends; nil for none.
  static func name(_ value: JSONValue?) -> String? {
    guard let text = value?.string else { return nil }
    var rest = text[...]
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
  static func flag(_ value: JSONValue?) -> Bool { value.flatMap(Schema.boolean) ?? false }
  static func metadata(_ value: JSONValue?) -> [String: String] {
    Dictionary((value?.object ?? [:]).map { ($0.key, $0.value.string ?? $0.value.text) }) { _, last in last }
  }
}

extension Schema {
  static let text255 = Schema.string(0...255)
}
