import API
import Foundation
import Kit

/// The file of the form that is being worked on, while it arrives.
enum Upload {
  @TaskLocal static var file: BodyStream?
}

/// A form with a file (RFC 7578): fields first, then the file, which is passed on as it arrives.
enum Multipart {
  private static let fieldBytesMax = 256 << 10

  struct Content: Sendable {
    let fields: Query
    /// nil when no file was chosen.
    let file: BodyStream?
  }

  /// Reads the fields before the file. Throws a 400 fault for a form that is not one.
  static func read(_ call: HTTPCall) async throws -> Content {
    guard let type = call.headers["Content-Type"], let start = type.firstRange(of: "boundary=") else {
      throw Fault.badRequest("The form has no boundary.")
    }
    let boundary = type[start.upperBound...].prefix { $0 != ";" }.filter { $0 != "\"" }
    guard (1...200).contains(boundary.utf8.count) else { throw Fault.badRequest("The form's boundary is malformed.") }
    let reader = PartReader(call.body, delimiter: Array("\r\n--\(boundary)".utf8))
    var fields: [(String, String)] = []
    while let head = try await reader.nextPart() {
      let disposition = head.lowercased()
      let name = Self.parameter("name", head)
      if disposition.contains("filename=") {
        guard !Self.parameter("filename", head).isEmpty else { continue }
        return Content(fields: Query(fields), file: reader.fileBody())
      }
      fields.append((name, String(decoding: try await reader.collect(limit: fieldBytesMax), as: UTF8.self)))
      guard fields.count < 100 else { throw Fault.badRequest("The form has too many fields.") }
    }
    return Content(fields: Query(fields), file: nil)
  }

  private static func parameter(_ name: String, _ head: String) -> String {
    guard let start = head.firstRange(of: " \(name)=\"") else { return "" }
    return String(head[start.upperBound...].prefix { $0 != "\"" })
  }
}

/// Cuts a multipart body at its delimiters. One task reads it, piece after piece.
private final class PartReader: @unchecked Sendable {
  private var source: BodyStream.Iterator
  private let delimiter: [UInt8]
  /// What has arrived and is not given out. The text before the first delimiter counts as a part without a head.
  private var buffer: [UInt8] = Array("\r\n".utf8)
  private var isAtEnd = false
  private var isInPart = true

  init(_ body: BodyStream, delimiter: [UInt8]) { (source, self.delimiter) = (body.makeAsyncIterator(), delimiter) }

  /// The head of the next part, the rest of this one thrown away; nil after the last.
  func nextPart() async throws -> String? {
    while isInPart { _ = try await chunk() }
    while buffer.count < 2 { guard try await fill() else { return nil } }
    if buffer.starts(with: Array("--".utf8)) { return nil }
    let end = Array("\r\n\r\n".utf8)
    while buffer.firstRange(of: end) == nil {
      guard buffer.count < 16 << 10, try await fill() else { throw Fault.badRequest("The form is malformed.") }
    }
    guard let range = buffer.firstRange(of: end) else { return nil }
    let head = String(decoding: buffer[..<range.lowerBound], as: UTF8.self)
    buffer.removeFirst(range.upperBound)
    isInPart = true
    return head
  }

  func collect(limit: Int) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let piece = try await chunk() {
      bytes += piece
      guard bytes.count <= limit else { throw Fault(413, "A field of the form is too long.") }
    }
    return bytes
  }

  func fileBody() -> BodyStream { BodyStream(Pieces(reader: self), length: nil) }

  struct Pieces: AsyncSequence, Sendable {
    let reader: PartReader
    struct AsyncIterator: AsyncIteratorProtocol {
      let reader: PartReader
      mutating func next() async throws -> [UInt8]? { try await reader.chunk() }
    }
    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader) }
  }

  /// Some more of the part that is being read; nil at its end.
  func chunk() async throws -> [UInt8]? {
    guard isInPart else { return nil }
    while true {
      if let range = delimiterRange() {
        let piece = Array(buffer[..<range.lowerBound])
        buffer.removeFirst(range.upperBound)
        isInPart = false
        return piece.isEmpty ? nil : piece
      }
      let safe = buffer.count - delimiter.count
      if safe > 0 {
        let piece = Array(buffer[..<safe])
        buffer.removeFirst(safe)
        return piece
      }
      guard try await fill() else { throw Fault.badRequest("The form ends too early.") }
    }
  }

  /// memchr(3) finds the few places where it could be.
  private func delimiterRange() -> Range<Int>? {
    buffer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      var at = 0
      while at + delimiter.count <= bytes.count {
        guard let hit = memchr(base + at, CInt(delimiter[0]), bytes.count - at) else { return nil }
        at = UnsafeRawPointer(hit) - base
        guard at + delimiter.count <= bytes.count else { return nil }
        if memcmp(base + at, delimiter, delimiter.count) == 0 { return at..<(at + delimiter.count) }
        at += 1
      }
      return nil
    }
  }

  private func fill() async throws -> Bool {
    guard !isAtEnd, let piece = try await source.next() else {
      isAtEnd = true
      return false
    }
    buffer += piece
    return true
  }
}
