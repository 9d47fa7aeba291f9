import Foundation
import GRDB
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

  public func tables() async throws -> [String] {
    try await read { tx in
      try tx.query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .map { $0.text("name") }
    }
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
    let statement = try SQLiteStatement(sql, connection)
    var columns: Row.Columns?
    var rows: [Row] = []
    try statement.run {
      // Names are asked for once it runs: SQLite prepares it anew then when the schema has changed.
      let named = columns ?? Row.Columns(statement.columnNames)
      columns = named
      rows.append(Row(columns: named, values: statement.values(named.count)))
    }
    return rows
  }

  func execute(_ sql: SQL) throws -> Int {
    statements += 1
    do {
      try SQLiteStatement(sql, connection).run {}
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
