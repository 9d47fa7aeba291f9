import Kit
import RegexBuilder

/// What passwords must be and what wrong ones lead to (upstream's section security_compliance). Everything is off by
/// default.
public struct SecurityCompliance: Sendable {
  /// Wrong passwords in a row that lock an account; 0: none does.
  public var lockoutFailureAttempts = 0
  /// How long it stays locked after the last of them; zero: until an administrator sets a new password.
  public var lockoutDuration: Duration = .seconds(1800)
  /// Days that a password is good for; 0: for ever.
  public var passwordExpiresDays = 0
  /// How many of the last passwords, the present one included, must not be used again.
  public var uniqueLastPasswordCount = 0
  /// Days that a password which its user has chosen must be kept.
  public var minimumPasswordAge = 0
  /// What a password must match from its beginning; empty: anything.
  public var passwordRegex = ""
  /// What the expression means, for people.
  public var passwordRegexDescription = ""
  /// Whether a password that an administrator has set must be changed at its first use.
  public var changePasswordUponFirstUse = false

  public init() {}

  /// Throws a fault for an expression that is none.
  func check() throws(Fault) {
    guard !passwordRegex.isEmpty else { return }
    do {
      _ = try Regex(passwordRegex)
    } catch {
      throw Fault.badRequest("identity.password_regex is no regular expression: \(error)")
    }
  }

  /// Throws 400 for a password that does not match.
  func check(_ password: Secret) throws(Fault) {
    guard !passwordRegex.isEmpty else { return }
    if let regex = try? Regex(passwordRegex), (try? regex.prefixMatch(in: password.value)) != nil { return }
    let detail = passwordRegexDescription.isEmpty ? passwordRegex : passwordRegexDescription
    throw Fault.badRequest("The password does not match the requirements: \(detail).")
  }

  /// When a new password ends.
  func expiry(of options: JSONValue, now: Timestamp, isSelfService: Bool) -> Timestamp? {
    if changePasswordUponFirstUse, !isSelfService, !UserOption.isSet(.ignoreFirstUse, options) { return now }
    return passwordExpiresDays > 0 ? now + .seconds(passwordExpiresDays * 86_400) : nil
  }

  /// Whether an account with these failures is locked.
  func isLocked(failures: Int, last: Timestamp?, options: JSONValue, now: Timestamp) -> Bool {
    guard lockoutFailureAttempts > 0, failures >= lockoutFailureAttempts,
      !UserOption.isSet(.ignoreLockout, options)
    else { return false }
    guard lockoutDuration > .zero else { return true }
    return last.map { $0 + lockoutDuration > now } ?? true
  }

  /// Throws 400 while a password that its user chose is too young to be changed.
  func checkAge(_ created: Timestamp?, now: Timestamp) throws(Fault) {
    guard minimumPasswordAge > 0, let created else { return }
    let end = created + .seconds(minimumPasswordAge * 86_400)
    guard now < end else { return }
    let left = (end - now).microseconds / 86_400_000_000
    throw Fault.badRequest(
      "You cannot change your password at this time due to the minimum password age. Once you change your password, it "
        + "must be used for \(minimumPasswordAge) day(s) before it can be changed. Please try again in \(left) day(s) or "
        + "contact your administrator to reset your password.")
  }
}

/// Options of a user (API reference, Resource options).
enum UserOption: String, CaseIterable, Sendable {
  case ignoreFirstUse = "ignore_change_password_upon_first_use"
  case ignoreExpiry = "ignore_password_expiry"
  case ignoreLockout = "ignore_lockout_failure_attempts"
  case lockPassword = "lock_password"
  case ignoreInactivity = "ignore_user_inactivity"
  case mfaEnabled = "multi_factor_auth_enabled"

  static let mfaRules = "multi_factor_auth_rules"

  static func isSet(_ option: UserOption, _ options: JSONValue) -> Bool { options[option.rawValue]?.bool == true }

  /// The sets of methods of which one has to succeed; empty where the user has none or they are switched off.
  static func rules(_ options: JSONValue) -> [[String]] {
    guard options[mfaEnabled.rawValue]?.bool ?? true else { return [] }
    return (options[mfaRules]?.array ?? []).map { ($0.array ?? []).compactMap(\.string) }.filter { !$0.isEmpty }
  }
}
