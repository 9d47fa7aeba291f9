import API
import Contracts
import Kit
import Store

/// Attaching by actions, as clients before microversion 3.27 do (API reference, Volume actions).
extension BlockStorageService {
  private static let connectorFields = Schema.object(
    [Schema.required("connector", .object([], additional: .allowed))], additional: .refused)

  var legacyAttachRoutes: [Route] {
    let path = "/volumes/{id}"
    func name(_ verb: String) -> String { "volume_extension:volume_actions:\(verb)" }
    return [
      action(path, "os-reserve", name("reserve")) { [self] call in
        try await onVolume(call) { volume, tx in
          try volume.require(["available"], "reserve")
          try Table.volume.set(volume.id, ["status": "attaching"], tx: tx)
          return .null
        }
      },
      action(path, "os-unreserve", name("unreserve")) { [self] call in
        try await onVolume(call) { [self] volume, tx in
          if volume.status == "attaching" { try VolumeStore.free(volume.id, now: clock.now(), tx: tx) }
          return .null
        }
      },
      action(path, "os-begin_detaching", name("begin_detaching")) { [self] call in
        try await onVolume(call) { volume, tx in
          try volume.require(["in-use"], "detach")
          try Table.volume.set(volume.id, ["status": "detaching"], tx: tx)
          return .null
        }
      },
      action(path, "os-roll_detaching", name("roll_detaching")) { [self] call in
        try await onVolume(call) { volume, tx in
          if volume.status == "detaching" { try Table.volume.set(volume.id, ["status": "in-use"], tx: tx) }
          return .null
        }
      },
      action(
        path, "os-attach", name("attach"), .projectMember,
        .object([
          Schema.may("instance_uuid", Input.uuid), Schema.may("host_name", .optional(.string(1...255))),
          Schema.may("mountpoint", .string(1...255)), Schema.may("mode", .optional(.oneOf(["rw", "ro"]))),
        ])
      ) { [self] call in try await onVolume(call) { [self] in try attach($0, call, tx: $1) } },
      action(
        path, "os-detach", name("detach"), .projectMember,
        .object([Schema.may("attachment_id", Input.uuid)], additional: .allowed)
      ) { [self] call in
        try await onVolume(call) { [self] in
          try detach($0, call.text("os-detach", "attachment_id"), isForced: false, tx: $1)
        }
      },
      action(
        path, "os-force_detach", "volume_extension:volume_admin_actions:force_detach", .admin,
        .object([Schema.may("attachment_id", Input.uuid), Schema.may("connector", .any)], additional: .refused)
      ) { [self] call in
        try await onVolume(call) { [self] in
          try detach($0, call.text("os-force_detach", "attachment_id"), isForced: true, tx: $1)
        }
      },
      action(path, "os-initialize_connection", name("initialize_connection"), .projectMember, Self.connectorFields) {
        [self] call in
        try await onVolume(call, 200) { [self] volume, tx in
          try volume.require(["available", "attaching", "in-use", "reserved"], "be connected")
          let info = try connectionInfo(volume.id, attachment: nil, tx: tx)
          return ["connection_info": ["driver_volume_type": "local", "data": info]]
        }
      },
      action(path, "os-terminate_connection", name("terminate_connection"), .projectMember, Self.connectorFields) {
        [self] call in
        try await onVolume(call) { _, _ in .null }
      },
    ]
  }

  private func attach(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let server = call.text("os-attach", "instance_uuid")
    let host = call.text("os-attach", "host_name")
    guard (server == nil) != (host == nil) else {
      throw Fault.badRequest(
        "Invalid request to attach volume to an invalid target: name a server or a host, one of them.")
    }
    let mode = call.text("os-attach", "mode") ?? "rw"
    let now = clock.now()
    try volume.require(
      volume.isMultiattach ? ["available", "attaching", "in-use"] : ["available", "attaching"], "be attached")
    guard mode == "ro" || !volume.row.bool("readonly") else {
      throw Volume.invalid("Volume \(volume.id) is read-only: it can be attached in mode ro only.")
    }
    try Table.attachment.insert(
      [
        "id": UUIDText.make(), "volume_id": volume.id, "project_id": volume.projectID, "server_id": server,
        "host": host,
        "mountpoint": call.text("os-attach", "mountpoint"), "mode": mode, "status": "attached", "connected": 2,
        "attached_at": now, "created_at": now, "updated_at": now,
      ], tx: tx)
    try Table.volume.set(volume.id, ["status": "in-use", "updated_at": now], tx: tx)
    return .null
  }

  private func detach(_ volume: Volume, _ id: String?, isForced: Bool, tx: any Transaction) throws -> JSONValue {
    let rows = try VolumeStore.attachments(volume.id, tx: tx)
    if let id, !rows.contains(where: { $0.id == id }) {
      throw Fault.notFound("Could not find attachment with ID \(id).")
    }
    if id == nil, rows.count > 1 {
      throw Volume.invalid("Detach volume failed: More than one attachment, but no attachment_id provided.")
    }
    if !isForced { try volume.require(["in-use", "detaching"], "be detached") }
    for row in rows where id == nil || row.id == id { try Table.attachment.remove(row.id, tx: tx) }
    if isForced || ["in-use", "detaching"].contains(volume.status) {
      try VolumeStore.free(volume.id, now: clock.now(), tx: tx)
    }
    return .null
  }
}
