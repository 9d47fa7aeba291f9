import API
import Kit
import Store

/// Rows of metadata definitions.
enum MetadefStore {
  static let list = ListSpec(
    table: "metadef_namespace", idColumn: "name",
    columns: [
      ListColumn("namespace", "name", filter: false), ListColumn("visibility"), ListColumn("owner", sort: false),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
    ], defaultSort: [("created_at", false)], style: .image)

  static func namespace(_ row: Row) -> MetadefNamespace {
    MetadefNamespace(
      name: row.text("name"), displayName: row.optionalText("display_name"),
      description: row.optionalText("description"), visibility: row.text("visibility"),
      isProtected: row.bool("protected"), owner: row.optionalText("owner"), createdAt: row.timestamp("created_at"),
      updatedAt: row.timestamp("updated_at"))
  }
  private static func item(_ row: Row) -> MetadefItem {
    MetadefItem(
      kind: MetadefItem.Kind(rawValue: row.text("kind")) ?? .tag, name: row.text("name"),
      body: row.json("body").object ?? [:], createdAt: row.timestamp("created_at"),
      updatedAt: row.timestamp("updated_at"))
  }

  /// Which namespaces a caller sees: public ones and its project's; administrators all.
  static func visible(_ auth: AuthContext) -> SQL? {
    auth.isAdmin ? nil : "visibility = 'public' OR owner = \(auth.projectID)"
  }
  /// Throws a 404 fault for a namespace that the caller does not see.
  static func require(_ name: String, _ auth: AuthContext, tx: any Transaction) throws -> MetadefNamespace {
    var sql: SQL = "SELECT * FROM metadef_namespace WHERE name = \(name)"
    if let condition = visible(auth) { sql = "\(sql) AND (\(condition))" }
    guard let row = try tx.first(sql) else { throw MetadefNamespace.notFound(name) }
    return namespace(row)
  }

  private static func columns(_ namespace: MetadefNamespace) -> [(String, SQLValue)] {
    [
      ("name", namespace.name.sqlValue), ("display_name", namespace.displayName.sqlValue),
      ("description", namespace.description.sqlValue), ("visibility", namespace.visibility.sqlValue),
      ("protected", namespace.isProtected.sqlValue), ("owner", namespace.owner.sqlValue),
      ("created_at", namespace.createdAt.sqlValue), ("updated_at", namespace.updatedAt.sqlValue),
    ]
  }
  static func insert(_ namespace: MetadefNamespace, tx: any Transaction) throws {
    do { try tx.execute(.insert(into: "metadef_namespace", columns(namespace))) } catch is DuplicateRow {
      throw Fault.conflict("The metadata definition namespace=\(namespace.name) already exists.")
    }
  }
  static func update(_ namespace: MetadefNamespace, from name: String, tx: any Transaction) throws {
    do {
      try tx.execute("\(SQL.update("metadef_namespace", columns(namespace))) WHERE name = \(name)")
    } catch is DuplicateRow {
      throw Fault.conflict("The metadata definition namespace=\(namespace.name) already exists.")
    }
    if namespace.name != name {
      try tx.execute("UPDATE metadef_item SET namespace = \(namespace.name) WHERE namespace = \(name)")
    }
  }
  static func delete(_ name: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM metadef_item WHERE namespace = \(name)")
    try tx.execute("DELETE FROM metadef_namespace WHERE name = \(name)")
  }

  static func items(of namespace: String, _ kind: MetadefItem.Kind? = nil, tx: any Transaction) throws -> [MetadefItem]
  {
    var sql: SQL = "SELECT * FROM metadef_item WHERE namespace = \(namespace)"
    if let kind { sql = "\(sql) AND kind = \(kind.rawValue)" }
    return try tx.query("\(sql) ORDER BY created_at, name").map(item)
  }
  static func require(
    _ kind: MetadefItem.Kind, _ name: String, of namespace: String, tx: any Transaction
  ) throws -> MetadefItem {
    let row = try tx.first(
      "SELECT * FROM metadef_item WHERE namespace = \(namespace) AND kind = \(kind.rawValue) AND name = \(name)")
    guard let row else {
      throw Fault.notFound(
        "The metadata definition \(kind.rawValue) with name=\(name.prefix(80)) was not found in namespace=\(namespace)."
      )
    }
    return item(row)
  }
  static func insert(_ item: MetadefItem, into namespace: String, tx: any Transaction) throws {
    do {
      try tx.execute(
        .insert(
          into: "metadef_item",
          [
            "namespace": namespace, "kind": item.kind.rawValue, "name": item.name, "body": JSONValue.object(item.body),
            "created_at": item.createdAt, "updated_at": item.updatedAt,
          ]))
    } catch is DuplicateRow {
      throw Fault.conflict(
        "A metadata definition \(item.kind.rawValue) with name=\(item.name) already exists in namespace=\(namespace).")
    }
  }
  static func delete(_ kind: MetadefItem.Kind, _ name: String? = nil, of namespace: String, tx: any Transaction) throws
  {
    var sql: SQL = "DELETE FROM metadef_item WHERE namespace = \(namespace) AND kind = \(kind.rawValue)"
    if let name { sql = "\(sql) AND name = \(name)" }
    try tx.execute(sql)
  }
}
