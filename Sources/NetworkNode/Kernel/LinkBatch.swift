import Host
import Kit

/// A line for `ip -batch` (ip(8)), with the id of the resource for which it is: its failure is that resource's.
struct BatchLine: Sendable, Equatable {
  var text: String
  var owner: String
  init(_ text: String, for owner: String) { (self.text, self.owner) = (text, owner) }
}

/// Runs many `ip` commands by one process.
enum LinkBatch {
  /// Runs all lines, those after a failed one too. Returns messages by owner.
  static func run(_ lines: [BatchLine], in namespace: NetworkNamespace?) async throws -> [String: String] {
    if lines.isEmpty { return [:] }
    let input = lines.map { $0.text + "\n" }.joined()
    let output = try await Command(
      "ip", ["-force", "-batch", "-"], input: Array(input.utf8),
      deadline: .seconds(30) + .milliseconds(50) * lines.count, namespace: namespace
    ).run()
    if output.status == 0 { return [:] }
    return failures(in: String(decoding: output.stderr, as: UTF8.self), lines)
  }

  /// Reads ip's messages: what went wrong, then `Command failed FILE:LINE`.
  static func failures(in errors: String, _ lines: [BatchLine]) -> [String: String] {
    var result: [String: String] = [:]
    var reason: [Substring] = []
    for line in errors.split(separator: "\n") {
      guard line.hasPrefix("Command failed"), let number = line.split(separator: ":").last.flatMap({ Int($0) }),
        (1...lines.count).contains(number)
      else {
        reason.append(line)
        continue
      }
      let failed = lines[number - 1]
      let text = "'ip \(failed.text)': \(reason.joined(separator: " "))"
      result[failed.owner] = result[failed.owner].map { "\($0); \(text)" } ?? text
      reason = []
    }
    if result.isEmpty { result[""] = errors.isEmpty ? "ip failed without a message" : errors }
    return result
  }
}
