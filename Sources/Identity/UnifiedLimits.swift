import Contracts
import Kit
import Store

extension IdentityService: UnifiedLimiting {
  public func limits(serviceType: String, projectID: String, tx: any Transaction) throws -> [String: Int] {
    try limits(serviceType, "project_id = \(projectID)", tx)
  }

  /// Registered limits of services of a type, over them those of a project or domain. One of a region goes before one
  /// of none.
  private func limits(_ serviceType: String, _ owner: SQL, _ tx: any Transaction) throws -> [String: Int] {
    let services: SQL = "SELECT id FROM identity_service WHERE type = \(serviceType)"
    let general = try tx.query(
      """
      SELECT resource_name, default_limit FROM identity_registered_limit WHERE service_id IN (\(services))
      ORDER BY region_id
      """)
    var result: [String: Int] = [:]
    for row in general { result[row.text("resource_name")] = row.int("default_limit") }
    let own = try tx.query(
      """
      SELECT resource_name, resource_limit FROM identity_limit WHERE service_id IN (\(services)) AND \(owner)
      ORDER BY region_id
      """)
    for row in own { result[row.text("resource_name")] = row.int("resource_limit") }
    return result
  }

  public func enforce(
    _ asked: [String: Int], serviceType: String, projectID: String, tx: any Transaction,
    used: (_ projectIDs: [String]) throws -> [String: Int]
  ) throws {
    let limits = try limits(serviceType: serviceType, projectID: projectID, tx: tx)
    try Self.check(asked, limits, try used([projectID]), "Project \(projectID)")
    guard settings.limitModel == .strictTwoLevel else { return }
    guard let row = try tx.first("SELECT domain_id FROM identity_project WHERE id = \(projectID)") else { return }
    let domain = row.text("domain_id")
    let all = try tx.query("SELECT id FROM identity_project WHERE domain_id = \(domain) ORDER BY id").map {
      $0.text("id")
    }
    let bounds = try self.limits(serviceType, "domain_id = \(domain)", tx)
    try Self.check(asked, bounds, try used(all), "Domain \(domain)")
  }

  private static func check(
    _ asked: [String: Int], _ limits: [String: Int], _ used: [String: Int], _ owner: String
  ) throws(Fault) {
    var over: [String] = []
    for (resource, amount) in asked.sorted(by: { $0.key < $1.key }) where amount > 0 {
      let (limit, usage) = (limits[resource] ?? 0, used[resource] ?? 0)
      if limit >= 0, usage + amount > limit {
        over.append(
          "Resource \(resource) is over limit of \(limit) due to current usage \(usage) and delta \(amount)")
      }
    }
    guard over.isEmpty else {
      throw Fault.forbidden("\(owner) is over a limit for [\(over.joined(separator: ", "))]")
    }
  }
}
