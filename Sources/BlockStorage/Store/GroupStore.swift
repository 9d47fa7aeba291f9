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
  /// Upstream's name of the type of those groups that the API of consistency groups makes and shows.
  static let consistencyTypeName = "default_cgsnapshot_type"
  static func consistencyType(tx: any Transaction) throws -> String {
    try tx.first("SELECT id FROM bs_group_type WHERE name = \(consistencyTypeName)")?.id ?? ""
  }
  static func makeConsistencyType(now: Timestamp, tx: any Transaction) throws {
    guard try consistencyType(tx: tx).isEmpty else { return }
    try Table.groupType.insert(
      [
        "id": UUIDText.make(), "name": consistencyTypeName,
        "description": "Default group type for migrating cgsnapshot",
        "is_public": true, "group_specs": "{\"consistent_group_snapshot_enabled\":\"<is> True\"}", "created_at": now,
      ], tx: tx)
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
