import Kit
import Store

/// Rows of groups, their types and their snapshots.
enum GroupStore {
  static func require(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try Table.group.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("Group \(id.prefix(64)) could not be found.")
    }
    return row
  }
  static func snapshot(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try Table.groupSnapshot.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("GroupSnapshot \(id.prefix(64)) could not be found.")
    }
    return row
  }
  static func type(_ id: String, tx: any Transaction) throws -> Row {
    guard let row = try Table.groupType.find(id, tx: tx) else {
      throw Fault.notFound("Group type \(id.prefix(64)) could not be found.")
    }
    return row
  }
  static func volumes(_ id: String, tx: any Transaction) throws -> [Volume] {
    try Table.volume.all("group_id = \(id)", tx: tx).map { Volume(row: $0) }
  }
  /// A group that is being deleted is gone with its last volume.
  static func removeIfEmpty(_ id: String, tx: any Transaction) throws {
    guard try Table.group.find(id, tx: tx)?.status == "deleting", try volumes(id, tx: tx).isEmpty else { return }
    try Table.group.remove(id, tx: tx)
  }
}

extension BlockStorageService {
  /// Brings a group snapshot to what its snapshots say: available with the last of them, error with any.
  func settleGroupSnapshot(of snapshotID: String, tx: any Transaction) throws {
    guard let id = try Table.snapshot.find(snapshotID, tx: tx)?.optionalText("group_snapshot_id") else { return }
    let statuses = Set(try Table.snapshot.all("group_snapshot_id = \(id)", tx: tx).map(\.status))
    let status = statuses.contains("error") ? "error" : statuses.contains("creating") ? "creating" : "available"
    try Table.groupSnapshot.set(id, ["status": status, "updated_at": clock.now()], tx: tx)
  }
  /// A group made from a source is available when its volumes are.
  func settleGroup(of volumeID: String, tx: any Transaction) throws {
    guard let id = try Table.volume.find(volumeID, tx: tx)?.optionalText("group_id"),
      let group = try Table.group.find(id, tx: tx), group.status == "creating"
    else { return }
    let statuses = Set(try GroupStore.volumes(id, tx: tx).map(\.status))
    let status = statuses.contains("error") ? "error" : statuses.contains("creating") ? "creating" : "available"
    try Table.group.set(id, ["status": status, "updated_at": clock.now()], tx: tx)
  }
}
