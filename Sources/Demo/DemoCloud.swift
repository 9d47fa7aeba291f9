import Host
import Kit

/// Where the demonstration takes place, and who its administrator is.
public struct DemoCloud: Sendable {
  /// Identity's URL, such as `http://127.0.0.1:5000/v3`.
  public var authURL: String
  public var username: String
  public var password: Secret
  public var project: String
  /// Name of the domain of the administrator, its project, and what the demonstration makes.
  public var domain: String
  public var region: String
  /// Where the user's password and private key are kept, for the owner only: an absolute path.
  public var directory: String
  /// Where floating IPs answer; nil: on the host itself.
  public var namespace: NetworkNamespace?
  /// What a person puts before `ssh` to be in that namespace, such as `martlet exec --`; only shown.
  public var shownPrefix: [String]

  public init(
    authURL: String, username: String = "admin", password: Secret, project: String = "admin",
    domain: String = "Default", region: String, directory: String,
    namespace: NetworkNamespace? = nil, shownPrefix: [String] = []
  ) {
    (self.authURL, self.username, self.password, self.project) = (authURL, username, password, project)
    (self.domain, self.region, self.directory) = (domain, region, directory)
    (self.namespace, self.shownPrefix) = (namespace, shownPrefix)
  }
}

/// What the demonstration leaves running.
public struct DemoResult: Sendable {
  public struct Step: Sendable, Equatable {
    public var name: String
    public var seconds: Double
  }

  public var serverID: String
  /// The floating IP.
  public var address: String
  /// How a person logs in: an argument list.
  public var sshCommand: [String]
  public var steps: [Step]
  public var seconds: Double
}

/// Names of what the demonstration makes.
public struct DemoNames: Sendable {
  public var project = "engineering"
  public var user = "erin"
  public var flavor = "m1.nano"
  public var image = "martlet-guest"
  public var network = "lab"
  public var router = "edge"
  public var securityGroup = "ssh-and-ping"
  public var keyPair = "erin"
  public var server = "web1"
  /// Of the subnet.
  public var cidr = "10.10.0.0/24"

  public init() {}
}
