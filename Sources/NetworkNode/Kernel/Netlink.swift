import Glibc
import Host
import Kit

/// One conversation with the kernel over netlink(7), in the network namespace of the thread that opens it. Reading this
/// way costs microseconds, where a program would cost milliseconds per namespace.
struct Netlink: ~Copyable {
  /// NETLINK_ROUTE of linux/netlink.h: links, addresses, routes.
  static let route: CInt = 0
  /// NETLINK_NETFILTER: conntrack and nf_tables.
  static let netfilter: CInt = 12

  private let fd: CInt
  private let buffer: UnsafeMutableRawBufferPointer

  init(_ family: CInt) throws {
    fd = socket(AF_NETLINK, CInt(SOCK_RAW.rawValue) | O_CLOEXEC, family)
    if fd < 0 { throw Fault.internal("a netlink socket could not be made: \(HostError.text(errno))") }
    var patience = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    buffer = .allocate(byteCount: 64 << 10, alignment: 8)
  }
  deinit {
    close(fd)
    buffer.deallocate()
  }

  /// Asks for a whole table and returns the payloads of the answers. A dump that the kernel marks as interrupted by a
  /// change is asked for again.
  func dump(_ type: UInt16, _ payload: [UInt8]) throws -> [[UInt8]] {
    for _ in 0..<8 {
      try send(type, flags: 0x301, payload)
      if let answers = try receive(isDump: true) { return answers }
    }
    throw Fault.internal("a table of the kernel changed too fast to be read")
  }

  /// Sends one request and returns the payload of its answer, or nothing when the kernel only acknowledges.
  func ask(_ type: UInt16, _ payload: [UInt8], isAcknowledged: Bool = false) throws -> [UInt8] {
    try send(type, flags: isAcknowledged ? 0x5 : 0x1, payload)
    return try receive(isDump: false)?.first ?? []
  }

  private func send(_ type: UInt16, flags: UInt16, _ payload: [UInt8]) throws {
    var message: [UInt8] = []
    message.appendNative(UInt32(16 + payload.count))
    message.appendNative(type)
    message.appendNative(flags)
    message.appendNative(UInt32(1))
    message.appendNative(UInt32(0))
    message += payload
    let count = Glibc.send(fd, message, message.count, 0)
    if count != message.count { throw Fault.internal("netlink refused a request: \(HostError.text(errno))") }
  }

  /// nil: the dump was interrupted.
  private func receive(isDump: Bool) throws -> [[UInt8]]? {
    var answers: [[UInt8]] = []
    var isInterrupted = false
    while true {
      let count = recv(fd, buffer.baseAddress, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { throw Fault.internal("netlink did not answer: \(HostError.text(errno))") }
      var offset = 0
      while offset + 16 <= count {
        let length = Int(buffer.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        let type = buffer.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)
        let flags = buffer.loadUnaligned(fromByteOffset: offset + 6, as: UInt16.self)
        guard length >= 16, offset + length <= count else { throw Fault.internal("netlink's answer is cut short") }
        if isDump, flags & 0x10 != 0 { isInterrupted = true }
        switch type {
        case 3: return isInterrupted ? nil : answers
        case 2:
          let code = buffer.loadUnaligned(fromByteOffset: offset + 16, as: Int32.self)
          if code == 0 { return answers }
          throw NetlinkError(number: -code)
        default:
          answers.append(Array(buffer[(offset + 16)..<(offset + length)]))
          if !isDump { return answers }
        }
        offset += (length + 3) & ~3
      }
    }
  }
}

/// The kernel's refusal of a netlink request.
struct NetlinkError: Error, CustomStringConvertible {
  /// The error number, positive.
  let number: CInt
  var description: String { "netlink: \(HostError.text(number))" }
}

/// The attributes of a netlink message (struct nlattr), read in place.
struct NetlinkAttributes: Sequence, IteratorProtocol {
  private let bytes: ArraySlice<UInt8>
  private var offset: Int

  init(_ bytes: ArraySlice<UInt8>) { (self.bytes, offset) = (bytes, bytes.startIndex) }

  mutating func next() -> (type: Int, value: ArraySlice<UInt8>)? {
    guard offset + 4 <= bytes.endIndex else { return nil }
    let length = Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
    let type = (Int(bytes[offset + 2]) | Int(bytes[offset + 3]) << 8) & 0x3FFF
    guard length >= 4, offset + length <= bytes.endIndex else { return nil }
    defer { offset += (length + 3) & ~3 }
    return (type, bytes[(offset + 4)..<(offset + length)])
  }
}

extension ArraySlice<UInt8> {
  /// As a number in the machine's order (little-endian on the architectures that we support).
  var native: Int { reversed().reduce(0) { $0 << 8 | Int($1) } }
  /// As a number in network order.
  var network: Int { reduce(0) { $0 << 8 | Int($1) } }
  /// As text that ends at the first zero byte.
  var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }
  /// As an IPv4 (4 bytes) or IPv6 (16 bytes) address.
  var address: IPAddress? {
    guard count == 4 || count == 16 else { return nil }
    return IPAddress(value: reduce(UInt128(0)) { $0 << 8 | UInt128($1) }, isV6: count == 16)
  }
}

extension [UInt8] {
  /// Appends a number in the machine's order.
  mutating func appendNative(_ value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value) { append(contentsOf: $0) }
  }
  /// Appends a netlink attribute, padded to four bytes.
  mutating func appendAttribute(_ type: UInt16, _ value: some Collection<UInt8>) {
    appendNative(UInt16(4 + value.count))
    appendNative(type)
    append(contentsOf: value)
    while count % 4 != 0 { append(0) }
  }
}
