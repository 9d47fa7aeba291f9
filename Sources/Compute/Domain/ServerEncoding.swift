import Foundation

/// Base64 (RFC 4648), as user data, injected files and seeds use it.
enum Base64 {
  static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
  /// The bytes, or nil when the text is not Base64. Line breaks are allowed.
  static func decode(_ text: String) -> [UInt8]? {
    let joined = text.contains(where: \.isWhitespace) ? text.filter { !$0.isWhitespace } : text
    return Data(base64Encoded: joined).map(Array.init)
  }
}

/// Generated passwords and other random texts.
enum RandomText {
  /// Letters and digits without those that look alike, at least one of each class, as Nova's `generate_password`.
  static func password(length: Int = 12) -> String {
    let classes = ["23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"].map(Array.init)
    let all = classes.flatMap { $0 }
    var generator = SystemRandomNumberGenerator()
    var characters = classes.compactMap { $0.randomElement(using: &generator) }
    while characters.count < length { characters += all.randomElement(using: &generator).map { [$0] } ?? [] }
    return String(characters.shuffled(using: &generator))
  }
  /// `r-` and eight characters.
  static func reservation() -> String {
    var generator = SystemRandomNumberGenerator()
    let characters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    return "r-" + String((0..<8).compactMap { _ in characters.randomElement(using: &generator) })
  }
  static func bytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
