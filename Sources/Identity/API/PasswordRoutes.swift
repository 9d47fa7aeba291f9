import API
import Kit
import Store

extension IdentityService {
  var passwordRoutes: [Route] {
    [
      Route("POST", "/v3/users/{user_id}/password", .open, body: .json) { [self] in try await changePassword($0) }
    ]
  }

  /// Takes the password out of a body and gives its columns. Only those who may set passwords cost us the hashing.
  func takePassword(_ input: inout JSONObject, _ call: Call) async throws -> JSONObject {
    guard let value = input["password"] else { return [:] }
    let auth = try call.auth
    guard auth.isAdmin || auth.has("manager") else {
      throw Fault.forbidden(ErrorShape.identity.policyMessage(call.route.policy.name))
    }
    input["password"] = nil
    if value.isNull { return ["password_hash": nil, "password_created": nil, "password_expiry": nil] }
    try PasswordRules.schema.check(value, path: "password")
    let id = call.parameters["user_id"]
    let old = try await database.read { tx in try id.flatMap { try PasswordStore.find($0, tx: tx) }?.options }
    var options = old?.object ?? [:]
    options.merge(input["options"]?.object ?? [:])
    return try await newPassword(Secret(value.string ?? ""), of: id, options: .object(options), isSelfService: false)
  }

  /// The columns of a new password that fits the rules; throws 400 for one that does not.
  private func newPassword(
    _ password: Secret, of userID: String?, options: JSONValue, isSelfService: Bool
  ) async throws -> JSONObject {
    let rules = settings.compliance
    try rules.check(password)
    // An administrator's reset does not look back, as upstream.
    let count = isSelfService ? rules.uniqueLastPasswordCount : 0
    let last = try await database.read { tx in try userID.map { try PasswordStore.last(count, of: $0, tx: tx) } ?? [] }
    for hash in last where try await hasher.check(password, hash) {
      throw Fault.badRequest(
        "The new password cannot be identical to a previous password. The total number which includes the new password "
          + "must be unique is \(count).")
    }
    let now = clock.now()
    let expires = rules.expiry(of: options, now: now, isSelfService: isSelfService)
    return [
      "password_hash": .string(try await hasher.hash(password)), "password_created": .int(now.microseconds),
      "password_expiry": .optional(expires?.microseconds), "password_self_service": .bool(isSelfService),
      "failed_count": 0, "failed_at": nil,
    ]
  }

  /// POST /v3/users/{user_id}/password: the original password is what authorizes it, also when it has ended.
  private func changePassword(_ call: Call) async throws -> Reply {
    guard let body = call.body["user"] else { throw Fault.badRequest("'user' is a required property") }
    try PasswordRules.change.check(body, path: "user")
    let (id, given) = (call.parameter("user_id"), Secret(body["original_password"]?.string ?? ""))
    let known: PasswordRecord
    do {
      known = try await checkPassword(given, of: books.users[id], allowsExpired: true)
    } catch let fault as Fault {
      log.request(call.requestID).audit(
        "refused to change the password of user \(id.prefix(64)) from \(call.http.remoteAddress)")
      throw fault
    }
    if UserOption.isSet(.lockPassword, known.options) {
      throw Fault.badRequest(
        "You cannot change your password at this time due to password policy disallowing password changes. "
          + "Please contact your administrator to reset your password.")
    }
    if known.isSelfService { try settings.compliance.checkAge(known.createdAt, now: clock.now()) }
    let wanted = Secret(body["password"]?.string ?? "")
    let columns = try await newPassword(wanted, of: id, options: known.options, isSelfService: true)
    return try await store(columns, of: id, in: known, call)
  }

  private func store(
    _ columns: JSONObject, of id: String, in known: PasswordRecord, _ call: Call
  ) async throws -> Reply {
    try await change(call) { [self] change in
      let hash = columns["password_hash"]?.string ?? ""
      // Another change may have been faster: then the original password is no more the one that was checked.
      let changed = try change.tx.execute(
        """
        UPDATE identity_user SET password_hash = \(hash), password_created_at = \(columns["password_created"]?.int),
          password_expires_at = \(columns["password_expiry"]?.int), password_self_service = 1
        WHERE id = \(id) AND password_hash = \(known.hash ?? "")
        """)
      guard changed == 1 else { throw Fault.conflict("The password has been changed at the same time.") }
      try PasswordStore.remember(hash, of: id, count: settings.compliance.uniqueLastPasswordCount, change)
      try change.revoke(.user, id)
      change.touch(.user(id))
      audit(nil, "user \(id) changed the own password from \(call.http.remoteAddress)", change.tx)
      return .empty(204)
    }
  }
}

/// What a password may be.
enum PasswordRules {
  static let schema = Schema.string(1...4096)
  static let change = Schema.object([.required("original_password", .string(0...4096)), .required("password", schema)])
}
