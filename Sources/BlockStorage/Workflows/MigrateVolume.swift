import Contracts
import Host
import Kit
import Store
import Workflow

/// Moves a volume to another backend, or to another type's encryption: closed ones by a copy, those of running guests by
/// their QEMU, without a break.
extension BlockStorageService {
  var migrateWorkflow: WorkflowDefinition {
    WorkflowDefinition(
      kind: "volume-migrate", deadline: .seconds(21_600),
      steps: [
        Step(
          "target", deadline: .seconds(10_800),
          run: { [self] context in try await withKeys(of: context) { try await makeTarget(context) } },
          undo: { [self] context in
            try await removeTarget(context)
            return .done
          }),
        Step("switch", deadline: .seconds(10_800)) { [self] context in
          try await withKeys(of: context) { try await switchOver(context) }
        },
        tidyStep { [self] context in
          let old = context.output("switch")
          guard let file = old["file"]?.string, let backend = old["backend"]?.string else { return }
          try await store(backend).remove(file, isWiped: old["wiped"] == true)
        },
      ],
      onFailed: { [self] tx, job, fault in
        let id = job.input["volume"]?.string ?? ""
        let volume = try VolumeStore.find(id, tx: tx)
        try Table.volume.set(
          id, ["migration_status": job.input["type"] == nil ? "error" : nil, "moving_to": nil as String?], tx: tx)
        try VolumeStore.free(id, now: clock.now(), tx: tx)
        if let key = job.input["key"]?.string, key != volume?.keyID {
          tx.afterCommit { [keys] in try? keys.remove(key) }
        }
        try tell(job, noun: "volume", fault, tx: tx)
      })
  }

  /// Where a moved volume's file comes to be; nil when it can stay.
  private func target(of volume: Volume, _ context: StepContext) throws -> (store: any VolumeBackend, file: String)? {
    guard let name = context.input["backend"]?.string else { return nil }
    let isSameFormat = context.input["format"]?.string == volume.format
    if name == volume.backend, context.input["key"]?.string == volume.keyID, isSameFormat { return nil }
    // Within one backend the old file stays until the new one has taken over, so the new one has another name.
    let names = ["volume-" + volume.id, "moved-" + volume.id]
    let file = name == volume.backend ? names.first { $0 != volume.file } : volume.file
    return file.map { (try? store(name), $0) }.flatMap { found in found.0.map { ($0, found.1) } }
  }

  /// Makes the new file: complete, or an empty one of the same size for a guest to move to.
  private func makeTarget(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let target = try target(of: volume, context) else { return .done }
    let keyID = context.input["key"]?.string
    let (keyPath, format) = (keyID.map(keys.path), context.input["format"]?.string ?? target.store.format)
    let isCopied = try await locks.with(volume.id) { [self] () -> Bool in
      if let user = try await database.read({ try VolumeStore.user(of: volume.id, tx: $0) }) {
        guard user.int("connected") == 1 else {
          throw Volume.invalid("Volume \(volume.id) is attached to something outside of this cloud: detach it first.")
        }
        try await target.store.makeBlank(target.file, format: format, sizeBytes: volume.sizeBytes, keyPath: keyPath)
        return false
      }
      try await target.store.copy(
        try disk(volume), to: target.file, format: format, keyPath: keyPath, sizeBytes: volume.sizeBytes)
      return true
    }
    return StepResult([
      "file": .string(target.file), "backend": .string(target.store.name), "format": .string(format),
      "copied": .bool(isCopied),
    ]) { tx in
      try Table.volume.set(
        volume.id, ["moving_to": "\(target.store.name)/\(target.file)", "moving_key": keyID], tx: tx)
    }
  }

  private func removeTarget(_ context: StepContext) async throws {
    guard let volume = try await volume(of: context), let target = try target(of: volume, context) else { return }
    guard target.file != volume.file || target.store.name != volume.backend else { return }
    try await target.store.remove(target.file)
  }

  /// The volume is its new file from here on.
  private func switchOver(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context) else { return .done }
    let target = context.output("target")
    let (keyID, type, now) = (context.input["key"]?.string, context.input["type"]?.string, clock.now())
    guard let file = target["file"]?.string, let backend = target["backend"]?.string,
      let format = target["format"]?.string
    else { return StepResult { [self] in try settleMoved(volume, type: type, now: now, tx: $0) } }
    if target["copied"] != true {
      try await swap(volume, to: file, format, try store(backend), keyPath: keyID.map(keys.path), type: type)
    }
    let isWiped = try await database.read { try TypeStore.isWiped(volume.typeID, tx: $0) }
    let settings = settings
    return StepResult([
      "file": .string(volume.file), "backend": .string(volume.backend), "wiped": .bool(isWiped),
    ]) { [self] tx in
      try Table.volume.set(
        volume.id,
        [
          "backend": backend, "host": settings.hostName(backend), "format": format, "parent": nil as String?,
          "file": file, "encrypted": keyID != nil, "key_id": keyID, "moving_to": nil as String?,
          "moving_key": nil as String?,
        ], tx: tx)
      if let old = volume.keyID, old != keyID { tx.afterCommit { [keys] in try? keys.remove(old) } }
      try settleMoved(volume, type: type, now: now, tx: tx)
    }
  }

  /// Lets the guest move; a volume that was detached meanwhile is copied.
  private func swap(
    _ volume: Volume, to file: String, _ format: String, _ store: any VolumeBackend, keyPath: String?, type: String?
  ) async throws {
    let found = try await database.read { tx -> (Row, [String: Int])? in
      guard let user = try VolumeStore.user(of: volume.id, tx: tx) else { return nil }
      return (user, try QoSLimits.limits(of: volume, typeID: type ?? volume.typeID, tx: tx))
    }
    guard let (user, limits) = found else {
      return try await locks.with(volume.id) { [self] in
        try await store.copy(
          try self.disk(volume), to: file, format: format, keyPath: keyPath, sizeBytes: volume.sizeBytes)
      }
    }
    guard let users, let server = user.optionalText("server_id") else {
      throw Volume.invalid("Volume \(volume.id) is in use by nothing that can move it: detach it first.")
    }
    let isReadOnly = volume.row.bool("readonly") || user.text("mode") == "ro"
    let disk = store.disk(file, format: format, keyPath: keyPath)
    try await users.swapVolume(
      volume.id, serverID: server,
      to: VolumeConnection(
        path: disk.path, format: format, isReadOnly: isReadOnly, limits: limits, secretPath: keyPath))
  }

  private func settleMoved(_ volume: Volume, type: String?, now: Timestamp, tx: any Transaction) throws {
    if let type {
      let specs = try Table.type.find(type, tx: tx)?.texts("extra_specs") ?? [:]
      try Table.volume.set(volume.id, ["type_id": type, "multiattach": specs["multiattach"] == "<is> True"], tx: tx)
    } else {
      try Table.volume.set(volume.id, ["migration_status": "success"], tx: tx)
    }
    try VolumeStore.free(volume.id, now: now, tx: tx)
  }
}
