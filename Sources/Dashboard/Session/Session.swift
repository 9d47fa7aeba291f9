import Foundation
import Kit

/// Who looks at the dashboard. It lives sealed in a cookie: the server keeps nothing, and signing out revokes the token.
struct Session: Codable, Sendable {
  /// Changes at each sign-in.
  var id = UUIDText.makeHex()
  /// What each form has to bring back.
  var csrf = Secret.random(bytes: 16).value
  /// Empty before sign-in.
  var token = ""
  var userID = ""
  var userName = ""
  var domainID = ""
  var domainName = ""
  var projectID = ""
  var projectName = ""
  var isAdmin = false
  /// Seconds since 1970.
  var createdAt = 0
  var seenAt = 0
  /// When the token ends.
  var expiresAt = 0

  var isSignedIn: Bool { !token.isEmpty }

  /// Whether it may still be used: not idle, nor signed in, for longer than allowed.
  func isLive(now: Timestamp, settings: DashboardSettings) -> Bool {
    guard isSignedIn else { return true }
    let second = now.seconds
    return second < expiresAt && second - seenAt < settings.idleSeconds && second - createdAt < settings.absoluteSeconds
  }

  /// The form in which the cookie carries it.
  func sealed(_ sealer: SessionSealer) throws -> String {
    try sealer.seal(Array(JSONEncoder().encode(self)), purpose: "session")
  }
  static func open(_ text: String, _ sealer: SessionSealer) -> Session? {
    sealer.open(text, purpose: "session").flatMap { try? JSONDecoder().decode(Session.self, from: Data($0)) }
  }

  /// A session of the token that Identity has just given out.
  static func signedIn(token: String, body: JSONValue, now: Timestamp) -> Session {
    var session = Session()
    let content = body["token"] ?? .null
    session.token = token
    session.userID = content["user"]?.text("id") ?? ""
    session.userName = content["user"]?.text("name") ?? ""
    session.domainID = content["user"]?["domain"]?.text("id") ?? ""
    session.domainName = content["user"]?["domain"]?.text("name") ?? ""
    session.projectID = content["project"]?.text("id") ?? ""
    session.projectName = content["project"]?.text("name") ?? ""
    session.isAdmin = content.list("roles").contains { $0.text("name") == "admin" }
    (session.createdAt, session.seenAt) = (now.seconds, now.seconds)
    session.expiresAt = Timestamp(content.text("expires_at"))?.seconds ?? now.seconds + 3600
    return session
  }
}

/// How the dashboard behaves.
public struct DashboardSettings: Sendable {
  /// Seconds after which a session ends that nobody uses.
  public var idleSeconds = 3600
  /// Seconds after which a session ends in any case.
  public var absoluteSeconds = 12 * 3600
  /// The URL that clients authenticate at, for the files on API access.
  public var authURL = "http://127.0.0.1:5000/v3"
  public var region = "RegionOne"
  /// Scheme, host and port of the console proxy, which pages of instances show in a frame; nil: there is none.
  public var consoleOrigin: String?
  /// Why consoles cannot be shown now; nil: they can.
  public var consoleAbsent: @Sendable () -> String? = { nil }
  /// Rows on one page of a list.
  public var pageRows = 50
  /// Between two looks at a page that changes by itself.
  public var livePause = Duration.seconds(2)
  /// After this long the browser opens the stream of a page anew.
  public var liveLifetime = Duration.seconds(1800)
  /// Streams of one user, and of all, at most.
  public var liveStreamsOfUser = 12
  public var liveStreams = 400

  public init() {}
}
