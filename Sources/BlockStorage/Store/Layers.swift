import Kit
import Store

/// Rows of layers: files that volumes and snapshots start from. A layer lives as long as something refers to it.
enum Layers {
  struct File: Sendable {
    let backend: String
    let name: String
    let isWiped: Bool
  }
  /// A layer between its base and what is above it.
  struct Link: Sendable {
    let id: String
    let backend: String
    let parent: String?
    let parentFormat: String
    let depth: Int
    var childVolume: String?
    var childLayer: String?
  }
  /// How many layers may be below a disk.
  static let depthMax = 16

  /// Records that the present state of a volume is about to be frozen as layer `id`, before any file changes: from now on
  /// the volume holds the layer, whether its file is above it already or not. Returns `id`.
  static func plan(_ id: String, above volume: Volume, now: Timestamp, tx: any Transaction) throws -> String {
    try insert(
      id, backend: volume.backend, format: "qcow2", parent: volume.parent, volume: volume.id, size: volume.size,
      isWiped: try TypeStore.isWiped(volume.typeID, tx: tx), now: now, tx: tx)
    try Table.volume.set(volume.id, ["parent": id], tx: tx)
    return id
  }

  static func insert(
    _ id: String, backend: String, format: String, parent: String?, volume: String?, size: Int, isWiped: Bool,
    now: Timestamp, tx: any Transaction
  ) throws {
    guard try Table.layer.find(id, tx: tx) == nil else { return }
    let below = try parent.flatMap { try Table.layer.find($0, tx: tx)?.int("depth") }
    try Table.layer.insert(
      [
        "id": id, "backend": backend, "format": format, "parent": parent, "volume_id": volume, "size": size,
        "wiped": isWiped, "depth": below.map { $0 + 1 } ?? 0, "created_at": now,
      ], tx: tx)
  }

  /// The layer holds a complete copy instead: nothing of the volume is below it, and the volume's file is not above it.
  static func detach(_ id: String, from volume: String, tx: any Transaction) throws {
    guard let layer = try Table.layer.find(id, tx: tx) else { return }
    try tx.execute(
      "UPDATE bs_volume SET parent = \(layer.optionalText("parent")) WHERE id = \(volume) AND parent = \(id)")
    try Table.layer.set(id, ["parent": nil as String?, "depth": 0], tx: tx)
  }

  /// Removes the rows of layers that nothing refers to; returns their files.
  static func collect(tx: any Transaction) throws -> [File] {
    var files: [File] = []
    while true {
      let rows = try tx.query(
        """
        SELECT id, backend, wiped FROM bs_layer l WHERE unmanaged = 0
          AND NOT EXISTS (SELECT 1 FROM bs_volume v WHERE v.parent = l.id)
          AND NOT EXISTS (SELECT 1 FROM bs_snapshot s WHERE s.file = l.id)
          AND NOT EXISTS (SELECT 1 FROM bs_layer c WHERE c.parent = l.id)
        """)
      if rows.isEmpty { return files }
      for row in rows {
        try Table.layer.remove(row.id, tx: tx)
        files.append(File(backend: row.text("backend"), name: row.id, isWiped: row.bool("wiped")))
      }
    }
  }

  /// Layers that no snapshot needs and exactly one disk is above. One at the bottom of its chain stays: merging it would
  /// copy all of it, to save the little that was overwritten above it.
  static func mergeable(tx: any Transaction) throws -> [Link] {
    let rows = try tx.query(
      """
      SELECT l.id AS id, l.backend AS backend, l.parent AS parent, l.depth AS depth, p.format AS parent_format,
        (SELECT MIN(v.id) FROM bs_volume v WHERE v.parent = l.id) AS child_volume,
        (SELECT MIN(c.id) FROM bs_layer c WHERE c.parent = l.id) AS child_layer
      FROM bs_layer l JOIN bs_layer p ON p.id = l.parent
      WHERE l.unmanaged = 0 AND NOT EXISTS (SELECT 1 FROM bs_snapshot s WHERE s.file = l.id)
        AND (SELECT COUNT(*) FROM bs_volume v WHERE v.parent = l.id)
          + (SELECT COUNT(*) FROM bs_layer c WHERE c.parent = l.id) = 1
      """)
    return rows.map { row in
      Link(
        id: row.id, backend: row.text("backend"), parent: row.optionalText("parent"),
        parentFormat: row.text("parent_format"), depth: row.int("depth"), childVolume: row.optionalText("child_volume"),
        childLayer: row.optionalText("child_layer"))
    }
  }

  /// Layers that have `depthMax` others below them.
  static func tooDeep(tx: any Transaction) throws -> [Link] {
    let rows = try tx.query(
      "SELECT id, backend, parent, depth FROM bs_layer WHERE depth >= \(depthMax) AND parent IS NOT NULL ORDER BY depth"
    )
    return rows.map {
      Link(
        id: $0.id, backend: $0.text("backend"), parent: $0.optionalText("parent"), parentFormat: "",
        depth: $0.int("depth"))
    }
  }
}
