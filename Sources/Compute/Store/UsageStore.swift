import Kit
import Store

/// What servers used, from their rows; deleted servers keep theirs.
enum UsageStore {
  /// Servers that existed in a period, of a project or of all, at most `limit` behind the server `marker`.
  /// Throws a 400 fault for a marker that does not exist.
  static func servers(
    from start: Timestamp, to stop: Timestamp, projectID: String?, limit: Int?, marker: String?, tx: any Transaction
  ) throws -> (servers: [ServerUsage], hasNext: Bool) {
    var conditions: [SQL] = [
      "launched_at IS NOT NULL", "launched_at < \(stop)", "(terminated_at IS NULL OR terminated_at > \(start))",
    ]
    if let projectID { conditions.append("project_id = \(projectID)") }
    if let marker {
      guard let row = try tx.first("SELECT project_id FROM server WHERE id = \(marker)") else {
        throw Fault.badRequest("Marker \(marker.prefix(64)) could not be found.")
      }
      let project = row.text("project_id")
      conditions.append("(project_id > \(project) OR (project_id = \(project) AND id > \(marker)))")
    }
    var sql: SQL = """
      SELECT id, name, project_id, vcpus, memory_mb, flavor, vm_state, launched_at, terminated_at FROM server
      WHERE \(SQL.join(conditions, " AND ")) ORDER BY project_id, id
      """
    if let limit { sql = "\(sql) LIMIT \(limit + 1)" }
    var servers = try tx.query(sql).map(usage)
    let hasNext = limit.map { servers.count > $0 } ?? false
    if hasNext { servers.removeLast() }
    return (servers, hasNext)
  }

  private static func usage(_ row: Row) -> ServerUsage {
    let flavor = ServerFlavor(json: row.json("flavor"))
    let endedAt = row.optionalTimestamp("terminated_at")
    return ServerUsage(
      serverID: row.text("id"), name: row.text("name"), projectID: row.text("project_id"), flavorName: flavor.name,
      vcpus: row.int("vcpus"), memoryMB: row.int("memory_mb"), diskGB: flavor.diskGB + flavor.ephemeralGB,
      state: endedAt == nil ? row.text("vm_state") : "terminated", startedAt: row.timestamp("launched_at"),
      endedAt: endedAt)
  }
}
