import Store

extension BlockStorageService {
  /// The tables of Block Storage.
  public static let migrations: [Migration] = [volumeTables, catalogueTables, protectionTables, chains]

  private static let volumeTables = Migration(
    "block-storage-001",
    [
      """
      CREATE TABLE bs_volume (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, name VARCHAR(255),
        description TEXT, size BIGINT NOT NULL, status VARCHAR(32) NOT NULL, previous_status VARCHAR(32),
        type_id VARCHAR(36), zone VARCHAR(255) NOT NULL, host VARCHAR(255), backend VARCHAR(64), file VARCHAR(255),
        format VARCHAR(16), parent VARCHAR(255), bootable BIGINT NOT NULL DEFAULT 0, multiattach BIGINT NOT NULL DEFAULT 0,
        readonly BIGINT, encrypted BIGINT NOT NULL DEFAULT 0, key_id VARCHAR(36), snapshot_id VARCHAR(36),
        source_volid VARCHAR(36), source_backup_id VARCHAR(36), image_id VARCHAR(255), group_id VARCHAR(36),
        migration_status VARCHAR(32), replication_status VARCHAR(32), consumes_quota BIGINT NOT NULL DEFAULT 1,
        metadata TEXT NOT NULL, image_metadata TEXT, created_at BIGINT NOT NULL, updated_at BIGINT)
      """,
      "CREATE INDEX bs_volume_project ON bs_volume (project_id, created_at)",
      "CREATE INDEX bs_volume_parent ON bs_volume (parent)",
      """
      CREATE TABLE bs_snapshot (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL,
        volume_id VARCHAR(36) NOT NULL, name VARCHAR(255), description TEXT, size BIGINT NOT NULL,
        status VARCHAR(32) NOT NULL, progress VARCHAR(16) NOT NULL, type_id VARCHAR(36), group_snapshot_id VARCHAR(36),
        backend VARCHAR(64), file VARCHAR(255), key_id VARCHAR(36), consumes_quota BIGINT NOT NULL DEFAULT 1,
        metadata TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)
      """,
      "CREATE INDEX bs_snapshot_volume ON bs_snapshot (volume_id)",
      "CREATE INDEX bs_snapshot_project ON bs_snapshot (project_id, created_at)",
      """
      CREATE TABLE bs_layer (
        id VARCHAR(64) PRIMARY KEY, backend VARCHAR(64) NOT NULL, format VARCHAR(16) NOT NULL, parent VARCHAR(64),
        volume_id VARCHAR(36), size BIGINT NOT NULL, unmanaged BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL)
      """,
      """
      CREATE TABLE bs_attachment (
        id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36) NOT NULL, project_id VARCHAR(64) NOT NULL,
        server_id VARCHAR(64), host VARCHAR(255), mountpoint VARCHAR(255), mode VARCHAR(8), status VARCHAR(32) NOT NULL,
        connector TEXT, connected BIGINT NOT NULL DEFAULT 0, attached_at BIGINT, created_at BIGINT NOT NULL,
        updated_at BIGINT)
      """,
      "CREATE INDEX bs_attachment_volume ON bs_attachment (volume_id)",
      """
      CREATE TABLE bs_message (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, event_id VARCHAR(64) NOT NULL, user_message TEXT NOT NULL,
        message_level VARCHAR(16) NOT NULL, resource_type VARCHAR(64), resource_uuid VARCHAR(36), request_id VARCHAR(64),
        created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)
      """,
    ])

  private static let catalogueTables = Migration(
    "block-storage-002",
    [
      """
      CREATE TABLE bs_type (
        id VARCHAR(36) PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, description TEXT, is_public BIGINT NOT NULL,
        qos_id VARCHAR(36), extra_specs TEXT NOT NULL, encryption TEXT, created_at BIGINT NOT NULL)
      """,
      """
      CREATE TABLE bs_type_access (
        type_id VARCHAR(36) NOT NULL, project_id VARCHAR(64) NOT NULL, PRIMARY KEY (type_id, project_id))
      """,
      "CREATE TABLE bs_default_type (project_id VARCHAR(64) PRIMARY KEY, type_id VARCHAR(36) NOT NULL)",
      """
      CREATE TABLE bs_qos (
        id VARCHAR(36) PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, consumer VARCHAR(16) NOT NULL, specs TEXT NOT NULL,
        created_at BIGINT NOT NULL)
      """,
      """
      CREATE TABLE bs_quota (
        project_id VARCHAR(64) NOT NULL, name VARCHAR(300) NOT NULL, value BIGINT NOT NULL,
        PRIMARY KEY (project_id, name))
      """,
      """
      CREATE TABLE bs_service (
        id VARCHAR(36) PRIMARY KEY, service_binary VARCHAR(64) NOT NULL, host VARCHAR(255) NOT NULL,
        disabled BIGINT NOT NULL DEFAULT 0, reason VARCHAR(255), frozen BIGINT NOT NULL DEFAULT 0,
        created_at BIGINT NOT NULL, updated_at BIGINT, UNIQUE (service_binary, host))
      """,
    ])

  private static let chains = Migration(
    "block-storage-004",
    [
      // Layers below it, at most: merging those makes it less.
      "ALTER TABLE bs_layer ADD COLUMN depth BIGINT NOT NULL DEFAULT 0",
      // Whether its data are overwritten before it is removed.
      "ALTER TABLE bs_layer ADD COLUMN wiped BIGINT NOT NULL DEFAULT 0",
      // `backend/file` of the disk that a volume is moving to, and its key.
      "ALTER TABLE bs_volume ADD COLUMN moving_to VARCHAR(320)",
      "ALTER TABLE bs_volume ADD COLUMN moving_key VARCHAR(36)",
      "CREATE INDEX bs_layer_parent ON bs_layer (parent)",
      "CREATE INDEX bs_snapshot_file ON bs_snapshot (file)",
    ])

  private static let protectionTables = Migration(
    "block-storage-003",
    [
      """
      CREATE TABLE bs_transfer (
        id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36) NOT NULL, name VARCHAR(255), salt VARCHAR(64) NOT NULL,
        key_hash VARCHAR(64) NOT NULL, no_snapshots BIGINT NOT NULL, project_id VARCHAR(64) NOT NULL,
        destination VARCHAR(64), accepted BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL)
      """,
      """
      CREATE TABLE bs_backup (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL,
        volume_id VARCHAR(36) NOT NULL, snapshot_id VARCHAR(36), parent_id VARCHAR(36), name VARCHAR(255),
        description TEXT, container VARCHAR(255), zone VARCHAR(255), size BIGINT NOT NULL, status VARCHAR(32) NOT NULL,
        fail_reason TEXT, object_count BIGINT NOT NULL DEFAULT 0, incremental BIGINT NOT NULL DEFAULT 0,
        key_id VARCHAR(36), restore_volume_id VARCHAR(36), metadata TEXT NOT NULL, data_timestamp BIGINT NOT NULL,
        created_at BIGINT NOT NULL, updated_at BIGINT)
      """,
      "CREATE INDEX bs_backup_volume ON bs_backup (volume_id)",
      """
      CREATE TABLE bs_group_type (
        id VARCHAR(36) PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, description TEXT, is_public BIGINT NOT NULL,
        group_specs TEXT NOT NULL, created_at BIGINT NOT NULL)
      """,
      """
      CREATE TABLE bs_grp (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, name VARCHAR(255),
        description TEXT, status VARCHAR(32) NOT NULL, zone VARCHAR(255), group_type_id VARCHAR(36) NOT NULL,
        volume_types TEXT NOT NULL, group_snapshot_id VARCHAR(36), source_group_id VARCHAR(36),
        replication_status VARCHAR(32), created_at BIGINT NOT NULL, updated_at BIGINT)
      """,
      """
      CREATE TABLE bs_group_snapshot (
        id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL,
        group_id VARCHAR(36) NOT NULL, group_type_id VARCHAR(36) NOT NULL, name VARCHAR(255), description TEXT,
        status VARCHAR(32) NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)
      """,
    ])
}
