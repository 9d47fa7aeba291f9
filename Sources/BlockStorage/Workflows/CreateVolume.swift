import Contracts
import Host
import Kit
import Store
import Workflow

/// Makes a volume's file from what it is to start from.
extension BlockStorageService {
  var createVolumeWorkflow: WorkflowDefinition {
    WorkflowDefinition(
      kind: "volume-create", deadline: .seconds(10_800),
      steps: [
        Step("base", deadline: .seconds(7200), run: { [self] in try await makeBase($0) }),
        Step(
          "file", deadline: .seconds(10_800),
          run: { [self] context in try await withKeys(of: context) { try await makeFile(context) } },
          undo: { [self] context in
            guard let volume = try await volume(of: context), !volume.backend.isEmpty else { return .done }
            try? await store(volume.backend).remove(volume.file)
            return .done
          }),
        tidyStep(),
      ],
      onFailed: { [self] tx, job, fault in
        let id = job.input["volume"]?.string ?? ""
        try Table.volume.set(id, ["status": "error", "updated_at": clock.now()], tx: tx)
        try settleRestored(id, tx: tx)
        try settleGroup(of: id, tx: tx)
        try tell(job, noun: "volume", fault, tx: tx)
      })
  }

  /// The image's data becomes a layer in the backend's folder, without being copied where it is on the same file system.
  private func makeBase(_ context: StepContext) async throws -> StepResult {
    if let refusal = context.input["refusal"]?.string { throw Fault(503, refusal) }
    guard let volume = try await volume(of: context) else { return .done }
    if let key = volume.keyID { try keys.make(key) }
    guard let imageID = volume.row.optionalText("image_id"), volume.row.optionalText("source_volid") == nil,
      volume.row.optionalText("snapshot_id") == nil, volume.isLayered
    else { return .done }
    let image = try await database.read { [images] in try images.image(imageID, tx: $0) }
    guard let image, ["raw", "qcow2"].contains(image.diskFormat) else { return .done }
    let source = try await images.file(of: imageID)
    let (layer, now) = ("layer-" + volume.id, clock.now())
    try await store(volume.backend).adopt(source, as: layer)
    return StepResult(["layer": .string(layer), "format": .string(image.diskFormat)]) { tx in
      try Layers.insert(
        layer, backend: volume.backend, format: image.diskFormat, parent: nil, volume: nil, size: volume.size,
        isWiped: false, now: now, tx: tx)
      try Table.volume.set(volume.id, ["parent": layer], tx: tx)
    }
  }

  private func makeFile(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), volume.status == "creating" else { return .done }
    let copied = try await fill(volume, context)
    let now = clock.now()
    return StepResult { [self] tx in
      if copied, let source = volume.row.optionalText("source_volid") {
        try Layers.detach("layer-" + volume.id, from: source, tx: tx)
      }
      try Table.volume.set(volume.id, ["file": volume.file], tx: tx)
      try VolumeStore.free(volume.id, now: now, tx: tx)
      try settleRestored(volume.id, tx: tx)
      try settleGroup(of: volume.id, tx: tx)
    }
  }

  /// The backup that a volume was made from is free again.
  private func settleRestored(_ volumeID: String, tx: any Transaction) throws {
    guard let backup = try Table.volume.find(volumeID, tx: tx)?.optionalText("source_backup_id") else { return }
    try tx.execute(
      "UPDATE bs_backup SET status = 'available', updated_at = \(clock.now()) WHERE id = \(backup) AND status = 'restoring'"
    )
  }

  /// Writes the file; true when the source was copied although a layer was planned.
  private func fill(_ volume: Volume, _ context: StepContext) async throws -> Bool {
    let store = try store(volume.backend)
    let keyPath = volume.isEncrypted ? volume.keyID.map(keys.path) : nil
    if let backup = volume.row.optionalText("source_backup_id") {
      try await restore(backup, into: volume)
      return false
    }
    if let sourceID = volume.row.optionalText("source_volid") {
      return try await cloneFile(volume, of: sourceID, store, keyPath)
    }
    if let snapshotID = volume.row.optionalText("snapshot_id") {
      try await fillFromSnapshot(volume, snapshotID, store, keyPath)
      return false
    }
    if let imageID = volume.row.optionalText("image_id") {
      if let layer = context.output("base")["layer"]?.string {
        try await store.makeOverlay(
          volume.file, above: layer, baseFormat: context.output("base")["format"]?.string ?? "raw",
          sizeBytes: volume.sizeBytes)
      } else {
        let image = try await database.read { [images] in try images.image(imageID, tx: $0) }
        let source = Disk(path: try await images.file(of: imageID), format: Self.qemuFormat(image?.diskFormat ?? "raw"))
        try await store.copy(
          source, to: volume.file, format: volume.format, keyPath: keyPath, sizeBytes: volume.sizeBytes)
      }
      return false
    }
    try await store.makeBlank(volume.file, format: volume.format, sizeBytes: volume.sizeBytes, keyPath: keyPath)
    return false
  }

  private func cloneFile(
    _ volume: Volume, of sourceID: String, _ store: any VolumeBackend, _ keyPath: String?
  ) async throws -> Bool {
    guard let source = try await database.read({ try VolumeStore.find(sourceID, tx: $0) }) else {
      throw Volume.notFound(sourceID)
    }
    let layer = "layer-" + volume.id
    if volume.parent == layer, volume.isLayered {
      let captured = try await capture(source, as: layer)
      try await store.makeOverlay(volume.file, above: layer, baseFormat: "qcow2", sizeBytes: volume.sizeBytes)
      return captured != .frozen
    }
    try await locks.with(sourceID) { [self] in
      let isUsed = try await database.read { try VolumeStore.user(of: sourceID, tx: $0) } != nil
      try await store.copy(
        try disk(source), to: volume.file, format: volume.format, keyPath: keyPath, sizeBytes: volume.sizeBytes,
        isShared: isUsed)
    }
    return false
  }

  private func fillFromSnapshot(
    _ volume: Volume, _ snapshotID: String, _ store: any VolumeBackend, _ keyPath: String?
  ) async throws {
    let found = try await database.read { [self] tx -> (Row, Disk)? in
      guard let snapshot = try Table.snapshot.find(snapshotID, tx: tx) else { return nil }
      return (snapshot, try disk(snapshot: snapshot, tx: tx))
    }
    guard let (snapshot, source) = found else { throw Fault.notFound("Snapshot \(snapshotID) could not be found.") }
    if volume.isLayered, volume.parent != nil, volume.parent == snapshot.optionalText("file"), source.keyPath == nil {
      try await store.makeOverlay(
        volume.file, above: snapshot.text("file"), baseFormat: source.format, sizeBytes: volume.sizeBytes)
    } else {
      try await store.copy(
        source, to: volume.file, format: volume.format, keyPath: keyPath, sizeBytes: volume.sizeBytes)
    }
  }

  /// QEMU's name of an image's disk format.
  static func qemuFormat(_ format: String) -> String {
    ["vhd": "vpc", "ami": "raw", "iso": "raw", "ploop": "parallels"][format] ?? format
  }
}
