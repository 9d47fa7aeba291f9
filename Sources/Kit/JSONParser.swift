/// Why a text is not JSON: what is wrong and where.
public struct JSONSyntaxError: Error, CustomStringConvertible {
  public let reason: String
  /// Offset in bytes from the start of the text.
  public let offset: Int
  public var description: String { "\(reason) at byte \(offset)" }
}

/// A strict RFC 8259 parser over UTF-8 bytes, with a limit on depth because its input is hostile.
public struct JSONParser {
  private let bytes: [UInt8]
  private var at = 0
  private var depth = 0

  /// Parses one JSON text; anything but white space after it is an error.
  public static func parse(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSONValue {
    var parser = JSONParser(bytes: bytes)
    parser.skipSpace()
    let value = try parser.value()
    parser.skipSpace()
    guard parser.at == bytes.count else { throw parser.error("unexpected text after the JSON value") }
    return value
  }
  public static func parse(_ text: String) throws(JSONSyntaxError) -> JSONValue { try parse(Array(text.utf8)) }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private func error(_ reason: String) -> JSONSyntaxError { JSONSyntaxError(reason: reason, offset: at) }

  private mutating func skipSpace() {
    while at < bytes.count, case let byte = bytes[at], byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      at += 1
    }
  }

  private mutating func value() throws(JSONSyntaxError) -> JSONValue {
    guard at < bytes.count else { throw error("the text ends where a value was expected") }
    switch bytes[at] {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    default: return try number()
    }
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONSyntaxError) -> JSONValue {
    let end = at + text.utf8CodeUnitCount
    guard end <= bytes.count else { throw error("unknown word") }
    for index in 0..<text.utf8CodeUnitCount where bytes[at + index] != text.utf8Start[index] {
      throw error("unknown word")
    }
    at = end
    return value
  }

  private mutating func enter() throws(JSONSyntaxError) {
    depth += 1
    guard depth <= Limits.jsonDepthMax else { throw error("nested deeper than \(Limits.jsonDepthMax) levels") }
    at += 1
    skipSpace()
  }

  private mutating func object() throws(JSONSyntaxError) -> JSONValue {
    try enter()
    var members: [(key: String, value: JSONValue)] = []
    if at < bytes.count, bytes[at] == UInt8(ascii: "}") {
      at += 1
      depth -= 1
      return .object(JSONObject())
    }
    while true {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\"") else { throw error("an object's key must be a string") }
      let key = try string()
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: ":") else { throw error("':' expected after an object's key") }
      at += 1
      skipSpace()
      members.append((key, try value()))
      if try isLast(UInt8(ascii: "}")) { break }
    }
    depth -= 1
    return .object(JSONObject(deduplicating: members))
  }

  private mutating func array() throws(JSONSyntaxError) -> JSONValue {
    try enter()
    var values: [JSONValue] = []
    if at < bytes.count, bytes[at] == UInt8(ascii: "]") {
      at += 1
      depth -= 1
      return .array([])
    }
    while true {
      skipSpace()
      values.append(try value())
      if try isLast(UInt8(ascii: "]")) { break }
    }
    depth -= 1
    return .array(values)
  }

  /// After an element: consumes ',' (false) or `close` (true).
  private mutating func isLast(_ close: UInt8) throws(JSONSyntaxError) -> Bool {
    skipSpace()
    guard at < bytes.count else { throw error("the text ends inside an array or object") }
    let byte = bytes[at]
    at += 1
    if byte == close { return true }
    guard byte == UInt8(ascii: ",") else {
      at -= 1
      throw error("',' or the end of the array or object expected")
    }
    return false
  }

  private mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = at
    var isInteger = true
    if bytes[at] == UInt8(ascii: "-") { at += 1 }
    let firstDigit = at
    digits()
    guard at > firstDigit else {
      at = start
      throw error("a value was expected")
    }
    guard bytes[firstDigit] != UInt8(ascii: "0") || at == firstDigit + 1 else {
      throw error("a number may not start with 0")
    }
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      isInteger = false
      at += 1
      let fraction = at
      digits()
      guard at > fraction else { throw error("digits expected after '.'") }
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      isInteger = false
      at += 1
      if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
      let exponent = at
      digits()
      guard at > exponent else { throw error("digits expected in the exponent") }
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger, let value = Int(text) { return .int(value) }
    guard let value = Double(text), value.isFinite else { throw error("the number is out of range") }
    return .double(value)
  }

  private mutating func digits() {
    while at < bytes.count, bytes[at] >= UInt8(ascii: "0"), bytes[at] <= UInt8(ascii: "9") { at += 1 }
  }

  private mutating func string() throws(JSONSyntaxError) -> String {
    at += 1
    let start = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"), bytes[at] >= 0x20 {
      at += 1
    }
    guard at < bytes.count else { throw error("the text ends inside a string") }
    if bytes[at] == UInt8(ascii: "\"") {
      at += 1
      return try decode(bytes[start..<(at - 1)])
    }
    var buffer = Array(bytes[start..<at])
    while true {
      guard at < bytes.count else { throw error("the text ends inside a string") }
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        return try decode(buffer[...])
      case UInt8(ascii: "\\"):
        at += 1
        try escape(into: &buffer)
      case 0..<0x20: throw error("a control character in a string must be escaped")
      default:
        buffer.append(byte)
        at += 1
      }
    }
  }

  private func decode(_ slice: ArraySlice<UInt8>) throws(JSONSyntaxError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw error("a string is not valid UTF-8") }
    return text
  }

  private mutating func escape(into buffer: inout [UInt8]) throws(JSONSyntaxError) {
    guard at < bytes.count else { throw error("the text ends inside a string") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      let first = try hex4()
      var code = UInt32(first)
      if (0xD800..<0xDC00).contains(first) {
        guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u") else {
          throw error("half a surrogate pair")
        }
        at += 2
        let second = try hex4()
        guard (0xDC00..<0xE000).contains(second) else { throw error("half a surrogate pair") }
        code = 0x10000 + (UInt32(first - 0xD800) << 10) + UInt32(second - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("half a surrogate pair") }
      buffer.append(contentsOf: String(Character(scalar)).utf8)
    default: throw error("unknown escape in a string")
    }
  }

  private mutating func hex4() throws(JSONSyntaxError) -> UInt16 {
    guard at + 4 <= bytes.count, let value = UInt16(String(decoding: bytes[at..<(at + 4)], as: UTF8.self), radix: 16),
      bytes[at] != UInt8(ascii: "+"), bytes[at] != UInt8(ascii: "-")
    else { throw error("four hexadecimal digits expected after \\u") }
    at += 4
    return value
  }
}
