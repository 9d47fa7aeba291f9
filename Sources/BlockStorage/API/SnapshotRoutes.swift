import API
import Kit
import Store

extension BlockStorageService {
  static let snapshotList = BlockList(
    .snapshot,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("volume_id"),
      ListColumn("size", nil, .int), ListColumn("volume_size", "size", .int),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
      ListColumn("consumes_quota", nil, .bool), ListColumn("group_snapshot_id"), ListColumn("user_id"),
    ], others: ["metadata", "availability_zone"])

  private static let createFields = Schema.object(
    [
      Schema.required("volume_id", Input.uuid), Schema.may("name", Input.name),
      Schema.may("description", Input.description),
      Schema.may("display_name", Input.name), Schema.may("display_description", Input.description),
      Schema.may("force", .optional(.looseBoolean)), Schema.may("metadata", .optional(Input.metadata)),
    ], additional: .allowed)
  private static let updateFields = Schema.object(
    [
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("display_name", Input.name), Schema.may("display_description", Input.description),
    ], additional: .refused)

  var snapshotRoutes: [Route] {
    [
      route("GET", "/snapshots", "volume:get_all_snapshots", .projectReader) { [self] in
        try await listSnapshots($0, isDetailed: false)
      },
      route("GET", "/snapshots/detail", "volume:get_all_snapshots", .projectReader) { [self] in
        try await listSnapshots($0, isDetailed: true)
      },
      route(
        "POST", "/snapshots", "volume:create_snapshot", .projectMember,
        schema: .object([Schema.required("snapshot", Self.createFields)], additional: .allowed)
      ) { [self] in try await createSnapshot($0) },
      route("GET", "/snapshots/{id}", "volume:get_snapshot", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
          return ["snapshot": Self.snapshotView(row, call, isAdmin: auth.isAdmin)]
        }
      },
      route(
        "PUT", "/snapshots/{id}", "volume:update_snapshot", .projectMember,
        schema: .object([Schema.required("snapshot", Self.updateFields)])
      ) { [self] in try await updateSnapshot($0) },
      route("DELETE", "/snapshots/{id}", "volume:delete_snapshot", .projectMember) { [self] call in
        let auth = try call.auth
        return try await write(202) { [self] tx in
          let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
          try deleteSnapshot(row, isForced: false, requestID: call.requestID, tx: tx)
          return .null
        }
      },
      action(
        "/snapshots/{id}", "os-reset_status", "volume_extension:snapshot_admin_actions:reset_status", .admin,
        Self.statusFields(Self.snapshotStatuses)
      ) { [self] in try await setSnapshotStatus($0, "os-reset_status") },
      action(
        "/snapshots/{id}", "os-update_snapshot_status", "snapshot_extension:snapshot_actions:update_snapshot_status",
        .projectMember,
        .object([Schema.required("status", .string(1...255)), Schema.may("progress", .optional(.string(0...255)))])
      ) { [self] in try await updateSnapshotStatus($0) },
      action("/snapshots/{id}", "os-force_delete", "volume_extension:snapshot_admin_actions:force_delete", .admin) {
        [self] call in
        let auth = try call.auth
        return try await write(202) { [self] tx in
          let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
          try deleteSnapshot(row, isForced: true, requestID: call.requestID, tx: tx)
          return .null
        }
      },
    ]
  }

  static let snapshotStatuses = [
    "available", "creating", "deleting", "error", "error_deleting", "backing-up", "restoring", "unmanaging",
  ]
  static func statusFields(_ statuses: [String]) -> Schema {
    .object([Schema.required("status", .oneOf(statuses))], additional: .refused)
  }

  static func snapshotView(_ row: Row, _ call: Call, isAdmin: Bool, isDetailed: Bool = true, isAnswer: Bool = false)
    -> JSONValue
  {
    var view: JSONObject = [
      "id": .string(row.id), "name": row.optional("name"), "description": row.optional("description"),
      "volume_id": row.optional("volume_id"), "status": .string(row.status), "size": .int(row.int("size")),
      "created_at": row.time("created_at"), "updated_at": row.time("updated_at"),
      "metadata": .texts(row.texts("metadata")),
    ]
    guard isDetailed else { return .object(view) }
    if !isAnswer {
      view["os-extended-snapshot-attributes:progress"] = row.optional("progress")
      view["os-extended-snapshot-attributes:project_id"] = row.optional("project_id")
    }
    if call.since(3, 14) { view["group_snapshot_id"] = row.optional("group_snapshot_id") }
    if call.since(3, 41) { view["user_id"] = row.optional("user_id") }
    if call.since(3, 65) { view["consumes_quota"] = .bool(row.bool("consumes_quota")) }
    return .object(view)
  }

  private func listSnapshots(_ call: Call, isDetailed: Bool) async throws -> Reply {
    let isAdmin = try call.auth.isAdmin
    return try await read { tx in
      let page = try Self.snapshotList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = page.rows.map { Self.snapshotView($0, call, isAdmin: isAdmin, isDetailed: isDetailed) }
      return Self.snapshotList.reply(call, "snapshots", page, items)
    }
  }

  private func createSnapshot(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    var isForced = Input.flag(call.field("snapshot", "force"))
    if call.since(3, 66) {
      if let force = call.field("snapshot", "force"), Schema.boolean(force) == false {
        throw Fault.badRequest("Since microversion 3.66 the 'force' flag is invalid unless it is true.")
      }
      isForced = true
    }
    let force = isForced
    return try await write(202) { [self] tx in
      let volume = try VolumeStore.require(call.text("snapshot", "volume_id") ?? "", auth, tx: tx)
      let fields = call.body["snapshot"]
      let id = try createSnapshot(
        of: volume, name: Input.name(fields?["name"] ?? fields?["display_name"]),
        description: Input.name(fields?["description"] ?? fields?["display_description"]),
        metadata: Input.metadata(call.field("snapshot", "metadata")), isForced: force, auth: auth,
        requestID: call.requestID, tx: tx)
      let row = try SnapshotStore.require(id, auth, tx: tx)
      return ["snapshot": Self.snapshotView(row, call, isAdmin: auth.isAdmin, isAnswer: true)]
    }
  }

  private func updateSnapshot(_ call: Call) async throws -> Reply {
    let (auth, now, fields) = (try call.auth, clock.now(), call.body["snapshot"]?.object ?? [:])
    guard !fields.isEmpty else { throw Fault.badRequest("Missing required element 'snapshot' in request body.") }
    return try await write { tx in
      let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
      if let name = fields["name"] ?? fields["display_name"] {
        try Table.snapshot.set(row.id, ["name": Input.name(name)], tx: tx)
      }
      if let description = fields["description"] ?? fields["display_description"] {
        try Table.snapshot.set(row.id, ["description": Input.name(description)], tx: tx)
      }
      try Table.snapshot.set(row.id, ["updated_at": now], tx: tx)
      let after = try SnapshotStore.require(row.id, auth, tx: tx)
      return ["snapshot": Self.snapshotView(after, call, isAdmin: auth.isAdmin, isAnswer: true)]
    }
  }

  private func setSnapshotStatus(_ call: Call, _ action: String) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    return try await write(202) { tx in
      let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
      try Table.snapshot.set(row.id, ["status": call.text(action, "status"), "updated_at": now], tx: tx)
      return .null
    }
  }

  /// Drivers report the states of snapshots by this action; only a few changes make sense (API reference).
  private func updateSnapshotStatus(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    let (status, progress) = (
      call.text("os-update_snapshot_status", "status") ?? "", call.text("os-update_snapshot_status", "progress")
    )
    let moves: [String: Set<String>] = [
      "creating": ["creating", "available", "error"], "deleting": ["deleting", "error_deleting"],
    ]
    if let progress {
      guard progress.hasSuffix("%"), let value = Int(progress.dropLast()), (0...100).contains(value) else {
        throw Fault.badRequest("progress must be an integer percentage")
      }
    }
    return try await write(202) { tx in
      let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
      guard let allowed = moves[row.status], allowed.contains(status) else {
        throw Fault.badRequest(
          "Provided snapshot status \(status.prefix(40)) not allowed for snapshot with status \(row.status).")
      }
      try Table.snapshot.set(
        row.id, ["status": status, "progress": progress ?? row.text("progress"), "updated_at": now], tx: tx)
      return .null
    }
  }
}
