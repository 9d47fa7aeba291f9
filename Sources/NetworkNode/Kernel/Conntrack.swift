import Host
import Kit

/// A connection as conntrack follows it: the tuple of its first packet, and of the replies to it.
struct TrackedFlow: Sendable {
  var zone = 0
  var protocolNumber = 0
  var source: IPAddress
  var destination: IPAddress
  var sourcePort = 0
  var destinationPort = 0
  /// ICMP's type and code.
  var icmpType = 0
  var icmpCode = 0
  /// Where replies come from and go to: differ from the above when addresses are translated.
  var replySource: IPAddress
  var replyDestination: IPAddress
  /// The first tuple as the kernel wrote it, for naming the flow in a request.
  var tuple: [UInt8] = []
}

/// The connection table of a network namespace over netlink (linux/netfilter/nfnetlink_conntrack.h).
enum Conntrack {
  private static let dumpType: UInt16 = 1 << 8 | 1
  private static let deleteType: UInt16 = 1 << 8 | 2

  /// Removes every flow for which `isUnwanted`; returns how many there were.
  static func remove(
    in namespace: NetworkNamespace, where isUnwanted: @escaping @Sendable (TrackedFlow) -> Bool
  ) async throws -> Int {
    try await namespace.run {
      let socket = try Netlink(Netlink.netfilter)
      var count = 0
      for flow in try flows(socket) where isUnwanted(flow) {
        try delete(flow, socket)
        count += 1
      }
      return count
    }
  }

  /// All flows of a namespace.
  static func flows(in namespace: NetworkNamespace) async throws -> [TrackedFlow] {
    try await namespace.run { try flows(Netlink(Netlink.netfilter)) }
  }

  private static func flows(_ socket: borrowing Netlink) throws -> [TrackedFlow] {
    try socket.dump(dumpType, [0, 0, 0, 0]).compactMap { $0.count > 4 ? flow($0[4...]) : nil }
  }

  private static func delete(_ flow: TrackedFlow, _ socket: borrowing Netlink) throws {
    // AF_INET6 is 10, AF_INET 2. The tuple is a nested attribute (0x8000).
    var request: [UInt8] = [flow.source.isV6 ? 10 : 2, 0, 0, 0]
    request.appendAttribute(0x8001, flow.tuple)
    if flow.zone != 0 { request.appendAttribute(18, [UInt8(flow.zone >> 8), UInt8(flow.zone & 0xFF)]) }
    do {
      _ = try socket.ask(deleteType, request, isAcknowledged: true)
    } catch let error as NetlinkError where error.number == 2 {
      // ENOENT: it ended by itself meanwhile.
    }
  }

  private static func flow(_ attributes: ArraySlice<UInt8>) -> TrackedFlow? {
    var original: TrackedFlow?
    var reply: TrackedFlow?
    var zone = 0
    for (type, value) in NetlinkAttributes(attributes) {
      switch type {
      case 1: original = tuple(value)
      case 2: reply = tuple(value)
      case 18: zone = value.network
      default: break
      }
    }
    guard var flow = original, let reply else { return nil }
    flow.zone = zone
    (flow.replySource, flow.replyDestination) = (reply.source, reply.destination)
    return flow
  }

  private static func tuple(_ bytes: ArraySlice<UInt8>) -> TrackedFlow? {
    var source: IPAddress?
    var destination: IPAddress?
    var numbers: [Int: Int] = [:]
    for (type, value) in NetlinkAttributes(bytes) {
      if type == 1 {
        for (inner, address) in NetlinkAttributes(value) {
          if inner == 1 || inner == 3 { source = address.address }
          if inner == 2 || inner == 4 { destination = address.address }
        }
      } else if type == 2 {
        for (inner, number) in NetlinkAttributes(value) { numbers[inner] = number.network }
      }
    }
    guard let source, let destination else { return nil }
    return TrackedFlow(
      protocolNumber: numbers[1] ?? 0, source: source, destination: destination, sourcePort: numbers[2] ?? 0,
      destinationPort: numbers[3] ?? 0, icmpType: numbers[5] ?? numbers[8] ?? 0,
      icmpCode: numbers[6] ?? numbers[9] ?? 0, replySource: source, replyDestination: destination,
      tuple: Array(bytes))
  }
}
