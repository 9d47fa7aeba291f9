/// Writes JSON (RFC 8259) straight to UTF-8 bytes.
///
/// A list of a thousand servers is two megabytes in a hundred thousand pieces: they go into memory of its own without a
/// check of uniqueness and bounds for each, as an array would make.
public struct JSONWriter: ~Copyable {
  private var start: UnsafeMutablePointer<UInt8>
  private var count = 0
  private var capacity: Int

  public init(capacity: Int = 512) {
    self.capacity = max(capacity, 64)
    start = .allocate(capacity: self.capacity)
  }
  deinit { start.deallocate() }

  public var bytes: [UInt8] { Array(UnsafeBufferPointer(start: start, count: count)) }
  public var text: String { String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) }

  public mutating func write(_ value: JSONValue) {
    switch value {
    case .null: raw("null")
    case .bool(let value): raw(value ? "true" : "false")
    case .int(let value): write(value)
    case .double(let value): raw(value.isFinite ? value.description : "null")
    case .string(let value): write(value)
    case .array(let values):
      raw("[")
      for index in values.indices {
        if index > 0 { raw(", ") }
        write(values[index])
      }
      raw("]")
    case .object(let object):
      raw("{")
      for index in object.members.indices {
        if index > 0 { raw(", ") }
        write(object.members[index].key)
        raw(": ")
        write(object.members[index].value)
      }
      raw("}")
    }
  }

  /// Makes room for `more` bytes.
  private mutating func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    let larger = max(capacity * 2, count + more)
    let new = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    new.update(from: start, count: count)
    start.deallocate()
    (start, capacity) = (new, larger)
  }

  private mutating func append(_ source: UnsafePointer<UInt8>, _ length: Int) {
    (start + count).update(from: source, count: length)
    count += length
  }

  private mutating func raw(_ text: StaticString) {
    reserve(text.utf8CodeUnitCount)
    append(text.utf8Start, text.utf8CodeUnitCount)
  }

  private mutating func raw(_ text: String) {
    var text = text
    text.withUTF8 { buffer in
      reserve(buffer.count)
      if let first = buffer.baseAddress { append(first, buffer.count) }
    }
  }

  private mutating func write(_ value: Int) {
    guard value >= 0, value < 10 else { return raw(value.description) }
    reserve(1)
    start[count] = UInt8(48 + value)
    count += 1
  }

  private mutating func write(_ text: String) {
    var text = text
    text.withUTF8 { buffer in
      // Each byte takes six at most, written as \u00XX.
      reserve(buffer.count * 6 + 2)
      start[count] = UInt8(ascii: "\"")
      var at = count + 1
      var clean = 0
      for index in buffer.indices where buffer[index] < 0x20 || buffer[index] == 0x22 || buffer[index] == 0x5C {
        at = copy(buffer, from: clean, to: index, at)
        at = escape(buffer[index], at)
        clean = index + 1
      }
      at = copy(buffer, from: clean, to: buffer.count, at)
      start[at] = UInt8(ascii: "\"")
      count = at + 1
    }
  }

  private func copy(_ buffer: UnsafeBufferPointer<UInt8>, from first: Int, to end: Int, _ position: Int) -> Int {
    guard end > first, let base = buffer.baseAddress else { return position }
    (start + position).update(from: base + first, count: end - first)
    return position + end - first
  }

  /// Writes the escape of `byte` at `position`; returns the position after it.
  private func escape(_ byte: UInt8, _ position: Int) -> Int {
    start[position] = UInt8(ascii: "\\")
    let short: UInt8
    switch byte {
    case 0x22, 0x5C: short = byte
    case 0x0A: short = UInt8(ascii: "n")
    case 0x0D: short = UInt8(ascii: "r")
    case 0x09: short = UInt8(ascii: "t")
    default:
      let digits: StaticString = "0123456789abcdef"
      let code: [UInt8] = [0x75, 0x30, 0x30, digits.utf8Start[Int(byte >> 4)], digits.utf8Start[Int(byte & 15)]]
      for (index, byte) in code.enumerated() { start[position + 1 + index] = byte }
      return position + 6
    }
    start[position + 1] = short
    return position + 2
  }
}

extension JSONWriter {
  /// What is written so far, without a copy, for as long as `body` runs.
  public borrowing func withBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
    try body(UnsafeBufferPointer(start: start, count: count))
  }
}

extension JSONValue {
  /// This value as compact JSON text in UTF-8.
  public var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.write(self)
    return writer.bytes
  }
  /// This value as JSON text.
  public var text: String {
    var writer = JSONWriter()
    writer.write(self)
    return writer.text
  }
}
