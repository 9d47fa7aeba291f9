import Foundation
import Host
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// A disk image file and how to open it.
struct Disk: Sendable {
  var path: String
  var format: String
  /// File with the passphrase of its LUKS encryption.
  var keyPath: String?

  /// Arguments by which qemu-img reads it (qemu-img(1), --image-opts).
  var source: [String] {
    guard let keyPath else { return ["-f", format, path] }
    let name = path.replacing(",", with: ",,")
    return [
      "--object", "secret,id=source,file=\(keyPath)", "--image-opts",
      "driver=qcow2,file.driver=file,file.filename=\(name),encrypt.key-secret=source",
    ]
  }
  /// Options with which qemu-img writes it. The key is random, so slowing down guesses of it would only cost time.
  var targetOptions: [String] {
    guard let keyPath else { return [] }
    return [
      "--object", "secret,id=target,file=\(keyPath)", "-o",
      "encrypt.format=luks,encrypt.key-secret=target,encrypt.iter-time=10",
    ]
  }
}

/// The files of one backend, all in one folder, so that copy-on-write layers name each other by file name and the folder
/// can be moved. Every file is complete before it gets its name: temporary file, fsync, rename. Every call can be repeated.
struct DiskStore: Sendable {
  let backend: BlockStorageSettings.Backend
  var folder: String { backend.folder }

  /// Copies of large disks may take long.
  static let copyDeadline: Duration = .seconds(7200)

  func path(_ file: String) -> String { "\(folder)/\(file)" }

  /// Throws a fault that says so when the folder is missing or takes no files.
  func check() throws {
    guard HostFiles.exists(folder) else {
      throw Fault.unavailable("The folder \(folder) of backend \(backend.name) is missing.")
    }
    guard access(folder, W_OK) == 0 else {
      throw Fault.unavailable(
        "The folder \(folder) of backend \(backend.name) cannot be written: \(HostError.text(errno)).")
    }
  }

  /// A new disk without content.
  func makeBlank(_ file: String, format: String, sizeBytes: Int, keyPath: String? = nil) async throws {
    let disk = Disk(path: path(file) + ".tmp", format: format, keyPath: keyPath)
    try await publish(file) {
      try await Self.image(["create", "-q", "-f", format] + disk.targetOptions + [disk.path, "\(sizeBytes)"])
    }
  }

  /// A new disk that starts as a copy-on-write layer above another file of this folder.
  func makeOverlay(_ file: String, above base: String, baseFormat: String, sizeBytes: Int) async throws {
    try await publish(file) {
      try await Self.image(
        ["create", "-q", "-f", "qcow2", "-b", base, "-F", baseFormat, path(file) + ".tmp", "\(sizeBytes)"])
    }
  }

  /// A complete copy of a disk, wherever it is. `isShared`: it is open elsewhere.
  func copy(
    _ source: Disk, to file: String, format: String, keyPath: String? = nil, sizeBytes: Int? = nil,
    isShared: Bool = false
  ) async throws {
    let disk = Disk(path: path(file) + ".tmp", format: format, keyPath: keyPath)
    try await publish(file) {
      try await Self.convert(source, to: disk, isShared: isShared)
      guard let sizeBytes else { return }
      var arguments = ["resize", "-q"]
      if let keyPath {
        let opened = Disk(path: disk.path, format: format, keyPath: keyPath)
        arguments += opened.source
      } else {
        arguments += ["-f", format, disk.path]
      }
      try await Self.image(arguments + ["\(sizeBytes)"])
    }
  }

  static func convert(_ source: Disk, to target: Disk, isShared: Bool = false) async throws {
    try await image(
      ["convert", "-q"] + (isShared ? ["-U"] : []) + source.source + ["-O", target.format] + target.targetOptions
        + [target.path])
  }

  /// Gives a file of ours its final name.
  func publish(_ file: String, _ make: () async throws -> Void) async throws {
    try check()
    let (temporary, final) = (path(file) + ".tmp", path(file))
    try HostFiles.remove(temporary)
    do {
      try await make()
      try await HostThread.run {
        try Self.sync(temporary)
        guard Glibc.rename(temporary, final) == 0 else { throw Self.failure("rename", temporary) }
        try HostFiles.syncFolder(of: final)
      }
    } catch {
      try? HostFiles.remove(temporary)
      throw Self.explained(error, backend)
    }
  }

  /// Freezes the present state of a volume's file as `layer`, and goes on in a new layer above it: the data stay where they
  /// are. Nobody may have the file open. Safe to repeat after a crash at any point.
  func freeze(_ file: String, as layer: String, sizeBytes: Int) async throws {
    try check()
    let (volume, frozen) = (path(file), path(layer))
    if !HostFiles.exists(frozen) {
      guard link(volume, frozen) == 0 else { throw Self.failure("link", frozen) }
      try HostFiles.syncFolder(of: frozen)
    }
    // The same file under both names: the new layer is not in place yet.
    guard try Self.isSame(volume, frozen) else { return }
    try await makeOverlay(file, above: layer, baseFormat: "qcow2", sizeBytes: sizeBytes)
  }

  /// A copy of a file byte by byte, sharing blocks where the file system can.
  func duplicate(_ source: String, to file: String) async throws {
    try await publish(file) {
      _ = try await Command(
        "cp", ["--reflink=auto", "--sparse=always", "--", source, path(file) + ".tmp"], deadline: Self.copyDeadline
      ).check()
    }
  }

  /// A file of another folder under a name here: a hard link, or a copy where the file system differs.
  func adopt(_ source: String, as file: String) async throws {
    try check()
    if HostFiles.exists(path(file)) { return }
    if link(source, path(file)) == 0 { return try HostFiles.syncFolder(of: path(file)) }
    try await duplicate(source, to: file)
  }

  func resize(_ disk: Disk, sizeBytes: Int) async throws {
    do {
      try await Self.image(["resize", "-q"] + disk.source + ["\(sizeBytes)"])
      try await HostThread.run { try Self.sync(disk.path) }
    } catch { throw Self.explained(error, backend) }
  }

  /// Removes a file; `isWiped`: its blocks are overwritten with zeros first (shred(1)).
  func remove(_ file: String, isWiped: Bool = false) async throws {
    let path = path(file)
    guard HostFiles.exists(folder) else { throw Fault.unavailable("The folder \(folder) is missing.") }
    if isWiped, HostFiles.exists(path) {
      _ = try await Command("shred", ["-n", "0", "-z", "--", path], deadline: Self.copyDeadline).check()
    }
    try HostFiles.remove(path + ".tmp")
    try HostFiles.remove(path)
  }

  /// Size in bytes and format of a disk image, and whether it is intact.
  static func info(_ path: String) async throws -> (sizeBytes: Int, format: String, hasBacking: Bool) {
    let text = try await Command("qemu-img", ["info", "-U", "--output=json", path]).check()
    let info = try JSONParser.parse(text)
    guard let size = info["virtual-size"]?.int, let format = info["format"]?.string else {
      throw Fault.badRequest("\(path) is no disk image.")
    }
    return (size, format, info["backing-filename"] != nil)
  }

  static func image(_ arguments: [String]) async throws {
    for attempt in 1... {
      do {
        _ = try await Command("qemu-img", arguments, deadline: copyDeadline).check()
        return
      } catch {
        // QEMU times its key derivation, and gives up when the clock did not move meanwhile: another try sees it move.
        guard "\(error)".contains("accurate CPU usage"), attempt < 20 else { throw error }
      }
    }
  }

  static func sync(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("sync", path) }
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

  /// Says in the user's words what a full or read-only disk means.
  static func explained(_ error: any Error, _ backend: BlockStorageSettings.Backend) -> any Error {
    let text = "\(error)"
    if text.contains("No space left") || text.contains("Disk quota exceeded") {
      return Fault(507, "No space is left on the storage of backend \(backend.name).")
    }
    if text.contains("Read-only file system") {
      return Fault(507, "The storage of backend \(backend.name) is read-only.")
    }
    return error
  }
}

extension DiskStore {
  /// Gives a file another name; done already when only the new one is there.
  func rename(_ file: String, to other: String) async throws {
    try check()
    let (old, new) = (path(file), path(other))
    guard HostFiles.exists(old) || !HostFiles.exists(new) else { return }
    guard Glibc.rename(old, new) == 0 else { throw Self.failure("rename", old) }
    try HostFiles.syncFolder(of: new)
  }
}
