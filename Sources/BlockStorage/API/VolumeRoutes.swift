import API
import Kit
import Store

extension BlockStorageService {
  static let volumeList = BlockList(
    .volume,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("size", nil, .int),
      ListColumn("bootable", nil, .bool), ListColumn("migration_status"), ListColumn("availability_zone", "zone"),
      ListColumn("host"), ListColumn("group_id"), ListColumn("consumes_quota", nil, .bool),
      ListColumn("volume_type_id", "type_id"),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
      ListColumn("encryption_key_id", "key_id"), ListColumn("replication_status"), ListColumn("snapshot_id"),
      ListColumn("image_id"), ListColumn("user_id"), ListColumn("multiattach", nil, .bool),
    ], others: ["metadata", "glance_metadata"])

  private static let updateFields = Schema.object(
    [
      Schema.may("name", Input.name), Schema.may("description", .optional(.string(0...255))),
      Schema.may("display_name", Input.name), Schema.may("display_description", .optional(.string(0...255))),
      Schema.may("metadata", .optional(Input.metadata)),
    ], additional: .refused)

  var volumeRoutes: [Route] {
    [
      route("GET", "/volumes", "volume:get_all", .projectReader) { [self] in
        try await listVolumes($0, isDetailed: false)
      },
      route("PUT", "/volumes", "volume:update", .projectMember) { _ in throw Volume.notFound("") },
      route("DELETE", "/volumes", "volume:delete", .projectMember) { _ in throw Volume.notFound("") },
      route("GET", "/volumes/detail", "volume:get_all", .projectReader) { [self] in
        try await listVolumes($0, isDetailed: true)
      },
      route("GET", "/volumes/summary", "volume:get_all", .projectReader, since: 12) { [self] in try await summary($0) },
      route("POST", "/volumes", "volume:create", .projectMember, schema: VolumeOrder.schema) { [self] call in
        let auth = try call.auth
        return try await write(202) { [self] tx in
          let order = try VolumeOrder(call)
          let id = try createVolume(order, auth: auth, requestID: call.requestID, tx: tx)
          return try showVolume(id, call, isAnswer: true, tx: tx)
        }
      },
      route("GET", "/volumes/{id}", "volume:get", .projectReader) { [self] call in
        try await read { [self] tx in try showVolume(call.parameter("id"), call, tx: tx) }
      },
      route(
        "PUT", "/volumes/{id}", "volume:update", .projectMember,
        schema: .object([Schema.required("volume", Self.updateFields)])
      ) { [self] call in try await updateVolume(call) },
      route("DELETE", "/volumes/{id}", "volume:delete", .projectMember) { [self] call in
        let (auth, cascade) = (try call.auth, Input.flag(.string(call.query["cascade"] ?? "")))
        let force = call.since(3, 23) && Input.flag(.string(call.query["force"] ?? ""))
        if force, !auth.isAdmin { throw Fault.forbidden("Policy doesn't allow volume:force_delete to be performed.") }
        return try await write(202) { [self] tx in
          let volume = try VolumeStore.require(call.parameter("id"), auth, tx: tx)
          try deleteVolume(volume, cascade: cascade, force: force, requestID: call.requestID, tx: tx)
          return .null
        }
      },
    ]
  }

  func showVolume(
    _ id: String, _ call: Call, isAnswer: Bool = false, tx: any Transaction
  ) throws -> JSONValue {
    let volume = try VolumeStore.require(id, try call.auth, tx: tx)
    return ["volume": try VolumeView(call, [volume.row], tx: tx).detail(volume.row, isAnswer: isAnswer)]
  }

  private func listVolumes(_ call: Call, isDetailed: Bool) async throws -> Reply {
    // `/volumes/` is a volume without its id, not the list.
    guard !call.http.path.hasSuffix("/") else { throw Volume.notFound("") }
    return try await read { tx in
      let page = try Self.volumeList.page(call, scope: try BlockList.scope(call), tx: tx)
      let view = try VolumeView(call, isDetailed ? page.rows : [], tx: tx)
      let items = try page.rows.map { isDetailed ? try view.detail($0) : try view.summary($0) }
      return Self.volumeList.reply(call, "volumes", page, items)
    }
  }

  private func summary(_ call: Call) async throws -> Reply {
    try await read { tx in
      let scope = try BlockList.scope(call).first ?? "1 = 1"
      let rows = try Table.volume.all(scope, tx: tx)
      var summary: JSONObject = [
        "total_size": .int(rows.reduce(0) { $0 + $1.int("size") }), "total_count": .int(rows.count),
      ]
      if call.since(3, 36) {
        var values: [String: Set<String>] = [:]
        for row in rows { for (key, value) in row.texts("metadata") { values[key, default: []].insert(value) } }
        summary["metadata"] = .object(
          JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.strings($0.value.sorted())) }))
      }
      return ["volume-summary": .object(summary)]
    }
  }

  private func updateVolume(_ call: Call) async throws -> Reply {
    let (auth, now, fields) = (try call.auth, clock.now(), call.body["volume"]?.object ?? [:])
    guard !fields.isEmpty else { throw Fault.badRequest("Missing required element 'volume' in request body.") }
    return try await write { [self] tx in
      let volume = try VolumeStore.require(call.parameter("id"), auth, tx: tx)
      let name = fields["name"] ?? fields["display_name"]
      let description = fields["description"] ?? fields["display_description"]
      if let name { try Table.volume.set(volume.id, ["name": Input.name(name)], tx: tx) }
      if let description { try Table.volume.set(volume.id, ["description": Input.name(description)], tx: tx) }
      if let metadata = fields["metadata"], !metadata.isNull {
        try Table.volume.set(volume.id, ["metadata": JSONValue.texts(Input.metadata(metadata))], tx: tx)
      }
      try Table.volume.set(volume.id, ["updated_at": now], tx: tx)
      return try showVolume(volume.id, call, isAnswer: true, tx: tx)
    }
  }
}
