import Store

extension ImageService {
  /// The tables of the Image service.
  public static let migrations: [Migration] = [
    Migration(
      "image-001",
      [
        """
        CREATE TABLE image (
          id VARCHAR(36) PRIMARY KEY, name VARCHAR(255), status VARCHAR(30) NOT NULL, visibility VARCHAR(9) NOT NULL,
          owner VARCHAR(255), container_format VARCHAR(20), disk_format VARCHAR(20), min_disk BIGINT NOT NULL,
          min_ram BIGINT NOT NULL, protected BIGINT NOT NULL, os_hidden BIGINT NOT NULL, size BIGINT,
          virtual_size BIGINT, checksum VARCHAR(32), hash VARCHAR(128), created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL, worker VARCHAR(64), staged_size BIGINT, staged_checksum VARCHAR(32),
          staged_hash VARCHAR(128))
        """,
        "CREATE INDEX image_owner ON image (owner, created_at)",
        "CREATE INDEX image_visibility ON image (visibility, created_at)",
        "CREATE INDEX image_hash ON image (hash)",
        """
        CREATE TABLE image_property (
          image_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value TEXT NOT NULL, PRIMARY KEY (image_id, name))
        """,
        """
        CREATE TABLE image_tag (
          image_id VARCHAR(36) NOT NULL, value VARCHAR(255) NOT NULL, PRIMARY KEY (image_id, value))
        """,
        "CREATE INDEX image_tag_value ON image_tag (value)",
        """
        CREATE TABLE image_member (
          image_id VARCHAR(36) NOT NULL, member VARCHAR(255) NOT NULL, status VARCHAR(20) NOT NULL,
          created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (image_id, member))
        """,
        "CREATE INDEX image_member_member ON image_member (member)",
        """
        CREATE TABLE image_task (
          id VARCHAR(36) PRIMARY KEY, type VARCHAR(30) NOT NULL, status VARCHAR(30) NOT NULL, owner VARCHAR(255) NOT NULL,
          image_id VARCHAR(36), user_id VARCHAR(64), request_id VARCHAR(64), input TEXT NOT NULL, result TEXT,
          message TEXT NOT NULL, expires_at BIGINT, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)
        """,
        "CREATE INDEX image_task_image ON image_task (image_id)",
        "CREATE INDEX image_task_owner ON image_task (owner, created_at)",
      ]),
    Migration(
      "image-002",
      [
        """
        CREATE TABLE metadef_namespace (
          name VARCHAR(80) PRIMARY KEY, display_name VARCHAR(80), description TEXT, visibility VARCHAR(10) NOT NULL,
          protected BIGINT NOT NULL, owner VARCHAR(255), created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)
        """,
        """
        CREATE TABLE metadef_item (
          namespace VARCHAR(80) NOT NULL, kind VARCHAR(20) NOT NULL, name VARCHAR(80) NOT NULL, body TEXT NOT NULL,
          created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, PRIMARY KEY (namespace, kind, name))
        """,
      ]),
  ]
}
