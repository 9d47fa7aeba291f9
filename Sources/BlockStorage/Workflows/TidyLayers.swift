import Host
import Kit
import Store
import Workflow

/// Keeps chains of copy-on-write layers short, so that disks stay fast and their space comes back: a layer that only one
/// disk is above, and no snapshot needs, is merged into that disk; a chain that is too long is cut by a complete copy.
/// Nothing of it changes what any disk reads, and a disk that a guest has open is left alone.
extension BlockStorageService {
  /// What merging may cost at once, in bytes. A larger merge waits until its chain is half as long as it may be.
  private static let mergeBytesMax = 4 << 30

  /// Removes the files of layers that nothing needs any more.
  func collectLayers() async throws {
    for file in try await database.write({ try Layers.collect(tx: $0) }) {
      guard let store = try? store(file.backend), (try? store.check()) != nil else { continue }
      try await store.remove(file.name, isWiped: file.isWiped)
    }
  }

  func shortenChains() async throws {
    // Merging frees layers below it, so a few rounds do; what is left is done after the next job.
    for _ in 0..<4 {
      let found = try await database.read { try Layers.mergeable(tx: $0) }
      var merged = false
      for layer in found where try await merge(layer) { merged = true }
      guard merged else { break }
      try await collectLayers()
    }
    for layer in try await database.read({ try Layers.tooDeep(tx: $0) }) { try await flatten(layer) }
  }

  /// Puts the only disk above `layer` directly above the layer's own base.
  private func merge(_ layer: Layers.Link) async throws -> Bool {
    let store = try store(layer.backend)
    let cost = store.allocated(layer.id) + (layer.childLayer.map(store.allocated) ?? 0)
    guard cost <= Self.mergeBytesMax || layer.depth >= Layers.depthMax / 2 else { return false }
    if let volumeID = layer.childVolume {
      return try await locks.with(volumeID) { [self] in
        let volume = try await database.read { tx -> Volume? in
          guard try VolumeStore.user(of: volumeID, tx: tx) == nil else { return nil }
          return try VolumeStore.find(volumeID, tx: tx)
        }
        guard let volume, volume.status == "available", !volume.isMigrating, volume.parent == layer.id else {
          return false
        }
        try await store.rebase(volume.file, onto: layer.parent, baseFormat: layer.parentFormat, isClosed: true)
        return try await database.write { tx in
          try tx.execute(
            "UPDATE bs_volume SET parent = \(layer.parent) WHERE id = \(volumeID) AND parent = \(layer.id)") == 1
        }
      }
    }
    guard let child = layer.childLayer else { return false }
    return try await rebase(child, from: layer.id, onto: layer.parent, layer.parentFormat, store)
  }

  private func flatten(_ layer: Layers.Link) async throws {
    _ = try await rebase(layer.id, from: layer.parent, onto: nil, "", try store(layer.backend))
  }

  /// Replaces a frozen layer by one with the same content above another base. Volumes need no lock for it: a layer that is
  /// still being frozen, whose file freezing looks at, has something in the status `creating` above it.
  private func rebase(
    _ id: String, from old: String?, onto base: String?, _ format: String, _ store: any VolumeBackend
  ) async throws -> Bool {
    try await locks.with("layer/" + id) { [self] in
      let row = try await database.read { try Table.layer.find(id, tx: $0) }
      guard let row, row.text("format") == "qcow2", row.optionalText("parent") == old, store.exists(id) else {
        return false
      }
      let isPlanned = try await database.read { tx in
        try Table.snapshot.count("file = \(id) AND status = 'creating'", tx: tx)
          + Table.volume.count("parent = \(id) AND status = 'creating'", tx: tx) > 0
      }
      guard !isPlanned else { return false }
      try await store.rebase(id, onto: base, baseFormat: format, isClosed: false)
      let isThere = try await database.write { tx in
        let depth = try base.flatMap { try Table.layer.find($0, tx: tx)?.int("depth") }.map { $0 + 1 } ?? 0
        return try Table.layer.set(id, ["parent": base, "depth": depth], tx: tx)
      }
      // It was collected meanwhile.
      if !isThere { try await store.remove(id) }
      return isThere
    }
  }
}
