import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

extension ServerWorld {
  func status(ofVolume id: String) async throws -> String? {
    try await database.read { [volumes] tx in try volumes.volume(id, tx: tx)?.status }
  }
  func attach(_ volume: String, to server: String, _ more: JSONObject = [:], version: String = "2.100") async throws
    -> Answer
  {
    var wish: JSONObject = ["volumeId": .string(volume)]
    wish.merge(more)
    return try await send(
      "POST", "/v2.1/servers/\(server)/os-volume_attachments", ["volumeAttachment": .object(wish)], version: version)
  }
  func detach(_ volume: String, from server: String) async throws -> Answer {
    try await send("DELETE", "/v2.1/servers/\(server)/os-volume_attachments/\(volume)")
  }
  /// The last job of a server.
  func lastJob(_ server: String) async throws -> Job? {
    try await database.read { try JobStore.history(subject: Server.subject(server), tx: $0).first }
  }
}

/// Attaching and detaching volumes of servers.
struct VolumeTests {
  private typealias Fake = FakeVolumes

  @Test func aVolumeIsAttachedShownAndDetached() async throws {
    let world = try await ServerWorld()
    let id = try await world.make(["flavorRef": "2"])
    let path = "/v2.1/servers/\(id)/os-volume_attachments"
    let answer = try await world.attach(
      Fake.free, to: id, ["device": "/dev/vdx", "tag": "data", "delete_on_termination": true])
    #expect(answer.status == 200, "\(answer.json.text)")
    // Root, ephemeral and swap disk come first.
    #expect(
      answer["volumeAttachment"]
        == [
          "volumeId": .string(Fake.free), "serverId": .string(id), "device": "/dev/vdd", "tag": "data",
          "delete_on_termination": true, "id": .string(Fake.free),
        ])
    #expect(try await world.status(ofVolume: Fake.free) == "reserved")
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "in-use")
    let guest = try #require(world.guests.guests[id]?.spec.volumes.first)
    #expect(guest.volumeID == Fake.free && guest.sizeBytes == 1 << 30 && guest.device == "/dev/vdd")
    let old = try await world.send("GET", path)
    #expect(
      old["volumeAttachments"]
        == [
          ["id": .string(Fake.free), "volumeId": .string(Fake.free), "serverId": .string(id), "device": "/dev/vdd"]
        ])
    let new = try await world.send("GET", path + "/\(Fake.free)", version: "2.89")["volumeAttachment"]
    #expect(new["id"] == nil && new["attachment_id"]?.string?.count == 36 && new["bdm_uuid"]?.string?.count == 36)
    #expect(new["tag"] == "data" && new["delete_on_termination"] == true)
    let view = try await world.send("GET", "/v2.1/servers/detail", version: "2.3")["servers"][0]
    #expect(
      view?["os-extended-volumes:volumes_attached"] == [["id": .string(Fake.free), "delete_on_termination": true]])
    #expect(
      try await world.send("GET", "/v2.1/servers/\(id)")["server"]["os-extended-volumes:volumes_attached"]
        == [["id": .string(Fake.free)]])
    #expect(try await world.detach(Fake.free, from: id).status == 202)
    #expect(try await world.status(ofVolume: Fake.free) == "detaching")
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    #expect(world.guests.guests[id]?.spec.volumes.isEmpty == true)
    #expect(try await world.send("GET", path)["volumeAttachments"] == [])
    #expect(try await world.send("GET", path + "/\(Fake.free)").status == 404)
    // Since 2.101 the answer is empty.
    let accepted = try await world.attach(Fake.free, to: id, version: "2.101")
    #expect(accepted.status == 202 && accepted.json == .null)
    try await world.drain()
    let actions = try await world.send("GET", "/v2.1/servers/\(id)/os-instance-actions")["instanceActions"].array ?? []
    #expect(
      actions.compactMap { $0["action"]?.string } == ["attach_volume", "detach_volume", "attach_volume", "create"])
  }

  @Test func aGuestThatDoesNotLetGoKeepsItsVolume() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    _ = try await world.attach(Fake.free, to: id)
    try await world.drain()
    world.guests.fail("detachVolume", with: Fault(409, "the guest did not let go of the volume in 120 s"))
    #expect(try await world.detach(Fake.free, from: id).status == 202)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "in-use")
    #expect(world.guests.guests[id]?.spec.volumes.count == 1)
    #expect(try await world.show(id)["status"] == "ACTIVE")
    #expect(try await world.lastJob(id)?.error?.message == "the guest did not let go of the volume in 120 s")
    // The delete does not ask the guest.
    #expect(try await world.send("DELETE", "/v2.1/servers/\(id)").status == 204)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    #expect(try await world.leftovers() == [])
  }

  @Test func aVolumeThatCannotBePluggedIsReleased() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    world.guests.fail("attachVolume", with: Fault(500, "no free slot"))
    _ = try await world.attach(Fake.free, to: id)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    #expect(try await world.show(id)["os-extended-volumes:volumes_attached"] == [])
    #expect(try await world.lastJob(id)?.error?.message == "no free slot")
    // A guest that may have it keeps it.
    world.guests.fail("detachVolume", with: Fault(409, "held"))
    _ = try await world.attach(Fake.free, to: id)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "in-use")
    world.guests.fail("attachVolume", with: nil)
    world.guests.fail("detachVolume", with: nil)
    #expect(try await world.detach(Fake.free, from: id).status == 202)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "available")
  }

  @Test func badAttachmentsChangeNothing() async throws {
    let world = try await ServerWorld()
    let (id, other) = (try await world.make(), try await world.make(name: "two"))
    let unknown = "99999999-9999-4999-8999-999999999999"
    let cases: [(String, JSONObject, String, Int)] = [
      (unknown, [:], "2.1", 404), (Fake.others, [:], "2.1", 404), (Fake.broken, [:], "2.1", 400),
      ("x", [:], "2.1", 400), (Fake.free, ["device": "/dev/v!"], "2.1", 400),
      (Fake.free, ["device": "vdb"], "2.1", 400),
      (Fake.free, ["device": 1], "2.1", 400), (Fake.free, ["tag": "a"], "2.48", 400),
      (Fake.free, ["tag": "a,b"], "2.49", 400),
      (Fake.free, ["delete_on_termination": true], "2.78", 400), (Fake.free, ["more": 1], "2.1", 400),
      (Fake.free, ["delete_on_termination": "maybe"], "2.79", 400), (Fake.shared, [:], "2.59", 400),
    ]
    for (volume, more, version, status) in cases {
      let answer = try await world.attach(volume, to: id, more, version: version)
      #expect(answer.status == status, "\(volume) \(more) \(version): \(answer.json.text)")
    }
    #expect(try await world.attach(Fake.free, to: unknown).status == 404)
    for raw in ["{", "[]", "{}", "{\"volumeAttachment\": []}", "{\"volumeAttachment\": {}}"] {
      let answer = try await world.send("POST", "/v2.1/servers/\(id)/os-volume_attachments", raw: raw)
      #expect(answer.status == 400, "\(raw)")
    }
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    // Attached once is attached nowhere else.
    _ = try await world.attach(Fake.free, to: id)
    try await world.drain()
    for server in [id, other] {
      let answer = try await world.attach(Fake.free, to: server)
      #expect(answer.status == 400 && answer.message.contains("already attached"), "\(answer.json.text)")
    }
    #expect(try await world.detach(Fake.free, from: other).status == 404)
    #expect(try await world.detach(unknown, from: id).status == 404)
    let path = "/v2.1/servers/\(id)/os-volume_attachments"
    for (token, method) in [("reader", "POST"), ("reader", "DELETE"), ("norole", "GET"), ("other-member", "DELETE")] {
      let body: JSONValue? = method == "POST" ? ["volumeAttachment": ["volumeId": .string(Fake.large)]] : nil
      let answer = try await world.send(method, method == "POST" ? path : path + "/\(Fake.free)", body, as: token)
      #expect(answer.status == (token == "other-member" ? 404 : 403), "\(token) \(method)")
    }
    #expect(try await world.send("GET", path + "?limit=-1").status == 400)
    #expect(try await world.send("GET", path + "?more=1", version: "2.75").status == 400)
    #expect(try await world.send("GET", path + "?offset=1")["volumeAttachments"] == [])
    // States.
    _ = try await world.act(other, "suspend")
    #expect(try await world.attach(Fake.large, to: other).status == 409)
    _ = try await world.act(id, "suspend")
    #expect(try await world.detach(Fake.free, from: id).status == 409)
    _ = try await world.act(id, "resume")
    _ = try await world.act(id, "lock", as: "admin")
    #expect(try await world.detach(Fake.free, from: id).status == 409)
    #expect(try await world.status(ofVolume: Fake.free) == "in-use")
  }

  @Test func sharedVolumesGoToSeveralServersOnce() async throws {
    let world = try await ServerWorld()
    let (first, second) = (try await world.make(), try await world.make(name: "two"))
    for id in [first, second] { #expect(try await world.attach(Fake.shared, to: id, version: "2.60").status == 200) }
    try await world.drain()
    #expect(world.guests.guests[second]?.spec.volumes.first?.isShared == true)
    #expect(try await world.attach(Fake.shared, to: first, version: "2.60").status == 400)
    #expect(try await world.detach(Fake.shared, from: first).status == 202)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.shared) == "in-use")
    #expect(world.guests.guests[first]?.spec.volumes.isEmpty == true)
  }

  @Test func attachmentsAreUpdatedAndSwapped() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    _ = try await world.attach(Fake.free, to: id, ["tag": "t"])
    try await world.drain()
    let path = "/v2.1/servers/\(id)/os-volume_attachments/\(Fake.free)"
    func put(_ volume: String, _ more: JSONObject = [:], as token: String = "member", version: String = "2.85")
      async throws -> ServerWorld.Answer
    {
      var wish: JSONObject = ["volumeId": .string(volume)]
      wish.merge(more)
      return try await world.send("PUT", path, ["volumeAttachment": .object(wish)], as: token, version: version)
    }
    #expect(try await put(Fake.free, ["delete_on_termination": true, "tag": "t", "device": "/dev/vdb"]).status == 202)
    #expect(
      try await world.send("GET", path, version: "2.79")["volumeAttachment"]["delete_on_termination"] == true)
    #expect(try await put(Fake.free, ["tag": "other"]).status == 400)
    #expect(try await put(Fake.free, ["device": "/dev/vdz"]).status == 400)
    #expect(try await put(Fake.free, ["serverId": .string(Fake.free)]).status == 400)
    #expect(try await put(Fake.free, ["delete_on_termination": false], version: "2.84").status == 403)
    #expect(try await put(Fake.large).status == 403)
    #expect(try await put(Fake.large, as: "admin").status == 409)
    #expect(try await put(Fake.large, as: "admin", version: "2.1").status == 409)
    _ = try await world.database.write {
      try $0.execute("UPDATE fake_volume SET migrating = 1 WHERE id = \(Fake.free)")
    }
    #expect(try await put("99999999-9999-4999-8999-999999999999", as: "admin").status == 400)
    #expect(try await put(Fake.broken, as: "admin").status == 400)
    world.guests.fail("swapVolume", with: Fault(500, "the mirror broke"))
    #expect(try await put(Fake.large, as: "admin").status == 202)
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "in-use")
    #expect(try await world.status(ofVolume: Fake.large) == "available")
    world.guests.fail("swapVolume", with: nil)
    #expect(try await put(Fake.large, as: "service").status == 202)
    #expect(try await world.status(ofVolume: Fake.large) == "reserved")
    try await world.drain()
    #expect(try await world.status(ofVolume: Fake.free) == "available")
    #expect(try await world.status(ofVolume: Fake.large) == "in-use")
    #expect(world.guests.guests[id]?.spec.volumes.map(\.volumeID) == [Fake.large])
    #expect(
      try await world.send("GET", "/v2.1/servers/\(id)/os-volume_attachments")["volumeAttachments"][0]?["device"]
        == "/dev/vdb")
  }

  @Test func volumesStayThroughStopStartRebuildAndResize() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    _ = try await world.attach(Fake.free, to: id)
    try await world.drain()
    for (action, value) in [
      ("os-stop", JSONValue.null), ("os-start", .null), ("reboot", ["type": "HARD"]),
      ("rebuild", ["imageRef": .string(FakeImages.image2)]), ("resize", ["flavorRef": "2"]), ("revertResize", .null),
    ] {
      let answer = try await world.act(id, action, value)
      #expect(answer.status < 300, "\(action): \(answer.json.text)")
      #expect(world.guests.guests[id]?.spec.volumes.map(\.volumeID) == [Fake.free], "\(action)")
      #expect(try await world.status(ofVolume: Fake.free) == "in-use", "\(action)")
    }
    #expect(try await world.show(id)["status"] == "ACTIVE")
  }

  @Test func eventsAndGrowth() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    _ = try await world.attach(Fake.large, to: id)
    try await world.drain()
    let path = "/v2.1/os-server-external-events"
    let unknown = "99999999-9999-4999-8999-999999999999"
    let events: JSONValue = [
      "events": [
        ["name": "volume-extended", "server_uuid": .string(id), "tag": .string(Fake.large)],
        ["name": "network-changed", "server_uuid": .string(unknown), "status": "completed"],
        ["name": "volume-extended", "server_uuid": .string(id)],
      ]
    ]
    #expect(try await world.send("POST", path, events, version: "2.51").status == 403)
    #expect(try await world.send("POST", path, events, as: "service", version: "2.50").status == 400)
    let answer = try await world.send("POST", path, events, as: "service", version: "2.51")
    #expect(answer.status == 207)
    #expect(answer["events"].array?.compactMap { $0["code"]?.int } == [200, 404, 400])
    try await world.drain()
    #expect(world.guests.guests[id]?.spec.volumes.first?.sizeBytes == 5 << 30)
    let fine: JSONValue = ["events": [["name": "network-changed", "server_uuid": .string(id)]]]
    #expect(try await world.send("POST", path, fine, as: "admin").status == 200)
    #expect(try await world.send("POST", path, ["events": []], as: "admin").status == 400)
    // Block Storage asks directly.
    try await world.service.volumeGrew(Fake.large, serverID: id, sizeBytes: 7 << 30)
    #expect(world.guests.guests[id]?.spec.volumes.first?.sizeBytes == 7 << 30)
    let target = VolumeConnection(path: "/elsewhere", format: "raw", isReadOnly: false)
    try await world.service.swapVolume(Fake.large, serverID: id, to: target)
    #expect(world.guests.guests[id]?.spec.volumes.first?.connection == target)
    await #expect(throws: Fault.self) {
      try await world.service.swapVolume(Fake.free, serverID: id, to: target)
    }
  }

  @Test func theOldProxiesShowMakeAndDelete() async throws {
    let world = try await ServerWorld()
    #expect(try await world.send("GET", "/v2.1/os-volumes")["volumes"].array?.count == 5)
    #expect(try await world.send("GET", "/v2.1/os-volumes/detail?limit=1&offset=1")["volumes"].array?.count == 1)
    #expect(try await world.send("GET", "/v2.1/os-volumes", version: "2.36").status == 404)
    #expect(try await world.send("GET", "/v2.1/os-volumes/\(Fake.others)").status == 404)
    let path = "/v2.1/os-volumes/\(Fake.free)"
    let shown = try await world.send("GET", path)["volume"]
    #expect(shown["size"] == 1 && shown["attachments"] == [[:]] && shown["displayName"] == "v")
    for raw in ["{", "{}", "{\"volume\": {}}", "{\"volume\": {\"size\": 0}}", "{\"volume\": {\"size\": \"x\"}}"] {
      #expect(try await world.send("POST", "/v2.1/os-volumes", raw: raw).status == 400, "\(raw)")
    }
    let made = try await world.send("POST", "/v2.1/os-volumes", ["volume": ["size": "2", "display_name": "n"]])
    #expect(made.status == 200 && made["volume"]["size"] == 2)
    #expect(try await world.send("POST", "/v2.1/os-volumes", ["volume": ["size": 1]], as: "reader").status == 403)
    world.volumes.fail("create", with: Fault(413, "VolumeLimitExceeded"))
    #expect(try await world.send("POST", "/v2.1/os-volumes", ["volume": ["size": 1]]).status == 403)
    let order: JSONValue = ["snapshot": ["volume_id": .string(Fake.free), "force": true]]
    let snapshot = try await world.send("POST", "/v2.1/os-snapshots", order)["snapshot"]
    #expect(snapshot["volumeId"]?.string == Fake.free)
    #expect(try await world.send("GET", "/v2.1/os-snapshots/detail")["snapshots"].array?.count == 2)
    let id = snapshot["id"]?.string ?? ""
    #expect(try await world.send("GET", "/v2.1/os-snapshots/\(id)").status == 200)
    #expect(try await world.send("DELETE", "/v2.1/os-snapshots/\(id)").status == 202)
    #expect(try await world.send("DELETE", "/v2.1/os-snapshots/\(id)").status == 404)
    #expect(try await world.send("DELETE", path).status == 202)
    #expect(try await world.send("GET", path).status == 404)
  }

  @Test func tagsAreInTheMetadata() async throws {
    let world = try await ServerWorld()
    let id = try await world.make(["networks": [["port": .string(FakePorts.port1)]]])
    _ = try await world.attach(Fake.free, to: id, ["tag": "data"])
    try await world.drain()
    let answer = await world.service.answer(
      MetadataRequest(
        networkID: FakePorts.net1, routerID: nil, address: "10.0.0.200", method: "GET",
        path: "/openstack/latest/meta_data.json", body: []))
    let devices = try JSONParser.parse(answer.body)["devices"]
    #expect(devices?[0]?["tags"] == ["data"] && devices?[0]?["serial"]?.string == Fake.free)
    #expect(devices?[0]?["path"] == "/dev/vdb" && devices?[0]?["type"] == "disk")
  }
}
