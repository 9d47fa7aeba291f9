import Kit
import Store

/// Rows of host aggregates.
public enum AggregateStore {
  /// Every aggregate with its hosts, in two queries.
  public static func all(tx: any Transaction) throws -> [Aggregate] {
    try load("1 = 1", tx: tx)
  }
  static func find(_ id: Int, tx: any Transaction) throws -> Aggregate? {
    try load("id = \(id)", tx: tx).first
  }
  /// As `find`, but throws a 404 fault when there is none.
  static func require(_ id: Int, tx: any Transaction) throws -> Aggregate {
    guard let aggregate = try find(id, tx: tx) else {
      throw Fault.notFound("Aggregate \(id) could not be found.")
    }
    return aggregate
  }

  private static func load(_ condition: SQL, tx: any Transaction) throws -> [Aggregate] {
    let rows = try tx.query("SELECT * FROM host_aggregate WHERE \(condition) ORDER BY id")
    let hosts = try tx.query(
      """
      SELECT aggregate_id, host FROM host_aggregate_host WHERE aggregate_id IN \(list: rows.map { $0.int("id") })
      ORDER BY created_at, host
      """)
    let byID = Dictionary(grouping: hosts) { $0.int("aggregate_id") }
    return rows.map { row in
      var metadata: [String: String] = [:]
      for member in row.json("metadata").object ?? [:] { metadata[member.key] = member.value.string ?? "" }
      return Aggregate(
        id: row.int("id"), uuid: row.text("uuid"), name: row.text("name"), zone: row.optionalText("zone"),
        metadata: metadata, hosts: (byID[row.int("id")] ?? []).map { $0.text("host") },
        createdAt: row.timestamp("created_at"), updatedAt: row.optionalTimestamp("updated_at"))
    }
  }

  /// Writes a new aggregate; returns its number. Throws a 409 fault for a name that is taken.
  static func insert(name: String, zone: String?, now: Timestamp, tx: any Transaction) throws -> Int {
    let uuid = UUIDText.make()
    do {
      try tx.execute(
        .insert(
          into: "host_aggregate",
          ["uuid": uuid, "name": name, "zone": zone, "metadata": "{}", "created_at": now]))
    } catch is DuplicateRow {
      throw nameTaken(name)
    }
    return try tx.count("SELECT id FROM host_aggregate WHERE uuid = \(uuid)")
  }
  private static func nameTaken(_ name: String) -> Fault { Fault.conflict("Aggregate \(name) already exists.") }

  /// Writes name, zone and metadata back.
  static func update(_ aggregate: Aggregate, now: Timestamp, tx: any Transaction) throws {
    let metadata = JSONValue.object(
      JSONObject(aggregate.metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
    do {
      try tx.execute(
        """
        UPDATE host_aggregate SET name = \(aggregate.name), zone = \(aggregate.zone), metadata = \(metadata),
          updated_at = \(now) WHERE id = \(aggregate.id)
        """)
    } catch is DuplicateRow {
      throw nameTaken(aggregate.name)
    }
  }
  static func delete(_ id: Int, tx: any Transaction) throws {
    try tx.execute("DELETE FROM host_aggregate_host WHERE aggregate_id = \(id)")
    try tx.execute("DELETE FROM host_aggregate WHERE id = \(id)")
  }
  static func addHost(_ host: String, to id: Int, now: Timestamp, tx: any Transaction) throws {
    do {
      try tx.execute(
        .insert(into: "host_aggregate_host", ["aggregate_id": id, "host": host, "created_at": now]))
    } catch is DuplicateRow {
      throw Fault.conflict("Aggregate \(id) already has host \(host).")
    }
  }
  /// Returns whether the host was in it.
  static func removeHost(_ host: String, from id: Int, tx: any Transaction) throws -> Bool {
    try tx.execute("DELETE FROM host_aggregate_host WHERE aggregate_id = \(id) AND host = \(host)") > 0
  }

  static let migrations = [
    Migration(
      "compute-aggregate-001",
      [
        """
        CREATE TABLE host_aggregate (
          id INTEGER PRIMARY KEY AUTOINCREMENT, uuid VARCHAR(36) NOT NULL UNIQUE, name VARCHAR(255) NOT NULL UNIQUE,
          zone VARCHAR(255), metadata TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)
        """,
        """
        CREATE TABLE host_aggregate_host (
          aggregate_id BIGINT NOT NULL, host VARCHAR(255) NOT NULL, created_at BIGINT NOT NULL,
          PRIMARY KEY (aggregate_id, host))
        """,
        "CREATE INDEX host_aggregate_host_host ON host_aggregate_host (host)",
      ])
  ]
}
