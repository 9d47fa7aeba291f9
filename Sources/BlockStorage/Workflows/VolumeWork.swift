import Contracts
import Host
import Kit
import Store
import Workflow

/// What the workflows of volumes share.
extension BlockStorageService {
  func store(_ backend: String) throws -> any VolumeBackend {
    guard let found = settings.backend(backend) else {
      throw Fault.unavailable("There is no backend '\(backend)' on this node.")
    }
    return FileBackend(settings: found)
  }

  /// The volume's disk.
  func disk(_ volume: Volume) throws -> Disk {
    try store(volume.backend).disk(
      volume.file, format: volume.format, keyPath: volume.isEncrypted ? volume.keyID.map(keys.path) : nil)
  }
  /// A snapshot's disk.
  func disk(snapshot: Row, tx: any Transaction) throws -> Disk {
    let file = snapshot.text("file")
    let format = try Table.layer.find(file, tx: tx)?.text("format") ?? "qcow2"
    return try store(snapshot.text("backend")).disk(
      file, format: format, keyPath: snapshot.optionalText("key_id").map(keys.path))
  }

  func volume(of context: StepContext) async throws -> Volume? {
    let id = context.input["volume"]?.string ?? ""
    return try await database.read { try VolumeStore.find(id, tx: $0) }
  }

  /// A workflow of one step on a volume. `finish` runs after its commit; `failed` settles the rows; the failure is told
  /// to the project as a message.
  func definition(
    _ kind: String, noun: String = "volume", deadline: Duration = .seconds(10_800), preempts: Bool = false,
    _ run: @escaping @Sendable (StepContext) async throws -> StepResult,
    finish: @escaping @Sendable (StepContext) async throws -> Void = { _ in },
    failed: @escaping @Sendable (any Transaction, Job, Fault) throws -> Void
  ) -> WorkflowDefinition {
    WorkflowDefinition(
      kind: kind, deadline: deadline, preempts: preempts,
      steps: [
        Step(kind, deadline: .seconds(10_800)) { [self] context in
          try await withKeys(of: context) { try await run(context) }
        },
        tidyStep(finish),
      ],
      onFailed: { [self] tx, job, fault in
        try failed(tx, job, fault)
        try tell(job, noun: noun, fault, tx: tx)
      })
  }

  /// The last step of a workflow: removes and shortens what nothing needs any more. What it cannot do now is left to the
  /// next one, because the resource itself is complete.
  func tidyStep(_ finish: @escaping @Sendable (StepContext) async throws -> Void = { _ in }) -> Step {
    Step("collect layers", deadline: .seconds(10_800)) { [self] context in
      do {
        try await finish(context)
        try await collectLayers()
        try await shortenChains()
      } catch let error as CancellationError {
        throw error
      } catch { log.warning("job \(context.job.id): files were not tidied up: \(error)") }
      return .done
    }
  }

  /// Opens the keys that a job works with, and closes them afterwards.
  func withKeys<Result: Sendable>(
    of context: StepContext, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    let input = context.input
    let ids = try await database.read { tx in
      let volume = try input["volume"]?.string.flatMap { try VolumeStore.find($0, tx: tx) }
      let source = try volume?.row.optionalText("source_volid").flatMap { try VolumeStore.find($0, tx: tx) }
      let snapshotID = input["snapshot"]?.string ?? volume?.row.optionalText("snapshot_id")
      let snapshot = try snapshotID.flatMap { try Table.snapshot.find($0, tx: tx) }
      let found = [volume?.keyID, source?.keyID, snapshot?.optionalText("key_id"), input["key"]?.string]
      return Set(found.compactMap { $0 })
    }
    var held: [String] = []
    defer { for id in held { keys.release(id) } }
    for id in ids.sorted() {
      try keys.hold(id)
      held.append(id)
    }
    return try await body()
  }

  /// A message that explains a failure to the project's users (API reference, Messages). What only an administrator may
  /// know, such as paths, goes to the log.
  func tell(_ job: Job, noun: String, _ fault: Fault, tx: any Transaction) throws {
    let now = clock.now()
    let action = String(job.kind.split(separator: "-").last ?? "")
    log.error("job \(job.id), \(job.kind) \(job.subject): \(fault) \(fault.explanation.text)")
    try Table.message.insert(
      [
        "id": UUIDText.make(), "project_id": job.projectID,
        "event_id": "VOLUME_\(noun.uppercased())_\(Messages.code(action))",
        "user_message": "\(action) \(noun):\(Messages.text(fault))", "message_level": "ERROR",
        "resource_type": "VOLUME\(noun == "volume" ? "" : "_" + noun.uppercased())",
        "resource_uuid": job.input[noun]?.string ?? job.input["volume"]?.string, "request_id": job.requestID,
        "created_at": now, "expires_at": now + .seconds(Messages.lifetimeSeconds),
      ], tx: tx)
  }

  /// How a state of a volume was captured.
  enum Capture: Sendable, Equatable {
    /// The volume's file became the layer, and the volume goes on above it.
    case frozen
    /// The layer is a complete copy in this format.
    case copied(format: String)
  }

  /// Puts the volume's present state into `layer`, whoever uses it: frozen in place where the file is layered and nobody has
  /// it open, copied otherwise. A repeated call makes the copy again.
  func capture(_ volume: Volume, as layer: String) async throws -> Capture {
    try await locks.with(volume.id) { [self] in
      let store = try store(volume.backend)
      try store.check()
      let user = try await database.read { try VolumeStore.user(of: volume.id, tx: $0) }
      if let user {
        try await copyInUse(volume, user, to: layer, store)
        return .copied(format: "qcow2")
      }
      if volume.isLayered, store.isLayered {
        try await store.freeze(volume.file, as: layer, sizeBytes: volume.sizeBytes)
        return .frozen
      }
      try await store.duplicate(volume.file, to: layer)
      return .copied(format: volume.format)
    }
  }

  /// A consistent copy of a volume that is in use, made by the guest's QEMU where a guest of this cloud has it.
  private func copyInUse(
    _ volume: Volume, _ user: Row, to file: String, _ store: any VolumeBackend
  ) async throws {
    guard !volume.isEncrypted else {
      throw Fault.badRequest("An encrypted volume cannot be copied while it is attached: detach it first.")
    }
    guard user.int("connected") == 1, let users, let server = user.optionalText("server_id") else {
      return try await store.copy(
        try disk(volume), to: file, format: "qcow2", keyPath: nil, sizeBytes: nil, isShared: true)
    }
    try await store.receive(file, sizeBytes: volume.sizeBytes) {
      try await users.copyVolume(volume.id, serverID: server, to: $0)
    }
  }

  /// A copy of the volume's present state outside of what the books know, for as long as `body` runs.
  func withCopy<Result: Sendable>(
    of volume: Volume, _ body: @Sendable (Disk) async throws -> Result
  ) async throws -> Result {
    let store = try store(volume.backend)
    // A closed volume is read where it is, and stays as it is meanwhile.
    let read = try await locks.with(volume.id) { [self] () -> Result? in
      guard try await database.read({ try VolumeStore.user(of: volume.id, tx: $0) }) == nil else { return nil }
      return try await body(try disk(volume))
    }
    if let read { return read }
    let copy = "copy-" + volume.id
    let source = try await locks.with(volume.id) { [self] () -> Disk in
      guard let user = try await database.read({ try VolumeStore.user(of: volume.id, tx: $0) }) else {
        try await store.duplicate(volume.file, to: copy)
        return store.disk(copy, format: volume.format, keyPath: try disk(volume).keyPath)
      }
      try await copyInUse(volume, user, to: copy, store)
      return store.disk(copy, format: "qcow2")
    }
    do {
      let result = try await body(source)
      try await store.remove(copy)
      return result
    } catch {
      try? await store.remove(copy)
      throw error
    }
  }
}

enum Messages {
  static let lifetimeSeconds = 30 * 86_400
  static func code(_ action: String) -> String {
    let actions = ["create": "001", "delete": "013", "extend": "006", "upload": "003", "restore": "015"]
    return "\(actions[action] ?? "000")_001"
  }
  /// A fault for the project's users: a bare failure of a program names paths and is the administrator's.
  static func text(_ fault: Fault) -> String {
    let isOurs = fault.status != 500 || fault.explanation["cause"] != nil || !fault.message.contains("/")
    return isOurs
      ? String(fault.message.prefix(1000))
      : "The storage failed in a way that only its administrator can look into: the log has the details."
  }
}
