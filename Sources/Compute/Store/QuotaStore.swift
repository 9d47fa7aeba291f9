import Contracts
import Kit
import Store

/// Limits that were set for projects and quota classes, and the counts of rows that they are held against.
public enum ComputeQuota {
  /// The quota class whose limits hold for every project without its own.
  static let defaultClass = "default"

  /// A project's limit: its own, else the default class's, else the built-in. -1: none.
  public static func limit(_ resource: String, projectID: String, tx: any Transaction) throws -> Int {
    try limits(projectID: projectID, tx: tx)[resource] ?? -1
  }

  /// All limits of a project in one query.
  public static func limits(projectID: String, tx: any Transaction) throws -> [String: Int] {
    let rows = try tx.query(
      """
      SELECT resource, hard_limit, 0 AS rank FROM compute_quota_class WHERE class_name = \(defaultClass)
      UNION ALL SELECT resource, hard_limit, 1 AS rank FROM compute_quota WHERE project_id = \(projectID) ORDER BY rank
      """)
    return rows.reduce(into: QuotaResource.initial) { $0[$1.text("resource")] = $1.int("hard_limit") }
  }

  /// The limits of a quota class: what was set for it, else the built-in ones.
  static func classLimits(_ name: String, tx: any Transaction) throws -> [String: Int] {
    try tx.query("SELECT resource, hard_limit FROM compute_quota_class WHERE class_name = \(name)")
      .reduce(into: QuotaResource.initial) { $0[$1.text("resource")] = $1.int("hard_limit") }
  }

  /// What a project has in use, from rows: servers that are not deleted, and server groups.
  public static func used(projectID: String, tx: any Transaction) throws -> [String: Int] {
    let servers = try tx.first(
      """
      SELECT COUNT(*) AS instances, COALESCE(SUM(vcpus), 0) AS cores, COALESCE(SUM(memory_mb), 0) AS ram
      FROM server WHERE project_id = \(projectID) AND deleted_at IS NULL
      """)
    return [
      "instances": servers?.int("instances") ?? 0, "cores": servers?.int("cores") ?? 0,
      "ram": servers?.int("ram") ?? 0,
      "server_groups": try tx.count("SELECT COUNT(*) FROM server_group WHERE project_id = \(projectID)"),
    ]
  }

  /// Throws upstream's 403 fault when the project cannot have `asked` more of each resource.
  public static func check(_ asked: [String: Int], projectID: String, tx: any Transaction) throws {
    let (limits, used) = (try limits(projectID: projectID, tx: tx), try used(projectID: projectID, tx: tx))
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

  static func set(_ limits: [String: Int], projectID: String, now: Timestamp, tx: any Transaction) throws {
    for (resource, limit) in limits {
      try tx.execute("DELETE FROM compute_quota WHERE project_id = \(projectID) AND resource = \(resource)")
      try tx.execute(
        .insert(
          into: "compute_quota",
          ["project_id": projectID, "resource": resource, "hard_limit": limit, "updated_at": now]))
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
  /// Back to the defaults.
  static func reset(projectID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM compute_quota WHERE project_id = \(projectID)")
  }

  static let migrations = [
    Migration(
      "compute-quota-001",
      [
        """
        CREATE TABLE compute_quota (
          project_id VARCHAR(255) NOT NULL, resource VARCHAR(64) NOT NULL, hard_limit BIGINT NOT NULL,
          updated_at BIGINT NOT NULL, PRIMARY KEY (project_id, resource))
        """,
        """
        CREATE TABLE compute_quota_class (
          class_name VARCHAR(255) NOT NULL, resource VARCHAR(64) NOT NULL, hard_limit BIGINT NOT NULL,
          updated_at BIGINT NOT NULL, PRIMARY KEY (class_name, resource))
        """,
      ])
  ]
}
