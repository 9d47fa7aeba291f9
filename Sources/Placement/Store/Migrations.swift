import Store

extension PlacementService {
  /// The tables of Placement.
  public static let migrations: [Migration] = [
    Migration(
      "placement-001",
      [
        """
        CREATE TABLE placement_provider (
          id VARCHAR(36) PRIMARY KEY, name VARCHAR(200) NOT NULL UNIQUE, generation BIGINT NOT NULL DEFAULT 0,
          root_id VARCHAR(36) NOT NULL, parent_id VARCHAR(36), created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)
        """,
        "CREATE INDEX placement_provider_root ON placement_provider (root_id)",
        """
        CREATE TABLE placement_inventory (
          provider_id VARCHAR(36) NOT NULL, resource_class VARCHAR(255) NOT NULL, total BIGINT NOT NULL,
          reserved BIGINT NOT NULL, min_unit BIGINT NOT NULL, max_unit BIGINT NOT NULL, step_size BIGINT NOT NULL,
          allocation_ratio DOUBLE NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (provider_id, resource_class))
        """,
        """
        CREATE TABLE placement_consumer (
          id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(255) NOT NULL, user_id VARCHAR(255) NOT NULL,
          consumer_type VARCHAR(255), generation BIGINT NOT NULL, updated_at BIGINT NOT NULL)
        """,
        "CREATE INDEX placement_consumer_project ON placement_consumer (project_id, user_id)",
        """
        CREATE TABLE placement_allocation (
          consumer_id VARCHAR(36) NOT NULL, provider_id VARCHAR(36) NOT NULL, resource_class VARCHAR(255) NOT NULL,
          used BIGINT NOT NULL, created_at BIGINT NOT NULL, PRIMARY KEY (consumer_id, provider_id, resource_class))
        """,
        "CREATE INDEX placement_allocation_provider ON placement_allocation (provider_id, resource_class, used)",
        "CREATE TABLE placement_resource_class (name VARCHAR(255) PRIMARY KEY, created_at BIGINT NOT NULL)",
        "CREATE TABLE placement_trait (name VARCHAR(255) PRIMARY KEY, created_at BIGINT NOT NULL)",
        """
        CREATE TABLE placement_provider_trait (
          provider_id VARCHAR(36) NOT NULL, trait VARCHAR(255) NOT NULL, PRIMARY KEY (provider_id, trait))
        """,
        "CREATE INDEX placement_provider_trait_trait ON placement_provider_trait (trait)",
        """
        CREATE TABLE placement_aggregate (
          provider_id VARCHAR(36) NOT NULL, aggregate_id VARCHAR(36) NOT NULL, PRIMARY KEY (provider_id, aggregate_id))
        """,
        "CREATE INDEX placement_aggregate_aggregate ON placement_aggregate (aggregate_id)",
      ])
  ]
}
