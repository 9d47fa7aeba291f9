import Kit

/// A public key of a user that new servers take into their `authorized_keys` (API reference, Keypairs).
public struct Keypair: Sendable, Equatable {
  public var number: Int
  public var name: String
  public var userID: String
  /// `ssh` or `x509`.
  public var type: String
  public var publicKey: String
  /// MD5 of the SSH key's blob, or SHA-1 of the certificate: bytes in hexadecimal with colons.
  public var fingerprint: String
  public var createdAt: Timestamp

  public init(
    number: Int = 0, name: String, userID: String, type: String, publicKey: String, fingerprint: String,
    createdAt: Timestamp
  ) {
    (self.number, self.name, self.userID, self.type) = (number, name, userID, type)
    (self.publicKey, self.fingerprint, self.createdAt) = (publicKey, fingerprint, createdAt)
  }
}
