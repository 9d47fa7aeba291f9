import Host
import Kit

/// A link as the kernel has it.
struct LinkFacts: Sendable, Equatable {
  var index: Int
  /// `bridge`, `veth`, `tun`; empty for a real NIC.
  var kind: String
  var master: Int
  var mtu: Int
  var isUp: Bool
  var mac: String
  var alias: String
}

/// A route of the main table as the kernel has it.
struct RouteFacts: Sendable, Hashable {
  /// `default`, `default6` or a CIDR.
  var destination: String
  var gateway: String
  var link: String
  /// Whether its protocol is `static`, as ours are (RTPROT_STATIC).
  var isStatic: Bool
}

/// What exists in a network namespace, read by netlink dumps (rtnetlink(7)) in one visit.
struct NamespacePicture: Sendable, Equatable {
  var links: [String: LinkFacts] = [:]
  /// By link, such as `10.0.0.1/24`; link-local IPv6 addresses are the kernel's own and left out.
  var addresses: [String: Set<String>] = [:]
  var routes: Set<RouteFacts> = []
  /// Counts the nf_tables transactions: while it stays, nobody has changed the rules.
  var rulesGeneration = 0

  /// Reads a namespace (nil: the host's).
  static func read(_ namespace: NetworkNamespace?) async throws -> NamespacePicture {
    let look: @Sendable () throws -> NamespacePicture = { try readHere() }
    return if let namespace { try await namespace.run(look) } else { try await HostThread.run(look) }
  }

  /// Reads the namespace of the calling thread.
  static func readHere() throws -> NamespacePicture {
    var picture = NamespacePicture()
    let socket = try Netlink(Netlink.route)
    let names = try picture.readLinks(socket)
    try picture.readAddresses(socket, names)
    try picture.readRoutes(socket, names)
    picture.rulesGeneration = try generationHere()
    return picture
  }

  /// The generation of the calling thread's rule set: NFT_MSG_GETGEN.
  static func generationHere() throws -> Int {
    let answer = try Netlink(Netlink.netfilter).ask(10 << 8 | 16, [0, 0, 0, 0])
    for (type, value) in NetlinkAttributes(answer.dropFirst(4)) where type == 1 { return value.network }
    throw Fault.unavailable("this kernel has no nf_tables: load the module nf_tables")
  }

  /// RTM_GETLINK, without statistics.
  private mutating func readLinks(_ socket: borrowing Netlink) throws -> [Int: String] {
    var request = [UInt8](repeating: 0, count: 16)
    request.appendAttribute(29, [8, 0, 0, 0])
    var names: [Int: String] = [:]
    for message in try socket.dump(18, request) {
      guard message.count >= 16 else { continue }
      var (name, mac) = ("", "")
      var link = LinkFacts(
        index: message[4..<8].native, kind: "", master: 0, mtu: 0, isUp: message[8..<12].native & 1 == 1, mac: "",
        alias: "")
      for (type, value) in NetlinkAttributes(message[16...]) {
        switch type {
        case 1: mac = value.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
        case 3: name = value.text
        case 4: link.mtu = value.native
        case 10: link.master = value.native
        case 18: for (inner, kind) in NetlinkAttributes(value) where inner == 1 { link.kind = kind.text }
        case 20: link.alias = value.text
        default: break
        }
      }
      link.mac = mac
      names[link.index] = name
      links[name] = link
    }
    return names
  }

  /// RTM_GETADDR.
  private mutating func readAddresses(_ socket: borrowing Netlink, _ names: [Int: String]) throws {
    for message in try socket.dump(22, [UInt8](repeating: 0, count: 8)) {
      guard message.count >= 8, let name = names[message[4..<8].native] else { continue }
      var address: IPAddress?
      for (type, value) in NetlinkAttributes(message[8...]) where type == 2 || (type == 1 && address == nil) {
        address = value.address
      }
      // Scope 253: of the link.
      guard let address, !(address.isV6 && message[3] == 253) else { continue }
      addresses[name, default: []].insert("\(address)/\(message[1])")
    }
  }

  /// RTM_GETROUTE, the main table's unicast routes.
  private mutating func readRoutes(_ socket: borrowing Netlink, _ names: [Int: String]) throws {
    for message in try socket.dump(26, [UInt8](repeating: 0, count: 12)) {
      guard message.count >= 12, message[4] == 254, message[7] == 1 else { continue }
      let isV6 = message[0] == 10
      var route = RouteFacts(
        destination: isV6 ? "default6" : "default", gateway: "", link: "", isStatic: message[5] == 4)
      for (type, value) in NetlinkAttributes(message[12...]) {
        switch type {
        case 1: if let address = value.address { route.destination = "\(address)/\(message[1])" }
        case 4: route.link = names[value.native] ?? ""
        case 5: if let address = value.address { route.gateway = "\(address)" }
        default: break
        }
      }
      routes.insert(route)
    }
  }
}
