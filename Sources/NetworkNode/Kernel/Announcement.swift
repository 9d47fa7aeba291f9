import Glibc
import Host
import Kit

/// A gratuitous ARP request (RFC 5944 §4.6): neighbours that knew another device by this address learn the new one.
struct Announcement: Sendable, Hashable {
  var link: String
  var mac: String
  var address: String

  /// Sends them from a namespace. One whose link is gone already is left out.
  static func send(_ all: [Announcement], in namespace: NetworkNamespace) async throws {
    if all.isEmpty { return }
    try await namespace.run {
      // AF_PACKET 17, SOCK_RAW, no protocol: it only sends.
      let fd = socket(17, CInt(SOCK_RAW.rawValue) | O_CLOEXEC, 0)
      if fd < 0 { throw Fault.internal("a packet socket could not be made: \(HostError.text(errno))") }
      defer { close(fd) }
      for one in all {
        guard let frame = one.frame else { continue }
        let index = if_nametoindex(one.link)
        if index == 0 { continue }
        // struct sockaddr_ll: family, protocol, index, hardware type, packet type, address.
        var target: [UInt8] = []
        target.appendNative(UInt16(17))
        target += [0x08, 0x06]
        target.appendNative(UInt32(index))
        target += [0, 0, 0, 6] + [UInt8](repeating: 0xFF, count: 6) + [0, 0]
        let size = socklen_t(target.count)
        target.withUnsafeBytes { bytes in
          guard let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return }
          _ = sendto(fd, frame, frame.count, 0, address, size)
        }
      }
    }
  }

  /// The Ethernet frame; nil when the address is not IPv4.
  var frame: [UInt8]? {
    let hardware = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    guard hardware.count == 6, let address = IPAddress(address), !address.isV6 else { return nil }
    let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address.value >> UInt128($0)) }
    return [UInt8](repeating: 0xFF, count: 6) + hardware + [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1] + hardware + bytes
      + [UInt8](repeating: 0, count: 6) + bytes
  }
}
