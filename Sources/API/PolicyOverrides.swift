import Kit
import Logs
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The rules of `policy.yaml`, which take the place of the defaults of the same name. The file is read again when it has
/// changed; one with a mistake is reported and leaves the rules as they were.
public final class PolicyOverrides: PolicyDeciding, Sendable {
  /// Names and texts of the rules in a file.
  public typealias Reader = @Sendable (_ path: String) throws -> [(String, String)]
  /// How often a running cloud looks at the file.
  private static let interval: Duration = .seconds(1)

  private struct Stamp: Equatable {
    var seconds = 0
    var nanoseconds = 0
    var size = 0
    var inode: UInt64 = 0
  }
  private struct State {
    var rules: [String: PolicyExpression] = [:]
    var stamp: Stamp?
    var nextLook = ContinuousClock.now
  }

  public let path: String
  private let log: Log
  private let read: Reader
  private let defaults: [String: PolicyExpression]
  private let state = Mutex(State())

  /// `defaults`: every policy that there is, by name.
  public init(path: String, defaults: [String: PolicyExpression], log: Log, read: @escaping Reader) {
    (self.path, self.defaults, self.log, self.read) = (path, defaults, log, read)
  }

  /// Reads the file; none is fine. Throws a fault that names the rule that is wrong and why.
  public func load() throws {
    let stamp = Self.stamp(path)
    let rules = try stamp == nil ? [:] : parse()
    state.withLock { ($0.rules, $0.stamp) = (rules, stamp) }
    if !rules.isEmpty { log.audit("\(path): \(rules.count) rules take the place of defaults") }
  }

  private func parse() throws -> [String: PolicyExpression] {
    var rules: [String: PolicyExpression] = [:]
    for (name, text) in try read(path) {
      do {
        rules[name] = try PolicyExpression(parsing: text)
      } catch { throw Fault.badRequest("\(path): \(name): \(error.message)") }
    }
    for (name, rule) in rules.sorted(by: { $0.key < $1.key }) {
      try check(name, rule, rules, behind: [name])
    }
    let used = Set(rules.values.flatMap(\.references))
    for name in rules.keys.sorted() where defaults[name] == nil && !used.contains(name) {
      if PolicyBase.rules[name] == nil {
        log.warning("\(path): there is no policy \(name), and no rule refers to it: `martlet routes` lists them")
      }
    }
    return rules
  }

  private func check(
    _ name: String, _ rule: PolicyExpression, _ rules: [String: PolicyExpression], behind: [String]
  ) throws {
    for reference in rule.references {
      if behind.contains(reference) {
        throw Fault.badRequest("\(path): \(name) refers to itself: \((behind + [reference]).joined(separator: " → ")).")
      }
      guard let next = rules[reference] ?? PolicyBase.rules[reference] ?? defaults[reference] else {
        throw Fault.badRequest("\(path): \(name) refers to a rule '\(reference)' that there is none of.")
      }
      try check(name, next, rules, behind: behind + [reference])
    }
  }

  /// Looks whether the file has changed, at most once a second.
  private func refresh() {
    let now = ContinuousClock.now
    let known = state.withLock { state -> Stamp?? in
      guard now >= state.nextLook else { return nil }
      state.nextLook = now + Self.interval
      return .some(state.stamp)
    }
    guard let known else { return }
    let stamp = Self.stamp(path)
    guard stamp != known else { return }
    do {
      let rules = try stamp == nil ? [:] : parse()
      state.withLock { ($0.rules, $0.stamp) = (rules, stamp) }
      log.audit("\(path) has changed: \(rules.count) rules take the place of defaults")
    } catch {
      // Not again before it changes once more.
      state.withLock { $0.stamp = stamp }
      log.error("the rules stay as they were: \(Fault(error).message)")
    }
  }

  private static func stamp(_ path: String) -> Stamp? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Stamp(
      seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec, size: Int(status.st_size),
      inode: UInt64(status.st_ino))
  }

  // MARK: Deciding

  public func decide(_ name: String, _ auth: AuthContext, target: [String: String]) -> Bool? {
    refresh()
    let rules = state.withLock { $0.rules }
    guard !rules.isEmpty else { return nil }
    // A default that refers to a rule which has been replaced follows it.
    guard let rule = rules[name] else { return nil }
    return rule.allows(question(auth, target, rules))
  }

  public func replaces(_ name: String) -> Bool {
    refresh()
    return state.withLock { $0.rules[name] != nil }
  }

  private func question(
    _ auth: AuthContext, _ target: [String: String], _ rules: [String: PolicyExpression]
  ) -> PolicyQuestion {
    let defaults = defaults
    return PolicyQuestion(auth, target: target) { rules[$0] ?? PolicyBase.rules[$0] ?? defaults[$0] }
  }

  /// The rule in force, where it comes from, the answer, and a line for each part of it. Throws 404 for a name that
  /// there is no policy of.
  public func explain(_ name: String, _ auth: AuthContext, target: [String: String]) throws(Fault) -> PolicyAnswer {
    refresh()
    let rules = state.withLock { $0.rules }
    guard let rule = rules[name] ?? defaults[name] ?? PolicyBase.rules[name] else {
      throw Fault.notFound("There is no policy '\(name)'; `martlet routes` lists them.")
    }
    let question = question(auth, target, rules)
    return PolicyAnswer(
      isAllowed: rule.allows(question), source: rules[name] == nil ? "default" : path, rule: rule.description,
      lines: rule.explain(question))
  }
}

/// What a policy says to a question, and why.
public struct PolicyAnswer: Sendable {
  public let isAllowed: Bool
  /// `default`, or the file that replaced it.
  public let source: String
  public let rule: String
  public let lines: [String]
}

/// Rules that upstream's policies refer to by name, so that files written for upstream's services work.
enum PolicyBase {
  static let rules: [String: PolicyExpression] = {
    var result: [String: PolicyExpression] = [:]
    for (name, text) in texts { result[name] = try? PolicyExpression(parsing: text) }
    return result
  }()

  private static let texts = [
    ("admin_required", "role:admin"), ("context_is_admin", "role:admin"), ("admin_api", "role:admin"),
    ("admin_only", "role:admin"), ("cloud_admin", "role:admin"), ("service_role", "role:service"),
    ("service_api", "role:service"), ("service_or_admin", "role:admin or role:service"), ("default", "role:admin"),
    ("owner", "user_id:%(user_id)s"), ("admin_or_owner", "role:admin or project_id:%(project_id)s"),
    ("token_subject", "user_id:%(target.token.user_id)s"), ("regular_user", ""),
    ("project_reader_api", "role:reader and project_id:%(project_id)s"),
    ("project_member_api", "role:member and project_id:%(project_id)s"),
    ("project_manager_api", "role:manager and project_id:%(project_id)s"),
    ("project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin"),
    ("project_member_or_admin", "rule:project_member_api or rule:context_is_admin"),
    ("project_manager_or_admin", "rule:project_manager_api or rule:context_is_admin"),
    ("xena_system_admin_or_project_reader", "role:admin or (role:reader and project_id:%(project_id)s)"),
    ("xena_system_admin_or_project_member", "role:admin or (role:member and project_id:%(project_id)s)"),
    (
      "domain_managed_target_role",
      "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s"
    ),
  ]
}
