import Kit
import Store

final class MariaDBTransaction: Transaction {
  let connection: MariaDBConnection
  let isWritable: Bool
  var statements = 0
  var actions: [@Sendable () -> Void] = []
  /// What ended it on the server. The closure may have caught it: it must not commit what is left.
  private(set) var failure: MariaDBError?

  init(_ connection: MariaDBConnection, isWritable: Bool) {
    (self.connection, self.isWritable) = (connection, isWritable)
  }

  func query(_ sql: SQL) throws -> [Row] { try run { try connection.query(sql) } }

  func execute(_ sql: SQL) throws -> Int {
    let isSchema = ["CREATE ", "ALTER ", "DROP "].contains { sql.text.hasPrefix($0) }
    do {
      guard isSchema else { return try run { try connection.execute(sql) } }
      // It runs once: preparing and keeping it would only cost.
      try run { try connection.run(Self.translated(sql.text)) }
      return 0
    } catch let error as MariaDBError where error.isDuplicate {
      throw DuplicateRow(error.message)
    } catch let error as MariaDBError where isSchema && error.isDoneAlready {
      // A change of the schema commits by itself here. A migration that was cut short goes on where it ended.
      return 0
    }
  }

  func afterCommit(_ action: @escaping @Sendable () -> Void) { actions.append(action) }

  private func run<Result>(_ body: () throws -> Result) throws -> Result {
    if let failure { throw failure }
    statements += 1
    do {
      return try body()
    } catch let error as MariaDBError {
      if error.isLost || error.isConflict { failure = error }
      throw error
    }
  }

  /// What migrations say in SQLite's words.
  private static func translated(_ sql: String) -> String {
    sql.replacing("INTEGER PRIMARY KEY AUTOINCREMENT", with: "BIGINT PRIMARY KEY AUTO_INCREMENT")
      .replacing(" TEXT", with: " MEDIUMTEXT").replacing(" BLOB", with: " MEDIUMBLOB")
  }
}
