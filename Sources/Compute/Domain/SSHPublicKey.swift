import Crypto

/// Public keys in the form of `authorized_keys`: type, Base64 of the key's blob, comment (RFC 4253 §6.6, RFC 5656,
/// RFC 8709, OpenSSH's PROTOCOL.u2f).
enum SSHPublicKey {
  /// The blob of a well-formed key of a type that SSH servers take today, or nil.
  static func blob(_ text: String) -> [UInt8]? {
    let words = text.split(whereSeparator: { $0 == " " || $0 == "\t" || $0.isNewline })
    guard words.count >= 2, text.first?.isWhitespace == false, words[1].utf8.count % 4 == 0,
      let blob = Base64.decode(String(words[1])), isValid(blob, type: String(words[0]))
    else { return nil }
    return blob
  }

  /// MD5 over the blob, as `ssh-keygen -l -E md5` prints it.
  static func fingerprint(_ blob: [UInt8]) -> String { hexWithColons(Insecure.MD5.hash(data: blob)) }

  static func hexWithColons(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }

  private static func isValid(_ blob: [UInt8], type: String) -> Bool {
    var reader = SSHReader(bytes: blob)
    guard reader.text() == type else { return false }
    switch type {
    case "ssh-rsa":
      guard let exponent = reader.string(), let modulus = reader.string() else { return false }
      let bits = bitCount(modulus)
      return reader.isAtEnd && (1024...16_384).contains(bits) && bitCount(exponent) >= 2
        && exponent.last.map { $0 & 1 == 1 } == true && modulus.last.map { $0 & 1 == 1 } == true
    case "ssh-ed25519": return reader.string()?.count == 32 && reader.isAtEnd
    case "sk-ssh-ed25519@openssh.com":
      return reader.string()?.count == 32 && reader.string() != nil && reader.isAtEnd
    case "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521":
      return isPoint(&reader, curve: String(type.suffix(8))) && reader.isAtEnd
    case "sk-ecdsa-sha2-nistp256@openssh.com":
      return isPoint(&reader, curve: "nistp256") && reader.string() != nil && reader.isAtEnd
    default: return false
    }
  }

  private static func isPoint(_ reader: inout SSHReader, curve: String) -> Bool {
    guard reader.text() == curve, let point = reader.string() else { return false }
    switch curve {
    case "nistp256": return (try? P256.Signing.PublicKey(x963Representation: point)) != nil
    case "nistp384": return (try? P384.Signing.PublicKey(x963Representation: point)) != nil
    default: return (try? P521.Signing.PublicKey(x963Representation: point)) != nil
    }
  }

  /// Bits of a positive mpint (RFC 4251 §5); 0 for none, -1 for a negative one.
  private static func bitCount(_ mpint: [UInt8]) -> Int {
    guard let first = mpint.first else { return 0 }
    if first >= 128 { return -1 }
    let digits = mpint.drop { $0 == 0 }
    return digits.isEmpty ? 0 : digits.count * 8 - (digits.first?.leadingZeroBitCount ?? 0)
  }
}

/// Reads the strings of an SSH blob (RFC 4251 §5).
struct SSHReader {
  private let bytes: [UInt8]
  private var at = 0
  init(bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { at == bytes.count }
  mutating func string() -> [UInt8]? {
    guard bytes.count - at >= 4 else { return nil }
    let length = bytes[at..<(at + 4)].reduce(0) { $0 << 8 | Int($1) }
    guard length <= bytes.count - at - 4 else { return nil }
    defer { at += 4 + length }
    return Array(bytes[(at + 4)..<(at + 4 + length)])
  }
  mutating func text() -> String? { string().map { String(decoding: $0, as: UTF8.self) } }

  /// Writes strings as `string` reads them.
  static func write(_ strings: [[UInt8]]) -> [UInt8] {
    strings.flatMap { string in
      (0..<4).map { UInt8(truncatingIfNeeded: string.count >> (24 - 8 * $0)) } + string
    }
  }
}
