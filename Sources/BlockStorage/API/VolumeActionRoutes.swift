import API
import Contracts
import Kit
import Store
import Workflow

/// `POST /volumes/{id}/action` (API reference, Volume actions), without attaching.
extension BlockStorageService {
  private static let statuses = [
    "creating", "available", "deleting", "error", "error_deleting", "attaching", "detaching", "in-use", "maintenance",
    "reserved", "error_extending", "error_restoring", "error_backing-up", "error_managing", "awaiting-transfer",
    "uploading", "downloading", "retyping", "extending", "backing-up", "restoring-backup", "managing", "reverting",
  ]
  private static let resetFields = Schema.object(
    [
      Schema.may("status", .optional(.oneOf(statuses))),
      Schema.may(
        "attach_status",
        .optional(
          .oneOf(["attached", "detached", "attaching", "detaching", "reserved", "error_attaching", "error_detaching"]))),
      Schema.may(
        "migration_status",
        .optional(.oneOf(["migrating", "error", "success", "completing", "none", "starting", "deleting"]))),
    ], additional: .refused)

  /// Runs `body` on the volume of an action and answers 202 (or `status`).
  func onVolume(
    _ call: Call, _ status: Int = 202, _ body: @escaping @Sendable (Volume, any Transaction) throws -> JSONValue
  ) async throws -> Reply {
    let auth = try call.auth
    return try await write(status) { tx in
      try body(try VolumeStore.require(call.parameter("id"), auth, tx: tx), tx)
    }
  }

  var volumeActionRoutes: [Route] {
    let path = "/volumes/{id}"
    return [
      action(
        path, "os-extend", "volume:extend", .projectMember,
        .object([Schema.required("new_size", .looseInteger(1...2_147_483_647))])
      ) { [self] call in try await onVolume(call) { [self] in try extend($0, call, tx: $1) } },
      action(
        path, "os-set_bootable", "volume:update", .projectMember,
        .object([Schema.required("bootable", .looseBoolean)])
      ) { [self] call in
        let flag = Input.flag(call.field("os-set_bootable", "bootable"))
        return try await onVolume(call, 200) { volume, tx in
          try Table.volume.set(volume.id, ["bootable": flag], tx: tx)
          return .null
        }
      },
      action(
        path, "os-update_readonly_flag", "volume:update_readonly_flag", .projectMember,
        .object([Schema.required("readonly", .looseBoolean)])
      ) { [self] call in
        let flag = Input.flag(call.field("os-update_readonly_flag", "readonly"))
        return try await onVolume(call) { volume, tx in
          try volume.require(["available"], "have its readonly flag updated")
          try Table.volume.set(volume.id, ["readonly": flag], tx: tx)
          return .null
        }
      },
      action(
        path, "os-reset_status", "volume_extension:volume_admin_actions:reset_status", .admin, Self.resetFields
      ) { [self] call in try await onVolume(call) { [self] in try reset($0, call, tx: $1) } },
      action(path, "os-force_delete", "volume_extension:volume_admin_actions:force_delete", .admin) { [self] call in
        try await onVolume(call) { [self] volume, tx in
          try deleteVolume(volume, cascade: true, force: true, requestID: call.requestID, tx: tx)
          return .null
        }
      },
      action(
        path, "revert", "volume:revert_to_snapshot", .projectMember, since: 40,
        .object([Schema.required("snapshot_id", .uuid)])
      ) { [self] call in try await onVolume(call) { [self] in try revert($0, call, tx: $1) } },
      action(
        path, "os-extend_volume_completion", "volume_extension:volume_admin_actions:extend_volume_completion",
        .service, since: 71, .object([Schema.may("error", .optional(.looseBoolean))])
      ) { [self] call in
        try await onVolume(call) { volume, tx in
          try volume.require(["extending"], "complete its extension")
          throw Volume.invalid("Volume \(volume.id) is not waiting for the completion of an extension.")
        }
      },
    ] + imageMetadataRoutes
  }

  private var imageMetadataRoutes: [Route] {
    let path = "/volumes/{id}"
    return [
      action(
        path, "os-set_image_metadata", "volume_extension:volume_image_metadata:set", .projectMember,
        .object([Schema.required("metadata", Input.metadata)])
      ) { [self] call in
        let new = Input.metadata(call.field("os-set_image_metadata", "metadata"))
        return try await onVolume(call, 200) { volume, tx in
          let metadata = volume.row.texts("image_metadata").merging(new) { _, new in new }
          try Table.volume.set(volume.id, ["image_metadata": JSONValue.texts(metadata)], tx: tx)
          return ["metadata": .texts(metadata)]
        }
      },
      action(path, "os-show_image_metadata", "volume:get_volume_metadata", .projectReader) { [self] call in
        try await onVolume(call, 200) { volume, _ in ["metadata": .texts(volume.row.texts("image_metadata"))] }
      },
      action(
        path, "os-unset_image_metadata", "volume_extension:volume_image_metadata:remove", .projectMember,
        .object([Schema.required("key", Input.key)])
      ) { [self] call in
        let key = call.text("os-unset_image_metadata", "key") ?? ""
        return try await onVolume(call, 200) { volume, tx in
          var metadata = volume.row.texts("image_metadata")
          guard metadata.removeValue(forKey: key) != nil else {
            throw Fault.notFound("Volume \(volume.id) has no image metadata with key \(key.prefix(80)).")
          }
          try Table.volume.set(volume.id, ["image_metadata": JSONValue.texts(metadata)], tx: tx)
          return .null
        }
      },
    ]
  }

  private func extend(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let size = call.field("os-extend", "new_size").flatMap(Schema.integer) ?? 0
    try volume.require(call.since(3, 42) ? ["available", "in-use"] : ["available"], "be extended")
    guard size > volume.size else {
      throw Fault.badRequest(
        "Invalid input received: New size for extend must be greater than current size. (current: \(volume.size), "
          + "extended: \(size))."
      )
    }
    let type = try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }?.text("name")
    try Quota.checkSize(volume.projectID, size, tx: tx)
    try Quota.check(volume.projectID, gigabytes: size - volume.size, type: type, tx: tx)
    try Table.volume.set(volume.id, ["status": "extending", "updated_at": clock.now()], tx: tx)
    try enqueue(
      "volume-extend", volume, ["size": .int(size), "previous": .string(volume.status)], call, tx: tx)
    return .null
  }

  private func revert(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let id = call.text("revert", "snapshot_id") ?? ""
    let snapshot = try SnapshotStore.require(id, try call.auth, tx: tx)
    guard snapshot.text("volume_id") == volume.id else {
      throw Volume.invalid("Snapshot \(id) is no snapshot of volume \(volume.id).")
    }
    let latest = try Table.snapshot.all("volume_id = \(volume.id)", tx: tx).last
    guard latest?.id == id else { throw Volume.invalid("Snapshot \(id) is not the latest one of volume \(volume.id).") }
    try volume.require(["available"], "be reverted")
    guard snapshot.status == "available" else {
      throw Fault.badRequest("Invalid snapshot: its status is \(snapshot.status).")
    }
    let now = clock.now()
    try Table.volume.set(volume.id, ["status": "reverting", "updated_at": now], tx: tx)
    try Table.snapshot.set(id, ["status": "restoring", "updated_at": now], tx: tx)
    try enqueue("volume-revert", volume, ["snapshot": .string(id)], call, tx: tx)
    return .null
  }

  private func reset(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let fields = call.body["os-reset_status"]?.object ?? [:]
    guard !fields.isEmpty else {
      throw Fault.badRequest("Must specify 'status', 'attach_status' or 'migration_status'")
    }
    if let status = fields["status"]?.string { try Table.volume.set(volume.id, ["status": status], tx: tx) }
    if let status = fields["migration_status"]?.string {
      try Table.volume.set(volume.id, ["migration_status": status == "none" ? nil : status], tx: tx)
    }
    if fields["attach_status"]?.string == "detached" {
      try tx.execute("DELETE FROM bs_attachment WHERE volume_id = \(volume.id)")
    }
    try Table.volume.set(volume.id, ["updated_at": clock.now()], tx: tx)
    return .null
  }

  /// Enqueues a job on a volume.
  func enqueue(
    _ kind: String, _ volume: Volume, _ input: JSONObject, _ call: Call, tx: any Transaction
  ) throws {
    var all: JSONObject = ["volume": .string(volume.id)]
    all.merge(input)
    try engine.enqueue(
      NewJob(
        kind: kind, subject: "volume/\(volume.id)", input: .object(all), requestID: call.requestID,
        userID: try call.auth.user.id, projectID: volume.projectID), tx: tx)
  }
}
