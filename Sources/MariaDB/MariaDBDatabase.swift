import Dispatch
import Kit
import Store
import Synchronization

/// The engine for fleets: MariaDB, alone or as a Galera cluster, through Connector/C.
///
/// As in the embedded engine there is one writer, here for the whole cluster: each writing transaction first counts up a
/// row that all of them share. On one node that row's lock puts them in line; on two (for the moment of a failover)
/// Galera's certification fails the later one, which is tried again as a whole. So what a transaction has read still holds
/// when it commits, as its author expects, and it never sees half of another one.
public final class MariaDBDatabase: Database {
  private let writer: MariaDBWorker
  private let readers: MariaDBWorkers
  private let statements = Atomic<Int>(0)
  /// Names this process's row in `store_turn`.
  private let process = UUIDText.makeHex()

  /// Connects and makes the engine's own table. Throws a fault when no endpoint can be used.
  public init(_ options: MariaDBOptions) throws {
    writer = MariaDBWorker("writer", options)
    readers = MariaDBWorkers(options)
    let process = process
    try writer.runNow { connection, _ in
      try connection.run(
        """
        CREATE TABLE IF NOT EXISTS store_turn (
          process VARCHAR(36) PRIMARY KEY, turn BIGINT NOT NULL, seen BIGINT NOT NULL)
        """)
      _ = try connection.execute(
        "INSERT INTO store_turn (process, turn, seen) VALUES ('', 0, 0) ON DUPLICATE KEY UPDATE turn = turn")
      _ = try connection.execute(
        """
        INSERT INTO store_turn (process, turn, seen) VALUES (\(process), 0, UNIX_TIMESTAMP())
        ON DUPLICATE KEY UPDATE turn = turn
        """)
      // Rows of processes that ended days ago are of no use to anyone.
      _ = try connection.execute(
        "DELETE FROM store_turn WHERE process NOT IN ('', \(process)) AND seen < UNIX_TIMESTAMP() - 604800")
    }
  }

  public var statementCount: Int { statements.load(ordering: .relaxed) }

  public func read<Result: Sendable>(
    _ body: @escaping @Sendable (any Transaction) throws -> Result
  ) async throws -> Result {
    try await readers.run { [self] connection, _ in
      try connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
      let transaction = MariaDBTransaction(connection, isWritable: false)
      defer { statements.add(transaction.statements, ordering: .relaxed) }
      return try finished(transaction) { try body(transaction) }
    }
  }

  public func write<Result: Sendable>(
    _ body: @escaping @Sendable (any Transaction) throws -> Result
  ) async throws -> Result {
    let pending = Pending<Result>()
    let (result, actions) = try await writer.run { [self] connection, isRetry in
      // The answer to a commit may have been lost with the connection. This process's own count, which nobody else moves
      // between two attempts, tells whether it was done.
      if isRetry, let done = try pending.outcome(turn(connection)) { return done }
      try connection.run("START TRANSACTION")
      let transaction = MariaDBTransaction(connection, isWritable: true)
      defer { statements.add(transaction.statements, ordering: .relaxed) }
      return try finished(transaction) {
        _ = try connection.execute(
          "UPDATE store_turn SET turn = turn + 1, seen = UNIX_TIMESTAMP() WHERE process IN ('', \(process))")
        let result = try body(transaction)
        pending.keep((result, transaction.actions), turn: try turn(connection))
        return (result, transaction.actions)
      }
    }
    for action in actions { action() }
    return result
  }

  private func turn(_ connection: MariaDBConnection) throws -> Int {
    try connection.query("SELECT turn FROM store_turn WHERE process = \(process)").first?.int("turn") ?? 0
  }

  /// Runs the closure and ends the transaction.
  private func finished<Result>(_ transaction: MariaDBTransaction, _ body: () throws -> Result) throws -> Result {
    do {
      let result = try body()
      if let failure = transaction.failure { throw failure }
      try transaction.connection.run("COMMIT")
      return result
    } catch {
      if transaction.failure?.isLost != true { try? transaction.connection.run("ROLLBACK") }
      // The closure's own error may only be a consequence of a transaction that is gone.
      throw transaction.failure ?? error
    }
  }

  public func tables() async throws -> [String] {
    try await read { tx in
      try tx.query(
        """
        SELECT table_name AS name FROM information_schema.tables
        WHERE table_schema = DATABASE() AND table_name <> 'store_turn' ORDER BY table_name
        """
      ).map { $0.text("name") }
    }
  }

  /// Closes the connections when what runs on them is done.
  public func close() {
    writer.close()
    readers.close()
  }
}

/// What a transaction whose commit got no answer has returned.
private final class Pending<Result: Sendable>: Sendable {
  typealias Outcome = (Result, [@Sendable () -> Void])
  private let kept = Mutex<(outcome: Outcome, turn: Int)?>(nil)
  func keep(_ outcome: Outcome, turn: Int) { kept.withLock { $0 = (outcome, turn) } }
  func outcome(_ turn: Int) -> Outcome? { kept.withLock { $0.flatMap { $0.turn == turn ? $0.outcome : nil } } }
}
