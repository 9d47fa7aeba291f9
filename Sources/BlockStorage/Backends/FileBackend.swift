import Host
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// A backend of files, all in one folder, so that copy-on-write layers name each other by file name and the folder can be
/// moved. Every file is complete before it gets its name: temporary file, fsync, rename.
struct FileBackend: VolumeBackend {
  let settings: BlockStorageSettings.Backend
  var name: String { settings.name }
  var format: String { settings.format }
  var isLayered: Bool { settings.format == "qcow2" }
  var folder: String { settings.folder }
  var workFolder: String { settings.folder }

  func path(_ file: String) -> String { "\(folder)/\(file)" }
  func exists(_ file: String) -> Bool { HostFiles.exists(path(file)) }
  func list() throws -> [String] { try HostFiles.list(folder) }
  func space() throws -> (total: Int, free: Int) { try HostFiles.space(at: folder) }
  func disk(_ file: String, format: String, keyPath: String?) -> Disk {
    Disk(path: path(file), format: format, keyPath: keyPath)
  }
  func info(_ file: String, format: String?) async throws -> DiskInfo {
    do { return try await QemuImage.info(path(file), format: format) } catch { throw explained(error) }
  }

  func check() throws {
    guard HostFiles.exists(folder) else {
      throw Fault.unavailable("The folder of backend \(name) is missing: its volumes cannot be reached.")
    }
    guard access(folder, W_OK) == 0 else {
      throw errno == EROFS
        ? Fault(507, "The storage of backend \(name) is read-only.")
        : Fault.unavailable("The folder of backend \(name) cannot be written: \(HostError.text(errno)).")
    }
  }

  func makeBlank(_ file: String, format: String, sizeBytes: Int, keyPath: String?) async throws {
    try await publish(file) {
      try await QemuImage.create(Disk(path: $0, format: format, keyPath: keyPath), sizeBytes: sizeBytes)
    }
  }

  func makeOverlay(_ file: String, above base: String, baseFormat: String, sizeBytes: Int) async throws {
    try await publish(file) {
      try await QemuImage.run(["create", "-q", "-f", "qcow2", "-b", base, "-F", baseFormat, $0, "\(sizeBytes)"])
    }
  }

  func copy(
    _ source: Disk, to file: String, format: String, keyPath: String?, sizeBytes: Int?, isShared: Bool
  ) async throws {
    try await publish(file) {
      let disk = Disk(path: $0, format: format, keyPath: keyPath)
      try await QemuImage.convert(source, to: disk, isShared: isShared)
      if let sizeBytes { try await QemuImage.resize(disk, sizeBytes: sizeBytes) }
    }
  }

  func receive(
    _ file: String, sizeBytes: Int, _ fill: @Sendable (_ path: String) async throws -> Void
  ) async throws {
    try await publish(file) {
      try await QemuImage.create(Disk(path: $0, format: "qcow2"), sizeBytes: sizeBytes)
      try await fill($0)
    }
  }

  /// Gives a file of ours its final name once `make` has written it under a temporary one.
  private func publish(_ file: String, _ make: (_ path: String) async throws -> Void) async throws {
    try check()
    let (temporary, final) = (path(file) + ".tmp", path(file))
    try HostFiles.remove(temporary)
    do {
      try await make(temporary)
      try await HostThread.run {
        try Self.sync(temporary)
        guard Glibc.rename(temporary, final) == 0 else { throw Self.failure("rename", temporary) }
        try HostFiles.syncFolder(of: final)
      }
    } catch {
      try? HostFiles.remove(temporary)
      throw explained(error)
    }
  }

  func freeze(_ file: String, as layer: String, sizeBytes: Int) async throws {
    try check()
    let (volume, frozen) = (path(file), path(layer))
    if !HostFiles.exists(frozen) {
      // A damaged file must not become the ground of others.
      _ = try await info(file, format: "qcow2")
      guard link(volume, frozen) == 0 else { throw explained(Self.failure("link", frozen)) }
      try HostFiles.syncFolder(of: frozen)
    }
    // The same file under both names: the new layer is not in place yet.
    guard try Self.isSame(volume, frozen) else { return }
    try await makeOverlay(file, above: layer, baseFormat: "qcow2", sizeBytes: sizeBytes)
  }

  func duplicate(_ file: String, to copy: String) async throws {
    try await publish(copy) { try await Self.copyBytes(path(file), to: $0) }
  }

  func adopt(_ source: String, as file: String) async throws {
    try check()
    if exists(file) { return }
    if link(source, path(file)) == 0 { return try HostFiles.syncFolder(of: path(file)) }
    try await publish(file) { try await Self.copyBytes(source, to: $0) }
  }

  func allocated(_ file: String) -> Int {
    var facts = stat()
    return stat(path(file), &facts) == 0 ? Int(facts.st_blocks) * 512 : 0
  }

  /// In place qemu-img first takes over what differs, then names the new base: killed between, the disk reads the same.
  func rebase(_ file: String, onto base: String?, baseFormat: String, isClosed: Bool) async throws {
    let target = base.map { ["-b", $0, "-F", baseFormat] } ?? ["-b", ""]
    if isClosed {
      do {
        try check()
        try await QemuImage.run(["rebase", "-q", "-f", "qcow2"] + target + [path(file)])
        try await HostThread.run { try Self.sync(path(file)) }
      } catch { throw explained(error) }
      return
    }
    try await publish(file) {
      if base == nil {
        try await QemuImage.convert(Disk(path: path(file), format: "qcow2"), to: Disk(path: $0, format: "qcow2"))
      } else {
        try await Self.copyBytes(path(file), to: $0)
        try await QemuImage.run(["rebase", "-q", "-f", "qcow2"] + target + [$0])
      }
    }
  }

  private static func copyBytes(_ source: String, to target: String) async throws {
    _ = try await Command(
      "cp", ["--reflink=auto", "--sparse=always", "--", source, target], deadline: QemuImage.deadline
    ).check()
  }

  func resize(_ file: String, format: String, sizeBytes: Int, keyPath: String?) async throws {
    let disk = disk(file, format: format, keyPath: keyPath)
    do {
      try check()
      try await QemuImage.resize(disk, sizeBytes: sizeBytes)
      try await HostThread.run { try Self.sync(disk.path) }
    } catch { throw explained(error) }
  }

  /// Wiping overwrites with zeros (shred(1)), except a file that has another name, where its data live on.
  func remove(_ file: String, isWiped: Bool) async throws {
    let path = path(file)
    guard HostFiles.exists(folder) else {
      throw Fault.unavailable("The folder of backend \(name) is missing: its volumes cannot be reached.")
    }
    do {
      if isWiped, Self.links(path) == 1 {
        _ = try await Command("shred", ["-n", "0", "-z", "--", path], deadline: QemuImage.deadline).check()
      }
      try HostFiles.remove(path + ".tmp")
      try HostFiles.remove(path)
    } catch { throw explained(error) }
  }

  func rename(_ file: String, to other: String) async throws {
    try check()
    let (old, new) = (path(file), path(other))
    guard HostFiles.exists(old) || !HostFiles.exists(new) else { return }
    guard Glibc.rename(old, new) == 0 else { throw explained(Self.failure("rename", old)) }
    try HostFiles.syncFolder(of: new)
  }

  private func explained(_ error: any Error) -> any Error { QemuImage.explained(error, backend: name) }

  static func sync(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
  }
  /// How many names a file has; 0 when there is none.
  private static func links(_ path: String) -> Int {
    var facts = stat()
    return stat(path, &facts) == 0 ? Int(facts.st_nlink) : 0
  }
  private static func isSame(_ left: String, _ right: String) throws -> Bool {
    var (first, second) = (stat(), stat())
    guard stat(left, &first) == 0 else { throw failure("look at", left) }
    guard stat(right, &second) == 0 else { throw failure("look at", right) }
    return first.st_ino == second.st_ino && first.st_dev == second.st_dev
  }
  static func failure(_ action: String, _ path: String) -> Fault {
    .internal("cannot \(action) \(path): \(HostError.text(errno))")
  }
}
