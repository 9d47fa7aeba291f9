import API
import Kit
import Store

extension IdentityService {
  private static let extensionPath = "/v3/OS-FEDERATION/"
  private static func policies(_ name: String, plural: String) -> [Entity.Verb: TargetPolicy] {
    [
      .list: .systemReader("list_" + plural), .show: .systemReader("get_" + name), .create: .admin("create_" + name),
      .update: .admin("update_" + name), .delete: .admin("delete_" + name),
    ]
  }

  /// Identity providers (API reference, OS-FEDERATION): data for clients; nobody logs in by them here.
  var identityProviderEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in try creatingProvider(&values, context) }
    hooks.updating = { old, changes, context in
      guard let given = changes["remote_ids"] else { return }
      if given.isNull { changes["remote_ids"] = [] }
      try Self.keepRemoteIDs(SnapshotStore.strings(given), of: old["id"]?.string ?? "", context.tx)
    }
    hooks.deleting = { old, context in try context.change.removeIdentityProviders(["\(old["id"]?.string ?? "")"]) }
    hooks.filter = Self.filterID
    hooks.links = { values, own in ["protocols": .string(own + "/protocols")] }
    return Entity(
      name: "identity_provider", collection: "identity_providers", path: Self.extensionPath + "identity_providers",
      table: "identity_provider",
      attributes: [
        Attribute("enabled", .bool, .boolean, initial: false),
        Attribute("description", .text, .freeText, nullable: true),
        Attribute("authorization_ttl", .int, .integer(0...Int(Int32.max)), nullable: true),
        Attribute(
          "remote_ids", .json, .array(.string(0...64), count: 0...1000, unique: true), nullable: true, initial: []),
        Attribute("domain_id", .text, .identifier, nullable: true, update: false),
      ], keepsExtra: false, policies: Self.policies("identity_provider", plural: "identity_providers"), hooks: hooks)
  }

  /// The lists of providers can also be filtered by id.
  private static let filterID: @Sendable (Query, AuthContext) throws -> [SQL] = { query, _ in
    query.contains("id") ? ["id IN \(list: query.all("id"))"] : []
  }

  private func creatingProvider(_ values: inout JSONObject, _ context: EntityContext) throws {
    let (id, tx) = (values["id"]?.string ?? "", context.tx)
    guard try tx.count("SELECT COUNT(*) FROM identity_provider WHERE id = \(id)") == 0 else {
      throw identityProviderEntity.duplicate(values)
    }
    if let domain = values["domain_id"]?.string {
      guard books.domain(domain) != nil else { throw Fault.notFound("Could not find domain: \(domain).") }
    } else {
      // A domain of its own, as upstream makes it.
      let domain = UUIDText.makeHex()
      try tx.execute(
        .insert(
          into: "identity_project",
          [
            "id": domain, "name": domain, "domain_id": "", "parent_id": "", "is_domain": true, "enabled": true,
            "description": "Auto generated federated domain for Identity Provider: \(id)", "options": "{}",
            "created_at": context.change.now,
          ]))
      context.change.touch(.project(domain))
      values["domain_id"] = .string(domain)
    }
    if values["remote_ids"]?.isNull ?? true { values["remote_ids"] = [] }
    try Self.keepRemoteIDs(SnapshotStore.strings(values["remote_ids"] ?? []), of: id, tx)
  }

  /// No two providers have a remote id in common.
  private static func keepRemoteIDs(_ ids: [String], of provider: String, _ tx: any Transaction) throws {
    try tx.execute("DELETE FROM identity_provider_remote WHERE provider_id = \(provider)")
    for id in ids {
      do {
        try tx.execute(.insert(into: "identity_provider_remote", ["remote_id": id, "provider_id": provider]))
      } catch is DuplicateRow {
        throw Fault.conflict(
          "Conflict occurred attempting to store identity_provider - Duplicate remote ID: \(id).")
      }
    }
  }

  /// Mappings (API reference, OS-FEDERATION): rules that stay as they are checked.
  var mappingEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in
      let id = values["id"]?.string ?? ""
      guard try context.tx.count("SELECT COUNT(*) FROM identity_mapping WHERE id = \(id)") == 0 else {
        throw mappingEntity.duplicate(values)
      }
    }
    hooks.prepare = { input, _ in
      let version = try MappingRules.check(input)
      input = JSONObject([("rules", input["rules"] ?? []), ("schema_version", .string(version))])
      return [:]
    }
    return Entity(
      name: "mapping", collection: "mappings", path: Self.extensionPath + "mappings", table: "identity_mapping",
      attributes: [
        Attribute("rules", .json, .any, required: true), Attribute("schema_version", .text, .string(1...5)),
      ], keepsExtra: false, policies: Self.policies("mapping", plural: "mappings"), hooks: hooks)
  }

  /// Service providers (API reference, OS-FEDERATION): the enabled ones are shown in tokens.
  var serviceProviderEntity: Entity {
    var hooks = EntityHooks()
    hooks.creating = { [self] values, context in
      let id = values["id"]?.string ?? ""
      guard try context.tx.count("SELECT COUNT(*) FROM identity_service_provider WHERE id = \(id)") == 0 else {
        throw serviceProviderEntity.duplicate(values)
      }
    }
    hooks.touched = { _ in [.catalog] }
    hooks.filter = Self.filterID
    return Entity(
      name: "service_provider", collection: "service_providers", path: Self.extensionPath + "service_providers",
      table: "identity_service_provider",
      attributes: [
        Attribute("auth_url", .text, Self.url, required: true), Attribute("sp_url", .text, Self.url, required: true),
        Attribute("description", .text, .freeText, nullable: true),
        Attribute("enabled", .bool, .boolean, initial: false),
        Attribute("relay_state_prefix", .text, .string(0...256), nullable: true, initial: "ss:mem:"),
      ], keepsExtra: false, policies: Self.policies("service_provider", plural: "service_providers"), hooks: hooks)
  }

  var federationRoutes: [Route] {
    let entities = [identityProviderEntity, mappingEntity, serviceProviderEntity]
    return entities.flatMap { EntityRoutes($0, self).routesWithPut } + protocolRoutes + federatedLoginRoutes
  }

  /// What a browser or a SAML client would log in by. As upstream without such a method configured.
  private var federatedLoginRoutes: [Route] {
    let login = "/v3/auth/OS-FEDERATION/"
    let own = Self.extensionPath + "identity_providers/{idp_id}/protocols/{protocol_id}/auth"
    let refuse: Handler = { _ in
      throw Fault.unauthorized("Attempted to authenticate with an unsupported method.")
    }
    let noEntity: Handler = { _ in throw Fault.unauthorized("Missing entity ID from environment") }
    let sso = [
      (login + "websso/{protocol_id}", noEntity),
      (login + "identity_providers/{idp_id}/protocols/{protocol_id}/websso", refuse), (own, refuse),
    ]
    let exchange: Handler = { [self] call in try exchangeForAssertion(call) }
    let saml = login + "saml2"
    return sso.flatMap { [Route("GET", $0.0, .open, $0.1), Route("POST", $0.0, .open, $0.1)] } + [
      Route("POST", saml, .open, body: .json, exchange), Route("POST", saml + "/ecp", .open, body: .json, exchange),
      Route("GET", Self.extensionPath + "saml2/metadata", .open) { _ in
        throw Fault.notFound("This cloud is no SAML 2 identity provider: it has no metadata.")
      },
    ]
  }

  private static let assertionSchema: Schema = {
    let id = Schema.object([.required("id", .string(0...8192))])
    return .object([
      .required("identity", .object([.required("token", id), .may("methods", .array(.any))])),
      .required("scope", .object([.required("service_provider", id)])),
    ])
  }()

  /// A token for a SAML assertion: what can be refused is refused as upstream does; signing needs a key and a program
  /// that no cloud of ours has.
  private func exchangeForAssertion(_ call: Call) throws -> Reply {
    let auth = call.body["auth"] ?? .null
    try Self.assertionSchema.check(auth, path: "auth")
    let id = auth["scope"]?["service_provider"]?["id"]?.string ?? ""
    let text = auth["identity"]?["token"]?["id"]?.string ?? ""
    guard let provider = books.serviceProviders.first(where: { $0["id"]?.string == id }) else {
      throw serviceProviderEntity.notFound(id)
    }
    guard let payload = open(text), let token = books.resolve(payload, now: clock.now()) else {
      throw Fault.notFound("Could not find token.")
    }
    guard token.project != nil else {
      throw Fault.forbidden("Use a project scoped token when attempting to create a SAML assertion.")
    }
    throw Fault(501, "No SAML assertion for \(provider["id"]?.string ?? ""): this cloud has no key to sign it with.")
  }
}
