import API
import Contracts
import Kit
import Store
import Workflow

/// Migrations: the resizes of servers, from the timelines of their jobs, and the actions that move a server to another
/// host (API reference, Migrations; Servers - run an administrative action).
enum ServerMigrationRoutes {
  static func routes(_ service: ComputeDependencies) -> [Route] {
    let path = "/v2.1/servers/{server_id}/migrations"
    return moveRoutes(service) + [
      Route("GET", "/v2.1/os-migrations", Policy("os_compute_api:os-migrations:index", .projectManager)) { call in
        try await list(call, service)
      },
      // Live migrations in progress: between one host and itself there are none.
      Route(
        "GET", path, Policy("os_compute_api:servers:migrations:index", .projectManager), since: Microversion(2, 23)
      ) { call in
        _ = try await ServerAction(call: call, service: service).server()
        return .json(["migrations": []])
      },
      Route(
        "GET", path + "/{migration_id}", Policy("os_compute_api:servers:migrations:show", .admin),
        since: Microversion(2, 23)
      ) { call in
        let server = try await ServerAction(call: call, service: service).server()
        throw Fault.notFound(
          "In-progress live migration \(call.parameter("migration_id").prefix(64)) is not found for server \(server.id)."
        )
      },
    ]
  }

  // MARK: Moving

  private static let host = Schema.either([.null, ServerSchema.domainName])

  private static func live(_ version: Microversion) -> Schema {
    var properties = [Schema.required("host", host)]
    if version < Microversion(2, 25) {
      properties.append(Schema.required("block_migration", .looseBoolean))
      properties.append(Schema.required("disk_over_commit", .looseBoolean))
    } else {
      properties.append(Schema.required("block_migration", .either([.looseBoolean, .oneOf(["auto"])])))
    }
    if version >= Microversion(2, 30), version < Microversion(2, 68) {
      properties.append(Schema.may("force", .looseBoolean))
    }
    return ServerSchema.action("os-migrateLive", .object(properties))
  }

  private static func moveRoutes(_ service: ComputeDependencies) -> [Route] {
    let cold = Schema.either([.null, .object([Schema.may("host", host)])])
    return [
      Route(
        "POST", ServerActionRoutes.path, action: "migrate",
        Policy("os_compute_api:os-migrate-server:migrate", .projectManager), body: .json
      ) { call in
        if call.since(2, 56) { try ServerSchema.action("migrate", cold).check(call.body) }
        return try await move(call, service, .migrate, to: call.body["migrate"]?["host"]?.string)
      },
      Route(
        "POST", ServerActionRoutes.path, action: "os-migrateLive",
        Policy("os_compute_api:os-migrate-server:migrate_live", .projectManager), body: .json
      ) { call in
        try live(call.microversion).check(call.body)
        return try await move(call, service, .migrateLive, to: call.body["os-migrateLive"]?["host"]?.string)
      },
    ]
  }

  /// Servers cannot leave their host yet; who asks learns why, host by host.
  private static func move(
    _ call: Call, _ service: ComputeDependencies, _ rule: ServerRule, to target: String?
  ) async throws -> Reply {
    try await ServerAction(call: call, service: service).change(rule) { server, _, tx in
      let nodes = try ComputeNodeStore.all(now: service.clock.now(), tx: tx)
      if let target, !nodes.contains(where: { $0.host == target }) {
        throw Fault.badRequest("Compute host \(target.prefix(255)) could not be found.")
      }
      throw Scheduler.noValidHost(
        nodes.map { node in
          node.host == server.host
            ? Rejection(host: node.host, requirement: "host", asked: "another host", had: node.host)
            : Rejection(
              host: node.host, requirement: "migration", asked: "transfer of disks", had: "none between hosts")
        }, hosts: nodes.count, status: 400)
    }
    return .empty(202)
  }

  // MARK: List

  private static func list(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    if call.query["project_id"] != auth.projectID || auth.project == nil, !auth.isAdmin {
      throw Fault.forbidden(ErrorShape.compute.policyMessage("os_compute_api:os-migrations:index:all_projects"))
    }
    var migrations = try await service.database.read { try ServerMigration.all(tx: $0) }
    migrations = try filter(migrations, call)
    var body = JSONObject()
    let shown = call.since(2, 59) ? try page(migrations, call) : migrations
    body.append("migrations", .array(shown.map { .object(view($0, call, isAdmin: auth.isAdmin)) }))
    if call.since(2, 59), shown.last?.uuid != migrations.last?.uuid, let last = shown.last {
      body.append("migrations_links", [["rel": "next", "href": .string(PageLinks.href(call, marker: last.uuid))]])
    }
    return .json(.object(body))
  }

  private static func filter(_ migrations: [ServerMigration], _ call: Call) throws -> [ServerMigration] {
    var result = migrations
    func keep(_ name: String, _ value: (ServerMigration) -> String) {
      if let wanted = call.query[name] { result = result.filter { value($0) == wanted } }
    }
    keep("status") { $0.status }
    keep("instance_uuid") { $0.serverID }
    keep("host") { $0.host }
    keep("source_compute") { $0.host }
    keep("migration_type") { _ in "resize" }
    keep("project_id") { $0.projectID }
    if call.since(2, 80) { keep("user_id") { $0.userID } }
    func time(_ name: String) throws -> Timestamp? {
      guard let text = call.query[name] else { return nil }
      guard let time = Timestamp(text) else {
        throw Fault.badRequest("Invalid input for query parameters \(name). Value: \(text.prefix(40)). It is no time.")
      }
      return time
    }
    if call.since(2, 59), let since = try time("changes-since") { result = result.filter { $0.updatedAt >= since } }
    if call.since(2, 66), let before = try time("changes-before") { result = result.filter { $0.updatedAt <= before } }
    return result
  }

  private static func page(_ migrations: [ServerMigration], _ call: Call) throws -> [ServerMigration] {
    var result = migrations[...]
    if let marker = call.query["marker"] {
      guard let at = migrations.firstIndex(where: { $0.uuid == marker }) else {
        throw Fault.badRequest("Marker \(marker.prefix(80)) could not be found.")
      }
      result = migrations[(at + 1)...]
    }
    guard let text = call.query["limit"] else { return Array(result.prefix(Limits.pageMax)) }
    guard let limit = Int(text), limit >= 0 else {
      throw Fault.badRequest("Invalid input for query parameters limit. Value: \(text.prefix(40)).")
    }
    return Array(result.prefix(min(limit, Limits.pageMax)))
  }

  private static func view(_ migration: ServerMigration, _ call: Call, isAdmin: Bool) -> JSONObject {
    let host = isAdmin ? JSONValue.string(migration.host) : .null
    var view: JSONObject = [
      "id": .int(migration.id), "instance_uuid": .string(migration.serverID), "status": .string(migration.status),
      "source_compute": host, "source_node": host, "dest_compute": host, "dest_node": host, "dest_host": .null,
      "old_instance_type_id": .int(migration.oldFlavor), "new_instance_type_id": .int(migration.newFlavor),
      "created_at": .string(migration.createdAt.iso8601Micros),
      "updated_at": .string(migration.updatedAt.iso8601Micros),
    ]
    if call.since(2, 23) { view.append("migration_type", "resize") }
    if call.since(2, 59) { view.append("uuid", .string(migration.uuid)) }
    if call.since(2, 80) {
      view.append("user_id", .string(migration.userID))
      view.append("project_id", .string(migration.projectID))
    }
    return view
  }
}
