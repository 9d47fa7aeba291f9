import API
import Host
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import BlockStorage

/// A process may be killed at every point of every workflow: what is there afterwards is settled, and nothing is left over.
struct VolumeCrashTests {
  /// Runs `scenario` with a crash at every point of its jobs of these kinds, or of these steps (none: of all); `check` sees
  /// the world after a new process has taken over.
  private static func run(
    _ kinds: Set<String> = [],
    _ scenario: @escaping @Sendable (BlockWorld) async throws -> [String: String],
    check: @escaping @Sendable (BlockWorld, [String: String], String) async throws -> Void
  ) async throws -> Int {
    try await CrashPlan.everyPoint { plan in
      let database = try await TestKit.database(JobStore.migrations + BlockStorageService.migrations)
      let hook = plan.hook
      let first = try await BlockWorld(database: database) { point, job, step in
        if kinds.isEmpty || kinds.contains(job.kind) || kinds.contains(step) { try hook(point, job, step) }
      }
      let names = try await scenario(first)
      try await first.engine.drain()
      // A new process, whether the first one crashed or ended.
      let world = try await BlockWorld(folder: first.folder, database: database, images: first.images)
      if first.service.users != nil { world.service.users = TestUsers(world) }
      try await world.engine.takeOver()
      try await world.engine.drain()
      try await check(world, names, plan.place)
      let left = try await world.removeAll()
      #expect(left.isEmpty, "\(plan.place): \(left)")
      try HostFiles.remove(world.folder)
    }
  }

  private static func expect(_ world: BlockWorld, _ id: String, _ pattern: Int, _ place: String) async throws {
    let (status, hasPattern) = (try await world.status(id), try await world.has(id, pattern))
    #expect(status == "available", "\(place)")
    #expect(hasPattern, "\(place)")
  }

  @Test func volumesOfImagesSnapshotsAndVolumes() async throws {
    let points = try await Self.run { world in
      let image = try world.image(7)
      let base = try await world.make(["imageRef": .string(image)])
      let snapshot = try await world.snapshot(base)
      let copy = try await world.make(["snapshot_id": .string(snapshot)])
      let clone = try await world.make(["source_volid": .string(base)])
      return ["base": base, "copy": copy, "clone": clone]
    } check: { world, names, place in
      for name in ["base", "copy", "clone"] {
        let id = names[name] ?? ""
        guard !id.isEmpty else { continue }
        try await Self.expect(world, id, 7, "\(place): \(name)")
      }
    }
    #expect(points >= 12)
  }

  @Test func extendingRevertingAndMoving() async throws {
    let points = try await Self.run(["volume-extend", "volume-migrate", "volume-revert"]) { world in
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 3)
      try await world.act(id, "os-extend", ["new_size": 2])
      try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin")
      try await world.act(id, "os-migrate_volume", ["host": "node@files#files"], as: "admin")
      let snapshot = try await world.snapshot(id)
      try await world.act(id, "revert", ["snapshot_id": .string(snapshot)])
      return ["id": id]
    } check: { world, names, place in
      guard let id = names["id"] else { return }
      try await Self.expect(world, id, 3, place)
    }
    #expect(points >= 12)
  }

  @Test func backupsAndTheirRestore() async throws {
    let points = try await Self.run { world in
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 4)
      let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id)]])
      let restored = try await world.send(
        "POST", "/backups/\(backup["backup.id"]?.string ?? "")/restore", ["restore": [:]])
      return ["id": id, "copy": restored["restore.volume_id"]?.string ?? ""]
    } check: { world, names, place in
      guard let id = names["id"], let copy = names["copy"] else { return }
      try await Self.expect(world, id, 4, place)
      if !copy.isEmpty { try await Self.expect(world, copy, 4, place) }
    }
    #expect(points >= 9)
  }

  @Test func backupsOfBackupsAndTheirRestoreInPlace() async throws {
    let points = try await Self.run(["backup-create", "backup-restore"]) { world in
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 4)
      let wish: JSONValue = ["backup": ["volume_id": .string(id)]]
      _ = try await world.send("POST", "/backups", wish)
      let second = try await world.send(
        "POST", "/backups", ["backup": ["volume_id": .string(id), "incremental": true]])
      guard try await world.status(id) == "available" else { return ["id": id] }
      try await world.send(
        "POST", "/backups/\(second["backup.id"]?.string ?? "")/restore", ["restore": ["volume_id": .string(id)]])
      return ["id": id]
    } check: { world, names, place in
      guard let id = names["id"] else { return }
      try await Self.expect(world, id, 4, place)
      let backups = try await world.send("GET", "/backups/detail")["backups"]?.array ?? []
      #expect(backups.allSatisfy { $0["status"] == "available" }, "\(place)")
    }
    #expect(points >= 12)
  }

  @Test func imagesOutAndIn() async throws {
    let points = try await Self.run(["volume-upload", "volume-reimage"]) { world in
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 5)
      try await world.act(id, "os-volume_upload_image", ["image_name": "i", "disk_format": "qcow2"])
      let other = try await world.make(["imageRef": .string(try world.image(6))])
      let image = try world.image(8)
      let answer = try await world.act(other, "os-reimage", ["image_id": .string(image)])
      return ["id": id, "other": answer.status == 202 ? other : ""]
    } check: { world, names, place in
      guard let id = names["id"], let other = names["other"] else { return }
      try await Self.expect(world, id, 5, place)
      if !other.isEmpty { try await Self.expect(world, other, 8, place) }
      #expect(world.images.statuses().allSatisfy { $0 == "active" }, "\(place): \(world.images.statuses())")
    }
    #expect(points >= 12)
  }

  @Test func inAndOutOfTheCloudsCare() async throws {
    let points = try await Self.run(["volume-manage", "volume-unmanage"]) { world in
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 6)
      try await world.act(id, "os-unmanage", as: "admin")
      let managed = try await world.send(
        "POST", "/manageable_volumes",
        ["volume": ["host": "node@files#files", "ref": ["source-name": .string("volume-\(id)")]]], as: "admin")
      let new = managed["volume.id"]?.string
      return ["id": new ?? id, "managed": new == nil ? "" : "yes"]
    } check: { world, names, place in
      guard let id = names["id"] else { return }
      if names["managed"] == "yes" { return try await Self.expect(world, id, 6, place) }
      // It was unmanaged after the crash: its file is there, complete and in nobody's care.
      #expect(world.files().contains("files/unmanaged-volume-\(id)"), "\(place): \(world.files())")
    }
    #expect(points >= 6)
  }

  @Test func groupsAndTheirSnapshots() async throws {
    let points = try await Self.run(["snapshot-create"]) { world in
      let types = try await world.send("GET", "/group_types", as: "admin")["group_types"]?.array ?? []
      let group = try await world.send(
        "POST", "/groups",
        ["group": ["group_type": types.first?["id"] ?? "", "volume_types": ["__DEFAULT__"], "name": "g"]])
      let groupID = group["group.id"]?.string ?? ""
      let ids = [
        try await world.make(["group_id": .string(groupID)]), try await world.make(["group_id": .string(groupID)]),
      ]
      for id in ids { if try await world.status(id) == "available" { try await world.write(id, 7) } }
      let shot = try await world.send("POST", "/group_snapshots", ["group_snapshot": ["group_id": .string(groupID)]])
      try await world.send(
        "POST", "/groups/action",
        ["create-from-src": ["group_snapshot_id": shot["group_snapshot.id"] ?? "", "name": "copy"]])
      return [:]
    } check: { world, _, place in
      for path in ["groups", "group_snapshots"] {
        let found = try await world.send("GET", "/\(path)/detail")[path]?.array ?? []
        #expect(found.allSatisfy { $0["status"] == "available" }, "\(place): \(found)")
      }
      for volume in try await world.send("GET", "/volumes/detail")["volumes"]?.array ?? [] {
        #expect(volume["status"] == "available", "\(place)")
      }
    }
    #expect(points >= 9)
  }

  @Test func retypesToEncryption() async throws {
    let points = try await Self.run(["switch"]) { world in
      let (plain, luks) = (try await world.type(on: "files"), try await world.encryptedType())
      let id = try await world.make(["volume_type": .string(plain)])
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 8)
      try await world.act(id, "os-retype", ["new_type": .string(luks), "migration_policy": "on-demand"])
      return ["id": id]
    } check: { world, names, place in
      guard let id = names["id"] else { return }
      try await Self.expect(world, id, 8, place)
    }
    #expect(points == 3)
  }

  @Test func volumesInUseMoveAndAreCaptured() async throws {
    let points = try await Self.run(["volume-migrate", "snapshot-create"]) { world in
      world.service.users = TestUsers(world)
      let id = try await world.make()
      guard try await world.status(id) == "available" else { return [:] }
      try await world.write(id, 9)
      let (service, server) = (world.service, UUIDText.make())
      let attachment = try await world.database.write { try service.reserve(id, serverID: server, tx: $0) }
      _ = try await service.connect(attachmentID: attachment, host: "node", mountpoint: "/dev/vdb")
      try await world.database.write { try service.complete(attachmentID: attachment, tx: $0) }
      try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin")
      let snapshot = try await world.snapshot(id)
      return ["id": id, "snapshot": snapshot]
    } check: { world, names, place in
      guard let id = names["id"] else { return }
      let (status, hasPattern) = (try await world.status(id), try await world.has(id, 9))
      #expect(status == "in-use" && hasPattern, "\(place): \(status)")
    }
    #expect(points >= 6)
  }
}
