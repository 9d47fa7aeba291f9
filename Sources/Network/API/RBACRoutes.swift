import API
import Kit
import Store

extension NetworkModel {
  var rbacRoutes: [Route] {
    var hooks = ResourceHooks()
    hooks.creating = { values, context in
      let object = try sharedObject(values, context)
      let actions = RBACPolicies.tables[values.text("object_type")]?.actions ?? []
      guard actions.contains(values.text("action")) else {
        throw Fault.invalidInput(
          "Invalid action '\(values.text("action").prefix(60))' for object type '\(values.text("object_type"))'. Valid actions: \(actions)"
        )
      }
      try refuseWildcard(values.text("target_tenant"), object: object, verb: "create", context)
      try refuseDuplicatePolicy(values, context.tx)
      try checkPoolScope(values, context.tx)
    }
    hooks.created = { values, context in try policyChanged(values, context) }
    hooks.updating = { old, changes, context in
      guard let target = changes.optionalText("target_tenant"), target != old.text("target_tenant") else { return }
      let object = try sharedObject(old, context)
      try refuseWildcard(target, object: object, verb: "update", context)
      try refuseInUse(old, replacedBy: target, context)
      var wanted = old
      wanted["target_tenant"] = .string(target)
      try refuseDuplicatePolicy(wanted, context.tx)
      try checkPoolScope(wanted, context.tx)
    }
    hooks.updated = { _, new, context in try policyChanged(new, context) }
    hooks.deleting = { values, context in try refuseInUse(values, replacedBy: nil, context) }
    hooks.deleted = { values, context in try policyChanged(values, context) }
    return routes(RBACPolicies.resource, hooks)
  }

  /// The shared resource: the caller's own, or any for administrators. One that it only sees is a 400, as upstream's.
  private func sharedObject(_ policy: JSONObject, _ context: ResourceContext) throws -> JSONObject {
    let type = policy.text("object_type")
    let id = policy.text("object_id")
    let table = RBACPolicies.tables[type]?.table ?? "network"
    let (auth, visible) = (context.auth, RBACPolicies.visible(type, to: context.auth.projectID))
    let row = try context.tx.first("SELECT project_id, \(visible) AS is_visible FROM \(raw: table) WHERE id = \(id)")
    if let row, auth.isAdmin || row.text("project_id") == auth.projectID {
      return ["id": .string(id), "project_id": .string(row.text("project_id"))]
    }
    if let row, row.bool("is_visible") {
      throw Fault.invalidInput("Only admins can manipulate policies on \(type)s they do not own")
    }
    let title = type.split(separator: "_").joined(separator: " ")
    throw Fault.notFound("The \(title) \(id) could not be found.", kind: "NotFound")
  }

  /// A subnet pool is shared only with those who can use its address scope.
  private func checkPoolScope(_ policy: JSONObject, _ tx: any Transaction) throws {
    guard policy.text("object_type") == "subnetpool" else { return }
    let target = policy.text("target_tenant")
    let closed = try tx.first(
      """
      SELECT s.id FROM network_subnetpool p JOIN network_address_scope s ON s.id = p.address_scope_id
      WHERE p.id = \(policy.text("object_id")) AND s.project_id != \(target) AND NOT EXISTS
        (SELECT 1 FROM network_rbac r WHERE r.object_id = s.id AND r.target_tenant IN ('*', \(target)))
      """)
    if let closed {
      throw Fault.invalidInput(
        "Failed to share the subnet pool: its address scope \(closed.text("id")) is not shared with '\(target)'")
    }
  }

  private func refuseWildcard(_ target: String, object: JSONObject, verb: String, _ context: ResourceContext)
    throws(Fault)
  {
    if target == "*", !context.auth.isAdmin { throw Fault.disallowed("\(verb)_rbac_policy") }
  }

  private func refuseDuplicatePolicy(_ values: JSONObject, _ tx: any Transaction) throws {
    let other = try tx.first(
      """
      SELECT 1 AS one FROM network_rbac WHERE object_id = \(values.text("object_id"))
        AND target_tenant = \(values.text("target_tenant")) AND action = \(values.text("action"))
        AND id != \(values.id)
      """)
    if other != nil {
      throw Fault.conflict("An RBAC policy already exists with those values.", kind: "DuplicateRbacPolicy")
    }
  }

  /// `router:external` of a network follows its policies; its revision rises.
  private func policyChanged(_ values: JSONObject, _ context: ResourceContext) throws {
    guard values.text("object_type") == "network" else { return }
    try context.tx.execute(
      """
      UPDATE network SET revision_number = revision_number + 1, is_external = CASE WHEN EXISTS
        (SELECT 1 FROM network_rbac r WHERE r.object_id = network.id AND r.action = \(RBACPolicies.external))
        THEN 1 ELSE 0 END WHERE id = \(values.text("object_id"))
      """)
  }

  /// A policy stays while its project uses the resource by it alone.
  private func refuseInUse(_ policy: JSONObject, replacedBy target: String?, _ context: ResourceContext) throws {
    let (id, old) = (policy.text("object_id"), policy.text("target_tenant"))
    let users = try users(of: policy, tx: context.tx)
    let rows = try context.tx.query(
      """
      SELECT target_tenant FROM network_rbac WHERE object_id = \(id) AND action = \(policy.text("action"))
        AND id != \(policy.id)
      """)
    let others = Set(rows.map { $0.text("target_tenant") }).union(target.map { [$0] } ?? [])
    if others.contains("*") { return }
    let isDefault = try context.tx.first("SELECT 1 AS one FROM network WHERE id = \(id) AND is_default = 1") != nil
    if old == "*", policy.text("action") == RBACPolicies.external, isDefault {
      throw Fault.conflict(
        "RBAC policy on object \(id) cannot be removed because it makes the default external network.",
        kind: "RbacPolicyInUse")
    }
    let lost = users.subtracting(others).filter { old == "*" || $0 == old }
    if !lost.isEmpty {
      throw Fault.conflict(
        "RBAC policy on object \(id) cannot be removed because other objects depend on it.", kind: "RbacPolicyInUse")
    }
  }

  /// The projects, other than its owner, that use a shared resource.
  private func users(of policy: JSONObject, tx: any Transaction) throws -> Set<String> {
    let id = policy.text("object_id")
    let query: SQL
    switch (policy.text("object_type"), policy.text("action")) {
    case ("network", RBACPolicies.external):
      query = """
        SELECT project_id FROM network_floating_ip WHERE floating_network_id = \(id) UNION
        SELECT r.project_id FROM network_router r JOIN network_port p ON p.device_id = r.id
        WHERE p.network_id = \(id) AND p.device_owner = \(Ports.gatewayOwner)
        """
    case ("network", _):
      query = """
        SELECT project_id FROM network_port WHERE network_id = \(id) AND project_id != ''
          AND device_owner NOT IN \(list: Ports.automaticOwners)
        UNION SELECT project_id FROM network_subnet WHERE network_id = \(id)
        """
    case ("security_group", _):
      query = """
        SELECT p.project_id FROM network_port p JOIN network_port_group g ON g.port_id = p.id
        WHERE g.security_group_id = \(id)
        """
    case ("address_group", _):
      query = "SELECT project_id FROM network_security_rule WHERE remote_address_group_id = \(id)"
    case ("address_scope", _): query = "SELECT project_id FROM network_subnetpool WHERE address_scope_id = \(id)"
    default: query = "SELECT project_id FROM network_subnet WHERE subnetpool_id = \(id)"
    }
    let table = RBACPolicies.tables[policy.text("object_type")]?.table ?? "network"
    let owner = try tx.first("SELECT project_id FROM \(raw: table) WHERE id = \(id)")?.text("project_id")
    return Set(try tx.query(query).map { $0.text("project_id") }).subtracting([owner ?? "", ""])
  }

  var meteringRoutes: [Route] {
    var labels = ResourceHooks()
    labels.visible = Self.visible { _ in "shared = 1" }
    labels.deleted = { values, context in
      try context.tx.execute("DELETE FROM network_metering_rule WHERE metering_label_id = \(values.id)")
    }
    var rules = ResourceHooks()
    rules.creating = { values, context in try checkMeteringRule(&values, context) }
    return routes(Metering.labels, labels) + routes(Metering.rules, rules)
  }

  private func checkMeteringRule(_ values: inout JSONObject, _ context: ResourceContext) throws {
    let auth = context.auth
    let id = values.text("metering_label_id")
    let own: SQL? = auth.isAdmin ? nil : "project_id = \(auth.projectID)"
    guard let label = try Metering.labels.find(id, where: own, tx: context.tx) else {
      throw Fault.notFound("Metering label \(id) does not exist", kind: "MeteringLabelNotFound")
    }
    values["project_id"] = .string(label.projectID)
    let names = ["remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix"]
    let given = names.filter { values.optionalText($0) != nil }
    guard !given.isEmpty, !(given.contains("remote_ip_prefix") && given.count > 1) else {
      throw Fault.invalidInput(
        "A metering label rule needs remote_ip_prefix, or source_ip_prefix and destination_ip_prefix")
    }
    let rows = try context.tx.query(
      "SELECT * FROM network_metering_rule WHERE metering_label_id = \(id) AND direction = \(values.text("direction"))")
    for row in rows {
      let same = names.allSatisfy { name in
        switch (row.optionalText(name).flatMap { CIDR($0) }, values.optionalText(name).flatMap { CIDR($0) }) {
        case (let left?, let right?): left.overlaps(right)
        case (nil, nil): true
        default: false
        }
      }
      if same {
        throw Fault.conflict(
          "Metering label rule overlaps another one of label \(id).", kind: "MeteringLabelRuleOverlaps")
      }
    }
  }
}
