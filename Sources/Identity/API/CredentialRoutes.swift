import API
import Crypto
import Kit
import Store

extension IdentityService {
  /// Credentials (API reference, Credentials); their blobs are encrypted at rest.
  var credentialEntity: Entity {
    var hooks = EntityHooks()
    hooks.visible = { auth in
      TargetPolicy.adminOrSystemReader.allows(auth) ? [] : ["user_id = \(auth.user.id)"]
    }
    hooks.target = { PolicyTarget(userIDs: [$0["user_id"]?.string].compactMap { $0 }) }
    hooks.creating = { [self] values, context in try creatingCredential(&values, context) }
    hooks.updating = { [self] old, changes, context in
      try refuseDelegated(context.call)
      guard let blob = changes["blob"]?.string, old["type"]?.string?.lowercased() == "ec2" else { return }
      let (before, after) = (try Self.blob(old["blob"]?.string ?? ""), try Self.blob(blob))
      for key in ["trust_id", "app_cred_id", "access_token_id", "access_id"] where before[key] != after[key] {
        throw Fault.badRequest("\(key) can not be updated for credential")
      }
    }
    hooks.deleting = { [self] _, context in try refuseDelegated(context.call) }
    let owner = TargetPolicy.Exception.owner(role: nil)
    return Entity(
      name: "credential", collection: "credentials", table: "identity_credential",
      attributes: [
        Attribute("user_id", .text, .string(1...64), required: true, update: false),
        Attribute("type", .text, .string(1...255), required: true, update: false),
        Attribute("project_id", .text, .string(0...64), nullable: true, update: false),
        Attribute("blob", .sealed, .freeText, column: "data", required: true),
      ],
      policies: [
        .list: TargetPolicy("list_credentials", TargetPolicy.adminOrSystemReader, [owner]),
        .show: TargetPolicy("get_credential", TargetPolicy.adminOrSystemReader, [owner]),
        .create: TargetPolicy("create_credential", .admin, [owner]),
        .update: TargetPolicy("update_credential", .admin, [owner]),
        .delete: TargetPolicy("delete_credential", .admin, [owner]),
      ], hooks: hooks)
  }

  private static func blob(_ text: String) throws -> JSONObject {
    guard let object = (try? JSONParser.parse(text))?.object, object["access"]?.string != nil else {
      throw Fault.badRequest("Invalid blob in credential: it must be a JSON object with 'access'.")
    }
    return object
  }

  /// The id of an EC2 credential is the hash of its access key, by which it is found.
  static func credentialID(access: String) -> String {
    SHA256.hash(data: Array(access.utf8)).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  private func creatingCredential(_ values: inout JSONObject, _ context: EntityContext) throws {
    try refuseDelegated(context.call)
    values["id"] = .string(UUIDText.makeHex())
    guard values["type"]?.string?.lowercased() == "ec2" else { return }
    let blob = try Self.blob(values["blob"]?.string ?? "")
    guard values["project_id"]?.string.map({ !$0.isEmpty }) == true else {
      throw Fault.badRequest("'project_id' is a required property of an ec2 credential")
    }
    let id = Self.credentialID(access: blob["access"]?.string ?? "")
    values["id"] = .string(id)
    guard try context.tx.count("SELECT COUNT(*) FROM identity_credential WHERE id = \(id)") == 0 else {
      throw Fault.conflict("Conflict occurred attempting to store credential - Duplicate entry found with ID \(id).")
    }
  }

  /// A delegated token (trust or application credential) must not make or change what outlives it; an administrator's may.
  func refuseDelegated(_ call: Call) throws {
    let auth = try call.auth
    guard !auth.isAdmin, open(auth.tokenID.value)?.isDelegated == true else { return }
    throw Fault.forbidden(ErrorShape.identity.policyMessage("Delegated tokens cannot access credentials directly"))
  }

  var credentialRoutes: [Route] {
    let all = "/v3/users/{user_id}/credentials/OS-EC2"
    let one = all + "/{credential_id}"
    let list = TargetPolicy.owner("ec2_list_credentials", or: TargetPolicy.adminOrSystemReader)
    let show = TargetPolicy.owner("ec2_get_credential", or: TargetPolicy.adminOrSystemReader)
    let create = TargetPolicy.owner("ec2_create_credential", or: .admin, role: "member")
    let remove = TargetPolicy.owner("ec2_delete_credential", or: .admin, role: "member")
    return EntityRoutes(credentialEntity, self).routes + [
      Route("GET", all, list.route) { [self] in try await listEC2($0, list) },
      Route("POST", all, create.route, body: .json) { [self] in try await createEC2($0, create) },
      // Asked after looking for the credential.
      Route("GET", one, show.late) { [self] in try await showEC2($0, show) },
      Route("DELETE", one, remove.late) { [self] in try await deleteEC2($0, remove) },
    ]
  }

  // MARK: EC2 credentials of a user

  private func ec2View(_ values: JSONObject, _ call: Call) throws -> JSONValue {
    let blob = try Self.blob(values["blob"]?.string ?? "")
    let (user, access) = (values["user_id"]?.string ?? "", blob["access"]?.string ?? "")
    return [
      "user_id": .string(user), "tenant_id": values["project_id"] ?? .null, "access": .string(access),
      "secret": blob["secret"] ?? .null, "trust_id": blob["trust_id"] ?? .null,
      "links": ["self": .string("\(call.baseURL)/v3/users/\(user)/credentials/OS-EC2/\(Percent.encode(access))")],
    ]
  }

  private func checkOwner(_ call: Call, _ policy: TargetPolicy) throws -> String {
    let id = call.parameter("user_id")
    try policy.check(try call.auth, PolicyTarget(userIDs: [id]))
    guard books.users[id] != nil else { throw Fault.notFound("Could not find user: \(id.prefix(64)).") }
    return id
  }

  /// The credential with the access key in the path; whose it is decides, not the path. An unknown one is a 404 for all.
  private func ec2(_ call: Call, _ policy: TargetPolicy, _ tx: any Transaction) throws -> JSONObject {
    let access = call.parameter("credential_id")
    guard let found = try credentialEntity.find(Self.credentialID(access: access), secrets, tx: tx) else {
      throw Fault.notFound("Could not find credential: \(access.prefix(64)).")
    }
    try policy.check(try call.auth, PolicyTarget(userIDs: [found["user_id"]?.string ?? ""]))
    return found
  }

  private func listEC2(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkOwner(call, policy)
    return try await database.read { [self] tx in
      let rows = try tx.query(
        "SELECT * FROM identity_credential WHERE user_id = \(user) AND type = 'ec2' ORDER BY created_at, id")
      let views = try rows.map { try ec2View(credentialEntity.values($0, secrets), call) }
      return .json(CollectionView.body("credentials", views, call))
    }
  }

  private func createEC2(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    let user = try checkOwner(call, policy)
    try refuseDelegated(call)
    try Schema.identifier.check(call.body["tenant_id"] ?? .null, path: "tenant_id")
    let project = call.body["tenant_id"]?.string ?? ""
    guard books.projects[project] != nil else { throw Fault.notFound("Could not find project: \(project).") }
    let access = UUIDText.makeHex()
    let blob: JSONValue = [
      "access": .string(access), "secret": .string(Secret.random(bytes: 16).value), "trust_id": nil,
    ]
    let values: JSONObject = [
      "id": .string(Self.credentialID(access: access)), "user_id": .string(user), "project_id": .string(project),
      "type": "ec2", "blob": .string(blob.text),
    ]
    return try await change(call) { [self] change in
      try credentialEntity.insert(values, now: change.now, secrets, tx: change.tx)
      audit(call, "created an EC2 credential of user \(user) for project \(project)", change.tx)
      return .json(["credential": try ec2View(values, call)], status: 201)
    }
  }

  private func showEC2(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try await database.read { [self] tx in .json(["credential": try ec2View(try ec2(call, policy, tx), call)]) }
  }

  private func deleteEC2(_ call: Call, _ policy: TargetPolicy) async throws -> Reply {
    try refuseDelegated(call)
    return try await change(call) { [self] change in
      let found = try ec2(call, policy, change.tx)
      try change.tx.execute("DELETE FROM identity_credential WHERE id = \(found["id"]?.string ?? "")")
      audit(call, "deleted an EC2 credential of user \(found["user_id"]?.string ?? "")", change.tx)
      return .empty(204)
    }
  }
}
