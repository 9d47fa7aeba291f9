import Foundation
import Kit

/// A POSIX extended regular expression (regex(7)) from a list's filter: matched without regard to case, as upstream's
/// database does. glibc matches without backtracking when there are no back-references, so those are refused.
final class ServerPattern {
  private var compiled = regex_t()

  /// Throws a 400 fault for a text that is no expression, or one that would cost too much.
  init(_ text: String, filter: String) throws {
    func refuse(_ reason: String) -> Fault {
      .badRequest("Invalid input for query parameters \(filter). Value: \(text.prefix(80)). \(reason)")
    }
    let bytes = Array(text.utf8)
    guard bytes.count <= 255 else { throw refuse("A regular expression has at most 255 characters.") }
    guard !zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0x5C && (48...57).contains($1) }) else {
      throw refuse("Back-references are not supported.")
    }
    let bounds = bytes.split(separator: UInt8(ascii: "{"), omittingEmptySubsequences: false).dropFirst()
    guard bounds.count <= 1, bounds.allSatisfy({ $0.prefix { $0 != 0x7D && $0 != 0x2C }.count <= 3 }) else {
      throw refuse("At most one bound {m,n} of at most three digits is supported.")
    }
    // An empty expression matches everything; POSIX leaves it open.
    guard regcomp(&compiled, text.isEmpty ? ".*" : text, REG_EXTENDED | REG_NOSUB | REG_ICASE) == 0 else {
      throw refuse("It is not a regular expression.")
    }
  }
  deinit { regfree(&compiled) }

  func matches(_ text: String) -> Bool { regexec(&compiled, text, 0, nil, 0) == 0 }
}
