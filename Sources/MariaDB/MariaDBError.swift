import CMariaDB

/// What a server or the client library said. Numbers: MariaDB's error codes; those from 2000 on are the client's.
struct MariaDBError: Error, CustomStringConvertible {
  let code: UInt32
  let message: String
  var description: String { "MariaDB error \(code): \(message)" }

  /// The connection is of no use any more; another one may be.
  var isLost: Bool {
    switch code {
    // Server gone away, lost connection, cannot connect, wrong packet order; too many connections; shutdown, killed; node
    // not in the cluster.
    case 2000...2029, 2055, 1040, 1203, 1053, 1152...1161, 1047, 1927, 1290: true
    default: false
    }
  }

  /// The transaction lost against another one: Galera's certification or a deadlock (1213), a lock that took too long (1205).
  var isConflict: Bool { code == 1213 || code == 1205 || code == 1020 }

  /// The server's limit of prepared statements is reached.
  var isTooManyStatements: Bool { code == 1461 }

  /// A broken UNIQUE constraint.
  var isDuplicate: Bool { code == 1062 || code == 1586 }

  /// A change of the schema that is in force already: what a migration cut short has left.
  var isDoneAlready: Bool { [1050, 1060, 1061, 1051, 1091].contains(code) }
}
