import API
import Host
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import BlockStorage

/// Volumes and what is made from them, with their bytes.
struct VolumeTests {
  @Test func aBlankVolumeIsAFileUntilItIsDeleted() async throws {
    let world = try await BlockWorld()
    let created = try await world.send("POST", "/volumes", ["volume": ["size": 1, "name": " disk "]], drains: false)
    #expect(created.status == 202)
    #expect(created["volume.status"] == "creating")
    #expect(created["volume.name"] == "disk")
    let id = created["volume.id"]?.string ?? ""
    try await world.engine.drain()
    let volume = try await world.volume(id)
    #expect(volume["status"] == "available")
    #expect(volume["bootable"] == "false")
    #expect(volume["volume_type"] == "__DEFAULT__")
    #expect(volume["os-vol-host-attr:host"] == "node@files#files")
    #expect(world.files() == ["files/volume-\(id)"])
    #expect(try await world.send("DELETE", "/volumes/\(id)").status == 202)
    #expect(try await world.status(id) == "gone")
    #expect(world.files().isEmpty)
  }

  @Test func aVolumeOfAnImageSharesItsDataAndOutlivesIt() async throws {
    let world = try await BlockWorld()
    let image = try world.image(9)
    let id = try await world.make(["imageRef": .string(image)])
    let volume = try await world.volume(id)
    #expect(volume["status"] == "available")
    #expect(volume["bootable"] == "true")
    #expect(volume["volume_image_metadata"]?["hw_disk_bus"] == "virtio")
    #expect(volume["volume_image_metadata"]?["image_id"] == .string(image))
    try HostFiles.remove(world.images.path(of: image) ?? "")
    #expect(try await world.has(id, 9))
    try await world.send("DELETE", "/volumes/\(id)")
    #expect(world.files().isEmpty)
  }

  @Test func snapshotsClonesAndRevertsKeepTheirBytes() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 1)
    let first = try await world.snapshot(id)
    try await world.write(id, 2)
    let second = try await world.snapshot(id)
    let clone = try await world.make(["source_volid": .string(id)])
    try await world.write(id, 3)
    let copy = try await world.make(["snapshot_id": .string(first), "size": 2])
    #expect(try await world.has(copy, 1))
    #expect(try await world.has(clone, 2))
    #expect(try await world.has(id, 3))
    #expect(try await world.volume(copy)["size"] == 2)
    #expect(try await world.act(id, "revert", ["snapshot_id": .string(first)]).status == 400)
    #expect(try await world.act(id, "revert", ["snapshot_id": .string(second)]).status == 202)
    #expect(try await world.has(id, 2))
    // A snapshot's data stay for as long as something starts from them.
    #expect(try await world.send("DELETE", "/volumes/\(id)").status == 400)
    for snapshot in [first, second] { #expect(try await world.send("DELETE", "/snapshots/\(snapshot)").status == 202) }
    #expect(try await world.send("DELETE", "/volumes/\(id)").status == 202)
    #expect(try await world.has(copy, 1))
    #expect(try await world.has(clone, 2))
    for volume in [clone, copy] { try await world.send("DELETE", "/volumes/\(volume)") }
    #expect(world.files().isEmpty)
  }

  @Test func statesAreFrozenInTheirOrder() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 1)
    let wish: JSONValue = ["snapshot": ["volume_id": .string(id)]]
    let first = try await world.send("POST", "/snapshots", wish, drains: false)["snapshot.id"]?.string ?? ""
    let clone = try await world.send("POST", "/volumes", ["volume": ["source_volid": .string(id)]], drains: false)
    let second = try await world.send("POST", "/snapshots", wish, drains: false)["snapshot.id"]?.string ?? ""
    #expect(try await world.send("DELETE", "/volumes/\(id)?cascade=true", drains: false).status == 400)
    try await world.engine.drain()
    let cloneID = clone["volume.id"]?.string ?? ""
    #expect(try await world.send("DELETE", "/snapshots/\(second)").status == 202)
    #expect(try await world.send("DELETE", "/volumes/\(cloneID)").status == 202)
    let copy = try await world.make(["snapshot_id": .string(first)])
    #expect(try await world.send("DELETE", "/volumes/\(id)?cascade=true").status == 202)
    #expect(try await world.has(copy, 1))
    try await world.send("DELETE", "/volumes/\(copy)")
    #expect(world.files().isEmpty)
  }

  @Test func aRawBackendCopiesWholeFiles() async throws {
    let world = try await BlockWorld()
    try await world.send(
      "POST", "/types", ["volume_type": ["name": "plain", "extra_specs": ["volume_backend_name": "plain"]]], as: "admin"
    )
    let id = try await world.make(["volume_type": "plain"])
    try await world.write(id, 1)
    let snapshot = try await world.snapshot(id)
    try await world.write(id, 2)
    let copy = try await world.make(["snapshot_id": .string(snapshot)])
    #expect(try await world.has(copy, 1))
    #expect(try await world.volume(copy)["os-vol-host-attr:host"] == "node@plain#plain")
    try await world.act(id, "revert", ["snapshot_id": .string(snapshot)])
    #expect(try await world.has(id, 1))
    #expect(try await world.send("DELETE", "/volumes/\(id)?cascade=true").status == 202)
    try await world.send("DELETE", "/volumes/\(copy)")
    #expect(world.files().isEmpty)
  }

  @Test func encryptedVolumesAreLUKSWithAKeyEach() async throws {
    let world = try await BlockWorld()
    let type = try await world.send(
      "POST", "/types", ["volume_type": ["name": "luks", "extra_specs": ["volume_backend_name": "files"]]], as: "admin")
    let typeID = type["volume_type.id"]?.string ?? ""
    let encryption: JSONValue = [
      "provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256,
    ]
    #expect(
      try await world.send("POST", "/types/\(typeID)/encryption", ["encryption": encryption], as: "admin").status == 200
    )
    let id = try await world.make(["volume_type": "luks"])
    #expect(try await world.volume(id)["encrypted"] == true)
    try await world.write(id, 5)
    let info = try await Command("qemu-img", ["info", "\(world.folder)/files/volume-\(id)"]).check()
    #expect(info.contains("encrypted: yes"))
    let snapshot = try await world.snapshot(id)
    let copy = try await world.make(["snapshot_id": .string(snapshot)])
    #expect(try await world.has(copy, 5))
    let image = try await world.make(["imageRef": .string(try world.image(8)), "volume_type": "luks"])
    #expect(try await world.has(image, 8))
    #expect(try await world.act(id, "os-extend", ["new_size": 2]).status == 202)
    #expect(try await world.has(id, 5))
    for volume in [copy, image] { try await world.send("DELETE", "/volumes/\(volume)") }
    try await world.send("DELETE", "/volumes/\(id)?cascade=true")
    #expect(world.files().isEmpty)
    #expect(try world.service.keys.list().isEmpty)
  }

  @Test func backupsFullAndIncrementalRestoreTheirBytes() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 1)
    let full = try await world.send("POST", "/backups", ["backup": ["volume_id": .string(id), "name": "b"]])
    #expect(full.status == 202)
    let fullID = full["backup.id"]?.string ?? ""
    try await world.write(id, 2, at: 8 << 20)
    let incremental = try await world.send(
      "POST", "/backups", ["backup": ["volume_id": .string(id), "incremental": true]])
    let incrementalID = incremental["backup.id"]?.string ?? ""
    try await world.write(id, 3)
    let shown = try await world.send("GET", "/backups/\(fullID)")
    #expect(shown["backup.status"] == "available")
    #expect(shown["backup.has_dependent_backups"] == true)
    #expect(try await world.send("DELETE", "/backups/\(fullID)").status == 400)
    let restored = try await world.send("POST", "/backups/\(incrementalID)/restore", ["restore": [:]])
    let copy = restored["restore.volume_id"]?.string ?? ""
    #expect(try await world.has(copy, 1))
    #expect(try await world.has(copy, 2, at: 8 << 20))
    try await world.send("POST", "/backups/\(fullID)/restore", ["restore": ["volume_id": .string(id)]])
    #expect(try await world.status(id) == "available")
    #expect(try await world.has(id, 1))
    for backup in [incrementalID, fullID] {
      #expect(try await world.send("DELETE", "/backups/\(backup)").status == 202)
    }
    #expect(try HostFiles.list(world.folder + "/backups").isEmpty)
    for volume in [id, copy] { try await world.send("DELETE", "/volumes/\(volume)") }
    #expect(world.files().isEmpty)
  }

  @Test func aVolumeMovesBetweenBackendsAndTypes() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 4)
    #expect(try await world.act(id, "os-migrate_volume", ["host": "node@plain#plain"], as: "admin").status == 202)
    #expect(try await world.volume(id)["migration_status"] == "success")
    #expect(world.files() == ["plain/volume-\(id)"])
    #expect(try await world.has(id, 4))
    try await world.send(
      "POST", "/types", ["volume_type": ["name": "files", "extra_specs": ["volume_backend_name": "files"]]], as: "admin"
    )
    #expect(try await world.act(id, "os-retype", ["new_type": "files"]).status == 400)
    let moved = try await world.act(id, "os-retype", ["new_type": "files", "migration_policy": "on-demand"])
    #expect(moved.status == 202)
    #expect(try await world.volume(id)["volume_type"] == "files")
    #expect(world.files() == ["files/volume-\(id)"])
    #expect(try await world.has(id, 4))
  }

  @Test func aVolumeBecomesAnImageAndAFileOfNobody() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    try await world.write(id, 6)
    let upload = try await world.act(id, "os-volume_upload_image", ["image_name": "i", "disk_format": "qcow2"])
    let image = upload["os-volume_upload_image.image_id"]?.string ?? ""
    #expect(try await world.status(id) == "available")
    let copy = try await world.make(["imageRef": .string(image)])
    #expect(try await world.has(copy, 6))
    #expect(try await world.act(id, "os-unmanage", as: "admin").status == 202)
    #expect(try await world.status(id) == "gone")
    let list = try await world.send("GET", "/manageable_volumes?host=node@files%23files", as: "admin")
    let names = (list["manageable-volumes"]?.array ?? []).compactMap { $0["reference"]?["source-name"]?.string }
    #expect(names.contains("volume-\(id)"))
    let managed = try await world.send(
      "POST", "/manageable_volumes",
      ["volume": ["host": "node@files#files", "ref": ["source-name": .string("volume-\(id)")], "name": "m"]],
      as: "admin")
    #expect(managed.status == 202)
    #expect(try await world.has(managed["volume.id"]?.string ?? "", 6))
  }

  @Test func volumesOfSeveralGuestsAreRawFiles() async throws {
    let world = try await BlockWorld()
    let specs: JSONValue = ["volume_backend_name": "files", "multiattach": "<is> True"]
    try await world.send("POST", "/types", ["volume_type": ["name": "shared", "extra_specs": specs]], as: "admin")
    func format(_ id: String) async throws -> String {
      try await world.database.read { try VolumeStore.find(id, tx: $0)?.format } ?? ""
    }
    let id = try await world.make(["volume_type": "shared"])
    #expect(try await world.volume(id)["multiattach"] == true)
    #expect(try await format(id) == "raw")
    try await world.write(id, 1)
    let copy = try await world.make(["snapshot_id": .string(try await world.snapshot(id))])
    #expect(try await format(copy) == "raw")
    #expect(try await world.has(copy, 1))
    // A volume that is to be shared is rewritten where it is.
    let other = try await world.make()
    try await world.write(other, 2)
    #expect(try await world.act(other, "os-retype", ["new_type": "shared"]).status == 202)
    #expect(try await format(other) == "raw")
    #expect(try await world.has(other, 2))
    #expect(try await world.act(other, "os-retype", ["new_type": "__DEFAULT__"]).status == 202)
    #expect(try await world.volume(other)["multiattach"] == false)
    #expect(try await world.has(other, 2))
    let type = try await world.encryptedType()
    let types = try await world.send("GET", "/types", as: "admin")["volume_types"]?.array ?? []
    let typeID = types.first { $0["name"] == .string(type) }?["id"]?.string ?? ""
    try await world.send(
      "POST", "/types/\(typeID)/extra_specs", ["extra_specs": ["multiattach": "<is> True"]], as: "admin")
    #expect(try await world.send("POST", "/volumes", ["volume": ["size": 1, "volume_type": "luks"]]).status == 400)
    #expect(try await world.removeAll().isEmpty)
  }
}
