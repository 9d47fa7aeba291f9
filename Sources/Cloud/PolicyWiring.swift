import API
import Config
import Identity
import Kit
import Logs

extension IdentitySettings {
  /// The keys of `martlet.yaml` that are Identity's.
  init(_ configuration: Configuration) {
    self.init()
    func number(_ name: String) -> Int { configuration.int("identity." + name) }
    compliance.lockoutFailureAttempts = number("lockout_failure_attempts")
    compliance.lockoutDuration = .seconds(number("lockout_duration"))
    compliance.passwordExpiresDays = number("password_expires_days")
    compliance.uniqueLastPasswordCount = number("unique_last_password_count")
    compliance.minimumPasswordAge = number("minimum_password_age")
    compliance.passwordRegex = configuration.text("identity.password_regex")
    compliance.passwordRegexDescription = configuration.text("identity.password_regex_description")
    compliance.changePasswordUponFirstUse = configuration.bool("identity.change_password_upon_first_use")
    limitModel = LimitModel(rawValue: configuration.text("identity.limit_model")) ?? .flat
  }
}

extension CloudServices {
  /// The rules of `policy.yaml` over those of every route. Throws a fault that names the rule that is wrong.
  func policyOverrides() throws -> PolicyOverrides {
    let wanted = configuration.text("policy.file")
    var defaults: [String: PolicyExpression] = [:]
    for route in apis.flatMap(\.routes) where defaults[route.policy.name] == nil {
      defaults[route.policy.name] = route.policy.expression
    }
    let overrides = PolicyOverrides(
      path: wanted.isEmpty ? state.policy : wanted, defaults: defaults, log: logs.logger("martlet")
    ) { try Configuration.policyRules(file: $0) }
    try overrides.load()
    return overrides
  }
}

/// `martlet policy explain`: what the control socket is asked, and what it answers.
enum PolicyExplanation {
  static func answer(_ body: JSONValue, _ identity: IdentityService, _ overrides: PolicyOverrides) throws -> JSONValue {
    func text(_ name: String) -> String? { body[name]?.string.flatMap { $0.isEmpty ? nil : $0 } }
    guard let user = text("user"), let action = text("action") else {
      throw Fault.badRequest("The call needs a user and an action.")
    }
    var scope = IdentityService.PersonaScope.automatic
    if let project = text("project") { scope = .project(project) }
    if let domain = text("domain") { scope = .domain(domain) }
    if body["system"]?.bool == true { scope = .system }
    let auth = try identity.persona(user: user, domain: text("user_domain") ?? "default", scope: scope)
    var target: [String: String] = [:]
    for member in body["target"]?.object ?? [:] { target[member.key] = member.value.string ?? member.value.text }
    let answer = try overrides.explain(action, auth, target: target)
    let place = auth.project.map { "project \($0.name)" } ?? auth.domain.map { "domain \($0.name)" } ?? "the system"
    let roles = auth.roles.sorted().joined(separator: ", ")
    return [
      "allowed": .bool(answer.isAllowed), "source": .string(answer.source), "rule": .string(answer.rule),
      "lines": .strings(answer.lines), "who": .string("\(auth.user.name) (\(auth.user.id)) on \(place): \(roles)"),
    ]
  }
}
