import Kit
import Store

/// Rows of layers: files that volumes and snapshots start from. A layer lives as long as something refers to it.
enum Layers {
  struct File: Sendable {
    let backend: String
    let name: String
  }

  /// Records that the present state of a volume is about to be frozen as layer `id`, before any file changes: from now on
  /// the volume holds the layer, whether its file is above it already or not. Returns `id`.
  static func plan(_ id: String, above volume: Volume, now: Timestamp, tx: any Transaction) throws -> String {
    try insert(
      id, backend: volume.backend, format: "qcow2", parent: volume.parent, volume: volume.id, size: volume.size,
      now: now,
      tx: tx)
    try Table.volume.set(volume.id, ["parent": id], tx: tx)
    return id
  }

  static func insert(
    _ id: String, backend: String, format: String, parent: String?, volume: String?, size: Int, now: Timestamp,
    tx: any Transaction
  ) throws {
    guard try Table.layer.find(id, tx: tx) == nil else { return }
    try Table.layer.insert(
      [
        "id": id, "backend": backend, "format": format, "parent": parent, "volume_id": volume, "size": size,
        "created_at": now,
      ], tx: tx)
  }

  /// The layer holds a complete copy instead: nothing of the volume is below it, and the volume's file is not above it.
  static func detach(_ id: String, from volume: String, tx: any Transaction) throws {
    guard let layer = try Table.layer.find(id, tx: tx) else { return }
    try tx.execute(
      "UPDATE bs_volume SET parent = \(layer.optionalText("parent")) WHERE id = \(volume) AND parent = \(id)")
    try Table.layer.set(id, ["parent": nil as String?], tx: tx)
  }

  /// Removes the rows of layers that nothing refers to; returns their files.
  static func collect(tx: any Transaction) throws -> [File] {
    var files: [File] = []
    while true {
      let rows = try tx.query(
        """
        SELECT id, backend FROM bs_layer l WHERE unmanaged = 0
          AND NOT EXISTS (SELECT 1 FROM bs_volume v WHERE v.parent = l.id)
          AND NOT EXISTS (SELECT 1 FROM bs_snapshot s WHERE s.file = l.id)
          AND NOT EXISTS (SELECT 1 FROM bs_layer c WHERE c.parent = l.id)
        """)
      if rows.isEmpty { return files }
      for row in rows {
        try Table.layer.remove(row.id, tx: tx)
        files.append(File(backend: row.text("backend"), name: row.id))
      }
    }
  }
}
