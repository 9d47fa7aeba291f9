import API
import Host
import Kit
import Store
import TestKit
import Testing

@testable import BlockStorage

/// What must not work, and says so with a 4xx.
struct BadInputTests {
  @Test func noRouteAnswersWithAServerErrorToNonsense() async throws {
    let world = try await BlockWorld()
    let bodies: [JSONValue] = [[:], ["volume": 3], ["volume": ["size": "x"]], ["os-extend": nil], ["a": ["b": [1]]]]
    let volume = try await world.make()
    for route in world.service.api.routes where route.method != "GET" || route.pattern.contains("{id}") {
      let path = route.pattern.replacing("/v3/{project_id}", with: "").replacing("{id}", with: volume)
        .replacing("{key}", with: "k").replacing("{tenant}", with: "nobody").replacing("{host}", with: "h")
        .replacing("{name}", with: "n").replacing("{hostname}", with: "h").replacing("{alias}", with: "a")
      guard path.hasPrefix("/"), path.count > 1, !(route.method == "DELETE" && path == "/volumes/\(volume)") else {
        continue
      }
      for body in bodies + (route.action.map { [[$0: nil], [$0: [:]], [$0: ["x": 1]]] } ?? []) {
        for token in ["member", "admin"] {
          let answer = try await world.send(route.method, path, body, as: token)
          #expect(answer.status < 500, "\(route.method) \(path) \(body.text) as \(token): \(answer.status)")
        }
      }
    }
  }

  @Test func everyRouteNeedsATokenAndTheRightRole() async throws {
    let world = try await BlockWorld()
    for route in world.service.api.routes where route.pattern.hasPrefix("/v3/{project_id}/") {
      let path = route.pattern.replacing("/v3/{project_id}", with: "")
      let body: JSONValue = route.action.map { [$0: [:]] } ?? ["x": 1]
      #expect(try await world.send(route.method, path, body, as: "none").status == 401, "\(path)")
      #expect(try await world.send(route.method, path, body, as: "expired").status == 401, "\(path)")
      if case .authenticated = route.policy.rule { continue }
      let answer = try await world.send(route.method, path, body, as: "norole")
      #expect(answer.status == 403, "\(route.method) \(path) \(route.action ?? ""): \(answer.status)")
    }
  }

  @Test func volumesOfOthersAreNotThere() async throws {
    let world = try await BlockWorld()
    let id = try await world.make()
    let snapshot = try await world.snapshot(id)
    for path in ["/volumes/\(id)", "/volumes/\(id)/metadata", "/snapshots/\(snapshot)", "/volumes/\(id)/encryption"] {
      #expect(try await world.send("GET", path, as: "other-member").status == 404, "\(path)")
    }
    #expect(try await world.send("DELETE", "/volumes/\(id)", as: "other-member").status == 404)
    for (fields, status) in [
      (["source_volid": .string(id)], 404), (["snapshot_id": .string(snapshot)], 404),
    ] as [(JSONObject, Int)] {
      let answer = try await world.send("POST", "/volumes", ["volume": .object(fields)], as: "other-member")
      #expect(answer.status == status)
    }
    #expect(try await world.send("GET", "/volumes", as: "other-member")["volumes"]?.array?.isEmpty == true)
    #expect(try await world.send("GET", "/\(TestVerifier.otherProject)/volumes").status == 400)
    #expect(try await world.send("GET", "/\(TestVerifier.mainProject)/volumes").status == 200)
  }

  @Test func wrongOrders() async throws {
    let world = try await BlockWorld()
    let none = UUIDText.make()
    let cases: [(JSONObject, Int)] = [
      (["size": 0], 400), (["size": -1], 400), (["size": "#$%"], 400), ([:], 400), (["size": 1, "name": 5], 400),
      (["size": 1, "name": .string(String(repeating: "n", count: 256))], 400),
      (["size": 1, "volume_type": "none"], 404),
      (["size": 1, "snapshot_id": .string(none)], 404), (["size": 1, "source_volid": .string(none)], 404),
      (["size": 1, "imageRef": .string(none)], 400), (["size": 1, "imageRef": "x"], 400),
      (["size": 1, "availability_zone": "mars"], 400), (["size": 1, "unknown": 1], 400),
      (["size": 1, "metadata": ["k": .string(String(repeating: "v", count: 256))]], 400),
      (["size": 1, "group_id": .string(none)], 404), (["size": 1, "backup_id": .string(none)], 404),
      (["size": 1, "source_volid": .string(none), "snapshot_id": .string(none)], 400),
    ]
    for (fields, status) in cases {
      let answer = try await world.send("POST", "/volumes", ["volume": .object(fields)])
      #expect(answer.status == status, "\(JSONValue.object(fields).text.prefix(100)): \(answer.json.text)")
    }
    #expect(world.files().isEmpty)
  }

  @Test func quotasAreCountedAndRefusedWith413() async throws {
    let world = try await BlockWorld()
    let path = "/os-quota-sets/\(TestVerifier.mainProject)"
    #expect(
      try await world.send("PUT", path, ["quota_set": ["volumes": 1, "gigabytes": 2]], as: "admin").status == 200)
    let id = try await world.make()
    let over = try await world.send("POST", "/volumes", ["volume": ["size": 1]])
    #expect(over.status == 413)
    #expect(over["overLimit.code"] == 413)
    #expect(try await world.act(id, "os-extend", ["new_size": 3]).status == 413)
    #expect(try await world.send("POST", "/snapshots", ["snapshot": ["volume_id": .string(id)]]).status == 202)
    #expect(try await world.send("POST", "/snapshots", ["snapshot": ["volume_id": .string(id)]]).status == 413)
    #expect(try await world.send("GET", path + "?usage=true")["quota_set.gigabytes.in_use"] == 2)
    #expect(try await world.send("PUT", path, ["quota_set": ["nonsense": 1]], as: "admin").status == 400)
  }
}
