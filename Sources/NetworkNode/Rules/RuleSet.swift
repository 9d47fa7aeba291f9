/// A set of nftables rules as a value: what is loaded and what should be are compared, and one transaction makes the
/// difference (nft(8)).
struct RuleSet: Sendable, Equatable {
  /// Such as `inet martlet`.
  var tables: [String]
  /// Declarations of the fixed sets, maps and base chains, in order.
  var declarations: [String] = []
  /// The rules of the base chains, in order.
  var baseRules: [String] = []
  /// Sets that come and go, by table and name: their type.
  var sets: [String: String] = [:]
  /// Chains that come and go, by table and name: their rules.
  var chains: [String: [String]] = [:]
  /// Elements of sets and maps, by table and name of the set.
  var elements: [String: Set<String>] = [:]

  /// Elements in one command, so that lines stay readable in errors.
  private static let elementsPerLine = 200

  /// The name of an empty chain that says in the kernel which rules are loaded: it changes in the same transaction.
  var mark: String {
    let lines = tables + declarations + baseRules
    let dynamic = sets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let rules = chains.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.joined(separator: ";"))" }
    let members = elements.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }
      .map { "\($0.key) \($0.value.sorted().joined(separator: ","))" }
    let text = (lines + dynamic + rules + members).joined(separator: "\n")
    return "loaded_" + String(KernelName.hash(text), radix: 16)
  }

  /// Replaces the tables as a whole, in one transaction.
  var script: String {
    var lines: [String] = []
    for table in tables { lines += ["add table \(table)", "delete table \(table)", "add table \(table)"] }
    lines += declarations
    lines += sets.sorted { $0.key < $1.key }.map { "add set \($0.key) { \($0.value) }" }
    lines += chains.keys.sorted().map { "add chain \($0)" }
    for (set, members) in elements.sorted(by: { $0.key < $1.key }) { lines += Self.change("add", set, members) }
    for (chain, rules) in chains.sorted(by: { $0.key < $1.key }) { lines += rules.map { "add rule \(chain) \($0)" } }
    lines += baseRules
    lines.append("add chain \(tables[0]) \(mark)")
    return lines.joined(separator: "\n") + "\n"
  }

  /// What makes `old` into these rules, in one transaction; nil when they differ in what does not come and go.
  func script(from old: RuleSet) -> String? {
    guard tables == old.tables, declarations == old.declarations, baseRules == old.baseRules,
      sets.allSatisfy({ old.sets[$0.key] == nil || old.sets[$0.key] == $0.value })
    else { return nil }
    var lines: [String] = []
    lines += sets.keys.filter { old.sets[$0] == nil }.sorted().map { "add set \($0) { \(sets[$0] ?? "") }" }
    lines += chains.keys.filter { old.chains[$0] == nil }.sorted().map { "add chain \($0)" }
    let touched = Set(elements.keys).union(old.elements.keys).sorted()
    for set in touched where sets[set] != nil || old.sets[set] == nil {
      lines += Self.change("delete", set, old.elements[set, default: []].subtracting(elements[set, default: []]))
    }
    for (chain, rules) in chains.sorted(by: { $0.key < $1.key }) where old.chains[chain] != rules {
      if old.chains[chain] != nil { lines.append("flush chain \(chain)") }
      lines += rules.map { "add rule \(chain) \($0)" }
    }
    for set in touched {
      lines += Self.change("add", set, elements[set, default: []].subtracting(old.elements[set, default: []]))
    }
    let goneChains = old.chains.keys.filter { chains[$0] == nil }.sorted()
    lines += goneChains.map { "flush chain \($0)" } + goneChains.map { "delete chain \($0)" }
    lines += old.sets.keys.filter { sets[$0] == nil }.sorted().map { "delete set \($0)" }
    lines += ["delete chain \(tables[0]) \(old.mark)", "add chain \(tables[0]) \(mark)"]
    return lines.joined(separator: "\n") + "\n"
  }

  /// Whether something that `old` allowed may no longer be allowed.
  func takesAway(from old: RuleSet) -> Bool {
    baseRules != old.baseRules
      || old.chains.contains { chain, rules in !Set(rules).subtracting(chains[chain] ?? []).isEmpty }
      || old.elements.contains { set, members in !members.isSubset(of: elements[set] ?? []) }
  }

  private static func change(_ verb: String, _ set: String, _ members: Set<String>) -> [String] {
    let all = members.sorted()
    return stride(from: 0, to: all.count, by: elementsPerLine).map { start in
      "\(verb) element \(set) { \(all[start..<min(all.count, start + elementsPerLine)].joined(separator: ", ")) }"
    }
  }
}
