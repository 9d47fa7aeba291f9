import Crypto
import Kit

/// Time-based one-time passwords (RFC 6238): six digits, SHA-1, thirty seconds each, as upstream's method `totp`.
enum OneTimePassword {
  static let period = 30
  /// Windows before the present one that still count, for clocks that differ (upstream's included_previous_windows).
  static let previousWindows = 1

  /// Whether the passcode is one of the secret's; a text that is no base 32 has none.
  static func fits(_ passcode: String, secret text: String, now: Timestamp) -> Bool {
    guard let key = Base32.decode(text), !key.isEmpty else { return false }
    let window = now.seconds / period
    return (0...previousWindows).reduce(false) { found, back in
      Secret(code(key, window - back)).equals(passcode) || found
    }
  }

  /// The code of a window (RFC 4226 §5.3).
  static func code(_ key: [UInt8], _ window: Int) -> String {
    let counter = (0..<8).map { UInt8(truncatingIfNeeded: window >> (56 - 8 * $0)) }
    let hash = Array(HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: key)))
    let offset = Int(hash[hash.count - 1] & 15)
    let value = hash[offset..<(offset + 4)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7fff_ffff
    let digits = String(value % 1_000_000)
    return String(repeating: "0", count: 6 - digits.count) + digits
  }
}

/// Base 32 (RFC 4648 §6), with or without padding.
enum Base32 {
  static func decode(_ text: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    var (pending, bits) = (UInt32(0), 0)
    for digit in text.utf8 where digit != UInt8(ascii: "=") {
      let value: UInt8
      switch digit {
      case 65...90: value = digit - 65
      case 50...55: value = digit - 50 + 26
      default: return nil
      }
      pending = pending << 5 | UInt32(value)
      bits += 5
      if bits >= 8 {
        bits -= 8
        bytes.append(UInt8(truncatingIfNeeded: pending >> UInt32(bits)))
      }
    }
    return bytes
  }
}
