import Kit
import Store

/// A table whose rows have an `id`, with the few statements that every noun needs.
struct Table: Sendable {
  let name: String
  init(_ name: String) { self.name = "bs_" + name }

  func find(_ id: String, where condition: SQL? = nil, tx: any Transaction) throws -> Row? {
    var sql: SQL = "SELECT * FROM \(raw: name) WHERE id = \(id)"
    if let condition { sql = "\(sql) AND (\(condition))" }
    return try tx.first(sql)
  }
  func all(_ condition: SQL, order: String = "created_at, id", tx: any Transaction) throws -> [Row] {
    try tx.query("SELECT * FROM \(raw: name) WHERE \(condition) ORDER BY \(raw: order)")
  }
  func count(_ condition: SQL, tx: any Transaction) throws -> Int {
    try tx.count("SELECT COUNT(*) FROM \(raw: name) WHERE \(condition)")
  }
  func insert(_ values: KeyValuePairs<String, any SQLConvertible>, tx: any Transaction) throws {
    try tx.execute(.insert(into: name, values))
  }
  /// Changes a row; false when there is none.
  @discardableResult
  func set(_ id: String, _ values: KeyValuePairs<String, any SQLConvertible>, tx: any Transaction) throws -> Bool {
    let sql = SQL.update(name, values.map { ($0.key, $0.value.sqlValue) })
    return try tx.execute("\(sql) WHERE id = \(id)") == 1
  }
  func remove(_ id: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM \(raw: name) WHERE id = \(id)")
  }

  static let volume = Table("volume")
  static let snapshot = Table("snapshot")
  static let attachment = Table("attachment")
  static let type = Table("type")
  static let qos = Table("qos")
  static let transfer = Table("transfer")
  static let backup = Table("backup")
  static let group = Table("grp")
  static let groupSnapshot = Table("group_snapshot")
  static let groupType = Table("group_type")
  static let message = Table("message")
  static let service = Table("service")
  /// Files that others start from: frozen states of volumes and images.
  static let layer = Table("layer")
}

extension Row {
  var id: String { text("id") }
  var status: String { text("status") }
  var projectID: String { text("project_id") }
  /// A column with a JSON object of texts.
  func texts(_ column: String) -> [String: String] {
    Dictionary((json(column).object ?? [:]).map { ($0.key, $0.value.string ?? $0.value.text) }) { _, last in last }
  }
  func optional(_ column: String) -> JSONValue { .optional(optionalText(column)) }
  func time(_ column: String) -> JSONValue { .optional(optionalTimestamp(column)?.iso8601Micros) }
}

extension JSONValue {
  /// An object of texts, its keys sorted so that equal contents are equal text.
  static func texts(_ values: [String: String]) -> JSONValue {
    .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }
}
