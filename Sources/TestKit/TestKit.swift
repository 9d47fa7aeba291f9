import Contracts
import Foundation
import Kit
import Logs
import Store
import Synchronization

/// What tests share: a database of their own, tokens by name, and transcripts.
public enum TestKit {
  /// A fresh database with the given migrations run: SQLite, or MariaDB for every suite when `MARTLET_TEST_DATABASE` is
  /// `mariadb`.
  public static func database(_ migrations: [Migration]) async throws -> any Database {
    ProcessInfo.processInfo.environment["MARTLET_TEST_DATABASE"] == "mariadb"
      ? try await MariaDBServer.shared.database(migrations) : try await sqlite(migrations)
  }

  /// A fresh SQLite database in a folder that the system clears.
  public static func sqlite(_ migrations: [Migration]) async throws -> SQLiteDatabase {
    let database = try SQLiteDatabase(path: folder() + "/test.db", durability: .normal)
    try await database.migrate(migrations)
    return database
  }

  /// A new empty folder below the system's temporary one.
  public static func folder() throws -> String {
    let path = NSTemporaryDirectory() + "martlet-test-" + UUIDText.makeHex().prefix(12)
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    return path
  }

  /// A logger that writes nowhere.
  public static let log = LogCenter(directory: nil, level: .critical).logger("test")

  /// The file beside a test's source: `TestKit.path("Transcripts/flavors.yaml")`.
  public static func path(_ relative: String, from source: String = #filePath) -> String {
    String(source[..<(source.lastIndex(of: "/") ?? source.endIndex)]) + "/" + relative
  }

  /// Paths of all files in the folder `Transcripts` beside a test's source, sorted.
  public static func transcripts(from source: String = #filePath) -> [String] {
    let folder = path("Transcripts", from: source)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted().map { folder + "/" + $0 }
  }
}

/// A clock that stands still until it is moved.
public final class TestClock: WallClock {
  private let time: Mutex<Timestamp>
  public init(_ start: Timestamp = Timestamp(seconds: 1_790_000_000)) { time = Mutex(start) }
  public func now() -> Timestamp { time.withLock { $0 } }
  public func advance(_ duration: Duration) { time.withLock { $0 = $0 + duration } }
}

/// Tokens whose text is a name: `admin`, `manager`, `member`, `reader` and `service` of the project `main`; `other-admin`,
/// `other-member`, `other-reader` of the project `other`; `domain-admin`, `system-admin`, `system-reader`; `norole` with a
/// project but no role. `expired` and everything else is a 401.
public struct TestVerifier: TokenVerifying, ProjectDirectory {
  public static let mainProject = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  public static let otherProject = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

  public init() {}

  private static let implied: [String: Set<String>] = [
    "admin": ["admin", "manager", "member", "reader"], "manager": ["manager", "member", "reader"],
    "member": ["member", "reader"], "reader": ["reader"], "service": ["service"], "norole": [],
  ]

  /// Who the token of this name is; nil for a name that is none.
  public static func context(_ name: String) -> AuthContext? {
    let parts = name.split(separator: "-", maxSplits: 1).map(String.init)
    let (scope, role) = parts.count == 2 ? (parts[0], parts[1]) : ("main", name)
    guard let roles = implied[role], ["main", "other", "domain", "system"].contains(scope) else { return nil }
    let domain = AuthContext.Named(id: "default", name: "Default")
    let userID = String(
      (name.utf8.map { String($0, radix: 16) }.joined() + String(repeating: "0", count: 32)).prefix(32))
    let project: AuthContext.Named? =
      switch scope {
      case "main": AuthContext.Named(id: mainProject, name: "main")
      case "other": AuthContext.Named(id: otherProject, name: "other")
      default: nil
      }
    return AuthContext(
      user: AuthContext.Named(id: userID, name: name), userDomain: domain, project: project,
      projectDomain: project == nil ? nil : domain, domain: scope == "domain" ? domain : nil,
      isSystemScoped: scope == "system", roles: roles, tokenID: Secret(name),
      expiresAt: Timestamp(seconds: 4_000_000_000))
  }

  public func verify(_ token: String) async throws -> AuthContext {
    guard let context = Self.context(token) else { throw Fault.unauthorized() }
    return context
  }

  public func projectExists(_ id: String, tx: any Transaction) throws -> Bool {
    id == Self.mainProject || id == Self.otherProject
  }
}
