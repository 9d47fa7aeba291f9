import Kit
import Store

/// Rows of console tokens: a row per token that has been given out and is not used or expired.
enum ConsoleTokenStore {
  /// Writes a token, and removes those that have expired.
  static func insert(_ token: ConsoleToken, now: Timestamp, tx: any Transaction) throws {
    try tx.execute("DELETE FROM console_token WHERE expires_at <= \(now)")
    try tx.execute(
      .insert(
        into: "console_token",
        [
          "token_hash": token.hash, "server_id": token.serverID, "user_id": token.userID, "type": token.type,
          "host": token.host, "expires_at": token.expiresAt,
        ]))
  }

  /// The token with this hash, unless it has expired.
  static func find(_ hash: String, now: Timestamp, tx: any Transaction) throws -> ConsoleToken? {
    try tx.first("SELECT * FROM console_token WHERE token_hash = \(hash) AND expires_at > \(now)").map { row in
      ConsoleToken(
        hash: row.text("token_hash"), serverID: row.text("server_id"), userID: row.text("user_id"),
        type: row.text("type"), host: row.text("host"), expiresAt: row.timestamp("expires_at"))
    }
  }

  /// Uses a token up. Returns whether it was there.
  static func remove(hash: String, tx: any Transaction) throws -> Bool {
    try tx.execute("DELETE FROM console_token WHERE token_hash = \(hash)") > 0
  }

  static func remove(serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM console_token WHERE server_id = \(serverID)")
  }

  static let migrations = [
    Migration(
      "compute-console-001",
      [
        """
        CREATE TABLE console_token (
          token_hash VARCHAR(64) NOT NULL PRIMARY KEY, server_id VARCHAR(36) NOT NULL, user_id VARCHAR(255) NOT NULL,
          type VARCHAR(32) NOT NULL, host VARCHAR(255) NOT NULL, expires_at BIGINT NOT NULL)
        """,
        "CREATE INDEX console_token_server ON console_token (server_id)",
        "CREATE INDEX console_token_expiry ON console_token (expires_at)",
      ])
  ]
}
