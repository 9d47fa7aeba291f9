import Kit
import Store

/// Rows of declared resources. Services use these calls too, inside their own transactions.
extension Resource {
  /// A row's values, if it exists and fits `condition`.
  public func find(_ id: String, where condition: SQL? = nil, tx: any Transaction) throws -> JSONObject? {
    var sql: SQL = "SELECT * FROM \(raw: table) WHERE id = \(id)"
    if let condition { sql = "\(sql) AND (\(condition))" }
    return try tx.first(sql).map(values)
  }

  /// Several rows' values by id, in one query.
  public func find(_ ids: some Collection<String>, tx: any Transaction) throws -> [String: JSONObject] {
    guard !ids.isEmpty else { return [:] }
    let rows = try tx.query("SELECT * FROM \(raw: table) WHERE id IN \(list: Array(ids))")
    return Dictionary(rows.map { ($0.text("id"), values($0)) }) { first, _ in first }
  }

  /// Writes a new row; gives it an id and times where it has none. Returns the values as stored.
  @discardableResult
  public func insert(_ given: JSONObject, now: Timestamp, tx: any Transaction) throws -> JSONObject {
    var values = given
    if (values["id"]?.string ?? "").isEmpty { values["id"] = .string(makeID()) }
    for name in ["created_at", "updated_at"] {
      if case .timestamp(let format)? = field(name)?.kind { values[name] = .string(format(now)) }
    }
    if hasRevision { values["revision_number"] = .int(1) }
    var columns: [(String, SQLValue)] = []
    for field in fields {
      guard let column = field.column else { continue }
      let value = values[field.name] ?? field.initial
      columns.append((column, isTime(field) ? now.sqlValue : field.sqlValue(value)))
    }
    try tx.execute(.insert(into: table, columns))
    return values
  }

  /// Writes changes to a row; raises its revision and its time of change. Returns the values after it.
  @discardableResult
  public func update(_ old: JSONObject, _ changes: JSONObject, now: Timestamp, tx: any Transaction) throws -> JSONObject
  {
    var columns: [(String, SQLValue)] = []
    for member in changes {
      guard let field = field(member.key), let column = field.column else { continue }
      columns.append((column, field.sqlValue(member.value)))
    }
    var values = old
    values.merge(changes)
    if case .timestamp(let format)? = field("updated_at")?.kind {
      columns.append(("updated_at", now.sqlValue))
      values["updated_at"] = .string(format(now))
    }
    if hasRevision {
      let next = (old["revision_number"]?.int ?? 0) + 1
      columns.append(("revision_number", .int(next)))
      values["revision_number"] = .int(next)
    }
    let id = old["id"]?.string ?? ""
    if !columns.isEmpty { try tx.execute("\(SQL.update(table, columns)) WHERE id = \(id)") }
    return values
  }

  public func delete(_ id: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM \(raw: table) WHERE id = \(id)")
  }

  private func isTime(_ field: Field) -> Bool { field.name == "created_at" || field.name == "updated_at" }
}
