import Contracts
import Glibc
import Host
import Kit
import NetworkNode
import Synchronization
import TestKit

/// A cloud of its own for one test, whose guests are network namespaces: their link's other end has the TAP's name.
final class Lab: Sendable {
  let cloud: NetworkNamespace
  let directory: String
  let metadata = MetadataRecorder()
  private let guests = Mutex<[NetworkNamespace]>([])

  init() throws {
    cloud = NetworkNamespace("mt" + UUIDText.makeHex().prefix(6))
    directory = try TestKit.folder()
  }

  func dataplane(
    _ mode: ExternalNetworkMode = .isolated, cidr: String = "172.24.4.0/24", gateway: String = "172.24.4.1",
    host: NetworkNamespace? = nil
  ) -> KernelDataplane {
    KernelDataplane(
      cloud: cloud.name, directory: directory, external: mode, externalCIDR: cidr, externalGateway: gateway,
      metadata: metadata, log: TestKit.log, host: host)
  }

  /// Runs a test with a started data plane and removes everything after it.
  static func run(_ body: (Lab, KernelDataplane) async throws -> Void) async throws {
    let lab = try Lab()
    let dataplane = lab.dataplane()
    do {
      try await dataplane.start()
      try await body(lab, dataplane)
    } catch {
      try await lab.remove(dataplane)
      throw error
    }
    try await lab.remove(dataplane)
  }

  func remove(_ dataplane: KernelDataplane) async throws {
    try await dataplane.removeAll()
    for guest in guests.withLock({ $0 }) { try guest.delete() }
    try HostFiles.remove(directory)
  }

  func namespace(_ name: String) throws -> NetworkNamespace {
    let namespace = NetworkNamespace("\(cloud.name)-\(name)")
    try namespace.create()
    guests.withLock { $0.append(namespace) }
    return namespace
  }

  /// Makes the guest of a port. `address` with prefix length; nil: it has to ask for one.
  func guest(_ port: PortWiring, address: String? = nil, gateway: String? = nil) async throws -> NetworkNamespace {
    let guest = try namespace("g" + port.id.prefix(8))
    let name = port.tapName
    try await ip("link add \(name) type veth peer name eth0 address \(port.mac) netns \(guest.name)", cloud)
    try await ip("link set eth0 up", guest)
    if let address { try await ip("addr add \(address) dev eth0", guest) }
    if let gateway { try await ip("route add default via \(gateway)", guest) }
    return guest
  }

  @discardableResult
  func ip(_ line: String, _ namespace: NetworkNamespace) async throws -> String {
    try await Command("ip", line.split(separator: " ").map(String.init), namespace: namespace).check()
  }

  /// Whether an echo is answered within `seconds`.
  func pings(_ guest: NetworkNamespace, _ address: String, seconds: Int = 1, from: String? = nil) async throws -> Bool {
    let source = from.map { ["-I", $0] } ?? []
    return try await Command(
      "ping", ["-n", "-q", "-c", "2", "-i", "0.1", "-W", "\(seconds)"] + source + [address], namespace: guest
    ).run().status == 0
  }
}

/// Answers with what it was asked.
final class MetadataRecorder: MetadataAnswering {
  private let requests = Mutex<[MetadataRequest]>([])
  var all: [MetadataRequest] { requests.withLock { $0 } }

  func answer(_ request: MetadataRequest) async -> MetadataResponse {
    requests.withLock { $0.append(request) }
    let text = "\(request.method) \(request.path) of \(request.address) body \(request.body.count)"
    return MetadataResponse(status: 200, contentType: "text/plain", body: Array(text.utf8))
  }
}

/// A TCP connection between namespaces, held by the test.
final class Wire: Sendable {
  let fd: CInt
  private let isOwner: Bool
  /// `isOwner` false: somebody else closes it.
  init(_ fd: CInt, isOwner: Bool = true) { (self.fd, self.isOwner) = (fd, isOwner) }
  deinit { if isOwner { close(fd) } }

  /// Connects from a namespace; nil when there is no answer in time or a refusal.
  static func connect(_ namespace: NetworkNamespace, _ address: String, _ port: Int, milliseconds: CInt = 1000)
    async throws -> Wire?
  {
    try await namespace.run {
      let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
      let wire = Wire(fd)
      var target = sockaddr_in()
      target.sin_family = sa_family_t(AF_INET)
      target.sin_port = UInt16(port).bigEndian
      inet_pton(AF_INET, address, &target.sin_addr)
      let status = withUnsafePointer(to: &target) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      if status == 0 { return wire }
      var one = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
      guard poll(&one, 1, milliseconds) == 1 else { return nil }
      var error: CInt = 0
      var size = socklen_t(MemoryLayout<CInt>.size)
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size)
      return error == 0 ? wire : nil
    }
  }

  /// Takes a connection of a listening socket, with the peer's address.
  func accept(milliseconds: CInt = 1000) async throws -> (wire: Wire, peer: String)? {
    try await HostThread.run { [self] in
      var one = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, milliseconds) == 1 else { return nil }
      var peer = sockaddr_in()
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      let taken = withUnsafeMutablePointer(to: &peer) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.accept(fd, $0, &size) }
      }
      guard taken >= 0 else { return nil }
      let bytes = withUnsafeBytes(of: peer.sin_addr) { Array($0) }
      return (Wire(taken), bytes.map { "\($0)" }.joined(separator: "."))
    }
  }

  func send(_ text: String) { _ = Glibc.send(fd, text, text.utf8.count, CInt(MSG_NOSIGNAL)) }

  /// What arrives within the time; empty when nothing does.
  func receive(milliseconds: CInt = 1000) async throws -> String {
    try await HostThread.run { [self] in
      var one = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, milliseconds) == 1 else { return "" }
      var buffer = [UInt8](repeating: 0, count: 65536)
      let count = recv(fd, &buffer, buffer.count, 0)
      return String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    }
  }

  /// Whether what is sent here arrives there.
  func reaches(_ other: Wire, milliseconds: CInt = 1000) async throws -> Bool {
    let text = UUIDText.makeHex()
    send(text)
    return try await other.receive(milliseconds: milliseconds).contains(text)
  }

  /// Connects two namespaces; nil when it does not succeed.
  static func pair(
    _ client: NetworkNamespace, to address: String, _ port: Int, server: NetworkNamespace, milliseconds: CInt = 1000
  ) async throws -> (client: Wire, server: Wire, peer: String)? {
    // Closed when this returns, whatever still holds the object: the port is wanted again.
    let socket = try server.listen(address: "0.0.0.0", port: port)
    defer { close(socket) }
    let listener = Wire(socket, isOwner: false)
    guard let client = try await connect(client, address, port, milliseconds: milliseconds),
      let accepted = try await listener.accept()
    else { return nil }
    return (client, accepted.wire, accepted.peer)
  }
}

/// Short ways to write desired states.
enum Make {
  static func mac() -> String {
    let digits = Array(UUIDText.makeHex().suffix(6))
    return "fa:16:3e:\(digits[0])\(digits[1]):\(digits[2])\(digits[3]):\(digits[4])\(digits[5])"
  }

  static func subnet(_ cidr: String = "10.0.0.0/24", gateway: String? = "10.0.0.1", dns: [String] = []) -> SubnetWiring
  {
    SubnetWiring(
      id: UUIDText.make(), cidr: cidr, gateway: gateway, hasDHCP: true, dnsServers: dns, hostRoutes: [],
      ipv6Mode: nil)
  }

  static func network(_ subnets: [SubnetWiring], mtu: Int = 1450, isExternal: Bool = false) -> NetworkWiring {
    NetworkWiring(
      id: UUIDText.make(), mtu: mtu, isExternal: isExternal, dnsDomain: "test.example", subnets: subnets, dhcpPort: nil,
      hasRouterMetadata: false)
  }

  static func port(
    _ network: NetworkWiring, _ addresses: [String], groups: [String] = [], owner: String = "compute:nova"
  ) -> PortWiring {
    PortWiring(
      id: UUIDText.make(), networkID: network.id, mac: mac(),
      fixedIPs: addresses.map { address in
        let subnet = network.subnets.first {
          CIDR($0.cidr)?.contains(IPAddress(address) ?? IPAddress(value: 0, isV6: false)) ?? false
        }
        return FixedAddress(subnetID: subnet?.id ?? "", address: address)
      }, hasPortSecurity: owner == "compute:nova", securityGroupIDs: groups, deviceOwner: owner, deviceID: "")
  }

  static func group(_ rules: [SecurityRule], members: [String] = []) -> SecurityGroupWiring {
    SecurityGroupWiring(id: UUIDText.make(), rules: rules, memberAddresses: members)
  }

  static func rule(
    _ isIngress: Bool = true, _ kind: String? = nil, _ port: Int? = nil, _ end: Int? = nil, from cidr: String? = nil,
    group: String? = nil, isV6: Bool = false
  ) -> SecurityRule {
    SecurityRule(
      isIngress: isIngress, isV6: isV6, protocol: kind, portMin: port, portMax: end ?? (kind == "icmp" ? nil : port),
      remoteCIDR: cidr, remoteGroupID: group)
  }

  /// Everything may leave.
  static let egress = [rule(false), rule(false, isV6: true)]
}
