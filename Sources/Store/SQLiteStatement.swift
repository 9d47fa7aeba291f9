import GRDB
import GRDBSQLite
import Kit

/// A prepared statement that is bound, stepped and read by SQLite's own functions: GRDB's values and arguments cost as
/// much as the rest of a long list, and its texts end at U+0000. GRDB keeps connections, snapshots and the statements.
struct SQLiteStatement {
  private let connection: GRDB.Database
  private let sql: SQL
  private let statement: OpaquePointer

  init(_ sql: SQL, _ connection: GRDB.Database) throws {
    (self.connection, self.sql) = (connection, sql)
    statement = try connection.cachedStatement(sql: sql.text).sqliteStatement
  }

  /// Runs it to its end, with each row's values given to `row`.
  func run(_ row: () -> Void) throws {
    // A reset also ends a run that an error has cut short; its code repeats that error.
    defer { sqlite3_reset(statement) }
    try bind()
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: row()
      case SQLITE_DONE: return
      default: throw error()
      }
    }
  }

  var columnNames: [String] {
    (0..<sqlite3_column_count(statement)).map { String(cString: sqlite3_column_name(statement, $0)) }
  }

  /// The values of the current row.
  func values(_ count: Int) -> [SQLValue] {
    [SQLValue](unsafeUninitializedCapacity: count) { buffer, initialized in
      for column in 0..<count { buffer.initializeElement(at: column, to: value(CInt(column))) }
      initialized = count
    }
  }

  private func bind() throws {
    let wanted = Int(sqlite3_bind_parameter_count(statement))
    guard wanted == sql.parameters.count else {
      throw DatabaseError(
        resultCode: .SQLITE_MISUSE, message: "\(wanted) parameters wanted, \(sql.parameters.count) given", sql: sql.text
      )
    }
    for (index, parameter) in sql.parameters.enumerated() {
      let code = bind(parameter, CInt(index + 1))
      guard code == SQLITE_OK else { throw error() }
    }
  }

  private func bind(_ value: SQLValue, _ position: CInt) -> CInt {
    // SQLite copies what it is given.
    let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    switch value {
    case .null: return sqlite3_bind_null(statement, position)
    case .int(let value): return sqlite3_bind_int64(statement, position, Int64(value))
    case .double(let value): return sqlite3_bind_double(statement, position, value)
    case .text(var text):
      return text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          sqlite3_bind_text64(
            statement, position, $0.baseAddress, UInt64($0.count), transient, UInt8(SQLITE_UTF8))
        }
      }
    case .blob(let bytes):
      guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(statement, position, 0) }
      return sqlite3_bind_blob64(statement, position, bytes, UInt64(bytes.count), transient)
    }
  }

  /// The value of a column of the current row (sqlite.org/c3ref/column_blob.html).
  private func value(_ column: CInt) -> SQLValue {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: return .int(Int(sqlite3_column_int64(statement, column)))
    case SQLITE_FLOAT: return .double(sqlite3_column_double(statement, column))
    case SQLITE_TEXT:
      let start = sqlite3_column_text(statement, column)
      let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
      return .text(String(decoding: bytes, as: UTF8.self))
    case SQLITE_BLOB:
      let start = sqlite3_column_blob(statement, column)
      let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
      return .blob(Array(bytes))
    default: return .null
    }
  }

  private func error() -> DatabaseError {
    DatabaseError(
      resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection.sqliteConnection)),
      message: String(cString: sqlite3_errmsg(connection.sqliteConnection)), sql: sql.text)
  }
}
