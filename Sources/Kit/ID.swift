/// The id of one kind of resource: ids of different kinds do not mix. The text is what clients see.
public struct ID<Entity>: Hashable, Sendable, Codable, CustomStringConvertible, Comparable {
  public let text: String

  public init(_ text: String) { self.text = text }
  public init(from decoder: any Decoder) throws { text = try decoder.singleValueContainer().decode(String.self) }
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }

  public var description: String { text }
  public static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

/// New ids and the check of their form.
public enum UUIDText {
  /// A random UUID (RFC 9562, version 4) with dashes, in lower case.
  public static func make() -> String { format(hex(), dashes: true) }
  /// A random UUID without dashes, as Identity uses.
  public static func makeHex() -> String { hex() }

  private static func hex() -> String {
    var generator = SystemRandomNumberGenerator()
    let high = (generator.next() & ~0xF000) | 0x4000
    let low = (generator.next() & ~(0xC << 60)) | (0x8 << 60)
    return pad(high) + pad(low)
  }
  private static func pad(_ value: UInt64) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
  private static func format(_ hex: String, dashes: Bool) -> String {
    var result = ""
    result.reserveCapacity(36)
    for (index, character) in hex.enumerated() {
      if index == 8 || index == 12 || index == 16 || index == 20 { result.append("-") }
      result.append(character)
    }
    return result
  }

  /// The dashed lower-case form of a UUID text with or without dashes, or nil when it is none.
  public static func canonical(_ text: String) -> String? {
    let hex = text.filter { $0 != "-" }
    guard hex.utf8.count == 32, text.utf8.count == 32 || text.utf8.count == 36,
      hex.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102) || ($0 >= 65 && $0 <= 70) })
    else { return nil }
    return format(hex.lowercased(), dashes: true)
  }
  /// Whether the text is a UUID with dashes.
  public static func isValid(_ text: String) -> Bool { text.utf8.count == 36 && canonical(text) != nil }
}
