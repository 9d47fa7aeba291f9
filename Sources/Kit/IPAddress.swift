/// An IPv4 or IPv6 address as a number. IPv4 lives in the low 32 bits.
public struct IPAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let value: UInt128
  public let isV6: Bool

  public init(value: UInt128, isV6: Bool) { (self.value, self.isV6) = (value, isV6) }
  /// 4 or 6.
  public var version: Int { isV6 ? 6 : 4 }
  public var bits: Int { isV6 ? 128 : 32 }

  /// Reads dotted-quad IPv4 or IPv6 text (RFC 4291 §2.2); nil when it is neither.
  public init?(_ text: some StringProtocol) {
    if text.contains(":") {
      guard let value = Self.parse6(String(text)) else { return nil }
      self.init(value: value, isV6: true)
    } else {
      guard let value = Self.parse4(text) else { return nil }
      self.init(value: UInt128(value), isV6: false)
    }
  }

  private static func parse4(_ text: some StringProtocol) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }),
        part.utf8.count == 1 || part.utf8.first != 48, let byte = UInt8(part)
      else { return nil }
      value = value << 8 | UInt32(byte)
    }
    return value
  }

  private static func parse6(_ text: String) -> UInt128? {
    var text = text
    if let colon = text.lastIndex(of: ":"), text[colon...].contains(".") {
      guard let four = parse4(text[text.index(after: colon)...]) else { return nil }
      text = text[...colon] + String(four >> 16, radix: 16) + ":" + String(four & 0xFFFF, radix: 16)
    }
    var halves: [[UInt128]] = []
    var rest = Substring(text)
    while true {
      let gap = rest.firstRange(of: "::")
      let part = gap.map { rest[..<$0.lowerBound] } ?? rest
      var groups: [UInt128] = []
      if !part.isEmpty {
        for group in part.split(separator: ":", omittingEmptySubsequences: false) {
          guard (1...4).contains(group.utf8.count), group.first != "+", group.first != "-",
            let value = UInt16(group, radix: 16)
          else { return nil }
          groups.append(UInt128(value))
        }
      }
      halves.append(groups)
      guard let gap else { break }
      rest = rest[gap.upperBound...]
    }
    let count = halves.reduce(0) { $0 + $1.count }
    guard (halves.count == 1 && count == 8) || (halves.count == 2 && count < 8) else { return nil }
    let groups = halves[0] + Array(repeating: 0, count: 8 - count) + (halves.count == 2 ? halves[1] : [])
    return groups.reduce(0) { $0 << 16 | $1 }
  }

  /// The canonical text (RFC 5952 for IPv6).
  public var description: String {
    if !isV6 { return [24, 16, 8, 0].map { String(value >> $0 & 0xFF) }.joined(separator: ".") }
    let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> (112 - 16 * $0)) }
    var (best, bestLength, index) = (0, 1, 0)
    while index < 8 {
      var end = index
      while end < 8, groups[end] == 0 { end += 1 }
      if end - index > bestLength { (best, bestLength) = (index, end - index) }
      index = max(end, index + 1)
    }
    func join(_ slice: ArraySlice<UInt16>) -> String { slice.map { String($0, radix: 16) }.joined(separator: ":") }
    return bestLength < 2 ? join(groups[...]) : join(groups[..<best]) + "::" + join(groups[(best + bestLength)...])
  }

  public static func < (left: IPAddress, right: IPAddress) -> Bool {
    left.isV6 == right.isV6 ? left.value < right.value : right.isV6
  }
  public func advanced(by offset: Int) -> IPAddress {
    IPAddress(value: offset >= 0 ? value &+ UInt128(offset) : value &- UInt128(-offset), isV6: isV6)
  }
}

/// A network in CIDR notation: its address bits below the prefix are zero.
public struct CIDR: Sendable, Hashable, CustomStringConvertible {
  public let network: IPAddress
  public let prefix: Int

  /// Masks the host bits away.
  public init(_ address: IPAddress, prefix: Int) {
    let hostBits = address.bits - prefix
    let value = hostBits >= 128 ? 0 : (address.value >> UInt128(hostBits)) << UInt128(hostBits)
    network = IPAddress(value: value, isV6: address.isV6)
    self.prefix = prefix
  }
  /// Reads `address/prefix`, or a bare address as a host's network; nil when it is neither.
  public init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard let address = parts.first.flatMap({ IPAddress($0) }) else { return nil }
    switch parts.count {
    case 1: self.init(address, prefix: address.bits)
    case 2:
      guard let prefix = Int(parts[1]), (0...address.bits).contains(prefix),
        parts[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 })
      else { return nil }
      self.init(address, prefix: prefix)
    default: return nil
    }
  }

  public var isV6: Bool { network.isV6 }
  public var hostBits: Int { network.bits - prefix }
  /// The last address: the broadcast address of an IPv4 network.
  public var last: IPAddress {
    let mask: UInt128 = hostBits >= 128 ? .max : (1 << UInt128(hostBits)) - 1
    return IPAddress(value: network.value | mask, isV6: isV6)
  }
  /// `255.255.255.0` for a /24.
  public var netmask: IPAddress {
    CIDR(IPAddress(value: isV6 ? .max : 0xFFFF_FFFF, isV6: isV6), prefix: prefix).network
  }
  public func contains(_ address: IPAddress) -> Bool {
    address.isV6 == isV6 && network <= address && address <= last
  }
  public func contains(_ other: CIDR) -> Bool { other.prefix >= prefix && contains(other.network) }
  public func overlaps(_ other: CIDR) -> Bool { contains(other.network) || other.contains(network) }
  public var description: String { "\(network)/\(prefix)" }
}
