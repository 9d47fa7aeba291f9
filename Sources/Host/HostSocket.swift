import Glibc
import Kit

/// Sockets, as descriptors that are closed on exec and do not block.
public enum HostSocket {
  /// A listening TCP socket in the calling thread's namespace. `address`: IPv4 or IPv6 text; `::` takes IPv6 only.
  /// Port 0: the kernel chooses. A taken address is a 409 fault. The caller owns the descriptor.
  public static func listen(address: String, port: Int, backlog: Int = 512) throws -> CInt {
    guard let number = UInt16(exactly: port) else { throw Fault.badRequest("\(port) is not a TCP port") }
    let isV6 = address.contains(":")
    let (fd, reason) = try open(address, number, flags: O_NONBLOCK) { fd, binary, length in
      var one: CInt = 1
      let size = socklen_t(MemoryLayout<CInt>.size)
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, size)
      if isV6 { setsockopt(fd, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &one, size) }
      return bind(fd, binary, length) == 0 ? Glibc.listen(fd, CInt(backlog)) : -1
    }
    guard reason == 0 else {
      let text = "cannot listen on \(isV6 ? "[\(address)]" : address):\(port): \(HostError.text(reason))"
      throw reason == EADDRINUSE ? Fault.conflict(text) : Fault.internal(text)
    }
    return fd
  }

  /// A socket connected to a TCP server. It blocks, also while it connects: for the command line only.
  public static func connect(address: String, port: Int) throws -> CInt {
    guard let number = UInt16(exactly: port) else { throw Fault.badRequest("\(port) is not a TCP port") }
    let (fd, reason) = try open(address, number, flags: 0) { Glibc.connect($0, $1, $2) }
    guard reason == 0 else {
      throw Fault.unavailable("cannot connect to \(address):\(port): \(HostError.text(reason))")
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
      if Glibc.connect(fd, address, length) != 0 {
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

  /// A socket of the address's family with `flags`, handed to `body` with the address as the kernel wants it. When `body`
  /// does not answer 0 the socket is closed and its errno returned.
  private static func open(
    _ address: String, _ port: UInt16, flags: CInt,
    _ body: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt
  ) throws -> (fd: CInt, reason: CInt) {
    let isV6 = address.contains(":")
    var (v4, v6) = (sockaddr_in(), sockaddr_in6())
    (v4.sin_family, v4.sin_port) = (sa_family_t(AF_INET), port.bigEndian)
    (v6.sin6_family, v6.sin6_port) = (sa_family_t(AF_INET6), port.bigEndian)
    let isAddress =
      isV6 ? inet_pton(AF_INET6, address, &v6.sin6_addr) == 1 : inet_pton(AF_INET, address, &v4.sin_addr) == 1
    guard isAddress else { throw Fault.badRequest("'\(address)' is not an IPv4 or IPv6 address") }
    let fd = socket(isV6 ? AF_INET6 : AF_INET, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC | flags, 0)
    if fd < 0 { throw HostError.last("a socket could not be made") }
    func hand<Address>(_ binary: inout Address) -> CInt {
      withUnsafePointer(to: &binary) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          body(fd, $0, socklen_t(MemoryLayout<Address>.size))
        }
      }
    }
    let status = isV6 ? hand(&v6) : hand(&v4)
    guard status != 0 else { return (fd, 0) }
    let reason = errno
    close(fd)
    return (-1, reason)
  }
}
