import Dispatch
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// Runs blocking file work on threads of its own, never on those of the event loops or of Swift's tasks.
enum FileWork {
  private static let queue = DispatchQueue(label: "image.files", attributes: .concurrent)

  static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result { try body() }) }
    }
  }
}

/// Why a file operation failed, with the system's words.
struct FileError: Error, CustomStringConvertible {
  let action: String
  let path: String
  let code: CInt
  var description: String { "cannot \(action) \(path): \(String(cString: strerror(code)))" }
  static func last(_ action: String, _ path: String) -> FileError { FileError(action: action, path: path, code: errno) }

  /// For clients: a full disk is theirs to know (413, as upstream's StorageFull); other causes stay in the log.
  var fault: Fault {
    code == ENOSPC || code == EDQUOT
      ? Fault(413, "Image storage media is full: no space is left on the image store.") : Fault(500, description)
  }
}

/// An open file. It closes itself; one thread at a time uses it.
final class OpenFile: @unchecked Sendable {
  // Positions are given with every call, so that the descriptor itself is the only state; it never changes.
  private let descriptor: CInt
  let path: String

  init(_ path: String, flags: CInt, mode: mode_t = 0o600) throws {
    self.path = path
    descriptor = open(path, flags | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw FileError.last("open", path) }
  }
  deinit { close(descriptor) }

  var size: Int {
    get throws {
      var info = stat()
      guard fstat(descriptor, &info) == 0 else { throw FileError.last("look at", path) }
      return Int(info.st_size)
    }
  }
  /// Up to `count` bytes; fewer only at the end.
  func read(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset >= 0, count > 0 else { return [] }
    var done = 0
    let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      while done < count {
        let got = pread(descriptor, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
        if got < 0, errno == EINTR { continue }
        guard got >= 0 else { throw FileError.last("read", path) }
        if got == 0 { break }
        done += got
      }
      length = done
    }
    return bytes
  }
  func write(_ bytes: [UInt8], at offset: Int) throws {
    try bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let wrote = pwrite(
          descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
        if wrote < 0, errno == EINTR { continue }
        guard wrote > 0 else { throw FileError.last("write", path) }
        done += wrote
      }
    }
  }
  func sync() throws { guard fsync(descriptor) == 0 else { throw FileError.last("sync", path) } }
  func setMode(_ mode: mode_t) throws {
    guard fchmod(descriptor, mode) == 0 else { throw FileError.last("change the mode of", path) }
  }
}

/// A file for format inspection.
struct FileSource: ByteSource {
  let file: OpenFile
  let size: Int
  init(_ file: OpenFile) throws { (self.file, size) = (file, try file.size) }
  func read(at offset: Int, count: Int) throws -> [UInt8] {
    guard offset < size else { return [] }
    return try file.read(at: offset, count: min(count, size - offset))
  }
}

/// Paths and their directories.
enum FilePath {
  static func makeDirectory(_ path: String) throws {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw FileError.last("make the folder", path) }
  }
  /// Makes names in a directory survive a power cut.
  static func syncDirectory(_ path: String) throws { try OpenFile(path, flags: O_RDONLY | O_DIRECTORY).sync() }
  /// Removes a file; one that is not there is removed already.
  static func remove(_ path: String) throws {
    guard unlink(path) == 0 || errno == ENOENT else { throw FileError.last("remove", path) }
  }
  static func size(_ path: String) -> Int? {
    var info = stat()
    return stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG ? Int(info.st_size) : nil
  }
  static func names(in directory: String) throws -> [String] {
    guard let stream = opendir(directory) else {
      if errno == ENOENT { return [] }
      throw FileError.last("list", directory)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}
