import Kit

/// A file as format inspection sees it: bytes at positions. Its content is hostile.
protocol ByteSource {
  /// Bytes in all.
  var size: Int { get }
  /// Up to `count` bytes from `offset`; fewer, or none, at the end.
  func read(at offset: Int, count: Int) throws -> [UInt8]
}

extension [UInt8]: ByteSource {
  var size: Int { count }
  func read(at offset: Int, count: Int) -> [UInt8] {
    guard offset >= 0, count > 0, offset < self.count else { return [] }
    return [UInt8](self[offset..<Swift.min(self.count, offset + count)])
  }
}

/// Numbers in a piece of a file. What lies outside the piece reads as zero, so that a short file is never an error.
struct ByteReader {
  let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private func value(_ offset: Int, _ width: Int, isBig: Bool) -> UInt64 {
    guard offset >= 0, offset + width <= bytes.count else { return 0 }
    var result: UInt64 = 0
    for index in 0..<width { result = result << 8 | UInt64(bytes[offset + (isBig ? index : width - 1 - index)]) }
    return result
  }
  func big64(_ offset: Int) -> UInt64 { value(offset, 8, isBig: true) }
  func big32(_ offset: Int) -> UInt32 { UInt32(value(offset, 4, isBig: true)) }
  func big16(_ offset: Int) -> UInt16 { UInt16(value(offset, 2, isBig: true)) }
  func little64(_ offset: Int) -> UInt64 { value(offset, 8, isBig: false) }
  func little32(_ offset: Int) -> UInt32 { UInt32(value(offset, 4, isBig: false)) }
  func little16(_ offset: Int) -> UInt16 { UInt16(value(offset, 2, isBig: false)) }
  func starts(with text: String, at offset: Int = 0) -> Bool {
    let wanted = Array(text.utf8)
    return offset + wanted.count <= bytes.count && bytes[offset..<offset + wanted.count].elementsEqual(wanted)
  }
}
