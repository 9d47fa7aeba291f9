import API
import Contracts
import Foundation
import Kit
import Store
import Workflow

extension BlockStorageService {
  static let backupList = BlockList(
    .backup,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("volume_id"), ListColumn("container"),
      ListColumn("size", nil, .int), ListColumn("snapshot_id"),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
      ListColumn("data_timestamp", nil, .timestamp, filter: false),
    ], others: ["metadata"])
  private static let createFields = Schema.object(
    [
      Schema.required("volume_id", .uuid), Schema.may("snapshot_id", Input.uuid), Schema.may("name", Input.name),
      Schema.may("description", Input.description), Schema.may("container", .optional(.string(0...255))),
      Schema.may("incremental", .optional(.looseBoolean)), Schema.may("force", .optional(.looseBoolean)),
      Schema.may("metadata", .optional(Input.metadata)), Schema.may("availability_zone", .optional(.string(0...255))),
    ], additional: .allowed)
  private static let statuses = ["available", "error", "creating", "deleting", "restoring", "error_deleting"]

  var backupRoutes: [Route] {
    let path = "/backups/{id}"
    return [
      route("GET", "/backups", "backup:get_all", .projectReader) { [self] in
        try await listBackups($0, isDetailed: false)
      },
      route("GET", "/backups/detail", "backup:get_all", .projectReader) { [self] in
        try await listBackups($0, isDetailed: true)
      },
      route(
        "POST", "/backups", "backup:create", .projectMember,
        schema: .object([Schema.required("backup", Self.createFields)], additional: .allowed)
      ) { [self] in try await createBackup($0) },
      route("GET", path, "backup:get", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          ["backup": try Self.view(try BackupRows.require(call.parameter("id"), auth, tx: tx), call, tx: tx)]
        }
      },
      route(
        "PUT", path, "backup:update", .projectMember, since: 9,
        schema: .object([
          Schema.required(
            "backup",
            .object([
              Schema.may("name", Input.name), Schema.may("description", Input.description),
              Schema.may("metadata", .optional(Input.metadata)),
            ]))
        ])
      ) { [self] in try await updateBackup($0) },
      route("DELETE", path, "backup:delete", .projectMember) { [self] in try await deleteBackup($0, isForced: false) },
      route(
        "POST", path + "/restore", "backup:restore", .projectMember,
        schema: .object([
          Schema.required("restore", .object([Schema.may("volume_id", Input.uuid), Schema.may("name", Input.name)]))
        ])
      ) { [self] in try await restoreBackup($0) },
      action(
        path, "os-reset_status", "volume_extension:backup_admin_actions:reset_status", .admin,
        Self.statusFields(Self.statuses)
      ) {
        [self] call in
        let (auth, now) = (try call.auth, clock.now())
        return try await write(202) { tx in
          let row = try BackupRows.require(call.parameter("id"), auth, tx: tx)
          try Table.backup.set(row.id, ["status": call.text("os-reset_status", "status"), "updated_at": now], tx: tx)
          return .null
        }
      },
      action(path, "os-force_delete", "volume_extension:backup_admin_actions:force_delete", .admin) { [self] in
        try await deleteBackup($0, isForced: true)
      },
      route("GET", path + "/export_record", "backup:backup-export", .admin) { [self] in try await exportRecord($0) },
      route(
        "POST", "/backups/import_record", "backup:backup-import", .admin,
        schema: .object([
          Schema.required(
            "backup-record",
            .object([
              Schema.required("backup_service", .string(1...255)), Schema.required("backup_url", .string(1...100_000)),
            ]))
        ])
      ) { [self] in try await importRecord($0) },
    ]
  }

  /// Upstream's name of a driver that keeps backups as files.
  private static let serviceName = "cinder.backup.drivers.posix.PosixBackupDriver"

  private static func view(_ row: Row, _ call: Call, tx: any Transaction) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "status": .string(row.status), "size": .int(row.int("size")),
      "object_count": .int(row.int("object_count")), "availability_zone": row.optional("zone"),
      "container": row.optional("container"), "created_at": row.time("created_at"),
      "updated_at": row.time("updated_at"), "name": row.optional("name"), "description": row.optional("description"),
      "fail_reason": row.optional("fail_reason"), "volume_id": row.optional("volume_id"),
      "links": try call.links("backups", row.id), "is_incremental": .bool(row.bool("incremental")),
      "has_dependent_backups": .bool(try BackupRows.dependents(row.id, tx: tx) > 0),
      "snapshot_id": row.optional("snapshot_id"), "data_timestamp": row.time("data_timestamp"),
    ]
    if call.since(3, 18), try call.auth.isAdmin { view["os-backup-project-attr:project_id"] = .string(row.projectID) }
    if call.since(3, 43) { view["metadata"] = .texts(row.texts("metadata")) }
    if call.since(3, 56) { view["user_id"] = row.optional("user_id") }
    if call.since(3, 64) { view["encryption_key_id"] = row.optional("key_id") }
    return .object(view)
  }
  private static func short(_ row: Row, _ call: Call) throws -> JSONValue {
    ["id": .string(row.id), "name": row.optional("name"), "links": try call.links("backups", row.id)]
  }

  private func listBackups(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let page = try Self.backupList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = try page.rows.map { isDetailed ? try Self.view($0, call, tx: tx) : try Self.short($0, call) }
      return Self.backupList.reply(call, "backups", page, items)
    }
  }

  private func createBackup(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    let isForced = Input.flag(call.field("backup", "force"))
    let isIncremental = Input.flag(call.field("backup", "incremental"))
    let metadata = call.since(3, 43) ? Input.metadata(call.field("backup", "metadata")) : [:]
    return try await write(202) { [self] tx in
      let volume = try VolumeStore.require(call.text("backup", "volume_id") ?? "", auth, tx: tx)
      let snapshot = try call.text("backup", "snapshot_id").map { try SnapshotStore.require($0, auth, tx: tx) }
      try checkSource(volume, snapshot, isForced: isForced)
      try Quota.checkBackup(auth.projectID, gigabytes: volume.size, tx: tx)
      let parent = try Table.backup.all(
        "volume_id = \(volume.id) AND status = 'available' AND project_id = \(auth.projectID)", tx: tx
      ).last
      if isIncremental, parent == nil {
        throw Fault.badRequest("Invalid backup: No backups available to do an incremental backup.")
      }
      try insertBackup(id, volume, snapshot, parent: isIncremental ? parent : nil, metadata, call, now, tx: tx)
      var input: JSONObject = ["backup": .string(id)]
      if let snapshot {
        input["snapshot"] = .string(snapshot.id)
        try Table.snapshot.set(snapshot.id, ["status": "backing-up", "updated_at": now], tx: tx)
      } else {
        try Table.volume.set(volume.id, ["status": "backing-up", "updated_at": now], tx: tx)
      }
      try enqueue("backup-create", volume, input, call, tx: tx)
      return ["backup": try Self.short(try BackupRows.require(id, auth, tx: tx), call)]
    }
  }

  private func insertBackup(
    _ id: String, _ volume: Volume, _ snapshot: Row?, parent: Row?, _ metadata: [String: String], _ call: Call,
    _ now: Timestamp, tx: any Transaction
  ) throws {
    let auth = try call.auth
    // Data of an encrypted volume are sealed by a key of their chain.
    let key = parent.map { $0.optionalText("key_id") } ?? (volume.isEncrypted ? UUIDText.make() : nil)
    guard key != nil || !volume.isEncrypted else {
      throw Fault.badRequest("Invalid backup: the earlier backups are not encrypted as the volume is: make a full one.")
    }
    try Table.backup.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "volume_id": volume.id,
        "snapshot_id": snapshot?.id, "parent_id": parent?.id, "name": Input.name(call.field("backup", "name")),
        "description": call.text("backup", "description"), "container": call.text("backup", "container"),
        "zone": settings.zone, "size": volume.size, "status": "creating", "incremental": parent != nil,
        "metadata": JSONValue.texts(metadata), "key_id": key,
        "data_timestamp": snapshot?.timestamp("created_at") ?? now,
        "created_at": now, "updated_at": now,
      ], tx: tx)
  }

  private func checkSource(_ volume: Volume, _ snapshot: Row?, isForced: Bool) throws {
    if let snapshot {
      guard snapshot.text("volume_id") == volume.id else {
        throw Volume.invalid("Snapshot \(snapshot.id) is no snapshot of volume \(volume.id).")
      }
      guard snapshot.status == "available" else {
        throw Fault.badRequest(
          "Invalid snapshot: Snapshot to be backed up must be available, but is \(snapshot.status).")
      }
      return
    }
    if volume.status == "in-use", !isForced {
      throw Volume.invalid("Backing up an in-use volume must use the force flag.")
    }
    try volume.require(["available", "in-use"], "be backed up")
  }

  private func updateBackup(_ call: Call) async throws -> Reply {
    let (auth, now, fields) = (try call.auth, clock.now(), call.body["backup"]?.object ?? [:])
    guard !fields.isEmpty else { throw Fault.badRequest("There is nothing to update.") }
    return try await write { tx in
      let row = try BackupRows.require(call.parameter("id"), auth, tx: tx)
      let metadata = call.since(3, 43) ? call.field("backup", "metadata") : nil
      try Table.backup.set(
        row.id,
        [
          "name": fields["name"] == nil ? row.optionalText("name") : Input.name(fields["name"]),
          "description": fields["description"] == nil ? row.optionalText("description") : fields["description"]?.string,
          "metadata": JSONValue.texts(metadata.map { Input.metadata($0) } ?? row.texts("metadata")), "updated_at": now,
        ], tx: tx)
      return ["backup": try Self.short(try BackupRows.require(row.id, auth, tx: tx), call)]
    }
  }

  private func deleteBackup(_ call: Call, isForced: Bool) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    return try await write(202) { [self] tx in
      let row = try BackupRows.require(call.parameter("id"), auth, tx: tx)
      guard isForced || ["available", "error", "error_deleting"].contains(row.status) else {
        throw Fault.badRequest("Invalid backup: Backup status must be available or error, but it is \(row.status).")
      }
      guard try BackupRows.dependents(row.id, tx: tx) == 0 else {
        throw Fault.badRequest("Invalid backup: Incremental backups exist for this backup.")
      }
      try Table.backup.set(row.id, ["status": "deleting", "updated_at": now], tx: tx)
      try engine.enqueue(
        NewJob(
          kind: "backup-delete", subject: "backup/\(row.id)", input: ["backup": .string(row.id)],
          requestID: call.requestID, userID: auth.user.id, projectID: row.projectID), tx: tx)
      return .null
    }
  }

  private func restoreBackup(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    return try await write(202) { [self] tx in
      let row = try BackupRows.require(call.parameter("id"), auth, tx: tx)
      guard row.status == "available" else {
        throw Fault.badRequest("Invalid backup: Backup status must be available, but it is \(row.status).")
      }
      let name = Input.name(call.field("restore", "name")) ?? "restore_backup_\(row.id)"
      let volumeID: String
      if let target = call.text("restore", "volume_id") {
        let volume = try VolumeStore.require(target, auth, tx: tx)
        try volume.require(["available"], "be restored to")
        guard volume.size >= row.int("size") else {
          throw Volume.invalid("volume size \(volume.size) is too small to restore backup of size \(row.int("size")).")
        }
        try Table.volume.set(target, ["status": "restoring-backup", "updated_at": now], tx: tx)
        try enqueue("backup-restore", volume, ["backup": .string(row.id)], call, tx: tx)
        volumeID = target
      } else {
        volumeID = try volumeForBackup(row, name, call, auth, tx: tx)
      }
      try Table.backup.set(row.id, ["status": "restoring", "updated_at": now], tx: tx)
      return [
        "restore": [
          "backup_id": .string(row.id), "volume_id": .string(volumeID),
          "volume_name": try VolumeStore.find(volumeID, tx: tx)?.row.optional("name") ?? .string(name),
        ]
      ]
    }
  }

  private func volumeForBackup(
    _ backup: Row, _ name: String, _ call: Call, _ auth: AuthContext, tx: any Transaction
  ) throws -> String {
    var order = VolumeOrder()
    (order.name, order.backupID) = (name, backup.id)
    let id = try createVolume(order, auth: auth, requestID: call.requestID, tx: tx)
    if let source = try VolumeStore.find(backup.text("volume_id"), tx: tx) {
      try Table.volume.set(
        id,
        [
          "bootable": source.row.bool("bootable"), "image_metadata": source.row.optionalText("image_metadata"),
          "metadata": source.row.text("metadata"),
        ],
        tx: tx)
    }
    return id
  }

  /// A record that says where a backup's data are, in base 64 as upstream's.
  private func exportRecord(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await read { tx in
      let row = try BackupRows.require(call.parameter("id"), auth, tx: tx)
      guard row.status == "available" else { throw Fault.badRequest("Invalid backup: its status is \(row.status).") }
      let record: JSONValue = [
        "id": .string(row.id), "volume_id": row.optional("volume_id"), "size": .int(row.int("size")),
        "parent_id": row.optional("parent_id"), "name": row.optional("name"),
        "description": row.optional("description"), "project_id": .string(row.projectID),
        "user_id": row.optional("user_id"), "object_count": .int(row.int("object_count")),
        "created_at": .int(row.int("created_at")), "encryption_key_id": row.optional("key_id"),
      ]
      let url = Data(record.bytes).base64EncodedString()
      return ["backup-record": ["backup_service": .string(Self.serviceName), "backup_url": .string(url)]]
    }
  }

  private func importRecord(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    let service = call.text("backup-record", "backup_service") ?? ""
    guard let data = Data(base64Encoded: call.text("backup-record", "backup_url") ?? ""),
      let record = try? JSONParser.parse(Array(data)), let id = record["id"]?.string, UUIDText.isValid(id)
    else { throw Fault.badRequest("Invalid input received: backup_url is no backup record.") }
    guard service == Self.serviceName else {
      throw Fault(503, "No backup service of this cloud reads records of \(service.prefix(80)).")
    }
    return try await write(201) { [self] tx in
      guard try Table.backup.find(id, tx: tx) == nil else {
        throw Fault.badRequest("Invalid backup: Backup already exists in database.")
      }
      try Table.backup.insert(
        [
          "id": id, "project_id": auth.projectID, "user_id": auth.user.id,
          "volume_id": record["volume_id"]?.string ?? "", "parent_id": record["parent_id"]?.string,
          "name": record["name"]?.string, "description": record["description"]?.string,
          "key_id": record["encryption_key_id"]?.string, "zone": settings.zone,
          "size": record["size"]?.int ?? 0, "status": "available", "incremental": record["parent_id"]?.string != nil,
          "object_count": record["object_count"]?.int ?? 0, "metadata": "{}", "data_timestamp": now, "created_at": now,
          "updated_at": now,
        ], tx: tx)
      return ["backup": try Self.short(try BackupRows.require(id, auth, tx: tx), call)]
    }
  }
}
