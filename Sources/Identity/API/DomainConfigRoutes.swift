import API
import Kit
import Store

/// Options that a domain may have for itself (API reference, Domain configuration). They describe a directory service and
/// are kept for clients; users of every domain are kept in our own books.
enum DomainConfig {
  /// Groups and options with upstream's defaults.
  static let defaults: JSONObject = [
    "identity": ["driver": "sql", "list_limit": nil],
    "ldap": [
      "url": "ldap://localhost", "user": nil, "suffix": "cn=example,cn=com", "query_scope": "one", "page_size": 0,
      "alias_dereferencing": "default", "debug_level": nil, "chase_referrals": nil, "user_tree_dn": nil,
      "user_filter": nil, "user_objectclass": "inetOrgPerson", "user_id_attribute": "cn", "user_name_attribute": "sn",
      "user_mail_attribute": "mail", "user_description_attribute": "description",
      "user_pass_attribute": "userPassword", "user_enabled_attribute": "enabled", "user_enabled_invert": false,
      "user_enabled_mask": 0, "user_enabled_default": "True", "user_attribute_ignore": ["default_project_id"],
      "user_default_project_id_attribute": nil, "user_enabled_emulation": false, "user_enabled_emulation_dn": nil,
      "user_enabled_emulation_use_group_config": false, "user_additional_attribute_mapping": [],
      "group_tree_dn": nil, "group_filter": nil, "group_objectclass": "groupOfNames", "group_id_attribute": "cn",
      "group_name_attribute": "ou", "group_members_are_ids": false, "group_member_attribute": "member",
      "group_desc_attribute": "description", "group_attribute_ignore": [], "group_additional_attribute_mapping": [],
      "group_ad_nesting": false, "tls_cacertfile": nil, "tls_cacertdir": nil, "use_tls": false,
      "tls_req_cert": "demand", "use_pool": true, "pool_size": 10, "pool_retry_max": 3, "pool_retry_delay": 0.1,
      "pool_connection_timeout": -1, "pool_connection_lifetime": 600, "use_auth_pool": true, "auth_pool_size": 100,
      "auth_pool_connection_lifetime": 60,
    ],
  ]
  /// May be set, is never shown.
  private static let sensitive = ["ldap": ["password"]]

  static func check(_ group: String, _ option: String? = nil) throws(Fault) {
    guard let options = defaults[group]?.object else {
      throw Fault.forbidden(
        "Invalid domain specific configuration: Group \(group.prefix(64)) is not supported for domain specific configurations."
      )
    }
    guard let option, options[option] == nil, sensitive[group]?.contains(option) != true else { return }
    throw Fault.forbidden(
      "Invalid domain specific configuration: Option \(option.prefix(64)) in group \(group) is not supported for domain specific configurations."
    )
  }

  /// Checks a whole configuration: groups of options.
  static func check(_ config: JSONValue) throws(Fault) -> JSONObject {
    guard let groups = config.object, !groups.isEmpty else {
      throw Fault.badRequest("A domain's configuration must be an object with at least one group.")
    }
    for group in groups {
      try check(group.key)
      guard let options = group.value.object, !options.isEmpty else {
        throw Fault.badRequest("The group \(group.key) must be an object with at least one option.")
      }
      for option in options { try check(group.key, option.key) }
    }
    return groups
  }

  static func visible(_ config: JSONObject) -> JSONObject {
    var result = JSONObject()
    for group in config {
      let hidden = sensitive[group.key] ?? []
      let options = (group.value.object ?? [:]).filter { !hidden.contains($0.key) }.map { ($0.key, $0.value) }
      if !options.isEmpty { result.append(group.key, .object(JSONObject(options))) }
    }
    return result
  }

  /// The part of a configuration that a group and an option name; nil when there is none.
  static func part(_ config: JSONObject, _ group: String?, _ option: String?) -> JSONValue? {
    guard let group else { return config.isEmpty ? nil : .object(config) }
    guard let options = config[group] else { return nil }
    guard let option else { return [group: options] }
    return options[option].map { [option: $0] }
  }
}

extension IdentityService {
  var domainConfigRoutes: [Route] {
    let own = "/v3/domains/{domain_id}/config"
    let read = TargetPolicy.systemReader("get_domain_config").route
    let defaults = TargetPolicy.systemReader("get_domain_config_default").route
    let change = TargetPolicy.admin("update_domain_config").route
    let remove = TargetPolicy.admin("delete_domain_config").route
    var routes: [Route] = [
      Route("PUT", own, TargetPolicy.admin("create_domain_config").route, body: .json) { [self] in
        try await createConfig($0)
      },
      Route("GET", "/v3/domains/config/default", defaults) { [self] in try await defaultConfig($0) },
      Route("GET", "/v3/domains/config/{group}/default", defaults) { [self] in try await defaultConfig($0) },
      Route("GET", "/v3/domains/config/{group}/{option}/default", defaults) { [self] in try await defaultConfig($0) },
    ]
    let compliance = TargetPolicy.authenticated("get_security_compliance_domain_config").route
    for path in ["/security_compliance", "/security_compliance/{option}"] {
      routes.append(Route("GET", own + path, compliance) { [self] in try await complianceConfig($0) })
    }
    for path in [own, own + "/{group}", own + "/{group}/{option}"] {
      routes.append(Route("GET", path, read) { [self] in try await showConfig($0) })
      routes.append(Route("PATCH", path, change, body: .json) { [self] in try await updateConfig($0) })
      routes.append(Route("DELETE", path, remove) { [self] in try await deleteConfig($0) })
    }
    return routes
  }

  /// What passwords have to be like, which everyone may know; there is one answer for the whole cloud.
  private func complianceConfig(_ call: Call) async throws -> Reply {
    guard call.parameter("domain_id") == "default" else {
      throw Fault.forbidden(
        "Reading security compliance information for any domain other than the default domain is not allowed or supported."
      )
    }
    let rules = settings.compliance
    func shown(_ text: String) -> JSONValue { text.isEmpty ? .null : .string(text) }
    let all: JSONObject = [
      "security_compliance": [
        "password_regex": shown(rules.passwordRegex),
        "password_regex_description": shown(rules.passwordRegexDescription),
      ]
    ]
    guard let part = DomainConfig.part(all, "security_compliance", call.parameters["option"]) else {
      throw Fault.forbidden("Reading security compliance values other than the password's pattern is not allowed.")
    }
    return .json(["config": part])
  }

  private func defaultConfig(_ call: Call) async throws -> Reply {
    let (group, option) = (call.parameters["group"], call.parameters["option"])
    if let group { try DomainConfig.check(group, option) }
    return .json(["config": DomainConfig.part(DomainConfig.defaults, group, option) ?? [:]])
  }

  private func config(_ id: String, _ tx: any Transaction) throws -> JSONObject {
    guard books.domain(id) != nil else { throw Fault.notFound("Could not find domain: \(id.prefix(64)).") }
    guard let row = try tx.first("SELECT config FROM identity_domain_config WHERE domain_id = \(id)"),
      let bytes = secrets.open(row.blob("config"))
    else { return [:] }
    return (try? JSONParser.parse(bytes))?.object ?? [:]
  }

  private func store(_ config: JSONObject, _ id: String, _ tx: any Transaction) throws {
    try tx.execute("DELETE FROM identity_domain_config WHERE domain_id = \(id)")
    guard !config.isEmpty else { return }
    let sealed = try secrets.seal(JSONValue.object(config).bytes)
    try tx.execute(.insert(into: "identity_domain_config", ["domain_id": id, "config": sealed]))
  }

  private func noConfig(_ call: Call) -> Fault {
    let place = [call.parameters["group"], call.parameters["option"]].compactMap { $0.map { String($0.prefix(64)) } }
    let part = place.isEmpty ? "any options" : place.joined(separator: "/")
    return .notFound(
      "Could not find \(part) in domain configuration for domain \(call.parameter("domain_id").prefix(64)).")
  }

  private func createConfig(_ call: Call) async throws -> Reply {
    let wanted = try DomainConfig.check(call.body["config"] ?? .null)
    let id = call.parameter("domain_id")
    return try await change(call) { [self] change in
      let isNew = try config(id, change.tx).isEmpty
      try store(wanted, id, change.tx)
      audit(call, "set the configuration of domain \(id)", change.tx)
      return .json(["config": .object(DomainConfig.visible(wanted))], status: isNew ? 201 : 200)
    }
  }

  private func showConfig(_ call: Call) async throws -> Reply {
    let (group, option) = (call.parameters["group"], call.parameters["option"])
    return try await database.read { [self] tx in
      let all = DomainConfig.visible(try config(call.parameter("domain_id"), tx))
      if let group { try DomainConfig.check(group, option) }
      guard let part = DomainConfig.part(all, group, option) else { throw noConfig(call) }
      return .json(["config": part])
    }
  }

  private func updateConfig(_ call: Call) async throws -> Reply {
    let (id, group, option) = (call.parameter("domain_id"), call.parameters["group"], call.parameters["option"])
    var given = call.body["config"] ?? .null
    // The body of one option names the option only; the group stands in the path.
    if let group, let option { given = [group: .object([option: given[option] ?? .null])] }
    let wanted = try DomainConfig.check(given)
    if let group, wanted.count != 1 || wanted[group] == nil {
      throw Fault.forbidden("Invalid domain specific configuration: The group in the body must be \(group.prefix(64)).")
    }
    return try await change(call) { [self] change in
      var all = try config(id, change.tx)
      guard !all.isEmpty, DomainConfig.part(all, group, option) != nil || option == nil && group != nil else {
        throw noConfig(call)
      }
      for member in wanted {
        var options = all[member.key]?.object ?? [:]
        options.merge(member.value.object ?? [:])
        all[member.key] = .object(options)
      }
      try store(all, id, change.tx)
      audit(call, "changed the configuration of domain \(id)", change.tx)
      return .json(["config": .object(DomainConfig.visible(all))])
    }
  }

  private func deleteConfig(_ call: Call) async throws -> Reply {
    let (id, group, option) = (call.parameter("domain_id"), call.parameters["group"], call.parameters["option"])
    return try await change(call) { [self] change in
      var all = try config(id, change.tx)
      guard DomainConfig.part(all, group, option) != nil else { throw noConfig(call) }
      if let group, let option, var options = all[group]?.object {
        options[option] = nil
        all[group] = options.isEmpty ? nil : .object(options)
      } else if let group {
        all[group] = nil
      } else {
        all = [:]
      }
      try store(all, id, change.tx)
      audit(call, "removed a configuration of domain \(id)", change.tx)
      return .empty(204)
    }
  }
}
