import API
import Kit
import Store

/// `/os-keypairs` (API reference, Keypairs).
struct KeypairRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = KeypairRoutes(service: dependencies)
    // Whose key pairs they are stands in the query or body: the handlers ask the rest of the policy.
    func policy(_ verb: String) -> Policy { CataloguePolicy.anyone("os-keypairs:\(verb)") }
    return [
      Route("GET", "/v2.1/os-keypairs", policy("index"), this.list),
      Route("POST", "/v2.1/os-keypairs", policy("create"), body: .json, this.create),
      Route("GET", "/v2.1/os-keypairs/{name}", policy("show"), this.show),
      Route("DELETE", "/v2.1/os-keypairs/{name}", policy("delete"), this.delete),
    ]
  }

  /// The user that the call is about: the caller, or from 2.10 whom an administrator names.
  private func user(_ call: Call, _ verb: String, named: String?) throws -> String {
    let auth = try call.auth
    guard call.since(2, 10), let named, !named.isEmpty, named != auth.user.id else { return auth.user.id }
    guard auth.isAdmin else { throw CataloguePolicy.refuse("os-keypairs:\(verb)") }
    return named
  }
  private static func missing(_ name: String, _ userID: String) -> Fault {
    .notFound("Keypair \(name.prefix(255)) not found for user \(userID)")
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id", "limit", "marker"], strictSince: 75)
    let userID = try user(call, "index", named: call.query["user_id"])
    let request = try KeypairStore.list.request(call.since(2, 35) ? call.query : Query([]))
    let page = try await service.database.read { tx in
      try KeypairStore.list.page(request, conditions: ["user_id = \(userID)"], tx: tx)
    }
    let keypairs = page.rows.map(KeypairStore.keypair)
    var body: JSONObject = [
      "keypairs": .array(keypairs.map { ["keypair": .object(KeypairView.brief($0, call))] })
    ]
    if call.since(2, 35),
      let links = PageLinks.make(call, first: nil, last: keypairs.last?.name, hasNext: page.hasNext)
    {
      body.append("keypairs_links", links)
    }
    return .json(.object(body))
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let (name, userID) = (call.parameter("name"), try user(call, "show", named: call.query["user_id"]))
    let keypair = try await service.database.read { tx in
      guard let keypair = try KeypairStore.find(name: name, userID: userID, tx: tx) else {
        throw Self.missing(name, userID)
      }
      return keypair
    }
    return .json(["keypair": KeypairView.full(keypair, call)])
  }

  @Sendable private func create(_ call: Call) async throws -> Reply {
    try Self.createSchema(call).check(call.body)
    let body = call.body["keypair"] ?? .null
    let (name, type) = (CatalogueSchema.trimmed(body["name"]), body["type"]?.string ?? "ssh")
    let (userID, now) = (try user(call, "create", named: body["user_id"]?.string), service.clock.now())
    let (keypair, privateKey): (Keypair, Secret?)
    if let key = body["public_key"]?.string {
      let fingerprint = try KeypairMaker.fingerprint(key, type: type)
      keypair = Keypair(
        name: name, userID: userID, type: type, publicKey: key, fingerprint: fingerprint, createdAt: now)
      privateKey = nil
    } else {
      (keypair, privateKey) = try KeypairMaker.make(name: name, userID: userID, type: type, now: now)
    }
    let auth = try call.auth
    try await service.database.write { tx in
      let limit = try ComputeQuota.limits(projectID: auth.projectID, userID: userID, tx: tx)["key_pairs"] ?? -1
      if try limit >= 0 && KeypairStore.count(userID: userID, tx: tx) >= limit {
        throw Fault.forbidden("Quota exceeded, too many key pairs.")
      }
      try KeypairStore.insert(keypair, tx: tx)
    }
    return .json(
      ["keypair": KeypairView.created(keypair, privateKey: privateKey, call)], status: call.since(2, 2) ? 201 : 200)
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let (name, userID) = (call.parameter("name"), try user(call, "delete", named: call.query["user_id"]))
    try await service.database.write { tx in
      guard try KeypairStore.delete(name: name, userID: userID, tx: tx) else { throw Self.missing(name, userID) }
    }
    return .empty(call.since(2, 2) ? 204 : 202)
  }

  private static func createSchema(_ call: Call) -> Schema {
    var allowed = Array("-_ ".utf8)
    if call.since(2, 92) { allowed += Array("@.".utf8) }
    let characters = allowed
    let name = Schema.string(1...255) { text in
      if text.first == " " || text.last == " " { return "it may not start or end with white space" }
      return text.utf8.allSatisfy { CatalogueSchema.isWord($0) || characters.contains($0) }
        ? nil : "it is made of letters, digits, spaces and \(call.since(2, 92) ? "_-@." : "_-")"
    }
    let key = Schema.string(0...65_535)
    var members = [
      Schema.required("name", name),
      call.since(2, 92) ? Schema.required("public_key", key) : Schema.may("public_key", key),
    ]
    if call.since(2, 2) { members.append(Schema.may("type", .oneOf(["ssh", "x509"]))) }
    if call.since(2, 10) { members.append(Schema.may("user_id", .string(0...255))) }
    return .object([Schema.required("keypair", .object(members))])
  }
}
