import Store

extension IdentityService {
  /// The tables of Identity. Columns of texts that may be absent and are part of a UNIQUE constraint hold '' for null, so
  /// that the constraint counts them.
  public static let migrations: [Migration] = [
    Migration("identity-001", actors + resources + assignments),
    Migration("identity-002", catalog + delegations + rest),
    Migration("identity-003", associations + federation + compliance),
    Migration("identity-004", delegatedTokens),
    Migration("identity-005", [unknownLogins]),
  ]

  private static let actors: [SQL] = [
    """
    CREATE TABLE identity_user (
      id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, domain_id VARCHAR(64) NOT NULL,
      enabled INTEGER NOT NULL, default_project_id VARCHAR(64), options TEXT, extra TEXT,
      password_hash VARCHAR(255), created_at BIGINT NOT NULL, UNIQUE (domain_id, name))
    """,
    """
    CREATE TABLE identity_group (
      id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, domain_id VARCHAR(64) NOT NULL, description TEXT,
      extra TEXT, created_at BIGINT NOT NULL, UNIQUE (domain_id, name))
    """,
    """
    CREATE TABLE identity_membership (
      user_id VARCHAR(64) NOT NULL, group_id VARCHAR(64) NOT NULL, PRIMARY KEY (user_id, group_id))
    """,
    "CREATE INDEX identity_membership_group ON identity_membership (group_id)",
  ]

  private static let resources: [SQL] = [
    """
    CREATE TABLE identity_project (
      id VARCHAR(64) PRIMARY KEY, name VARCHAR(64) NOT NULL, domain_id VARCHAR(64) NOT NULL,
      parent_id VARCHAR(64) NOT NULL, is_domain INTEGER NOT NULL, enabled INTEGER NOT NULL, description TEXT,
      options TEXT, extra TEXT, created_at BIGINT NOT NULL, UNIQUE (domain_id, name))
    """,
    "CREATE INDEX identity_project_parent ON identity_project (parent_id)",
    """
    CREATE TABLE identity_project_tag (
      project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL, PRIMARY KEY (project_id, name))
    """,
    "CREATE TABLE identity_domain_config (domain_id VARCHAR(64) PRIMARY KEY, config BLOB NOT NULL)",
  ]

  private static let assignments: [SQL] = [
    """
    CREATE TABLE identity_role (
      id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, domain_id VARCHAR(64) NOT NULL, description TEXT,
      options TEXT, extra TEXT, created_at BIGINT NOT NULL, UNIQUE (domain_id, name))
    """,
    """
    CREATE TABLE identity_implication (
      prior_id VARCHAR(64) NOT NULL, implied_id VARCHAR(64) NOT NULL, PRIMARY KEY (prior_id, implied_id))
    """,
    """
    CREATE TABLE identity_assignment (
      actor_kind VARCHAR(8) NOT NULL, actor_id VARCHAR(64) NOT NULL, place_kind VARCHAR(8) NOT NULL,
      place_id VARCHAR(64) NOT NULL, role_id VARCHAR(64) NOT NULL, inherited INTEGER NOT NULL,
      PRIMARY KEY (actor_kind, actor_id, place_kind, place_id, role_id, inherited))
    """,
    "CREATE INDEX identity_assignment_place ON identity_assignment (place_kind, place_id)",
    "CREATE INDEX identity_assignment_role ON identity_assignment (role_id)",
    """
    CREATE TABLE identity_revocation (
      kind VARCHAR(16) NOT NULL, subject VARCHAR(160) NOT NULL, issued_before BIGINT NOT NULL,
      expires_at BIGINT NOT NULL, PRIMARY KEY (kind, subject))
    """,
  ]

  private static let catalog: [SQL] = [
    """
    CREATE TABLE identity_region (
      id VARCHAR(255) PRIMARY KEY, description TEXT, parent_region_id VARCHAR(255), extra TEXT,
      created_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_service (
      id VARCHAR(64) PRIMARY KEY, type VARCHAR(255) NOT NULL, name VARCHAR(255), description TEXT,
      enabled INTEGER NOT NULL, extra TEXT, created_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_endpoint (
      id VARCHAR(64) PRIMARY KEY, interface VARCHAR(8) NOT NULL, region_id VARCHAR(255),
      service_id VARCHAR(64) NOT NULL, url TEXT NOT NULL, enabled INTEGER NOT NULL, extra TEXT,
      created_at BIGINT NOT NULL)
    """,
    "CREATE INDEX identity_endpoint_service ON identity_endpoint (service_id)",
    """
    CREATE TABLE identity_endpoint_group (
      id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, description TEXT, filters TEXT,
      created_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_registered_limit (
      id VARCHAR(64) PRIMARY KEY, service_id VARCHAR(64) NOT NULL, region_id VARCHAR(255) NOT NULL,
      resource_name VARCHAR(255) NOT NULL, default_limit BIGINT NOT NULL, description TEXT,
      created_at BIGINT NOT NULL, UNIQUE (service_id, region_id, resource_name))
    """,
    """
    CREATE TABLE identity_limit (
      id VARCHAR(64) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, domain_id VARCHAR(64) NOT NULL,
      service_id VARCHAR(64) NOT NULL, region_id VARCHAR(255) NOT NULL, resource_name VARCHAR(255) NOT NULL,
      resource_limit BIGINT NOT NULL, description TEXT, created_at BIGINT NOT NULL,
      UNIQUE (project_id, domain_id, service_id, region_id, resource_name))
    """,
  ]

  private static let delegations: [SQL] = [
    """
    CREATE TABLE identity_trust (
      id VARCHAR(64) PRIMARY KEY, trustor_user_id VARCHAR(64) NOT NULL, trustee_user_id VARCHAR(64) NOT NULL,
      project_id VARCHAR(64), impersonation INTEGER NOT NULL, expires_at BIGINT, remaining_uses BIGINT,
      redelegated_trust_id VARCHAR(64), redelegation_count BIGINT NOT NULL, roles TEXT NOT NULL, deleted_at BIGINT,
      created_at BIGINT NOT NULL)
    """,
    "CREATE INDEX identity_trust_trustor ON identity_trust (trustor_user_id)",
    "CREATE INDEX identity_trust_trustee ON identity_trust (trustee_user_id)",
    """
    CREATE TABLE identity_application_credential (
      id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64) NOT NULL,
      name VARCHAR(255) NOT NULL, description TEXT, secret_hash VARCHAR(255) NOT NULL, roles TEXT NOT NULL,
      access_rules TEXT NOT NULL, expires_at BIGINT, unrestricted INTEGER NOT NULL, created_at BIGINT NOT NULL,
      UNIQUE (user_id, name))
    """,
    """
    CREATE TABLE identity_access_rule (
      id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, service VARCHAR(64) NOT NULL,
      method VARCHAR(16) NOT NULL, path VARCHAR(255) NOT NULL, UNIQUE (user_id, service, method, path))
    """,
    """
    CREATE TABLE identity_credential (
      id VARCHAR(64) PRIMARY KEY, user_id VARCHAR(64) NOT NULL, project_id VARCHAR(64), type VARCHAR(255) NOT NULL,
      data BLOB NOT NULL, extra TEXT, created_at BIGINT NOT NULL)
    """,
    "CREATE INDEX identity_credential_user ON identity_credential (user_id)",
  ]

  private static let associations: [SQL] = [
    """
    CREATE TABLE identity_project_endpoint (
      project_id VARCHAR(64) NOT NULL, endpoint_id VARCHAR(64) NOT NULL, PRIMARY KEY (project_id, endpoint_id))
    """,
    """
    CREATE TABLE identity_project_endpoint_group (
      project_id VARCHAR(64) NOT NULL, endpoint_group_id VARCHAR(64) NOT NULL,
      PRIMARY KEY (project_id, endpoint_group_id))
    """,
    """
    CREATE TABLE identity_policy_association (
      endpoint_id VARCHAR(64) NOT NULL, service_id VARCHAR(64) NOT NULL, region_id VARCHAR(255) NOT NULL,
      policy_id VARCHAR(64) NOT NULL, PRIMARY KEY (endpoint_id, service_id, region_id))
    """,
    "CREATE INDEX identity_policy_association_policy ON identity_policy_association (policy_id)",
  ]

  private static let federation: [SQL] = [
    """
    CREATE TABLE identity_provider (
      id VARCHAR(64) PRIMARY KEY, enabled INTEGER NOT NULL, description TEXT, authorization_ttl INTEGER,
      remote_ids TEXT, domain_id VARCHAR(64), created_at BIGINT NOT NULL)
    """,
    "CREATE TABLE identity_provider_remote (remote_id VARCHAR(64) PRIMARY KEY, provider_id VARCHAR(64) NOT NULL)",
    """
    CREATE TABLE identity_protocol (
      provider_id VARCHAR(64) NOT NULL, id VARCHAR(64) NOT NULL, mapping_id VARCHAR(64) NOT NULL,
      remote_id_attribute VARCHAR(64), PRIMARY KEY (provider_id, id))
    """,
    """
    CREATE TABLE identity_mapping (
      id VARCHAR(64) PRIMARY KEY, rules TEXT NOT NULL, schema_version VARCHAR(8) NOT NULL, created_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_service_provider (
      id VARCHAR(64) PRIMARY KEY, auth_url TEXT NOT NULL, sp_url TEXT NOT NULL, description TEXT,
      enabled INTEGER NOT NULL, relay_state_prefix VARCHAR(256), created_at BIGINT NOT NULL)
    """,
  ]

  /// What the rules on passwords look at. A password that there was before them counts from its user's beginning.
  private static let compliance: [SQL] = [
    "ALTER TABLE identity_user ADD COLUMN password_created_at BIGINT",
    "ALTER TABLE identity_user ADD COLUMN password_expires_at BIGINT",
    "ALTER TABLE identity_user ADD COLUMN password_self_service INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE identity_user ADD COLUMN failed_count INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE identity_user ADD COLUMN failed_at BIGINT",
    "UPDATE identity_user SET password_created_at = created_at WHERE password_hash IS NOT NULL",
    """
    CREATE TABLE identity_password (
      user_id VARCHAR(64) NOT NULL, created_at BIGINT NOT NULL, password_hash VARCHAR(255) NOT NULL,
      PRIMARY KEY (user_id, created_at))
    """,
  ]

  /// One row that counts the logins of users that there are none of.
  private static let unknownLogins: SQL = """
    CREATE TABLE identity_unknown_login (
      id INTEGER PRIMARY KEY, failed_count BIGINT NOT NULL, failed_at BIGINT NOT NULL)
    """

  private static let delegatedTokens: [SQL] = [
    """
    CREATE TABLE identity_request_token (
      id VARCHAR(64) PRIMARY KEY, secret BLOB NOT NULL, consumer_id VARCHAR(64) NOT NULL,
      project_id VARCHAR(64) NOT NULL, authorizing_user_id VARCHAR(64), verifier VARCHAR(64), roles TEXT,
      expires_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_access_token (
      id VARCHAR(64) PRIMARY KEY, secret BLOB NOT NULL, authorizing_user_id VARCHAR(64) NOT NULL,
      consumer_id VARCHAR(64) NOT NULL, project_id VARCHAR(64) NOT NULL, roles TEXT NOT NULL,
      expires_at BIGINT NOT NULL)
    """,
    "CREATE INDEX identity_access_token_user ON identity_access_token (authorizing_user_id)",
  ]

  private static let rest: [SQL] = [
    """
    CREATE TABLE identity_policy (
      id VARCHAR(64) PRIMARY KEY, type VARCHAR(255) NOT NULL, data TEXT NOT NULL, extra TEXT,
      created_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE identity_consumer (
      id VARCHAR(64) PRIMARY KEY, description TEXT, secret BLOB NOT NULL, extra TEXT, created_at BIGINT NOT NULL)
    """,
  ]
}
