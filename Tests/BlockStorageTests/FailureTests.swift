import API
import Host
import Kit
import TestKit
import Testing

@testable import BlockStorage

/// Storage that fails: the resource and the messages say what is wrong, and nothing else is affected.
struct FailureTests {
  private func message(_ world: BlockWorld, of id: String) async throws -> String {
    let found = try await world.send("GET", "/messages?resource_uuid=\(id)")["messages"]?.array ?? []
    let texts = found.compactMap { $0["user_message"]?.string }
    // What users read names no path and no program.
    #expect(!texts.contains { $0.contains(world.folder) || $0.contains("qemu-img") }, "\(texts)")
    return texts.joined(separator: "; ")
  }

  @Test func aReadOnlyDiskIsExplainedAndCanBeUsedAgain() async throws {
    let world = try await BlockWorld()
    let folder = world.folder + "/plain"
    _ = try await Command("mount", ["-t", "tmpfs", "-o", "size=512m", "martlet-test", folder]).check()
    do {
      let type = try await world.type(on: "plain")
      let (id, other) = (try await world.make(["volume_type": .string(type)]), try await world.make())
      try await world.write(id, 1)
      _ = try await Command("mount", ["-o", "remount,ro", folder]).check()
      try await readOnly(world, id, other, type)
      _ = try await Command("mount", ["-o", "remount,rw", folder]).check()
      #expect(try await world.send("DELETE", "/volumes/\(id)").status == 202)
      #expect(try await world.status(id) == "gone")
      #expect(try HostFiles.list(folder).isEmpty)
    } catch { Issue.record(error) }
    _ = try await Command("umount", [folder]).check()
  }

  private func readOnly(_ world: BlockWorld, _ id: String, _ other: String, _ type: String) async throws {
    let new = try await world.make(["volume_type": .string(type)])
    #expect(try await world.status(new) == "error")
    #expect(try await message(world, of: new).contains("read-only"))
    let snapshot = try await world.snapshot(id)
    #expect(try await world.send("GET", "/snapshots/\(snapshot)")["snapshot.status"] == "error")
    #expect(try await message(world, of: snapshot).contains("read-only"))
    try await world.act(id, "os-extend", ["new_size": 2])
    #expect(try await message(world, of: id).contains("read-only"))
    #expect(try await world.volume(id)["size"] == 1)
    #expect(try await world.send("DELETE", "/snapshots/\(snapshot)").status == 202)
    // What is there can still be read, and saved.
    let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id)]])
    let backupID = backup["backup.id"]?.string ?? ""
    #expect(try await world.send("GET", "/backups/\(backupID)")["backup.status"] == "available")
    let copy = try await world.make(["backup_id": .string(backupID)])
    #expect(try await world.has(copy, 1))
    try await world.send("DELETE", "/volumes/\(id)")
    #expect(try await world.status(id) == "error_deleting")
    #expect(try await world.send("DELETE", "/volumes/\(new)").status == 202)
    #expect(try await world.status(other) == "available")
    #expect(try await world.snapshot(other) != "")
  }

  @Test func aMissingFileIsExplained() async throws {
    let world = try await BlockWorld()
    let (id, other) = (try await world.make(), try await world.make())
    try HostFiles.remove("\(world.folder)/files/volume-\(id)")
    let snapshot = try await world.snapshot(id)
    #expect(try await world.send("GET", "/snapshots/\(snapshot)")["snapshot.status"] == "error")
    #expect(try await message(world, of: snapshot).contains("missing"))
    let clone = try await world.make(["source_volid": .string(id)])
    #expect(try await world.status(clone) == "error")
    #expect(try await message(world, of: clone).contains("missing"))
    let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id)]])
    let shown = try await world.send("GET", "/backups/\(backup["backup.id"]?.string ?? "")")
    #expect(shown["backup.status"] == "error")
    #expect(shown["backup.fail_reason"]?.string?.contains("missing") == true)
    for volume in [clone, id] {
      #expect(try await world.send("DELETE", "/volumes/\(volume)?cascade=true").status == 202)
      #expect(try await world.status(volume) == "gone")
    }
    #expect(try await world.status(other) == "available")
  }

  @Test func aMissingFolderIsExplainedAndHarmsNothingElse() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try HostFiles.remove(world.folder + "/plain")
    try await world.send(
      "POST", "/types", ["volume_type": ["name": "plain", "extra_specs": ["volume_backend_name": "plain"]]], as: "admin"
    )
    let lost = try await world.make(["volume_type": "plain"])
    #expect(try await world.status(lost) == "error")
    let messages = try await world.send("GET", "/messages")["messages"]?.array ?? []
    #expect(
      messages.contains {
        $0["resource_uuid"] == .string(lost) && $0["user_message"]?.string?.contains("missing") == true
      })
    #expect(try await world.send("DELETE", "/volumes/\(lost)").status == 202)
    #expect(try await world.status(lost) == "gone")
    #expect(try await world.status(id) == "available")
    #expect(try await world.snapshot(id) != "")
  }

  @Test func aDamagedFileIsAnErrorOfItsVolumeOnly() async throws {
    let world = try await BlockWorld()
    let (id, other) = (try await world.make(), try await world.make())
    try HostFiles.writeAtomically("\(world.folder)/files/volume-\(id)", [1, 2, 3], mode: 0o600)
    let clone = try await world.make(["source_volid": .string(id)])
    #expect(try await world.status(clone) == "error")
    #expect(try await message(world, of: clone).contains("damaged"))
    let snapshot = try await world.snapshot(id)
    #expect(try await world.send("GET", "/snapshots/\(snapshot)")["snapshot.status"] == "error")
    #expect(try await message(world, of: snapshot).contains("damaged"))
    let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id)]])
    let shown = try await world.send("GET", "/backups/\(backup["backup.id"]?.string ?? "")")
    #expect(shown["backup.status"] == "error")
    #expect(shown["backup.fail_reason"]?.string?.isEmpty == false)
    #expect(try await world.status(id) == "available")
    #expect(try await world.status(other) == "available")
  }

  @Test func promisesEndAtTheRatioAndSayTheirNumbers() async throws {
    let world = try await BlockWorld()
    let folder = world.folder + "/plain"
    _ = try await Command("mount", ["-t", "tmpfs", "-o", "size=512m", "martlet-test", folder]).check()
    do {
      let type = try await world.type(on: "plain")
      let id = try await world.make(["volume_type": .string(type), "size": 8])
      #expect(try await world.status(id) == "available")
      let lost = try await world.make(["volume_type": .string(type), "size": 3])
      #expect(try await world.status(lost) == "error")
      let text = try await message(world, of: lost)
      #expect(text.contains("8 GB of at most 10 GB are promised, 3 GB were asked for"), "\(text)")
      let pools =
        try await world.send("GET", "/scheduler-stats/get_pools?detail=true", as: "admin")["pools"]?.array ?? []
      let pool = pools.first { $0["name"] == "node@plain#plain" }?["capabilities"]
      #expect(pool?["allocated_capacity_gb"] == 8)
      #expect(pool?["total_capacity_gb"]?.double == 0.5)
      #expect((pool?["free_capacity_gb"]?.double ?? 1) <= 0.5)
      for volume in [id, lost] { try await world.send("DELETE", "/volumes/\(volume)") }
      let other = try await world.make(["volume_type": .string(type), "size": 9])
      #expect(try await world.status(other) == "available")
    } catch { Issue.record(error) }
    _ = try await Command("umount", [folder]).check()
  }
}
