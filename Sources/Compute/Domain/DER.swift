/// The Distinguished Encoding Rules of ASN.1 (X.690), as far as certificates and key stores need them.
enum DER {
  static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    var length: [UInt8] = []
    if content.count < 128 {
      length = [UInt8(content.count)]
    } else {
      var rest = content.count
      while rest > 0 {
        length.insert(UInt8(truncatingIfNeeded: rest), at: 0)
        rest >>= 8
      }
      length.insert(0x80 | UInt8(length.count), at: 0)
    }
    return [tag] + length + content
  }
  static func sequence(_ parts: [[UInt8]]) -> [UInt8] { value(0x30, parts.flatMap { $0 }) }
  static func set(_ parts: [[UInt8]]) -> [UInt8] { value(0x31, parts.flatMap { $0 }) }
  /// A non-negative integer from its big-endian bytes.
  static func integer(_ bytes: [UInt8]) -> [UInt8] {
    let digits = Array(bytes.drop { $0 == 0 })
    return value(0x02, digits.first.map { $0 >= 128 } ?? true ? [0] + digits : digits)
  }
  static func octets(_ bytes: [UInt8]) -> [UInt8] { value(0x04, bytes) }
  static func bits(_ bytes: [UInt8]) -> [UInt8] { value(0x03, [0] + bytes) }
  static func utf8(_ text: String) -> [UInt8] { value(0x0C, Array(text.utf8)) }
  static let null: [UInt8] = [0x05, 0x00]
  /// A constructed value under a context tag.
  static func tagged(_ number: UInt8, _ content: [UInt8]) -> [UInt8] { value(0xA0 | number, content) }
  /// `1.2.840.113549.1.1.11`
  static func oid(_ text: String) -> [UInt8] {
    let arcs = text.split(separator: ".").compactMap { Int($0) }
    guard arcs.count > 1 else { return value(0x06, []) }
    return value(0x06, [UInt8(arcs[0] * 40 + arcs[1])] + arcs.dropFirst(2).flatMap(base128))
  }
  private static func base128(_ number: Int) -> [UInt8] {
    var digits = [UInt8(number & 127)]
    var rest = number >> 7
    while rest > 0 {
      digits.insert(UInt8(rest & 127) | 128, at: 0)
      rest >>= 7
    }
    return digits
  }

  /// The tag and content of the value at the start of `bytes`, and what follows it; nil when it is not well-formed.
  static func read(_ bytes: ArraySlice<UInt8>) -> (tag: UInt8, content: ArraySlice<UInt8>, rest: ArraySlice<UInt8>)? {
    var rest = bytes
    guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
    var length = Int(first)
    if first >= 128 {
      guard (1...4).contains(Int(first) - 128) else { return nil }
      length = 0
      for _ in 0..<(Int(first) - 128) {
        guard let digit = rest.popFirst() else { return nil }
        length = length << 8 | Int(digit)
      }
    }
    guard length <= rest.count else { return nil }
    return (tag, rest.prefix(length), rest.dropFirst(length))
  }
  /// The values in a constructed value's content; nil when they are not well-formed.
  static func parts(_ content: ArraySlice<UInt8>) -> [(tag: UInt8, content: ArraySlice<UInt8>)]? {
    var parts: [(tag: UInt8, content: ArraySlice<UInt8>)] = []
    var rest = content
    while !rest.isEmpty {
      guard let part = read(rest) else { return nil }
      parts.append((part.tag, part.content))
      rest = part.rest
    }
    return parts
  }
}
