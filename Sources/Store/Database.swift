import Kit

/// One transaction. It lives only inside its closure.
public protocol Transaction {
  /// Whether it was opened by `write`.
  var isWritable: Bool { get }
  func query(_ sql: SQL) throws -> [Row]
  /// Runs a change; returns how many rows it touched. A broken UNIQUE constraint throws `DuplicateRow`.
  @discardableResult func execute(_ sql: SQL) throws -> Int
  /// Runs `action` once this transaction is committed: for wake-ups, never for truth.
  func afterCommit(_ action: @escaping @Sendable () -> Void)
}

/// A UNIQUE constraint does not allow the row.
public struct DuplicateRow: Error, CustomStringConvertible {
  /// What the engine says: it names the table and columns.
  public let description: String
  public init(_ description: String) { self.description = description }
}

extension Transaction {
  /// The first row, or nil.
  public func first(_ sql: SQL) throws -> Row? { try query(sql).first }
  /// The first column of the first row as an integer, 0 when there is none: for `SELECT COUNT(*)`.
  public func count(_ sql: SQL) throws -> Int {
    guard let row = try query(sql).first, case .int(let value) = row[0] else { return 0 }
    return value
  }
}

/// A relational database: SQLite in the all-in-one, MariaDB Galera in a fleet. SQL is the common subset of both.
public protocol Database: Sendable {
  /// A consistent snapshot. One per request, never one per entity.
  func read<Result: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> Result) async throws -> Result
  /// A transaction that commits when the closure returns and rolls back when it throws. The closure never awaits.
  func write<Result: Sendable>(_ body: @escaping @Sendable (any Transaction) throws -> Result) async throws -> Result
  /// Statements run so far, for tests that bound the queries of a request.
  var statementCount: Int { get }
  /// Names of the tables that migrations have made, sorted: what a copy of the whole database consists of.
  func tables() async throws -> [String]
  /// Ends its connections when what runs on them is done.
  func close() throws
}

/// A step of the schema's history: it runs once, in one transaction. Never change one that has been released: add another.
public struct Migration: Sendable {
  /// Unique and sorted within its service: `network-001`.
  public let id: String
  public let statements: [SQL]
  public init(_ id: String, _ statements: [SQL]) { (self.id, self.statements) = (id, statements) }
}

extension Database {
  /// Runs the migrations that have not run yet, in the given order.
  public func migrate(_ migrations: [Migration], clock: any WallClock = SystemClock()) async throws {
    let now = clock.now()
    try await write { tx in
      try tx.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration (id VARCHAR(64) PRIMARY KEY, applied_at BIGINT NOT NULL)")
      let done = Set(try tx.query("SELECT id FROM schema_migration").map { $0.text("id") })
      for migration in migrations where !done.contains(migration.id) {
        for statement in migration.statements { try tx.execute(statement) }
        try tx.execute("INSERT INTO schema_migration (id, applied_at) VALUES (\(migration.id), \(now))")
      }
    }
  }
}
