import Contracts
import Kit
import Store

/// Security groups as Compute's old proxies show and change them.
extension NetworkService {
  private func visible(_ auth: AuthContext, allProjects: Bool = false) -> SQL? {
    auth.isAdmin && allProjects ? nil : "project_id = \(auth.projectID)"
  }

  public func securityGroups(allProjects: Bool, auth: AuthContext, tx: any Transaction) throws -> [ProxySecurityGroup] {
    if tx.isWritable, !auth.projectID.isEmpty {
      try SecurityGroupStore.ensureDefault(auth.projectID, now: clock.now(), tx: tx)
    }
    let condition = visible(auth, allProjects: allProjects) ?? SQL("1 = 1")
    let rows = try tx.query("SELECT * FROM network_security_group WHERE \(condition) ORDER BY created_at, id")
    return try proxies(rows.map(SecurityGroups.resource.values), tx: tx)
  }

  public func securityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws -> ProxySecurityGroup {
    guard let proxy = try proxies([try group(id, auth: auth, tx: tx)], tx: tx).first else {
      throw SecurityGroups.notFound(id)
    }
    return proxy
  }

  private func group(_ id: String, auth: AuthContext, tx: any Transaction) throws -> JSONObject {
    let condition = visible(auth, allProjects: true)
    guard let group = try SecurityGroups.resource.find(id, where: condition, tx: tx) else {
      throw SecurityGroups.notFound(id)
    }
    return group
  }

  public func createSecurityGroup(name: String, description: String, auth: AuthContext, tx: any Transaction) throws
    -> ProxySecurityGroup
  {
    try NetworkModel.refuseDefaultName(.string(name))
    let now = clock.now()
    try SecurityGroupStore.ensureDefault(auth.projectID, now: now, tx: tx)
    try Quotas.check("security_group", project: auth.projectID, asked: 1, tx: tx)
    try Quotas.check("security_group_rule", project: auth.projectID, asked: 2, tx: tx)
    let group = try SecurityGroupStore.create(
      ["project_id": .string(auth.projectID), "name": .string(name), "description": .string(description)], now: now,
      tx: tx)
    return try securityGroup(group.id, auth: auth, tx: tx)
  }

  public func updateSecurityGroup(
    _ id: String, name: String, description: String, auth: AuthContext, tx: any Transaction
  ) throws -> ProxySecurityGroup {
    let old = try group(id, auth: auth, tx: tx)
    if name != old.text("name") {
      if old.text("name") == SecurityGroups.defaultName {
        throw Fault.conflict("Updating default security group not allowed.", kind: "SecurityGroupCannotUpdateDefault")
      }
      try NetworkModel.refuseDefaultName(.string(name))
    }
    try SecurityGroups.resource.update(
      old, ["name": .string(name), "description": .string(description)], now: clock.now(), tx: tx)
    return try securityGroup(id, auth: auth, tx: tx)
  }

  public func deleteSecurityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws {
    try NetworkModel.deleteGroup(try group(id, auth: auth, tx: tx), auth: auth, tx: tx)
    try SecurityGroups.resource.delete(id, tx: tx)
    tx.afterCommit(model.nudge)
  }

  public func createRule(
    _ rule: ProxySecurityGroup.Rule, remoteGroupID: String?, auth: AuthContext, tx: any Transaction
  ) throws -> ProxySecurityGroup.Rule {
    let group = try group(rule.parentGroupID, auth: auth, tx: tx)
    let cidr = rule.cidr.flatMap { CIDR($0) }
    if let text = rule.cidr, cidr == nil {
      throw Fault.badRequest("The CIDR '\(text.prefix(60))' is not valid.", kind: "InvalidCIDR")
    }
    // -1 stands for any type or code of ICMP.
    func port(_ value: Int?) -> JSONValue { value == -1 ? .null : .optional(value) }
    var values: JSONObject = [
      "project_id": .string(group.projectID), "security_group_id": .string(group.id), "direction": "ingress",
      "ethertype": cidr?.isV6 == true ? "IPv6" : "IPv4", "protocol": .optional(rule.protocol?.lowercased()),
      "port_range_min": port(rule.fromPort), "port_range_max": port(rule.toPort),
      "remote_ip_prefix": .optional(cidr?.description), "remote_group_id": .optional(remoteGroupID),
    ]
    if values["protocol"]?.isNull == false {
      values["protocol"] = try SecurityProtocol.canonical(values["protocol"] ?? .null)
    }
    for name in ["port_range_min", "port_range_max"] {
      if let number = values.number(name), !(0...65_535).contains(number) {
        throw Fault.invalidInput("Invalid value for port \(number)", kind: "SecurityGroupInvalidPortValue")
      }
    }
    try NetworkModel.checkRule(&values, auth: auth, tx: tx)
    try Quotas.check("security_group_rule", project: group.projectID, asked: 1, tx: tx)
    let made = try SecurityGroupStore.createRule(values, now: clock.now(), tx: tx)
    tx.afterCommit(model.nudge)
    guard let shown = try proxies([group], tx: tx).first?.rules.first(where: { $0.id == made.id }) else {
      throw SecurityGroups.notFound(group.id)
    }
    return shown
  }

  public func deleteRule(_ id: String, auth: AuthContext, tx: any Transaction) throws {
    let own: SQL? =
      auth.isAdmin
      ? nil
      : "security_group_id IN (SELECT id FROM network_security_group WHERE project_id = \(auth.projectID))"
    guard let rule = try SecurityRules.resource.find(id, where: own, tx: tx) else {
      throw Fault.notFound("Security group rule \(id.prefix(64)) does not exist", kind: "SecurityGroupRuleNotFound")
    }
    try SecurityRules.resource.delete(id, tx: tx)
    try SecurityGroupStore.touch(rule.text("security_group_id"), tx: tx)
    tx.afterCommit(model.nudge)
  }

  /// The groups with their ingress rules, and the names of the groups that the rules name.
  private func proxies(_ groups: [JSONObject], tx: any Transaction) throws -> [ProxySecurityGroup] {
    let rules = try SecurityGroupStore.rules(of: groups.map(\.id), tx: tx)
      .filter { $0.text("direction") == "ingress" }
    let remote = try SecurityGroups.resource.find(
      Set(rules.compactMap { $0.optionalText("remote_group_id") }), tx: tx)
    let byGroup = Dictionary(grouping: rules) { $0.text("security_group_id") }
    return groups.map { group in
      ProxySecurityGroup(
        id: group.id, name: group.text("name"), description: group.text("description"), projectID: group.projectID,
        rules: (byGroup[group.id] ?? []).map { rule in
          let other = rule.optionalText("remote_group_id").flatMap { remote[$0] }
          // Without a remote end the old API shows the whole world.
          let anywhere = rule.text("ethertype") == "IPv6" ? "::/0" : "0.0.0.0/0"
          return ProxySecurityGroup.Rule(
            id: rule.id, parentGroupID: group.id, protocol: rule.optionalText("protocol"),
            fromPort: rule.number("port_range_min"), toPort: rule.number("port_range_max"),
            cidr: rule.optionalText("remote_ip_prefix") ?? (other == nil ? anywhere : nil),
            groupName: other?.text("name"), groupProjectID: other?.projectID)
        })
    }
  }
}
