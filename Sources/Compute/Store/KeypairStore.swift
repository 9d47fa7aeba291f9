import API
import Kit
import Store

/// Rows of key pairs. Names are unique per user.
public enum KeypairStore {
  static let list = ListSpec(
    table: "keypair", idColumn: "name", columns: [ListColumn("name", filter: false)], defaultSort: [("name", true)],
    style: .compute)

  static func keypair(_ row: Row) -> Keypair {
    Keypair(
      number: row.int("id"), name: row.text("name"), userID: row.text("user_id"), type: row.text("type"),
      publicKey: row.text("public_key"), fingerprint: row.text("fingerprint"),
      createdAt: row.timestamp("created_at"))
  }

  /// A user's key pair by its name.
  public static func find(name: String, userID: String, tx: any Transaction) throws -> Keypair? {
    try tx.first("SELECT * FROM keypair WHERE user_id = \(userID) AND name = \(name)").map(keypair)
  }
  static func count(userID: String, tx: any Transaction) throws -> Int {
    try tx.count("SELECT COUNT(*) FROM keypair WHERE user_id = \(userID)")
  }

  /// Writes a new key pair. Throws a 409 fault for a name that the user has already.
  static func insert(_ keypair: Keypair, tx: any Transaction) throws {
    do {
      try tx.execute(
        .insert(
          into: "keypair",
          [
            "name": keypair.name, "user_id": keypair.userID, "type": keypair.type, "public_key": keypair.publicKey,
            "fingerprint": keypair.fingerprint, "created_at": keypair.createdAt,
          ]))
    } catch is DuplicateRow {
      throw Fault.conflict("Key pair '\(keypair.name)' already exists.")
    }
  }
  /// Removes a key pair; servers keep what they have taken from it. Returns whether it was there.
  static func delete(name: String, userID: String, tx: any Transaction) throws -> Bool {
    try tx.execute("DELETE FROM keypair WHERE user_id = \(userID) AND name = \(name)") > 0
  }

  static let migrations = [
    Migration(
      "compute-keypair-001",
      [
        """
        CREATE TABLE keypair (
          id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(255) NOT NULL, user_id VARCHAR(255) NOT NULL,
          type VARCHAR(8) NOT NULL, public_key TEXT NOT NULL, fingerprint VARCHAR(255) NOT NULL,
          created_at BIGINT NOT NULL, UNIQUE (user_id, name))
        """
      ])
  ]
}
