import Contracts
import Glibc
import Host
import Kit
import NetworkNode
import Testing

/// A guest as QEMU is one: a process that holds the TAP which the data plane made.
@Suite(.serialized) struct TapTests {
  /// Opens a persistent TAP as QEMU does, with a header for offloads (IFF_VNET_HDR).
  private func open(_ name: String, in namespace: NetworkNamespace) async throws -> Wire {
    try await namespace.run {
      let fd = Glibc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
      // struct ifreq: the name, then IFF_TAP | IFF_NO_PI | IFF_VNET_HDR.
      var request = Array(name.utf8) + [UInt8](repeating: 0, count: 40 - name.utf8.count)
      request[16] = 0x02
      request[17] = 0x50
      let status = request.withUnsafeMutableBytes { bytes in bytes.baseAddress.map { ioctl(fd, 0x4004_54CA, $0) } ?? -1
      }
      #expect(status == 0)
      return Wire(fd)
    }
  }

  /// An ARP request behind the header's 10 bytes.
  private func request(_ mac: String, _ source: [UInt8], _ target: [UInt8]) -> [UInt8] {
    let hardware = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
    return [UInt8](repeating: 0, count: 10) + [UInt8](repeating: 0xFF, count: 6) + hardware
      + [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1] + hardware + source + [0, 0, 0, 0, 0, 0] + target
  }

  /// Whether an ARP answer from `address` comes within half a second.
  private func isAnswered(_ tap: Wire, by address: [UInt8]) async throws -> Bool {
    try await HostThread.run {
      let end = ContinuousClock.now + .milliseconds(500)
      var buffer = [UInt8](repeating: 0, count: 2048)
      while ContinuousClock.now < end {
        var one = pollfd(fd: tap.fd, events: Int16(POLLIN), revents: 0)
        guard poll(&one, 1, 100) == 1 else { continue }
        let count = read(tap.fd, &buffer, buffer.count)
        if count >= 52, buffer[22] == 0x08, buffer[23] == 0x06, buffer[31] == 2, Array(buffer[38..<42]) == address {
          return true
        }
      }
      return false
    }
  }

  @Test func framesOfATapReachTheNetwork() async throws {
    try await Lab.run { lab, dataplane in
      var network = Make.network([Make.subnet()])
      network.dhcpPort = Make.port(network, ["10.0.0.2"], owner: "network:dhcp")
      let port = Make.port(network, ["10.0.0.5"])
      let state = NetworkState(networks: [network], ports: [port])
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(try await TapDevice.exists(port.tapName, in: lab.cloud))
      let tap = try await open(port.tapName, in: lab.cloud)
      let frame = request(port.mac, [10, 0, 0, 5], [10, 0, 0, 2])
      #expect(write(tap.fd, frame, frame.count) == frame.count)
      #expect(try await isAnswered(tap, by: [10, 0, 0, 2]))
      let spoofed = request(port.mac, [10, 0, 0, 9], [10, 0, 0, 2])
      #expect(write(tap.fd, spoofed, spoofed.count) == spoofed.count)
      #expect(try await !isAnswered(tap, by: [10, 0, 0, 2]))
      // A pass while the guest holds its TAP leaves it alone.
      #expect(try await dataplane.apply(state).failures == [:])
      #expect(write(tap.fd, frame, frame.count) == frame.count)
      #expect(try await isAnswered(tap, by: [10, 0, 0, 2]))
    }
  }
}
