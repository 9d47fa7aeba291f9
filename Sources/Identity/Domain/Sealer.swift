import Crypto
import Foundation
import Kit

/// Seals bytes with AES-256-GCM under keys kept in files that only the owner may read. The newest key seals, all of them
/// open, so that a key is rotated by adding a file with a higher number.
struct Sealer: Sendable {
  /// Layout: version, number of the key, nonce (12 bytes), ciphertext, tag (16 bytes). The number has one byte in
  /// version 1, two in version 2.
  private static func header(_ number: UInt16) -> [UInt8] {
    number < 256 ? [1, UInt8(number)] : [2, UInt8(number >> 8), UInt8(number & 255)]
  }
  private static let nonceBytes = 12
  private static let tagBytes = 16

  private let purpose: [UInt8]
  private let keys: [UInt16: SymmetricKey]
  let newest: UInt16

  /// Reads `<purpose>-<number>.key` of the folder; makes the folder and the first key when there is none.
  static func load(directory: String, purpose: String) throws -> Sealer {
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var keys: [UInt16: SymmetricKey] = [:]
    for number in try numbers(directory, purpose) {
      let file = path(directory, purpose, number)
      let data = try Data(contentsOf: URL(fileURLWithPath: file))
      guard data.count == 32 else { throw Fault.internal("\(file) holds \(data.count) bytes instead of a key of 32.") }
      keys[number] = SymmetricKey(data: data)
    }
    if keys.isEmpty { keys[1] = try make(path(directory, purpose, 1)) }
    return Sealer(purpose: purpose, keys: keys)
  }

  private static func path(_ directory: String, _ purpose: String, _ number: UInt16) -> String {
    "\(directory)/\(purpose)-\(number).key"
  }

  /// The numbers of the keys that there are, in order.
  private static func numbers(_ directory: String, _ purpose: String) throws -> [UInt16] {
    try FileManager.default.contentsOfDirectory(atPath: directory).compactMap { name in
      guard name.hasPrefix(purpose + "-"), name.hasSuffix(".key") else { return nil }
      return UInt16(name.dropFirst(purpose.count + 1).dropLast(4))
    }.sorted()
  }

  /// Makes the next key.
  static func addKey(directory: String, purpose: String) throws {
    let last = try numbers(directory, purpose).last ?? 0
    guard last < .max else { throw Fault.internal("\(directory) has no number left for another \(purpose) key.") }
    _ = try make(path(directory, purpose, last + 1))
  }

  /// Removes the keys that were followed by another before `time` (nil: all but the newest).
  static func prune(directory: String, purpose: String, supersededBefore time: Timestamp?) throws {
    let all = try numbers(directory, purpose)
    for (number, next) in zip(all, all.dropFirst()) {
      let made = try FileManager.default.attributesOfItem(atPath: path(directory, purpose, next))[.modificationDate]
      guard let since = (made as? Date)?.timeIntervalSince1970 else { continue }
      if let time, since >= Double(time.seconds) { continue }
      try FileManager.default.removeItem(atPath: path(directory, purpose, number))
    }
  }

  init(purpose: String, keys: [UInt16: SymmetricKey]) {
    (self.purpose, self.keys) = (Array(purpose.utf8), keys)
    newest = keys.keys.max() ?? 0
  }

  private static func make(_ path: String) throws -> SymmetricKey {
    let key = SymmetricKey(size: .bits256)
    let descriptor = Foundation.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Fault.internal("cannot make \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let written = key.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    guard written == 32, fsync(descriptor) == 0 else {
      throw Fault.internal("cannot write \(path): \(String(cString: strerror(errno)))")
    }
    return key
  }

  private func context(_ header: [UInt8]) -> [UInt8] { purpose + header }

  func seal(_ bytes: [UInt8]) throws -> [UInt8] {
    guard let key = keys[newest] else { throw Fault.internal("there is no key to seal with") }
    let header = Self.header(newest)
    let box = try AES.GCM.seal(bytes, using: key, authenticating: context(header))
    guard let combined = box.combined else { throw Fault.internal("the sealed box has an unusual nonce") }
    return header + Array(combined)
  }

  /// What was sealed; nil for anything that was not, or that has been changed.
  func open(_ sealed: [UInt8]) -> [UInt8]? {
    let length = sealed.first == 2 ? 3 : 2
    guard sealed.count >= length + Self.nonceBytes + Self.tagBytes else { return nil }
    let number = length == 3 ? UInt16(sealed[1]) << 8 | UInt16(sealed[2]) : UInt16(sealed[1])
    let header = Array(sealed.prefix(length))
    guard header == Self.header(number), let key = keys[number],
      let box = try? AES.GCM.SealedBox(combined: sealed.dropFirst(length)),
      let opened = try? AES.GCM.open(box, using: key, authenticating: context(header))
    else { return nil }
    return Array(opened)
  }
}

/// Base 64 with the URL-safe alphabet and without padding (RFC 4648 §5).
enum Base64URL {
  private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }()

  static func encode(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count * 4 + 2) / 3)
    var (pending, bits) = (UInt32(0), 0)
    for byte in bytes {
      pending = pending << 8 | UInt32(byte)
      bits += 8
      while bits >= 6 {
        bits -= 6
        text.append(digits[Int(pending >> UInt32(bits) & 63)])
      }
    }
    if bits > 0 { text.append(digits[Int(pending << UInt32(6 - bits) & 63)]) }
    return String(decoding: text, as: UTF8.self)
  }

  /// nil for a text with other characters, or of a length that no bytes have.
  static func decode(_ text: String) -> [UInt8]? {
    guard text.utf8.count % 4 != 1 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count * 3 / 4)
    var (pending, bits) = (UInt32(0), 0)
    for digit in text.utf8 {
      let value = values[Int(digit)]
      if value == 255 { return nil }
      pending = pending << 6 | UInt32(value)
      bits += 6
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: pending >> UInt32(bits)))
      }
    }
    return bytes
  }
}
