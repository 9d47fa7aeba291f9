import Contracts
import Host
import Kit
import Store
import Workflow

/// Deleting, extending and reverting volumes, and their snapshots.
extension BlockStorageService {
  var volumeWorkflows: [WorkflowDefinition] {
    [
      createVolumeWorkflow,
      definition("volume-delete", preempts: true) { [self] in
        try await removeVolume($0)
      } failed: { [self] tx, job, _ in
        try Table.volume.set(
          job.input["volume"]?.string ?? "", ["status": "error_deleting", "updated_at": clock.now()], tx: tx)
      },
      definition("volume-extend") { [self] in
        try await extend($0)
      } failed: { [self] tx, job, _ in
        // A file that could not grow is as it was.
        try VolumeStore.free(job.input["volume"]?.string ?? "", now: clock.now(), tx: tx)
      },
      definition("volume-revert") { [self] in
        try await revert($0)
      } failed: { [self] tx, job, _ in
        try Table.volume.set(
          job.input["volume"]?.string ?? "", ["status": "error", "updated_at": clock.now()], tx: tx)
        try Table.snapshot.set(
          job.input["snapshot"]?.string ?? "", ["status": "available", "updated_at": clock.now()], tx: tx)
      },
      definition("snapshot-create", noun: "snapshot") { [self] in
        try await takeSnapshot($0)
      } failed: { [self] tx, job, _ in
        try Table.snapshot.set(
          job.input["snapshot"]?.string ?? "", ["status": "error", "updated_at": clock.now()], tx: tx)
        try settleGroupSnapshot(of: job.input["snapshot"]?.string ?? "", tx: tx)
      },
      definition("snapshot-delete", noun: "snapshot", preempts: true) { context in
        let id = context.input["snapshot"]?.string ?? ""
        return StepResult { try Table.snapshot.remove(id, tx: $0) }
      } failed: { [self] tx, job, _ in
        try Table.snapshot.set(
          job.input["snapshot"]?.string ?? "", ["status": "error_deleting", "updated_at": clock.now()], tx: tx)
      },
    ]
  }

  private func removeVolume(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context) else { return .done }
    let isWiped = try await database.read { try TypeStore.isWiped(volume.typeID, tx: $0) }
    if !volume.backend.isEmpty {
      try await locks.with(volume.id) { [self] in
        try await store(volume.backend).remove(volume.file, isWiped: isWiped)
      }
    }
    if let key = volume.keyID { try keys.remove(key) }
    return StepResult { [self] in try removeRows(of: volume, tx: $0) }
  }

  private func extend(_ context: StepContext) async throws -> StepResult {
    guard let volume = try await volume(of: context), let size = context.input["size"]?.int else { return .done }
    let server = try await locks.with(volume.id) { [self] () -> String? in
      let user = try await database.read { try VolumeStore.user(of: volume.id, tx: $0) }
      if let user, user.int("connected") == 1, let server = user.optionalText("server_id"), let users {
        try await users.volumeGrew(volume.id, serverID: server, sizeBytes: size << 30)
        return server
      } else {
        let disk = try disk(volume)
        try await store(volume.backend).resize(
          volume.file, format: disk.format, sizeBytes: size << 30, keyPath: disk.keyPath)
        return nil
      }
    }
    let now = clock.now()
    return StepResult { [self] tx in
      try Table.volume.set(volume.id, ["size": size], tx: tx)
      try VolumeStore.free(volume.id, now: now, tx: tx)
      if let server {
        try users?.volumeExtended(volume.id, serverID: server, requestID: context.job.requestID, tx: tx)
      }
    }
  }

  private func revert(_ context: StepContext) async throws -> StepResult {
    let id = context.input["snapshot"]?.string ?? ""
    guard let volume = try await volume(of: context),
      let found = try await database.read({ [self] tx -> (Row, Disk)? in
        guard let snapshot = try Table.snapshot.find(id, tx: tx) else { return nil }
        return (snapshot, try disk(snapshot: snapshot, tx: tx))
      })
    else { return .done }
    let (snapshot, source) = found
    let store = try store(volume.backend)
    let isLayered = volume.isLayered && source.keyPath == nil
    try await locks.with(volume.id) { [self] in
      if isLayered {
        try await store.makeOverlay(
          volume.file, above: snapshot.text("file"), baseFormat: source.format, sizeBytes: volume.sizeBytes)
      } else {
        try await store.copy(
          source, to: volume.file, format: volume.format, keyPath: try disk(volume).keyPath,
          sizeBytes: volume.sizeBytes)
      }
    }
    let now = clock.now()
    return StepResult { tx in
      if isLayered { try Table.volume.set(volume.id, ["parent": snapshot.text("file")], tx: tx) }
      try VolumeStore.free(volume.id, now: now, tx: tx)
      try Table.snapshot.set(id, ["status": "available", "updated_at": now], tx: tx)
    }
  }

  private func takeSnapshot(_ context: StepContext) async throws -> StepResult {
    let id = context.input["snapshot"]?.string ?? ""
    let snapshot = try await database.read { try Table.snapshot.find(id, tx: $0) }
    guard let volume = try await volume(of: context), let snapshot, snapshot.status == "creating" else { return .done }
    let layer = snapshot.text("file")
    let captured = try await capture(volume, as: layer)
    let now = clock.now()
    return StepResult { [self] tx in
      if case .copied(let format) = captured {
        try Layers.detach(layer, from: volume.id, tx: tx)
        try Table.layer.set(layer, ["format": format], tx: tx)
      }
      try Table.snapshot.set(id, ["status": "available", "progress": "100%", "updated_at": now], tx: tx)
      try settleGroupSnapshot(of: id, tx: tx)
    }
  }
}
