import API
import Kit
import Store

/// The tags of servers, since 2.26 (API reference, Server tags).
enum ServerTagRoutes {
  private static let path = "/v2.1/servers/{server_id}/tags"
  private static let since = Microversion(2, 26)
  private static let countMax = 50
  private static func policy(_ name: String, _ rule: Rule) -> Policy {
    Policy("os_compute_api:os-server-tags:\(name)", rule)
  }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    let list = Schema.object([
      Schema.required("tags", .array(ServerSchema.tag, count: 0...countMax))
    ])
    return [
      Route("GET", path, policy("index", .projectReader), since: since) { call in
        let server = try await ServerAction(call: call, service: service).server()
        return .json(["tags": .strings(server.tags)])
      },
      Route("PUT", path, policy("update_all", .projectMember), since: since, schema: list) { call in
        var seen: Set<String> = []
        let tags = (call.body["tags"]?.array ?? []).compactMap(\.string).filter { seen.insert($0).inserted }
        try await write(call, service, "update tags") { _, _ in tags }
        return .json(["tags": .strings(tags)])
      },
      Route("DELETE", path, policy("delete_all", .projectMember), since: since) { call in
        try await write(call, service, "delete tags") { _, _ in [] }
        return .empty(204)
      },
      Route("GET", path + "/{tag}", policy("show", .projectReader), since: since) { call in
        let server = try await ServerAction(call: call, service: service).server()
        guard server.tags.contains(call.parameter("tag")) else { throw missing(server, call) }
        return .empty(204)
      },
      Route("PUT", path + "/{tag}", policy("update", .projectMember), since: since) { call in
        try await add(call, service)
      },
      Route("DELETE", path + "/{tag}", policy("delete", .projectMember), since: since) { call in
        let tag = call.parameter("tag")
        try await write(call, service, "delete tag") { server, _ in
          guard server.tags.contains(tag) else { throw missing(server, call) }
          return server.tags.filter { $0 != tag }
        }
        return .empty(204)
      },
    ]
  }

  private static func missing(_ server: Server, _ call: Call) -> Fault {
    .notFound("Server \(server.id) has no tag '\(call.parameter("tag").prefix(60))'")
  }

  private static func add(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let tag = call.parameter("tag")
    let isNew = try await write(call, service, "update tag") { server, isNew in
      do {
        try ServerSchema.tag.check(.string(tag))
      } catch {
        let reason = Fault(error).message
        throw Fault.badRequest(
          "Tag '\(tag.prefix(80))' is invalid. It must be a non empty string without characters '/' and ','. "
            + "Validation error message: \(reason)")
      }
      if server.tags.contains(tag) { return server.tags }
      guard server.tags.count < countMax else {
        throw Fault.badRequest("The number of tags exceeded the per-server limit \(countMax)")
      }
      isNew = true
      return server.tags + [tag]
    }
    guard isNew else { return .empty(204) }
    let location = ComputeLinks.selfHref(call, "servers", "\(call.parameter("server_id"))/tags/\(Percent.encode(tag))")
    return Reply(201, .none, headers: ["Location": location])
  }

  /// Writes the tags that `change` gives; returns the flag that it has set.
  @discardableResult
  private static func write(
    _ call: Call, _ service: ComputeDependencies, _ action: String,
    _ change: @escaping @Sendable (Server, inout Bool) throws -> [String]
  ) async throws -> Bool {
    let auth = try call.auth
    return try await service.database.write { tx in
      var server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try ServerAction(call: call, service: service).check(.tags(action), server, isAdmin: auth.isAdmin, tx: tx)
      var flag = false
      let tags = try change(server, &flag)
      try ServerStore.setTags(tags, serverID: server.id, tx: tx)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
      return flag
    }
  }
}
