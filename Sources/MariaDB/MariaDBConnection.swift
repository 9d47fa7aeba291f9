import CMariaDB
import Kit
import Store

/// One connection. The library's calls block: each connection lives on a queue of its own.
final class MariaDBConnection {
  let handle: UnsafeMutablePointer<MYSQL>
  private var statements: [String: MariaDBStatement] = [:]
  private var order: [String] = []

  /// Prepared statements that are kept; long lists of ids make many texts. The server has a limit for all its connections
  /// together (max_prepared_stmt_count, 16,382 at first): a dozen controllers stay well below it.
  private static let statementsMax = 128

  /// Connects to the first endpoint that answers and takes part in its cluster. Throws the last one's error.
  convenience init(_ options: MariaDBOptions) throws {
    var failure = MariaDBError(code: 2003, message: "no endpoint is configured")
    for endpoint in options.endpoints {
      do {
        try self.init(endpoint, options)
        return
      } catch let error as MariaDBError {
        failure = MariaDBError(code: error.code, message: "\(endpoint): \(error.message)")
      }
    }
    throw failure
  }

  private init(_ endpoint: MariaDBOptions.Endpoint, _ options: MariaDBOptions) throws {
    guard let handle = mysql_init(nil) else { throw MariaDBError(code: 2008, message: "out of memory") }
    self.handle = handle
    var seconds = UInt32(options.connectTimeout)
    mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds)
    var transfer = UInt32(30)
    mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &transfer)
    mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &transfer)
    mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4")
    if let authority = options.authority {
      var isOn: my_bool = 1
      mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &isOn)
      mysql_ssl_set(handle, nil, nil, authority, nil, nil)
    }
    guard
      mysql_real_connect(
        handle, endpoint.host, options.user, options.password.value, options.database, UInt32(endpoint.port),
        endpoint.socket, UInt(CLIENT_FOUND_ROWS)) != nil
    else { throw error() }
    // SQLite's ways: bytes are compared as they are, `||` joins texts, "names" are quoted, nothing is cut to fit.
    try run(
      """
      SET SESSION sql_mode = 'STRICT_ALL_TABLES,PIPES_AS_CONCAT,ANSI_QUOTES,NO_ENGINE_SUBSTITUTION', \
      tx_isolation = 'REPEATABLE-READ', innodb_lock_wait_timeout = 10, time_zone = '+00:00', \
      collation_connection = 'utf8mb4_nopad_bin', group_concat_max_len = 1048576
      """)
    // A node that has lost the majority of its cluster answers, but must not be used.
    for row in try query("SHOW STATUS LIKE 'wsrep_ready'") where row.text("Value") == "OFF" {
      if try query("SHOW VARIABLES LIKE 'wsrep_on'").first?.text("Value") == "ON" {
        throw MariaDBError(code: 1047, message: "the node has not joined its cluster or lost its majority")
      }
    }
  }

  deinit {
    statements.removeAll()
    mysql_close(handle)
  }

  func error() -> MariaDBError {
    MariaDBError(code: mysql_errno(handle), message: String(cString: mysql_error(handle)))
  }

  /// A statement without parameters or result, as text: what cannot be prepared.
  func run(_ text: String) throws {
    guard mysql_real_query(handle, text, UInt(text.utf8.count)) == 0 else { throw error() }
    if let result = mysql_store_result(handle) { mysql_free_result(result) }
  }

  func query(_ sql: SQL) throws -> [Row] { try statement(sql.text).query(sql.parameters) }

  /// Returns how many rows matched.
  func execute(_ sql: SQL) throws -> Int { try statement(sql.text).execute(sql.parameters) }

  private func statement(_ text: String) throws -> MariaDBStatement {
    if let statement = statements[text] { return statement }
    if order.count >= Self.statementsMax {
      for old in order.prefix(Self.statementsMax / 2) { statements[old] = nil }
      order.removeFirst(Self.statementsMax / 2)
    }
    let statement: MariaDBStatement
    do {
      statement = try MariaDBStatement(text, self)
    } catch let error as MariaDBError where error.isTooManyStatements {
      // Others hold the rest of the limit; what this connection keeps is only there to save time.
      statements.removeAll()
      order.removeAll()
      statement = try MariaDBStatement(text, self)
    }
    statements[text] = statement
    order.append(text)
    return statement
  }
}
