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
  /// Runs `scenario` with a crash at every point of its jobs; `check` sees the world after a new process has taken over.
  private static func run(
    _ scenario: @escaping @Sendable (BlockWorld) async throws -> [String: String],
    check: @escaping @Sendable (BlockWorld, [String: String], String) async throws -> Void
  ) async throws -> Int {
    try await CrashPlan.everyPoint { plan in
      let database = try await TestKit.database(JobStore.migrations + BlockStorageService.migrations)
      let first = try await BlockWorld(database: database, crash: plan.hook)
      let names = try await scenario(first)
      try await first.engine.drain()
      // A new process, whether the first one crashed or ended.
      let world = try await BlockWorld(folder: first.folder, database: database, images: first.images)
      try await world.engine.takeOver()
      try await world.engine.drain()
      try await check(world, names, plan.place)
      try await Self.removeAll(world, plan.place)
    }
  }

  /// Everything can be deleted, and then there is no file, row or quota left.
  private static func removeAll(_ world: BlockWorld, _ place: String) async throws {
    for backup in try await world.send("GET", "/backups?sort=created_at:desc")["backups"]?.array ?? [] {
      #expect(try await world.send("DELETE", "/backups/\(backup["id"]?.string ?? "")").status == 202, "\(place)")
    }
    for _ in 0..<2 {
      for volume in try await world.send("GET", "/volumes")["volumes"]?.array ?? [] {
        _ = try await world.send("DELETE", "/volumes/\(volume["id"]?.string ?? "")?cascade=true")
      }
    }
    let left = try await world.send("GET", "/volumes/detail")["volumes"]
    #expect(left?.array?.isEmpty == true, "\(place): \(left?.text ?? "")")
    for backend in world.service.settings.backends { await world.service.sweep(backend) }
    #expect(world.files().isEmpty, "\(place): \(world.files())")
    let used = try await world.database.read { try Quota.usage(TestVerifier.mainProject, tx: $0) }
    #expect(used.values.allSatisfy { $0 == 0 }, "\(place): \(used)")
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
    let points = try await Self.run { world in
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
}
