import Kit

/// Copies a whole database into another engine: how an all-in-one grows onto a cluster, and back.
public struct DatabaseCopy: Sendable {
  private let source: any Database
  private let target: any Database

  public init(from source: any Database, to target: any Database) { (self.source, self.target) = (source, target) }

  /// Rows that are written by one statement, at most, and bytes of values after which it is full: servers refuse
  /// statements that are too long (MariaDB's max_allowed_packet, 16 MiB at first).
  private static let rowsMax = 500
  private static let bytesMax = 1 << 20

  /// Copies every row of every table in one transaction of the target, from one snapshot of the source. Both must have
  /// run `migrations`. Returns the number of rows by table. Throws a 409 fault, with nothing copied, when the target
  /// holds rows already.
  public func run(_ migrations: [Migration]) async throws -> [(table: String, rows: Int)] {
    try await source.migrate(migrations)
    try await target.migrate(migrations)
    let tables = try await source.tables().filter { $0 != "schema_migration" }
    let target = target
    try await target.read { tx in
      for table in tables
      where try tx.count("SELECT COUNT(*) FROM (SELECT 1 FROM \(raw: table) LIMIT 1) AS rows_of") > 0 {
        throw Fault.conflict("The table \(table) of the target is not empty: copy into a new database.")
      }
    }
    let rows = try await source.read { tx in
      try tables.map { table in (table, try tx.query("SELECT * FROM \(raw: table)")) }
    }
    try await target.write { tx in
      for (table, rows) in rows {
        var start = 0
        while start < rows.count {
          let end = Self.end(of: rows, from: start)
          try tx.execute(Self.insert(rows[start..<end], into: table))
          start = end
        }
      }
    }
    for (table, rows) in rows {
      let copied = try await target.read { try $0.count("SELECT COUNT(*) FROM \(raw: table)") }
      guard copied == rows.count else {
        throw Fault.internal("\(table) has \(copied) rows after the copy instead of \(rows.count)")
      }
    }
    return rows.map { ($0.0, $0.1.count) }
  }

  /// Where the statement that begins with the row at `start` is full.
  private static func end(of rows: [Row], from start: Int) -> Int {
    var (end, bytes) = (start, 0)
    while end < rows.count, end - start < rowsMax, bytes < bytesMax {
      for (_, value) in rows[end].members {
        switch value {
        case .text(let text): bytes += text.utf8.count
        case .blob(let blob): bytes += blob.count
        default: bytes += 8
        }
      }
      end += 1
    }
    return end
  }

  private static func insert(_ rows: ArraySlice<Row>, into table: String) -> SQL {
    var sql = SQL.insert(into: table, rows[rows.startIndex].members)
    for row in rows.dropFirst() {
      let members = row.members
      sql.text += ", (" + Array(repeating: "?", count: members.count).joined(separator: ", ") + ")"
      sql.parameters += members.map(\.1)
    }
    return sql
  }
}
