import API
import Kit
import TestKit
import Testing

@testable import Image

struct ImageAPITests {
  @Test(arguments: TestKit.transcripts())
  func transcript(_ path: String) async throws {
    let cloud = try await ImageHarness()
    let router = cloud.router
    let problems = try await Transcript(path: path).run { await router.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func badInputIsRefused() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    let before = try await cloud.send("GET", "/v2/images/\(id)").json
    let long = JSONValue.string(String(repeating: "x", count: 256))
    let creates: [(JSONValue, Int)] = [
      (["name": 1], 400), (["name": long], 400), (["disk_format": "wrong"], 400), (["container_format": "wrong"], 400),
      (["min_disk": -1], 400), (["min_ram": "1"], 400), (["min_disk": 1e30], 400), (["protected": "yes"], 400),
      (["visibility": "secret"], 400), (["tags": "a"], 400),
      (["tags": [.string(String(repeating: "t", count: 256))]], 400),
      (["id": "zzz"], 400), (["id": .string(id)], 409), (["foo": 7], 400), (["foo": nil], 400), (["": "x"], 400),
      (["status": "active"], 403), (["size": 1], 403), (["checksum": "x"], 403), (["file": "x"], 403),
      (["locations": []], 403), (["os_glance_foo": "x"], 403), (["deleted": "x"], 403),
      (["visibility": "public"], 403), (["owner": "bbbb"], 403),
      (["tags": .array((0..<129).map { .string("t\($0)") })], 413),
      (.object(JSONObject((0..<129).map { ("p\($0)", "v") })), 413),
    ]
    for (body, status) in creates {
      let answer = try await cloud.send("POST", "/v2/images", body)
      #expect(answer.status == status, "\(body.text.prefix(80)): \(answer.status) \(answer.text.prefix(300))")
      #expect(answer.text.contains("<title>\(status) "), "\(answer.text)")
    }
    let others: [(String, String, Int)] = [
      ("GET", "/v2/images?limit=x", 400), ("GET", "/v2/images?limit=-1", 400), ("GET", "/v2/images?marker=nope", 400),
      ("GET", "/v2/images?sort_key=checksum", 400), ("GET", "/v2/images?sort=name:up", 400),
      ("GET", "/v2/images?sort=name&sort_key=id", 400),
      ("GET", "/v2/images?sort_key=id&sort_dir=asc&sort_dir=asc", 400),
      ("GET", "/v2/images?visibility=secret", 400), ("GET", "/v2/images?member_status=maybe", 400),
      ("GET", "/v2/images?os_hidden=maybe", 400), ("GET", "/v2/images?size_min=x", 400),
      ("GET", "/v2/images?created_at=yesterday", 400), ("GET", "/v2/images?name=xx:a", 400),
      ("GET", "/v2/images?name=in:%22a", 400), ("GET", "/v2/images?changes-since=2020", 400),
      ("GET", "/v2/images/", 404), ("DELETE", "/v2/images/", 404), ("DELETE", "/v2/images", 405),
      ("GET", "/v2/images/zzz", 404), ("GET", "/v2/nothing", 404), ("GET", "/v2/schemas/nothing", 404),
    ]
    for (method, target, status) in others {
      let answer = try await cloud.send(method, target)
      #expect(answer.status == status, "\(method) \(target): \(answer.status) \(answer.text.prefix(300))")
    }
    #expect(try await cloud.send("GET", "/v2/images/\(id)").json == before)
  }

  @Test func badPatchesAreRefused() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    let before = try await cloud.send("GET", "/v2/images/\(id)").json
    func patch(_ raw: String, _ type: String, as token: String = "member") async throws -> Int {
      try await cloud.send(
        "PATCH", "/v2/images/\(id)", as: token, headers: ["Content-Type": type],
        body: BodyStream(bytes: Array(raw.utf8))
      ).status
    }
    let (old, new) = (ImageChange.oldType, ImageChange.newType)
    let cases: [(String, String, Int)] = [
      ("[]", "application/json", 415), ("{", new, 400), ("{}", new, 400), ("[1]", new, 400), ("[{}]", new, 400),
      (#"[{"op": "move", "path": "/a"}]"#, new, 400), (#"[{"op": "add", "path": "/a"}]"#, new, 400),
      (#"[{"op": "add", "value": "a"}]"#, new, 400), (#"[{"op": "add", "path": "a", "value": "a"}]"#, new, 400),
      (#"[{"op": "add", "path": "/a/b", "value": "a"}]"#, new, 400),
      (#"[{"op": "add", "path": "/a~2", "value": "a"}]"#, new, 400),
      (#"[{"op": "add", "path": "/", "value": "a"}]"#, new, 400),
      (#"[{"op": "add", "path": "/a", "value": 1}]"#, new, 400),
      (#"[{"op": "replace", "path": "/name", "value": 1}]"#, new, 400),
      (#"[{"op": "replace", "path": "/visibility", "value": "x"}]"#, new, 400),
      (#"[{"op": "replace", "path": "/visibility", "value": "public"}]"#, new, 403),
      (#"[{"op": "replace", "path": "/owner", "value": "x"}]"#, new, 403),
      (#"[{"op": "replace", "path": "/status", "value": "active"}]"#, new, 403),
      (#"[{"op": "replace", "path": "/id", "value": "x"}]"#, new, 403),
      (#"[{"op": "remove", "path": "/id"}]"#, new, 403), (#"[{"op": "remove", "path": "/name"}]"#, new, 403),
      (#"[{"op": "add", "path": "/os_glance_x", "value": "x"}]"#, new, 403),
      (#"[{"op": "add", "path": "/locations", "value": []}]"#, new, 403),
      (#"[{"op": "replace", "path": "/nope", "value": "x"}]"#, new, 409),
      (#"[{"op": "remove", "path": "/nope"}]"#, new, 409),
      (#"[{"op": "add", "path": "/x", "value": "1"}, {"op": "remove", "path": "/nope"}]"#, new, 409),
      (#"[{"add": "/name", "value": "x"}]"#, old, 409), (#"[{"add": "/a", "remove": "/b", "value": "x"}]"#, old, 400),
      (#"[{"op": "replace", "path": "/name", "value": "x"}]"#, old, 400),
    ]
    for (body, type, status) in cases {
      let answer = try await patch(body, type)
      #expect(answer == status, "\(body): \(answer)")
    }
    let good = #"[{"op": "replace", "path": "/name", "value": "x"}]"#
    #expect(try await patch(good, new, as: "reader") == 403)
    #expect(try await patch(good, new, as: "other-member") == 404)
    #expect(try await cloud.send("GET", "/v2/images/\(id)").json == before)
  }

  @Test func everyRouteWantsATokenAndARole() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    for route in cloud.router.api.routes where route.policy.name != "open" {
      let path = route.pattern.replacing("{image_id}", with: id).replacing("{member_id}", with: "m")
        .replacing("{tag}", with: "t").replacing("{name}", with: route.pattern.contains("metadefs") ? "tag" : "image")
        .replacing("{store_id}", with: "file")
        .replacing("{task_id}", with: "t").replacing("{namespace}", with: "n")
      #expect(try await cloud.send(route.method, path, [:], as: "expired").status == 401, "\(route.method) \(path)")
      let norole = try await cloud.send(route.method, path, [:], as: "norole").status
      if path.hasPrefix("/v2/schemas") || ["info_import", "info_stores", "info_usage"].contains(route.policy.name) {
        #expect(norole == 200, "\(route.method) \(path)")
      } else {
        #expect(norole == 403, "\(route.method) \(path)")
      }
    }
    #expect(try await cloud.status(id) == "queued")
  }

  /// A page costs the same number of statements whatever it holds.
  @Test func listingIsFewStatements() async throws {
    let cloud = try await ImageHarness()
    for index in 0..<30 {
      _ = try await cloud.send(
        "POST", "/v2/images", ["name": .string("i\(index)"), "tags": ["a", .string("b\(index)")], "key": "value"])
    }
    let before = cloud.database.statementCount
    let page = try await cloud.send("GET", "/v2/images?limit=1000")
    #expect(page.json["images"]?.array?.count == 30)
    #expect(cloud.database.statementCount - before == 3)
  }
}
