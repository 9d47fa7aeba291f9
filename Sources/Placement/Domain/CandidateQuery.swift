import API
import Kit

/// What one group of an allocation-candidates query wants.
struct RequestGroup: Sendable, Equatable {
  var resources: [String: Int] = [:]
  /// Of every set one trait at least.
  var required: [Set<String>] = []
  var forbidden: Set<String> = []
  /// Of every set one aggregate at least.
  var memberOf: [Set<String>] = []
  var forbiddenAggregates: Set<String> = []
  /// A provider whose tree it must come from.
  var inTree: String?
}

/// The query of `GET /allocation_candidates` (API reference, Allocation candidates), read by microversion.
struct CandidateQuery: Sendable {
  /// By suffix; the group without one has an empty suffix and may be spread over the providers of a tree.
  var groups: [String: RequestGroup] = [:]
  var limit: Int?
  var isIsolated = false
  var rootRequired: Set<String> = []
  var rootForbidden: Set<String> = []
  var sameSubtrees: [Set<String>] = []

  /// Up to 64 letters, digits, `_` and `-`.
  static func isSuffix(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 95 || $0 == 45
      }
  }

  /// Throws 400 faults that name the bad item.
  init(_ query: Query, minor: Int) throws {
    var policy: String?
    for name in Set(query.items.map(\.name)).sorted() {
      let values = query.all(name)
      let value = values.last ?? ""
      switch name {
      case "limit" where minor >= 16: limit = try Self.limit(values.first ?? "")
      case "group_policy" where minor >= 25: policy = values.first ?? ""
      case "root_required" where minor >= 35: try readRootRequired(values)
      case "same_subtree" where minor >= 36: sameSubtrees = try values.map(Self.subtree)
      default: try readGroup(name, value, query, minor)
      }
    }
    guard policy == nil || policy == "none" || policy == "isolate" else {
      throw Self.bad("'\(policy?.prefix(40) ?? "")' is not one of ['none', 'isolate']: group_policy")
    }
    isIsolated = policy == "isolate"
    try checkGroups(minor: minor)
    guard policy != nil || groups.keys.filter({ !$0.isEmpty }).count < 2 else {
      throw Fault.badRequest(
        "The \"group_policy\" parameter is required when specifying more than one \"resources{N}\" parameter.")
    }
  }

  private static func bad(_ reason: String, kind: String = "") -> Fault {
    Fault.badRequest("Invalid query string parameters: \(reason)", kind: kind)
  }
  private static func limit(_ text: String) throws -> Int {
    guard let limit = Int(text), limit >= 1, text.first != "+" else {
      throw bad("'\(text.prefix(40))' is not a positive integer: limit")
    }
    return limit
  }
  private static func subtree(_ value: String) throws -> Set<String> {
    let suffixes = Set(value.split(separator: ",", omittingEmptySubsequences: false).map { trimmed($0) })
    guard !suffixes.contains("") else {
      throw Fault.badRequest(
        "Empty string (unsuffixed group) can not be specified in `same_subtree`.", kind: ErrorCode.badValue)
    }
    return suffixes
  }
  private mutating func readRootRequired(_ values: [String]) throws {
    guard values.count == 1 else {
      throw Fault.badRequest(
        "Query parameter 'root_required' may be specified only once.", kind: ErrorCode.duplicateKey)
    }
    let (required, forbidden) = try Self.traits(values[0], allowsForbidden: true, allowsAny: false)
    rootRequired = required.reduce(into: []) { $0.formUnion($1) }
    rootForbidden = forbidden
    guard rootRequired.isDisjoint(with: forbidden) else {
      throw Fault.badRequest(
        "Conflicting required and forbidden traits found in root_required: "
          + rootRequired.intersection(forbidden).sorted().joined(separator: ", "), kind: ErrorCode.badValue)
    }
  }

  private mutating func readGroup(_ name: String, _ value: String, _ query: Query, _ minor: Int) throws {
    let kinds = [("resources", 10), ("required", 17), ("member_of", 21), ("in_tree", 31)]
    guard let (kind, since) = kinds.first(where: { name.hasPrefix($0.0) }), minor >= since else {
      throw Self.bad("Additional properties are not allowed ('\(name.prefix(80))' was unexpected)")
    }
    let suffix = String(name.dropFirst(kind.count))
    guard suffix.isEmpty || (minor >= 33 && Self.isSuffix(suffix)) || (minor >= 25 && Self.isNumber(suffix)) else {
      throw Self.bad("Additional properties are not allowed ('\(name.prefix(80))' was unexpected)")
    }
    var group = groups[suffix] ?? RequestGroup()
    switch kind {
    case "resources": group.resources = try Self.resources(value)
    case "required":
      // Before 1.39 the last of several counts.
      for text in minor >= 39 ? query.all(name) : [value] {
        let (required, forbidden) = try Self.traits(text, allowsForbidden: minor >= 22, allowsAny: minor >= 39)
        group.required += required
        group.forbidden.formUnion(forbidden)
      }
    case "member_of": (group.memberOf, group.forbiddenAggregates) = try Self.memberOf(query.all(name), minor: minor)
    default: group.inTree = try Self.tree(value)
    }
    groups[suffix] = group
  }
  private static func isNumber(_ text: String) -> Bool {
    text.first != "0" && text.utf8.count <= 9 && text.utf8.allSatisfy { $0 >= 48 && $0 <= 57 }
  }
  private static func trimmed(_ text: some StringProtocol) -> String {
    String(text.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
  private static func tree(_ value: String) throws -> String {
    guard let id = UUIDText.canonical(trimmed(value)) else {
      throw bad("Expected 'in_tree' parameter to be a format of uuid. Got: \(value.prefix(80))")
    }
    return id
  }

  private func checkGroups(minor: Int) throws {
    for (suffix, group) in groups {
      if let set = group.required.first(where: { $0.isSubset(of: group.forbidden) }) {
        throw Fault.badRequest(
          "Conflicting required and forbidden traits found in the following traits keys: "
            + "required\(suffix): (\(set.sorted().joined(separator: ", ")))")
      }
    }
    let empty = groups.filter { $0.value.resources.isEmpty }.map(\.key).sorted()
    guard empty.count < groups.count else {
      throw Fault.badRequest(
        "There must be at least one resources or resources[$S] parameter.",
        kind: minor >= 36 ? ErrorCode.missingValue : "")
    }
    guard minor >= 36 else {
      if let suffix = empty.first {
        throw Fault.badRequest("All request groups must specify resources: group '\(suffix)' has none.")
      }
      return
    }
    let named = sameSubtrees.reduce(into: Set<String>()) { $0.formUnion($1) }
    if let suffix = empty.first(where: { !named.contains($0) }) {
      throw Fault.badRequest(
        "Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - "
          + "['\(suffix)'].", kind: ErrorCode.badValue)
    }
    if let suffix = named.sorted().first(where: { groups[$0] == nil }) {
      throw Fault.badRequest(
        "Real suffixes should be specified in `same_subtree`: '\(suffix.prefix(64))' is not found in the groups.",
        kind: ErrorCode.badValue)
    }
  }

  // MARK: Values that the provider list understands too

  /// Reads `VCPU:2,MEMORY_MB:1024`.
  static func resources(_ text: String) throws -> [String: Int] {
    var result: [String: Int] = [:]
    for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = entry.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw Fault.badRequest(
          "Badly formed resources parameter. Expected resources query string parameter in form: "
            + "?resources=VCPU:2,MEMORY_MB:1024. Got: \(entry.isEmpty ? "empty string" : String(entry.prefix(80))).")
      }
      guard let amount = Int(parts[1]), amount >= 1 else {
        throw Fault.badRequest(
          "Requested resource \(parts[0].prefix(80)) expected positive integer amount. Got: \(parts[1].prefix(40)).")
      }
      result[String(parts[0])] = amount
    }
    return result
  }

  /// Reads `TRAIT,!TRAIT`, or `in:TRAIT,TRAIT`.
  static func traits(
    _ text: String, allowsForbidden: Bool, allowsAny: Bool
  ) throws -> (required: [Set<String>], forbidden: Set<String>) {
    let isAny = text.hasPrefix("in:")
    let names = (isAny ? text.dropFirst(3) : text[...]).split(separator: ",", omittingEmptySubsequences: false)
      .map { trimmed($0) }
    guard !isAny || allowsAny else {
      throw bad("The format 'in:TRAIT,TRAIT' is only supported since microversion 1.39. Got: \(text.prefix(80))")
    }
    let forbidden = names.filter { $0.hasPrefix("!") }.map { String($0.drop { $0 == "!" }) }
    guard forbidden.isEmpty || (allowsForbidden && !isAny) else {
      throw bad("Expected 'required' parameter value of the form: TRAIT,TRAIT. Got: \(text.prefix(80))")
    }
    guard !names.contains(""), !forbidden.contains("") else {
      throw bad(
        "Expected 'required' parameter value of the form: TRAIT,TRAIT. Got an empty trait in: \(text.prefix(80))")
    }
    let wanted = names.filter { !$0.hasPrefix("!") }
    return (isAny ? [Set(wanted)] : wanted.map { [$0] }, Set(forbidden))
  }

  /// Reads `UUID`, `in:UUID,UUID`, `!UUID`, `!in:UUID,UUID`, one or more of them.
  static func memberOf(
    _ values: [String], minor: Int
  ) throws -> (required: [Set<String>], forbidden: Set<String>) {
    guard values.count < 2 || minor >= 24 else {
      throw Fault.badRequest("Multiple member_of parameters are not supported.")
    }
    var (required, forbidden): ([Set<String>], Set<String>) = ([], [])
    for value in values {
      let isForbidden = value.hasPrefix("!")
      guard !isForbidden || minor >= 32 else {
        throw Fault.badRequest("Forbidden member_of parameters are not supported in the specified microversion.")
      }
      let rest = isForbidden ? value.dropFirst() : value[...]
      let hasMany = rest.hasPrefix("in:")
      guard hasMany || !rest.contains(",") else {
        throw Fault.badRequest(
          "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid "
            + "microversion. Got: \(value.prefix(120))")
      }
      let ids = try (hasMany ? rest.dropFirst(3) : rest).split(separator: ",", omittingEmptySubsequences: false).map {
        guard let id = UUIDText.canonical(String($0)) else {
          throw bad("Expected 'member_of' parameter to contain valid UUID(s). Got: \($0.prefix(80))")
        }
        return id
      }
      if isForbidden { forbidden.formUnion(ids) } else { required.append(Set(ids)) }
    }
    return (required, forbidden)
  }
}
