import Kit

/// Who may use a route: upstream's name of the rule, and the rule. Which rows a call sees is scoped by its queries.
public struct Policy: Sendable {
  /// Upstream's name, such as `os_compute_api:servers:create`. It stands in 403 messages and in listings.
  public let name: String
  public let rule: Rule
  /// The whole default in oslo.policy's language, for explanations and for rules that refer to it.
  public let expression: PolicyExpression
  /// Whether the handler asks again once it knows what the call is about: then the edge decides only what `rule` can.
  public let isLate: Bool

  public init(_ name: String, _ rule: Rule, expression: PolicyExpression? = nil, isLate: Bool = false) {
    (self.name, self.rule, self.isLate) = (name, rule, isLate)
    self.expression = expression ?? rule.expression
  }

  /// No token needed: discovery and login.
  public static let open = Policy("open", .anyone)
}

/// A rule over who asks and the request's path.
public indirect enum Rule: Sendable {
  case anyone
  case authenticated
  case role(String)
  case projectScope
  case domainScope
  case systemScope
  /// The path's value `parameter` is the caller's own user id.
  case user(parameter: String)
  /// The path's value `parameter` is the id of the token's project.
  case project(parameter: String)
  /// The path's value `parameter` is the id of the token's domain.
  case domain(parameter: String)
  case any([Rule])
  case all([Rule])
  /// Every token that the rule does not let in.
  case not(Rule)

  /// The cloud's administrator: upstream's `rule:context_is_admin`.
  public static let admin = Rule.role("admin")
  /// Upstream's project reader (or admin), and up.
  public static let projectReader = Rule.any([.admin, .all([.projectScope, .role("reader")])])
  public static let projectMember = Rule.any([.admin, .all([.projectScope, .role("member")])])
  public static let projectManager = Rule.any([.admin, .all([.projectScope, .role("manager")])])
  /// Another service of the cloud, or the administrator.
  public static let service = Rule.any([.admin, .role("service")])
  /// A reader of the whole system (or admin).
  public static let systemReader = Rule.any([.admin, .all([.systemScope, .role("reader")])])

  public func allows(_ auth: AuthContext, parameters: [String: String] = [:]) -> Bool {
    switch self {
    case .anyone, .authenticated: true
    case .role(let role): auth.has(role)
    case .projectScope: auth.project != nil
    case .domainScope: auth.domain != nil
    case .systemScope: auth.isSystemScoped
    case .user(let parameter): parameters[parameter] == auth.user.id
    case .project(let parameter): auth.project != nil && parameters[parameter] == auth.project?.id
    case .domain(let parameter): auth.domain != nil && parameters[parameter] == auth.domain?.id
    case .any(let rules): rules.contains { $0.allows(auth, parameters: parameters) }
    case .all(let rules): rules.allSatisfy { $0.allows(auth, parameters: parameters) }
    case .not(let rule): !rule.allows(auth, parameters: parameters)
    }
  }
  var needsToken: Bool { if case .anyone = self { false } else { true } }
}
