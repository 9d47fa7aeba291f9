import API
import Kit
import Store

/// Who may use a resource of another project (API reference, Networking, RBAC policies).
enum RBACPolicies {
  static let resource = Resource(
    name: "rbac_policy", collection: "rbac_policies", path: "/v2.0/rbac-policies", table: "network_rbac",
    fields: [
      Standard.id, Standard.owner,
      Field("object_type", .custom(objectType), create: .required, update: false),
      Field("object_id", .uuid, create: .required, update: false),
      Field("target_tenant", .custom(target), create: .required),
      Field("action", .text(1...255), create: .required, update: false),
    ],
    policies: Standard.policies("rbac_policy"), notFoundKind: "RbacPolicyNotFound", title: "RBAC policy",
    style: .network, quota: Quotas.limit("rbac_policy"))

  static let (shared, external) = ("access_as_shared", "access_as_external")

  /// Object types with the table that keeps them and the actions that they know.
  static let tables: [String: (table: String, actions: [String])] = [
    "network": ("network", [shared, external]), "security_group": ("network_security_group", [shared]),
    "address_scope": ("network_address_scope", [shared]), "subnetpool": ("network_subnetpool", [shared]),
    "address_group": ("network_address_group", [shared]),
  ]

  @Sendable private static func objectType(_ value: JSONValue) throws(Fault) -> JSONValue {
    let name = value.string?.lowercased() ?? ""
    guard tables[name] != nil else {
      throw Fault.invalidInput("'\((value.string ?? value.text).prefix(60))' is not a valid RBAC object type")
    }
    return .string(name)
  }
  @Sendable private static func target(_ value: JSONValue) throws(Fault) -> JSONValue {
    guard let text = value.string, text == "*" || UUIDText.canonical(text) != nil else {
      throw Fault.invalidInput(
        "'\((value.string ?? value.text).prefix(80))' is not a valid target project ID; expected a UUID or '*'")
    }
    return value
  }

  /// The rows of a type that others share with a project.
  static func visible(_ type: String, to project: String, column: String = "id") -> SQL {
    """
    \(raw: column) IN (SELECT object_id FROM network_rbac WHERE object_type = \(type)
      AND target_tenant IN ('*', \(project)))
    """
  }
  /// The same, only what may be used as one's own.
  static func shared(_ type: String, with project: String, column: String = "id") -> SQL {
    """
    \(raw: column) IN (SELECT object_id FROM network_rbac WHERE object_type = \(type) AND action = \(shared)
      AND target_tenant IN ('*', \(project)))
    """
  }
}

/// Labels that say which traffic of routers is counted (API reference, Networking, Metering labels and rules).
enum Metering {
  static let labels = Resource(
    name: "metering_label", collection: "metering_labels", path: "/v2.0/metering/metering-labels",
    table: "network_metering_label",
    fields: [
      Standard.id, Standard.name, Standard.owner, Field("description", .text(0...1024), update: false, initial: ""),
      Field("shared", .bool, update: false, initial: false),
    ], policies: Standard.policies("metering_label", write: .projectManager, update: false),
    notFoundKind: "MeteringLabelNotFound", title: "Metering label", style: .network)

  static let rules = Resource(
    name: "metering_label_rule", collection: "metering_label_rules", path: "/v2.0/metering/metering-label-rules",
    table: "network_metering_rule",
    fields: [
      Standard.id, Field("project_id", .text(0...255), update: false, alias: "tenant_id", hidden: true),
      Field("metering_label_id", .uuid, create: .required, update: false),
      Field("direction", .oneOf(["ingress", "egress"]), create: .required, update: false),
      Field("excluded", .bool, update: false, initial: false),
      Field("remote_ip_prefix", .cidr, nullable: true, update: false),
      Field("source_ip_prefix", .cidr, nullable: true, update: false),
      Field("destination_ip_prefix", .cidr, nullable: true, update: false),
    ], policies: Standard.policies("metering_label_rule", write: .projectManager, update: false),
    notFoundKind: "MeteringLabelRuleNotFound", title: "Metering label rule", style: .network)
}

/// What serves networks on a node (API reference, Networking, Agents).
enum Agents {
  static let resource = Resource(
    name: "agent", collection: "agents", path: "/v2.0/agents", table: "network_agent",
    fields: [
      Standard.id,
      Field("agent_type", .text(0...255), create: .forbidden, update: false),
      Field("binary", .text(0...255), column: "agent_binary", create: .forbidden, update: false),
      Field("topic", .text(0...255), create: .forbidden, update: false),
      Field("host", .text(0...255), create: .forbidden, update: false),
      Field("availability_zone", .text(0...255), nullable: true, create: .forbidden, update: false),
      Field("admin_state_up", .bool, create: .forbidden, initial: true),
      Field("description", .text(0...255), nullable: true, create: .forbidden),
      Field("configurations", .json(.any), create: .forbidden, update: false, filter: false, sort: false),
      Field("resources_synced", .bool, isStored: false, create: .forbidden, update: false),
      Field("created_at", .timestamp { $0.plain }, create: .forbidden, update: false),
      Field("started_at", .timestamp { $0.plain }, create: .forbidden, update: false),
      Field("heartbeat_timestamp", .timestamp { $0.plain }, create: .forbidden, update: false),
    ],
    policies: [
      .list: Policy("get_agent", .admin), .show: Policy("get_agent", .admin),
      .update: Policy("update_agent", .admin), .delete: Policy("delete_agent", .admin),
    ], ownerField: nil, notFoundKind: "AgentNotFound", title: "Agent", style: .network)

  struct Kind: Sendable {
    let type: String
    let binary: String
    let topic: String
    let hasZone: Bool
  }
  static let dhcp = Kind(type: "DHCP agent", binary: "neutron-dhcp-agent", topic: "dhcp_agent", hasZone: true)
  static let l3 = Kind(type: "L3 agent", binary: "neutron-l3-agent", topic: "l3_agent", hasZone: true)
  static let kinds = [
    dhcp, l3,
    Kind(type: "Linux bridge agent", binary: "neutron-linuxbridge-agent", topic: "N/A", hasZone: false),
    Kind(type: "Metadata agent", binary: "neutron-metadata-agent", topic: "N/A", hasZone: false),
  ]
  /// An agent without a heartbeat for this long is not alive (upstream's agent_down_time), in seconds.
  static let downAfterSeconds = 75
}
