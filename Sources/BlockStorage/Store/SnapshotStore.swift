import Kit
import Store
import Workflow

/// Rows of snapshots.
enum SnapshotStore {
  /// The snapshot, if the caller may see it; a 404 fault otherwise.
  static func require(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try Table.snapshot.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("Snapshot \(id.prefix(64)) could not be found.", kind: "SnapshotNotFound")
    }
    return row
  }
}

extension BlockStorageService {
  /// Checks, writes and enqueues a snapshot of a volume; returns its id. Throws 400 and 413 faults.
  func createSnapshot(
    of volume: Volume, name: String?, description: String?, metadata: [String: String] = [:], isForced: Bool,
    groupSnapshot: String? = nil, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws -> String {
    let allowed = isForced ? ["available", "in-use"] : ["available"]
    try volume.require(allowed, "be snapshotted")
    let type = try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }?.text("name")
    try Quota.check(auth.projectID, snapshots: 1, gigabytes: volume.size, type: type, tx: tx)
    let (id, now) = (UUIDText.make(), clock.now())
    let layer = "layer-" + id
    if volume.isLayered {
      _ = try Layers.plan(layer, above: volume, now: now, tx: tx)
    } else {
      try Layers.insert(
        layer, backend: volume.backend, format: volume.format, parent: nil, volume: volume.id, size: volume.size,
        isWiped: try TypeStore.isWiped(volume.typeID, tx: tx), now: now, tx: tx)
    }
    try Table.snapshot.insert(
      [
        "id": id, "project_id": volume.projectID, "user_id": auth.user.id, "volume_id": volume.id, "name": name,
        "description": description, "size": volume.size, "status": "creating", "progress": "0%",
        "type_id": volume.typeID, "group_snapshot_id": groupSnapshot, "backend": volume.backend, "file": layer,
        "key_id": volume.keyID, "metadata": JSONValue.texts(metadata), "created_at": now, "updated_at": now,
      ], tx: tx)
    try engine.enqueue(
      NewJob(
        kind: "snapshot-create", subject: "volume/\(volume.id)",
        input: ["volume": .string(volume.id), "snapshot": .string(id)], requestID: requestID, userID: auth.user.id,
        projectID: volume.projectID), tx: tx)
    return id
  }

  func deleteSnapshot(_ snapshot: Row, isForced: Bool, requestID: String, tx: any Transaction) throws {
    let allowed = ["available", "error", "error_deleting"] + (isForced ? ["deleting", "creating"] : [])
    guard allowed.contains(snapshot.status) else {
      throw Fault.badRequest(
        "Invalid snapshot: Snapshot status must be available or error, but it is \(snapshot.status).")
    }
    guard snapshot.optionalText("group_snapshot_id") == nil || isForced else {
      throw Fault.badRequest("Invalid snapshot: Snapshot \(snapshot.id) belongs to a group snapshot.")
    }
    try Table.snapshot.set(snapshot.id, ["status": "deleting", "updated_at": clock.now()], tx: tx)
    try engine.enqueue(
      NewJob(
        kind: "snapshot-delete", subject: "snapshot/\(snapshot.id)",
        input: ["volume": .string(snapshot.text("volume_id")), "snapshot": .string(snapshot.id)], requestID: requestID,
        userID: snapshot.text("user_id"), projectID: snapshot.projectID), tx: tx)
  }
}
