import Glibc
import Kit

/// Sockets, as descriptors that are closed on exec and do not block.
public enum HostSocket {
  /// A listening TCP socket in the calling thread's namespace. `address`: IPv4 or IPv6 text; `::` takes IPv6 only.
  /// Port 0: the kernel chooses. A taken address is a 409 fault. The caller owns the descriptor.
  public static func listen(address: String, port: Int, backlog: Int = 512) throws -> CInt {
    guard let number = UInt16(exactly: port) else { throw Fault.badRequest("\(port) is not a TCP port") }
    let isV6 = address.contains(":")
    let fd = socket(isV6 ? AF_INET6 : AF_INET, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
    if fd < 0 { throw HostError.last("a socket could not be made") }
    var one: CInt = 1
    let size = socklen_t(MemoryLayout<CInt>.size)
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, size)
    if isV6 { setsockopt(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &one, size) }
    let status = isV6 ? try bindV6(fd, address, number) : try bindV4(fd, address, number)
    guard status == 0, Glibc.listen(fd, CInt(backlog)) == 0 else {
      let reason = errno
      close(fd)
      let text = "cannot listen on \(isV6 ? "[\(address)]" : address):\(port): \(HostError.text(reason))"
      throw reason == EADDRINUSE ? Fault.conflict(text) : Fault.internal(text)
    }
    return fd
  }

  /// The port of a bound socket, for those that the kernel chose.
  public static func port(of fd: CInt) throws -> Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let status = withUnsafeMutablePointer(to: &storage) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
    }
    if status != 0 { throw HostError.last("the port of a socket") }
    // sin_port and sin6_port are at the same place.
    return withUnsafeBytes(of: &storage) { Int($0[2]) << 8 | Int($0[3]) }
  }

  /// Connects to a unix socket. Paths longer than the kernel's 107 bytes go through a descriptor of their folder.
  /// A server whose queue is full is a fault at once.
  public static func connectUnix(_ path: String) throws -> CInt {
    try withUnixAddress(path) { address, length in
      let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
      if fd < 0 { throw HostError.last("a socket could not be made") }
      if connect(fd, address, length) != 0 {
        let error = HostError.last("cannot connect to \(path)")
        close(fd)
        throw error
      }
      return fd
    }
  }

  /// A listening unix socket at `path`, whose file only its owner can use. An old file there is replaced.
  public static func listenUnix(_ path: String) throws -> CInt {
    try withUnixAddress(path) { address, length in
      unlink(path)
      let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
      if fd < 0 { throw HostError.last("a socket could not be made") }
      guard bind(fd, address, length) == 0, chmod(path, 0o600) == 0, Glibc.listen(fd, 16) == 0 else {
        let error = HostError.last("cannot listen on \(path)")
        close(fd)
        throw error
      }
      return fd
    }
  }

  private static func withUnixAddress<T>(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> T
  ) throws -> T {
    var short = path
    var folder: Descriptor?
    if path.utf8.count > 107, let slash = path.lastIndex(of: "/") {
      let opened = try Descriptor.open(String(path[..<slash]), O_RDONLY | O_DIRECTORY)
      short = "/proc/self/fd/\(opened.number)" + path[slash...]
      folder = opened
    }
    defer { withExtendedLifetime(folder) {} }
    let bytes = Array(short.utf8)
    guard bytes.count <= 107 else { throw Fault.internal("the socket's name is too long: \(path)") }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return try withUnsafePointer(to: &address) { pointer in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        try body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private static func bindV4(_ fd: CInt, _ address: String, _ port: UInt16) throws -> CInt {
    var binary = sockaddr_in()
    binary.sin_family = sa_family_t(AF_INET)
    binary.sin_port = port.bigEndian
    guard inet_pton(AF_INET, address, &binary.sin_addr) == 1 else {
      close(fd)
      throw Fault.badRequest("'\(address)' is not an IPv4 or IPv6 address")
    }
    return withUnsafePointer(to: &binary) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  private static func bindV6(_ fd: CInt, _ address: String, _ port: UInt16) throws -> CInt {
    var binary = sockaddr_in6()
    binary.sin6_family = sa_family_t(AF_INET6)
    binary.sin6_port = port.bigEndian
    guard inet_pton(AF_INET6, address, &binary.sin6_addr) == 1 else {
      close(fd)
      throw Fault.badRequest("'\(address)' is not an IPv4 or IPv6 address")
    }
    return withUnsafePointer(to: &binary) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }
}
