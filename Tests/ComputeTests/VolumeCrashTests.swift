import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

/// Every workflow with volumes is killed at every point; what is left must be settled, and a delete must leave nothing.
struct VolumeCrashTests {
  private typealias Fake = FakeVolumes

  private func settle(_ world: ServerWorld, _ plan: CrashPlan) async throws {
    try await world.drain()
    if plan.hasCrashed { try await world.restarted() }
  }

  private static let order = ServerWorld.order([
    "imageRef": "", "flavorRef": "4",
    "block_device_mapping_v2": [
      [
        "source_type": "image", "uuid": .string(FakeImages.image1), "destination_type": "volume", "boot_index": 0,
        "volume_size": 2, "delete_on_termination": true,
      ], ["source_type": "volume", "uuid": .string(Fake.free), "destination_type": "volume"],
    ],
  ])

  private func make(_ world: ServerWorld, _ plan: CrashPlan) async throws -> String {
    let answer = try await world.send("POST", "/v2.1/servers", Self.order, version: "2.52")
    try await settle(world, plan)
    return try #require(answer["server"]["id"]?.string)
  }

  /// The server is settled; deleting it gives everything back.
  private func finish(_ id: String, _ world: ServerWorld, _ plan: CrashPlan) async throws {
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await settle(world, plan)
    #expect(try await world.leftovers() == [], "\(plan.place)")
    let left = try await world.database.read {
      try $0.query("SELECT status FROM fake_volume").map { $0.text("status") }
    }
    #expect(left.filter { $0 != "available" } == ["error"], "\(plan.place): \(left)")
    #expect(left.count == 6, "\(plan.place): \(left)")
  }

  @Test func crashesOfAVolumeBackedServer() async throws {
    let points = try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let id = try await make(world, plan)
      #expect(try await world.show(id)["status"] == "ACTIVE", "\(plan.place)")
      let rebuilt = try await world.act(
        id, "rebuild", ["imageRef": .string(FakeImages.image2)], version: "2.93", drains: false)
      #expect(rebuilt.status == 202, "\(plan.place) \(rebuilt.json.text)")
      try await settle(world, plan)
      let image = try await world.act(id, "createImage", ["name": "s"], drains: false)
      #expect(image.status == 202, "\(plan.place) \(image.json.text)")
      try await settle(world, plan)
      #expect(world.guests.guests[id]?.spec.volumes.count == 2, "\(plan.place)")
      #expect(try await world.status(ofVolume: Fake.free) == "in-use", "\(plan.place)")
      try await finish(id, world, plan)
    }
    #expect(points > 3 * (4 + 4 + 2 + 2) - 4)
  }

  @Test func crashesOfAttachSwapGrowAndDetach() async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let id = try await world.make()
      if plan.hasCrashed { try await world.restarted() }
      #expect(try await world.attach(Fake.free, to: id).status == 200, "\(plan.place)")
      try await settle(world, plan)
      #expect(try await world.status(ofVolume: Fake.free) == "in-use", "\(plan.place)")
      _ = try await world.database.write {
        try $0.execute("UPDATE fake_volume SET migrating = 1 WHERE id = \(Fake.free)")
      }
      let swapped = try await world.send(
        "PUT", "/v2.1/servers/\(id)/os-volume_attachments/\(Fake.free)",
        ["volumeAttachment": ["volumeId": .string(Fake.large)]], as: "admin")
      #expect(swapped.status == 202, "\(plan.place) \(swapped.json.text)")
      try await settle(world, plan)
      #expect(try await world.status(ofVolume: Fake.large) == "in-use", "\(plan.place)")
      #expect(try await world.status(ofVolume: Fake.free) == "available", "\(plan.place)")
      _ = try await world.send(
        "POST", "/v2.1/os-server-external-events",
        ["events": [["name": "volume-extended", "server_uuid": .string(id), "tag": .string(Fake.large)]]],
        as: "service", version: "2.51")
      try await settle(world, plan)
      #expect(try await world.detach(Fake.large, from: id).status == 202, "\(plan.place)")
      try await settle(world, plan)
      #expect(try await world.status(ofVolume: Fake.large) == "available", "\(plan.place)")
      #expect(world.guests.guests[id]?.spec.volumes.isEmpty == true, "\(plan.place)")
      try await finish(id, world, plan)
    }
  }

  /// The same with a verb that fails, so that every undo is killed too.
  @Test(arguments: ["create", "attachVolume", "detachVolume", "swapVolume"])
  func crashesWhileUndoing(_ verb: String) async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      if verb == "create" { world.guests.fail(verb, with: Fault(500, "broken")) }
      let id = try await make(world, plan)
      if verb == "create" {
        #expect(try await world.show(id)["status"] == "ERROR", "\(plan.place)")
      } else {
        if verb != "attachVolume" {
          _ = try await world.attach(Fake.large, to: id)
          try await settle(world, plan)
        }
        world.guests.fail(verb, with: Fault(409, "broken"))
        switch verb {
        case "attachVolume": _ = try await world.attach(Fake.large, to: id)
        case "detachVolume": _ = try await world.detach(Fake.large, from: id)
        default:
          _ = try await world.database.write {
            try $0.execute("UPDATE fake_volume SET migrating = 1, size = 1 WHERE id = \(Fake.large)")
          }
          _ = try await world.send(
            "PUT", "/v2.1/servers/\(id)/os-volume_attachments/\(Fake.large)",
            ["volumeAttachment": ["volumeId": .string(Fake.bootable)]], as: "admin")
        }
        try await settle(world, plan)
        let wanted = verb == "attachVolume" ? "available" : "in-use"
        #expect(try await world.status(ofVolume: Fake.large) == wanted, "\(plan.place)")
        #expect(try await world.status(ofVolume: Fake.bootable) == "available", "\(plan.place)")
        #expect(try await world.show(id)["status"] == "ACTIVE", "\(plan.place)")
      }
      world.guests.fail(verb, with: nil)
      try await finish(id, world, plan)
    }
  }

  /// A delete that comes at any moment of a build or an attach wins.
  @Test func deletePreemptsAtEveryPoint() async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let answer = try await world.send("POST", "/v2.1/servers", Self.order, version: "2.52")
      let id = try #require(answer["server"]["id"]?.string)
      try await world.drain()
      if !plan.hasCrashed { _ = try await world.attach(Fake.large, to: id) }
      try await world.drain()
      #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
      try await world.drain()
      try await world.restarted()
      #expect(try await world.leftovers() == [], "\(plan.place)")
      #expect(try await world.status(ofVolume: Fake.free) == "available", "\(plan.place)")
    }
  }
}
