import Host
import Kit
import Logs
import Synchronization

/// What loading a rule set changed.
struct RuleChange: Sendable {
  /// Whether something may no longer be allowed.
  var takesAway: Bool
}

/// Loads rule sets into namespaces, each as one transaction of nft(8), and only when they are not there already.
final class RuleLoader: Sendable {
  private struct Loaded {
    var rules: RuleSet
    var generation: Int
  }
  private let loaded = Mutex<[String: Loaded]>([:])
  private let log: Log

  init(log: Log) { self.log = log }

  func forget(_ namespace: NetworkNamespace) { loaded.withLock { $0[namespace.name] = nil } }
  func forgetAll() { loaded.withLock { $0 = [:] } }

  /// Brings a namespace's (nil: the host's) rules to `rules`. `generation`: that of the picture of this pass; nil where
  /// others load rules too.
  func load(_ rules: RuleSet, in namespace: NetworkNamespace?, generation: Int?) async throws -> RuleChange {
    let key = namespace?.name ?? ""
    let known = loaded.withLock { $0[key] }
    if let known, known.generation == generation {
      if known.rules == rules { return RuleChange(takesAway: false) }
      if let script = rules.script(from: known.rules) {
        let output = try await run(script, namespace)
        if output.status == 0 {
          try await remember(rules, namespace)
          return RuleChange(takesAway: rules.takesAway(from: known.rules))
        }
        log.warning("a change of rules failed, all are loaded again: \(Self.message(output))")
      }
    } else if known == nil, try await isLoaded(rules, namespace) {
      // Loaded by an earlier process of ours, which may have ended before it ended the connections.
      try await remember(rules, namespace)
      return RuleChange(takesAway: true)
    }
    let output = try await run(rules.script, namespace)
    guard output.status == 0 else {
      throw Fault.internal("the rules of \(namespace?.name ?? "the host") cannot be loaded: \(Self.message(output))")
    }
    try await remember(rules, namespace)
    return RuleChange(takesAway: true)
  }

  private func run(_ script: String, _ namespace: NetworkNamespace?) async throws -> CommandOutput {
    try await Command(
      "nft", ["-f", "-"], input: Array(script.utf8), deadline: .seconds(120), namespace: namespace
    ).run()
  }

  private static func message(_ output: CommandOutput) -> String {
    String(decoding: output.stderr.prefix(1000), as: UTF8.self).split(separator: "\n").prefix(4).joined(separator: "; ")
  }

  /// Whether the kernel has exactly these rules: they name themselves.
  private func isLoaded(_ rules: RuleSet, _ namespace: NetworkNamespace?) async throws -> Bool {
    let words = rules.tables[0].split(separator: " ").map(String.init)
    return try await Command("nft", ["list", "chain"] + words + [rules.mark], namespace: namespace).run().status == 0
  }

  private func remember(_ rules: RuleSet, _ namespace: NetworkNamespace?) async throws {
    let generation =
      if let namespace { try await namespace.run { try NamespacePicture.generationHere() } } else { 0 }
    loaded.withLock { $0[namespace?.name ?? ""] = Loaded(rules: rules, generation: generation) }
  }
}
