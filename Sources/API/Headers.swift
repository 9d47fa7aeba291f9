/// HTTP header fields: names without regard to case, in order, repeatable.
public struct Headers: Sendable, ExpressibleByDictionaryLiteral {
  public private(set) var fields: [(name: String, value: String)] = []
  public init() {}
  public init(_ fields: [(String, String)]) { self.fields = fields.map { (name: $0.0, value: $0.1) } }
  public init(dictionaryLiteral elements: (String, String)...) { self.init(elements) }

  /// The first value of a field; setting replaces all its values.
  public subscript(name: String) -> String? {
    get {
      let wanted = name.lowercased()
      return fields.first { $0.name.lowercased() == wanted }?.value
    }
    set {
      let wanted = name.lowercased()
      fields.removeAll { $0.name.lowercased() == wanted }
      if let newValue { fields.append((name, newValue)) }
    }
  }
  public func all(_ name: String) -> [String] {
    let wanted = name.lowercased()
    return fields.filter { $0.name.lowercased() == wanted }.map(\.value)
  }
  public mutating func add(_ name: String, _ value: String) { fields.append((name, value)) }
}

/// The items of a query string, in order, repeatable.
public struct Query: Sendable {
  public let items: [(name: String, value: String)]
  public init(_ items: [(String, String)]) { self.items = items.map { (name: $0.0, value: $0.1) } }

  /// Reads `a=1&b=two%20words`.
  public init(text: String) {
    items = text.split(separator: "&").map { pair in
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      func decode(_ part: Substring) -> String { Percent.decode(String(part).replacing("+", with: " ")) }
      return (name: decode(parts[0]), value: parts.count > 1 ? decode(parts[1]) : "")
    }
  }
  public subscript(name: String) -> String? { items.first { $0.name == name }?.value }
  public func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }
  public func contains(_ name: String) -> Bool { items.contains { $0.name == name } }
  /// As query text, encoded, without `names`.
  public func text(without names: Set<String> = []) -> String {
    items.filter { !names.contains($0.name) }.map { Percent.encode($0.name) + "=" + Percent.encode($0.value) }
      .joined(separator: "&")
  }
}

/// Percent-encoding (RFC 3986 §2.1).
public enum Percent {
  /// Decodes; a broken escape stays as it is, and bytes that are not UTF-8 become U+FFFD.
  public static func decode(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var at = 0
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count, let high = hex(bytes[at + 1]),
        let low = hex(bytes[at + 2])
      {
        result.append(high << 4 | low)
        at += 3
      } else {
        result.append(bytes[at])
        at += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
  private static func hex(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 65...70: byte - 55
    case 97...102: byte - 87
    default: nil
    }
  }
  /// Encodes everything but unreserved characters.
  public static func encode(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
      default: result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return result
  }
}
