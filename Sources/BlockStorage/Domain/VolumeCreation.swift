import Contracts
import Kit
import Store
import Workflow

extension BlockStorageService {
  /// What the source of a new volume brings.
  private struct Origin {
    var minimumGB = 0
    var defaultGB: Int?
    var typeID: String?
    var backend: String?
    var parent: String?
    var keyID: String?
    var imageMetadata: [String: String]?
    var isBootable = false
    var snapshotID: String?
    var sourceID: String?
    var imageID: String?
    var encrypted: Bool?
  }

  /// Checks an order, writes the volume and enqueues its creation. Returns its id. Throws 400, 404 and 413 faults.
  func createVolume(
    _ order: VolumeOrder, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws -> String {
    let (id, now) = (UUIDText.make(), clock.now())
    let origin = try origin(order, auth, tx: tx)
    guard let size = order.size ?? origin.defaultGB else {
      throw Fault.badRequest("Invalid input received: 'size' must be given for a volume without a source.")
    }
    guard size >= origin.minimumGB else {
      throw Fault.badRequest(
        "Invalid input received: Volume size \(size)GB cannot be smaller than \(origin.minimumGB)GB, the size of its source."
      )
    }
    let zone = order.zone ?? settings.zone
    guard zone == settings.zone else {
      throw Fault.badRequest("Invalid input received: Availability zone '\(zone.prefix(80))' is invalid.")
    }
    let type =
      try order.type.map { try TypeStore.require($0, auth, tx: tx) }
      ?? origin.typeID.flatMap { try Table.type.find($0, tx: tx) }
      ?? TypeStore.standard(for: auth.projectID, tx: tx)
    try checkGroup(order.groupID, type, auth, tx: tx)
    try Quota.checkSize(auth.projectID, size, tx: tx)
    try Quota.check(auth.projectID, volumes: 1, gigabytes: size, type: type?.text("name"), tx: tx)
    let isEncrypted = type?.optionalText("encryption") != nil || origin.encrypted == true
    let keyID = isEncrypted ? UUIDText.make() : nil
    let specs = type?.texts("extra_specs") ?? [:]
    let isMultiattach = specs["multiattach"] == "<is> True"
    guard !isMultiattach || !isEncrypted else {
      throw Fault.badRequest("Invalid input received: Multiattach cannot be used with encrypted volumes.")
    }
    let backend = try place(order, size: size, specs: specs, origin.backend, tx: tx)
    let format = backend?.format(isEncrypted: isEncrypted, isMultiattach: isMultiattach)
    let isLayered = backend?.name == origin.backend && format == "qcow2" && !isEncrypted
    try Table.volume.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "name": order.name,
        "description": order.description, "size": size, "status": "creating", "type_id": type?.id, "zone": zone,
        "host": backend.map { settings.hostName($0.name) }, "backend": backend?.name, "format": format,
        "parent": isLayered ? origin.parent : nil, "bootable": origin.isBootable,
        "multiattach": isMultiattach, "encrypted": isEncrypted, "key_id": keyID,
        "snapshot_id": origin.snapshotID, "source_volid": origin.sourceID, "source_backup_id": order.backupID,
        "image_id": origin.imageID, "group_id": order.groupID, "metadata": JSONValue.texts(order.metadata),
        "image_metadata": origin.imageMetadata.map { JSONValue.texts($0) }, "created_at": now, "updated_at": now,
      ], tx: tx)
    var subject = "volume/\(id)"
    if let sourceID = origin.sourceID, isLayered, let source = try VolumeStore.find(sourceID, tx: tx), source.isLayered
    {
      let layer = try Layers.plan("layer-" + id, above: source, now: now, tx: tx)
      try Table.volume.set(id, ["parent": layer], tx: tx)
      // States of a volume are frozen in the order in which their layers were planned.
      subject = "volume/\(sourceID)"
    }
    var input: JSONObject = ["volume": .string(id)]
    if backend == nil { input["refusal"] = .string(try choose(order, size: size, specs: specs, nil, tx: tx).reason) }
    try engine.enqueue(
      NewJob(
        kind: "volume-create", subject: subject, input: .object(input), requestID: requestID,
        userID: auth.user.id, projectID: auth.projectID), tx: tx)
    return id
  }

  private func place(
    _ order: VolumeOrder, size: Int, specs: [String: String], _ prefer: String?, tx: any Transaction
  ) throws -> BlockStorageSettings.Backend? {
    try choose(order, size: size, specs: specs, prefer, tx: tx).backend
  }
  private func choose(
    _ order: VolumeOrder, size: Int, specs: [String: String], _ prefer: String?, tx: any Transaction
  ) throws -> (backend: BlockStorageSettings.Backend?, reason: String) {
    let same = try order.sameHost.compactMap { try VolumeStore.find($0, tx: tx)?.backend }
    let different = Set(try order.differentHost.compactMap { try VolumeStore.find($0, tx: tx)?.backend })
    var specs = specs
    if let name = same.first { specs["volume_backend_name"] = specs["volume_backend_name"] ?? name }
    let chosen = try Placing(settings: settings).choose(size: size, specs: specs, prefer: prefer, tx: tx)
    if let backend = chosen.backend, different.contains(backend.name) {
      return (nil, "No storage could be allocated: the hint different_host leaves no backend.")
    }
    return chosen
  }

  private func origin(_ order: VolumeOrder, _ auth: AuthContext, tx: any Transaction) throws -> Origin {
    var origin = Origin()
    if let id = order.backupID {
      guard let backup = try Table.backup.find(id, tx: tx), auth.isAdmin || backup.projectID == auth.projectID else {
        throw Fault.notFound("Backup \(id) could not be found.")
      }
      guard backup.status == "available" else {
        throw Fault.badRequest("Invalid backup: its status is \(backup.status).")
      }
      (origin.minimumGB, origin.defaultGB) = (backup.int("size"), backup.int("size"))
      return origin
    }
    switch order.source {
    case .blank: break
    case .snapshot(let id): try originFromSnapshot(id, auth, &origin, tx: tx)
    case .volume(let id):
      let source = try VolumeStore.require(id, auth, tx: tx)
      try source.require(["available", "in-use"], "be cloned")
      (origin.minimumGB, origin.defaultGB, origin.typeID) = (source.size, source.size, source.typeID)
      (origin.backend, origin.sourceID) = (source.backend, id)
      (origin.isBootable, origin.encrypted) = (source.row.bool("bootable"), source.isEncrypted)
      origin.imageMetadata = source.row.optionalText("image_metadata").map { _ in source.row.texts("image_metadata") }
    case .image(let id): try originFromImage(id, auth, &origin, tx: tx)
    }
    return origin
  }

  private func originFromSnapshot(
    _ id: String, _ auth: AuthContext, _ origin: inout Origin, tx: any Transaction
  ) throws {
    let snapshot = try SnapshotStore.require(id, auth, tx: tx)
    guard snapshot.status == "available" else {
      throw Fault.badRequest("Invalid snapshot: Originating snapshot status must be one of 'available' values")
    }
    let size = snapshot.int("size")
    (origin.minimumGB, origin.defaultGB, origin.snapshotID) = (size, size, id)
    (origin.typeID, origin.backend, origin.parent) = (
      snapshot.optionalText("type_id"), snapshot.text("backend"), snapshot.optionalText("file")
    )
    origin.encrypted = snapshot.optionalText("key_id") != nil
    if let source = try VolumeStore.find(snapshot.text("volume_id"), tx: tx) {
      origin.isBootable = source.row.bool("bootable")
      origin.imageMetadata = source.row.optionalText("image_metadata").map { _ in source.row.texts("image_metadata") }
    }
  }

  private func originFromImage(_ id: String, _ auth: AuthContext, _ origin: inout Origin, tx: any Transaction) throws {
    guard let image = try images.image(id, visibleTo: auth, tx: tx) else {
      throw Fault.badRequest("Invalid image identifier or unable to access requested image.")
    }
    guard image.status == "active" else {
      throw Fault.badRequest("Invalid input received: Image \(id) is not active: its status is \(image.status).")
    }
    let bytes = max(image.virtualSizeBytes, image.sizeBytes)
    origin.minimumGB = max((bytes + (1 << 30) - 1) >> 30, image.minDiskGB, 1)
    (origin.imageID, origin.isBootable) = (id, true)
    var metadata = image.properties
    metadata.merge([
      "image_id": image.id, "image_name": image.name, "container_format": image.containerFormat,
      "disk_format": image.diskFormat, "min_disk": String(image.minDiskGB), "min_ram": String(image.minRAMMB),
      "size": String(image.sizeBytes),
    ]) { _, new in new }
    origin.imageMetadata = metadata
  }

  private func checkGroup(_ id: String?, _ type: Row?, _ auth: AuthContext, tx: any Transaction) throws {
    guard let id else { return }
    let group = try GroupStore.require(id, auth, tx: tx)
    let types = (group.json("volume_types").array ?? []).compactMap(\.string)
    guard let type, types.contains(type.id) else {
      throw Fault.badRequest("Invalid input received: The volume type is not one of the types of group \(id).")
    }
    guard group.status == "available" else { throw Fault.badRequest("Invalid group: its status is \(group.status).") }
  }
}
