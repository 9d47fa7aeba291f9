import Foundation
import GRDB
import GRDBSQLite
import Kit
import Synchronization

/// The embedded engine: SQLite in WAL mode through GRDB. One writer, snapshot readers.
public final class SQLiteDatabase: Database {
  /// How much a commit waits for the disk. See SQLite's PRAGMA synchronous.
  public enum Durability: String, Sendable {
    /// Every commit survives a power cut.
    case full = "FULL"
    /// Every commit survives the end of the process; the last ones before a power cut may be missing, never half-made.
    case normal = "NORMAL"
  }

  private let pool: DatabasePool
  private let statements = Atomic<Int>(0)

  /// Opens or makes the file at `path`.
  public init(path: String, durability: Durability = .full, readers: Int = 4) throws {
    var configuration = Configuration()
    configuration.maximumReaderCount = readers
    configuration.label = "martlet"
    configuration.prepareDatabase { connection in
      try connection.execute(sql: "PRAGMA synchronous = \(durability.rawValue)")
      try connection.execute(sql: "PRAGMA foreign_keys = ON")
    }
    pool = try DatabasePool(path: path, configuration: configuration)
  }

  public var statementCount: Int { statements.load(ordering: .relaxed) }

  // GRDB's async calls give up when their task is cancelled. A commit must not depend on whether the client still listens,
  // and a job that is cancelled must be able to say so: hence the calls with completions.

  public func read<Result: Sendable>(
    _ body: @escaping @Sendable (any Transaction) throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      pool.asyncRead { [self] access in
        continuation.resume(
          with: Swift.Result {
            let transaction = SQLiteTransaction(connection: try access.get(), isWritable: false)
            defer { statements.add(transaction.statements, ordering: .relaxed) }
            return try body(transaction)
          })
      }
    }
  }

  public func write<Result: Sendable>(
    _ body: @escaping @Sendable (any Transaction) throws -> Result
  ) async throws -> Result {
    let (result, actions) = try await withCheckedThrowingContinuation { continuation in
      pool.asyncWrite(
        { [self] connection -> (Result, [@Sendable () -> Void]) in
          let transaction = SQLiteTransaction(connection: connection, isWritable: true)
          defer { statements.add(transaction.statements, ordering: .relaxed) }
          return (try body(transaction), transaction.actions)
        }, completion: { _, result in continuation.resume(with: result) })
    }
    for action in actions { action() }
    return result
  }

  /// Folds the write-ahead log into the file and closes it.
  public func close() throws { try pool.close() }

  /// A consistent copy of the whole database in a new file (VACUUM INTO).
  public func backup(to path: String) async throws {
    try await pool.writeWithoutTransaction { try $0.execute(sql: "VACUUM INTO ?", arguments: [path]) }
  }
}

private final class SQLiteTransaction: Transaction {
  let connection: GRDB.Database
  let isWritable: Bool
  var statements = 0
  var actions: [@Sendable () -> Void] = []

  init(connection: GRDB.Database, isWritable: Bool) { (self.connection, self.isWritable) = (connection, isWritable) }

  func query(_ sql: SQL) throws -> [Row] {
    statements += 1
    let statement = try connection.cachedStatement(sql: sql.text)
    let cursor = try GRDB.Row.fetchCursor(statement, arguments: StatementArguments(sql.parameters.map(\.grdb)))
    let columns = Row.Columns(statement.columnNames)
    let positions = CInt(0)..<CInt(statement.columnCount)
    var rows: [Row] = []
    // The cursor steps and reports errors; values come straight from SQLite, because GRDB's own cost as much as the rest
    // of a long list.
    while try cursor.next() != nil {
      rows.append(Row(columns: columns, values: positions.map { SQLValue(statement.sqliteStatement, $0) }))
    }
    return rows
  }

  func execute(_ sql: SQL) throws -> Int {
    statements += 1
    do {
      let statement = try connection.cachedStatement(sql: sql.text)
      try statement.execute(arguments: StatementArguments(sql.parameters.map(\.grdb)))
      return connection.changesCount
    } catch let error as DatabaseError
      where error.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE
      || error.extendedResultCode == .SQLITE_CONSTRAINT_PRIMARYKEY
    {
      throw DuplicateRow(error.message ?? "duplicate row")
    }
  }

  func afterCommit(_ action: @escaping @Sendable () -> Void) { actions.append(action) }
}

extension SQLValue {
  /// The value of a column of the statement's current row (sqlite.org/c3ref/column_blob.html).
  fileprivate init(_ statement: SQLiteStatement, _ column: CInt) {
    switch sqlite3_column_type(statement, column) {
    case SQLITE_INTEGER: self = .int(Int(sqlite3_column_int64(statement, column)))
    case SQLITE_FLOAT: self = .double(sqlite3_column_double(statement, column))
    case SQLITE_TEXT:
      let start = sqlite3_column_text(statement, column)
      let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
      self = .text(String(decoding: bytes, as: UTF8.self))
    case SQLITE_BLOB:
      let start = sqlite3_column_blob(statement, column)
      let bytes = UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
      self = .blob(Array(bytes))
    default: self = .null
    }
  }
  fileprivate var grdb: (any DatabaseValueConvertible)? {
    switch self {
    case .null: nil
    case .int(let value): value
    case .double(let value): value
    case .text(let value): value
    case .blob(let value): Data(value)
    }
  }
}
