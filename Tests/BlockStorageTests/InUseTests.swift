import API
import Contracts
import Host
import Kit
import TestKit
import Testing

@testable import BlockStorage

/// Volumes that a guest has open move by the guest's side, and never change under it.
struct InUseTests {
  private static let server = "11111111-2222-4333-8444-555555555555"

  private func attached(_ world: BlockWorld, _ fields: JSONObject = [:]) async throws -> (String, String) {
    let service = world.service
    let id = try await world.make(fields)
    try await world.write(id, 1)
    let attachment = try await world.database.write { try service.reserve(id, serverID: Self.server, tx: $0) }
    _ = try await service.connect(attachmentID: attachment, host: "node", mountpoint: "/dev/vdb")
    try await world.database.write { try service.complete(attachmentID: attachment, tx: $0) }
    return (id, attachment)
  }

  @Test func anAttachedVolumeMigratesWithItsGuest() async throws {
    let world = try await BlockWorld()
    let users = TestUsers(world)
    world.service.users = users
    let (id, _) = try await attached(world)
    #expect(try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin").status == 202)
    let volume = try await world.volume(id)
    #expect(volume["status"] == "in-use")
    #expect(volume["migration_status"] == "success")
    #expect(volume["os-vol-host-attr:host"] == "node@plain#plain")
    #expect(users.swapped.withLock { $0[id]?.path } == "\(world.folder)/plain/volume-\(id)")
    #expect(users.swapped.withLock { $0[id]?.format } == "raw")
    #expect(world.files() == ["plain/volume-\(id)"])
    #expect(try await world.has(id, 1))
  }

  @Test func aRetypeInUseMovesAndTakesTheNewLimits() async throws {
    let world = try await BlockWorld()
    let users = TestUsers(world)
    world.service.users = users
    let (id, attachment) = try await attached(world)
    let qos = try await world.send(
      "POST", "/qos-specs", ["qos_specs": ["name": "q", "consumer": "front-end", "read_iops_sec": "70"]], as: "admin")
    let name = try await world.type(on: "plain")
    let types = try await world.send("GET", "/types", as: "admin")["volume_types"]?.array ?? []
    let typeID = types.first { $0["name"] == .string(name) }?["id"]?.string ?? ""
    let qosID = qos["qos_specs.id"]?.string ?? ""
    try await world.send("GET", "/qos-specs/\(qosID)/associate?vol_type_id=\(typeID)", as: "admin")
    #expect(try await world.act(id, "os-retype", ["new_type": .string(name)]).status == 400)
    let wish: JSONValue = ["new_type": .string(name), "migration_policy": "on-demand"]
    #expect(try await world.act(id, "os-retype", wish).status == 202)
    #expect(try await world.volume(id)["volume_type"] == .string(name))
    #expect(try await world.status(id) == "in-use")
    #expect(users.swapped.withLock { $0[id]?.limits } == ["iops-read": 70])
    let service = world.service
    try await world.database.write { try service.release(attachmentID: attachment, tx: $0) }
    #expect(try await world.status(id) == "available")
    #expect(try await world.has(id, 1))
  }

  @Test func aGuestThatDoesNotMoveKeepsItsVolumeAsItWas() async throws {
    let world = try await BlockWorld()
    let users = TestUsers(world)
    world.service.users = users
    users.failure.withLock { $0 = true }
    let (id, _) = try await attached(world)
    try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin")
    let volume = try await world.volume(id)
    #expect(volume["status"] == "in-use")
    #expect(volume["migration_status"] == "error")
    #expect(volume["os-vol-host-attr:host"] == "node@files#files")
    #expect(world.files() == ["files/volume-\(id)"])
    let messages = try await world.send("GET", "/messages?resource_uuid=\(id)")["messages"]?.array ?? []
    #expect(messages.first?["user_message"]?.string?.contains("does not move") == true)
    // It can be tried again.
    users.failure.withLock { $0 = false }
    try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin")
    #expect(world.files() == ["plain/volume-\(id)"])
  }

  @Test func whatCannotMoveIsRefused() async throws {
    let world = try await BlockWorld()
    world.service.users = TestUsers(world)
    let (id, _) = try await attached(world)
    let type = try await world.encryptedType()
    let wish: JSONValue = ["new_type": .string(type), "migration_policy": "on-demand"]
    #expect(try await world.act(id, "os-retype", wish).status == 400)
    #expect(try await world.act(id, "os-reimage", ["image_id": .string(try world.image())]).status == 400)
    #expect(try await world.act(id, "revert", ["snapshot_id": .string(UUIDText.make())]).status == 404)
    _ = try await world.snapshot(id)
    #expect(try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin").status == 400)
    #expect(try await world.status(id) == "in-use")
    #expect(try await world.has(id, 1))
  }

  @Test func aVolumeAttachedFromOutsideIsCopiedAndNeverFrozen() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 1)
    try await world.send(
      "POST", "/attachments",
      ["attachment": ["volume_uuid": .string(id), "connector": ["host": "elsewhere", "ip": "127.0.0.1"]]])
    let before = try await Command("stat", ["-c", "%i", "\(world.folder)/files/volume-\(id)"]).check()
    _ = try await world.send("POST", "/snapshots", ["snapshot": ["volume_id": .string(id), "force": true]])
    #expect(try await Command("stat", ["-c", "%i", "\(world.folder)/files/volume-\(id)"]).check() == before)
  }
}
