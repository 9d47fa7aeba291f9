import API
import Kit
import Store

extension BlockStorageService {
  static let groupSnapshotList = BlockList(
    .groupSnapshot,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("group_id"),
      ListColumn("created_at", nil, .timestamp, filter: false),
    ])
  private static let statuses = ["available", "creating", "deleting", "error", "error_deleting"]

  var groupSnapshotRoutes: [Route] {
    let path = "/group_snapshots/{id}"
    return [
      route("GET", "/group_snapshots", "group:get_all_group_snapshots", .projectReader, since: 14) { [self] in
        try await listGroupSnapshots($0, isDetailed: false)
      },
      route("GET", "/group_snapshots/detail", "group:get_all_group_snapshots", .projectReader, since: 14) { [self] in
        try await listGroupSnapshots($0, isDetailed: true)
      },
      route(
        "POST", "/group_snapshots", "group:create_group_snapshot", .projectMember, since: 14,
        schema: .object([
          Schema.required(
            "group_snapshot",
            .object([
              Schema.required("group_id", .uuid), Schema.may("name", Input.name),
              Schema.may("description", Input.description),
            ]))
        ])
      ) { [self] in try await createGroupSnapshot($0) },
      route("GET", path, "group:get_group_snapshot", .projectReader, since: 14) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          ["group_snapshot": try Self.view(try GroupStore.snapshot(call.parameter("id"), auth, tx: tx), call)]
        }
      },
      route("DELETE", path, "group:delete_group_snapshot", .projectMember, since: 14) { [self] call in
        let auth = try call.auth
        return try await write(202) { [self] tx in
          try deleteGroupSnapshot(call.parameter("id"), auth: auth, requestID: call.requestID, tx: tx)
          return .null
        }
      },
      action(
        path, "reset_status", "group:reset_group_snapshot_status", .admin, since: 19, Self.statusFields(Self.statuses)
      ) {
        [self] call in
        let (auth, now) = (try call.auth, clock.now())
        return try await write(202) { tx in
          let row = try GroupStore.snapshot(call.parameter("id"), auth, tx: tx)
          try Table.groupSnapshot.set(
            row.id, ["status": call.text("reset_status", "status"), "updated_at": now], tx: tx)
          return .null
        }
      },
    ]
  }

  private static func view(_ row: Row, _ call: Call, isDetailed: Bool = true) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "name": row.optional("name"), "group_type_id": row.optional("group_type_id"),
    ]
    guard isDetailed else { return .object(view) }
    view["group_id"] = row.optional("group_id")
    view["status"] = .string(row.status)
    view["created_at"] = row.time("created_at")
    view["description"] = row.optional("description")
    if call.since(3, 58), try call.auth.isAdmin { view["project_id"] = .string(row.projectID) }
    return .object(view)
  }

  private func listGroupSnapshots(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let page = try Self.groupSnapshotList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = try page.rows.map { try Self.view($0, call, isDetailed: isDetailed) }
      return Self.groupSnapshotList.reply(call, "group_snapshots", links: "group_snapshot_links", page, items)
    }
  }

  private func createGroupSnapshot(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await write(202) { [self] tx in
      let id = try createGroupSnapshot(
        of: call.text("group_snapshot", "group_id") ?? "", name: Input.name(call.field("group_snapshot", "name")),
        description: call.text("group_snapshot", "description"), auth: auth, requestID: call.requestID, tx: tx)
      return ["group_snapshot": try Self.view(try GroupStore.snapshot(id, auth, tx: tx), call, isDetailed: false)]
    }
  }
}
