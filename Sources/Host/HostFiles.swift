import FoundationEssentials
import Glibc
import Kit

/// Files of the host. Paths are absolute; errors name them.
public enum HostFiles {
  public static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// The permission bits of a file; nil when there is none.
  public static func mode(_ path: String) -> mode_t? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
  }

  /// Size in bytes of a regular file; nil when there is none.
  public static func size(_ path: String) -> Int? {
    var facts = stat()
    guard stat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(facts.st_size)
  }

  /// Names in a folder, sorted.
  public static func list(_ folder: String) throws -> [String] {
    guard let stream = opendir(folder) else { throw HostError.last(folder) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Makes a folder and those above it. One that exists stays as it is.
  public static func makeFolder(_ path: String, mode: mode_t = 0o750) throws {
    if mkdir(path, mode) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
      throw HostError.last(path)
    }
    try makeFolder(String(path[..<slash]), mode: mode)
    if mkdir(path, mode) != 0, errno != EEXIST { throw HostError.last(path) }
  }

  /// Removes a file, or a folder with all in it; symbolic links are not followed. What is absent is removed already.
  public static func remove(_ path: String) throws {
    var facts = stat()
    guard lstat(path, &facts) == 0 else {
      if errno == ENOENT { return }
      throw HostError.last(path)
    }
    if facts.st_mode & S_IFMT == S_IFDIR {
      for name in try list(path) { try remove("\(path)/\(name)") }
      if rmdir(path) != 0, errno != ENOENT { throw HostError.last(path) }
    } else if unlink(path) != 0, errno != ENOENT {
      throw HostError.last(path)
    }
  }

  /// The whole file; a fault when it is larger than `limit` bytes.
  public static func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8] {
    let file = try Descriptor.open(path, O_RDONLY)
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(file.number, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw HostError.last(path) }
      if count == 0 { return bytes }
      bytes.append(contentsOf: buffer[..<count])
      if bytes.count > limit { throw Fault.internal("\(path) is larger than \(limit) bytes") }
    }
  }

  /// At most the first `bytes` bytes of a file.
  public static func head(_ path: String, bytes: Int) throws -> [UInt8] {
    let file = try Descriptor.open(path, O_RDONLY)
    var buffer = [UInt8](repeating: 0, count: bytes)
    let count = pread(file.number, &buffer, bytes, 0)
    if count < 0 { throw HostError.last(path) }
    return Array(buffer[..<count])
  }

  /// At most the last `bytes` bytes of a file as text; empty when there is none.
  public static func tail(_ path: String, bytes: Int) -> String {
    guard let file = try? Descriptor.open(path, O_RDONLY) else { return "" }
    let size = lseek(file.number, 0, SEEK_END)
    let start = max(0, Int(size) - bytes)
    var buffer = [UInt8](repeating: 0, count: max(0, Int(size) - start))
    let count = pread(file.number, &buffer, buffer.count, start)
    return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
  }

  /// Makes a file empty.
  public static func truncate(_ path: String) throws {
    if Glibc.truncate(path, 0) != 0 { throw HostError.last(path) }
  }

  /// Writes a file so that after a crash either the old or the new content is there: a temporary file, synced, renamed,
  /// and its folder synced. `isDurable` false leaves out the syncing.
  public static func writeAtomically(_ path: String, _ bytes: [UInt8], mode: mode_t, isDurable: Bool = true) throws {
    let temporary = "\(path).\(UUIDText.makeHex().prefix(8)).tmp"
    do {
      let file = try Descriptor.open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode: mode)
      if fchmod(file.number, mode) != 0 { throw HostError.last(temporary) }
      try writeAll(file.number, bytes, temporary)
      if isDurable, fsync(file.number) != 0 { throw HostError.last(temporary) }
      if rename(temporary, path) != 0 { throw HostError.last(path) }
    } catch {
      unlink(temporary)
      throw error
    }
    if isDurable { try syncFolder(of: path) }
  }

  /// Makes the names in the folder of `path` durable.
  public static func syncFolder(of path: String) throws {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let opened = try Descriptor.open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY)
    if fsync(opened.number) != 0 { throw HostError.last(folder) }
  }

  static func writeAll(_ fd: CInt, _ bytes: [UInt8], _ path: String) throws {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { write(fd, $0.baseAddress.map { $0 + done }, $0.count - done) }
      if count < 0, errno == EINTR { continue }
      if count < 0 { throw HostError.last(path) }
      done += count
    }
  }

  /// A JSON file; nil when there is none, a fault when it is not JSON.
  public static func loadJSON(_ path: String) throws -> JSONValue? {
    guard exists(path) else { return nil }
    do {
      return try JSONParser.parse(try read(path))
    } catch let error as JSONSyntaxError {
      throw Fault.internal("\(path): \(error)")
    }
  }
  public static func saveJSON(_ value: JSONValue, _ path: String, mode: mode_t = 0o640) throws {
    try writeAtomically(path, value.bytes, mode: mode)
  }

  /// A Codable value from a JSON file; nil when there is none, a fault when it cannot be read as one.
  public static func load<T: Decodable>(_ type: T.Type, _ path: String) throws -> T? {
    guard exists(path) else { return nil }
    do {
      return try JSONDecoder().decode(type, from: Data(try read(path)))
    } catch let error as DecodingError {
      throw Fault.internal("\(path) cannot be read: \(error)")
    }
  }
  public static func save(
    _ value: some Encodable, _ path: String, mode: mode_t = 0o640, isDurable: Bool = true
  ) throws {
    try writeAtomically(path, Array(try JSONEncoder().encode(value)), mode: mode, isDurable: isDurable)
  }

  /// The absolute path without symbolic links, of something that exists.
  public static func realPath(_ path: String) throws -> String {
    guard let resolved = realpath(path, nil) else { throw HostError.last(path) }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Bytes of the file system at `path`: all, and those that may still be used.
  public static func space(at path: String) throws -> (total: Int, free: Int) {
    var facts = statvfs()
    if statvfs(path, &facts) != 0 { throw HostError.last(path) }
    return (Int(facts.f_blocks) * Int(facts.f_frsize), Int(facts.f_bavail) * Int(facts.f_frsize))
  }
}

/// Holds a file locked (flock(2)) for as long as it lives, so that a state folder has one owner.
public final class FileLock: Sendable {
  private let file: Descriptor
  public let path: String

  /// Takes the lock; a 409 fault that names the owner's process when another has it.
  public init(_ path: String) throws {
    self.path = path
    file = try Descriptor.open(path, O_RDWR | O_CREAT, mode: 0o640)
    guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else { throw HostError.last(path) }
      let owner = HostFiles.tail(path, bytes: 20).trimmingSpace
      throw Fault.conflict("\(path) is in use by another process\(owner.isEmpty ? "" : " (\(owner))")")
    }
    if ftruncate(file.number, 0) != 0 { throw HostError.last(path) }
    try HostFiles.writeAll(file.number, Array("\(getpid())\n".utf8), path)
  }
}
