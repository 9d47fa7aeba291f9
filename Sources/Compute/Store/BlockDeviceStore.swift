import Kit
import Store

/// The rows of servers' disks.
enum BlockDeviceStore {
  static let migrations: [Migration] = [
    Migration(
      "compute-device-001",
      [
        """
        CREATE TABLE block_device (
          number INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(36) NOT NULL UNIQUE, server_id VARCHAR(36) NOT NULL,
          source VARCHAR(16) NOT NULL, is_volume INT NOT NULL, source_id VARCHAR(36), volume_id VARCHAR(36),
          attachment_id VARCHAR(36), size INT, boot_index INT, device VARCHAR(255), bus VARCHAR(255),
          type VARCHAR(255), format VARCHAR(255), tag VARCHAR(60), delete_on_termination INT NOT NULL,
          volume_type VARCHAR(255), is_attached INT NOT NULL, replaces VARCHAR(36))
        """,
        "CREATE INDEX block_device_server ON block_device (server_id)",
        "CREATE INDEX block_device_volume ON block_device (volume_id)",
        "ALTER TABLE server ADD COLUMN volume_backed INT NOT NULL DEFAULT 0",
      ])
  ]

  /// The disks of several servers in one query, by server id, in order of their making.
  static func devices(ofServers ids: [String], tx: any Transaction) throws -> [String: [BlockDevice]] {
    let rows = try tx.query("SELECT * FROM block_device WHERE server_id IN \(list: ids) ORDER BY number")
    return Dictionary(grouping: rows.map(device)) { $0.serverID }
  }
  static func find(_ id: String, tx: any Transaction) throws -> BlockDevice? {
    try tx.first("SELECT * FROM block_device WHERE id = \(id)").map(device)
  }
  /// The servers whose disk a volume is.
  static func servers(ofVolume id: String, tx: any Transaction) throws -> [String] {
    try tx.query("SELECT server_id FROM block_device WHERE volume_id = \(id)").map { $0.text("server_id") }
  }

  static func insert(_ device: BlockDevice, tx: any Transaction) throws {
    try tx.execute(.insert(into: "block_device", device.columns))
  }
  static func save(_ device: BlockDevice, tx: any Transaction) throws {
    try tx.execute("\(SQL.update("block_device", device.columns)) WHERE id = \(device.id)")
  }
  static func remove(_ id: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM block_device WHERE id = \(id)")
  }
  static func removeAll(ofServer id: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM block_device WHERE server_id = \(id)")
  }

  private static func device(_ row: Row) -> BlockDevice {
    var device = BlockDevice(
      source: BlockDevice.Source(rawValue: row.text("source")) ?? .volume, isVolume: row.bool("is_volume"))
    device.id = row.text("id")
    device.serverID = row.text("server_id")
    device.sourceID = row.optionalText("source_id")
    device.volumeID = row.optionalText("volume_id")
    device.attachmentID = row.optionalText("attachment_id")
    device.size = row.optionalInt("size")
    device.bootIndex = row.optionalInt("boot_index")
    device.device = row.optionalText("device")
    device.bus = row.optionalText("bus")
    device.type = row.optionalText("type")
    device.format = row.optionalText("format")
    device.tag = row.optionalText("tag")
    device.deletesOnTermination = row.bool("delete_on_termination")
    device.volumeType = row.optionalText("volume_type")
    device.isAttached = row.bool("is_attached")
    device.replaces = row.optionalText("replaces")
    return device
  }
}

extension BlockDevice {
  /// Every column but `number`, which the database gives.
  var columns: [(String, SQLValue)] {
    let values: KeyValuePairs<String, any SQLConvertible> = [
      "id": id, "server_id": serverID, "source": source.rawValue, "is_volume": isVolume, "source_id": sourceID,
      "volume_id": volumeID, "attachment_id": attachmentID, "size": size, "boot_index": bootIndex, "device": device,
      "bus": bus, "type": type, "format": format, "tag": tag, "delete_on_termination": deletesOnTermination,
      "volume_type": volumeType, "is_attached": isAttached, "replaces": replaces,
    ]
    return values.map { ($0.key, $0.value.sqlValue) }
  }
}
