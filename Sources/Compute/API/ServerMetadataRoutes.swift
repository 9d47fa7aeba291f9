import API
import Kit
import Store

/// The metadata of servers (API reference, Server metadata).
enum ServerMetadataRoutes {
  private static let path = "/v2.1/servers/{server_id}/metadata"
  private static func policy(_ name: String, _ rule: Rule) -> Policy {
    Policy("os_compute_api:server-metadata:\(name)", rule)
  }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    let whole = Schema.object([Schema.required("metadata", ServerSchema.metadata)])
    let one = Schema.object([
      Schema.required(
        "meta", .object([], additional: .matching(keys: ServerSchema.metadataKey, .string(0...255), countMax: 1)))
    ])
    return [
      Route("GET", path, policy("index", .projectReader)) { call in
        let server = try await ServerAction(call: call, service: service).server()
        return .json(["metadata": .texts(server.metadata)])
      },
      Route("POST", path, policy("create", .projectMember), schema: whole) { call in
        let given = (call.body["metadata"] ?? .null).texts
        let all = try await write(call, service, .updateMetadata) { $0.merge(given) { $1 } }
        return .json(["metadata": .texts(all)])
      },
      Route("PUT", path, policy("update_all", .projectMember), schema: whole) { call in
        let given = (call.body["metadata"] ?? .null).texts
        let all = try await write(call, service, .updateMetadata) { $0 = given }
        return .json(["metadata": .texts(all)])
      },
      Route("GET", path + "/{key}", policy("show", .projectReader)) { call in
        let key = call.parameter("key")
        let server = try await ServerAction(call: call, service: service).server()
        guard let value = server.metadata[key] else { throw Fault.notFound("Metadata item was not found") }
        return .json(["meta": .texts([key: value])])
      },
      Route("PUT", path + "/{key}", policy("update", .projectMember), schema: one) { call in
        let (key, given) = (call.parameter("key"), (call.body["meta"] ?? .null).texts)
        guard given[key] != nil else { throw Fault.badRequest("Request body and URI mismatch") }
        _ = try await write(call, service, .updateMetadata) { $0.merge(given) { $1 } }
        return .json(["meta": .texts(given)])
      },
      Route("DELETE", path + "/{key}", policy("delete", .projectMember)) { call in
        let key = call.parameter("key")
        _ = try await write(call, service, .deleteMetadata) { metadata in
          guard metadata.removeValue(forKey: key) != nil else { throw Fault.notFound("Metadata item was not found") }
        }
        return .empty(204)
      },
    ]
  }

  private static func write(
    _ call: Call, _ service: ComputeDependencies, _ rule: ServerRule,
    _ change: @escaping @Sendable (inout [String: String]) throws -> Void
  ) async throws -> [String: String] {
    let auth = try call.auth
    return try await service.database.write { tx in
      var server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      // A missing item is told before the state is looked at, as upstream does.
      let before = server.metadata.count
      try change(&server.metadata)
      try ServerAction(call: call, service: service).check(rule, server, isAdmin: auth.isAdmin, tx: tx)
      if server.metadata.count > before {
        try ServerCreate.checkMetadata(server.metadata.count, projectID: server.projectID, tx: tx)
      }
      try ServerStore.setMetadata(server.metadata, serverID: server.id, tx: tx)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
      return server.metadata
    }
  }
}
