import Kit
import Store

/// Who enforces usage: a project's quota of a resource against what its rows count.
public enum QuotaCheck {
  /// Throws `fault` when `used + asked` is over `limit` (-1: no limit).
  public static func check(limit: Int, used: Int, asked: Int, _ fault: @autoclosure () -> Fault) throws {
    if limit >= 0, used + asked > limit { throw fault() }
  }
}

/// A process role's report that it lives: rows with a lease, shown as Compute services and Network agents.
public protocol Heartbeating: Sendable {
  /// Records that the service's node parts on `host` are alive now.
  func heartbeat(host: String) async throws
}

/// What the other services know of projects. Reads memory or the caller's transaction only.
public protocol ProjectDirectory: Sendable {
  /// Whether a project with this id exists.
  func projectExists(_ id: String, tx: any Transaction) throws -> Bool
}
