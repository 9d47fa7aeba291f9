import API
import Kit
import Store

/// Rows of server groups and their members. A member stays a member until its server is gone.
public enum ServerGroupStore {
  static func group(_ row: Row) -> ServerGroup {
    ServerGroup(
      id: row.text("id"), name: row.text("name"), projectID: row.text("project_id"), userID: row.text("user_id"),
      policy: ServerGroup.Policy(rawValue: row.text("policy")) ?? .affinity,
      maxServersPerHost: row.optionalInt("max_server_per_host"))
  }

  /// A group by its id, if the caller may see it: its project's own, all for administrators.
  public static func find(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> ServerGroup? {
    guard let group = try find(id, tx: tx), auth.isAdmin || group.projectID == auth.projectID else { return nil }
    return group
  }
  /// A group whoever asks.
  public static func find(_ id: String, tx: any Transaction) throws -> ServerGroup? {
    try tx.first("SELECT * FROM server_group WHERE id = \(id.lowercased())").map(group)
  }
  /// Groups of a project (nil: of all), oldest first.
  static func all(projectID: String?, tx: any Transaction) throws -> [ServerGroup] {
    let scope: SQL = projectID.map { "project_id = \($0)" } ?? "1 = 1"
    return try tx.query("SELECT * FROM server_group WHERE \(scope) ORDER BY created_at, id").map(group)
  }

  static func insert(_ group: ServerGroup, now: Timestamp, tx: any Transaction) throws {
    try tx.execute(
      .insert(
        into: "server_group",
        [
          "id": group.id, "name": group.name, "project_id": group.projectID, "user_id": group.userID,
          "policy": group.policy.rawValue, "max_server_per_host": group.maxServersPerHost, "created_at": now,
        ]))
  }
  static func delete(_ id: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM server_group_member WHERE group_id = \(id)")
    try tx.execute("DELETE FROM server_group WHERE id = \(id)")
  }

  // MARK: Members

  /// Ids of the servers of groups that are not deleted, by group id, in the order in which they joined.
  public static func members(of ids: [String], tx: any Transaction) throws -> [String: [String]] {
    guard !ids.isEmpty else { return [:] }
    let rows = try tx.query(
      """
      SELECT m.group_id, m.server_id FROM server_group_member m
      JOIN server s ON s.id = m.server_id AND s.is_deleted = 0
      WHERE m.group_id IN \(list: ids) ORDER BY m.created_at, m.server_id
      """)
    return Dictionary(grouping: rows) { $0.text("group_id") }.mapValues { $0.map { $0.text("server_id") } }
  }
  /// Ids of the groups of several servers by server id (at most one each).
  public static func groups(ofServers ids: [String], tx: any Transaction) throws -> [String: [String]] {
    try memberships(ofServers: ids, tx: tx).mapValues { [$0.id] }
  }
  /// The groups of several servers by server id.
  public static func memberships(ofServers ids: [String], tx: any Transaction) throws -> [String: ServerGroup] {
    guard !ids.isEmpty else { return [:] }
    let rows = try tx.query(
      """
      SELECT m.server_id, g.* FROM server_group_member m JOIN server_group g ON g.id = m.group_id
      WHERE m.server_id IN \(list: ids)
      """)
    return Dictionary(rows.map { ($0.text("server_id"), group($0)) }) { first, _ in first }
  }
  /// Makes servers members. Throws a 403 fault when the group would have more than the project's server_group_members.
  public static func addMembers(
    _ serverIDs: [String], to group: ServerGroup, now: Timestamp, tx: any Transaction
  ) throws {
    let limit = try ComputeQuota.limit("server_group_members", projectID: group.projectID, tx: tx)
    let count = try members(of: [group.id], tx: tx)[group.id]?.count ?? 0
    guard limit < 0 || count + serverIDs.count <= limit else {
      throw Fault.forbidden("Quota exceeded, too many servers in group")
    }
    for id in serverIDs {
      try tx.execute(
        .insert(into: "server_group_member", ["group_id": group.id, "server_id": id, "created_at": now]))
    }
  }
  /// Takes a server out of its group, when it has one.
  public static func removeMember(_ serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM server_group_member WHERE server_id = \(serverID)")
  }

  static let migrations = [
    Migration(
      "compute-server-group-001",
      [
        """
        CREATE TABLE server_group (
          id VARCHAR(36) PRIMARY KEY, name VARCHAR(255) NOT NULL, project_id VARCHAR(255) NOT NULL,
          user_id VARCHAR(255) NOT NULL, policy VARCHAR(32) NOT NULL, max_server_per_host BIGINT,
          created_at BIGINT NOT NULL)
        """,
        "CREATE INDEX server_group_project ON server_group (project_id)",
        """
        CREATE TABLE server_group_member (
          server_id VARCHAR(36) PRIMARY KEY, group_id VARCHAR(36) NOT NULL, created_at BIGINT NOT NULL)
        """,
        "CREATE INDEX server_group_member_group ON server_group_member (group_id)",
      ])
  ]
}
