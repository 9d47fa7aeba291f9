import Kit
import Store

extension IdentityService {
  /// Makes new sealing keys, which seal from now on. Tokens and receipts of the keys before stay in force; a key is
  /// removed once none of its tokens can be any more. What is sealed in the books (credentials, consumers' secrets,
  /// domains' settings) is sealed anew, and its old keys go. Returns the numbers of the keys in force.
  public func rotateKeys() async throws -> [(purpose: String, number: Int)] {
    let kept = tokenLifetime + Self.expiredWindow
    let now = clock.now()
    for purpose in ["token", "receipt", "credential"] {
      try Sealer.addKey(directory: keyDirectory, purpose: purpose)
    }
    try loadKeys()
    try await sealAnew()
    for purpose in ["token", "receipt"] {
      let oldest = Timestamp(microseconds: now.microseconds - kept.microseconds)
      try Sealer.prune(directory: keyDirectory, purpose: purpose, supersededBefore: oldest)
    }
    try Sealer.prune(directory: keyDirectory, purpose: "credential", supersededBefore: nil)
    try loadKeys()
    let numbers = keyNumbers
    log.audit("new sealing keys: " + numbers.map { "\($0.purpose) \($0.number)" }.joined(separator: ", "))
    return numbers
  }

  /// Everything sealed in the books, under the newest key.
  private func sealAnew() async throws {
    let sealer = secrets
    try await change { change in
      for (table, key, column) in [
        ("identity_credential", "id", "data"), ("identity_consumer", "id", "secret"),
        ("identity_domain_config", "domain_id", "config"), ("identity_request_token", "id", "secret"),
        ("identity_access_token", "id", "secret"),
      ] {
        for row in try change.tx.query("SELECT \(raw: key) AS id, \(raw: column) AS sealed FROM \(raw: table)") {
          guard let opened = sealer.open(row.blob("sealed")) else {
            throw Fault.internal("\(table) \(row.text("id")) was sealed with a key that is gone: nothing was changed.")
          }
          let sealed = SQLValue.blob(try sealer.seal(opened))
          try change.tx.execute(
            "\(SQL.update(table, [(column, sealed)])) WHERE \(raw: key) = \(row.text("id"))")
        }
      }
    }
  }
}
