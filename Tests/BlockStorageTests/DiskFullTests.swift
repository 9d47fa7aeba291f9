import API
import Host
import Kit
import TestKit
import Testing

@testable import BlockStorage

/// A backend whose disk is full: a file system in memory of 128 MiB that is mounted for the test.
struct DiskFullTests {
  @Test func aFullDiskIsExplainedAndHarmsNothingElse() async throws {
    let world = try await BlockWorld()
    let folder = world.folder + "/plain"
    _ = try await Command("mount", ["-t", "tmpfs", "-o", "size=128m", "martlet-test", folder]).check()
    do {
      try await fill(world)
    } catch { Issue.record(error) }
    _ = try await Command("umount", [folder]).check()
  }

  private func fill(_ world: BlockWorld) async throws {
    let other = try await world.make()
    try await world.write(other, 1)
    try await world.send(
      "POST", "/types", ["volume_type": ["name": "plain", "extra_specs": ["volume_backend_name": "plain"]]], as: "admin"
    )
    let image = try world.image(5, bytes: 144 << 20)
    let id = try await world.make(["imageRef": .string(image), "volume_type": "plain"])
    #expect(try await world.status(id) == "error")
    let messages = try await world.send("GET", "/messages?resource_uuid=\(id)")["messages"]?.array ?? []
    #expect(messages.first?["user_message"]?.string?.contains("No space is left") == true)
    // A move that finds no room leaves the volume where and as it was.
    try await world.act(other, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin")
    #expect(try await world.has(other, 1))
    #expect(try await world.status(other) == "available")
    #expect(try await world.send("DELETE", "/volumes/\(id)").status == 202)
    #expect(!world.files().contains { $0.contains(id) || $0.hasSuffix(".tmp") })
  }
}
