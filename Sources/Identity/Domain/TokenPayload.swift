import Kit

/// What a token carries, sealed. Everything else about it is looked up when it is verified, so that a change of roles,
/// names or state takes effect at once.
struct TokenPayload: Sendable, Equatable {
  enum Scope: Sendable, Equatable {
    case unscoped
    case project(String)
    case domain(String)
    case system
  }
  /// How its user proved who it is, in the order in which they are shown.
  enum Method: UInt8, Sendable, CaseIterable {
    case token, password, applicationCredential, totp, ec2Credential
    var name: String {
      switch self {
      case .token: "token"
      case .password: "password"
      case .applicationCredential: "application_credential"
      case .totp: "totp"
      case .ec2Credential: "ec2credential"
      }
    }
  }

  var userID: String
  var scope: Scope
  var methods: [Method]
  var issuedAt: Timestamp
  var expiresAt: Timestamp
  /// The token's own id and, for one that was made from another, the id of the first in the chain.
  var auditIDs: [String]
  var trustID: String?
  var applicationCredentialID: String?

  /// Whether it stands for a delegation (trust, application or EC2 credential) instead of the whole user.
  var isDelegated: Bool {
    trustID != nil || applicationCredentialID != nil || methods.contains(.ec2Credential)
  }

  static func makeAuditID() -> String {
    var generator = SystemRandomNumberGenerator()
    return Base64URL.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.text(userID)
    switch scope {
    case .unscoped: writer.byte(0)
    case .project(let id):
      writer.byte(1)
      writer.text(id)
    case .domain(let id):
      writer.byte(2)
      writer.text(id)
    case .system: writer.byte(3)
    }
    writer.byte(methods.reduce(0) { $0 | 1 << $1.rawValue })
    writer.integer(issuedAt.microseconds)
    writer.integer(expiresAt.microseconds)
    writer.byte(UInt8(auditIDs.count))
    for id in auditIDs { writer.text(id) }
    writer.text(trustID ?? "")
    writer.text(applicationCredentialID ?? "")
    return writer.bytes
  }

  init(
    userID: String, scope: Scope, methods: [Method], issuedAt: Timestamp, expiresAt: Timestamp, auditIDs: [String],
    trustID: String? = nil, applicationCredentialID: String? = nil
  ) {
    (self.userID, self.scope, self.methods) = (userID, scope, methods)
    (self.issuedAt, self.expiresAt, self.auditIDs) = (issuedAt, expiresAt, auditIDs)
    (self.trustID, self.applicationCredentialID) = (trustID, applicationCredentialID)
  }

  init?(bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    guard let user = reader.text(), let kind = reader.byte() else { return nil }
    userID = user
    switch kind {
    case 0: scope = .unscoped
    case 1:
      guard let id = reader.text() else { return nil }
      scope = .project(id)
    case 2:
      guard let id = reader.text() else { return nil }
      scope = .domain(id)
    case 3: scope = .system
    default: return nil
    }
    guard let mask = reader.byte(), let issued = reader.integer(), let expires = reader.integer(),
      let count = reader.byte()
    else { return nil }
    methods = Method.allCases.filter { mask & 1 << $0.rawValue != 0 }
    (issuedAt, expiresAt) = (Timestamp(microseconds: issued), Timestamp(microseconds: expires))
    auditIDs = []
    for _ in 0..<count {
      guard let id = reader.text() else { return nil }
      auditIDs.append(id)
    }
    guard let trust = reader.text(), let credential = reader.text() else { return nil }
    trustID = trust.isEmpty ? nil : trust
    applicationCredentialID = credential.isEmpty ? nil : credential
  }
}

/// Appends values to bytes; `ByteReader` reads them back in the same order.
private struct ByteWriter {
  var bytes: [UInt8] = []
  mutating func byte(_ value: UInt8) { bytes.append(value) }
  /// A text of at most 255 bytes, which ids are.
  mutating func text(_ value: String) {
    let utf8 = Array(value.utf8.prefix(255))
    bytes.append(UInt8(utf8.count))
    bytes += utf8
  }
  mutating func integer(_ value: Int) {
    let bits = UInt64(bitPattern: Int64(value))
    for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
  }
}

private struct ByteReader {
  private var rest: ArraySlice<UInt8>
  init(_ bytes: [UInt8]) { rest = bytes[...] }
  mutating func byte() -> UInt8? { rest.popFirst() }
  mutating func text() -> String? {
    guard let count = rest.popFirst(), rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(Int(count)) }
    return String(decoding: rest.prefix(Int(count)), as: UTF8.self)
  }
  mutating func integer() -> Int? {
    guard rest.count >= 8 else { return nil }
    let value = rest.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    rest = rest.dropFirst(8)
    return Int(Int64(bitPattern: value))
  }
}
