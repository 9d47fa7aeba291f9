import Kit

/// A rule in oslo.policy's language: `role:admin or (role:member and project_id:%(project_id)s)`.
public indirect enum PolicyExpression: Sendable, Equatable, CustomStringConvertible {
  case always
  case never
  /// Another rule, by name.
  case rule(String)
  /// The token has the role; the text may hold `%(key)s`.
  case role(String)
  /// What the token (or a literal) says equals the text, in which `%(key)s` is what the target has.
  case match(kind: String, String)
  case not(PolicyExpression)
  case all([PolicyExpression])
  case any([PolicyExpression])

  public var description: String {
    switch self {
    case .always: "@"
    case .never: "!"
    case .rule(let name): "rule:\(name)"
    case .role(let name): "role:\(name)"
    case .match(let kind, let text): "\(kind):\(text)"
    case .not(let inner): "not \(inner.grouped)"
    case .all(let parts): parts.map(\.grouped).joined(separator: " and ")
    case .any(let parts): parts.map(\.grouped).joined(separator: " or ")
    }
  }
  private var grouped: String {
    switch self {
    case .all, .any: "(\(self))"
    default: description
    }
  }

  /// Names of the rules that it refers to.
  var references: [String] {
    switch self {
    case .rule(let name): [name]
    case .not(let inner): inner.references
    case .all(let parts), .any(let parts): parts.flatMap(\.references)
    case .always, .never, .role, .match: []
    }
  }

  /// Whether the question is answered by yes. A name that there is no rule of is a no.
  public func allows(_ question: PolicyQuestion) -> Bool { allows(question, depth: 0) }

  private func allows(_ question: PolicyQuestion, depth: Int) -> Bool {
    guard depth < 64 else { return false }
    switch self {
    case .always: return true
    case .never: return false
    case .rule(let name): return question.rule(name)?.allows(question, depth: depth + 1) ?? false
    case .role(let text):
      return question.fill(text).map { question.roles.contains($0.lowercased()) } ?? false
    case .match(let kind, let text):
      guard let wanted = question.fill(text) else { return false }
      return (Self.literal(kind) ?? question.credentials[kind]) == wanted
    case .not(let inner): return !inner.allows(question, depth: depth + 1)
    case .all(let parts): return parts.allSatisfy { $0.allows(question, depth: depth + 1) }
    case .any(let parts): return parts.contains { $0.allows(question, depth: depth + 1) }
    }
  }

  /// A kind that is a value itself: a quoted text, a number, True, False or None.
  private static func literal(_ kind: String) -> String? {
    if let quote = kind.first, quote == "'" || quote == "\"", kind.count > 1, kind.last == quote {
      return String(kind.dropFirst().dropLast())
    }
    return ["True", "False", "None"].contains(kind) || Int(kind) != nil ? kind : nil
  }

  /// A line for every part with its answer, indented by its depth.
  public func explain(_ question: PolicyQuestion, indent: Int = 0) -> [String] {
    let answer = allows(question) ? "yes" : "no "
    let own = String(repeating: "  ", count: indent) + "\(answer)  "
    guard indent < 32 else { return [own + "…"] }
    switch self {
    case .rule(let name):
      let inner = question.rule(name).map { $0.explain(question, indent: indent + 1) } ?? []
      return [own + description + (inner.isEmpty ? " (there is no such rule)" : "")] + inner
    case .not(let inner): return [own + "not"] + inner.explain(question, indent: indent + 1)
    case .all(let parts):
      return [own + "all of"] + parts.flatMap { $0.explain(question, indent: indent + 1) }
    case .any(let parts):
      return [own + "one of"] + parts.flatMap { $0.explain(question, indent: indent + 1) }
    case .match(let kind, let text):
      guard let wanted = question.fill(text) else { return [own + "\(description) (the target has no such key)"] }
      let has = Self.literal(kind) ?? question.credentials[kind] ?? "nothing"
      return [own + "\(description) (\(has) against \(wanted))"]
    case .always, .never, .role: return [own + description]
    }
  }
}

/// Who asks, about what, by which rules.
public struct PolicyQuestion: Sendable {
  let roles: Set<String>
  let credentials: [String: String]
  let target: [String: String]
  let rule: @Sendable (String) -> PolicyExpression?

  /// `target`: what `%(key)s` stands for; the caller's own project and user where it does not say.
  public init(
    _ auth: AuthContext, target: [String: String], rule: @escaping @Sendable (String) -> PolicyExpression?
  ) {
    let none = "None"
    roles = Set(auth.roles.map { $0.lowercased() })
    credentials = [
      "user_id": auth.user.id, "user_name": auth.user.name, "user_domain_id": auth.userDomain.id,
      "user.domain.id": auth.userDomain.id, "project_id": auth.project?.id ?? none,
      "tenant_id": auth.project?.id ?? none,
      "project_name": auth.project?.name ?? none, "project_domain_id": auth.projectDomain?.id ?? none,
      "token.project.domain.id": auth.projectDomain?.id ?? none, "domain_id": auth.domain?.id ?? none,
      "token.domain.id": auth.domain?.id ?? none, "system_scope": auth.isSystemScoped ? "all" : none,
      "is_admin": auth.isAdmin ? "True" : "False", "is_admin_project": "True",
    ]
    var all = target
    for (key, value) in [
      ("project_id", auth.project?.id), ("tenant_id", auth.project?.id), ("user_id", auth.user.id),
    ] where all[key] == nil { all[key] = value }
    self.target = all
    self.rule = rule
  }

  /// The text with the target's values; nil where one is missing.
  func fill(_ text: String) -> String? {
    guard text.contains("%(") else { return text }
    var result = ""
    var rest = Substring(text)
    while let start = rest.firstRange(of: "%(") {
      result += rest[..<start.lowerBound]
      rest = rest[start.upperBound...]
      guard let end = rest.firstRange(of: ")s"), let value = target[String(rest[..<end.lowerBound])] else { return nil }
      result += value
      rest = rest[end.upperBound...]
    }
    return result + rest
  }
}

// MARK: Parsing

extension PolicyExpression {
  /// Reads an expression. Throws a 400 fault that says what is wrong with it.
  public init(parsing text: String) throws(Fault) {
    var parser = PolicyParser(text)
    self = try parser.parse()
  }
}

/// Recursive descent over the words of an expression: `or` binds least, then `and`, then `not`.
private struct PolicyParser {
  private let text: String
  private var words: [String] = []
  private var at = 0
  private var depth = 0

  init(_ text: String) {
    self.text = text
    for word in text.split(whereSeparator: \.isWhitespace) {
      var inner = word
      while inner.first == "(" {
        words.append("(")
        inner.removeFirst()
      }
      var closing = 0
      while inner.last == ")" {
        closing += 1
        inner.removeLast()
      }
      if !inner.isEmpty { words.append(String(inner)) }
      words += Array(repeating: ")", count: closing)
    }
  }

  private func wrong(_ reason: String) -> Fault { .badRequest("'\(text.prefix(300))' is no rule: \(reason).") }
  private var next: String? { at < words.count ? words[at] : nil }
  private func isNext(_ word: String) -> Bool { next?.lowercased() == word }

  mutating func parse() throws(Fault) -> PolicyExpression {
    if words.isEmpty { return .always }
    let result = try any()
    if let rest = next { throw wrong("there is '\(rest)' where 'and' or 'or' is expected") }
    return result
  }

  private mutating func any() throws(Fault) -> PolicyExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth < 64 else { throw wrong("it is nested too deeply") }
    var parts = [try all()]
    while isNext("or") {
      at += 1
      parts.append(try all())
    }
    return parts.count == 1 ? parts[0] : .any(parts)
  }

  private mutating func all() throws(Fault) -> PolicyExpression {
    var parts = [try single()]
    while isNext("and") {
      at += 1
      parts.append(try single())
    }
    return parts.count == 1 ? parts[0] : .all(parts)
  }

  private mutating func single() throws(Fault) -> PolicyExpression {
    guard let word = next else { throw wrong("something is missing at its end") }
    at += 1
    switch word.lowercased() {
    case "not":
      depth += 1
      defer { depth -= 1 }
      guard depth < 64 else { throw wrong("it is nested too deeply") }
      return .not(try single())
    case "(":
      let inner = try any()
      guard next == ")" else { throw wrong("a parenthesis is not closed") }
      at += 1
      return inner
    case "@": return .always
    case "!": return .never
    case ")", "and", "or": throw wrong("'\(word)' is not expected there")
    default: return try check(word)
    }
  }

  private func check(_ word: String) throws(Fault) -> PolicyExpression {
    guard let colon = Self.colon(word) else { throw wrong("'\(word)' is no check of the form kind:match") }
    let (kind, match) = (String(word[..<colon]), String(word[word.index(after: colon)...]))
    switch kind {
    case "": throw wrong("'\(word)' has no kind")
    case "rule": return .rule(match)
    case "role": return .role(match)
    case "http", "https": throw wrong("checks by a remote server are not offered")
    case "field": throw wrong("checks of fields are not offered")
    default: return .match(kind: kind, match)
    }
  }

  /// The colon behind the kind, which may be a quoted text.
  private static func colon(_ word: String) -> String.Index? {
    guard let quote = word.first, quote == "'" || quote == "\"" else { return word.firstIndex(of: ":") }
    guard let end = word.dropFirst().firstIndex(of: quote) else { return nil }
    return word[end...].firstIndex(of: ":")
  }
}

// MARK: Defaults

extension Rule {
  /// The same rule in oslo.policy's language.
  public var expression: PolicyExpression {
    switch self {
    case .anyone, .authenticated: .always
    case .role(let name): .role(name)
    case .projectScope: .not(.match(kind: "project_id", "None"))
    case .domainScope: .not(.match(kind: "domain_id", "None"))
    case .systemScope: .match(kind: "system_scope", "all")
    case .user(let name): .match(kind: "user_id", "%(\(name))s")
    case .project(let name): .match(kind: "project_id", "%(\(name))s")
    case .domain(let name): .match(kind: "domain_id", "%(\(name))s")
    case .any(let rules):
      rules.isEmpty ? .never : rules.count == 1 ? rules[0].expression : .any(rules.map(\.expression))
    case .all(let rules): rules.count == 1 ? rules[0].expression : .all(rules.map(\.expression))
    case .not(let rule): .not(rule.expression)
    }
  }
}
