import Kit
import Store

/// What a project may have, counted from rows (API reference, Quota sets).
enum Quota {
  static let defaults: [(name: String, value: Int)] = [
    ("volumes", 10), ("per_volume_gigabytes", -1), ("snapshots", 10), ("gigabytes", 1000), ("backups", 10),
    ("backup_gigabytes", 1000), ("groups", 10),
  ]
  private static let perType = ["volumes", "gigabytes", "snapshots"]
  static let defaultClass = "class:default"

  /// Every resource's name, those of the volume types too.
  static func names(tx: any Transaction) throws -> [String] {
    let types = try Table.type.all("1 = 1", order: "name", tx: tx).map { $0.text("name") }
    return defaults.map(\.name) + types.flatMap { type in perType.map { "\($0)_\(type)" } }
  }

  /// The limits of a project, or of the default class.
  static func limits(_ project: String, tx: any Transaction) throws -> [String: Int] {
    var limits = Dictionary(try names(tx: tx).map { ($0, -1) }) { first, _ in first }
    for entry in defaults { limits[entry.name] = entry.value }
    for scope in project == defaultClass ? [defaultClass] : [defaultClass, project] {
      for row in try tx.query("SELECT name, value FROM bs_quota WHERE project_id = \(scope)")
      where limits[row.text("name")] != nil {
        limits[row.text("name")] = row.int("value")
      }
    }
    return limits
  }

  /// What a project uses, in five queries.
  static func usage(_ project: String, tx: any Transaction) throws -> [String: Int] {
    var used: [String: Int] = [:]
    for (table, count) in [("bs_volume", "volumes"), ("bs_snapshot", "snapshots")] {
      let rows = try tx.query(
        """
        SELECT t.name AS name, COUNT(*) AS n, SUM(v.size) AS size FROM \(raw: table) v
        LEFT JOIN bs_type t ON t.id = v.type_id WHERE v.project_id = \(project) AND v.consumes_quota = 1 GROUP BY t.name
        """)
      for row in rows {
        used[count, default: 0] += row.int("n")
        used["gigabytes", default: 0] += row.int("size")
        guard let type = row.optionalText("name") else { continue }
        used["\(count)_\(type)", default: 0] += row.int("n")
        used["gigabytes_\(type)", default: 0] += row.int("size")
      }
    }
    let backups = try tx.first(
      "SELECT COUNT(*) AS n, SUM(size) AS size FROM bs_backup WHERE project_id = \(project)")
    used["backups"] = backups?.int("n") ?? 0
    used["backup_gigabytes"] = backups?.int("size") ?? 0
    used["groups"] = try Table.group.count("project_id = \(project)", tx: tx)
    return used
  }

  /// Throws upstream's 413 faults when a project may not have so much more.
  static func check(
    _ project: String, volumes: Int = 0, snapshots: Int = 0, gigabytes: Int = 0, type: String? = nil,
    tx: any Transaction
  ) throws {
    let (limits, used) = (try limits(project, tx: tx), try usage(project, tx: tx))
    for suffix in [""] + (type.map { ["_" + $0] } ?? []) {
      try count("volumes" + suffix, volumes, limits, used, "VolumeLimitExceeded", "volumes")
      try count("snapshots" + suffix, snapshots, limits, used, "SnapshotLimitExceeded", "snapshots")
      let (name, limit) = ("gigabytes" + suffix, limits["gigabytes" + suffix] ?? -1)
      if gigabytes > 0, limit >= 0, (used[name] ?? 0) + gigabytes > limit {
        throw Fault(
          413, kind: "VolumeSizeExceedsAvailableQuota",
          "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed \(name) quota. Requested "
            + "\(gigabytes)G, quota is \(limit)G and \(used[name] ?? 0)G has been consumed.")
      }
    }
  }
  /// Throws when one volume may not be so large.
  static func checkSize(_ project: String, _ size: Int, tx: any Transaction) throws {
    let limit = try limits(project, tx: tx)["per_volume_gigabytes"] ?? -1
    guard limit >= 0, size > limit else { return }
    throw Fault(
      413, kind: "VolumeSizeExceedsLimit",
      "VolumeSizeExceedsLimit: Requested volume size \(size)G is larger than maximum allowed limit \(limit)G.")
  }
  static func checkBackup(_ project: String, gigabytes: Int, tx: any Transaction) throws {
    let (limits, used) = (try limits(project, tx: tx), try usage(project, tx: tx))
    try count("backups", 1, limits, used, "BackupLimitExceeded", "backups")
    let limit = limits["backup_gigabytes"] ?? -1
    guard limit >= 0, (used["backup_gigabytes"] ?? 0) + gigabytes > limit else { return }
    throw Fault(
      413, kind: "VolumeBackupSizeExceedsAvailableQuota",
      "VolumeBackupSizeExceedsAvailableQuota: Requested backup exceeds allowed Backup gigabytes quota. Requested "
        + "\(gigabytes)G, quota is \(limit)G and \(used["backup_gigabytes"] ?? 0)G has been consumed.")
  }
  static func checkGroup(_ project: String, tx: any Transaction) throws {
    try count(
      "groups", 1, try limits(project, tx: tx), try usage(project, tx: tx), "GroupLimitExceeded", "groups")
  }

  private static func count(
    _ name: String, _ asked: Int, _ limits: [String: Int], _ used: [String: Int], _ kind: String, _ noun: String
  ) throws {
    guard asked > 0, let limit = limits[name], limit >= 0, (used[name] ?? 0) + asked > limit else { return }
    throw Fault(
      413, kind: kind,
      "\(kind): Maximum number of \(noun) allowed (\(limit)) exceeded for quota '\(name)'.")
  }
}
