import Kit
import Store
import Workflow

/// A resize as the list of migrations shows it, read from its job and those that ended it.
struct ServerMigration: Sendable {
  var id: Int
  var uuid: String
  var serverID: String
  var status: String
  var host: String
  /// Internal numbers of the flavors; 0 for one that is gone.
  var oldFlavor: Int
  var newFlavor: Int
  var userID: String
  var projectID: String
  var createdAt: Timestamp
  var updatedAt: Timestamp

  /// Every resize of a server that is not deleted, newest first.
  static func all(tx: any Transaction) throws -> [ServerMigration] {
    let kinds = [ServerJob.resize, .confirmResize, .revertResize].map(\.rawValue)
    let rows = try tx.query(
      """
      SELECT id, kind, subject, state, input, user_id, project_id, created_at, updated_at FROM job
      WHERE kind IN \(list: kinds) ORDER BY id DESC
      """)
    let hosts = Dictionary(
      try tx.query("SELECT id, host FROM server WHERE deleted_at IS NULL").map { ($0.text("id"), $0.text("host")) }
    ) { first, _ in first }
    let flavors = Dictionary(
      try tx.query("SELECT id, number FROM flavor").map { ($0.text("id"), $0.int("number")) }
    ) { first, _ in first }
    /// The last job that ended a resize of the server, by what was read so far: rows come newest first.
    var ends: [String: Row] = [:]
    return rows.compactMap { row in
      let server = String(row.text("subject").dropFirst("server/".count))
      guard row.text("kind") == ServerJob.resize.rawValue else {
        ends[server] = row
        return nil
      }
      let end = ends.removeValue(forKey: server)
      guard let host = hosts[server] else { return nil }
      let input = row.json("input")
      return ServerMigration(
        id: row.int("id"), uuid: input["migration"]?.string ?? "", serverID: server,
        status: status(row.text("state"), end), host: host,
        oldFlavor: flavors[input["oldFlavor"]?.string ?? ""] ?? 0,
        newFlavor: flavors[input["newFlavor"]?.string ?? ""] ?? 0, userID: row.text("user_id"),
        projectID: row.text("project_id"), createdAt: row.timestamp("created_at"),
        updatedAt: (end ?? row).timestamp("updated_at"))
    }
  }

  private static func status(_ state: String, _ end: Row?) -> String {
    switch Job.State(rawValue: state) {
    case .queued: return "pre-migrating"
    case .running: return "migrating"
    case .succeeded: break
    default: return "error"
    }
    guard let end else { return "finished" }
    let isConfirmed = end.text("kind") == ServerJob.confirmResize.rawValue
    switch Job.State(rawValue: end.text("state")) {
    case .succeeded: return isConfirmed ? "confirmed" : "reverted"
    case .queued, .running: return isConfirmed ? "confirming" : "reverting"
    default: return "error"
    }
  }
}
