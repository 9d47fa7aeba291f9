import Contracts
import Kit
import Store
import Workflow

/// Attachments of volumes to servers, for Compute and for the API: rows `reserved` → `attaching` → `attached`.
extension BlockStorageService: VolumeAttaching {
  public func volume(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> VolumeSummary? {
    guard let volume = try VolumeStore.find(id, tx: tx), auth.isAdmin || volume.projectID == auth.projectID else {
      return nil
    }
    return Self.summary(volume)
  }
  public func volume(_ id: String, tx: any Transaction) throws -> VolumeSummary? {
    try VolumeStore.find(id, tx: tx).map(Self.summary)
  }
  private static func summary(_ volume: Volume) -> VolumeSummary {
    VolumeSummary(
      id: volume.id, name: volume.row.text("name"), status: volume.status, sizeGB: volume.size,
      isBootable: volume.row.bool("bootable"), isMultiattach: volume.isMultiattach, projectID: volume.projectID,
      zone: volume.row.text("zone"), imageMetadata: volume.row.texts("image_metadata"),
      isMigrating: volume.isMigrating)
  }

  public func hasVolumeType(_ key: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> Bool {
    do {
      _ = try TypeStore.require(key, auth, tx: tx)
      return true
    } catch let fault as Fault where fault.status == 404 { return false }
  }

  public func snapshot(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> (
    sizeGB: Int, volumeID: String
  )? {
    guard let row = try Table.snapshot.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      return nil
    }
    return (row.int("size"), row.text("volume_id"))
  }

  public func create(
    sizeGB: Int?, source: VolumeSource, type: String?, name: String, zone: String, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String {
    var order = VolumeOrder()
    (order.name, order.size, order.source, order.type) = (name, sizeGB, source, type)
    order.zone = zone.isEmpty || zone != settings.zone ? nil : zone
    return try createVolume(order, auth: auth, requestID: requestID, tx: tx)
  }

  public func waitReady(_ id: String) async throws {
    while true {
      let found = try await database.read { tx in
        (
          try VolumeStore.find(id, tx: tx)?.status,
          try Table.message.all("resource_uuid = \(id)", tx: tx).last?.text("user_message")
        )
      }
      switch found.0 {
      case "creating", "downloading", "restoring-backup", "managing": try await Task.sleep(for: .milliseconds(50))
      case nil: throw Volume.notFound(id)
      case .some(let status) where status.hasPrefix("error"):
        throw Fault.badRequest("Volume \(id) is in status \(status): \(found.1 ?? "no message explains it").")
      default: return
      }
    }
  }

  public func reserve(_ id: String, serverID: String, tx: any Transaction) throws -> String {
    guard let volume = try VolumeStore.find(id, tx: tx) else { throw Volume.notFound(id) }
    return try reserve(volume, serverID: serverID, mode: nil, tx: tx)
  }

  /// Makes the attachment of a server, once per server. Throws a 400 fault when the volume is in no state for it.
  func reserve(_ volume: Volume, serverID: String?, mode: String?, tx: any Transaction) throws -> String {
    let rows = try VolumeStore.attachments(volume.id, tx: tx)
    if let serverID, let own = rows.first(where: { $0.text("server_id") == serverID }) {
      // The same server again is the same reservation, unless the volume may be attached several times.
      return own.id
    }
    let allowed =
      volume.isMultiattach
      ? ["available", "downloading", "creating", "in-use", "reserved", "attaching"]
      : ["available", "downloading", "creating"]
    guard !volume.isMigrating, allowed.contains(volume.status), volume.isMultiattach || rows.isEmpty else {
      throw Volume.invalid(
        "Volume \(volume.id) status must be \(allowed.joined(separator: " or ")) to reserve, but the current status is "
          + "\(volume.status).")
    }
    let (id, now) = (UUIDText.make(), clock.now())
    try Table.attachment.insert(
      [
        "id": id, "volume_id": volume.id, "project_id": volume.projectID, "server_id": serverID, "mode": mode,
        "status": "reserved", "created_at": now, "updated_at": now,
      ], tx: tx)
    try VolumeStore.settle(volume.id, now: now, tx: tx)
    return id
  }

  public func connect(attachmentID: String, host: String, mountpoint: String) async throws -> VolumeConnection {
    let found = try await database.read { tx -> Volume? in
      guard let row = try Table.attachment.find(attachmentID, tx: tx) else { return nil }
      return try VolumeStore.find(row.text("volume_id"), tx: tx)
    }
    guard let found else { throw Fault.notFound("Attachment \(attachmentID) could not be found.") }
    // Nothing may exchange the volume's file between telling its path and recording that it is open.
    return try await locks.with(found.id) { [self] in
      let now = clock.now()
      let (volume, row, limits) = try await database.write { tx -> (Volume, Row, [String: Int]) in
        guard let volume = try VolumeStore.find(found.id, tx: tx),
          let row = try Table.attachment.find(attachmentID, tx: tx)
        else { throw Volume.notFound(found.id) }
        let status = row.status == "attached" ? "attached" : "attaching"
        try Table.attachment.set(
          attachmentID,
          [
            "host": host, "mountpoint": mountpoint, "connected": 1, "status": status,
            "mode": row.optionalText("mode") ?? (volume.row.bool("readonly") ? "ro" : "rw"), "updated_at": now,
          ], tx: tx)
        try VolumeStore.settle(volume.id, now: now, tx: tx)
        return (volume, row, try QoSLimits.limits(of: volume, tx: tx))
      }
      let disk = try disk(volume)
      try store(volume.backend).check()
      if disk.keyPath != nil, let key = volume.keyID { try keys.attach(key) }
      return VolumeConnection(
        path: disk.path, format: disk.format, isReadOnly: volume.row.bool("readonly") || row.text("mode") == "ro",
        limits: limits, secretPath: disk.keyPath)
    }
  }

  public func complete(attachmentID: String, tx: any Transaction) throws {
    guard let row = try Table.attachment.find(attachmentID, tx: tx) else {
      throw Fault.notFound("Attachment \(attachmentID) could not be found.")
    }
    let now = clock.now()
    try Table.attachment.set(
      attachmentID,
      ["status": "attached", "attached_at": row.optionalInt("attached_at") ?? now.microseconds, "updated_at": now],
      tx: tx)
    try VolumeStore.settle(row.text("volume_id"), now: now, tx: tx)
  }

  public func beginDetaching(attachmentID: String, tx: any Transaction) throws {
    guard let row = try Table.attachment.find(attachmentID, tx: tx) else { return }
    try tx.execute(
      "UPDATE bs_volume SET status = 'detaching' WHERE id = \(row.text("volume_id")) AND status = 'in-use'")
  }
  public func keepAttached(attachmentID: String, tx: any Transaction) throws {
    guard let row = try Table.attachment.find(attachmentID, tx: tx) else { return }
    try tx.execute(
      "UPDATE bs_volume SET status = 'in-use' WHERE id = \(row.text("volume_id")) AND status = 'detaching'")
  }

  public func release(attachmentID: String, tx: any Transaction) throws {
    guard let row = try Table.attachment.find(attachmentID, tx: tx) else { return }
    try Table.attachment.remove(attachmentID, tx: tx)
    try VolumeStore.settle(row.text("volume_id"), now: clock.now(), tx: tx)
    try closeKey(of: row.text("volume_id"), tx: tx)
  }

  public func delete(_ id: String, requestID: String, tx: any Transaction) throws {
    guard let volume = try VolumeStore.find(id, tx: tx), volume.status != "deleting" else { return }
    let isBeingMade = ["creating", "downloading"].contains(volume.status)
    try deleteVolume(volume, force: isBeingMade, requestID: requestID, tx: tx)
  }

  public func disconnect(attachmentID: String, tx: any Transaction) throws {
    guard let row = try Table.attachment.find(attachmentID, tx: tx) else { return }
    let now = clock.now()
    try Table.attachment.set(attachmentID, ["status": "reserved", "connected": 0, "updated_at": now], tx: tx)
    try VolumeStore.settle(row.text("volume_id"), now: now, tx: tx)
    try closeKey(of: row.text("volume_id"), tx: tx)
  }

  public func reimage(_ id: String, image imageID: String, requestID: String, tx: any Transaction) throws {
    guard let volume = try VolumeStore.find(id, tx: tx) else { throw Volume.notFound(id) }
    try volume.require(["available", "error", "reserved"], "be reimaged")
    guard let image = try images.image(imageID, tx: tx), image.status == "active" else {
      throw Fault.badRequest("Image \(imageID) is not there any more, or is not active.")
    }
    try reimage(volume, image, requestID: requestID, userID: volume.row.text("user_id"), tx: tx)
  }

  /// Checks that the image fits, and enqueues its writing over the volume.
  func reimage(_ volume: Volume, _ image: ImageSummary, requestID: String, userID: String, tx: any Transaction) throws {
    let needed = max((image.virtualSizeBytes + (1 << 30) - 1) >> 30, image.minDiskGB)
    guard needed <= volume.size else {
      throw Volume.invalid("Size of the volume \(volume.size)GB is smaller than the \(needed)GB that the image needs.")
    }
    guard try VolumeStore.snapshotCount(volume.id, tx: tx) == 0 || volume.isLayered else {
      throw Volume.invalid("Volume \(volume.id) has snapshots.")
    }
    var metadata = image.properties
    metadata.merge([
      "image_id": image.id, "image_name": image.name, "container_format": image.containerFormat,
      "disk_format": image.diskFormat, "min_disk": String(image.minDiskGB), "min_ram": String(image.minRAMMB),
      "size": String(image.sizeBytes),
    ]) { _, new in new }
    try Table.volume.set(volume.id, ["status": "downloading", "previous_status": volume.status], tx: tx)
    try engine.enqueue(
      NewJob(
        kind: "volume-reimage", subject: "volume/\(volume.id)",
        input: ["volume": .string(volume.id), "image": .string(image.id), "metadata": .texts(metadata)],
        requestID: requestID,
        userID: userID, projectID: volume.projectID), tx: tx)
  }

  // MARK: Snapshots of servers

  public func createSnapshot(
    of id: String, name: String, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws -> String {
    guard let volume = try VolumeStore.find(id, tx: tx) else { throw Volume.notFound(id) }
    return try createSnapshot(
      of: volume, name: name, description: volume.row.optionalText("description"), isForced: true, auth: auth,
      requestID: requestID, tx: tx)
  }

  public func waitSnapshotReady(_ id: String) async throws {
    while true {
      switch try await database.read({ try Table.snapshot.find(id, tx: $0)?.status }) {
      case "creating": try await Task.sleep(for: .milliseconds(50))
      case "available": return
      case nil: throw Fault.notFound("Snapshot \(id) could not be found.")
      case .some(let status): throw Fault.badRequest("Snapshot \(id) could not be made: its status is \(status).")
      }
    }
  }

  public func deleteSnapshot(_ id: String, requestID: String, tx: any Transaction) throws {
    guard let snapshot = try Table.snapshot.find(id, tx: tx), snapshot.status != "deleting" else { return }
    try deleteSnapshot(snapshot, isForced: true, requestID: requestID, tx: tx)
  }
}
