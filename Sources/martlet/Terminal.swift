import Foundation

/// The terminal: results on standard output, everything else on standard error; both appear at once, also in a pipe.
enum Terminal {
  static func say(_ text: String) { write(text, .standardOutput) }
  /// A note that is no result.
  static func note(_ text: String) { write(text, .standardError) }

  private static func write(_ text: String, _ file: FileHandle) {
    // A reader that has gone away is no reason to fail.
    try? file.write(contentsOf: Data((text + "\n").utf8))
  }
}
