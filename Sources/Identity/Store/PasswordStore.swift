import Kit
import Store

/// What the books know of a user's password.
struct PasswordRecord: Sendable {
  var hash: String?
  var createdAt: Timestamp?
  var expiresAt: Timestamp?
  /// Whether its user chose it.
  var isSelfService: Bool
  var failures: Int
  var failedAt: Timestamp?
  var options: JSONValue

  /// Whether it has to be changed before it is good for logging in.
  func isExpired(_ now: Timestamp) -> Bool {
    guard let expiresAt, !UserOption.isSet(.ignoreExpiry, options) else { return false }
    return expiresAt <= now
  }
}

/// Rows of passwords: the present one with its user, those before it in a table of their own.
enum PasswordStore {
  static func find(_ userID: String, tx: any Transaction) throws -> PasswordRecord? {
    try tx.first("SELECT * FROM identity_user WHERE id = \(userID)").map { row in
      PasswordRecord(
        hash: row.optionalText("password_hash"), createdAt: row.optionalTimestamp("password_created_at"),
        expiresAt: row.optionalTimestamp("password_expires_at"), isSelfService: row.bool("password_self_service"),
        failures: row.int("failed_count"), failedAt: row.optionalTimestamp("failed_at"), options: row.json("options"))
    }
  }

  /// Hashes of the last passwords, the present one first.
  static func last(_ count: Int, of userID: String, tx: any Transaction) throws -> [String] {
    guard count > 0 else { return [] }
    let present = try find(userID, tx: tx)?.hash
    let past = try tx.query(
      "SELECT password_hash FROM identity_password WHERE user_id = \(userID) ORDER BY created_at DESC LIMIT \(count)"
    ).map { $0.text("password_hash") }
    return Array(([present].compactMap { $0 } + past.filter { $0 != present }).prefix(count))
  }

  /// Keeps a new password for the comparison with later ones, and forgets those that do not count any more.
  static func remember(_ hash: String, of userID: String, count: Int, _ change: Change) throws {
    guard count > 0 else { return }
    try change.tx.execute(
      .insert(
        into: "identity_password", ["user_id": userID, "created_at": change.now, "password_hash": hash]))
    let kept = try change.tx.query(
      "SELECT created_at FROM identity_password WHERE user_id = \(userID) ORDER BY created_at DESC LIMIT \(count)")
    guard let oldest = kept.last?.timestamp("created_at") else { return }
    try change.tx.execute("DELETE FROM identity_password WHERE user_id = \(userID) AND created_at < \(oldest)")
  }

  static func countFailure(_ userID: String, _ change: Change) throws {
    try change.tx.execute(
      "UPDATE identity_user SET failed_count = failed_count + 1, failed_at = \(change.now) WHERE id = \(userID)")
  }
  /// For a user that there is none of: it costs what counting one costs, so that the time tells nothing.
  static func countUnknown(_ change: Change) throws {
    let before = try change.tx.first("SELECT failed_count FROM identity_unknown_login WHERE id = 1")?.int(
      "failed_count")
    try change.tx.execute(
      """
      REPLACE INTO identity_unknown_login (id, failed_count, failed_at) VALUES (1, \((before ?? 0) + 1), \(change.now))
      """)
  }
  static func forgetFailures(_ userID: String, _ change: Change) throws {
    try change.tx.execute("UPDATE identity_user SET failed_count = 0, failed_at = NULL WHERE id = \(userID)")
  }
}
