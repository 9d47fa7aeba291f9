import API
import Kit

/// What a call is about, for policies that look at it.
struct PolicyTarget: Sendable {
  /// Domains that all have to be the token's own for a domain's reader or manager.
  var domainIDs: [String?] = []
  /// Users of whom the caller may be one.
  var userIDs: [String] = []
  var projectID: String?
  var roleName: String?
  /// Values by upstream's own keys, where those below say too little.
  var attributes: [String: String] = [:]

  /// Kinds of what a policy of Identity may be about.
  private static let kinds = [
    "user", "group", "project", "domain", "role", "credential", "trust", "limit", "token", "endpoint",
    "application_credential",
  ]

  /// The target by oslo.policy's keys, for the rules of `policy.yaml`.
  func values(_ auth: AuthContext) -> [String: String] {
    var values: [String: String] = [:]
    if let domain = domainIDs.first ?? nil {
      (values["target.domain_id"], values["target.domain.id"], values["domain_id"]) = (domain, domain, domain)
      for kind in Self.kinds where kind != "domain" { values["target.\(kind).domain_id"] = domain }
    }
    if let user = userIDs.first {
      for key in ["user_id", "target.user.id", "target.trust.trustor_user_id"] { values[key] = user }
      for kind in Self.kinds where kind != "user" { values["target.\(kind).user_id"] = user }
      values["target.trust.trustee_user_id"] = userIDs.last
      // The caller may be any of them.
      if userIDs.contains(auth.user.id) { values["target.token.user_id"] = auth.user.id }
    }
    if let projectID {
      for key in ["project_id", "target.project.id", "target.project_id", "target.limit.project_id"] {
        values[key] = projectID
      }
    }
    if let roleName { values["target.role.name"] = roleName }
    values.merge(attributes) { $1 }
    return values
  }
}

/// A policy of Identity: upstream's name and default. It allows by role whatever the target, or because of the target.
struct TargetPolicy: Sendable {
  /// Whom a target lets in besides those that `always` lets in.
  enum Exception: Sendable {
    /// A user that is the target's, with one of the roles where it is not nil.
    case owner(role: String?)
    /// A token of the target's domain with this role (nil: any).
    case domain(role: String?)
    /// A token of a project in the target's domain.
    case projectInDomain
    /// A token of the target's project.
    case project
    /// A manager, where the target is a role that managers may give (upstream's domain_managed_target_role).
    case managedRole
    /// A manager of the target's domains, for a role that managers may give.
    case managedGrant

    /// In oslo.policy's language.
    var expression: PolicyExpression {
      func with(_ role: String?, _ rest: PolicyExpression) -> PolicyExpression {
        role.map { .all([.role($0), rest]) } ?? rest
      }
      let managed = PolicyExpression.any(
        ["manager", "member", "reader"].map { .match(kind: "'\($0)'", "%(target.role.name)s") })
      let domain = PolicyExpression.match(kind: "domain_id", "%(target.domain_id)s")
      return switch self {
      case .owner(let role): with(role, .match(kind: "user_id", "%(target.user.id)s"))
      case .domain(let role): with(role, domain)
      case .projectInDomain: .match(kind: "token.project.domain.id", "%(target.domain.id)s")
      case .project: .match(kind: "project_id", "%(target.project.id)s")
      case .managedRole: .all([.role("manager"), managed])
      case .managedGrant: .all([.role("manager"), domain, managed])
      }
    }
  }
  private static let managedRoles: Set<String> = ["manager", "member", "reader"]

  /// Scopes of tokens that a policy takes (upstream's scope_types). An unscoped token passes for one of a project.
  enum Scopes: Sendable {
    case all, systemOrProject, project
    var rule: Rule {
      switch self {
      case .all: .authenticated
      case .systemOrProject: .not(.domainScope)
      case .project: .not(.any([.domainScope, .systemScope]))
      }
    }
  }

  let name: String
  let always: Rule
  let exceptions: [Exception]
  let scopes: Scopes

  init(_ name: String, _ always: Rule, _ exceptions: [Exception] = [], scopes: Scopes = .all) {
    (self.name, self.always, self.exceptions, self.scopes) = ("identity:" + name, always, exceptions, scopes)
  }

  /// The part that the edge can decide.
  var route: Policy {
    Policy(
      name, exceptions.isEmpty ? .all([scopes.rule, always]) : scopes.rule, expression: expression,
      isLate: !exceptions.isEmpty)
  }
  /// Everything by the handler, after it has looked whether what the call is about exists.
  var late: Policy { Policy(name, .authenticated, expression: expression, isLate: true) }

  private var expression: PolicyExpression {
    let all = [always.expression].filter { $0 != .never } + exceptions.map(\.expression)
    let whole: PolicyExpression = all.count == 1 ? all[0] : .any(all)
    if case .authenticated = scopes.rule { return whole }
    return .all([scopes.rule.expression, whole])
  }

  func allows(_ auth: AuthContext, _ target: PolicyTarget?) -> Bool {
    guard scopes.rule.allows(auth) else { return false }
    if let decision = auth.overrides?.decide(name, auth, target: target?.values(auth) ?? [:]) { return decision }
    if always.allows(auth) { return true }
    guard let target else { return false }
    func has(_ role: String?) -> Bool { role.map { auth.has($0) } ?? true }
    return exceptions.contains { exception in
      switch exception {
      case .owner(let role): return has(role) && target.userIDs.contains(auth.user.id)
      case .domain(let role):
        guard has(role), let domain = auth.domain?.id, !target.domainIDs.isEmpty else { return false }
        return target.domainIDs.allSatisfy { $0 == domain }
      case .projectInDomain:
        return auth.projectDomain.map { domain in target.domainIDs.contains { $0 == domain.id } } ?? false
      case .project: return auth.project != nil && auth.project?.id == target.projectID
      case .managedRole: return auth.has("manager") && Self.managedRoles.contains(target.roleName ?? "")
      case .managedGrant:
        guard let domain = auth.domain?.id, auth.has("manager") else { return false }
        return Self.managedRoles.contains(target.roleName ?? "") && target.domainIDs.allSatisfy { $0 == domain }
      }
    }
  }

  /// Throws 403. A target that does not exist (nil) is a 403 too, except for those who may always: they read a 404.
  func check(_ auth: AuthContext, _ target: PolicyTarget?) throws(Fault) {
    if !allows(auth, target) { throw Fault.forbidden(ErrorShape.identity.policyMessage(name)) }
  }

  // MARK: Upstream's usual defaults

  static let adminOrSystemReader = Rule.any([.admin, .systemReader])
  static func admin(_ name: String) -> TargetPolicy { TargetPolicy(name, .admin, scopes: .systemOrProject) }
  static func systemReader(_ name: String) -> TargetPolicy {
    TargetPolicy(name, adminOrSystemReader, scopes: .systemOrProject)
  }
  /// Also the user that it belongs to, in a project.
  static func owner(_ name: String, or always: Rule, role: String? = nil, scopes: Scopes = .systemOrProject)
    -> TargetPolicy
  {
    TargetPolicy(name, always, [.owner(role: role)], scopes: scopes)
  }
  static func authenticated(_ name: String) -> TargetPolicy { TargetPolicy(name, .authenticated) }
  /// Also a reader of the target's domain.
  static func domainReader(_ name: String, or more: Exception...) -> TargetPolicy {
    TargetPolicy(name, adminOrSystemReader, [.domain(role: "reader")] + more)
  }
  /// Also a manager of the target's domain.
  static func domainManager(_ name: String) -> TargetPolicy { TargetPolicy(name, .admin, [.domain(role: "manager")]) }
}
