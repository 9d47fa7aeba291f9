import Glibc
import Host
import Kit

/// Switches of the kernel as files below /proc/sys. Those of the network are the calling thread's namespace's.
enum Sysctl {
  /// Writes a value; returns whether it was another before.
  static func set(_ path: String, _ value: String) throws -> Bool {
    let fd = open(path, O_RDWR | O_CLOEXEC)
    if fd < 0 { throw Fault.unavailable("\(path) cannot be changed: \(HostError.text(errno))") }
    defer { close(fd) }
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = pread(fd, &buffer, buffer.count, 0)
    let old = String(decoding: buffer[..<max(0, count)].prefix { $0 > 32 }, as: UTF8.self)
    if old == value { return false }
    let bytes = Array(value.utf8)
    if write(fd, bytes, bytes.count) != bytes.count {
      throw Fault.unavailable("\(path) cannot be set to \(value): \(HostError.text(errno))")
    }
    return true
  }

  /// Sets several in a namespace; those of features that this kernel lacks are left out.
  static func set(_ values: [(name: String, value: String)], in namespace: NetworkNamespace) async throws {
    try await namespace.run {
      for (name, value) in values where HostFiles.exists("/proc/sys/net/\(name)") {
        _ = try set("/proc/sys/net/\(name)", value)
      }
    }
  }
}

/// What we are.
enum ProcessFacts {
  static var pid: Int32 { getpid() }
}
