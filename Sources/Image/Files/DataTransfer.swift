import API
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// Moves bodies of requests into files, and files into bodies of responses, in pieces and with back-pressure.
enum DataTransfer {
  /// Bytes that are gathered before they are written: fewer hops between threads.
  private static let writeBytes = 512 << 10

  /// Writes a body into a new file. Throws 413 past `limit`, 400 when the body ends before its announced length or the
  /// client goes away; the file is removed then.
  static func receive(_ body: BodyStream, into path: String, limit: Int) async throws -> WrittenData {
    if let length = body.length, length > limit { throw tooLarge(limit) }
    do {
      let writer = try await FileWork.run { try DataWriter(path: path) }
      var pending: [UInt8] = []
      for try await piece in body {
        pending += piece
        guard writer.size + pending.count <= limit else { throw tooLarge(limit) }
        if pending.count >= writeBytes {
          let full = pending
          pending = []
          try await FileWork.run { try writer.append(full) }
        }
      }
      let rest = pending
      if let length = body.length, length != writer.size + rest.count {
        throw Fault.badRequest("The upload ended after \(writer.size + rest.count) of \(length) bytes.")
      }
      return try await FileWork.run {
        try writer.append(rest)
        return try writer.finish()
      }
    } catch {
      // The task may be cancelled with its client; FileWork does not mind.
      try? await FileWork.run { try FilePath.remove(path) }
      if let error = error as? FileError { throw error.fault }
      // What else can fail is the body: its client is gone, or broke the framing.
      throw error as? Fault ?? Fault.badRequest("The upload broke off before its end.")
    }
  }
  private static func tooLarge(_ limit: Int) -> Fault {
    Fault(413, "The incoming image is too large: at most \(limit) bytes are taken.")
  }

  /// Copies a file of this node into a new one, hashing it.
  static func copy(_ source: String, into path: String) throws -> WrittenData {
    let input = try OpenFile(source, flags: O_RDONLY)
    do {
      let writer = try DataWriter(path: path)
      while true {
        let bytes = try input.read(at: writer.size, count: 1 << 20)
        if bytes.isEmpty { return try writer.finish() }
        try writer.append(bytes)
      }
    } catch {
      try? FilePath.remove(path)
      throw (error as? FileError)?.fault ?? error
    }
  }

  /// A part of a file as a response's body. The file is open from now on, so deleting it does not break the download.
  static func send(_ path: String, range: Range<Int>) async throws -> BodyStream {
    let file = try await FileWork.run { try OpenFile(path, flags: O_RDONLY) }
    return BodyStream(FilePieces(file: file, range: range), length: range.count)
  }
}

/// The pieces of a part of a file; each is read when it is asked for.
struct FilePieces: AsyncSequence, Sendable {
  let file: OpenFile
  let range: Range<Int>

  struct Iterator: AsyncIteratorProtocol {
    let file: OpenFile
    var at: Int
    let end: Int

    mutating func next() async throws -> [UInt8]? {
      guard at < end else { return nil }
      let (file, offset, count) = (file, at, Swift.min(Limits.streamChunkBytes, end - at))
      let bytes = try await FileWork.run { try file.read(at: offset, count: count) }
      guard !bytes.isEmpty else { throw Fault.internal("\(file.path) ends before its recorded size") }
      at += bytes.count
      return bytes
    }
  }
  func makeAsyncIterator() -> Iterator { Iterator(file: file, at: range.lowerBound, end: range.upperBound) }
}

/// The part of the data that a download asks for (RFC 9110 §14.2).
enum RangeRequest {
  /// The bytes of `size`, and whether they are a part. Throws a 416 fault for a range that is malformed or outside.
  static func parse(_ header: String?, size: Int) throws -> (range: Range<Int>, isPart: Bool) {
    guard let header else { return (0..<size, false) }
    func refuse() -> Fault {
      Fault(
        416, "Invalid range '\(header.prefix(80))' for \(size) bytes.", headers: ["Content-Range": "bytes */\(size)"])
    }
    guard header.lowercased().hasPrefix("bytes=") else { throw refuse() }
    let parts = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { $0 >= 48 && $0 <= 57 } }) else { throw refuse() }
    if parts[0].isEmpty {
      guard let count = Int(parts[1]), count > 0, size > 0 else { throw refuse() }
      return (max(0, size - count)..<size, true)
    }
    guard let start = Int(parts[0]), start < size else { throw refuse() }
    if parts[1].isEmpty { return (start..<size, true) }
    guard let last = Int(parts[1]), last >= start else { throw refuse() }
    return (start..<min(size, last == Int.max ? size : last + 1), true)
  }
}
