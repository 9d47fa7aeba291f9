import Kit
import Store

/// Rows of volume types.
enum TypeStore {
  static let standardName = "__DEFAULT__"
  /// Extra specs that users may see; the others tell how the cloud is built.
  static let userVisible: Set<String> = ["RESKEY:availability_zones", "multiattach", "replication_enabled"]

  static func makeStandard(now: Timestamp, tx: any Transaction) throws {
    guard try Table.type.count("1 = 1", tx: tx) == 0 else { return }
    try Table.type.insert(
      [
        "id": UUIDText.make(), "name": standardName, "description": "Default Volume Type", "is_public": true,
        "extra_specs": "{}", "created_at": now,
      ], tx: tx)
  }

  /// Types that a caller may see: public ones and those it has access to; administrators all.
  static func visible(_ auth: AuthContext) -> SQL? {
    auth.isAdmin
      ? nil : "is_public = 1 OR id IN (SELECT type_id FROM bs_type_access WHERE project_id = \(auth.projectID))"
  }
  /// By id or name. Throws a 404 fault.
  static func require(_ key: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    let scope = visible(auth).map { " AND (\($0))" as SQL } ?? ""
    let rows = try tx.query("SELECT * FROM bs_type WHERE (id = \(key) OR name = \(key))\(scope)")
    guard let row = rows.first(where: { $0.id == key }) ?? rows.first else { throw notFound(key) }
    return row
  }
  static func byID(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try Table.type.find(id, where: visible(auth), tx: tx) else { throw notFound(id) }
    return row
  }
  static func notFound(_ key: String) -> Fault {
    .notFound("Volume type \(key.prefix(80)) could not be found.", kind: "VolumeTypeNotFound")
  }
  /// The type of volumes that name none: the project's default, or the cloud's.
  static func standard(for project: String, tx: any Transaction) throws -> Row? {
    if let own = try tx.first("SELECT type_id FROM bs_default_type WHERE project_id = \(project)"),
      let type = try Table.type.find(own.text("type_id"), tx: tx)
    {
      return type
    }
    return try tx.first("SELECT * FROM bs_type WHERE name = \(standardName)")
  }
  /// Whether data of volumes of this type are overwritten when they are deleted (extra spec `volume_clear`).
  static func isWiped(_ id: String?, tx: any Transaction) throws -> Bool {
    try id.flatMap { try Table.type.find($0, tx: tx) }?.texts("extra_specs")["volume_clear"] == "zero"
  }
}
