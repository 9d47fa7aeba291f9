import API
import Kit
import Store

/// Rows of flavors and of the projects that may use those that are not public.
public enum FlavorStore {
  static let list = ListSpec(
    table: "flavor",
    columns: [
      ListColumn("flavorid", "id", filter: false), ListColumn("id", "number", .int, filter: false),
      ListColumn("name", filter: false), ListColumn("description", filter: false),
      ListColumn("memory_mb", nil, .int, filter: false), ListColumn("vcpus", nil, .int, filter: false),
      ListColumn("root_gb", "disk_gb", .int, filter: false),
      ListColumn("ephemeral_gb", nil, .int, filter: false), ListColumn("swap", "swap_mb", .int, filter: false),
      ListColumn("rxtx_factor", nil, .int, filter: false), ListColumn("disabled", "is_disabled", .bool, filter: false),
      ListColumn("is_public", nil, .bool, filter: false), ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
      ListColumn("vcpu_weight", "0", .int, filter: false),
    ], defaultSort: [("flavorid", true)], style: .compute)

  static func flavor(_ row: Row) -> Flavor {
    var specs: [String: String] = [:]
    for member in row.json("extra_specs").object ?? [:] { specs[member.key] = member.value.string ?? "" }
    return Flavor(
      id: row.text("id"), name: row.text("name"), vcpus: row.int("vcpus"), memoryMB: row.int("memory_mb"),
      diskGB: row.int("disk_gb"), ephemeralGB: row.int("ephemeral_gb"), swapMB: row.int("swap_mb"),
      isPublic: row.bool("is_public"), description: row.optionalText("description"), extraSpecs: specs,
      isDisabled: row.bool("is_disabled"), rxtxFactor: row.double("rxtx_factor"))
  }

  /// Flavors that the caller may use: public ones, those its project was given, and all for administrators.
  static func visible(to auth: AuthContext) -> SQL {
    auth.isAdmin
      ? "1 = 1"
      : "is_public = 1 OR id IN (SELECT flavor_id FROM flavor_access WHERE project_id = \(auth.projectID))"
  }

  /// The flavor, if the caller may use it.
  public static func find(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> Flavor? {
    try tx.first("SELECT * FROM flavor WHERE id = \(id) AND (\(visible(to: auth)))").map(flavor)
  }
  /// The flavor whoever asks.
  public static func find(_ id: String, tx: any Transaction) throws -> Flavor? {
    try tx.first("SELECT * FROM flavor WHERE id = \(id)").map(flavor)
  }
  /// As `find`, but throws a 404 fault when there is none for this caller.
  public static func require(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> Flavor {
    guard let flavor = try find(id, visibleTo: auth, tx: tx) else {
      throw Fault.notFound("Flavor \(id.prefix(255)) could not be found.")
    }
    return flavor
  }

  /// Writes a new flavor. Throws 409 faults for a name or id that is taken.
  static func insert(_ flavor: Flavor, now: Timestamp, tx: any Transaction) throws {
    if try tx.first("SELECT id FROM flavor WHERE id = \(flavor.id)") != nil {
      throw Fault.conflict("Flavor with ID \(flavor.id) already exists.")
    }
    if try tx.first("SELECT id FROM flavor WHERE name = \(flavor.name)") != nil {
      throw Fault.conflict("Flavor with name \(flavor.name) already exists.")
    }
    let number = try tx.count("SELECT COALESCE(MAX(number), 0) + 1 FROM flavor")
    try tx.execute(
      .insert(
        into: "flavor",
        [
          "id": flavor.id, "number": number, "name": flavor.name, "vcpus": flavor.vcpus,
          "memory_mb": flavor.memoryMB, "disk_gb": flavor.diskGB, "ephemeral_gb": flavor.ephemeralGB,
          "swap_mb": flavor.swapMB, "is_public": flavor.isPublic, "description": flavor.description,
          "extra_specs": specs(flavor.extraSpecs), "is_disabled": flavor.isDisabled,
          "rxtx_factor": flavor.rxtxFactor, "created_at": now,
        ]))
  }

  private static func specs(_ specs: [String: String]) -> JSONValue {
    .object(JSONObject(specs.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }

  static func setDescription(_ text: String?, of id: String, now: Timestamp, tx: any Transaction) throws {
    try tx.execute("UPDATE flavor SET description = \(text), updated_at = \(now) WHERE id = \(id)")
  }
  static func setSpecs(_ specs: [String: String], of id: String, now: Timestamp, tx: any Transaction) throws {
    try tx.execute(
      "UPDATE flavor SET extra_specs = \(self.specs(specs)), updated_at = \(now) WHERE id = \(id)")
  }
  /// Removes a flavor and who may use it. Servers keep their own copy. Returns whether it was there.
  static func delete(_ id: String, tx: any Transaction) throws -> Bool {
    try tx.execute("DELETE FROM flavor_access WHERE flavor_id = \(id)")
    return try tx.execute("DELETE FROM flavor WHERE id = \(id)") > 0
  }

  // MARK: Access

  static func projects(of id: String, tx: any Transaction) throws -> [String] {
    try tx.query("SELECT project_id FROM flavor_access WHERE flavor_id = \(id) ORDER BY created_at, project_id").map {
      $0.text("project_id")
    }
  }
  static func addAccess(_ projectID: String, to id: String, now: Timestamp, tx: any Transaction) throws {
    do {
      try tx.execute(
        .insert(into: "flavor_access", ["flavor_id": id, "project_id": projectID, "created_at": now]))
    } catch is DuplicateRow {
      throw Fault.conflict("Flavor access already exists for flavor \(id) and project \(projectID) combination.")
    }
  }
  static func removeAccess(_ projectID: String, from id: String, tx: any Transaction) throws {
    let count = try tx.execute("DELETE FROM flavor_access WHERE flavor_id = \(id) AND project_id = \(projectID)")
    guard count > 0 else {
      throw Fault.notFound("Flavor access not found for \(id) / \(projectID) combination.")
    }
  }

  static let migrations = [
    Migration(
      "compute-flavor-001",
      [
        """
        CREATE TABLE flavor (
          id VARCHAR(255) PRIMARY KEY, number BIGINT NOT NULL UNIQUE, name VARCHAR(255) NOT NULL UNIQUE,
          vcpus BIGINT NOT NULL, memory_mb BIGINT NOT NULL, disk_gb BIGINT NOT NULL, ephemeral_gb BIGINT NOT NULL,
          swap_mb BIGINT NOT NULL, is_public INT NOT NULL, description TEXT, extra_specs TEXT NOT NULL,
          is_disabled INT NOT NULL, rxtx_factor DOUBLE NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT)
        """,
        """
        CREATE TABLE flavor_access (
          flavor_id VARCHAR(255) NOT NULL, project_id VARCHAR(255) NOT NULL, created_at BIGINT NOT NULL,
          PRIMARY KEY (flavor_id, project_id))
        """,
        "CREATE TABLE flavor_seed (done_at BIGINT NOT NULL)",
      ])
  ]

  /// Makes the initial flavors, once in the life of the cloud: what an administrator deletes later stays away.
  public static func seed(now: Timestamp, tx: any Transaction) throws {
    guard try tx.count("SELECT COUNT(*) FROM flavor_seed") == 0 else { return }
    try tx.execute("INSERT INTO flavor_seed (done_at) VALUES (\(now))")
    let taken = Set(try tx.query("SELECT id, name FROM flavor").flatMap { [$0.text("id"), $0.text("name")] })
    for flavor in Flavor.initial where !taken.contains(flavor.id) && !taken.contains(flavor.name) {
      try insert(flavor, now: now, tx: tx)
    }
  }
}
