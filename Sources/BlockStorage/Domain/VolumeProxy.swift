import Contracts
import Kit
import Store

/// Volumes and snapshots for Compute's old proxies.
extension BlockStorageService: VolumeProxying {
  public func proxyVolumes(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolume] {
    let rows =
      try id.map { [try VolumeStore.require($0, auth, tx: tx).row] }
      ?? Table.volume.all("project_id = \(auth.projectID)", order: "created_at DESC, id DESC", tx: tx)
    let types = Dictionary(try Table.type.all("1 = 1", tx: tx).map { ($0.id, $0.text("name")) }) { first, _ in first }
    let attached = try Table.attachment.all("volume_id IN \(list: rows.map(\.id)) AND status = 'attached'", tx: tx)
    let attachments = Dictionary(attached.map { ($0.text("volume_id"), $0) }) { first, _ in first }
    return rows.map { row in
      let attachment = attachments[row.id]
      return ProxyVolume(
        id: row.id, name: row.optionalText("name"), description: row.optionalText("description"), status: row.status,
        sizeGB: row.int("size"), zone: row.text("zone"), type: row.optionalText("type_id").flatMap { types[$0] },
        snapshotID: row.optionalText("snapshot_id"), metadata: row.texts("metadata"),
        createdAt: row.timestamp("created_at"), serverID: attachment?.optionalText("server_id"),
        device: attachment?.optionalText("mountpoint"))
    }
  }

  public func createProxyVolume(
    _ volume: ProxyVolume, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws -> String {
    var order = VolumeOrder()
    (order.name, order.description, order.size) = (volume.name, volume.description, volume.sizeGB)
    (order.type, order.metadata) = (volume.type, volume.metadata)
    order.zone = volume.zone.isEmpty ? nil : volume.zone
    if let snapshot = volume.snapshotID { order.source = .snapshot(snapshot) }
    return try createVolume(order, auth: auth, requestID: requestID, tx: tx)
  }

  public func deleteProxyVolume(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws {
    try deleteVolume(try VolumeStore.require(id, auth, tx: tx), requestID: requestID, tx: tx)
  }

  public func proxySnapshots(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolumeSnapshot] {
    let rows =
      try id.map { [try SnapshotStore.require($0, auth, tx: tx)] }
      ?? Table.snapshot.all("project_id = \(auth.projectID)", order: "created_at DESC, id DESC", tx: tx)
    return rows.map { row in
      ProxyVolumeSnapshot(
        id: row.id, volumeID: row.text("volume_id"), name: row.optionalText("name"),
        description: row.optionalText("description"), status: row.status, sizeGB: row.int("size"),
        createdAt: row.timestamp("created_at"))
    }
  }

  public func createProxySnapshot(
    of volumeID: String, name: String?, description: String?, isForced: Bool, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String {
    try createSnapshot(
      of: try VolumeStore.require(volumeID, auth, tx: tx), name: name, description: description, isForced: isForced,
      auth: auth, requestID: requestID, tx: tx)
  }

  public func deleteProxySnapshot(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws {
    try deleteSnapshot(
      try SnapshotStore.require(id, auth, tx: tx), isForced: false, requestID: requestID, tx: tx)
  }
}
