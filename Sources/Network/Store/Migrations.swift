import Store

/// The tables of Network.
enum NetworkTables {
  static let migrations = [
    Migration("network-001", networks + ports + routers + groups + others),
    Migration("network-002", addressGroups),
  ]

  private static let addressGroups: [SQL] = [
    """
    CREATE TABLE network_address_group (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      description VARCHAR(1024) NOT NULL, addresses TEXT NOT NULL, created_at BIGINT NOT NULL,
      updated_at BIGINT NOT NULL, revision_number INT NOT NULL)
    """,
    "CREATE INDEX network_address_group_project ON network_address_group (project_id)",
    "ALTER TABLE network_security_rule ADD COLUMN remote_address_group_id VARCHAR(36)",
    "CREATE INDEX network_security_rule_addresses ON network_security_rule (remote_address_group_id)",
  ]

  private static let networks: [SQL] = [
    """
    CREATE TABLE network (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      admin_state_up INT NOT NULL, status VARCHAR(16) NOT NULL, is_external INT NOT NULL, is_default INT NOT NULL,
      mtu INT NOT NULL, port_security_enabled INT NOT NULL, dns_domain VARCHAR(255) NOT NULL,
      provider_network_type VARCHAR(32) NOT NULL, provider_physical_network VARCHAR(64),
      provider_segmentation_id INT UNIQUE, availability_zone_hints TEXT NOT NULL, \(raw: Standard.columns))
    """,
    "CREATE INDEX network_project ON network (project_id)",
    """
    CREATE TABLE network_subnet (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      network_id VARCHAR(36) NOT NULL, ip_version INT NOT NULL, subnetpool_id VARCHAR(64), cidr VARCHAR(64) NOT NULL,
      gateway_ip VARCHAR(64), allocation_pools TEXT NOT NULL, enable_dhcp INT NOT NULL, dns_nameservers TEXT NOT NULL,
      host_routes TEXT NOT NULL, ipv6_ra_mode VARCHAR(32), ipv6_address_mode VARCHAR(32),
      dns_publish_fixed_ip INT NOT NULL, service_types TEXT NOT NULL, \(raw: Standard.columns))
    """,
    "CREATE INDEX network_subnet_network ON network_subnet (network_id)",
    "CREATE INDEX network_subnet_project ON network_subnet (project_id)",
    "CREATE INDEX network_subnet_pool ON network_subnet (subnetpool_id)",
    """
    CREATE TABLE network_subnetpool (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, prefixes TEXT NOT NULL,
      default_quota INT, ip_version INT NOT NULL, default_prefixlen INT NOT NULL, min_prefixlen INT NOT NULL,
      max_prefixlen INT NOT NULL, address_scope_id VARCHAR(36), is_default INT NOT NULL, \(raw: Standard.columns))
    """,
    """
    CREATE TABLE network_address_scope (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, ip_version INT NOT NULL)
    """,
  ]

  private static let ports: [SQL] = [
    """
    CREATE TABLE network_port (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      network_id VARCHAR(36) NOT NULL, admin_state_up INT NOT NULL, mac_address VARCHAR(17) NOT NULL,
      device_id VARCHAR(255) NOT NULL, device_owner VARCHAR(255) NOT NULL, status VARCHAR(16) NOT NULL,
      port_security_enabled INT NOT NULL, allowed_address_pairs TEXT NOT NULL, extra_dhcp_opts TEXT NOT NULL,
      dns_name VARCHAR(255) NOT NULL, dns_domain VARCHAR(255) NOT NULL, ip_allocation VARCHAR(16) NOT NULL,
      binding_host_id VARCHAR(255), binding_vnic_type VARCHAR(64) NOT NULL, binding_profile TEXT,
      is_made_by_compute INT NOT NULL, ordinal INT NOT NULL, device_tag VARCHAR(255), \(raw: Standard.columns),
      UNIQUE (network_id, mac_address))
    """,
    "CREATE INDEX network_port_device ON network_port (device_id)",
    "CREATE INDEX network_port_project ON network_port (project_id)",
    "CREATE INDEX network_port_owner ON network_port (device_owner)",
    // host_offset counts from the subnet's first address, so that the next free one is found by an index.
    """
    CREATE TABLE network_allocation (
      port_id VARCHAR(36) NOT NULL, network_id VARCHAR(36) NOT NULL, subnet_id VARCHAR(36) NOT NULL,
      address VARCHAR(64) NOT NULL, host_offset BIGINT NOT NULL, ordinal INT NOT NULL,
      PRIMARY KEY (subnet_id, address))
    """,
    "CREATE INDEX network_allocation_port ON network_allocation (port_id)",
    "CREATE INDEX network_allocation_offset ON network_allocation (subnet_id, host_offset)",
    "CREATE INDEX network_allocation_network ON network_allocation (network_id, address)",
    """
    CREATE TABLE network_port_group (
      port_id VARCHAR(36) NOT NULL, security_group_id VARCHAR(36) NOT NULL, PRIMARY KEY (port_id, security_group_id))
    """,
    "CREATE INDEX network_port_group_group ON network_port_group (security_group_id)",
  ]

  private static let routers: [SQL] = [
    """
    CREATE TABLE network_router (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      admin_state_up INT NOT NULL, status VARCHAR(16) NOT NULL, distributed INT NOT NULL, ha INT NOT NULL,
      routes TEXT NOT NULL, availability_zone_hints TEXT NOT NULL, enable_snat INT NOT NULL,
      \(raw: Standard.columns))
    """,
    "CREATE INDEX network_router_project ON network_router (project_id)",
    """
    CREATE TABLE network_floating_ip (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, floating_network_id VARCHAR(36) NOT NULL,
      floating_ip_address VARCHAR(64) NOT NULL, port_id VARCHAR(36), fixed_ip_address VARCHAR(64),
      router_id VARCHAR(36), status VARCHAR(16) NOT NULL, dns_name VARCHAR(255) NOT NULL,
      dns_domain VARCHAR(255) NOT NULL, floating_port_id VARCHAR(36) NOT NULL, \(raw: Standard.columns),
      UNIQUE (floating_network_id, port_id, fixed_ip_address))
    """,
    "CREATE INDEX network_floating_ip_project ON network_floating_ip (project_id)",
    "CREATE INDEX network_floating_ip_port ON network_floating_ip (port_id)",
    "CREATE INDEX network_floating_ip_router ON network_floating_ip (router_id)",
  ]

  private static let groups: [SQL] = [
    """
    CREATE TABLE network_security_group (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL, stateful INT NOT NULL,
      \(raw: Standard.columns))
    """,
    "CREATE INDEX network_security_group_project ON network_security_group (project_id, name)",
    """
    CREATE TABLE network_security_rule (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, security_group_id VARCHAR(36) NOT NULL,
      direction VARCHAR(8) NOT NULL, ethertype VARCHAR(4) NOT NULL, protocol VARCHAR(40), port_range_min INT,
      port_range_max INT, remote_ip_prefix VARCHAR(64), remote_group_id VARCHAR(36), description VARCHAR(255) NOT NULL,
      created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, revision_number INT NOT NULL)
    """,
    "CREATE INDEX network_security_rule_group ON network_security_rule (security_group_id)",
    "CREATE INDEX network_security_rule_remote ON network_security_rule (remote_group_id)",
    "CREATE INDEX network_security_rule_project ON network_security_rule (project_id)",
  ]

  private static let others: [SQL] = [
    """
    CREATE TABLE network_rbac (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, object_type VARCHAR(32) NOT NULL,
      object_id VARCHAR(36) NOT NULL, target_tenant VARCHAR(255) NOT NULL, action VARCHAR(255) NOT NULL,
      UNIQUE (object_id, target_tenant, action))
    """,
    "CREATE INDEX network_rbac_target ON network_rbac (object_type, target_tenant)",
    """
    CREATE TABLE network_quota (
      project_id VARCHAR(255) NOT NULL, resource VARCHAR(64) NOT NULL, amount INT NOT NULL,
      PRIMARY KEY (project_id, resource))
    """,
    """
    CREATE TABLE network_agent (
      id VARCHAR(36) PRIMARY KEY, agent_type VARCHAR(255) NOT NULL, agent_binary VARCHAR(255) NOT NULL,
      topic VARCHAR(255) NOT NULL, host VARCHAR(255) NOT NULL, availability_zone VARCHAR(255),
      admin_state_up INT NOT NULL, description VARCHAR(255), configurations TEXT NOT NULL, created_at BIGINT NOT NULL,
      started_at BIGINT NOT NULL, heartbeat_timestamp BIGINT NOT NULL, UNIQUE (agent_type, host))
    """,
    // An agent serves every network and router of the cloud's one node, but those that an administrator took from it.
    """
    CREATE TABLE network_agent_exclusion (
      agent_id VARCHAR(36) NOT NULL, object_id VARCHAR(36) NOT NULL, PRIMARY KEY (agent_id, object_id))
    """,
    """
    CREATE TABLE network_metering_label (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, name VARCHAR(255) NOT NULL,
      description VARCHAR(1024) NOT NULL, shared INT NOT NULL)
    """,
    """
    CREATE TABLE network_metering_rule (
      id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, metering_label_id VARCHAR(36) NOT NULL,
      direction VARCHAR(8) NOT NULL, excluded INT NOT NULL, remote_ip_prefix VARCHAR(64),
      source_ip_prefix VARCHAR(64), destination_ip_prefix VARCHAR(64))
    """,
  ]
}
