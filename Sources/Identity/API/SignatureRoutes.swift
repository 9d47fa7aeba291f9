import API
import Kit
import Store

extension IdentityService {
  /// How long a signed request is good for (upstream's auth_ttl).
  static let signatureLifetime: Duration = .seconds(15 * 60)

  /// Tokens for requests that were signed with an EC2 credential (API reference, OS-EC2 and s3tokens): what gateways of
  /// those APIs ask. Only services and administrators may.
  var signatureRoutes: [Route] {
    let ec2 = TargetPolicy("ec2tokens_validate", .service)
    let s3 = TargetPolicy("s3tokens_validate", .service)
    return [
      Route("POST", "/v3/ec2tokens", ec2.route, body: .json) { [self] call in
        try await logIn(call, withHeader: true) { request, secret throws(Fault) in
          guard try request.isSigned(with: secret) else { throw Fault.unauthorized("Invalid EC2 signature.") }
        }
      },
      Route("POST", "/v3/s3tokens", s3.route, body: .json) { [self] call in
        try await logIn(call, withHeader: false) { request, secret throws(Fault) in
          guard request.isTokenSigned(with: secret) else { throw Fault.unauthorized("Credential signature mismatch") }
        }
      },
    ]
  }

  private typealias SignatureCheck = @Sendable (SignedRequest, Secret) throws(Fault) -> Void

  private func logIn(_ call: Call, withHeader: Bool, check: @escaping SignatureCheck) async throws -> Reply {
    do {
      let request = try SignedRequest(call.body)
      let id = Self.credentialID(access: request.access)
      let found = try await database.read { [self] in try credentialEntity.find(id, secrets, tx: $0) }
      let payload = try payload(request, found, check)
      guard let token = books.resolve(payload, now: clock.now()) else {
        throw Fault.unauthorized("User not valid for project.")
      }
      log.request(call.requestID).audit(
        "user \(token.user.name) (\(token.user.id)) logged in by ec2credential for project \(token.project?.id ?? "") "
          + "from \(call.http.remoteAddress)")
      let view = TokenView.json(token, books, withCatalog: true)
      return .json(["token": view], headers: withHeader ? ["X-Subject-Token": try seal(payload)] : [:])
    } catch let fault as Fault {
      log.request(call.requestID).audit(
        "refused a login by ec2credential from \(call.http.remoteAddress): \(fault.status) \(fault.message)")
      throw fault
    }
  }

  private func payload(
    _ request: SignedRequest, _ found: JSONObject?, _ check: SignatureCheck
  ) throws -> TokenPayload {
    guard let found, found["type"]?.string == "ec2",
      let blob = (try? JSONParser.parse(found["blob"]?.string ?? ""))?.object
    else { throw Fault.notFound("EC2 access key not found.") }
    try check(request, Secret(blob["secret"]?.string ?? ""))
    let now = clock.now()
    let (userID, projectID) = (found["user_id"]?.string ?? "", found["project_id"]?.string ?? "")
    guard let user = books.users[userID], let project = books.projects[projectID] else {
      throw Fault.notFound("The user or project of the credential is gone.")
    }
    guard books.isEnabled(user), books.isEnabled(project) else { throw Fault.unauthorized() }
    if let time = try request.signedAt(), now > time + Self.signatureLifetime {
      throw Fault.unauthorized("Credential is expired")
    }
    var payload = TokenPayload(
      userID: userID, scope: .project(projectID), methods: [.ec2Credential], issuedAt: now,
      expiresAt: Timestamp(seconds: (now + tokenLifetime).seconds), auditIDs: [TokenPayload.makeAuditID()])
    if let id = blob["trust_id"]?.string, !id.isEmpty {
      guard let trust = books.trusts[id] else { throw Fault.notFound("Could not find trust: \(id.prefix(64)).") }
      payload.trustID = id
      if trust.isImpersonating { payload.userID = trust.trusteeID }
      if let end = trust.expiresAt { payload.expiresAt = min(payload.expiresAt, end) }
    } else if let id = blob["app_cred_id"]?.string, !id.isEmpty {
      guard let credential = books.applicationCredentials[id], credential.projectID == projectID else {
        throw Fault.unauthorized("EC2 credential project does not match the application credential project.")
      }
      payload.applicationCredentialID = id
      if let end = credential.expiresAt { payload.expiresAt = min(payload.expiresAt, end) }
    }
    return payload
  }
}
