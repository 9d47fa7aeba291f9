import API
import Contracts
import Kit
import Store
import Workflow

/// Retype, migrate, upload to an image and reimage (API reference, Volume actions).
extension BlockStorageService {
  private static let diskFormats = ["raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "ploop"]

  var moveRoutes: [Route] {
    let path = "/volumes/{id}"
    return [
      action(
        path, "os-retype", "volume:retype", .projectMember,
        .object([
          Schema.required("new_type", .string(1...255)),
          Schema.may("migration_policy", .optional(.oneOf(["never", "on-demand"]))),
        ])
      ) { [self] call in try await onVolume(call) { [self] in try retype($0, call, tx: $1) } },
      action(
        path, "os-migrate_volume", "volume_extension:volume_admin_actions:migrate_volume", .admin,
        .object([
          Schema.may("host", .optional(.string(1...255))), Schema.may("cluster", .optional(.string(0...255))),
          Schema.may("force_host_copy", .optional(.looseBoolean)), Schema.may("lock_volume", .optional(.looseBoolean)),
        ])
      ) { [self] call in try await onVolume(call) { [self] in try migrate($0, call, tx: $1) } },
      action(
        path, "os-migrate_volume_completion", "volume_extension:volume_admin_actions:migrate_volume_completion", .admin,
        .object([Schema.required("new_volume", .uuid), Schema.may("error", .optional(.looseBoolean))])
      ) { [self] call in
        try await onVolume(call) { volume, _ in
          throw Volume.invalid("Volume \(volume.id) is not waiting for the completion of a migration.")
        }
      },
      action(
        path, "os-volume_upload_image", "volume_extension:volume_actions:upload_image", .projectMember,
        .object([
          Schema.required("image_name", .string(1...255)), Schema.may("force", .optional(.looseBoolean)),
          Schema.may("disk_format", .optional(.oneOf(Self.diskFormats))),
          Schema.may("container_format", .optional(.string(0...255))),
          Schema.may("visibility", .optional(.oneOf(["community", "public", "private", "shared"]))),
          Schema.may("protected", .optional(.looseBoolean)),
        ])
      ) { [self] call in try await onVolume(call) { [self] in try upload($0, call, tx: $1) } },
      action(
        path, "os-reimage", "volume:reimage", .projectMember, since: 68,
        .object([Schema.required("image_id", .uuid), Schema.may("reimage_reserved", .optional(.looseBoolean))])
      ) { [self] call in try await onVolume(call) { [self] in try reimage($0, call, tx: $1) } },
    ]
  }

  private func retype(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let key = "os-retype"
    let type = try TypeStore.require(call.text(key, "new_type") ?? "", try call.auth, tx: tx)
    try volume.require(["available", "in-use"], "be retyped")
    guard type.id != volume.typeID else {
      throw Fault.badRequest("Invalid input received: New volume_type same as original: \(type.text("name")).")
    }
    if let group = volume.groupID { throw Volume.invalid("Volume \(volume.id) belongs to group \(group).") }
    let specs = type.texts("extra_specs")
    if volume.status == "in-use", volume.isMultiattach != (specs["multiattach"] == "<is> True") {
      throw Volume.invalid("The multiattach of a volume cannot change while it is in use.")
    }
    let isEncrypted = type.optionalText("encryption") != nil
    let fits = try Placing(settings: settings).choose(size: 0, specs: specs, prefer: volume.backend, tx: tx)
    guard let backend = fits.backend else { throw Fault.badRequest("Invalid input received: \(fits.reason)") }
    let isMultiattach = specs["multiattach"] == "<is> True"
    guard !isMultiattach || !isEncrypted else {
      throw Fault.badRequest("Invalid input received: Multiattach cannot be used with encrypted volumes.")
    }
    let format = backend.format(isEncrypted: isEncrypted, isMultiattach: isMultiattach)
    let moves = backend.name != volume.backend || isEncrypted != volume.isEncrypted
    // Taking multiattach away leaves the file as it is; other changes of the format rewrite it where it is.
    let isRewritten = moves || isMultiattach && format != volume.format
    if isRewritten { try requireMovable(volume, tx: tx) }
    if moves, call.text(key, "migration_policy") != "on-demand" {
      throw Fault.badRequest(
        "Invalid input received: The new type needs the volume to be moved, and migration_policy is never.")
    }
    guard volume.status == "available" || isEncrypted == volume.isEncrypted else {
      throw Volume.invalid("The encryption of a volume cannot change while it is in use: detach it first.")
    }
    try Quota.check(volume.projectID, volumes: 0, gigabytes: 0, tx: tx)
    try Table.volume.set(volume.id, ["status": "retyping", "previous_status": volume.status], tx: tx)
    var input: JSONObject = [
      "backend": .string(backend.name), "type": .string(type.id),
      "format": .string(isRewritten ? format : volume.format),
    ]
    if isEncrypted { input["key"] = .string(volume.keyID ?? UUIDText.make()) }
    try enqueue("volume-migrate", volume, input, call, tx: tx)
    return .null
  }

  private func migrate(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let key = "os-migrate_volume"
    guard let host = call.text(key, "host") else {
      throw Fault.badRequest("Must specify exactly one of 'host' and 'cluster': there are no clusters in this cloud.")
    }
    guard let backend = settings.backend(host: host) else {
      throw Fault.badRequest("Invalid input received: Volume host \(host.prefix(80)) could not be found.")
    }
    try volume.require(["available", "in-use"], "be migrated")
    guard backend.name != volume.backend else {
      throw Fault.badRequest("Invalid host: Destination host must be different than the current host.")
    }
    try requireMovable(volume, tx: tx)
    // A guest that has the volume keeps it all the time.
    let isLocked = Input.flag(call.field(key, "lock_volume")) && volume.status == "available"
    try Table.volume.set(
      volume.id, ["migration_status": "starting", "status": isLocked ? "maintenance" : volume.status], tx: tx)
    let format = backend.format(isEncrypted: volume.isEncrypted, isMultiattach: volume.isMultiattach)
    var input: JSONObject = ["backend": .string(backend.name), "format": .string(format)]
    if let key = volume.keyID { input["key"] = .string(key) }
    try enqueue("volume-migrate", volume, input, call, tx: tx)
    return .null
  }

  /// Throws when a volume's data cannot go elsewhere: snapshots stay where they are, several guests cannot move together.
  private func requireMovable(_ volume: Volume, tx: any Transaction) throws {
    guard try VolumeStore.snapshotCount(volume.id, tx: tx) == 0 else {
      throw Volume.invalid("Volume \(volume.id) has snapshots: it cannot be moved.")
    }
    guard volume.groupID == nil else { throw Volume.invalid("Volume \(volume.id) belongs to a group.") }
    guard try VolumeStore.attachments(volume.id, tx: tx).count < 2 else {
      throw Volume.invalid("Volume \(volume.id) is attached to several servers: it can be moved with at most one.")
    }
  }

  private func upload(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let key = "os-volume_upload_image"
    let isForced = Input.flag(call.field(key, "force"))
    try volume.require(isForced ? ["available", "in-use"] : ["available"], "be uploaded to an image")
    let visibility = call.since(3, 1) ? call.text(key, "visibility") ?? "private" : "private"
    if visibility == "public", !(try call.auth.isAdmin) {
      throw Fault.forbidden("Policy doesn't allow volume_extension:volume_actions:upload_public to be performed.")
    }
    let format = call.text(key, "disk_format") ?? "raw"
    let (id, now) = (UUIDText.make(), clock.now())
    let container = call.text(key, "container_format") ?? "bare"
    var properties = volume.row.texts("image_metadata")
    for name in [
      "image_id", "image_name", "container_format", "disk_format", "min_disk", "min_ram", "size", "checksum",
    ] {
      properties[name] = nil
    }
    try images.reserve(
      ImageSummary(
        id: id, name: call.text(key, "image_name") ?? "", status: "queued", diskFormat: format,
        containerFormat: container, sizeBytes: 0, virtualSizeBytes: 0, minDiskGB: volume.size, minRAMMB: 0,
        owner: volume.projectID, visibility: visibility, properties: properties), tx: tx)
    try Table.volume.set(
      volume.id, ["status": "uploading", "previous_status": volume.status, "updated_at": now], tx: tx)
    try enqueue("volume-upload", volume, ["image": .string(id), "format": .string(format)], call, tx: tx)
    return [
      "os-volume_upload_image": [
        "id": .string(volume.id), "updated_at": volume.row.time("updated_at"), "status": "uploading",
        "display_description": volume.row.optional("description"), "size": .int(volume.size),
        "volume_type": try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }.map {
          ["id": .string($0.id), "name": $0.optional("name")]
        } ?? .null,
        "image_id": .string(id), "container_format": .string(container), "disk_format": .string(format),
        "image_name": .optional(call.text(key, "image_name")), "visibility": .string(visibility),
        "protected": .bool(Input.flag(call.field(key, "protected"))),
      ]
    ]
  }

  private func reimage(_ volume: Volume, _ call: Call, tx: any Transaction) throws -> JSONValue {
    let key = "os-reimage"
    let isReserved = Input.flag(call.field(key, "reimage_reserved"))
    try volume.require(["available", "error"] + (isReserved ? ["reserved"] : []), "be reimaged")
    let id = call.text(key, "image_id") ?? ""
    guard let image = try images.image(id, visibleTo: try call.auth, tx: tx), image.status == "active" else {
      throw Fault.badRequest("Invalid image identifier or unable to access requested image.")
    }
    try reimage(volume, image, requestID: call.requestID, userID: try call.auth.user.id, tx: tx)
    return .null
  }
}
