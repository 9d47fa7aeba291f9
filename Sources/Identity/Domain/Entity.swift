import API
import Kit
import Store

/// A field of an entity and the column that keeps it.
struct Attribute: Sendable {
  enum Kind: Sendable {
    case text, bool, int, json
    /// Text that is encrypted in the column.
    case sealed
  }

  let name: String
  let column: String
  let kind: Kind
  let schema: Schema
  let isRequired: Bool
  let isNullable: Bool
  let canUpdate: Bool
  /// What a create without it stores.
  let initial: JSONValue
  /// Kept and used, never shown and never accepted.
  let isHidden: Bool
  /// The column holds '' for null because it is part of a UNIQUE constraint.
  let holdsEmpty: Bool

  init(
    _ name: String, _ kind: Kind = .text, _ schema: Schema, column: String? = nil, required: Bool = false,
    nullable: Bool = false, update: Bool = true, initial: JSONValue = .null, hidden: Bool = false,
    holdsEmpty: Bool = false
  ) {
    (self.name, self.kind, self.schema, self.column) = (name, kind, schema, column ?? name)
    (isRequired, isNullable, canUpdate, self.initial) = (required, nullable, update, initial)
    (isHidden, self.holdsEmpty) = (hidden, holdsEmpty)
  }

  func sqlValue(_ value: JSONValue, _ sealer: Sealer) throws -> SQLValue {
    switch (kind, value) {
    case (_, .null): holdsEmpty ? .text("") : .null
    case (.json, _): .text(value.text)
    case (.sealed, .string(let text)): .blob(try sealer.seal(Array(text.utf8)))
    case (_, .string(let text)): .text(text)
    case (_, .int(let number)): .int(number)
    case (_, .bool(let flag)): .int(flag ? 1 : 0)
    default: .text(value.text)
    }
  }

  func json(_ row: Row, _ sealer: Sealer) -> JSONValue {
    switch (kind, row[column]) {
    case (_, .null): .null
    case (.bool, .int(let number)): .bool(number != 0)
    case (.json, _): row.json(column)
    case (.sealed, .blob(let bytes)): .optional(sealer.open(bytes).map { String(decoding: $0, as: UTF8.self) })
    case (_, .int(let number)): .int(number)
    case (_, .text(let text)): holdsEmpty && text.isEmpty ? .null : .string(text)
    default: .null
    }
  }
}

/// What a hook of an entity gets: the change it is part of and who asks.
struct EntityContext {
  let change: Change
  let call: Call
  let auth: AuthContext
  var tx: any Transaction { change.tx }
}

/// What is special about an entity. Hooks run inside the operation's transaction, except `prepare`.
struct EntityHooks: Sendable {
  /// Restricts lists to what the caller may see.
  var visible: (@Sendable (AuthContext) -> [SQL])?
  /// What the policies look at; the default is the domain in `domain_id` and the user in `user_id`.
  var target: @Sendable (JSONObject) -> PolicyTarget = {
    PolicyTarget(domainIDs: [$0["domain_id"]?.string], userIDs: [$0["user_id"]?.string].compactMap { $0 })
  }
  /// A policy of some of the rows that takes the place of the verb's.
  var policy: (@Sendable (Entity.Verb, JSONObject) -> TargetPolicy?)?
  var listPolicy: (@Sendable (Query) -> TargetPolicy?)?
  /// What the policy of the list looks at.
  var listTarget: @Sendable (Call, AuthContext) -> PolicyTarget? = { _, auth in
    PolicyTarget(domainIDs: [auth.domain?.id], userIDs: [auth.user.id])
  }
  /// Work before the transaction, such as hashing a password, which it takes out of the input: hidden fields to store.
  var prepare: (@Sendable (inout JSONObject, Call) async throws -> JSONObject)?
  var creating: (@Sendable (inout JSONObject, EntityContext) throws -> Void)?
  var created: (@Sendable (JSONObject, EntityContext) throws -> Void)?
  /// The present values, and the changes.
  var updating: (@Sendable (JSONObject, inout JSONObject, EntityContext) throws -> Void)?
  /// Checks that it may go, and takes what depends on it along.
  var deleting: (@Sendable (JSONObject, EntityContext) throws -> Void)?
  /// Parts of the snapshot that a change of it touches.
  var touched: (@Sendable (String) -> [SnapshotPart])?
  /// Adds what is not in the row, and gives the view its form.
  var decorate: (@Sendable (inout [JSONObject], any Transaction, Call) throws -> Void)?
  /// Links beside the one to itself, whose address is given.
  var links: (@Sendable (JSONObject, String) -> JSONObject)?
  /// Conditions for query items beyond the attributes'.
  var filter: (@Sendable (Query, AuthContext) throws -> [SQL])?
}

/// A declared resource of Identity: its fields, policies and hooks. Unlike `API.Resource`, unknown fields are kept, policies
/// look at the target, and every view has `links`.
struct Entity: Sendable {
  enum Verb: String, Sendable { case list, show, create, update, delete }

  let name: String
  let collection: String
  /// `/v3/users`
  let path: String
  let table: String
  let attributes: [Attribute]
  /// Whether fields that it does not know are kept and shown.
  let keepsExtra: Bool
  let policies: [Verb: TargetPolicy]
  /// What everyone may learn the absence of: a 404 comes before the policy's 403.
  let tellsMissing: Set<Verb>
  /// Part of every query: which rows of the table are of this kind.
  let scope: SQL?
  let hooks: EntityHooks

  init(
    name: String, collection: String, path: String? = nil, table: String, attributes: [Attribute],
    keepsExtra: Bool = true, policies: [Verb: TargetPolicy], tellsMissing: Set<Verb> = [], scope: SQL? = nil,
    hooks: EntityHooks = EntityHooks()
  ) {
    (self.name, self.collection, self.path) = (name, collection, path ?? "/v3/" + collection)
    (self.table, self.attributes, self.keepsExtra) = (table, attributes, keepsExtra)
    (self.policies, self.tellsMissing, self.scope, self.hooks) = (policies, tellsMissing, scope, hooks)
  }

  func attribute(_ name: String) -> Attribute? { attributes.first { $0.name == name } }
  var title: String { name.replacing("_", with: " ") }

  func notFound(_ id: String) -> Fault { .notFound("Could not find \(title): \(id.prefix(64)).") }

  // MARK: Input

  private func check(_ attribute: Attribute, _ value: JSONValue) throws(Fault) {
    if value.isNull, attribute.isNullable { return }
    try attribute.schema.check(value, path: attribute.name)
  }

  /// The object under the entity's name.
  func input(_ body: JSONValue) throws(Fault) -> JSONObject {
    guard let value = body[name] else { throw Fault.badRequest("'\(name)' is a required property") }
    guard let object = value.object else {
      throw Fault.badRequest("'\(name)' must be an object, not \(value.typeName).")
    }
    return object
  }

  /// Checked fields of a body, with extra ones under `extra`.
  private func fields(_ input: JSONObject) throws(Fault) -> JSONObject {
    var values = JSONObject()
    var extra = JSONObject()
    for member in input where member.key != "id" && member.key != "links" {
      if let attribute = attribute(member.key) {
        guard !attribute.isHidden else { throw unexpected(member.key) }
        try check(attribute, member.value)
        values[member.key] = member.value
      } else if keepsExtra {
        guard (1...255).contains(member.key.utf8.count), !attributes.contains(where: { $0.column == member.key }) else {
          throw unexpected(member.key)
        }
        extra[member.key] = member.value
      } else {
        throw unexpected(member.key)
      }
    }
    if !extra.isEmpty { values["extra"] = .object(extra) }
    return values
  }
  private func unexpected(_ key: String) -> Fault {
    .badRequest("Additional properties are not allowed ('\(key.prefix(80))' was unexpected)")
  }

  func createValues(_ input: JSONObject) throws(Fault) -> JSONObject {
    var values = try fields(input)
    for attribute in attributes where values[attribute.name] == nil {
      if attribute.isRequired { throw Fault.badRequest("'\(attribute.name)' is a required property") }
      values[attribute.name] = attribute.initial
    }
    return values
  }

  func updateValues(_ input: JSONObject, id: String) throws(Fault) -> JSONObject {
    if input.isEmpty { throw Fault.badRequest("The \(name) has no properties to change.") }
    if let given = input["id"], given.string != id { throw Fault.badRequest("Cannot change \(name) ID") }
    return try fields(input)
  }

  /// Throws when a change is to a field that stays as it is made.
  func checkFixed(_ old: JSONObject, _ changes: JSONObject) throws(Fault) {
    for attribute in attributes where !attribute.canUpdate && !attribute.isHidden {
      if let wanted = changes[attribute.name], wanted != old[attribute.name] ?? .null {
        throw Fault.badRequest("Cannot change \(attribute.name) of a \(title).")
      }
    }
  }

  // MARK: Rows

  func values(_ row: Row, _ sealer: Sealer) -> JSONObject {
    var values: JSONObject = ["id": .string(row.text("id"))]
    for attribute in attributes { values.append(attribute.name, attribute.json(row, sealer)) }
    if keepsExtra, let extra = row.json("extra").object { values.append("extra", .object(extra)) }
    return values
  }

  func find(_ id: String, _ sealer: Sealer, tx: any Transaction) throws -> JSONObject? {
    let condition: SQL = scope.map { "id = \(id) AND \($0)" } ?? "id = \(id)"
    return try tx.first("SELECT * FROM \(raw: table) WHERE \(condition)").map { values($0, sealer) }
  }

  func insert(_ values: JSONObject, now: Timestamp, _ sealer: Sealer, tx: any Transaction) throws {
    var columns: [(String, SQLValue)] = [
      ("id", (values["id"]?.string ?? "").sqlValue), ("created_at", now.sqlValue),
    ]
    for attribute in attributes {
      columns.append((attribute.column, try attribute.sqlValue(values[attribute.name] ?? .null, sealer)))
    }
    if keepsExtra { columns.append(("extra", values["extra"].sqlValue)) }
    do {
      try tx.execute(.insert(into: table, columns))
    } catch is DuplicateRow { throw duplicate(values) }
  }

  func update(_ old: JSONObject, _ changes: JSONObject, _ sealer: Sealer, tx: any Transaction) throws {
    var columns: [(String, SQLValue)] = []
    for attribute in attributes {
      if let value = changes[attribute.name] {
        columns.append((attribute.column, try attribute.sqlValue(value, sealer)))
      }
    }
    if let extra = changes["extra"]?.object {
      var all = old["extra"]?.object ?? [:]
      all.merge(extra)
      columns.append(("extra", JSONValue.object(all).sqlValue))
    }
    guard !columns.isEmpty else { return }
    do {
      try tx.execute("\(SQL.update(table, columns)) WHERE id = \(old["id"]?.string ?? "")")
    } catch is DuplicateRow {
      var values = old
      values.merge(changes)
      throw duplicate(values)
    }
  }

  func duplicate(_ values: JSONObject) -> Fault {
    let name = values["name"]?.string ?? values["id"]?.string ?? ""
    let place = values["domain_id"]?.string.map { " at domain ID \($0)" } ?? ""
    return .conflict(
      "Conflict occurred attempting to store \(title) - Duplicate entry found with name \(name)\(place).")
  }

  // MARK: Output

  /// What clients see: the fields, the extra ones beside them, and the link to itself.
  func view(_ values: JSONObject, _ call: Call) -> JSONValue {
    var view = JSONObject()
    for member in values where member.key != "extra" && attribute(member.key)?.isHidden != true {
      view.append(member.key, member.value)
    }
    for member in values["extra"]?.object ?? [:] where view[member.key] == nil { view.append(member.key, member.value) }
    let own = "\(call.baseURL)\(path)/\(Percent.encode(values["id"]?.string ?? ""))"
    var links: JSONObject = ["self": .string(own)]
    if let more = hooks.links { links.merge(more(values, own)) }
    view["links"] = .object(links)
    return .object(view)
  }
}

extension Schema {
  /// A name: not only white space.
  static func name(_ length: Int) -> Schema {
    .string(1...length) { text in text.allSatisfy(\.isWhitespace) ? "it holds only white space" : nil }
  }
  /// An id in a body.
  static let identifier = Schema.string(1...64) { text in
    text.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 })
      ? nil : "it is not an identifier"
  }
  static let freeText = Schema.string(0...65_535)
  /// Resource options: an object whose `immutable` is a boolean.
  static let options = Schema.object([.may("immutable", .optional(.boolean))], additional: .allowed)
}

/// Resource options that protect a row (API reference, Resource options).
enum Immutability {
  static func isSet(_ values: JSONObject) -> Bool { values["options"]?["immutable"]?.bool == true }

  /// A change of an immutable resource is refused unless it lifts the option and nothing else.
  static func checkUpdate(_ title: String, _ old: JSONObject, _ changes: JSONObject) throws(Fault) {
    guard isSet(old) else { return }
    let lifts = changes.count == 1 && changes["options"]?["immutable"].map { $0.bool != true } == true
    if !lifts { throw refused(title, old, "update") }
  }
  static func checkDelete(_ title: String, _ old: JSONObject) throws(Fault) {
    if isSet(old) { throw refused(title, old, "delete") }
  }
  private static func refused(_ title: String, _ old: JSONObject, _ verb: String) -> Fault {
    .forbidden(
      "Cannot \(verb) immutable \(title) \(old["id"]?.string ?? ""). Set resource option 'immutable' to false first.")
  }
}

extension Schema.Property {
  static func required(_ name: String, _ schema: Schema) -> Schema.Property { Schema.required(name, schema) }
  static func may(_ name: String, _ schema: Schema) -> Schema.Property { Schema.may(name, schema) }
}
