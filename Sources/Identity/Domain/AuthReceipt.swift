import API
import Kit

/// What a login has proved that its user's rules did not find enough (API reference, Multi-factor authentication). The
/// next attempt shows it and adds the methods that are missing.
struct AuthReceipt: Error, Sendable {
  static let header = "Openstack-Auth-Receipt"
  /// How long one is good for (upstream's receipt expiration).
  static let lifetime: Duration = .seconds(300)

  var userID: String
  var methods: [TokenPayload.Method]
  var issuedAt: Timestamp
  var expiresAt: Timestamp
  /// The sets of methods of which one has to be complete.
  var required: [[String]] = []

  /// Sealed as a token's payload is, under keys of its own: neither passes for the other.
  var bytes: [UInt8] {
    TokenPayload(
      userID: userID, scope: .unscoped, methods: methods, issuedAt: issuedAt, expiresAt: expiresAt, auditIDs: []
    ).bytes
  }

  init(userID: String, methods: [TokenPayload.Method], now: Timestamp, required: [[String]]) {
    (self.userID, self.methods, self.required) = (userID, methods, required)
    (issuedAt, expiresAt) = (now, now + Self.lifetime)
  }

  init?(bytes: [UInt8], now: Timestamp) {
    guard let payload = TokenPayload(bytes: bytes), payload.expiresAt > now else { return nil }
    (userID, methods) = (payload.userID, payload.methods)
    (issuedAt, expiresAt) = (payload.issuedAt, payload.expiresAt)
  }

  /// Whether these methods are enough for the rules. A method that there is none of in this cloud does not count, and
  /// rules of such methods alone do not lock their user out.
  static func satisfies(_ methods: [TokenPayload.Method], _ rules: [[String]]) -> Bool {
    let known = Set(TokenPayload.Method.allCases.map(\.name))
    let live = rules.map { Set($0).intersection(known) }.filter { !$0.isEmpty }
    let proved = Set(methods.map(\.name))
    return live.isEmpty || live.contains { proved.isSuperset(of: $0) }
  }

  /// The 401 that carries it.
  func reply(_ books: Snapshot, sealed: String) -> Reply {
    let user = books.users[userID]
    let domain = user.flatMap { books.domain($0.domainID) }
    let body: JSONValue = [
      "receipt": [
        "methods": .strings(methods.map(\.name)),
        "user": [
          "id": .string(userID), "name": .string(user?.name ?? ""),
          "domain": ["id": .string(domain?.id ?? ""), "name": .string(domain?.name ?? "")],
        ], "expires_at": .string(expiresAt.iso8601MicrosZ), "issued_at": .string(issuedAt.iso8601MicrosZ),
      ], "required_auth_methods": .array(required.map { .strings($0) }),
    ]
    return .json(body, status: 401, headers: [Self.header: sealed])
  }
}
