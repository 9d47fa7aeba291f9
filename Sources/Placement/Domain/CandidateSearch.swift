import Kit

/// Every provider with what it has, as one query needs them.
struct ProviderSnapshot: Sendable {
  var providers: [Provider]
  var inventories: [String: [String: Inventory]]
  var used: [String: [String: Int]]
  var traits: [String: Set<String>]
  var aggregates: [String: Set<String>]

  func fits(_ provider: String, _ resourceClass: String, _ amount: Int, beside more: Int = 0) -> Bool {
    guard let inventory = inventories[provider]?[resourceClass] else { return false }
    return inventory.violation(amount) == nil
      && (used[provider]?[resourceClass] ?? 0) + more + amount <= inventory.capacity
  }
  func hasTraits(_ provider: String, required: [Set<String>], forbidden: Set<String>) -> Bool {
    let traits = traits[provider] ?? []
    return required.allSatisfy { !$0.isDisjoint(with: traits) } && traits.isDisjoint(with: forbidden)
  }
  func isMember(_ provider: String, of required: [Set<String>], forbidden: Set<String>) -> Bool {
    let aggregates = aggregates[provider] ?? []
    return required.allSatisfy { !$0.isDisjoint(with: aggregates) } && aggregates.isDisjoint(with: forbidden)
  }
}

/// One way to serve a query: who gives what.
struct Candidate: Sendable, Equatable {
  /// Provider → class → amount.
  var allocations: [String: [String: Int]] = [:]
  /// Suffix → providers.
  var mappings: [String: Set<String>] = [:]
}

/// Finds the candidates of a query: tree by tree, group by group.
struct CandidateSearch {
  /// Candidates of a tree are not counted further than this: the number of combinations grows with every group.
  static let combinationsMax = 10_000

  private let snapshot: ProviderSnapshot
  private let query: CandidateQuery
  private let isNestedAware: Bool
  private let byID: [String: Provider]

  init(_ snapshot: ProviderSnapshot, _ query: CandidateQuery, isNestedAware: Bool) {
    (self.snapshot, self.query, self.isNestedAware) = (snapshot, query, isNestedAware)
    byID = Dictionary(snapshot.providers.map { ($0.id, $0) }) { first, _ in first }
  }

  /// The candidates, at most the query's limit.
  func run() -> [Candidate] {
    let limit = min(query.limit ?? Self.combinationsMax, Self.combinationsMax)
    let trees = Dictionary(grouping: snapshot.providers, by: \.rootID)
    let sharing = snapshot.providers.filter { snapshot.traits[$0.id]?.contains(Trait.sharing) == true }
    var found: [Candidate] = []
    for root in snapshot.providers where root.parentID == nil {
      guard snapshot.hasTraits(root.id, required: query.rootRequired.map { [$0] }, forbidden: query.rootForbidden)
      else { continue }
      let tree = trees[root.id] ?? []
      let own = isNestedAware ? tree : [root]
      let aggregates = tree.reduce(into: Set<String>()) { $0.formUnion(snapshot.aggregates[$1.id] ?? []) }
      let shared = sharing.filter {
        $0.rootID != root.id && !aggregates.isDisjoint(with: snapshot.aggregates[$0.id] ?? [])
      }
      found += candidates(root: root, own: own, shared: shared, limit: limit - found.count)
      if found.count >= limit { break }
    }
    return found
  }

  private func candidates(root: Provider, own: [Provider], shared: [Provider], limit: Int) -> [Candidate] {
    var partial = [Candidate()]
    for suffix in query.groups.keys.sorted() {
      guard let group = query.groups[suffix] else { continue }
      let pool = own + shared
      let options =
        suffix.isEmpty
        ? spread(group, over: pool, root: root)
        : pool.filter { serves(group, $0, root: root) }.map {
          Candidate(
            allocations: group.resources.isEmpty ? [:] : [$0.id: group.resources], mappings: [suffix: [$0.id]])
        }
      var next: [Candidate] = []
      outer: for left in partial {
        for right in options {
          if let joined = join(left, right, suffix) { next.append(joined) }
          if next.count >= Self.combinationsMax { break outer }
        }
      }
      partial = next
      if partial.isEmpty { return [] }
    }
    // A candidate of sharing providers alone belongs to their own tree.
    let mine = Set(own.map(\.id))
    return Array(
      partial.filter { candidate in
        sharesSubtrees(candidate) && !mine.isDisjoint(with: candidate.mappings.values.joined())
      }.prefix(limit))
  }

  /// Whether one provider alone serves a group with a suffix.
  private func serves(_ group: RequestGroup, _ provider: Provider, root: Provider) -> Bool {
    snapshot.hasTraits(provider.id, required: group.required, forbidden: group.forbidden)
      && snapshot.isMember(provider.id, of: group.memberOf, forbidden: group.forbiddenAggregates)
      && isIn(provider, tree: group.inTree)
      && group.resources.allSatisfy { snapshot.fits(provider.id, $0.key, $0.value) }
  }
  private func isIn(_ provider: Provider, tree: String?) -> Bool {
    guard let tree else { return true }
    return byID[tree]?.rootID == provider.rootID
  }

  /// The ways to spread the group without a suffix over the tree: each class comes from one provider, all providers
  /// together have the traits.
  private func spread(_ group: RequestGroup, over pool: [Provider], root: Provider) -> [Candidate] {
    // Aggregates of a root hold for its whole tree.
    let usable = pool.filter { provider in
      let owner = provider.rootID
      return isIn(provider, tree: group.inTree)
        && (snapshot.isMember(provider.id, of: group.memberOf, forbidden: group.forbiddenAggregates)
          || snapshot.isMember(owner, of: group.memberOf, forbidden: group.forbiddenAggregates))
        && (snapshot.traits[provider.id] ?? []).isDisjoint(with: group.forbidden)
    }
    var partial = [Candidate()]
    for (resourceClass, amount) in group.resources.sorted(by: { $0.key < $1.key }) {
      var next: [Candidate] = []
      outer: for left in partial {
        for provider in usable where snapshot.fits(provider.id, resourceClass, amount) {
          var candidate = left
          candidate.allocations[provider.id, default: [:]][resourceClass] = amount
          candidate.mappings["", default: []].insert(provider.id)
          next.append(candidate)
          if next.count >= Self.combinationsMax { break outer }
        }
      }
      partial = next
    }
    return partial.filter { candidate in
      let traits = (candidate.mappings[""] ?? []).reduce(into: Set<String>()) {
        $0.formUnion(snapshot.traits[$1] ?? [])
      }
      return group.required.allSatisfy { !$0.isDisjoint(with: traits) }
    }
  }

  /// Both together, if they fit together.
  private func join(_ left: Candidate, _ right: Candidate, _ suffix: String) -> Candidate? {
    if query.isIsolated, !suffix.isEmpty,
      left.mappings.contains(where: { entry in
        !entry.key.isEmpty && !entry.value.isDisjoint(with: right.mappings[suffix] ?? [])
      })
    {
      return nil
    }
    var result = left
    for (provider, resources) in right.allocations {
      for (resourceClass, amount) in resources {
        let before = result.allocations[provider]?[resourceClass] ?? 0
        guard before == 0 || snapshot.fits(provider, resourceClass, before + amount) else { return nil }
        result.allocations[provider, default: [:]][resourceClass] = before + amount
      }
    }
    result.mappings.merge(right.mappings) { $0.union($1) }
    return result
  }

  /// Of every set of groups one provider is above all the others (or there is only one).
  private func sharesSubtrees(_ candidate: Candidate) -> Bool {
    query.sameSubtrees.allSatisfy { suffixes in
      let providers = suffixes.reduce(into: Set<String>()) { $0.formUnion(candidate.mappings[$1] ?? []) }
      return providers.contains { top in providers.allSatisfy { ancestors(of: $0).contains(top) } }
    }
  }
  /// A provider and everything above it.
  private func ancestors(of id: String) -> Set<String> {
    var found: Set<String> = [id]
    var next = byID[id]?.parentID
    while let parent = next, found.insert(parent).inserted { next = byID[parent]?.parentID }
    return found
  }
}
