import API
import Contracts
import Kit
import Store

extension BlockStorageService {
  static let attachmentList = BlockList(
    .attachment,
    [
      ListColumn("id"), ListColumn("status"), ListColumn("volume_id"), ListColumn("instance_id", "server_id"),
      ListColumn("created_at", nil, .timestamp, filter: false), ListColumn("attach_status", "status"),
    ])
  private static let connector = Schema.optional(.object([], additional: .allowed))

  var attachmentRoutes: [Route] {
    [
      route("GET", "/attachments", "volume:get_all", .projectReader, since: 27) { [self] in
        try await listAttachments($0, isDetailed: false)
      },
      route("GET", "/attachments/detail", "volume:get_all", .projectReader, since: 27) { [self] in
        try await listAttachments($0, isDetailed: true)
      },
      route(
        "POST", "/attachments", "volume:attachment_create", .projectMember, since: 27,
        schema: .object([
          Schema.required(
            "attachment",
            .object(
              [
                Schema.required("volume_uuid", .uuid), Schema.may("instance_uuid", Input.uuid),
                Schema.may("connector", Self.connector), Schema.may("mode", .optional(.oneOf(["rw", "ro"]))),
              ]))
        ])
      ) { [self] in try await createAttachment($0) },
      route("GET", "/attachments/{id}", "volume:attachment_show", .projectReader, since: 27) { [self] call in
        let auth = try call.auth
        return try await read { [self] tx in
          ["attachment": try attachmentView(try requireAttachment(call, auth, tx: tx), isDetailed: true, tx: tx)]
        }
      },
      route(
        "PUT", "/attachments/{id}", "volume:attachment_update", .projectMember, since: 27,
        schema: .object([
          Schema.required("attachment", .object([Schema.required("connector", .object([], additional: .allowed))]))
        ])
      ) { [self] in try await updateAttachment($0) },
      route("DELETE", "/attachments/{id}", "volume:attachment_delete", .projectMember, since: 27) { [self] call in
        let auth = try call.auth
        return try await write { [self] tx in
          let row = try requireAttachment(call, auth, tx: tx)
          try release(attachmentID: row.id, tx: tx)
          let rest = try VolumeStore.attachments(row.text("volume_id"), tx: tx)
          return ["attachments": .array(try rest.map { try attachmentView($0, isDetailed: false, tx: tx) })]
        }
      },
      action(
        "/attachments/{id}", "os-complete", "volume:attachment_complete", since: 44
      ) { [self] call in
        let auth = try call.auth
        return try await write(204) { [self] tx in
          let row = try requireAttachment(call, auth, tx: tx)
          guard row.status == "attaching" || row.status == "attached" else {
            throw Volume.invalid("Attachment \(row.id) has no connector yet: update it first.")
          }
          try complete(attachmentID: row.id, tx: tx)
          return .null
        }
      },
    ]
  }

  private func requireAttachment(_ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    let id = call.parameter("id")
    guard let row = try Table.attachment.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("Could not find attachment with ID \(id.prefix(64)).")
    }
    return row
  }

  func attachmentView(_ row: Row, isDetailed: Bool, tx: any Transaction) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "status": .string(row.status), "instance": row.optional("server_id"),
      "volume_id": row.optional("volume_id"),
    ]
    guard isDetailed else { return .object(view) }
    view["attached_at"] = row.optionalInt("attached_at") == nil ? "" : row.time("attached_at")
    view["detached_at"] = ""
    view["attach_mode"] = row.optional("mode")
    view["connection_info"] =
      row.optionalText("connector") == nil
      ? [:] : try connectionInfo(row.text("volume_id"), attachment: row, tx: tx)
    return .object(view)
  }

  private func listAttachments(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { [self] tx in
      let page = try Self.attachmentList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = try page.rows.map { try attachmentView($0, isDetailed: isDetailed, tx: tx) }
      return Self.attachmentList.reply(call, "attachments", page, items)
    }
  }

  private func createAttachment(_ call: Call) async throws -> Reply {
    let (auth, connector) = (try call.auth, call.field("attachment", "connector"))
    let mode = call.since(3, 54) ? call.text("attachment", "mode") : connector?["mode"]?.string
    return try await write { [self] tx in
      let volume = try VolumeStore.require(call.text("attachment", "volume_uuid") ?? "", auth, tx: tx)
      let server = call.text("attachment", "instance_uuid")
      if let server, try VolumeStore.attachments(volume.id, tx: tx).contains(where: { $0.text("server_id") == server }),
        !volume.isMultiattach
      {
        throw Volume.invalid("Volume \(volume.id) is attached to server \(server) already.")
      }
      let id = try reserve(volume, serverID: server, mode: mode, tx: tx)
      if let connector { try setConnector(id, volume, connector, tx: tx) }
      guard let row = try Table.attachment.find(id, tx: tx) else { throw Volume.notFound(id) }
      return ["attachment": try attachmentView(row, isDetailed: true, tx: tx)]
    }
  }

  private func updateAttachment(_ call: Call) async throws -> Reply {
    let (auth, connector) = (try call.auth, call.field("attachment", "connector") ?? [:])
    return try await write { [self] tx in
      let row = try requireAttachment(call, auth, tx: tx)
      let volume = try VolumeStore.require(row.text("volume_id"), auth, tx: tx)
      let others = try VolumeStore.attachments(volume.id, tx: tx)
      if !volume.isMultiattach, others.contains(where: { $0.id != row.id && $0.status != "reserved" }) {
        throw Volume.invalid("Volume \(volume.id) is attached elsewhere.")
      }
      try setConnector(row.id, volume, connector, tx: tx)
      guard let after = try Table.attachment.find(row.id, tx: tx) else { throw Volume.notFound(row.id) }
      return ["attachment": try attachmentView(after, isDetailed: true, tx: tx)]
    }
  }

  /// The connector says who opens the volume. Before 3.44 there is no completion, the volume is attached by this.
  private func setConnector(_ id: String, _ volume: Volume, _ connector: JSONValue, tx: any Transaction) throws {
    let now = clock.now()
    let mode = connector["mode"]?.string ?? "rw"
    guard ["rw", "ro"].contains(mode) else {
      throw Fault.badRequest("The mode '\(mode.prefix(20))' is neither rw nor ro.")
    }
    guard mode == "ro" || !volume.row.bool("readonly") else {
      throw Volume.invalid("Volume \(volume.id) is read-only: it can be attached in mode ro only.")
    }
    try Table.attachment.set(
      id,
      [
        "connector": connector, "host": connector["host"]?.string, "mountpoint": connector["mountpoint"]?.string,
        "mode": mode, "status": "attaching", "connected": 2, "updated_at": now,
      ], tx: tx)
    try VolumeStore.settle(volume.id, now: now, tx: tx)
  }

  /// What os-brick reads: a file on this node.
  func connectionInfo(_ volumeID: String, attachment: Row?, tx: any Transaction) throws -> JSONValue {
    guard let volume = try VolumeStore.find(volumeID, tx: tx) else { return [:] }
    let disk = try disk(volume)
    let limits = try QoSLimits.limits(of: volume, tx: tx)
    return [
      "driver_volume_type": "local", "volume_id": .string(volumeID),
      "attachment_id": .optional(attachment?.id), "device_path": .string(disk.path), "format": .string(disk.format),
      "access_mode": .string(attachment?.optionalText("mode") ?? "rw"), "encrypted": .bool(volume.isEncrypted),
      "qos_specs": limits.isEmpty
        ? nil : .object(JSONObject(limits.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
    ]
  }
}
