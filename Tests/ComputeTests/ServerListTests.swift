import API
import Contracts
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Compute

struct ServerListTests {
  private func names(_ world: ServerWorld, _ query: String, as token: String = "member", version: String = "2.26")
    async throws -> [String]
  {
    let answer = try await world.send("GET", "/v2.1/servers?\(query)", as: token, version: version)
    #expect(answer.status == 200, "\(query): \(answer.json.text)")
    return (answer["servers"].array ?? []).compactMap { $0["name"]?.string }.sorted()
  }

  @Test func filters() async throws {
    let world = try await ServerWorld()
    let web = try await world.make(["tags": ["a", "b"]], name: "web-1.example")
    _ = try await world.make(["tags": ["b"], "imageRef": .string(FakeImages.image2), "flavorRef": "2"], name: "db-2")
    let stopped = try await world.make(["key_name": "key"], name: "stopped")
    _ = try await world.act(stopped, "os-stop")
    _ = try await world.make(name: "foreign", as: "other-member")
    let gone = try await world.make(name: "gone")
    _ = try await world.send("DELETE", "/v2.1/servers/\(gone)")
    try await world.drain()
    _ = try await world.act(web, "reboot", ["type": "SOFT"], drains: false)
    let cases: [(String, [String])] = [
      ("", ["db-2", "stopped", "web-1.example"]), ("name=web", ["web-1.example"]),
      ("name=^.*%5C-%5B0-9%5D%2B$", ["db-2"]), ("name=WEB", ["web-1.example"]), ("name=nothing", []),
      ("status=active", ["db-2"]), ("status=ACTIVE&status=reboot", ["db-2", "web-1.example"]),
      ("status=SHUTOFF", ["stopped"]), ("status=REBOOT", ["web-1.example"]),
      ("image=\(FakeImages.image2)", ["db-2"]), ("flavor=2", ["db-2"]), ("flavor=nothing", []),
      ("tags=a,b", ["web-1.example"]), ("tags-any=a,b", ["db-2", "web-1.example"]),
      ("not-tags=a,b", ["db-2", "stopped"]),
      ("not-tags-any=a,b", ["stopped"]), ("ip=10.0.0", ["db-2", "stopped", "web-1.example"]), ("ip=10.1", []),
      // Others' and deleted servers stay hidden, and filters that are not for everybody are ignored.
      ("deleted=True", ["db-2", "stopped", "web-1.example"]),
      (
        "tenant_id=\(TestVerifier.otherProject)&host=x",
        ["db-2", "stopped", "web-1.example"]
      ),
    ]
    for (query, expected) in cases { #expect(try await names(world, query) == expected, "\(query)") }
    #expect(try await names(world, "changes-since=2020-01-01T00:00:00Z").contains("gone"))
    #expect(try await names(world, "changes-since=2099-01-01T00:00:00Z").isEmpty)
    #expect(try await names(world, "all_tenants=1", as: "admin").count == 4)
    #expect(try await names(world, "all_tenants=1&project_id=\(TestVerifier.otherProject)", as: "admin") == ["foreign"])
    #expect(try await names(world, "deleted=True", as: "admin") == ["gone"])
    #expect(try await names(world, "host=node1&all_tenants", as: "admin").count == 4)
    #expect(try await names(world, "status=DELETED", as: "admin") == ["gone"])
    #expect(try await names(world, "task_state=rebooting", as: "admin") == ["web-1.example"])
    #expect(try await names(world, "key_name=key", version: "2.83") == ["stopped"])
    #expect(try await names(world, "locked=true", version: "2.73") == [])
    let bad: [(String, String, Int)] = [
      ("all_tenants=1", "2.1", 403), ("status=DELETED", "2.1", 403), ("status=wrong", "2.38", 400),
      ("changes-since=then", "2.1", 400), ("name=%28", "2.1", 400), ("name=(a)%5C1", "2.1", 400),
      ("limit=-1", "2.1", 400),
      ("limit=x", "2.1", 400), ("marker=nothing", "2.1", 400), ("sort_key=password", "2.1", 400),
      ("sort_key=host", "2.1", 403),
      ("sort_key=name&sort_dir=up", "2.1", 400), ("wrong=1", "2.75", 400), ("name=%00", "2.1", 400),
      ("changes-since=2026-01-01T00:00:00Z&changes-before=2025-01-01T00:00:00Z", "2.66", 400),
    ]
    for (query, version, status) in bad {
      let answer = try await world.send("GET", "/v2.1/servers?\(query)", version: version)
      #expect(answer.status == status, "\(query): \(answer.status) \(answer.json.text)")
    }
    #expect(try await world.send("GET", "/v2.1/servers?status=wrong")["servers"] == [])
  }

  @Test func pagesFollowEachOther() async throws {
    let world = try await ServerWorld()
    var made: [String] = []
    for index in 0..<5 {
      made.append(try await world.make(name: "vm\(index)"))
      world.clock.advance(.seconds(1))
    }
    var seen: [String] = []
    var path = "/v2.1/servers?limit=2"
    for _ in 0..<4 {
      let answer = try await world.send("GET", path)
      seen += (answer["servers"].array ?? []).compactMap { $0["id"]?.string }
      guard let next = answer["servers_links"][0]?["href"]?.string else { break }
      path = next.replacing("http://cloud.test", with: "")
    }
    #expect(seen == made.reversed())
    let sorted = try await world.send("GET", "/v2.1/servers/detail?sort_key=display_name&sort_dir=asc&limit=3")
    #expect(sorted["servers"].array?.compactMap { $0["name"]?.string } == ["vm0", "vm1", "vm2"])
    #expect(sorted["servers_links"][0]?["href"]?.string?.contains("/v2.1/servers/detail?") == true)
    #expect(try await world.send("GET", "/v2.1/servers?limit=0")["servers"] == [])
  }

  /// The statements of a request do not grow with the servers that it shows.
  @Test func statementsAreFixed() async throws {
    let world = try await ServerWorld()
    func statements(_ path: String, as token: String) async throws -> Int {
      let before = world.database.statementCount
      let answer = try await world.send("GET", path, as: token, version: "2.104")
      #expect(answer.status == 200)
      return world.database.statementCount - before
    }
    _ = try await world.make()
    let one = try await statements("/v2.1/servers/detail", as: "admin")
    for _ in 0..<7 { _ = try await world.make(["metadata": ["a": "b"], "tags": ["x"]]) }
    #expect(try await statements("/v2.1/servers/detail", as: "admin") == one)
    #expect(one <= 8)
    #expect(try await statements("/v2.1/servers", as: "member") == 1)
  }

  /// The target for the fake: POST to ACTIVE within 50 ms, with the engine running as in the real process.
  @Test func aServerIsActiveSoon() async throws {
    let world = try await ServerWorld()
    let engine = Task { try await world.engine.run() }
    defer { engine.cancel() }
    var times: [Duration] = []
    for index in 0..<9 {
      let start = ContinuousClock.now
      let answer = try await world.send("POST", "/v2.1/servers", ServerWorld.order(name: "vm\(index)"), version: "2.52")
      let id = answer["server"]["id"]?.string ?? ""
      while try await world.show(id)["status"] != "ACTIVE" {
        try await Task.sleep(for: .milliseconds(1))
        guard ContinuousClock.now - start < .seconds(20) else { throw Fault.internal("not ACTIVE within 20 s") }
      }
      times.append(ContinuousClock.now - start)
    }
    // About 20 ms alone. Other tests run beside it, so only a step that waits for a poll is caught here; the benchmark
    // measures the promise.
    #expect(times.min() ?? .zero < .seconds(1), "\(times)")
  }
}
