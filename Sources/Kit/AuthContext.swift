/// Who is asking: what a verified token says. Policy and queries are decided by it.
public struct AuthContext: Sendable {
  /// An id with the name that goes with it.
  public struct Named: Sendable, Equatable {
    public let id: String
    public let name: String
    public init(id: String, name: String) { (self.id, self.name) = (id, name) }
  }

  public var user: Named
  public var userDomain: Named
  /// The project of a project-scoped token.
  public var project: Named?
  public var projectDomain: Named?
  /// The domain of a domain-scoped token.
  public var domain: Named?
  public var isSystemScoped: Bool
  /// Names of the effective roles, implied ones included.
  public var roles: Set<String>
  /// The token itself, for Identity's own routes.
  public var tokenID: Secret
  public var expiresAt: Timestamp
  /// What a token of an application credential may call; nil: everything that its roles allow.
  public var accessRules: [AccessRule]?
  /// Rules that take the place of the policies' defaults.
  public var overrides: (any PolicyDeciding)?

  public init(
    user: Named, userDomain: Named, project: Named? = nil, projectDomain: Named? = nil, domain: Named? = nil,
    isSystemScoped: Bool = false, roles: Set<String>, tokenID: Secret, expiresAt: Timestamp
  ) {
    (self.user, self.userDomain, self.project, self.projectDomain) = (user, userDomain, project, projectDomain)
    (self.domain, self.isSystemScoped, self.roles) = (domain, isSystemScoped, roles)
    (self.tokenID, self.expiresAt) = (tokenID, expiresAt)
  }

  public func has(_ role: String) -> Bool { roles.contains(role) }
  /// Upstream's default policy: the role admin on any scope administers the cloud.
  public var isAdmin: Bool { has("admin") }
  public var isService: Bool { has("service") }
  /// The project's id, or an empty text that no project has.
  public var projectID: String { project?.id ?? "" }
}

extension AuthContext: Equatable {
  /// Two contexts are equal when they say the same of who asks.
  public static func == (left: AuthContext, right: AuthContext) -> Bool {
    (left.user, left.userDomain, left.project, left.projectDomain, left.domain) == (
      right.user, right.userDomain, right.project, right.projectDomain, right.domain
    ) && left.isSystemScoped == right.isSystemScoped && left.roles == right.roles && left.tokenID == right.tokenID
      && left.expiresAt == right.expiresAt && left.accessRules == right.accessRules
  }
}

/// Rules that take the place of policies' defaults (oslo.policy's `policy.yaml`).
public protocol PolicyDeciding: AnyObject, Sendable {
  /// Whether the policy of this name lets the caller in; nil where its default is in force. `target`: what the call is
  /// about, by oslo.policy's keys.
  func decide(_ name: String, _ auth: AuthContext, target: [String: String]) -> Bool?
  /// Whether there is a rule of this name.
  func replaces(_ name: String) -> Bool
}

/// A call that an application credential may make (API reference, Application credentials). `path` may hold `*` for one
/// segment, `**` for any number of them, and `{name}` for one.
public struct AccessRule: Sendable, Equatable {
  /// The service's type in the catalog, such as `compute`.
  public var service: String
  public var method: String
  public var path: String
  public init(service: String, method: String, path: String) {
    (self.service, self.method, self.path) = (service, method, path)
  }

  public func allows(service: String, method: String, path: String) -> Bool {
    guard self.service == service, self.method == method else { return false }
    return Self.fits(self.path.split(separator: "/")[...], path.split(separator: "/")[...])
  }

  private static func fits(_ pattern: ArraySlice<Substring>, _ path: ArraySlice<Substring>) -> Bool {
    guard let first = pattern.first else { return path.isEmpty }
    if first == "**" {
      return fits(pattern.dropFirst(), path) || !path.isEmpty && fits(pattern, path.dropFirst())
    }
    guard let segment = path.first else { return false }
    let isAny = first == "*" || first.hasPrefix("{") && first.hasSuffix("}")
    return (isAny || first == segment) && fits(pattern.dropFirst(), path.dropFirst())
  }
}
