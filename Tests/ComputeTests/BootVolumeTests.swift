import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

/// Block device mappings of new servers.
struct BootVolumeTests {
  private typealias Fake = FakeVolumes
  private static let unknown: JSONValue = "99999999-9999-4999-8999-999999999999"

  private func mapping(_ source: String, _ more: JSONObject) -> JSONValue {
    var item: JSONObject = ["source_type": .string(source), "destination_type": "volume"]
    item.merge(more)
    return .object(item)
  }
  private func order(_ mappings: [JSONValue], _ more: JSONObject = [:], image: String = "") -> JSONObject {
    var order: JSONObject = [
      "imageRef": .string(image), "flavorRef": "4", "block_device_mapping_v2": .array(mappings),
    ]
    order.merge(more)
    return order
  }
  private func volumes(_ world: ServerWorld) async throws -> Int {
    try await world.database.read { try $0.count("SELECT COUNT(*) FROM fake_volume") }
  }

  @Test func aServerBootsFromAVolumeMadeFromAnImage() async throws {
    let world = try await ServerWorld()
    let before = try await volumes(world)
    let id = try await world.make(
      order([
        mapping("image", ["uuid": .string(FakeImages.image1), "boot_index": 0, "volume_size": 3]),
        mapping(
          "blank", ["volume_size": 2, "boot_index": -1, "delete_on_termination": true, "disk_bus": "scsi", "tag": "x"]),
        mapping("snapshot", ["uuid": .string(Fake.snapshot), "boot_index": .null]),
      ]))
    let view = try await world.show(id)
    #expect(view["status"] == "ACTIVE", "\(view.text)")
    #expect(view["image"] == "")
    #expect(view["OS-EXT-SRV-ATTR:root_device_name"] == "/dev/vda")
    let spec = try #require(world.guests.guests[id]?.spec)
    #expect(spec.disks.isEmpty)
    #expect(spec.volumes.map(\.device) == ["/dev/vda", "/dev/sda", "/dev/vdb"])
    #expect(spec.volumes.map(\.bootIndex) == [0, nil, nil])
    #expect(spec.volumes.map(\.sizeBytes) == [3 << 30, 2 << 30, 2 << 30])
    #expect(spec.hardware["hw_disk_bus"] == "virtio")
    let disk = try await world.database.read { try $0.count("SELECT disk_gb FROM fake_claim") }
    #expect(disk == 0)
    #expect(try await volumes(world) == before + 3)
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    // One ends with its server.
    #expect(try await volumes(world) == before + 2)
    #expect(try await world.leftovers() == [])
  }

  @Test func aServerBootsFromAVolumeThatExists() async throws {
    let world = try await ServerWorld()
    let id = try await world.make(order([mapping("volume", ["uuid": .string(Fake.bootable), "boot_index": 0])]))
    #expect(try await world.show(id)["status"] == "ACTIVE")
    #expect(try await world.status(ofVolume: Fake.bootable) == "in-use")
    #expect(try await world.detach(Fake.bootable, from: id).message == "Cannot detach a root device volume")
    // The older form, by the name of the root device.
    _ = try await world.send("DELETE", "/v2.1/servers/\(id)")
    try await world.drain()
    let legacy = try await world.make([
      "imageRef": "", "flavorRef": "4",
      "block_device_mapping": [["device_name": "vda", "volume_id": .string(Fake.bootable)]],
    ])
    #expect(world.guests.guests[legacy]?.spec.volumes.first?.bootIndex == 0)
    #expect(try await world.send("GET", "/v2.1/os-volumes_boot/\(legacy)")["server"]["id"]?.string == legacy)
    let second = try await world.make([
      "block_device_mapping": [
        ["device_name": "/dev/vdb", "volume_id": .string(Fake.free), "delete_on_termination": "true"],
        ["device_name": "vdc", "no_device": true],
      ]
    ])
    #expect(world.guests.guests[second]?.spec.disks.map(\.name) == ["root"])
    #expect(world.guests.guests[second]?.spec.volumes.map(\.device) == ["/dev/vdb"])
    _ = try await world.send("DELETE", "/v2.1/servers/\(second)")
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == nil)
  }

  @Test func localDisksComeFromTheFlavor() async throws {
    let world = try await ServerWorld()
    let image: JSONValue = [
      "source_type": "image", "uuid": .string(FakeImages.image1), "destination_type": "local", "boot_index": 0,
    ]
    let id = try await world.make(
      order(
        [
          image, ["source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 256],
          ["source_type": "blank", "destination_type": "local", "guest_format": "ext4"],
        ], ["flavorRef": "2"], image: FakeImages.image1))
    #expect(world.guests.guests[id]?.spec.disks.map(\.name) == ["root", "ephemeral0", "swap"])
    #expect(world.guests.guests[id]?.spec.disks.map(\.sizeBytes) == [10 << 30, 1 << 30, 256 << 20])
  }

  @Test func badMappingsChangeNothing() async throws {
    let world = try await ServerWorld()
    let image = FakeImages.image1
    let root = mapping("image", ["uuid": .string(image), "boot_index": 0, "volume_size": 1])
    let local: JSONValue = [
      "source_type": "image", "uuid": .string(image), "destination_type": "local", "boot_index": 0,
    ]
    func swap(_ size: Int) -> JSONValue {
      ["source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": .int(size)]
    }
    let cases: [(JSONObject, String, Int, String)] = [
      (order([mapping("volume", ["uuid": Self.unknown, "boot_index": 0])]), "2.1", 400, "failed to get volume"),
      (
        order([mapping("volume", ["uuid": .string(Fake.others), "boot_index": 0])]), "2.1", 400, "failed to get volume"
      ),
      (order([mapping("volume", ["uuid": .string(Fake.free), "boot_index": 0])]), "2.1", 400, "is not bootable"),
      (order([mapping("snapshot", ["uuid": Self.unknown, "boot_index": 0])]), "2.1", 400, "failed to get snapshot"),
      (order([mapping("image", ["uuid": Self.unknown, "boot_index": 0])]), "2.1", 400, "failed to get image"),
      (order([mapping("image", ["uuid": .string(image), "boot_index": 0])]), "2.1", 400, "non-zero size"),
      (order([mapping("image", ["boot_index": 0])]), "2.1", 400, "Missing device UUID"),
      (order([root, mapping("blank", [:])]), "2.1", 400, "non-zero size"),
      (order([root, mapping("blank", ["uuid": .string(image)])]), "2.1", 400, "Invalid device UUID"),
      (order([root, root]), "2.1", 400, "Boot sequence"),
      (order([mapping("blank", ["volume_size": 1])]), "2.1", 400, "Boot sequence"),
      (order([local]), "2.1", 400, "Mapping image to local"),
      (order([local, root], image: image), "2.1", 400, "Boot sequence"),
      (order([mapping("blank", ["volume_size": 1])], ["flavorRef": "1"], image: image), "2.1", 400, "Boot sequence"),
      (
        order([local, mapping("blank", ["volume_size": 1, "device_name": "vda"])], ["flavorRef": "1"], image: image),
        "2.1", 400, "same device name"
      ),
      (
        order([mapping("volume", ["uuid": .string(Fake.bootable), "boot_index": 0])], ["max_count": 2]), "2.1", 400,
        "multiple instances"
      ),
      (order([root, mapping("volume", ["uuid": .string(Fake.shared)])]), "2.52", 400, "2.60"),
      (order([root, mapping("volume", ["uuid": .string(Fake.broken)])]), "2.1", 400, "Invalid volume"),
      (order([root, mapping("blank", ["volume_size": 1, "disk_bus": "floppy"])]), "2.1", 400, "disk bus"),
      (order([root, mapping("blank", ["volume_size": 1, "device_type": "tape"])]), "2.1", 400, "device_type"),
      (order([root, mapping("blank", ["volume_size": 1, "volume_type": "fast"])]), "2.66", 400, "volume_type"),
      (order([root, mapping("blank", ["volume_size": 1, "volume_type": "slow"])]), "2.67", 400, "Volume type slow"),
      (
        order([root, mapping("volume", ["uuid": .string(Fake.free), "volume_type": "fast"])]), "2.67", 400,
        "existing volume"
      ),
      (order([root, mapping("blank", ["volume_size": 1, "tag": "t"])]), "2.41", 400, "tag"),
      (order([root, mapping("blank", ["volume_size": 0])]), "2.1", 400, "minimum"),
      (order([local, swap(600)], ["flavorRef": "2"], image: image), "2.1", 400, "Swap drive"),
      (order([local, swap(1), swap(1)], ["flavorRef": "2"], image: image), "2.1", 400, "More than one swap"),
      (
        order(
          [local, ["source_type": "blank", "destination_type": "local", "volume_size": 2]], ["flavorRef": "2"],
          image: image), "2.1", 400, "Ephemeral disks"
      ),
      (
        order(
          [local, ["source_type": "blank", "destination_type": "local"]],
          ["flavorRef": "1", "block_device_mapping": [["volume_id": .string(Fake.free)]]], image: image), "2.1", 400,
        "different block_device_mapping"
      ),
      (order([]), "2.1", 400, "Missing imageRef"), (["flavorRef": "4"], "2.1", 403, "zero disk"),
      (["block_device_mapping": [["device_name": "vdb"]]], "2.1", 400, "Unrecognized legacy format"),
    ]
    for (more, version, status, message) in cases {
      var body = ServerWorld.order(more)["server"]?.object ?? [:]
      if version < "2.37" || version == "2.1" { body["networks"] = nil }
      let answer = try await world.send("POST", "/v2.1/servers", ["server": .object(body)], version: version)
      #expect(
        answer.status == status && answer.message.contains(message), "\(more) \(version): \(answer.json.text)")
    }
    #expect(try await world.send("GET", "/v2.1/servers")["servers"] == [])
    #expect(try await world.leftovers() == [])
  }

  @Test func aFailedBuildTakesItsVolumesBack() async throws {
    let world = try await ServerWorld()
    let before = try await volumes(world)
    let mappings = [
      mapping("image", ["uuid": .string(FakeImages.image1), "boot_index": 0, "volume_size": 3]),
      mapping("volume", ["uuid": .string(Fake.free)]),
    ]
    for (verb, isStorage) in [
      ("create", true), ("waitReady", true), ("connect", true), ("create", false), ("powerOn", false),
    ] {
      let fault = Fault(500, "broken \(verb)")
      if isStorage { world.volumes.fail(verb, with: fault) } else { world.guests.fail(verb, with: fault) }
      let id = try await world.make(order(mappings))
      let view = try await world.show(id)
      #expect(view["status"] == "ERROR" && view["fault"]?["message"]?.string == "broken \(verb)", "\(view.text)")
      #expect(view["os-extended-volumes:volumes_attached"] == [])
      #expect(try await world.status(ofVolume: Fake.free) == "available")
      #expect(try await volumes(world) == before, "\(verb)")
      world.volumes.fail(verb, with: nil)
      world.guests.fail(verb, with: nil)
      #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
      try await world.drain()
      #expect(try await world.leftovers() == [])
    }
    // Nothing fits: nothing was made.
    let huge = try await world.make(order(mappings, ["flavorRef": "3"]))
    #expect(try await world.show(huge)["status"] == "ERROR")
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    #expect(try await volumes(world) == before)
  }

  @Test func aSnapshotOfAServerNamesSnapshotsOfItsVolumes() async throws {
    let world = try await ServerWorld()
    let id = try await world.make(
      order([
        mapping(
          "image", ["uuid": .string(FakeImages.image1), "boot_index": 0, "volume_size": 3, "disk_bus": "virtio"]),
        mapping("volume", ["uuid": .string(Fake.free)]),
      ]))
    let answer = try await world.act(id, "createImage", ["name": "copy"], version: "2.45")
    let imageID = try #require(answer["image_id"].string)
    let image = try #require(world.images.all[imageID])
    #expect(image.status == "active" && image.diskFormat == "raw" && image.properties["bdm_v2"] == "True")
    let list = try JSONParser.parse(image.properties["block_device_mapping"] ?? "")
    #expect(list[0]?["source_type"] == "snapshot" && list[0]?["boot_index"] == 0 && list[0]?["volume_size"] == 3)
    #expect(list[1]?["device_name"] == "/dev/vdb")
    // A server from it has volumes of its own.
    let copy = try await world.make(["imageRef": .string(imageID), "flavorRef": "4"])
    let view = try await world.show(copy)
    #expect(view["status"] == "ACTIVE", "\(view.text)")
    #expect(view["os-extended-volumes:volumes_attached"]?.array?.count == 2)
    #expect(world.guests.guests[copy]?.spec.volumes.map(\.bootIndex) == [0, nil])
    // What fails leaves no snapshot.
    let before = try await world.database.read { try $0.count("SELECT COUNT(*) FROM fake_snapshot") }
    world.volumes.fail("waitSnapshotReady", with: Fault(500, "disk full"))
    #expect(try await world.act(id, "createImage", ["name": "bad"]).status == 202)
    #expect(try await world.database.read { try $0.count("SELECT COUNT(*) FROM fake_snapshot") } == before)
    #expect(world.images.all.values.contains { $0.name == "bad" } == false)
    world.volumes.fail("snapshot", with: Fault(413, "SnapshotLimitExceeded"))
    #expect(try await world.act(id, "createImage", ["name": "bad"]).status == 403)
  }

  @Test func rebuildOfAVolumeBackedServer() async throws {
    let world = try await ServerWorld()
    let id = try await world.make(order([mapping("volume", ["uuid": .string(Fake.bootable), "boot_index": 0])]))
    let (same, other) = (JSONValue.string(FakeImages.image1), JSONValue.string(FakeImages.image2))
    #expect(try await world.act(id, "rebuild", ["imageRef": other], version: "2.92").status == 400)
    #expect(
      try await world.act(id, "rebuild", ["imageRef": .string(FakeImages.largeImage)], version: "2.93").status == 400)
    #expect(try await world.act(id, "rebuild", ["imageRef": same], version: "2.92").status == 202)
    #expect(try await world.show(id)["status"] == "ACTIVE")
    #expect(try await world.act(id, "rebuild", ["imageRef": other], version: "2.93").status == 202)
    let view = try await world.show(id)
    #expect(view["status"] == "ACTIVE" && view["image"] == "", "\(view.text)")
    let image = try await world.database.read { [volumes = world.volumes] tx in
      try volumes.volume(Fake.bootable, tx: tx)?.imageMetadata["image_id"]
    }
    #expect(image == FakeImages.image2)
    #expect(try await world.status(ofVolume: Fake.bootable) == "in-use")
    world.volumes.fail("reimage", with: Fault.badRequest("Invalid volume: it has snapshots"))
    #expect(try await world.act(id, "rebuild", ["imageRef": other], version: "2.93").status == 202)
    #expect(try await world.show(id)["fault"]?["message"] == "Invalid volume: it has snapshots")
    // Resizing to a flavor without a disk is fine, and the other way.
    world.volumes.fail("reimage", with: nil)
    #expect(try await world.act(id, "rebuild", ["imageRef": other], version: "2.93").status == 202)
    #expect(try await world.act(id, "resize", ["flavorRef": "1"]).status == 202)
    #expect(try await world.show(id)["status"] == "VERIFY_RESIZE")
    #expect(try await world.act(id, "confirmResize").status == 204)
    #expect(try await world.act(id, "resize", ["flavorRef": "4"]).status == 202)
    #expect(world.guests.guests[id]?.spec.volumes.count == 1)
  }
}
