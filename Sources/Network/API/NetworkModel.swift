import API
import Contracts
import Kit
import Logs
import Store

/// What the routes and hooks of Network share.
struct NetworkModel: Sendable {
  let database: any Database
  let clock: any WallClock
  let log: Log
  let projects: any ProjectDirectory
  let settings: NetworkSettings
  /// Tells the node that the desired state has changed.
  let nudge: @Sendable () -> Void

  /// The routes of a declared resource, with its hooks and the filters that all lists share.
  func routes(_ declared: Resource, _ hooks: ResourceHooks = ResourceHooks(), filters: ListFilters = ListFilters())
    -> [Route]
  {
    ResourceRoutes(self.resource(declared, hooks, filters), database: database, clock: clock).routes
  }

  func resource(_ declared: Resource, _ hooks: ResourceHooks, _ filters: ListFilters = ListFilters()) -> Resource {
    var resource = declared
    resource.hooks = hooks
    resource.hooks.filter = filters.hook(declared)
    resource.hooks.changed = nudge
    return resource
  }

  /// Which rows a caller sees: all for administrators and services, else its own and what the given condition adds.
  static func visible(_ more: @escaping @Sendable (AuthContext) -> SQL) -> @Sendable (AuthContext) -> SQL? {
    { auth in
      auth.isAdmin || auth.isService ? nil : "project_id = \(auth.projectID) OR \(more(auth))"
    }
  }

  /// A network that the caller sees, else 404.
  func network(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> JSONObject {
    guard let network = try Networks.resource.find(id, where: Self.networksVisible(auth), tx: tx) else {
      throw Networks.notFound(id)
    }
    return network
  }
  static func networksVisible(_ auth: AuthContext) -> SQL? {
    visible { RBACPolicies.visible("network", to: $0.projectID) }(auth)
  }

  static func isNetworkShared(_ id: String, with project: String, tx: any Transaction) throws -> Bool {
    try tx.first(
      """
      SELECT 1 AS one FROM network_rbac WHERE object_type = 'network' AND object_id = \(id)
        AND action = \(RBACPolicies.shared) AND target_tenant IN ('*', \(project)) LIMIT 1
      """) != nil
  }

  /// Adds `shared` to the views of resources that RBAC policies share: with everyone, or with the caller's project.
  static func decorateShared(_ type: String, _ views: inout [JSONObject], _ context: ResourceContext) throws {
    let rows = try Batches.query(views.map(\.id)) { batch in
      try context.tx.query(
        """
        SELECT DISTINCT object_id FROM network_rbac WHERE object_type = \(type) AND action = \(RBACPolicies.shared)
          AND target_tenant IN ('*', \(context.auth.projectID)) AND object_id IN \(list: batch)
        """)
    }
    let shared = Set(rows.map { $0.text("object_id") })
    for index in views.indices { views[index]["shared"] = .bool(shared.contains(views[index].id)) }
  }

  /// Makes or ends the policy that shares a resource with everyone.
  static func share(_ type: String, _ values: JSONObject, with everyone: Bool, action: String, tx: any Transaction)
    throws
  {
    try tx.execute(
      """
      DELETE FROM network_rbac WHERE object_type = \(type) AND object_id = \(values.id) AND action = \(action)
        AND target_tenant = '*'
      """)
    guard everyone else { return }
    try RBACPolicies.resource.insert(
      [
        "project_id": .string(values.projectID), "object_type": .string(type), "object_id": .string(values.id),
        "target_tenant": "*", "action": .string(action),
      ], now: Timestamp(microseconds: 0), tx: tx)
  }

  static func sharedFilter(_ type: String, column: String = "id") -> ListFilters.Make {
    { values, auth in
      let isShared = try ListFilters.flag("shared", values)
      let condition = RBACPolicies.shared(type, with: auth.projectID, column: column)
      return isShared ? condition : "NOT (\(condition))"
    }
  }
}

/// Filters of lists beyond the fields of a resource. What is no filter of a list is a 400 (extension filter-validation).
struct ListFilters: Sendable {
  typealias Make = @Sendable ([String], AuthContext) throws -> SQL
  var more: [String: Make] = [:]

  private static let paging: Set<String> = ["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"]

  func hook(_ resource: Resource) -> @Sendable (String, [String], AuthContext) throws -> SQL? {
    let columns = Set(resource.list.columns.filter(\.canFilter).map(\.name))
    let hasTags = resource.field("tags") != nil
    let hasTimes = resource.field("updated_at") != nil
    let more = more
    return { name, values, auth in
      if let make = more[name] { return try make(values, auth) }
      if columns.contains(name) || Self.paging.contains(name) { return nil }
      if hasTags, let condition = Self.tags(name, values) { return condition }
      if hasTimes, name == "changed_since" {
        guard let since = values.first.flatMap({ Timestamp($0) }) else {
          throw Fault.invalidInput("Invalid input for changed_since: '\(values.first?.prefix(40) ?? "")'")
        }
        return "updated_at >= \(since)"
      }
      throw Fault.badRequest("['\(name.prefix(80))'] is invalid attribute for filtering", kind: "HTTPBadRequest")
    }
  }

  /// `tags`, `tags-any`, `not-tags`, `not-tags-any`: comma-separated; all of them, one of them, or the contrary.
  private static func tags(_ name: String, _ values: [String]) -> SQL? {
    guard ["tags", "tags-any", "not-tags", "not-tags-any"].contains(name) else { return nil }
    let wanted = values.flatMap { $0.split(separator: ",").map(String.init) }
    let conditions = wanted.map { hasTag($0) }
    let joined = conditions.isEmpty ? SQL("1 = 1") : SQL.join(conditions, name.hasSuffix("any") ? " OR " : " AND ")
    return name.hasPrefix("not") ? "NOT (\(joined))" : joined
  }
  /// Tags are kept as a JSON list of texts: a tag's own JSON text, quotes included, stands only at its own place in it.
  static func hasTag(_ tag: String) -> SQL { "INSTR(tags, \(JSONValue.string(tag).text)) > 0" }

  static func flag(_ name: String, _ values: [String]) throws -> Bool {
    guard let flag = values.first.flatMap({ Schema.boolean(.string($0)) }) else {
      throw Fault.badRequest(
        "Invalid input for \(name). Reason: '\(values.first?.prefix(40) ?? "")' cannot be converted to boolean.",
        kind: "HTTPBadRequest")
    }
    return flag
  }
}

extension SQL {
  /// From a text of our own code.
  init(_ text: StaticString) { self.init(stringLiteral: "\(text)") }
}
