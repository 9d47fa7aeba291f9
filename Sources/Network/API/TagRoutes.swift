import API
import Kit
import Store

extension NetworkModel {
  /// Tags of a resource (API reference, Networking, Standard attributes tag extension).
  func tagRoutes(_ resource: Resource, visible: @escaping @Sendable (AuthContext) -> SQL?) -> [Route] {
    let all = "\(resource.path)/{id}/tags"
    let list = Schema.object([Schema.required("tags", Standard.tagList)], additional: .allowed)
    @Sendable func policy(_ verb: String) -> Policy {
      Policy("\(verb)_\(resource.name):tags", verb == "get" ? NetworkRule.readerOrService : NetworkRule.memberOrService)
    }
    func change(
      _ method: String, _ path: String, _ verb: String, _ schema: Schema? = nil, status: Int,
      _ edit: @escaping @Sendable ([String], Call) throws -> [String]
    ) -> Route {
      Route(method, path, policy(verb), schema: schema) { call in
        try await changeTags(resource, policy(verb), visible, call, status: status, edit)
      }
    }
    return [
      Route("GET", all, policy("get")) { call in
        .json(["tags": .strings(try await tags(resource, visible, call))])
      },
      Route("GET", all + "/{tag}", policy("get")) { call in
        guard try await tags(resource, visible, call).contains(call.parameter("tag")) else { throw Self.noTag(call) }
        return .empty(204)
      },
      change("PUT", all, "update", list, status: 200) { _, call in Self.given(call) },
      change("POST", all, "create", list, status: 200) { old, call in
        old + Self.given(call).filter { !old.contains($0) }
      },
      change("DELETE", all, "delete", status: 204) { _, _ in [] },
      change("PUT", all + "/{tag}", "update", status: 201) { old, call in
        let tag = call.parameter("tag")
        guard (1...255).contains(tag.count) else {
          throw Fault.invalidInput("'\(tag.prefix(60))…' exceeds maximum length of 255")
        }
        return old.contains(tag) ? old : old + [tag]
      },
      change("DELETE", all + "/{tag}", "delete", status: 204) { old, call in
        guard old.contains(call.parameter("tag")) else { throw Self.noTag(call) }
        return old.filter { $0 != call.parameter("tag") }
      },
    ]
  }

  private static func given(_ call: Call) -> [String] { call.body["tags"]?.array?.compactMap(\.string) ?? [] }
  private static func noTag(_ call: Call) -> Fault {
    .notFound("Tag \(call.parameter("tag").prefix(80)) could not be found.", kind: "TagNotFound")
  }

  private func tags(_ resource: Resource, _ visible: @Sendable (AuthContext) -> SQL?, _ call: Call) async throws
    -> [String]
  {
    let condition = visible(try call.auth)
    return try await database.read { tx in
      let id = call.parameter("id")
      guard let values = try resource.find(id, where: condition, tx: tx) else { throw resource.notFound(id) }
      return values.strings("tags")
    }
  }

  private func changeTags(
    _ resource: Resource, _ policy: Policy, _ visible: @Sendable (AuthContext) -> SQL?, _ call: Call, status: Int,
    _ edit: @escaping @Sendable ([String], Call) throws -> [String]
  ) async throws -> Reply {
    let auth = try call.auth
    let (condition, now) = (visible(auth), clock.now())
    return try await database.write { tx in
      let id = call.parameter("id")
      guard let values = try resource.find(id, where: condition, tx: tx) else { throw resource.notFound(id) }
      guard auth.isAdmin || auth.isService || values.projectID == auth.projectID else {
        throw Fault.disallowed(policy.name)
      }
      let tags = try edit(values.strings("tags"), call)
      guard tags.count <= 50 else {
        throw Fault.badRequest(of: resource.name, "The number of tags exceed the limit 50")
      }
      try resource.update(values, ["tags": .strings(tags)], now: now, tx: tx)
      return status == 200 ? .json(["tags": .strings(tags)]) : .empty(status)
    }
  }
}
