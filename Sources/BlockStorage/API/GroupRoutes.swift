import API
import Kit
import Store

extension BlockStorageService {
  static let groupList = BlockList(
    .group,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("group_type", "group_type_id"),
      ListColumn("created_at", nil, .timestamp, filter: false), ListColumn("availability_zone", "zone"),
    ], others: ["list_volume"])
  private static let createFields = Schema.object(
    [
      Schema.required("group_type", .string(1...255)),
      Schema.required("volume_types", .array(.string(1...255), count: 1...100, unique: true)),
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("availability_zone", .optional(.string(1...255))),
    ], additional: .refused)
  private static let updateFields = Schema.object(
    [
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("add_volumes", .optional(.string(0...10_000))),
      Schema.may("remove_volumes", .optional(.string(0...10_000))),
    ], additional: .refused)
  private static let statuses = ["available", "creating", "updating", "deleting", "error", "error_deleting", "in-use"]

  var groupRoutes: [Route] {
    let path = "/groups/{id}"
    return [
      route("GET", "/groups", "group:get_all", .projectReader, since: 13) { [self] in
        try await listGroups($0, isDetailed: false)
      },
      route("GET", "/groups/detail", "group:get_all", .projectReader, since: 13) { [self] in
        try await listGroups($0, isDetailed: true)
      },
      route(
        "POST", "/groups", "group:create", .projectMember, since: 13,
        schema: .object([Schema.required("group", Self.createFields)])
      ) { [self] in try await createGroup($0) },
      route("GET", path, "group:get", .projectReader, since: 13) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
          return ["group": try Self.groupView(row, call, tx: tx)]
        }
      },
      route(
        "PUT", path, "group:update", .projectMember, since: 13,
        schema: .object([Schema.required("group", Self.updateFields)])
      ) { [self] call in
        let (auth, fields) = (try call.auth, call.body["group"]?.object ?? [:])
        return try await write(202) { [self] tx in
          try updateGroup(call.parameter("id"), fields, auth: auth, tx: tx)
          return .null
        }
      },
      action(
        path, "delete", "group:delete", since: 13,
        .object([Schema.may("delete-volumes", .looseBoolean)], additional: .refused)
      ) { [self] call in
        let (auth, withVolumes) = (try call.auth, Input.flag(call.field("delete", "delete-volumes")))
        return try await write(202) { [self] tx in
          try deleteGroup(
            call.parameter("id"), withVolumes: withVolumes, auth: auth, requestID: call.requestID, tx: tx)
          return .null
        }
      },
      action(path, "reset_status", "group:reset_status", .admin, since: 20, Self.statusFields(Self.statuses)) {
        [self] call in
        let (auth, now) = (try call.auth, clock.now())
        return try await write(202) { tx in
          let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
          try Table.group.set(row.id, ["status": call.text("reset_status", "status"), "updated_at": now], tx: tx)
          return .null
        }
      },
      action(
        "/groups", "create-from-src", "group:create", since: 14,
        .object([
          Schema.may("name", Input.name), Schema.may("description", Input.description),
          Schema.may("source_group_id", Input.uuid), Schema.may("group_snapshot_id", Input.uuid),
        ])
      ) { [self] in try await createGroupFromSource($0) },
    ]
      + ["enable_replication", "disable_replication", "failover_replication", "list_replication_targets"].map { name in
        action(path, name, "group:\(name)", since: 38) { [self] call in
          let auth = try call.auth
          _ = try await database.read { try GroupStore.require(call.parameter("id"), auth, tx: $0) }
          throw Fault.badRequest("Invalid group: its type does not replicate.")
        }
      }
  }

  private static func groupView(_ row: Row, _ call: Call, tx: any Transaction) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "status": .string(row.status), "availability_zone": row.optional("zone"),
      "created_at": row.time("created_at"), "name": row.optional("name"), "description": row.optional("description"),
      "group_type": row.optional("group_type_id"), "volume_types": row.json("volume_types"),
    ]
    if call.since(3, 14) {
      view["group_snapshot_id"] = row.optional("group_snapshot_id")
      view["source_group_id"] = row.optional("source_group_id")
    }
    if call.since(3, 25), Input.flag(.string(call.query["list_volume"] ?? "")) {
      view["volumes"] = .strings(try GroupStore.volumes(row.id, tx: tx).map(\.id))
    }
    if call.since(3, 38) { view["replication_status"] = row.optional("replication_status") }
    if call.since(3, 58), try call.auth.isAdmin { view["project_id"] = .string(row.projectID) }
    return .object(view)
  }

  private func listGroups(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let page = try Self.groupList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = try page.rows.map { row -> JSONValue in
        isDetailed ? try Self.groupView(row, call, tx: tx) : ["id": .string(row.id), "name": row.optional("name")]
      }
      return Self.groupList.reply(call, "groups", links: "group_links", page, items)
    }
  }

  private func createGroup(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var order = GroupOrder()
    order.name = Input.name(call.field("group", "name"))
    (order.description, order.type) = (call.text("group", "description"), call.text("group", "group_type") ?? "")
    order.volumeTypes = (call.field("group", "volume_types")?.array ?? []).compactMap(\.string)
    order.zone = call.text("group", "availability_zone")
    let wanted = order
    return try await write(202) { [self] tx in
      let id = try createGroup(wanted, auth: auth, tx: tx)
      return ["group": ["id": .string(id), "name": .optional(wanted.name)]]
    }
  }

  private func createGroupFromSource(_ call: Call) async throws -> Reply {
    let (auth, key) = (try call.auth, "create-from-src")
    let (group, snapshot) = (call.text(key, "source_group_id"), call.text(key, "group_snapshot_id"))
    guard (group == nil) != (snapshot == nil) else {
      throw Fault.badRequest("Either 'source_group_id' or 'group_snapshot_id' must be provided, and not both.")
    }
    return try await write(202) { [self] tx in
      let id = try createGroup(
        name: call.text(key, "name"), description: call.text(key, "description"), from: group, or: snapshot,
        auth: auth, requestID: call.requestID, tx: tx)
      return ["group": ["id": .string(id), "name": .optional(call.text(key, "name"))]]
    }
  }
}
