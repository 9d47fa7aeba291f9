import API
import Kit
import Store

/// `/os-server-groups` (API reference, Server groups).
struct ServerGroupRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = ServerGroupRoutes(service: dependencies)
    let all = "/v2.1/os-server-groups"
    let one = all + "/{server_group_id}"
    return [
      Route("GET", all, CataloguePolicy.reader("os-server-groups:index"), this.list),
      Route("POST", all, CataloguePolicy.member("os-server-groups:create"), body: .json, this.create),
      Route("GET", one, CataloguePolicy.reader("os-server-groups:show"), this.show),
      Route("DELETE", one, CataloguePolicy.member("os-server-groups:delete"), this.delete),
    ]
  }

  static func view(_ group: ServerGroup, members: [String], _ call: Call) -> JSONValue {
    var view: JSONObject = ["id": .string(group.id), "name": .string(group.name)]
    if call.since(2, 64) {
      view.append("policy", .string(group.policy.rawValue))
      view.append("rules", group.maxServersPerHost.map { ["max_server_per_host": .int($0)] } ?? [:])
    } else {
      view.append("policies", [.string(group.policy.rawValue)])
      view.append("metadata", [:])
    }
    view.append("members", .strings(members))
    if call.since(2, 13) {
      view.append("project_id", .string(group.projectID))
      view.append("user_id", .string(group.userID))
    }
    return .object(view)
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["all_projects", "limit", "offset"], strictSince: 75)
    let auth = try call.auth
    let isAll = call.query.contains("all_projects") && auth.isAdmin
    let (groups, members) = try await service.database.read { tx in
      let groups = try CatalogueQuery.slice(
        ServerGroupStore.all(projectID: isAll ? nil : auth.projectID, tx: tx), call)
      return (groups, try ServerGroupStore.members(of: groups.map(\.id), tx: tx))
    }
    return .json([
      "server_groups": .array(groups.map { Self.view($0, members: members[$0.id] ?? [], call) })
    ])
  }

  private static func require(_ call: Call, tx: any Transaction) throws -> ServerGroup {
    let id = call.parameter("server_group_id")
    guard let group = try ServerGroupStore.find(id, visibleTo: call.auth, tx: tx) else {
      throw Fault.notFound("Instance group \(id.prefix(64)) could not be found.")
    }
    return group
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let (group, members) = try await service.database.read { tx in
      let group = try Self.require(call, tx: tx)
      return (group, try ServerGroupStore.members(of: [group.id], tx: tx)[group.id] ?? [])
    }
    return .json(["server_group": Self.view(group, members: members, call)])
  }

  @Sendable private func create(_ call: Call) async throws -> Reply {
    try Self.createSchema(call).check(call.body)
    let (auth, now, body) = (try call.auth, service.clock.now(), call.body["server_group"] ?? .null)
    let policy = (body["policy"] ?? body["policies"]?[0])?.string.flatMap { ServerGroup.Policy(rawValue: $0) }
    let group = ServerGroup(
      id: UUIDText.make(), name: CatalogueSchema.trimmed(body["name"]), projectID: auth.projectID,
      userID: auth.user.id, policy: policy ?? .affinity,
      maxServersPerHost: body["rules"]?["max_server_per_host"].flatMap { Schema.integer($0) })
    if group.policy != .antiAffinity, body["rules"]?.object?.isEmpty == false {
      throw Fault.badRequest("Only anti-affinity policy supports rules.")
    }
    try await service.database.write { tx in
      let limit = try ComputeQuota.limit("server_groups", projectID: auth.projectID, tx: tx)
      let count = try tx.count("SELECT COUNT(*) FROM server_group WHERE project_id = \(auth.projectID)")
      if limit >= 0, count >= limit { throw Fault.forbidden("Quota exceeded, too many server groups.") }
      try ServerGroupStore.insert(group, now: now, tx: tx)
    }
    return .json(["server_group": Self.view(group, members: [], call)])
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    try await service.database.write { tx in
      try ServerGroupStore.delete(Self.require(call, tx: tx).id, tx: tx)
    }
    return .empty(204)
  }

  private static func createSchema(_ call: Call) -> Schema {
    var policies = ["anti-affinity", "affinity"]
    if call.since(2, 15) { policies += ["soft-anti-affinity", "soft-affinity"] }
    var members = [Schema.required("name", CatalogueSchema.name)]
    if call.since(2, 64) {
      members += [
        Schema.required("policy", .oneOf(policies)),
        Schema.may(
          "rules", .object([Schema.may("max_server_per_host", .looseInteger(1...CatalogueSchema.intMax))])),
      ]
    } else {
      members.append(Schema.required("policies", .array(.oneOf(policies), count: 1...1)))
    }
    return .object([Schema.required("server_group", .object(members))])
  }
}
