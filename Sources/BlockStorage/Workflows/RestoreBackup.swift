import Host
import Kit
import Store
import Workflow

/// Making, restoring and deleting backups.
extension BlockStorageService {
  var backups: BackupStore { BackupStore(folder: settings.backupFolder) }
  /// With the key of the backup's chain, where it has one.
  private func backups(_ backup: Row) throws -> BackupStore {
    BackupStore(folder: settings.backupFolder, key: try backup.optionalText("key_id").map { try keys.sealingKey($0) })
  }

  var backupWorkflows: [WorkflowDefinition] {
    [
      definition("backup-create", noun: "backup") { [self] in
        try await makeBackup($0)
      } failed: { [self] tx, job, fault in
        let id = job.input["backup"]?.string ?? ""
        try Table.backup.set(
          id, ["status": "error", "fail_reason": Messages.text(fault), "updated_at": clock.now()], tx: tx)
        try freeAfterBackup(job.input, tx: tx)
      },
      definition("backup-restore", noun: "backup") { [self] context in
        guard let volume = try await volume(of: context) else { return .done }
        let (id, now) = (context.input["backup"]?.string ?? "", clock.now())
        try await locks.with(volume.id) { [self] in try await restore(id, into: volume) }
        return StepResult { tx in
          try Table.backup.set(id, ["status": "available", "updated_at": now], tx: tx)
          try Table.volume.set(volume.id, ["parent": nil as String?, "file": volume.file], tx: tx)
          try VolumeStore.free(volume.id, now: now, tx: tx)
        }
      } failed: { [self] tx, job, _ in
        let now = clock.now()
        try Table.backup.set(job.input["backup"]?.string ?? "", ["status": "available", "updated_at": now], tx: tx)
        try Table.volume.set(
          job.input["volume"]?.string ?? "", ["status": "error_restoring", "updated_at": now], tx: tx)
      },
      definition("backup-delete", noun: "backup", preempts: true) { [self] context in
        let id = context.input["backup"]?.string ?? ""
        guard let chain = try await database.read({ try BackupRows.chain(of: id, tx: $0) }) else { return .done }
        try await locks.with("chain/" + chain) { [self] in
          try await HostThread.run { [backups] in try backups.remove(id, chain: chain) }
        }
        return StepResult { [self] tx in
          let key = try Table.backup.find(id, tx: tx)?.optionalText("key_id")
          try Table.backup.remove(id, tx: tx)
          // The last of a chain takes its key with it.
          if let key, try Table.backup.count("key_id = \(key)", tx: tx) == 0 {
            tx.afterCommit { [keys] in try? keys.remove(key) }
          }
        }
      } failed: { [self] tx, job, _ in
        try Table.backup.set(
          job.input["backup"]?.string ?? "", ["status": "error_deleting", "updated_at": clock.now()], tx: tx)
      },
    ]
  }

  private func makeBackup(_ context: StepContext) async throws -> StepResult {
    let id = context.input["backup"]?.string ?? ""
    let found = try await database.read { [self] tx -> (Row, String, Disk?)? in
      guard let row = try Table.backup.find(id, tx: tx), let chain = try BackupRows.chain(of: id, tx: tx) else {
        return nil
      }
      let snapshot = try row.optionalText("snapshot_id").flatMap { try Table.snapshot.find($0, tx: tx) }
      return (row, chain, try snapshot.map { try disk(snapshot: $0, tx: tx) })
    }
    guard let (row, chain, snapshotDisk) = found, row.status == "creating",
      let volume = try await volume(of: context)
    else { return .done }
    let raw = "\(settings.backupFolder)/\(id).tmp"
    try HostFiles.makeFolder(settings.backupFolder, mode: 0o700)
    try HostFiles.remove(raw)
    do {
      if let snapshotDisk {
        try await QemuImage.convert(snapshotDisk, to: Disk(path: raw, format: "raw"))
      } else {
        try await withCopy(of: volume) { try await QemuImage.convert($0, to: Disk(path: raw, format: "raw")) }
      }
    } catch {
      try? HostFiles.remove(raw)
      throw QemuImage.explained(error, backend: volume.backend)
    }
    let count = try await locks.with("chain/" + chain) { [self] in
      let store = try backups(row)
      return try await HostThread.run { try store.save(raw, as: id, chain: chain) }
    }
    try HostFiles.remove(raw)
    let (now, input) = (clock.now(), context.input)
    return StepResult { [self] tx in
      try Table.backup.set(
        id, ["status": "available", "object_count": max(count, 1), "updated_at": now], tx: tx)
      try freeAfterBackup(input, tx: tx)
    }
  }

  private func freeAfterBackup(_ input: JSONValue, tx: any Transaction) throws {
    let now = clock.now()
    if let snapshot = input["snapshot"]?.string {
      try Table.snapshot.set(snapshot, ["status": "available", "updated_at": now], tx: tx)
    } else if let volume = input["volume"]?.string,
      let found = try VolumeStore.find(volume, tx: tx), found.status == "backing-up"
    {
      try VolumeStore.free(volume, now: now, tx: tx)
    }
  }

  /// Replaces the volume's file by the backup's content.
  func restore(_ backupID: String, into volume: Volume) async throws {
    let found = try await database.read { tx in
      (try BackupRows.chain(of: backupID, tx: tx), try Table.backup.find(backupID, tx: tx))
    }
    guard let chain = found.0, let row = found.1 else {
      throw Fault.notFound("Backup \(backupID) could not be found.")
    }
    let data = try backups(row)
    let raw = "\(settings.backupFolder)/restore-\(volume.id).tmp"
    if let key = volume.keyID { try keys.make(key) }
    do {
      try await HostThread.run { try data.restore(backupID, chain: chain, to: raw) }
      try await store(volume.backend).copy(
        Disk(path: raw, format: "raw"), to: volume.file, format: volume.format,
        keyPath: volume.isEncrypted ? volume.keyID.map(keys.path) : nil, sizeBytes: volume.sizeBytes)
    } catch {
      try? HostFiles.remove(raw)
      throw error
    }
    try HostFiles.remove(raw)
  }
}

/// Rows of backups.
enum BackupRows {
  static func require(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try Table.backup.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("Backup \(id.prefix(64)) could not be found.")
    }
    return row
  }
  /// The full backup at the bottom of a chain, which names its folder.
  static func chain(of id: String, tx: any Transaction) throws -> String? {
    var row = try Table.backup.find(id, tx: tx)
    while let parent = row?.optionalText("parent_id") {
      guard let next = try Table.backup.find(parent, tx: tx) else { return parent }
      row = next
    }
    return row?.id
  }
  static func dependents(_ id: String, tx: any Transaction) throws -> Int {
    try Table.backup.count("parent_id = \(id)", tx: tx)
  }
}
