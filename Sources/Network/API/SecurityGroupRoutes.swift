import API
import Kit
import Store

extension NetworkModel {
  var securityGroupRoutes: [Route] {
    routes(
      SecurityGroups.resource, groupHooks,
      filters: ListFilters(more: ["shared": Self.sharedFilter("security_group")])
    ).map(withDefaultGroup)
  }
  var securityRuleRoutes: [Route] {
    let more: [String: ListFilters.Make] = [
      "belongs_to_default_sg": { values, _ in
        let isDefault = try ListFilters.flag("belongs_to_default_sg", values)
        let ids: SQL = "(SELECT id FROM network_security_group WHERE name = \(SecurityGroups.defaultName))"
        return "security_group_id \(raw: isDefault ? "IN" : "NOT IN") \(ids)"
      },
      "normalized_cidr": { values, _ in "remote_ip_prefix IN \(list: values)" },
    ]
    return routes(SecurityRules.resource, ruleHooks, filters: ListFilters(more: more)).map(withDefaultGroup)
  }

  static func groupsVisible(_ auth: AuthContext) -> SQL? {
    visible { RBACPolicies.visible("security_group", to: $0.projectID) }(auth)
  }
  private static let ownGroups: @Sendable (AuthContext) -> SQL = { auth in
    "security_group_id IN (SELECT id FROM network_security_group WHERE project_id = \(auth.projectID))"
  }

  /// Reading a project's groups makes its default group when there is none yet.
  private func withDefaultGroup(_ route: Route) -> Route {
    guard route.method == "GET" else { return route }
    return Route(route.method, route.pattern, route.policy, body: route.bodyKind, schema: route.schema) { call in
      let auth = try call.auth
      let asked = auth.isAdmin ? call.query["project_id"] ?? call.query["tenant_id"] : nil
      let project = asked ?? auth.projectID
      let isMissing = try await database.read { tx in
        guard !project.isEmpty, try SecurityGroupStore.defaultID(project, tx: tx) == nil else { return false }
        return try asked == nil || projects.projectExists(project, tx: tx)
      }
      if isMissing {
        let now = clock.now()
        try await database.write { tx in _ = try SecurityGroupStore.ensureDefault(project, now: now, tx: tx) }
      }
      return try await route.handler(call)
    }
  }

  private var groupHooks: ResourceHooks {
    var hooks = ResourceHooks()
    hooks.visible = { Self.groupsVisible($0) }
    hooks.creating = { values, context in
      try Self.refuseDefaultName(values["name"])
      try SecurityGroupStore.ensureDefault(values.projectID, now: context.now, tx: context.tx)
      try Quotas.check("security_group_rule", project: values.projectID, asked: 2, tx: context.tx)
    }
    hooks.created = { values, context in
      try SecurityGroupStore.addInitialRules(values, isDefault: false, now: context.now, tx: context.tx)
    }
    hooks.updating = { old, changes, context in
      if let name = changes.optionalText("name"), name != old.text("name") {
        if old.text("name") == SecurityGroups.defaultName {
          throw Fault.conflict(
            "Updating default security group not allowed.", kind: "SecurityGroupCannotUpdateDefault")
        }
        try Self.refuseDefaultName(changes["name"])
      }
      if let stateful = changes["stateful"]?.bool, stateful != old.flag("stateful"),
        try SecurityGroupStore.inUse(old.id, tx: context.tx)
      {
        throw Fault.conflict("Security Group \(old.id) in use.", kind: "SecurityGroupInUse")
      }
    }
    hooks.deleting = { try Self.deleteGroup($0, auth: $1.auth, tx: $1.tx) }
    hooks.decorate = { views, context in
      try Self.decorateShared("security_group", &views, context)
      var rules = try SecurityGroupStore.rules(of: views.map(\.id), tx: context.tx)
      try Self.decorateRules(&rules, context.tx)
      let byGroup = Dictionary(grouping: rules) { $0.text("security_group_id") }
      for index in views.indices {
        let own = byGroup[views[index].id] ?? []
        views[index].append(
          "security_group_rules",
          .array(own.map { .object(SecurityRules.resource.view($0, for: context.auth)) }))
      }
    }
    return hooks
  }

  static func refuseDefaultName(_ name: JSONValue?) throws(Fault) {
    if name?.string?.lowercased() == SecurityGroups.defaultName {
      throw Fault.conflict("Default security group already exists.", kind: "SecurityGroupDefaultAlreadyExists")
    }
  }

  /// Removes what hangs on a group before its row goes.
  static func deleteGroup(_ group: JSONObject, auth: AuthContext, tx: any Transaction) throws {
    if try SecurityGroupStore.inUse(group.id, tx: tx) {
      throw Fault.conflict("Security Group \(group.id) in use.", kind: "SecurityGroupInUse")
    }
    if group.text("name") == SecurityGroups.defaultName, !auth.isAdmin {
      throw Fault.conflict(
        "Insufficient rights for removing default security group.", kind: "SecurityGroupCannotRemoveDefault")
    }
    try tx.execute(
      """
      DELETE FROM network_security_rule WHERE security_group_id = \(group.id) OR remote_group_id = \(group.id)
      """)
    try tx.execute("DELETE FROM network_rbac WHERE object_id = \(group.id)")
  }

  private var ruleHooks: ResourceHooks {
    var hooks = ResourceHooks()
    hooks.visible = Self.visible(Self.ownGroups)
    hooks.changeable = Self.visible(Self.ownGroups)
    hooks.creating = { values, context in
      try Self.checkRule(&values, auth: context.auth, tx: context.tx)
      try SecurityGroupStore.refuseDuplicate(values, tx: context.tx)
      try SecurityGroupStore.touch(values.text("security_group_id"), tx: context.tx)
    }
    hooks.deleted = { values, context in
      try SecurityGroupStore.touch(values.text("security_group_id"), tx: context.tx)
    }
    hooks.decorate = { views, context in try Self.decorateRules(&views, context.tx) }
    return hooks
  }

  /// Checks a rule with the groups that it names: the caller's own, and as remote also those shared with it.
  static func checkRule(_ values: inout JSONObject, auth: AuthContext, tx: any Transaction) throws {
    try SecurityRules.check(&values)
    let own: SQL? = auth.isAdmin ? nil : "project_id = \(auth.projectID)"
    let group = values.text("security_group_id")
    guard try SecurityGroups.resource.find(group, where: own, tx: tx) != nil else {
      throw SecurityGroups.notFound(group)
    }
    if let remote = values.optionalText("remote_group_id") {
      let visible = groupsVisible(auth)
      guard try SecurityGroups.resource.find(remote, where: visible, tx: tx) != nil else {
        throw SecurityGroups.notFound(remote)
      }
    }
    if let remote = values.optionalText("remote_address_group_id") {
      guard try AddressGroups.resource.find(remote, where: addressGroupsVisible(auth), tx: tx) != nil else {
        throw AddressGroups.notFound(remote)
      }
    }
  }

  private static func decorateRules(_ rules: inout [JSONObject], _ tx: any Transaction) throws {
    let groups = Set(rules.map { $0.text("security_group_id") })
    let defaults = Set(
      try tx.query(
        """
        SELECT id FROM network_security_group WHERE name = \(SecurityGroups.defaultName)
          AND id IN \(list: Array(groups))
        """
      ).map { $0.text("id") })
    for index in rules.indices {
      let cidr = rules[index].optionalText("remote_ip_prefix").flatMap { CIDR($0) }
      rules[index].append("normalized_cidr", .optional(cidr?.description))
      rules[index].append("belongs_to_default_sg", .bool(defaults.contains(rules[index].text("security_group_id"))))
    }
  }
}
