import Kit
import Store
import Workflow

extension BlockStorageService {
  /// Checks that a volume may be deleted and enqueues it (API reference, Delete a volume). Throws 400 faults.
  func deleteVolume(
    _ volume: Volume, cascade: Bool = false, force: Bool = false, requestID: String, tx: any Transaction
  ) throws {
    let attached = try VolumeStore.attachments(volume.id, tx: tx)
    guard attached.isEmpty else {
      throw Volume.invalid("Volume \(volume.id) is still attached, detach volume first.")
    }
    let snapshots = try Table.snapshot.all("volume_id = \(volume.id)", tx: tx)
    if !force {
      let allowed = ["available", "error", "error_restoring", "error_extending", "error_managing", "error_deleting"]
      guard allowed.contains(volume.status) else {
        throw Volume.invalid(
          "Volume status must be available or error or error_restoring or error_extending or error_managing and must not "
            + "be migrating, attached, belong to a group, have snapshots or be disassociated from snapshots after volume "
            + "transfer. The status of \(volume.id) is \(volume.status).")
      }
      if let status = volume.row.optionalText("migration_status"), !["deleting", "error", "success"].contains(status) {
        throw Volume.invalid("Volume \(volume.id) is migrating.")
      }
      if volume.groupID != nil { throw Volume.invalid("Volume \(volume.id) belongs to a group.") }
    }
    guard snapshots.isEmpty || cascade else {
      throw Volume.invalid("Volume \(volume.id) has \(snapshots.count) dependent snapshots.")
    }
    let bad = snapshots.first { !["available", "error", "deleting"].contains($0.status) }
    if let bad, !force { throw Volume.invalid("Snapshot \(bad.id) of volume \(volume.id) is \(bad.status).") }
    try removeLater(volume, requestID: requestID, tx: tx)
  }

  /// Marks a volume and its snapshots as deleting and enqueues their removal.
  func removeLater(_ volume: Volume, requestID: String, tx: any Transaction) throws {
    let now = clock.now()
    let clones = try Table.volume.count("source_volid = \(volume.id) AND status = 'creating'", tx: tx)
    guard clones == 0 else { throw Volume.invalid("Volume \(volume.id) is being cloned: try again when it is done.") }
    // One that found no backend has no file: it is gone at once.
    if volume.backend.isEmpty, volume.status != "creating" { return try removeRows(of: volume, tx: tx) }
    try tx.execute("UPDATE bs_snapshot SET status = 'deleting', updated_at = \(now) WHERE volume_id = \(volume.id)")
    try Table.volume.set(volume.id, ["status": "deleting", "updated_at": now], tx: tx)
    try engine.enqueue(
      NewJob(
        kind: "volume-delete", subject: "volume/\(volume.id)", input: ["volume": .string(volume.id)],
        requestID: requestID, userID: volume.row.text("user_id"), projectID: volume.projectID), tx: tx)
  }

  /// Removes a volume and what belongs to it from the books.
  func removeRows(of volume: Volume, tx: any Transaction) throws {
    try tx.execute("DELETE FROM bs_snapshot WHERE volume_id = \(volume.id)")
    try tx.execute("DELETE FROM bs_transfer WHERE volume_id = \(volume.id) AND accepted = 0")
    try tx.execute("DELETE FROM bs_attachment WHERE volume_id = \(volume.id)")
    try Table.volume.remove(volume.id, tx: tx)
    if let group = volume.groupID { try GroupStore.removeIfEmpty(group, tx: tx) }
  }
}
