/// A text that must not reach a log: printing it shows nothing of it.
public struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The text itself. Use it where it is needed, never in a message.
  public let value: String
  public init(_ value: String) { self.value = value }
  public var description: String { "***" }
  public var debugDescription: String { "***" }
  public var customMirror: Mirror { Mirror(self, children: []) }

  /// `count` random bytes in lower-case hexadecimal.
  public static func random(bytes count: Int) -> Secret {
    var generator = SystemRandomNumberGenerator()
    let digits = Array("0123456789abcdef")
    return Secret(
      String((0..<(count * 2)).map { _ in digits[Int.random(in: 0..<16, using: &generator)] }))
  }

  /// Compares without telling by its time how much of the text was right.
  public func equals(_ other: String) -> Bool {
    let (left, right) = (Array(value.utf8), Array(other.utf8))
    guard left.count == right.count else { return false }
    return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
