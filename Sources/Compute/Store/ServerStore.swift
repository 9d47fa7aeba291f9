import Contracts
import Kit
import Store

/// The rows of servers with their metadata and tags.
enum ServerStore {
  static let migrations: [Migration] = [
    Migration(
      "compute-server-001",
      [
        """
        CREATE TABLE server (
          number INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(36) NOT NULL UNIQUE, project_id VARCHAR(64) NOT NULL,
          user_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL, description VARCHAR(255),
          hostname VARCHAR(255) NOT NULL, vm_state VARCHAR(32) NOT NULL, power_state INT NOT NULL, host VARCHAR(255),
          zone VARCHAR(255), pinned_zone VARCHAR(255), forced_host VARCHAR(255), image_id VARCHAR(36) NOT NULL,
          image_properties TEXT NOT NULL, flavor TEXT NOT NULL, flavor_id VARCHAR(255) NOT NULL, vcpus INT NOT NULL,
          memory_mb INT NOT NULL, disk_gb INT NOT NULL, new_flavor TEXT, old_flavor TEXT, old_state VARCHAR(32), key_name VARCHAR(255),
          key_type VARCHAR(16), public_key TEXT, user_data TEXT, config_drive INT NOT NULL, access_ipv4 VARCHAR(39),
          access_ipv6 VARCHAR(39), reservation_id VARCHAR(36) NOT NULL, launch_index INT NOT NULL,
          locked_by VARCHAR(16), locked_reason VARCHAR(255), admin_password TEXT, guest_password TEXT NOT NULL,
          root_device VARCHAR(255) NOT NULL, auto_disk INT NOT NULL, hints TEXT NOT NULL, certificates TEXT,
          files TEXT NOT NULL, networks TEXT NOT NULL, security_groups TEXT NOT NULL, created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL, launched_at BIGINT, terminated_at BIGINT, is_deleted INT NOT NULL, deleted_at BIGINT, fault TEXT)
        """,
        "CREATE INDEX server_project ON server (project_id, deleted_at, created_at)",
        "CREATE INDEX server_listed ON server (deleted_at, created_at)",
        "CREATE INDEX server_host ON server (host, deleted_at)",
        """
        CREATE TABLE server_metadata (
          server_id VARCHAR(36) NOT NULL, name VARCHAR(255) NOT NULL, value VARCHAR(255) NOT NULL,
          PRIMARY KEY (server_id, name))
        """,
        """
        CREATE TABLE server_tag (
          server_id VARCHAR(36) NOT NULL, tag VARCHAR(60) NOT NULL, position INT NOT NULL, PRIMARY KEY (server_id, tag))
        """,
      ])
  ]

  // MARK: Finding

  /// A server of the caller's project, or any for an administrator. Throws 404.
  static func find(_ id: String, auth: AuthContext, withDeleted: Bool = false, tx: any Transaction) throws -> Server {
    guard let server = try find(id, tx: tx), withDeleted || !server.isDeleted,
      auth.isAdmin || server.projectID == auth.projectID
    else { throw Fault.notFound("Instance \(id.prefix(64)) could not be found.") }
    return server
  }

  /// A server by its id, whoever asks; deleted ones too.
  static func find(_ id: String, tx: any Transaction) throws -> Server? {
    guard let row = try tx.first("SELECT * FROM server WHERE id = \(id)") else { return nil }
    return try complete([Server(row: row)], tx: tx).first
  }

  /// The servers of these ids that are not deleted.
  static func living(_ ids: Set<String>, tx: any Transaction) throws -> [String: Server] {
    let rows = try tx.query("SELECT * FROM server WHERE deleted_at IS NULL AND id IN \(list: ids)")
    let servers = try complete(rows.map { Server(row: $0) }, tx: tx)
    return Dictionary(servers.map { ($0.id, $0) }) { first, _ in first }
  }

  /// The servers that are not deleted on a host.
  static func onHost(_ host: String, tx: any Transaction) throws -> [Server] {
    try tx.query("SELECT * FROM server WHERE host = \(host) AND deleted_at IS NULL").map { Server(row: $0) }
  }

  /// Reads metadata, tags and block devices of servers: three queries for all of them.
  static func complete(_ servers: consuming [Server], tx: any Transaction) throws -> [Server] {
    guard !servers.isEmpty else { return [] }
    let ids = servers.map(\.id)
    var metadata: [String: [String: String]] = [:]
    for row in try tx.query("SELECT * FROM server_metadata WHERE server_id IN \(list: ids)") {
      metadata[row.text("server_id"), default: [:]][row.text("name")] = row.text("value")
    }
    var tags: [String: [String]] = [:]
    for row in try tx.query("SELECT * FROM server_tag WHERE server_id IN \(list: ids) ORDER BY position, tag") {
      tags[row.text("server_id"), default: []].append(row.text("tag"))
    }
    let devices = try BlockDeviceStore.devices(ofServers: ids, tx: tx)
    for index in servers.indices {
      let id = ids[index]
      servers[index].blockDevices = devices[id] ?? []
      servers[index].metadata = metadata[id] ?? [:]
      servers[index].tags = tags[id] ?? []
    }
    return servers
  }

  /// What a project's servers use of its quota: counted from rows.
  static func usage(projectID: String, tx: any Transaction) throws -> (instances: Int, cores: Int, memoryMB: Int) {
    let row = try tx.first(
      """
      SELECT COUNT(*) AS instances, COALESCE(SUM(vcpus), 0) AS cores, COALESCE(SUM(memory_mb), 0) AS memory
      FROM server WHERE project_id = \(projectID) AND deleted_at IS NULL
      """)
    return (row?.int("instances") ?? 0, row?.int("cores") ?? 0, row?.int("memory") ?? 0)
  }

  // MARK: Changing

  /// Writes a new server with its metadata and tags.
  static func insert(_ server: Server, tx: any Transaction) throws {
    try tx.execute(.insert(into: "server", server.columns))
    try setMetadata(server.metadata, serverID: server.id, tx: tx)
    try setTags(server.tags, serverID: server.id, tx: tx)
  }

  /// Writes all of a server's row; its metadata and tags have their own calls.
  static func save(_ server: Server, tx: any Transaction) throws {
    try tx.execute("\(SQL.update("server", server.columns)) WHERE id = \(server.id)")
  }

  /// Reads, changes and writes a server that is not deleted, in the caller's transaction. A missing one is left alone.
  static func change(_ id: String, now: Timestamp, tx: any Transaction, _ body: (inout Server) throws -> Void) throws {
    guard let row = try tx.first("SELECT * FROM server WHERE id = \(id) AND deleted_at IS NULL") else { return }
    var server = Server(row: row)
    try body(&server)
    server.updatedAt = now
    try save(server, tx: tx)
  }

  static func setMetadata(_ metadata: [String: String], serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM server_metadata WHERE server_id = \(serverID)")
    for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
      try tx.execute(.insert(into: "server_metadata", ["server_id": serverID, "name": name, "value": value]))
    }
  }

  static func setTags(_ tags: [String], serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM server_tag WHERE server_id = \(serverID)")
    for (position, tag) in tags.enumerated() {
      try tx.execute(.insert(into: "server_tag", ["server_id": serverID, "tag": tag, "position": position]))
    }
  }

  /// Marks a server as gone. Its row stays for usage and for administrators; its secrets go.
  static func markDeleted(_ id: String, now: Timestamp, tx: any Transaction) throws {
    try change(id, now: now, tx: tx) { server in
      server.deletedAt = now
      server.state = .deleted
      server.power = .noState
      server.terminatedAt = now
      server.adminPassword = nil
      server.guestPassword = ""
      server.userData = nil
      server.files = []
    }
    try tx.execute("DELETE FROM server_tag WHERE server_id = \(id)")
    try ConsoleTokenStore.remove(serverID: id, tx: tx)
  }
}
