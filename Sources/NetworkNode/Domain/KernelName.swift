/// Names of what we make in the kernel. Links have at most 15 bytes (IFNAMSIZ), so they carry 11 characters of an id.
enum KernelName {
  /// The external network's bridge.
  static let externalBridge = "br-ex"
  /// The end of the uplink inside the cloud's namespace.
  static let uplink = "uplink"

  static func bridge(_ networkID: String) -> String { "br-" + networkID.prefix(11) }
  /// A DHCP server's end of its veth, in its namespace; the other end has the port's TAP name.
  static func dhcpEnd(_ portID: String) -> String { "ns-" + portID.prefix(11) }
  static func routerEnd(_ portID: String) -> String { "qr-" + portID.prefix(11) }
  static func gatewayEnd(_ portID: String) -> String { "qg-" + portID.prefix(11) }

  static func dhcpNamespace(_ cloud: String, _ networkID: String) -> String { "\(cloud)-dhcp-\(networkID)" }
  static func routerNamespace(_ cloud: String, _ routerID: String) -> String { "\(cloud)-router-\(routerID)" }
  /// Whether a namespace is one of a cloud's DHCP servers or routers.
  static func isNamespace(_ name: String, of cloud: String) -> Bool {
    for kind in ["dhcp", "router"] where name.hasPrefix("\(cloud)-\(kind)-") {
      return isIdentifier(name.dropFirst(cloud.utf8.count + kind.utf8.count + 2))
        && !name.dropFirst(cloud.utf8.count + kind.utf8.count + 2).contains("-dhcp-")
        && !name.dropFirst(cloud.utf8.count + kind.utf8.count + 2).contains("-router-")
    }
    return false
  }
  /// The host's end of the uplink: several clouds fit on a host.
  static func hostEnd(_ cloud: String) -> String {
    "\(cloud.prefix(8))-" + String(hash(cloud) & 0xFFFF | 0x10000, radix: 16).dropFirst()
  }

  /// A MAC that stays the same for the same text: locally administered, unicast.
  static func mac(_ text: String) -> String {
    let value = hash(text)
    return "02"
      + (0..<5).map { ":" + String(value >> (UInt64($0) * 8) & 0xFF | 0x100, radix: 16).dropFirst() }.joined()
  }

  /// The same number for the same text in every process (FNV-1a, 64 bits).
  static func hash(_ text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { $0.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
  }

  /// Whether an id may become part of names, rules and files: 1 to 64 letters, digits, `-` and `_`.
  static func isIdentifier(_ text: some StringProtocol) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
          || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
      }
  }

  /// An id as part of a name in nftables.
  static func rule(_ id: String) -> String { id.replacing("-", with: "_") }
}
