import API
import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

/// Bad input on every route of the servers half: upstream's code and error body, never a 5xx, nothing changed.
struct ServerInputTests {
  private static let long = JSONValue.string(String(repeating: "x", count: 256))

  @Test func ordersThatAreRefused() async throws {
    let world = try await ServerWorld()
    let image = JSONValue.string(FakeImages.image1)
    let unknown: JSONValue = "99999999-9999-4999-8999-999999999999"
    let cases: [(JSONObject, String, Int)] = [
      (["name": ""], "2.1", 400), (["name": 1], "2.1", 400), (["name": Self.long], "2.1", 400),
      (["name": " x"], "2.1", 400), (["name": "a\u{7}b"], "2.1", 400), (["name": .null], "2.1", 400),
      (["imageRef": -1], "2.1", 400), (["imageRef": "x"], "2.1", 400), (["imageRef": unknown], "2.1", 400),
      (["imageRef": ""], "2.1", 400), (["imageRef": .string(FakeImages.otherImage)], "2.1", 400),
      (["imageRef": .string(FakeImages.queuedImage)], "2.1", 400),
      (["imageRef": .string(FakeImages.largeImage)], "2.1", 400), (["flavorRef": -1], "2.1", 400),
      (["flavorRef": ""], "2.1", 400), (["flavorRef": "nothing"], "2.1", 400), (["flavorRef": []], "2.1", 400),
      (["flavorRef": "4"], "2.1", 403), (["key_name": "nothing"], "2.1", 400), (["key_name": ""], "2.1", 400),
      (["accessIPv4": "1.1.1.1.1.1"], "2.1", 400), (["accessIPv6": "notvalid"], "2.1", 400),
      (["accessIPv4": "::1"], "2.1", 400), (["metadata": ["a": Self.long]], "2.1", 400),
      (["metadata": ["": "b"]], "2.1", 400), (["metadata": ["a/b": "b"]], "2.1", 400), (["metadata": []], "2.1", 400),
      (["metadata": ["a": 1]], "2.1", 400), (["user_data": "not base64!"], "2.1", 400),
      (["user_data": .string(String(repeating: "QUFB", count: 20_000))], "2.1", 400),
      (["personality": [["path": "/a", "contents": "no base64!"]]], "2.1", 400),
      (["personality": [["path": "/a", "contents": "QQ=="]]], "2.57", 400), (["min_count": 0], "2.1", 400),
      (["max_count": -1], "2.1", 400), (["min_count": "x"], "2.1", 400),
      (["min_count": 3, "max_count": 2], "2.1", 400),
      (["min_count": 1.5], "2.1", 400), (["security_groups": [["name": "nothing"]]], "2.1", 400),
      (["security_groups": ["default"]], "2.1", 400), (["networks": "some"], "2.37", 400),
      (["networks": [["uuid": "a-b-c"]]], "2.1", 400), (["networks": [["uuid": unknown]]], "2.1", 400),
      (["networks": [["port": unknown]]], "2.1", 400), (["networks": [[:]]], "2.1", 400),
      (["networks": [["uuid": .string(FakePorts.net1), "fixed_ip": "10"]]], "2.1", 400),
      (["networks": [["port": .string(FakePorts.port1), "fixed_ip": "10.0.0.9"]]], "2.1", 400),
      (["networks": [["port": .string(FakePorts.port1)], ["port": .string(FakePorts.port1)]]], "2.1", 400),
      (["networks": [["port": .string(FakePorts.port1)]], "max_count": 2], "2.1", 400),
      (["networks": [["uuid": .string(FakePorts.net1), "tag": "t"]]], "2.31", 400), (["wrong": 1], "2.1", 400),
      (["description": "d"], "2.18", 400), (["description": Self.long], "2.19", 400), (["tags": ["a"]], "2.51", 400),
      (["tags": ["a,b"]], "2.52", 400), (["tags": .array((0...50).map { .string("t\($0)") })], "2.52", 400),
      (["availability_zone": "mars"], "2.1", 400), (["availability_zone": "nova:node1"], "2.1", 403),
      (["availability_zone": "a:b:c:d"], "2.1", 400), (["host": "node1"], "2.74", 403),
      (["host": "node1"], "2.73", 400),
      (["hostname": "a.b"], "2.90", 400), (["hostname": "a"], "2.89", 400), (["config_drive": "maybe"], "2.1", 400),
      (["OS-DCF:diskConfig": "auto"], "2.1", 400), (["trusted_image_certificates": []], "2.63", 400),
      (["block_device_mapping": [["volume_id": unknown]]], "2.1", 400),
      (
        ["block_device_mapping_v2": [["source_type": "volume", "uuid": unknown, "destination_type": "volume"]]], "2.1",
        400
      ),
      (
        ["block_device_mapping_v2": [["source_type": "volume", "uuid": unknown, "destination_type": "invalid"]]], "2.1",
        400
      ),
      (["block_device_mapping_v2": [["source_type": "image", "uuid": image, "boot_index": 1]]], "2.1", 400),
      (["flavorRef": "1", "min_count": 11], "2.1", 403), (["min_count": 10_001], "2.1", 400),
    ]
    for (more, version, status) in cases {
      var order = ServerWorld.order(more)
      // Before 2.37 the networks are a list.
      if Microversion(version).map({ $0 < Microversion(2, 37) }) == true, more["networks"] == nil {
        order = Self.without("networks", order)
      }
      let answer = try await world.send("POST", "/v2.1/servers", order, version: version)
      #expect(answer.status == status, "\(order.text.prefix(300)): \(answer.status) \(answer.json.text.prefix(300))")
      let key = status == 403 ? "forbidden" : "badRequest"
      #expect(answer[key]["code"]?.int == status, "\(answer.json.text)")
    }
    for hints in [["group": "x"], ["group": unknown], ["same_host": "x"]] as [JSONValue] {
      var body = ServerWorld.order().object ?? [:]
      body["os:scheduler_hints"] = hints
      #expect(try await world.send("POST", "/v2.1/servers", .object(body), version: "2.52").status == 400)
    }
    #expect(
      try await world.send("POST", "/v2.1/servers", Self.without("networks", ServerWorld.order()), version: "2.37")
        .status == 400)
    #expect(try await world.send("POST", "/v2.1/servers", [:]).status == 400)
    #expect(try await world.send("POST", "/v2.1/servers", raw: "{").status == 400)
    #expect(try await world.send("POST", "/v2.1/servers", raw: "[]").status == 400)
    #expect(try await world.send("POST", "/v2.1/servers", raw: "").status == 400)
    let counts = try await world.database.read { tx in
      (try tx.count("SELECT COUNT(*) FROM server"), try tx.count("SELECT COUNT(*) FROM job"))
    }
    #expect(counts == (0, 0))
  }

  private static func without(_ key: String, _ order: JSONValue) -> JSONValue {
    var server = order["server"]?.object ?? [:]
    server[key] = nil
    return ["server": .object(server)]
  }

  /// Every route with a server of another project, one that does not exist, no token, an expired one and no role.
  @Test func othersAndStrangersSeeNothing() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let before = try await world.show(id)
    for route in ComputeService.serverRoutes(world.service.dependencies) {
      for version in [route.since, route.until, Microversion(2, 60)].compactMap({ $0 }) where route.exists(version) {
        let body = Self.body(route, version)
        func send(_ server: String, _ token: String) async throws -> ServerWorld.Answer {
          let path = route.pattern.replacing("{server_id}", with: server).replacing("{key}", with: "k")
            .replacing("{tag}", with: "t").replacing("{port_id}", with: "p").replacing("{request_id}", with: "r")
            .replacing("{volume_id}", with: FakeVolumes.free).replacing("{network_label}", with: "n").replacing(
              "{migration_id}", with: "1")
          return try await world.send(route.method, path, body, as: token, version: version.description)
        }
        let name = "\(route.method) \(route.pattern) \(route.action ?? "") \(version)"
        for token in ["none", "expired", "wrong"] {
          let answer = try await send(id, token)
          #expect(answer.status == 401, "\(name) \(token): \(answer.status)")
        }
        let norole = try await send(id, "norole")
        #expect(norole.status == 403 || norole.status == 410, "\(name) norole: \(norole.status)")
        guard route.pattern.contains("{server_id}") else { continue }
        for (server, token) in [(id, "other-member"), ("nothing", "member"), (UUIDText.make(), "admin")] {
          let answer = try await send(server, token)
          #expect(
            [404, 403, 400, 410].contains(answer.status),
            "\(name) \(server) \(token): \(answer.status) \(answer.json.text)")
        }
        // A reader changes nothing.
        if route.method != "GET" {
          let answer = try await send(id, "reader")
          #expect([403, 410].contains(answer.status), "\(name) reader: \(answer.status)")
        }
      }
    }
    #expect(try await world.show(id) == before)
  }

  /// Bodies of wrong types on every route that has one.
  @Test func bodiesOfWrongTypes() async throws {
    let world = try await ServerWorld()
    let id = try await world.make()
    let before = try await world.show(id)
    let bare: Set<String> = [
      "os-start", "os-stop", "pause", "unpause", "suspend", "resume", "confirmResize", "revertResize", "lock", "unlock",
      "forceDelete", "restore", "resetNetwork", "injectNetworkInfo",
    ]
    for route in ComputeService.serverRoutes(world.service.dependencies) where route.bodyKind != .none {
      let version = (route.until ?? Microversion(2, 104)).description
      let path = route.pattern.replacing("{server_id}", with: id).replacing("{key}", with: "k")
      var bodies = ["{", "[]", "1", "\"x\"", "null", "{\"wrong\": 1}", "{\"a\\u0000\": 1}"]
      if let action = route.action, !bare.contains(action) {
        bodies += ["1", "[]", "\"x\"", "{\"wrong\": {}}", "{\"name\": {\"a\": []}}"].map { "{\"\(action)\": \($0)}" }
      }
      // Where no body is needed, null is none.
      if route.bodyKind == .optionalJSON { bodies.removeAll { $0 == "null" } }
      for body in bodies {
        let answer = try await world.send(route.method, path, as: "admin", version: version, raw: body)
        #expect(
          answer.status == 400,
          "\(route.method) \(path) \(route.action ?? "") \(body): \(answer.status) \(answer.json.text)")
      }
    }
    try await world.drain()
    #expect(try await world.show(id) == before)
  }

  private static func body(_ route: Route, _ version: Microversion) -> JSONValue? {
    let values: [String: JSONValue] = [
      "reboot": ["type": "HARD"], "os-resetState": ["state": "error"], "changePassword": ["adminPass": "x"],
      "rebuild": ["imageRef": .string(FakeImages.image1)], "resize": ["flavorRef": "2"],
      "addSecurityGroup": ["name": "web"], "removeSecurityGroup": ["name": "default"],
      "addFixedIp": ["networkId": "x"], "removeFixedIp": ["address": "10.0.0.1"], "createImage": ["name": "x"],
      "os-getConsoleOutput": [:], "os-getVNCConsole": ["type": "novnc"], "os-getSPICEConsole": ["type": "spice-html5"],
      "os-getSerialConsole": ["type": "serial"],
      "os-migrateLive": version < Microversion(2, 25)
        ? ["host": .null, "block_migration": true, "disk_over_commit": false]
        : ["host": .null, "block_migration": "auto"],
    ]
    if let action = route.action { return .object([action: values[action] ?? .null]) }
    switch (route.method, route.pattern.split(separator: "/").last) {
    case ("POST", "servers"):
      return version < Microversion(2, 37) ? without("networks", ServerWorld.order()) : ServerWorld.order()
    case ("PUT", "{server_id}"): return ["server": ["name": "changed"]]
    case (_, "metadata"): return ["metadata": ["k": "v"]]
    case (_, "{key}"): return ["meta": ["k": "v"]]
    case (_, "tags"): return ["tags": ["x"]]
    case (_, "os-interface"): return ["interfaceAttachment": [:]]
    case (_, "os-volume_attachments"), (_, "{volume_id}"):
      return ["volumeAttachment": ["volumeId": .string(FakeVolumes.free)]]
    case (_, "os-volumes"): return ["volume": ["size": 1]]
    case (_, "os-snapshots"): return ["snapshot": ["volume_id": .string(FakeVolumes.free)]]
    case (_, "os-server-external-events"):
      return ["events": [["name": "network-changed", "server_uuid": .string(UUIDText.make())]]]
    case (_, "remote-consoles"): return ["remote_console": ["protocol": "vnc", "type": "novnc"]]
    default: return nil
    }
  }

  @Test func quotas() async throws {
    let world = try await ServerWorld()
    let many = try await world.send(
      "POST", "/v2.1/servers", ServerWorld.order(["min_count": 2, "max_count": 30]), version: "2.52")
    #expect(many.status == 202)
    #expect(try await world.send("GET", "/v2.1/servers")["servers"].array?.count == 10)
    let one = try await world.send("POST", "/v2.1/servers", ServerWorld.order(), version: "2.52")
    #expect(one.status == 403)
    #expect(
      one.message == "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances", "\(one.message)")
    try await world.drain()
    let names = try await world.send("GET", "/v2.1/servers?sort_key=display_name&sort_dir=asc")["servers"].array ?? []
    #expect(names.first?["name"] == "vm-1")
    let reservation = try await world.send(
      "POST", "/v2.1/servers", ServerWorld.order(["return_reservation_id": true]), as: "other-member", version: "2.52")
    #expect(reservation["reservation_id"].string?.hasPrefix("r-") == true)
  }

  @Test func groupsKeepApart() async throws {
    let world = try await ServerWorld()
    let group = ServerGroup(
      id: UUIDText.make(), name: "g", projectID: ServerWorld.main, userID: "u", policy: .antiAffinity,
      maxServersPerHost: nil)
    let now = world.clock.now()
    try await world.database.write { try ServerGroupStore.insert(group, now: now, tx: $0) }
    func make() async throws -> JSONValue {
      var body = ServerWorld.order().object ?? [:]
      body["os:scheduler_hints"] = ["group": .string(group.id)]
      let answer = try await world.send("POST", "/v2.1/servers", .object(body), version: "2.52")
      try await world.drain()
      return try await world.show(answer["server"]["id"]?.string ?? "")
    }
    let first = try await make()
    #expect(first["status"] == "ACTIVE")
    #expect(first["server_groups"] == [.string(group.id)])
    #expect(first["scheduler_hints"] == ["group": .string(group.id)])
    let second = try await make()
    #expect(
      second["fault"]?["message"] == "No valid host was found. node1: anti-affinity asked fewer than 1 members, had 1.")
  }
}

extension Route {
  fileprivate func exists(_ version: Microversion) -> Bool {
    (since.map { version >= $0 } ?? true) && (until.map { version <= $0 } ?? true)
  }
}
