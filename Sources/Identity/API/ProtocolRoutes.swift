import API
import Kit
import Store

extension IdentityService {
  private static let createSchema = Schema.object([
    .required("mapping_id", .string(1...64)), .may("remote_id_attribute", .optional(.string(0...64))),
  ])
  private static let updateSchema = Schema.object([
    .required("mapping_id", .string(1...64)), .may("remote_id_attribute", .string(0...64)),
  ])

  /// The protocols of an identity provider, each with its mapping (API reference, OS-FEDERATION: Protocols).
  var protocolRoutes: [Route] {
    let all = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols"
    let one = all + "/{protocol_id}"
    func read(_ name: String) -> Policy { TargetPolicy.systemReader(name).route }
    func write(_ name: String) -> Policy { TargetPolicy.admin(name).route }
    return [
      Route("GET", all, read("list_protocols")) { [self] in try await listProtocols($0) },
      Route("GET", one, read("get_protocol")) { [self] in try await showProtocol($0) },
      Route("PUT", one, write("create_protocol"), body: .json) { [self] in try await createProtocol($0) },
      Route("PATCH", one, write("update_protocol"), body: .json) { [self] in try await updateProtocol($0) },
      Route("DELETE", one, write("delete_protocol")) { [self] in try await deleteProtocol($0) },
    ]
  }

  private func view(_ row: Row, _ call: Call) -> JSONValue {
    let provider = "\(call.baseURL)/v3/OS-FEDERATION/identity_providers/\(Percent.encode(row.text("provider_id")))"
    return [
      "id": .string(row.text("id")), "mapping_id": .string(row.text("mapping_id")),
      "remote_id_attribute": .optional(row.optionalText("remote_id_attribute")),
      "links": [
        "self": .string("\(provider)/protocols/\(Percent.encode(row.text("id")))"),
        "identity_provider": .string(provider),
      ],
    ]
  }

  private func row(_ call: Call, _ tx: any Transaction) throws -> Row {
    let (provider, id) = (call.parameter("idp_id"), call.parameter("protocol_id"))
    guard
      let row = try tx.first("SELECT * FROM identity_protocol WHERE provider_id = \(provider) AND id = \(id)")
    else {
      throw Fault.notFound(
        "Could not find federated protocol \(id.prefix(64)) for Identity Provider: \(provider.prefix(64)).")
    }
    return row
  }

  private func checkMapping(_ input: JSONValue, _ tx: any Transaction) throws {
    let id = input["mapping_id"]?.string ?? ""
    guard try tx.count("SELECT COUNT(*) FROM identity_mapping WHERE id = \(id)") == 1 else {
      throw Fault.badRequest("Invalid mapping id: \(id)")
    }
  }

  private func listProtocols(_ call: Call) async throws -> Reply {
    let provider = call.parameter("idp_id")
    return try await database.read { [self] tx in
      let rows = try tx.query("SELECT * FROM identity_protocol WHERE provider_id = \(provider) ORDER BY id")
      return .json(CollectionView.body("protocols", rows.map { view($0, call) }, call))
    }
  }

  private func showProtocol(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in .json(["protocol": view(try row(call, tx), call)]) }
  }

  private func createProtocol(_ call: Call) async throws -> Reply {
    let input = call.body["protocol"] ?? .null
    try Self.createSchema.check(input, path: "protocol")
    let (provider, id) = (call.parameter("idp_id"), call.parameter("protocol_id"))
    try Schema.string(1...64).check(.string(id), path: "protocol_id")
    return try await change(call) { [self] change in
      try checkMapping(input, change.tx)
      _ = try existing(identityProviderEntity, provider, change.tx)
      do {
        try change.tx.execute(
          .insert(
            into: "identity_protocol",
            [
              "provider_id": provider, "id": id, "mapping_id": input["mapping_id"]?.string ?? "",
              "remote_id_attribute": input["remote_id_attribute"]?.string,
            ]))
      } catch is DuplicateRow {
        throw Fault.conflict(
          "Conflict occurred attempting to store federation_protocol - Duplicate entry found with ID \(id).")
      }
      audit(call, "created protocol \(id) of identity provider \(provider)", change.tx)
      return .json(["protocol": view(try row(call, change.tx), call)], status: 201)
    }
  }

  private func updateProtocol(_ call: Call) async throws -> Reply {
    let input = call.body["protocol"] ?? .null
    try Self.updateSchema.check(input, path: "protocol")
    return try await change(call) { [self] change in
      try checkMapping(input, change.tx)
      let old = try row(call, change.tx)
      let attribute = input["remote_id_attribute"]?.string ?? old.optionalText("remote_id_attribute")
      try change.tx.execute(
        """
        UPDATE identity_protocol
        SET mapping_id = \(input["mapping_id"]?.string ?? ""), remote_id_attribute = \(attribute)
        WHERE provider_id = \(old.text("provider_id")) AND id = \(old.text("id"))
        """)
      audit(call, "changed protocol \(old.text("id")) of identity provider \(old.text("provider_id"))", change.tx)
      return .json(["protocol": view(try row(call, change.tx), call)])
    }
  }

  private func deleteProtocol(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let old = try row(call, change.tx)
      try change.tx.execute(
        "DELETE FROM identity_protocol WHERE provider_id = \(old.text("provider_id")) AND id = \(old.text("id"))")
      audit(call, "deleted protocol \(old.text("id")) of identity provider \(old.text("provider_id"))", change.tx)
      return .empty(204)
    }
  }
}
