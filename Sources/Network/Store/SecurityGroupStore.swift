import Kit
import Store

/// Rows of security groups that other parts make and ask for.
enum SecurityGroupStore {
  /// The id of a project's default group, which is made when it is first needed.
  @discardableResult
  static func ensureDefault(_ project: String, now: Timestamp, tx: any Transaction) throws -> String {
    if let id = try defaultID(project, tx: tx) { return id }
    return try create(
      [
        "project_id": .string(project), "name": .string(SecurityGroups.defaultName),
        "description": .string(SecurityGroups.defaultDescription),
      ], isDefault: true, now: now, tx: tx
    ).id
  }

  static func defaultID(_ project: String, tx: any Transaction) throws -> String? {
    try tx.first(
      """
      SELECT id FROM network_security_group WHERE project_id = \(project) AND name = \(SecurityGroups.defaultName)
      """)?.text("id")
  }

  @discardableResult
  static func create(_ values: JSONObject, isDefault: Bool = false, now: Timestamp, tx: any Transaction) throws
    -> JSONObject
  {
    let group = try SecurityGroups.resource.insert(values, now: now, tx: tx)
    try addInitialRules(group, isDefault: isDefault, now: now, tx: tx)
    return group
  }

  static func addInitialRules(_ group: JSONObject, isDefault: Bool, now: Timestamp, tx: any Transaction) throws {
    for rule in SecurityRules.initial(group: group.id, isDefault: isDefault) {
      var values = rule
      values["security_group_id"] = .string(group.id)
      values["project_id"] = .string(group.projectID)
      try SecurityRules.resource.insert(values, now: now, tx: tx)
    }
  }

  /// Writes a checked rule. Throws 409 with the id of an equal one that exists.
  @discardableResult
  static func createRule(_ values: JSONObject, now: Timestamp, tx: any Transaction) throws -> JSONObject {
    try refuseDuplicate(values, tx: tx)
    try touch(values.text("security_group_id"), tx: tx)
    return try SecurityRules.resource.insert(values, now: now, tx: tx)
  }

  static func refuseDuplicate(_ values: JSONObject, tx: any Transaction) throws {
    let key = SecurityRules.key(values)
    let equal = try rules(of: [values.text("security_group_id")], tx: tx).first { SecurityRules.key($0) == key }
    if let equal {
      throw Fault.conflict(
        "Security group rule already exists. Rule id is \(equal.id).", kind: "SecurityGroupRuleExists")
    }
  }

  /// The group's revision rises with its rules.
  static func touch(_ group: String, tx: any Transaction) throws {
    try tx.execute("UPDATE network_security_group SET revision_number = revision_number + 1 WHERE id = \(group)")
  }

  static func rules(of groups: some Collection<String>, tx: any Transaction) throws -> [JSONObject] {
    guard !groups.isEmpty else { return [] }
    return try tx.query(
      """
      SELECT * FROM network_security_rule WHERE security_group_id IN \(list: Array(groups)) ORDER BY created_at, id
      """
    ).map(SecurityRules.resource.values)
  }

  static func inUse(_ group: String, tx: any Transaction) throws -> Bool {
    try tx.first("SELECT 1 AS one FROM network_port_group WHERE security_group_id = \(group) LIMIT 1") != nil
  }

  /// Groups that a project may put on its ports: its own and those that others share with it.
  static func usable(by auth: AuthContext, project: String) -> SQL {
    auth.isAdmin
      ? "1 = 1"
      : "project_id = \(project) OR \(RBACPolicies.shared("security_group", with: project))"
  }

  /// Sets a port's groups.
  static func bind(_ groups: [String], port: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM network_port_group WHERE port_id = \(port)")
    for group in groups {
      try tx.execute(.insert(into: "network_port_group", ["port_id": port, "security_group_id": group]))
    }
  }

  /// The groups of several ports, in one query.
  static func groups(of ports: [String], tx: any Transaction) throws -> [String: [String]] {
    let rows = try Batches.query(ports) { batch in
      try tx.query(
        "SELECT port_id, security_group_id FROM network_port_group WHERE port_id IN \(list: batch) ORDER BY security_group_id"
      )
    }
    return Dictionary(grouping: rows) { $0.text("port_id") }.mapValues { $0.map { $0.text("security_group_id") } }
  }
}
