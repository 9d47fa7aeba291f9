import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

/// Every workflow is killed at every point at which a process can be killed, resumed by the next process, and must leave
/// every server settled, deletable, and nothing behind.
struct ServerCrashTests {
  /// A scenario: what is done after a server was built.
  static let scenarios: [(String, [(String, JSONValue)])] = [
    ("build", []),
    ("power", [("os-stop", .null), ("os-start", .null), ("reboot", ["type": "HARD"]), ("reboot", ["type": "SOFT"])]),
    ("memory", [("pause", .null), ("unpause", .null), ("suspend", .null), ("resume", .null)]),
    ("rebuild", [("rebuild", ["imageRef": .string(FakeImages.image2)])]),
    ("resize", [("resize", ["flavorRef": "2"]), ("confirmResize", .null)]),
    ("revert", [("resize", ["flavorRef": "2"]), ("revertResize", .null)]),
    ("image", [("createImage", ["name": "snap"]), ("lock", .null), ("unlock", .null)]),
  ]

  private func settle(_ world: ServerWorld, _ plan: CrashPlan) async throws {
    try await world.drain()
    if plan.hasCrashed { try await world.restarted() }
  }

  private func checkAndDelete(_ id: String, _ world: ServerWorld, _ plan: CrashPlan) async throws {
    let server = try await world.show(id)
    #expect(["ACTIVE", "ERROR"].contains(server["status"]?.string), "\(plan.place): \(server.text)")
    if server["status"] == "ERROR" { #expect(server["fault"]?["message"]?.string?.isEmpty == false, "\(plan.place)") }
    if server["status"] == "ACTIVE" { #expect(world.guests.guests[id]?.power == .running, "\(plan.place)") }
    let claims = try await world.database.read { try $0.count("SELECT COUNT(*) FROM fake_claim") }
    #expect(claims == (server["OS-EXT-SRV-ATTR:host"] == .null ? 0 : 1), "\(plan.place)")
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await settle(world, plan)
    #expect(try await world.send("GET", "/v2.1/servers/\(id)").status == 404, "\(plan.place)")
    #expect(try await world.leftovers() == [], "\(plan.place)")
  }

  @Test(arguments: scenarios.map(\.0))
  func crashes(_ name: String) async throws {
    let actions = Self.scenarios.first { $0.0 == name }?.1 ?? []
    let points = try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let answer = try await world.send(
        "POST", "/v2.1/servers", ServerWorld.order(["config_drive": true]), version: "2.52")
      let id = try #require(answer["server"]["id"]?.string)
      try await settle(world, plan)
      for (action, value) in actions {
        let answer = try await world.act(id, action, value, drains: false)
        #expect(answer.status < 300, "\(plan.place): \(action): \(answer.json.text)")
        try await settle(world, plan)
      }
      try await checkAndDelete(id, world, plan)
    }
    // Three per step, at least: the build's and the delete's, and one for each action.
    #expect(points >= 3 * (3 + 2) + actions.count)
  }

  @Test func crashesOfInterfaces() async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let id = try await world.make()
      if plan.hasCrashed { try await world.restarted() }
      let answer = try await world.send(
        "POST", "/v2.1/servers/\(id)/os-interface", ["interfaceAttachment": ["net_id": .string(FakePorts.net2)]])
      #expect(answer.status == 200, "\(plan.place) \(answer.json.text)")
      try await settle(world, plan)
      let port = answer["interfaceAttachment"]["port_id"]?.string ?? ""
      #expect(world.guests.guests[id]?.spec.interfaces.count == 2, "\(plan.place)")
      #expect(try await world.send("DELETE", "/v2.1/servers/\(id)/os-interface/\(port)").status == 202)
      try await settle(world, plan)
      #expect(world.guests.guests[id]?.spec.interfaces.count == 1, "\(plan.place)")
      try await checkAndDelete(id, world, plan)
    }
  }

  /// The same with a verb that fails, so that every undo is killed too.
  @Test(arguments: ["create", "powerOn", "reconfigure", "attach", "snapshot"])
  func crashesWhileUndoing(_ verb: String) async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let breaksBuild = verb == "create" || verb == "powerOn"
      if breaksBuild { world.guests.fail(verb, with: Fault(500, "broken")) }
      let id = try await world.make()
      if plan.hasCrashed { try await world.restarted() }
      if breaksBuild {
        #expect(try await world.show(id)["status"] == "ERROR", "\(plan.place)")
        #expect(world.guests.guests.isEmpty, "\(plan.place)")
      } else {
        world.guests.fail(verb, with: Fault(500, "broken"))
        switch verb {
        case "attach": _ = try await world.send("POST", "/v2.1/servers/\(id)/os-interface")
        case "snapshot": _ = try await world.act(id, "createImage", ["name": "s"], drains: false)
        default: _ = try await world.act(id, "resize", ["flavorRef": "2"], drains: false)
        }
        try await settle(world, plan)
        #expect(try await world.show(id)["status"] == "ACTIVE", "\(plan.place)")
        #expect(try await world.show(id)["flavor"]?["vcpus"] == 1, "\(plan.place)")
        #expect(world.images.all.values.contains { $0.status == "queued" && $0.name == "s" } == false)
      }
      world.guests.fail(verb, with: nil)
      try await checkAndDelete(id, world, plan)
    }
  }

  /// A delete that comes at any moment of a build wins.
  @Test func deletePreemptsABuildAtEveryPoint() async throws {
    try await CrashPlan.everyPoint { plan in
      let world = try await ServerWorld(crash: plan.hook)
      let id = try await world.make()
      #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
      try await world.drain()
      try await world.restarted()
      #expect(try await world.send("GET", "/v2.1/servers/\(id)").status == 404, "\(plan.place)")
      #expect(try await world.leftovers() == [], "\(plan.place)")
    }
  }
}
