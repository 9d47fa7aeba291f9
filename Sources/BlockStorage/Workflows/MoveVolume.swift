import Contracts
import Host
import Kit
import Store
import Workflow

/// Moving volumes between backends and types, to and from images, and in and out of the cloud's care.
extension BlockStorageService {
  var moveWorkflows: [WorkflowDefinition] {
    [
      definition("volume-migrate") { [self] in
        try await move($0)
      } finish: { [self] in
        try await removeMoved($0)
      } failed: { [self] tx, job, _ in
        let id = job.input["volume"]?.string ?? ""
        try Table.volume.set(id, ["migration_status": job.input["type"] == nil ? "error" : nil], tx: tx)
        try VolumeStore.free(id, now: clock.now(), tx: tx)
      },
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

  /// Copies the volume to another backend, or to another type's encryption, and removes it where it was.
  private func move(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let target = context.input["backend"]?.string else {
      return .done
    }
    let (type, now) = (context.input["type"]?.string, clock.now())
    let keyID = context.input["key"]?.string
    let isSame = target == volume.backend && keyID == volume.keyID
    let format = try store(target).backend.format
    if !isSame {
      guard try await database.read({ try VolumeStore.user(of: volume.id, tx: $0) }) == nil else {
        throw Volume.invalid("Volume \(volume.id) is attached: it cannot be moved to another backend now.")
      }
      if let keyID { try keys.make(keyID) }
      // Within one backend the new file gets its name at the end, so that the old one stays until then.
      let file = target == volume.backend ? "moved-" + volume.id : volume.file
      try await locks.with(volume.id) { [self] in
        try await store(target).copy(
          try disk(volume), to: file, format: format, keyPath: keyID.map(keys.path), sizeBytes: volume.sizeBytes)
      }
    }
    let (settings, file) = (settings, target == volume.backend && !isSame ? "moved-" + volume.id : volume.file)
    let isOldLeft = !isSame && (target != volume.backend || file != volume.file)
    return StepResult(isOldLeft ? ["file": .string(volume.file), "backend": .string(volume.backend)] : .null) { tx in
      if !isSame {
        try Table.volume.set(
          volume.id,
          [
            "backend": target, "host": settings.hostName(target), "format": format, "parent": nil as String?,
            "file": file, "encrypted": keyID != nil, "key_id": keyID,
          ], tx: tx)
      }
      if let type {
        let specs = try Table.type.find(type, tx: tx)?.texts("extra_specs") ?? [:]
        try Table.volume.set(volume.id, ["type_id": type, "multiattach": specs["multiattach"] == "<is> True"], tx: tx)
      } else {
        try Table.volume.set(volume.id, ["migration_status": "success"], tx: tx)
      }
      try VolumeStore.free(volume.id, now: now, tx: tx)
    }
  }

  private func removeMoved(_ context: StepContext) async throws {
    let old = context.output("volume-migrate")
    guard let file = old["file"]?.string, let backend = old["backend"]?.string else { return }
    try await store(backend).remove(file)
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
      let user = try await database.read { try VolumeStore.user(of: volume.id, tx: $0) }
      try await store.remove(file)
      if user == nil {
        try await store.copy(try disk(volume), to: file, format: Self.qemuFormat(format))
      } else {
        let copy = "copy-" + volume.id
        try await store.remove(copy)
        _ = try await capture(volume, as: copy)
        let found = try await DiskStore.info(store.path(copy)).format
        try await store.copy(Disk(path: store.path(copy), format: found), to: file, format: Self.qemuFormat(format))
        try await store.remove(copy)
      }
      try await images.importFile(store.path(file), into: image)
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
    if !HostFiles.exists(store.path(volume.file)) { try await store.rename(source, to: volume.file) }
    let info = try await DiskStore.info(store.path(volume.file))
    guard info.format == "qcow2" || info.format == "raw" else {
      throw Fault.badRequest("The file is of format \(info.format): a volume must be qcow2 or raw.")
    }
    let (size, now) = (max(1, (info.sizeBytes + (1 << 30) - 1) >> 30), clock.now())
    if info.sizeBytes < size << 30 {
      try await store.resize(Disk(path: store.path(volume.file), format: info.format), sizeBytes: size << 30)
    }
    return StepResult { tx in
      try Table.volume.set(volume.id, ["size": size, "format": info.format, "file": volume.file], tx: tx)
      try VolumeStore.free(volume.id, now: now, tx: tx)
    }
  }

  /// The file stays, complete and under a name that is no volume's.
  private func unmanage(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context) else { return .done }
    let store = try store(volume.backend)
    try await locks.with(volume.id) { [self] in
      let target = Self.unmanagedName("volume-" + volume.id)
      guard !HostFiles.exists(store.path(target)) else { return }
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
