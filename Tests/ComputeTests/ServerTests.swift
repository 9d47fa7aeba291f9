import API
import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

struct ServerTests {
  @Test(arguments: TestKit.transcripts().filter { $0.contains("server") })
  func transcript(_ path: String) async throws {
    let world = try await ServerWorld()
    let problems = try await Transcript(path: path).run { call in
      let reply = await world.router.respond(call)
      if call.headers["X-Keep-Jobs"] == nil { try await world.drain() }
      return reply
    }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func buildTakesItsStepsAndDeleteLeavesNothing() async throws {
    let world = try await ServerWorld()
    let answer = try await world.send(
      "POST", "/v2.1/servers",
      ServerWorld.order([
        "key_name": "key", "metadata": ["a": "b"], "tags": ["t1", "t2"], "config_drive": true,
        "user_data": "aGVsbG8=", "description": "my server",
      ]), version: "2.52")
    #expect(answer.status == 202)
    let server = answer["server"]
    let id = try #require(server["id"]?.string)
    #expect(answer.headers["Location"] == "http://cloud.test/v2.1/servers/\(id)")
    #expect(server["adminPass"]?.string?.count == 12)
    #expect(server["OS-DCF:diskConfig"] == "MANUAL")
    #expect(server["security_groups"] == [["name": "default"]])
    var view = try await world.show(id)
    #expect(view["status"] == "BUILD")
    #expect(view["OS-EXT-STS:task_state"] == "scheduling")
    #expect(view["addresses"] == [:])
    try await world.drain()
    view = try await world.show(id)
    #expect(view["status"] == "ACTIVE")
    #expect(view["OS-EXT-STS:power_state"] == 1)
    #expect(view["OS-EXT-SRV-ATTR:host"] == "node1")
    #expect(view["host_status"] == "UP")
    #expect(view["tags"] == ["t1", "t2"])
    #expect(view["flavor"]?["original_name"] == "m1.tiny")
    #expect(view["image"]?["properties"] == ["hw_disk_bus": "virtio", "os_distro": "debian"])
    #expect(view["addresses"]?["private"]?[0]?["OS-EXT-IPS:type"] == "fixed")
    let guest = try #require(world.guests.guests[id])
    #expect(guest.power == .running)
    #expect(guest.spec.disks.first?.basePath == "/images/\(FakeImages.image1)")
    #expect(guest.spec.interfaces.count == 1)
    let meta = try #require(guest.spec.configDrive?.first { $0.path == "openstack/latest/meta_data.json" })
    let parsed = try JSONParser.parse(meta.content)
    #expect(parsed["admin_pass"] == server["adminPass"])
    #expect(parsed["public_keys"] == ["key": "ssh-rsa AAAA me"])
    #expect(guest.spec.configDrive?.contains { $0.path == "ec2/latest/user-data" } == true)
    let deleted = try await world.send("DELETE", "/v2.1/servers/\(id)")
    #expect(deleted.status == 204)
    #expect(try await world.show(id)["OS-EXT-STS:task_state"] == "deleting")
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    #expect(try await world.send("GET", "/v2.1/servers/\(id)").status == 404)
    #expect(try await world.leftovers() == [])
  }

  /// Found by Tempest's tagged boot devices: ports that existed before came first.
  @Test func interfacesAreInTheOrderOfTheRequest() async throws {
    let world = try await ServerWorld()
    let id = try await world.make([
      "networks": [
        ["uuid": .string(FakePorts.net2)], ["port": .string(FakePorts.port1)], ["uuid": .string(FakePorts.net1)],
      ]
    ])
    let interfaces = try #require(world.guests.guests[id]?.spec.interfaces.map(\.portID))
    let networks = try await world.database.read { tx in
      try interfaces.map { id in
        try tx.first("SELECT network_id FROM fake_port WHERE id = \(id)")?.text("network_id")
      }
    }
    #expect(interfaces[1] == FakePorts.port1 && networks == [FakePorts.net2, FakePorts.net1, FakePorts.net1])
  }

  @Test func aFailedBuildExplainsItselfAndIsTakenBack() async throws {
    let world = try await ServerWorld()
    let huge = try await world.make(["flavorRef": "3"])
    var view = try await world.show(huge)
    #expect(view["status"] == "ERROR")
    #expect(view["fault"]?["code"] == 500)
    #expect(
      view["fault"]?["message"]
        == "No valid host was found. node1: MEMORY_MB asked 32768, had 16384.")
    world.guests.fail("create", with: Fault(500, "the disk is full"))
    let broken = try await world.make()
    view = try await world.show(broken)
    #expect(view["status"] == "ERROR")
    #expect(view["fault"]?["message"] == "the disk is full")
    #expect(view["OS-EXT-SRV-ATTR:host"] == .null)
    #expect(try await world.leftovers() == [])
    // Nothing was launched, so nothing can be started; but it can be deleted.
    #expect(try await world.act(broken, "reboot", ["type": "HARD"]).status == 409)
    world.guests.fail("create", with: nil)
    world.ports.fail(Fault(503, "port x could not be wired"))
    let unwired = try await world.make()
    #expect(try await world.show(unwired)["fault"]?["message"] == "port x could not be wired")
    for id in [huge, broken, unwired] { #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204) }
    try await world.drain()
    #expect(try await world.send("GET", "/v2.1/servers")["servers"] == [])
    #expect(try await world.leftovers() == [])
  }

  @Test func powerActions() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let steps: [(String, JSONValue, String, PowerState)] = [
      ("os-stop", .null, "SHUTOFF", .shutdown), ("os-start", .null, "ACTIVE", .running),
      ("reboot", ["type": "SOFT"], "ACTIVE", .running), ("reboot", ["type": "HARD"], "ACTIVE", .running),
      ("pause", .null, "PAUSED", .paused), ("unpause", .null, "ACTIVE", .running),
      ("suspend", .null, "SUSPENDED", .suspended), ("resume", .null, "ACTIVE", .running),
    ]
    for (action, value, status, power) in steps {
      #expect(try await world.act(id, action, value).status == 202, "\(action)")
      let view = try await world.show(id)
      #expect(view["status"]?.string == status, "\(action)")
      #expect(world.guests.guests[id]?.power == power, "\(action)")
    }
    // While the job lives the task shows, and another action has to wait.
    #expect(try await world.act(id, "reboot", ["type": "HARD"], drains: false).status == 202)
    #expect(try await world.show(id)["status"] == "HARD_REBOOT")
    #expect(try await world.show(id)["OS-EXT-STS:task_state"] == "rebooting_hard")
    let refused = try await world.act(id, "os-stop")
    #expect(refused.status == 409)
    #expect(refused.message == "Cannot 'stop' instance \(id) while it is in task_state rebooting_hard")
    // A verb that fails leaves the state and tells why in the action.
    world.guests.fail("pause", with: Fault(500, "QEMU does not answer"))
    #expect(try await world.act(id, "pause").status == 202)
    #expect(try await world.show(id)["status"] == "ACTIVE")
    let actions = try await world.send(
      "GET", "/v2.1/servers/\(id)/os-instance-actions", version: "2.84")["instanceActions"]
    #expect(actions[0]?["action"] == "pause")
    #expect(actions[0]?["message"] == "Error")
    let request = try #require(actions[0]?["request_id"]?.string)
    let action = try await world.send(
      "GET", "/v2.1/servers/\(id)/os-instance-actions/\(request)", version: "2.84")["instanceAction"]
    #expect(action["events"]?[0]?["result"] == "Error")
    #expect(action["events"]?[0]?["details"] == "QEMU does not answer")
  }

  /// Every action in every state answers as upstream's decorators do.
  @Test func stateMatrix() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let rules: [(String, JSONValue, Set<VMState>)] = [
      ("os-stop", .null, [.active, .error]), ("os-start", .null, [.stopped]),
      ("reboot", ["type": "SOFT"], [.active]),
      ("reboot", ["type": "HARD"], [.active, .stopped, .paused, .suspended, .error]), ("pause", .null, [.active]),
      ("unpause", .null, [.paused]), ("suspend", .null, [.active]), ("resume", .null, [.suspended]),
      ("rebuild", ["imageRef": .string(FakeImages.image2)], [.active, .stopped, .error]),
      ("resize", ["flavorRef": "2"], [.active, .stopped]), ("confirmResize", .null, [.resized]),
      ("revertResize", .null, [.resized]), ("createImage", ["name": "i"], [.active, .stopped, .paused, .suspended]),
      ("restore", .null, [.softDeleted]),
    ]
    for (action, value, allowed) in rules {
      for state in VMState.allCases where state != .deleted && state != .building {
        try await world.database.write { tx in
          try tx.execute("DELETE FROM job")
          try tx.execute("UPDATE server SET vm_state = \(state.rawValue), new_flavor = NULL WHERE id = \(id)")
        }
        let answer = try await world.act(id, action, value, drains: false)
        #expect((answer.status < 300) == allowed.contains(state), "\(action) in \(state): \(answer.status)")
        if !allowed.contains(state) {
          #expect(answer.status == 409)
          #expect(answer.message.hasSuffix("while it is in vm_state \(state.rawValue)"), "\(answer.message)")
        }
      }
    }
  }

  @Test func locks() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    #expect(try await world.act(id, "lock", ["locked_reason": "mine"], version: "2.73").status == 202)
    var view = try await world.show(id)
    #expect(view["locked"] == true)
    #expect(view["locked_reason"] == "mine")
    #expect(try await world.act(id, "os-stop").message == "Instance \(id) is locked")
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 409)
    #expect(try await world.send("POST", "/v2.1/servers/\(id)/metadata", ["metadata": ["a": "b"]]).status == 409)
    #expect(try await world.act(id, "unlock").status == 202)
    #expect(try await world.act(id, "lock", as: "other-admin").status == 202)
    #expect(try await world.act(id, "unlock").status == 403)
    #expect(try await world.act(id, "os-stop", as: "admin").status == 202)
    #expect(try await world.act(id, "unlock", as: "admin").status == 202)
    view = try await world.show(id)
    #expect(view["locked"] == false)
    #expect(view["status"] == "SHUTOFF")
    #expect(try await world.act(id, "lock", ["locked_reason": ""], version: "2.73").status == 400)
  }

  @Test func rebuildAndResize() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let rebuilt = try await world.act(
      id, "rebuild", ["imageRef": .string(FakeImages.image2), "name": "new", "metadata": ["x": "y"]], version: "2.90",
      drains: false)
    #expect(rebuilt.status == 202)
    #expect(rebuilt["server"]["status"] == "REBUILD")
    #expect(rebuilt["server"]["image"]?["id"]?.string == FakeImages.image2)
    #expect(rebuilt["server"]["adminPass"]?.string?.isEmpty == false)
    try await world.drain()
    #expect(try await world.show(id)["status"] == "ACTIVE")
    #expect(world.guests.guests[id]?.spec.disks.first?.basePath == "/images/\(FakeImages.image2)")
    _ = try await world.act(id, "os-stop")
    #expect(try await world.act(id, "rebuild", ["imageRef": .string(FakeImages.image1)]).status == 202)
    #expect(try await world.show(id)["status"] == "SHUTOFF")
    _ = try await world.act(id, "os-start")
    #expect(try await world.act(id, "resize", ["flavorRef": "1"]).message.contains("must change flavor"))
    #expect(try await world.act(id, "resize", ["flavorRef": "2"]).status == 202)
    var view = try await world.show(id)
    #expect(view["status"] == "VERIFY_RESIZE")
    #expect(view["flavor"]?["vcpus"] == 2)
    #expect(world.guests.guests[id]?.spec.memoryMB == 2048)
    #expect(try await world.act(id, "revertResize").status == 202)
    view = try await world.show(id)
    #expect(view["status"] == "ACTIVE")
    #expect(view["flavor"]?["vcpus"] == 1)
    #expect(world.guests.guests[id]?.spec.memoryMB == 512)
    #expect(try await world.act(id, "migrate", as: "manager").message.hasPrefix("No valid host was found. node1: host"))
    _ = try await world.act(id, "resize", ["flavorRef": "2"])
    #expect(try await world.act(id, "confirmResize").status == 204)
    let migrations = try await world.send("GET", "/v2.1/os-migrations?limit=1", as: "admin", version: "2.59")
    #expect(migrations["migrations"][0]?["status"] == "confirmed")
    #expect(migrations["migrations"][0]?["source_compute"] == "node1")
    let next = try #require(migrations["migrations_links"][0]?["href"]?.string)
    let older = try await world.send(
      "GET", next.replacing("http://cloud.test", with: ""), as: "admin", version: "2.59")
    #expect(older["migrations"][0]?["status"] == "reverted")
    #expect(older["migrations_links"].isNull)
    #expect(try await world.send("GET", "/v2.1/os-migrations", as: "manager").status == 403)
    view = try await world.show(id)
    #expect(view["status"] == "ACTIVE")
    #expect(view["flavor"]?["ram"] == 2048)
    // A host that has no room leaves the server as it was.
    #expect(try await world.act(id, "resize", ["flavorRef": "3"]).status == 202)
    view = try await world.show(id)
    #expect(view["status"] == "ACTIVE")
    #expect(view["flavor"]?["ram"] == 2048)
    #expect(world.guests.guests[id]?.power == .running)
  }

  @Test func imagesOfServers() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let answer = try await world.act(id, "createImage", ["name": "snap", "metadata": ["k": "v"]], version: "2.45")
    #expect(answer.status == 202)
    let image = try #require(answer["image_id"].string)
    #expect(world.images.all[image]?.status == "active")
    #expect(world.images.all[image]?.properties["k"] == "v")
    world.guests.fail("snapshot", with: Fault(500, "no room"))
    let failed = try await world.act(id, "createImage", ["name": "snap2"])
    let location = try #require(failed.headers["Location"])
    #expect(world.images.all[String(location.suffix(36))] == nil)
    // A delete that comes first takes the image back too.
    world.guests.fail("snapshot", with: nil)
    let cut = try await world.act(id, "createImage", ["name": "snap3"], version: "2.45", drains: false)
    #expect(try await world.show(id)["OS-EXT-STS:task_state"] == "image_snapshot")
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    #expect(world.images.all[cut["image_id"].string ?? ""] == nil)
    #expect(try await world.leftovers() == [])
  }

  @Test func interfaces() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let attached = try await world.send(
      "POST", "/v2.1/servers/\(id)/os-interface",
      ["interfaceAttachment": ["net_id": .string(FakePorts.net2), "tag": "t"]], version: "2.70")
    #expect(attached.status == 200)
    let port = try #require(attached["interfaceAttachment"]["port_id"]?.string)
    #expect(attached["interfaceAttachment"]["tag"] == "t")
    try await world.drain()
    #expect(world.guests.guests[id]?.spec.interfaces.count == 2)
    let list = try await world.send("GET", "/v2.1/servers/\(id)/os-interface")["interfaceAttachments"]
    #expect(list.array?.count == 2)
    #expect(try await world.send("GET", "/v2.1/servers/\(id)/os-interface/\(port)").status == 200)
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)/os-interface/\(port)").status == 202)
    try await world.drain()
    #expect(world.guests.guests[id]?.spec.interfaces.count == 1)
    #expect(try await world.send("GET", "/v2.1/servers/\(id)/os-interface/\(port)").status == 404)
    // A port of its owner is let go, not deleted.
    let own = try await world.send(
      "POST", "/v2.1/servers/\(id)/os-interface", ["interfaceAttachment": ["port_id": .string(FakePorts.port1)]])
    #expect(own.status == 200)
    try await world.drain()
    #expect(
      try await world.send(
        "POST", "/v2.1/servers/\(id)/os-interface", ["interfaceAttachment": ["port_id": .string(FakePorts.port1)]]
      ).status == 409)
    // What cannot be plugged in is taken back.
    world.guests.fail("attach", with: Fault(500, "no slot"))
    #expect(try await world.send("POST", "/v2.1/servers/\(id)/os-interface").status == 200)
    try await world.drain()
    #expect(try await world.send("GET", "/v2.1/servers/\(id)/os-interface")["interfaceAttachments"].array?.count == 2)
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    #expect(try await world.leftovers() == [])
  }

  @Test func guestsThatChangeByThemselvesAreRecorded() async throws {
    let world = try await ServerWorld()
    let (first, second, third) = (try await world.make(), try await world.make(), try await world.make())
    let sync = ServerSync(service: world.service.dependencies)
    world.guests.simulate(.shutdown, of: first)
    try await sync.record(first, power: .shutdown)
    #expect(try await world.show(first)["status"] == "SHUTOFF")
    #expect(try await world.show(first)["OS-EXT-STS:power_state"] == 4)
    world.guests.simulate(nil, of: second)
    world.guests.simulate(.crashed, of: third)
    try await world.guests.create(
      GuestSpec(id: "orphan", name: "o", vcpus: 1, memoryMB: 1, disks: [], interfaces: []))
    try await sync.pass()
    #expect(try await world.show(second)["status"] == "SHUTOFF")
    #expect(try await world.show(third)["status"] == "SHUTOFF")
    #expect(world.guests.guests["orphan"] == nil)
    // Started again by its owner.
    #expect(try await world.act(third, "os-start").status == 202)
    #expect(try await world.show(third)["status"] == "ACTIVE")
  }
}
