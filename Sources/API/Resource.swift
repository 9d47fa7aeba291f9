import Kit
import Store

/// What hooks of a declared resource get: the transaction they are part of, who asks, and the call.
public struct ResourceContext {
  public let tx: any Transaction
  public let auth: AuthContext
  public let call: Call
  public let now: Timestamp
  public let resource: Resource

  /// For a service's own routes that run a resource's rules.
  public init(tx: any Transaction, auth: AuthContext, call: Call, now: Timestamp, resource: Resource) {
    (self.tx, self.auth, self.call, self.now, self.resource) = (tx, auth, call, now, resource)
  }
}

/// The operations that every declared resource shares.
public enum Verb: String, Sendable, CaseIterable { case list, show, create, update, delete }

/// What is special about a resource. Every hook runs inside the operation's transaction; throwing rolls it back.
public struct ResourceHooks: Sendable {
  /// Which rows the caller may see; nil: all. The default is: the owner's own, and all for administrators.
  public var visible: (@Sendable (AuthContext) -> SQL?)?
  /// Which rows the caller may change; nil: those that it sees.
  public var changeable: (@Sendable (AuthContext) -> SQL?)?
  /// Checks and completes the values of a new resource; all stored fields are present.
  public var creating: (@Sendable (inout JSONObject, ResourceContext) throws -> Void)?
  public var created: (@Sendable (JSONObject, ResourceContext) throws -> Void)?
  /// Checks and completes the changes to a resource (its present values first).
  public var updating: (@Sendable (JSONObject, inout JSONObject, ResourceContext) throws -> Void)?
  /// After an update: the values before and after.
  public var updated: (@Sendable (JSONObject, JSONObject, ResourceContext) throws -> Void)?
  /// Before the row goes; throws a 409 when it is in use.
  public var deleting: (@Sendable (JSONObject, ResourceContext) throws -> Void)?
  public var deleted: (@Sendable (JSONObject, ResourceContext) throws -> Void)?
  /// Adds what is not in the row to the views of a page, with as few queries for all of them as possible.
  public var decorate: (@Sendable (inout [JSONObject], ResourceContext) throws -> Void)?
  /// Filters beyond the fields': a condition for a query item's values, or nil when it is not one of them.
  public var filter: (@Sendable (String, [String], AuthContext) throws -> SQL?)?
  /// After the commit of any change: for wake-ups.
  public var changed: (@Sendable () -> Void)?
  public init() {}
}

/// A declared resource: its fields, policies and hooks; list, show, create (also bulk), update and delete come with it.
public struct Resource: Sendable {
  /// `network` and `networks`: keys in bodies.
  public let name: String
  public let collection: String
  /// `/v2.0/networks`
  public let path: String
  public let table: String
  public let fields: [Field]
  public let policies: [Verb: Policy]
  /// The column with the owning project; nil: resources of the whole cloud.
  public let ownerField: String?
  /// Name of the fault kind when it does not exist, such as `NetworkNotFound`.
  public let notFoundKind: String
  /// `Network` in messages.
  public let title: String
  public let style: ListStyle
  public let defaultSort: [(String, Bool)]
  public let updateMethod: String
  public let hasBulkCreate: Bool
  /// Makes ids.
  public let makeID: @Sendable () -> String
  /// Quota of a project for it: the limit, or nil for none. Counted from rows of the owner.
  public let quota: (@Sendable (String, any Transaction) throws -> Int?)?
  /// Whether rows carry `revision_number`, raised at each change.
  public let hasRevision: Bool
  public var hooks: ResourceHooks
  /// Places of the fields by name and by second name.
  private let index: [String: Int]

  public init(
    name: String, collection: String, path: String, table: String, fields: [Field], policies: [Verb: Policy],
    ownerField: String? = "project_id", notFoundKind: String = "", title: String, style: ListStyle,
    defaultSort: [(String, Bool)] = [("id", true)], updateMethod: String = "PUT", hasBulkCreate: Bool = false,
    hasRevision: Bool = false, makeID: @escaping @Sendable () -> String = { UUIDText.make() },
    quota: (@Sendable (String, any Transaction) throws -> Int?)? = nil, hooks: ResourceHooks = ResourceHooks()
  ) {
    (self.name, self.collection, self.path, self.table, self.fields) = (name, collection, path, table, fields)
    (self.policies, self.ownerField, self.notFoundKind, self.title) = (policies, ownerField, notFoundKind, title)
    (self.style, self.defaultSort, self.updateMethod) = (style, defaultSort, updateMethod)
    (self.hasBulkCreate, self.hasRevision, self.makeID) = (hasBulkCreate, hasRevision, makeID)
    (self.quota, self.hooks) = (quota, hooks)
    index = Dictionary(
      fields.enumerated().flatMap { at, field in [field.name, field.alias].compactMap { $0.map { ($0, at) } } }
    ) { first, _ in first }
  }

  public func field(_ name: String) -> Field? { index[name].map { fields[$0] } }

  public var list: ListSpec {
    ListSpec(
      table: table,
      columns: fields.flatMap { field -> [ListColumn] in
        guard let column = field.listColumn, !field.isHidden else { return [] }
        guard let alias = field.alias else { return [column] }
        return [
          column, ListColumn(alias, column.column, column.kind, filter: column.canFilter, sort: column.canSort),
        ]
      }, defaultSort: defaultSort, style: style)
  }

  /// The row's values by field name, hidden ones included.
  public func values(_ row: Row) -> JSONObject {
    var values = JSONObject()
    for field in fields where field.column != nil { values.append(field.name, field.json(row)) }
    return values
  }

  /// What the caller sees of a row's values.
  public func view(_ values: JSONObject, for auth: AuthContext, only: Set<String> = []) -> JSONObject {
    var view = JSONObject()
    // Values come in the fields' order but for a few: look at the next one first.
    var next = 0
    for field in fields {
      let isNext = next < values.count && values.members[next].key == field.name
      defer { if isNext { next += 1 } }
      if field.isHidden || field.readRule.map({ !$0.allows(auth) }) == true { continue }
      guard let value = isNext ? values.members[next].value : values[field.name] else { continue }
      if only.isEmpty || only.contains(field.name) { view.append(field.name, value) }
      if let alias = field.alias, only.isEmpty || only.contains(alias) { view.append(alias, value) }
    }
    for member in values where index[member.key] == nil && (only.isEmpty || only.contains(member.key)) {
      view.append(member.key, member.value)
    }
    return view
  }

  public func notFound(_ id: String) -> Fault {
    Fault.notFound("\(title) \(id.prefix(64)) could not be found.", kind: notFoundKind)
  }
  func visibleCondition(_ auth: AuthContext) -> SQL? {
    if let visible = hooks.visible { return visible(auth) }
    guard let ownerField, let column = field(ownerField)?.column, !auth.isAdmin else { return nil }
    return "\(raw: column) = \(auth.projectID)"
  }
}
