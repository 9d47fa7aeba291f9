import API
import Contracts
import Kit
import Store

/// Network's security groups under Compute's old names (API reference, Security groups, until microversion 2.35).
struct SecurityGroupProxyRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = SecurityGroupProxyRoutes(service: dependencies)
    let (all, last) = ("/v2.1/os-security-groups", Microversion(2, 35))
    let one = all + "/{security_group_id}"
    func reader(_ verb: String) -> Policy { CataloguePolicy.reader("os-security-groups:\(verb)") }
    func member(_ verb: String) -> Policy { CataloguePolicy.member("os-security-groups:\(verb)") }
    return [
      Route("GET", all, reader("get"), until: last, this.list),
      Route("POST", all, member("create"), until: last, schema: groupSchema, this.create),
      Route("GET", one, reader("show"), until: last, this.show),
      Route("PUT", one, member("update"), until: last, schema: groupSchema, this.update),
      Route("DELETE", one, member("delete"), until: last, this.delete),
      Route(
        "POST", "/v2.1/os-security-group-rules", member("rule:create"), until: last, schema: ruleSchema,
        this.createRule),
      Route(
        "DELETE", "/v2.1/os-security-group-rules/{security_group_rule_id}", member("rule:delete"), until: last,
        this.deleteRule),
    ]
  }

  private static let groupSchema = Schema.object(
    [
      Schema.required(
        "security_group",
        .object(
          [Schema.required("name", .string(0...255)), Schema.required("description", .string(0...255))],
          additional: .allowed))
    ], additional: .allowed)
  private static let ruleSchema = Schema.object(
    [
      Schema.required(
        "security_group_rule",
        .object(
          [Schema.required("parent_group_id", .uuid), Schema.may("group_id", .either([.uuid, .null]))],
          additional: .allowed))
    ], additional: .allowed)

  static func view(_ group: ProxySecurityGroup) -> JSONValue {
    [
      "id": .string(group.id), "name": .string(group.name), "description": .string(group.description),
      "tenant_id": .string(group.projectID), "rules": .array(group.rules.map(view)),
    ]
  }

  static func view(_ rule: ProxySecurityGroup.Rule) -> JSONValue {
    // Rules without ports show the whole range, as upstream's proxy does.
    var ports = (rule.fromPort, rule.toPort)
    if let name = rule.protocol?.lowercased(), ports.0 == nil, ports.1 == nil {
      ports = name == "tcp" || name == "udp" ? (1, 65_535) : (-1, -1)
    }
    let group: JSONValue =
      rule.groupName.map { ["name": .string($0), "tenant_id": .optional(rule.groupProjectID)] } ?? [:]
    return [
      "id": .string(rule.id), "parent_group_id": .string(rule.parentGroupID),
      "ip_protocol": .optional(rule.protocol), "from_port": .optional(ports.0), "to_port": .optional(ports.1),
      "group": group, "ip_range": rule.groupName == nil ? ["cidr": .string(rule.cidr ?? "0.0.0.0/0")] : [:],
    ]
  }

  /// Runs a change with Network's faults in Compute's words: what is over quota is a 403, what is in use a 400.
  private func write<Result: Sendable>(
    conflict: Int = 400, _ body: @escaping @Sendable (any Transaction) throws -> Result
  ) async throws -> Result {
    do {
      return try await service.database.write(body)
    } catch let fault as Fault where fault.status == 409 {
      throw Fault(fault.kind == "OverQuota" ? 403 : conflict, fault.message)
    }
  }
  private static func id(_ call: Call, _ name: String) throws(Fault) -> String {
    let text = call.parameter(name)
    guard let id = UUIDText.canonical(text) else {
      throw Fault.badRequest("Security group id should be uuid, not '\(text.prefix(64))'")
    }
    return id
  }

  // MARK: Groups

  @Sendable private func list(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let isAll = auth.isAdmin && call.query.contains("all_tenants")
    let groups = try await service.database.read { [proxy = service.securityGroups] tx in
      try proxy.securityGroups(allProjects: isAll, auth: auth, tx: tx)
    }
    let shown = try CatalogueQuery.slice(groups, call).sorted {
      ($0.projectID, $0.name) < ($1.projectID, $1.name)
    }
    return .json(["security_groups": .array(shown.map(Self.view))])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    let (id, auth) = (try Self.id(call, "security_group_id"), try call.auth)
    let group = try await service.database.read { [proxy = service.securityGroups] tx in
      try proxy.securityGroup(id, auth: auth, tx: tx)
    }
    return .json(["security_group": Self.view(group)])
  }

  @Sendable private func create(_ call: Call) async throws -> Reply {
    let (auth, body) = (try call.auth, call.body["security_group"] ?? .null)
    let group = try await write { [proxy = service.securityGroups] tx in
      try proxy.createSecurityGroup(
        name: body["name"]?.string ?? "", description: body["description"]?.string ?? "", auth: auth, tx: tx)
    }
    return .json(["security_group": Self.view(group)])
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let (id, auth) = (try Self.id(call, "security_group_id"), try call.auth)
    let body = call.body["security_group"] ?? .null
    let group = try await write { [proxy = service.securityGroups] tx in
      try proxy.updateSecurityGroup(
        id, name: body["name"]?.string ?? "", description: body["description"]?.string ?? "", auth: auth, tx: tx)
    }
    return .json(["security_group": Self.view(group)])
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    let (id, auth) = (try Self.id(call, "security_group_id"), try call.auth)
    try await write { [proxy = service.securityGroups] tx in
      try proxy.deleteSecurityGroup(id, auth: auth, tx: tx)
    }
    return .empty(202)
  }

  // MARK: Rules

  @Sendable private func createRule(_ call: Call) async throws -> Reply {
    let (auth, body) = (try call.auth, call.body["security_group_rule"] ?? .null)
    let remote = body["group_id"]?.string
    let wanted = try SecurityGroupProxyRule.read(body, remoteGroupID: remote)
    let rule = try await write(conflict: 403) { [proxy = service.securityGroups] tx in
      let parent = try proxy.securityGroup(wanted.parentGroupID, auth: auth, tx: tx)
      let remoteName = try remote.map { try proxy.securityGroup($0, auth: auth, tx: tx).name }
      guard !parent.rules.contains(where: { SecurityGroupProxyRule.isSame($0, wanted, remoteName: remoteName) })
      else { throw Fault.badRequest("This rule already exists in group \(parent.id)") }
      return try proxy.createRule(wanted, remoteGroupID: remote, auth: auth, tx: tx)
    }
    return .json(["security_group_rule": Self.view(rule)])
  }

  @Sendable private func deleteRule(_ call: Call) async throws -> Reply {
    let (id, auth) = (try Self.id(call, "security_group_rule_id"), try call.auth)
    try await write { [proxy = service.securityGroups] tx in try proxy.deleteRule(id, auth: auth, tx: tx) }
    return .empty(202)
  }
}
