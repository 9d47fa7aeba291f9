import Contracts
import Host
import Kit
import Store
import Workflow

/// What the workflows of volumes share.
extension BlockStorageService {
  func store(_ backend: String) throws -> DiskStore {
    guard let found = settings.backend(backend) else {
      throw Fault.unavailable("There is no backend '\(backend)' on this node.")
    }
    return DiskStore(backend: found)
  }
  var keys: Keys { Keys(folder: settings.keyFolder) }

  /// The volume's file.
  func disk(_ volume: Volume) throws -> Disk {
    Disk(
      path: try store(volume.backend).path(volume.file), format: volume.format,
      keyPath: volume.isEncrypted ? volume.keyID.map(keys.path) : nil)
  }
  /// A snapshot's file.
  func disk(snapshot: Row, tx: any Transaction) throws -> Disk {
    let file = snapshot.text("file")
    let format = try Table.layer.find(file, tx: tx)?.text("format") ?? "qcow2"
    return Disk(
      path: try store(snapshot.text("backend")).path(file), format: format,
      keyPath: snapshot.optionalText("key_id").map(keys.path))
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
        Step(kind, deadline: .seconds(10_800), run: run),
        Step("collect layers", attempts: 3) { [self] context in
          try await finish(context)
          try await collectLayers()
          return .done
        },
      ],
      onFailed: { [self] tx, job, fault in
        try failed(tx, job, fault)
        try tell(job, noun: noun, fault, tx: tx)
      })
  }

  /// Removes the files of layers that nothing needs any more.
  func collectLayers() async throws {
    let files = try await database.write { try Layers.collect(tx: $0) }
    for file in files {
      guard let store = try? store(file.backend), HostFiles.exists(store.folder) else { continue }
      try await store.remove(file.name)
    }
  }

  /// A message that explains a failure to the project's users (API reference, Messages).
  func tell(_ job: Job, noun: String, _ fault: Fault, tx: any Transaction) throws {
    let now = clock.now()
    let action = String(job.kind.split(separator: "-").last ?? "")
    try Table.message.insert(
      [
        "id": UUIDText.make(), "project_id": job.projectID,
        "event_id": "VOLUME_\(noun.uppercased())_\(Messages.code(action))",
        "user_message": "\(action) \(noun):\(fault.message.prefix(1000))", "message_level": "ERROR",
        "resource_type": "VOLUME\(noun == "volume" ? "" : "_" + noun.uppercased())",
        "resource_uuid": job.input[noun]?.string ?? job.input["volume"]?.string, "request_id": job.requestID,
        "created_at": now, "expires_at": now + .seconds(Messages.lifetimeSeconds),
      ], tx: tx)
  }

  /// Puts a copy of the volume's present state into the file `layer`, whoever uses it: frozen in place where the file is
  /// layered and closed, copied otherwise. Returns whether it was frozen in place.
  func capture(_ volume: Volume, as layer: String) async throws -> Bool {
    try await locks.with(volume.id) { [self] in
      let store = try store(volume.backend)
      try store.check()
      let user = try await database.read { try VolumeStore.user(of: volume.id, tx: $0) }
      if let user {
        if HostFiles.exists(store.path(layer)) { return false }
        try await copyInUse(volume, user, to: layer, store)
        return false
      }
      if volume.isLayered {
        try await store.freeze(volume.file, as: layer, sizeBytes: volume.sizeBytes)
        return true
      }
      if HostFiles.exists(store.path(layer)) { return false }
      try await store.duplicate(store.path(volume.file), to: layer)
      return false
    }
  }

  /// A consistent copy of a volume that a guest writes to, made by the guest's QEMU.
  private func copyInUse(_ volume: Volume, _ user: Row, to file: String, _ store: DiskStore) async throws {
    guard !volume.isEncrypted else {
      throw Fault.badRequest("An encrypted volume cannot be copied while it is attached: detach it first.")
    }
    guard let users, let server = user.optionalText("server_id") else {
      return try await store.copy(try disk(volume), to: file, format: "qcow2", isShared: true)
    }
    try await store.publish(file) {
      try await DiskStore.image(["create", "-q", "-f", "qcow2", store.path(file) + ".tmp", "\(volume.sizeBytes)"])
      try await users.copyVolume(volume.id, serverID: server, to: store.path(file) + ".tmp")
    }
  }
}

enum Messages {
  static let lifetimeSeconds = 30 * 86_400
  static func code(_ action: String) -> String {
    let actions = ["create": "001", "delete": "013", "extend": "006", "upload": "003", "restore": "015"]
    return "\(actions[action] ?? "000")_001"
  }
}
