import Contracts
import Kit
import Store

/// Limits that were set for projects, for users in projects and for quota classes, and the counts of rows that they are
/// held against.
public enum ComputeQuota {
  /// The quota class whose limits hold for every project without its own.
  static let defaultClass = "default"

  /// A project's limit: its own, else the default class's, else the built-in. -1: none.
  public static func limit(_ resource: String, projectID: String, tx: any Transaction) throws -> Int {
    try limits(projectID: projectID, tx: tx)[resource] ?? -1
  }

  /// All limits of a project, or of a user in it (what is not set for the user is the project's), in one query.
  public static func limits(
    projectID: String, userID: String? = nil, tx: any Transaction
  ) throws -> [String: Int] {
    let rows = try tx.query(
      """
      SELECT resource, hard_limit, 0 AS rank_of FROM compute_quota_class WHERE class_name = \(defaultClass)
      UNION ALL
      SELECT resource, hard_limit, CASE WHEN user_id = '' THEN 1 ELSE 2 END AS rank_of FROM compute_quota
      WHERE project_id = \(projectID) AND user_id IN ('', \(userID ?? ""))
      ORDER BY rank_of
      """)
    return rows.reduce(into: QuotaResource.initial) { $0[$1.text("resource")] = $1.int("hard_limit") }
  }

  /// The limits of a quota class: what was set for it, else the built-in ones.
  static func classLimits(_ name: String, tx: any Transaction) throws -> [String: Int] {
    try tx.query("SELECT resource, hard_limit FROM compute_quota_class WHERE class_name = \(name)")
      .reduce(into: QuotaResource.initial) { $0[$1.text("resource")] = $1.int("hard_limit") }
  }

  /// What a project, or a user in it, has in use: servers that are not deleted and server groups, counted from rows.
  public static func used(projectID: String, userID: String? = nil, tx: any Transaction) throws -> [String: Int] {
    var scope: SQL = "project_id = \(projectID)"
    if let userID { scope = "\(scope) AND user_id = \(userID)" }
    let servers = try tx.first(
      """
      SELECT COUNT(*) AS instances, COALESCE(SUM(vcpus), 0) AS cores, COALESCE(SUM(memory_mb), 0) AS ram
      FROM server WHERE \(scope) AND is_deleted = 0
      """)
    return [
      "instances": servers?.int("instances") ?? 0, "cores": servers?.int("cores") ?? 0,
      "ram": servers?.int("ram") ?? 0,
      "server_groups": try tx.count("SELECT COUNT(*) FROM server_group WHERE \(scope)"),
    ]
  }

  /// Throws upstream's 403 fault when the project, or the user in it, cannot have `asked` more of each resource.
  public static func check(
    _ asked: [String: Int], projectID: String, userID: String? = nil, tx: any Transaction
  ) throws {
    try check(
      asked, limits: limits(projectID: projectID, tx: tx), used: used(projectID: projectID, tx: tx))
    guard let userID else { return }
    let own = try tx.count(
      "SELECT COUNT(*) FROM compute_quota WHERE project_id = \(projectID) AND user_id = \(userID)")
    guard own > 0 else { return }
    try check(
      asked, limits: limits(projectID: projectID, userID: userID, tx: tx),
      used: used(projectID: projectID, userID: userID, tx: tx))
  }

  private static func check(_ asked: [String: Int], limits: [String: Int], used: [String: Int]) throws {
    let over = asked.filter { resource, amount in
      let limit = limits[resource] ?? -1
      return limit >= 0 && amount > 0 && (used[resource] ?? 0) + amount > limit
    }.keys.sorted()
    guard !over.isEmpty else { return }
    func list(_ values: [String: Int]) -> String { over.map { String(values[$0] ?? 0) }.joined(separator: ", ") }
    throw Fault.forbidden(
      "Quota exceeded for \(over.joined(separator: ", ")): Requested \(list(asked)), but already used \(list(used)) "
        + "of \(list(limits)) \(over.joined(separator: ", "))")
  }

  static func set(
    _ limits: [String: Int], projectID: String, userID: String?, now: Timestamp, tx: any Transaction
  ) throws {
    for (resource, limit) in limits {
      try tx.execute(
        """
        DELETE FROM compute_quota
        WHERE project_id = \(projectID) AND user_id = \(userID ?? "") AND resource = \(resource)
        """)
      try tx.execute(
        .insert(
          into: "compute_quota",
          [
            "project_id": projectID, "user_id": userID ?? "", "resource": resource, "hard_limit": limit,
            "updated_at": now,
          ]))
    }
  }
  static func set(_ limits: [String: Int], className: String, now: Timestamp, tx: any Transaction) throws {
    for (resource, limit) in limits {
      try tx.execute("DELETE FROM compute_quota_class WHERE class_name = \(className) AND resource = \(resource)")
      try tx.execute(
        .insert(
          into: "compute_quota_class",
          ["class_name": className, "resource": resource, "hard_limit": limit, "updated_at": now]))
    }
  }
  /// Back to the defaults: a project with its users, or one user of it.
  static func reset(projectID: String, userID: String?, tx: any Transaction) throws {
    var scope: SQL = "project_id = \(projectID)"
    if let userID { scope = "\(scope) AND user_id = \(userID)" }
    try tx.execute("DELETE FROM compute_quota WHERE \(scope)")
  }

  static let migrations = [
    Migration(
      "compute-quota-001",
      [
        """
        CREATE TABLE compute_quota (
          project_id VARCHAR(255) NOT NULL, user_id VARCHAR(255) NOT NULL, resource VARCHAR(64) NOT NULL,
          hard_limit BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (project_id, user_id, resource))
        """,
        """
        CREATE TABLE compute_quota_class (
          class_name VARCHAR(255) NOT NULL, resource VARCHAR(64) NOT NULL, hard_limit BIGINT NOT NULL,
          updated_at BIGINT NOT NULL, PRIMARY KEY (class_name, resource))
        """,
      ])
  ]
}
