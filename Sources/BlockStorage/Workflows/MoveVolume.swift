import Contracts
import Host
import Kit
import Store
import Workflow

/// Moving volumes to and from images, and in and out of the cloud's care.
extension BlockStorageService {
  var moveWorkflows: [WorkflowDefinition] {
    [
      migrateWorkflow,
      definition("volume-upload") { [self] in
        try await upload($0)
      } failed: { [self] tx, job, _ in
        try images.discard(job.input["image"]?.string ?? "", tx: tx)
        try VolumeStore.free(job.input["volume"]?.string ?? "", now: clock.now(), tx: tx)
      },
      definition("volume-reimage") { [self] in
        try await reimage($0)
      } failed: { [self] tx, job, _ in
        try Table.volume.set(
          job.input["volume"]?.string ?? "", ["status": "error", "updated_at": clock.now()], tx: tx)
      },
      definition("volume-manage") { [self] in
        try await manage($0)
      } failed: { [self] tx, job, _ in
        try Table.volume.set(
          job.input["volume"]?.string ?? "", ["status": "error_managing", "updated_at": clock.now()], tx: tx)
      },
      definition("volume-unmanage") { [self] in
        try await unmanage($0)
      } failed: { [self] tx, job, _ in
        try VolumeStore.free(job.input["volume"]?.string ?? "", now: clock.now(), tx: tx)
      },
    ]
  }

  /// The volume's disk becomes the data of an image.
  private func upload(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let image = context.input["image"]?.string else { return .done }
    let format = context.input["format"]?.string ?? "raw"
    let store = try store(volume.backend)
    let file = "upload-" + volume.id
    let isThere = try await database.read { [images] in
      let found = try images.image(image, tx: $0)
      return found == nil || found?.status == "active"
    }
    if !isThere {
      try await withCopy(of: volume) { source in
        try await store.copy(source, to: file, format: Self.qemuFormat(format))
      }
      try await images.importFile(store.disk(file, format: format).path, into: image)
    }
    try await store.remove(file)
    let now = clock.now()
    return StepResult { try VolumeStore.free(volume.id, now: now, tx: $0) }
  }

  private func reimage(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let imageID = context.input["image"]?.string else { return .done }
    let image = try await database.read { [images] in try images.image(imageID, tx: $0) }
    let source = Disk(path: try await images.file(of: imageID), format: Self.qemuFormat(image?.diskFormat ?? "raw"))
    let keyPath = try disk(volume).keyPath
    try await locks.with(volume.id) { [self] in
      guard try await database.read({ try VolumeStore.user(of: volume.id, tx: $0) }) == nil else {
        throw Volume.invalid("Volume \(volume.id) is open in a guest.")
      }
      try await store(volume.backend).copy(
        source, to: volume.file, format: volume.format, keyPath: keyPath, sizeBytes: volume.sizeBytes)
    }
    let (now, metadata) = (clock.now(), context.input["metadata"] ?? [:])
    return StepResult { tx in
      try Table.volume.set(
        volume.id, ["parent": nil as String?, "image_id": imageID, "image_metadata": metadata, "bootable": true], tx: tx
      )
      try VolumeStore.free(volume.id, now: now, tx: tx)
    }
  }

  static func unmanagedName(_ reference: String) -> String { "unmanaged-" + reference }

  /// A file in the backend's folder becomes the volume's.
  private func manage(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let source = context.input["file"]?.string else { return .done }
    let store = try store(volume.backend)
    if !store.exists(volume.file) { try await store.rename(source, to: volume.file) }
    let info = try await store.info(volume.file, format: volume.format)
    let (size, now) = (max(1, (info.sizeBytes + (1 << 30) - 1) >> 30), clock.now())
    if info.sizeBytes < size << 30 {
      try await store.resize(volume.file, format: volume.format, sizeBytes: size << 30, keyPath: nil)
    }
    return StepResult { tx in
      try Table.volume.set(volume.id, ["size": size, "file": volume.file], tx: tx)
      try VolumeStore.free(volume.id, now: now, tx: tx)
    }
  }

  /// The file stays, complete and under a name that is no volume's.
  private func unmanage(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context) else { return .done }
    let store = try store(volume.backend)
    try await locks.with(volume.id) { [self] in
      let target = Self.unmanagedName("volume-" + volume.id)
      guard !store.exists(target) else { return }
      if volume.parent == nil {
        try await store.rename(volume.file, to: target)
      } else {
        try await store.copy(try disk(volume), to: target, format: volume.format)
      }
    }
    try await store.remove(volume.file)
    return StepResult { try Table.volume.remove(volume.id, tx: $0) }
  }
}
