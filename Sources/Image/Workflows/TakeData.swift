import API
import Kit
import Store

extension ImageService {
  /// Gives a queued image its data: saving → active. `receive` writes a file at the path that it gets. Whatever goes wrong,
  /// the image is queued again and nothing of the data is kept. `auth`: who gives it, nil for the service itself.
  func takeData(
    of id: String, by auth: AuthContext?, receive: @escaping @Sendable (String) async throws -> WrittenData
  ) async throws {
    let (now, worker) = (clock.now(), worker)
    let image = try await database.write { tx in
      let condition = auth.flatMap(ImageStore.visible)
      guard let image = try ImageStore.find(id, where: condition, tx: tx) else { throw Image.notFound(id) }
      if let auth { try image.checkOwner(auth, "upload data to") }
      try image.checkTakesData(to: .saving)
      _ = try ImageStore.move(image.id, from: .queued, to: .saving, worker: worker, now: now, tx: tx)
      return image
    }
    let path = try await temporaryFile()
    defer { state.withLock { _ = $0.temporary.remove(path) } }
    do {
      let data = try await receive(path)
      let virtualSize = try await inspect(path, image)
      try await publish(data, for: image, virtualSize: virtualSize)
    } catch {
      // The request's task may be cancelled, for its client is gone; taking back must happen all the same.
      await shielded { await self.takeBack(image.id, path) }
      throw (error as? FileError)?.fault ?? error
    }
  }

  func temporaryFile() async throws -> String {
    let path = blobs.temporaryPath()
    state.withLock { _ = $0.temporary.insert(path) }
    try await FileWork.run { [blobs] in try blobs.prepare() }
    return path
  }

  /// The virtual size of written data. Throws a 415 fault for data that is not what the image declares.
  func inspect(_ path: String, _ image: Image) async throws -> Int? {
    let (disk, container) = (image.diskFormat ?? "", image.containerFormat ?? "")
    return try await FileWork.run {
      try FormatInspector.check(
        try FileSource(OpenFile(path, flags: 0)), diskFormat: disk, containerFormat: container)
    }
  }

  /// Three steps, so that a crash between them leaves nothing wrong: the row names the data (from then on nobody collects
  /// it), the file gets its name, the row becomes active.
  private func publish(_ data: WrittenData, for image: Image, virtualSize: Int?) async throws {
    let (worker, now) = (worker, clock.now())
    let isHeld = try await database.write { tx in
      guard try tx.first("SELECT id FROM image WHERE id = \(image.id) AND worker = \(worker)") != nil else {
        return false
      }
      try ImageStore.setStaged(data, of: image.id, tx: tx)
      return true
    }
    guard isHeld else { throw Self.gone(image.id) }
    try await FileWork.run { [blobs] in try blobs.publish(data) }
    let isActive = try await database.write { tx in
      try ImageStore.activate(
        image.id, from: [.saving], data, virtualSize: virtualSize, now: now, tx: tx)
    }
    guard isActive else {
      await collect(data.hash)
      throw Self.gone(image.id)
    }
  }
  private static func gone(_ id: String) -> Fault {
    Fault(410, "Image \(id) could not be found after upload. The image may have been deleted during the upload.")
  }

  private func takeBack(_ id: String, _ path: String) async {
    let (worker, now) = (worker, clock.now())
    do {
      try await FileWork.run { try FilePath.remove(path) }
      let hash = try await database.write { tx -> String? in
        let hash = try ImageStore.staged(id, path: path, tx: tx)?.hash
        if try ImageStore.move(id, from: .saving, to: .queued, held: worker, now: now, tx: tx) {
          try ImageStore.setStaged(nil, of: id, tx: tx)
        }
        return hash
      }
      if let hash { await collect(hash) }
    } catch {
      log.error("image \(id): the failed upload could not be taken back, the next start does it: \(error)")
    }
  }

  /// Removes a data file that no image needs and nothing uses. One that is still used goes with a later `sweep`.
  func collect(_ hash: String) async {
    let path = blobs.path(of: hash)
    guard !isKept(path), !isInUse(path) else { return }
    do {
      // Within a write: no image can begin to need the data between the count and the removal.
      try await database.write { tx in
        if try ImageStore.references(to: hash, tx: tx) == 0 { try FilePath.remove(path) }
      }
    } catch {
      log.warning("data file \(path) could not be removed, a later sweep does it: \(error)")
    }
  }

  /// Whether a path was given away lately.
  private func isKept(_ path: String) -> Bool {
    let limit = Timestamp(microseconds: clock.now().microseconds - Self.handOutTime.microseconds)
    return state.withLock { state in
      state.handedOut = state.handedOut.filter { $0.value > limit }
      return state.handedOut[path] != nil
    }
  }

  /// Brings store and database together: at the start of the process, and now and then. Uploads of processes that are gone
  /// are taken back; temporary files and data that nothing needs are removed, except the paths in `inUse` (nil: those of
  /// which `isInUse` says so).
  public func sweep(inUse: Set<String>? = nil) async throws {
    try await FileWork.run { [blobs] in try blobs.prepare() }
    let running = state.withLock { $0.temporary }
    let ask = isInUse
    let isUsed: @Sendable (String) -> Bool = { path in inUse?.contains(path) ?? ask(path) }
    let staged = try await database.write { [self] tx -> Set<String> in
      try takeBackUploads(tx: tx)
      let needed = try ImageStore.allReferences(tx: tx)
      for hash in try blobs.published() where !needed.contains(hash) {
        let path = blobs.path(of: hash)
        if !isKept(path), !isUsed(path) { try FilePath.remove(path) }
      }
      return Set(
        try tx.query("SELECT id FROM image WHERE status IN ('uploading', 'importing')").map { $0.text("id") })
    }
    try await FileWork.run { [blobs] in
      for name in try FilePath.names(in: blobs.temporary) where !running.contains("\(blobs.temporary)/\(name)") {
        try FilePath.remove("\(blobs.temporary)/\(name)")
      }
      for name in try FilePath.names(in: blobs.staging) where !staged.contains(name) {
        try FilePath.remove("\(blobs.staging)/\(name)")
      }
    }
  }

  /// Uploads and stagings of processes that are gone: their images are queued again.
  private func takeBackUploads(tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE image SET status = 'queued', worker = NULL, staged_size = NULL, staged_checksum = NULL,
      staged_hash = NULL, updated_at = \(clock.now())
      WHERE status IN ('saving', 'uploading') AND worker IS NOT NULL AND worker <> \(worker)
      """)
    // Without an engine no job will go on with an import: it can be asked for again.
    if engine == nil { try tx.execute("UPDATE image SET status = 'uploading' WHERE status = 'importing'") }
  }
}
