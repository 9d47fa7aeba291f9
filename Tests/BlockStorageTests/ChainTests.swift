import Foundation
import Host
import Kit
import Store
import TestKit
import Testing

@testable import BlockStorage

/// Chains of copy-on-write layers: short, exact, and gone with what needed them.
struct ChainTests {
  /// How many files QEMU opens for a volume.
  private func depth(_ world: BlockWorld, _ id: String) async throws -> Int {
    let text = try await Command(
      "qemu-img", ["info", "-U", "--backing-chain", "--output=json", "\(world.folder)/files/volume-\(id)"]
    ).check()
    return try JSONParser.parse(text).array?.count ?? 0
  }

  @Test func manySnapshotsMakeNoLongChain() async throws {
    let world = try await BlockWorld()
    try await world.allow(snapshots: 100)
    let id = try await world.make()
    var snapshots: [String] = []
    for number in 1...40 {
      try await world.write(id, number, at: number << 20)
      snapshots.append(try await world.snapshot(id))
    }
    #expect(try await depth(world, id) <= Layers.depthMax + 2)
    for number in 1...40 { #expect(try await world.has(id, number, at: number << 20)) }
    let copy = try await world.make(["snapshot_id": .string(snapshots[19])])
    #expect(try await world.has(copy, 20, at: 20 << 20))
    #expect(try await world.has(copy, 0, at: 21 << 20))
    // With the snapshots their layers go, while the disks above keep their bytes.
    for snapshot in snapshots { try await world.send("DELETE", "/snapshots/\(snapshot)") }
    #expect(try await depth(world, id) <= 3)
    for number in 1...40 { #expect(try await world.has(id, number, at: number << 20)) }
    #expect(try await world.has(copy, 20, at: 20 << 20))
    for volume in [id, copy] { try await world.send("DELETE", "/volumes/\(volume)") }
    #expect(world.files().isEmpty)
  }

  @Test func clonesOfClonesStayShort() async throws {
    let world = try await BlockWorld()
    try await world.allow(volumes: 100)
    var ids = [try await world.make(["imageRef": .string(try world.image(7))])]
    for number in 1...20 {
      try await world.write(ids[number - 1], number, at: number << 20)
      ids.append(try await world.make(["source_volid": .string(ids[number - 1])]))
    }
    let last = ids[20]
    #expect(try await depth(world, last) <= Layers.depthMax + 2)
    // Deleting those between changes nothing of the last.
    for id in ids.dropLast() { try await world.send("DELETE", "/volumes/\(id)") }
    #expect(try await world.has(last, 7))
    for number in 1...20 { #expect(try await world.has(last, number, at: number << 20)) }
    #expect(try await depth(world, last) <= 3)
    try await world.send("DELETE", "/volumes/\(last)")
    #expect(world.files().isEmpty)
  }

  @Test func whatACopyHasIsEqualByChecksum() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    for offset in 0..<16 { try await world.write(id, offset * 7 + 1, at: offset * 37_000_192) }
    let before = try await world.checksum(id)
    let snapshot = try await world.snapshot(id)
    let clone = try await world.make(["source_volid": .string(id)])
    let backup = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id)]])["backup.id"]
    let upload = try await world.act(id, "os-volume_upload_image", ["image_name": "i", "disk_format": "raw"])
    try await world.write(id, 99, at: 37_000_192)
    let image = upload["os-volume_upload_image.image_id"] ?? .null
    let type = try await world.type(on: "plain")
    for fields in [
      ["snapshot_id": .string(snapshot)], ["backup_id": backup ?? .null], ["imageRef": image],
      ["snapshot_id": .string(snapshot), "volume_type": .string(type)],
    ] as [JSONObject] {
      let copy = try await world.make(fields)
      #expect(try await world.checksum(copy) == before, "\(JSONValue.object(fields).text)")
    }
    #expect(try await world.checksum(clone) == before)
    #expect(try await world.checksum(id) != before)
    try await world.act(id, "revert", ["snapshot_id": .string(snapshot)])
    #expect(try await world.checksum(id) == before)
  }

  @Test func deletedDataAreOverwrittenWhereTheTypeAsksForIt() async throws {
    let world = try await BlockWorld()
    try await world.send(
      "POST", "/types",
      ["volume_type": ["name": "clear", "extra_specs": ["volume_backend_name": "files", "volume_clear": "zero"]]],
      as: "admin")
    let id = try await world.make(["volume_type": "clear"])
    try await world.write(id, 77)
    let snapshot = try await world.snapshot(id)
    // Other names of the files show what becomes of their data.
    for name in ["volume-\(id)", "layer-\(snapshot)"] {
      _ = try await Command("cp", ["-l", "\(world.folder)/files/\(name)", "\(world.folder)/kept-\(name)"]).check()
    }
    try await world.write(id, 78, at: 1 << 20)
    try await world.send("DELETE", "/volumes/\(id)?cascade=true")
    #expect(world.files().isEmpty)
    // A file with another name keeps its data: what shares them may not lose them.
    #expect(try HostFiles.read("\(world.folder)/kept-layer-\(snapshot)").contains(77))
  }

  @Test func wipingOverwritesTheBlocksOfTheFile() async throws {
    let folder = try TestKit.folder()
    let backend = FileBackend(settings: .init(name: "files", folder: folder))
    try await backend.makeBlank("volume-a", format: "raw", sizeBytes: 1 << 20)
    try HostFiles.writeAtomically(folder + "/volume-a", [UInt8](repeating: 7, count: 1 << 20), mode: 0o600)
    // An open descriptor sees the blocks after the name is gone.
    let file = try #require(FileHandle(forReadingAtPath: folder + "/volume-a"))
    try await backend.remove("volume-a", isWiped: true)
    let bytes = try file.readToEnd() ?? Data()
    #expect(bytes.count == 1 << 20 && bytes.allSatisfy { $0 == 0 })
    #expect(try backend.list().isEmpty)
  }
}
