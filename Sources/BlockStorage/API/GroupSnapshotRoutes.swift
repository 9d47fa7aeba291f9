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
      route("DELETE", path, "group:delete_group_snapshot", .projectMember, since: 14) { [self] in
        try await deleteGroupSnapshot($0)
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
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    let name = Input.name(call.field("group_snapshot", "name"))
    return try await write(202) { [self] tx in
      let group = try GroupStore.require(call.text("group_snapshot", "group_id") ?? "", auth, tx: tx)
      guard group.status == "available" else { throw Fault.badRequest("Invalid group: its status is \(group.status).") }
      let volumes = try GroupStore.volumes(group.id, tx: tx)
      guard !volumes.isEmpty else { throw Fault.badRequest("Invalid group: it has no volumes to snapshot.") }
      try Table.groupSnapshot.insert(
        [
          "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "group_id": group.id,
          "group_type_id": group.text("group_type_id"), "name": name,
          "description": call.text("group_snapshot", "description"), "status": "creating", "created_at": now,
          "updated_at": now,
        ], tx: tx)
      for volume in volumes {
        _ = try createSnapshot(
          of: volume, name: name, description: nil, isForced: true, groupSnapshot: id, auth: auth,
          requestID: call.requestID, tx: tx)
      }
      return ["group_snapshot": try Self.view(try GroupStore.snapshot(id, auth, tx: tx), call, isDetailed: false)]
    }
  }

  private func deleteGroupSnapshot(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await write(202) { [self] tx in
      let row = try GroupStore.snapshot(call.parameter("id"), auth, tx: tx)
      guard ["available", "error", "error_deleting"].contains(row.status) else {
        throw Fault.badRequest("Invalid group snapshot: its status is \(row.status).")
      }
      guard try Table.group.count("group_snapshot_id = \(row.id) AND status = 'creating'", tx: tx) == 0 else {
        throw Fault.badRequest("Invalid group snapshot: a group is being made from it.")
      }
      for snapshot in try Table.snapshot.all("group_snapshot_id = \(row.id)", tx: tx) {
        try deleteSnapshot(snapshot, isForced: true, requestID: call.requestID, tx: tx)
      }
      try Table.groupSnapshot.remove(row.id, tx: tx)
      return .null
    }
  }
}
