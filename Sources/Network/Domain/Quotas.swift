import API
import Kit
import Store

/// Quotas of a project (API reference, Networking, Quotas). Used amounts are counted from rows.
enum Quotas {
  struct Kind: Sendable {
    let name: String
    /// Upstream's default; -1 is no limit.
    let limit: Int
    /// The table whose rows of a project count.
    let table: String
  }
  static let kinds = [
    Kind(name: "network", limit: 100, table: "network"),
    Kind(name: "subnet", limit: 100, table: "network_subnet"),
    Kind(name: "subnetpool", limit: -1, table: "network_subnetpool"),
    Kind(name: "port", limit: 500, table: "network_port"),
    Kind(name: "router", limit: 10, table: "network_router"),
    Kind(name: "floatingip", limit: 50, table: "network_floating_ip"),
    Kind(name: "security_group", limit: 10, table: "network_security_group"),
    Kind(name: "security_group_rule", limit: 100, table: "network_security_rule"),
    Kind(name: "rbac_policy", limit: 10, table: "network_rbac"),
    Kind(name: "router_route", limit: 30, table: ""),
  ]

  /// For a declared resource: its limit in a project.
  static func limit(_ name: String) -> @Sendable (String, any Transaction) throws -> Int? {
    { project, tx in try limit(name, project: project, tx: tx) }
  }
  static func limit(_ name: String, project: String, tx: any Transaction) throws -> Int {
    let own = try tx.first(
      "SELECT amount FROM network_quota WHERE project_id = \(project) AND resource = \(name)")
    return own?.int("amount") ?? kinds.first { $0.name == name }?.limit ?? -1
  }

  /// Throws 409 OverQuota when `asked` more rows of a kind do not fit.
  static func check(_ name: String, project: String, asked: Int, tx: any Transaction) throws {
    guard asked > 0, let kind = kinds.first(where: { $0.name == name }) else { return }
    try QuotaFault.check(
      name, limit: try limit(name, project: project, tx: tx), used: try used(kind, project: project, tx: tx),
      asked: asked)
  }
  static func used(_ kind: Kind, project: String, tx: any Transaction) throws -> Int {
    if kind.table.isEmpty { return 0 }
    return try tx.count("SELECT COUNT(*) FROM \(raw: kind.table) WHERE project_id = \(project)")
  }
}
