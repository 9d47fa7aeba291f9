import API
import Contracts
import Host
import Kit
import Store
import Synchronization
import TestKit
import Testing

@testable import BlockStorage

/// A guest's side that copies with qemu-img, as QEMU would.
final class TestUsers: VolumeUsers, Sendable {
  let grown = Mutex<[String: Int]>([:])
  let extended = Mutex<[String]>([])
  let swapped = Mutex<[String: VolumeConnection]>([:])
  /// Whether guests refuse to move.
  let failure = Mutex(false)
  private let world: BlockWorld
  init(_ world: BlockWorld) { self.world = world }

  func volumeGrew(_ volumeID: String, serverID: String, sizeBytes: Int) async throws {
    grown.withLock { $0[volumeID] = sizeBytes }
  }
  func copyVolume(_ volumeID: String, serverID: String, to path: String) async throws {
    let volume = try await world.database.read { try VolumeStore.find(volumeID, tx: $0) }
    guard let volume else { throw Fault.notFound(volumeID) }
    try await QemuImage.convert(try world.service.disk(volume), to: Disk(path: path, format: "qcow2"))
  }
  func volumeExtended(_ volumeID: String, serverID: String, requestID: String, tx: any Transaction) throws {
    guard !requestID.isEmpty else { throw Fault.badRequest("no request") }
    extended.withLock { $0.append(volumeID) }
  }
  func swapVolume(_ volumeID: String, serverID: String, to target: VolumeConnection) async throws {
    if failure.withLock({ $0 }) { throw Fault.conflict("The guest does not move.") }
    if swapped.withLock({ $0[volumeID]?.path == target.path }) { return }
    let volume = try await world.database.read { try VolumeStore.find(volumeID, tx: $0) }
    guard let volume else { throw Fault.notFound(volumeID) }
    let disk = Disk(path: target.path, format: target.format, keyPath: target.secretPath)
    try await QemuImage.convert(try world.service.disk(volume), to: disk)
    try await QemuImage.resize(disk, sizeBytes: volume.sizeBytes)
    swapped.withLock { $0[volumeID] = target }
  }
}

/// Attaching, for Compute and by the API.
struct AttachTests {
  private static let server = "11111111-2222-4333-8444-555555555555"

  private func attach(_ world: BlockWorld, _ id: String) async throws -> (String, VolumeConnection) {
    let service = world.service
    let attachment = try await world.database.write { try service.reserve(id, serverID: Self.server, tx: $0) }
    let connection = try await service.connect(attachmentID: attachment, host: "node", mountpoint: "/dev/vdb")
    try await world.database.write { try service.complete(attachmentID: attachment, tx: $0) }
    return (attachment, connection)
  }

  @Test func computeAttachesAndReleases() async throws {
    let world = try await BlockWorld()
    let (service, id) = (world.service, try await world.make())
    let (attachment, connection) = try await attach(world, id)
    #expect(connection.path == "\(world.folder)/files/volume-\(id)")
    #expect(connection.format == "qcow2")
    let volume = try await world.volume(id)
    #expect(volume["status"] == "in-use")
    #expect(volume["attachments"]?[0]?["server_id"] == .string(Self.server))
    #expect(volume["attachments"]?[0]?["device"] == "/dev/vdb")
    #expect(try await world.send("DELETE", "/volumes/\(id)").status == 400)
    await #expect(throws: Fault.self) {
      try await world.database.write { _ = try service.reserve(id, serverID: "another", tx: $0) }
    }
    try await world.database.write { try service.beginDetaching(attachmentID: attachment, tx: $0) }
    #expect(try await world.status(id) == "detaching")
    try await world.database.write { try service.keepAttached(attachmentID: attachment, tx: $0) }
    #expect(try await world.status(id) == "in-use")
    for _ in 0..<2 { try await world.database.write { try service.release(attachmentID: attachment, tx: $0) } }
    #expect(try await world.status(id) == "available")
  }

  @Test func snapshotsOfAVolumeInUseDoNotTouchItsFile() async throws {
    let world = try await BlockWorld()
    let users = TestUsers(world)
    world.service.users = users
    let id = try await world.make()
    try await world.write(id, 1)
    _ = try await attach(world, id)
    let before = try await Command("stat", ["-c", "%i", "\(world.folder)/files/volume-\(id)"]).check()
    let snapshot = try await world.snapshot(id)
    #expect(try await world.send("GET", "/snapshots/\(snapshot)")["snapshot.status"] == "available")
    let after = try await Command("stat", ["-c", "%i", "\(world.folder)/files/volume-\(id)"]).check()
    #expect(before == after)
    let clone = try await world.make(["source_volid": .string(id)])
    let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id), "force": true]])
    #expect(
      try await world.send("GET", "/backups/\(backup["backup.id"]?.string ?? "")")["backup.status"] == "available")
    try await world.write(id, 2)
    let copy = try await world.make(["snapshot_id": .string(snapshot)])
    #expect(try await world.has(copy, 1))
    #expect(try await world.has(clone, 1))
    #expect(try await world.act(id, "os-extend", ["new_size": 3]).status == 202)
    #expect(users.grown.withLock { $0[id] } == 3 << 30)
    #expect(users.extended.withLock { $0 } == [id])
    #expect(try await world.volume(id)["size"] == 3)
    #expect(try await world.status(id) == "in-use")
    // The snapshot's copy goes with the snapshot: nothing of the volume is above it.
    try await world.send("DELETE", "/volumes/\(copy)")
    try await world.send("DELETE", "/snapshots/\(snapshot)")
    #expect(!world.files().contains("files/layer-\(snapshot)"))
  }

  @Test func limitsOfTheTypeReachTheGuest() async throws {
    let world = try await BlockWorld()
    let qos = try await world.send(
      "POST", "/qos-specs",
      ["qos_specs": ["name": "q", "consumer": "front-end", "total_iops_sec": "500", "read_bytes_sec": "1000"]],
      as: "admin")
    let type = try await world.send(
      "POST", "/types", ["volume_type": ["name": "t", "extra_specs": ["volume_backend_name": "files"]]], as: "admin")
    let (qosID, typeID) = (qos["qos_specs.id"]?.string ?? "", type["volume_type.id"]?.string ?? "")
    #expect(
      try await world.send("GET", "/qos-specs/\(qosID)/associate?vol_type_id=\(typeID)", as: "admin").status == 202)
    let id = try await world.make(["volume_type": "t"])
    let (_, connection) = try await attach(world, id)
    #expect(connection.limits == ["iops-total": 500, "bps-read": 1000])
  }

  @Test func attachmentsByTheAPI() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    let made = try await world.send(
      "POST", "/attachments", ["attachment": ["volume_uuid": .string(id), "instance_uuid": .string(Self.server)]])
    #expect(made.status == 200)
    let attachment = made["attachment.id"]?.string ?? ""
    #expect(made["attachment.status"] == "reserved")
    #expect(try await world.status(id) == "reserved")
    let connector: JSONValue = ["host": "node", "mountpoint": "/dev/vdb"]
    let updated = try await world.send("PUT", "/attachments/\(attachment)", ["attachment": ["connector": connector]])
    #expect(updated["attachment.connection_info.driver_volume_type"] == "local")
    #expect(try await world.send("POST", "/attachments/\(attachment)/action", ["os-complete": [:]]).status == 204)
    #expect(try await world.status(id) == "in-use")
    #expect(try await world.send("GET", "/attachments/\(attachment)", as: "other-member").status == 404)
    #expect(try await world.send("DELETE", "/attachments/\(attachment)").status == 200)
    #expect(try await world.status(id) == "available")
  }
}
