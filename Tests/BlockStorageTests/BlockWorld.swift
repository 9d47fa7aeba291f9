import API
import Contracts
import Foundation
import Host
import Kit
import Store
import Synchronization
import TestKit
import Workflow

@testable import BlockStorage

/// Images for the tests: files by id, and what is uploaded to them.
final class TestImages: ImageSource, Sendable {
  private let state = Mutex<(images: [String: ImageSummary], files: [String: String])>(([:], [:]))
  let folder: String

  init(folder: String) { self.folder = folder }

  func add(_ path: String, format: String, virtualSize: Int, status: String = "active") -> String {
    let id = UUIDText.make()
    let summary = ImageSummary(
      id: id, name: "image", status: status, diskFormat: format, containerFormat: "bare",
      sizeBytes: HostFiles.size(path) ?? 0, virtualSizeBytes: virtualSize, minDiskGB: 0, minRAMMB: 0,
      owner: TestVerifier.mainProject, visibility: "public", properties: ["hw_disk_bus": "virtio"])
    state.withLock {
      $0.images[id] = summary
      $0.files[id] = path
    }
    return id
  }
  func statuses() -> [String] { state.withLock { $0.images.values.map(\.status) } }
  func path(of id: String) -> String? { state.withLock { $0.files[id] } }
  func image(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> ImageSummary? {
    state.withLock { $0.images[id] }
  }
  func image(_ id: String, tx: any Transaction) throws -> ImageSummary? { state.withLock { $0.images[id] } }
  func file(of id: String) async throws -> String {
    guard let path = path(of: id) else { throw Fault.notFound("no image") }
    return path
  }
  func reserve(_ summary: ImageSummary, tx: any Transaction) throws {
    state.withLock { $0.images[summary.id] = summary }
  }
  func discard(_ id: String, tx: any Transaction) throws { state.withLock { $0.images[id] = nil } }
  func importFile(_ path: String, into id: String) async throws {
    let target = "\(folder)/\(id)"
    if HostFiles.exists(path) {
      try HostFiles.remove(target)
      try FileManager.default.moveItem(atPath: path, toPath: target)
    }
    state.withLock {
      $0.images[id]?.status = "active"
      $0.files[id] = target
    }
  }
}

/// A Block Storage service on a database and folders of its own, with two backends.
struct BlockWorld {
  let folder: String
  let database: any Database
  let engine: WorkflowEngine
  let service: BlockStorageService
  let router: APIRouter
  let images: TestImages

  init(
    folder: String? = nil, database: (any Database)? = nil, images: TestImages? = nil,
    crash: (@Sendable (CrashPoint, Job, String) throws -> Void)? = nil
  ) async throws {
    self.folder = try folder ?? TestKit.folder()
    if let database {
      self.database = database
    } else {
      self.database = try await TestKit.database(JobStore.migrations + BlockStorageService.migrations)
    }
    self.images = images ?? TestImages(folder: self.folder)
    engine = WorkflowEngine(database: self.database, node: "node", log: TestKit.log, crash: crash)
    service = BlockStorageService(
      database: self.database, log: TestKit.log, engine: engine, images: self.images, projects: TestVerifier(),
      settings: BlockStorageSettings(
        host: "node",
        backends: [
          .init(name: "files", folder: self.folder + "/files"),
          .init(name: "plain", folder: self.folder + "/plain", format: "raw"),
        ], backupFolder: self.folder + "/backups", keyFolder: self.folder + "/keys"))
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
    try await service.start()
    if folder == nil {
      // The standard type stays on the first backend, so that tests know where volumes are.
      let name = TypeStore.standardName
      try await self.database.write { tx in
        _ = try tx.execute(
          "UPDATE bs_type SET extra_specs = '{\"volume_backend_name\":\"files\"}' WHERE name = \(name)")
      }
    }
  }

  struct Answer {
    var status: Int
    var json: JSONValue
    subscript(path: String) -> JSONValue? {
      path.split(separator: ".").reduce(Optional(json)) { value, part in
        Int(part).map { value?[$0] } ?? value?[String(part)]
      }
    }
  }

  /// Sends a request below `/v3` in microversion 3.`minor`, then runs the jobs that it made.
  @discardableResult
  func send(
    _ method: String, _ path: String, _ body: JSONValue? = nil, as token: String = "member", minor: Int = 71,
    drains: Bool = true
  ) async throws -> Answer {
    var headers: Headers = ["OpenStack-API-Version": "volume 3.\(minor)", "Content-Type": "application/json"]
    if token != "none" { headers["X-Auth-Token"] = token }
    let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
    let reply = await router.respond(
      HTTPCall(
        method: method, path: "/v3" + parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
        body: BodyStream(bytes: body?.bytes ?? [])))
    if drains { try await engine.drain() }
    if case .json(let value) = reply.body { return Answer(status: reply.status, json: value) }
    return Answer(status: reply.status, json: .null)
  }

  func make(_ fields: JSONObject = [:], as token: String = "member") async throws -> String {
    var volume: JSONObject = ["size": 1]
    volume.merge(fields)
    return try await send("POST", "/volumes", ["volume": .object(volume)], as: token)["volume.id"]?.string ?? ""
  }
  @discardableResult
  func act(
    _ id: String, _ name: String, _ fields: JSONValue = [:], as token: String = "member"
  ) async throws -> Answer { try await send("POST", "/volumes/\(id)/action", [name: fields], as: token) }
  func snapshot(_ volume: String) async throws -> String {
    try await send("POST", "/snapshots", ["snapshot": ["volume_id": .string(volume)]])["snapshot.id"]?.string ?? ""
  }
  func volume(_ id: String) async throws -> JSONValue {
    try await send("GET", "/volumes/\(id)", as: "admin")["volume"] ?? .null
  }
  func status(_ id: String) async throws -> String { try await volume(id)["status"]?.string ?? "gone" }

  /// A type whose volumes are encrypted; returns its name.
  func encryptedType() async throws -> String {
    let type = try await send(
      "POST", "/types", ["volume_type": ["name": "luks", "extra_specs": ["volume_backend_name": "files"]]], as: "admin")
    try await send(
      "POST", "/types/\(type["volume_type.id"]?.string ?? "")/encryption",
      ["encryption": ["provider": "luks", "control_location": "front-end", "key_size": 256]], as: "admin")
    return "luks"
  }
  /// A type whose volumes are on a backend; returns its name.
  @discardableResult
  func type(on backend: String) async throws -> String {
    try await send(
      "POST", "/types",
      ["volume_type": ["name": .string(backend), "extra_specs": ["volume_backend_name": .string(backend)]]],
      as: "admin")
    return backend
  }

  /// Raises quotas of the main project.
  func allow(volumes: Int = 100, snapshots: Int = 100) async throws {
    try await send(
      "PUT", "/os-quota-sets/\(TestVerifier.mainProject)",
      [
        "quota_set": [
          "volumes": .int(volumes), "snapshots": .int(snapshots), "gigabytes": -1, "backups": 100,
          "backup_gigabytes": -1, "groups": 100,
        ]
      ], as: "admin")
  }
  /// What the volume reads as, by the SHA-256 of each piece that is not zero.
  func checksum(_ id: String) async throws -> String {
    let volume = try await database.read { try VolumeStore.find(id, tx: $0) }
    guard let volume else { throw Fault.notFound(id) }
    if let key = volume.keyID { try service.keys.hold(key) }
    defer { if let key = volume.keyID { service.keys.release(key) } }
    let raw = "\(folder)/sum-\(id)"
    try await QemuImage.convert(try service.disk(volume), to: Disk(path: raw, format: "raw"))
    defer { try? HostFiles.remove(raw) }
    let sums = BackupStore(folder: "\(folder)/sums")
    _ = try sums.save(raw, as: id, chain: id)
    defer { try? HostFiles.remove("\(folder)/sums") }
    let manifest = try HostFiles.load(BackupStore.Manifest.self, sums.manifestPath(id, chain: id))
    return (manifest?.pieces ?? []).map { "\($0.offset) \($0.hash)" }.joined(separator: "\n")
  }

  /// Writes a byte pattern into a volume as a guest would.
  func write(_ id: String, _ pattern: Int, at offset: Int = 0) async throws {
    try await io(id, "write -P \(pattern) \(offset) 64k")
  }
  /// Whether the volume has the pattern there.
  func has(_ id: String, _ pattern: Int, at offset: Int = 0) async throws -> Bool {
    do {
      try await io(id, "read -P \(pattern) \(offset) 64k")
      return true
    } catch { return false }
  }
  private func io(_ id: String, _ command: String) async throws {
    let volume = try await database.read { try VolumeStore.find(id, tx: $0) }
    guard let volume else { throw Fault.notFound(id) }
    let disk = try service.disk(volume)
    if let key = volume.keyID { try service.keys.hold(key) }
    defer { if let key = volume.keyID { service.keys.release(key) } }
    let arguments = disk.keyPath == nil ? ["-f", disk.format, disk.path] : disk.source
    let output = try await Command("qemu-io", arguments + ["-c", command]).run()
    guard output.status == 0, !output.text.contains("verification failed") else { throw Fault.internal(output.text) }
  }

  /// Every file of the backends.
  func files() -> [String] {
    ["files", "plain"].flatMap { backend in
      ((try? HostFiles.list("\(folder)/\(backend)")) ?? []).map { "\(backend)/\($0)" }
    }.sorted()
  }
  /// Deletes everything that projects have, and returns what is left over although nothing should be: files, rows, keys,
  /// jobs and quota.
  func removeAll() async throws -> [String] {
    let service = service
    for row in try await database.read({ try Table.attachment.all("1 = 1", tx: $0) }) {
      try await database.write { try service.release(attachmentID: row.id, tx: $0) }
    }
    for (path, key) in [("/group_snapshots", "group_snapshots"), ("/snapshots", "snapshots")] {
      for item in try await send("GET", path)[key]?.array ?? [] {
        try await send("DELETE", "\(path)/\(item["id"]?.string ?? "")")
      }
    }
    for _ in 0..<100 {
      // Incremental backups go before those that they are made from.
      let backups = try await send("GET", "/backups?sort=created_at:desc")["backups"]?.array ?? []
      if backups.isEmpty { break }
      for backup in backups { try await send("DELETE", "/backups/\(backup["id"]?.string ?? "")") }
    }
    for group in try await send("GET", "/groups")["groups"]?.array ?? [] {
      try await send("POST", "/groups/\(group["id"]?.string ?? "")/action", ["delete": ["delete-volumes": true]])
    }
    for volume in try await send("GET", "/volumes")["volumes"]?.array ?? [] {
      try await send("DELETE", "/volumes/\(volume["id"]?.string ?? "")?cascade=true")
    }
    for backend in service.settings.backends { await service.sweep(backend) }
    return try await leftovers()
  }

  private func leftovers() async throws -> [String] {
    var left = files().filter { !$0.contains("/unmanaged-") }
    left += ((try? HostFiles.list(folder + "/backups")) ?? []).map { "backups/\($0)" }
    left += try service.keys.list().map { "keys/\($0)" }
    left += ((try? HostFiles.list(folder + "/keys/open")) ?? []).map { "keys/open/\($0)" }
    let tables = ["bs_volume", "bs_snapshot", "bs_layer", "bs_attachment", "bs_backup", "bs_grp", "bs_group_snapshot"]
    left += try await database.read { tx in
      var left: [String] = []
      for table in tables {
        left += try tx.query("SELECT * FROM \(raw: table)").map {
          "\(table) \($0.id) \($0.optionalText("status") ?? "")"
        }
      }
      left += try tx.query("SELECT kind, subject FROM job WHERE is_live = 1").map {
        "job \($0.text("kind")) \($0.text("subject"))"
      }
      let used = try Quota.usage(TestVerifier.mainProject, tx: tx).filter { $0.value != 0 }
      return left + used.map { "quota \($0.key) \($0.value)" }
    }
    return left
  }

  /// A raw image file that begins with a pattern.
  func image(_ pattern: UInt8 = 7, bytes: Int = 64 << 10, format: String = "raw") throws -> String {
    let path = "\(folder)/image-\(pattern)"
    try HostFiles.writeAtomically(path, [UInt8](repeating: pattern, count: bytes), mode: 0o600, isDurable: false)
    return images.add(path, format: format, virtualSize: bytes)
  }
}
