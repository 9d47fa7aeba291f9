import API
import Kit
import Store
import Synchronization
import TestKit
import Testing

/// A small service: a declared resource and a few routes, to test the edge that every service shares.
struct SampleService {
  let router: APIRouter
  let database: any Database

  static let migration = Migration(
    "sample-001",
    [
      """
      CREATE TABLE widget (id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64), name VARCHAR(255), size INT, secret VARCHAR(20),
        created_at BIGINT, revision_number INT)
      """
    ])

  init(errors: ErrorShape = .network, microversions: MicroversionSupport? = nil) async throws {
    database = try await TestKit.database([Self.migration])
    let member = Policy("create_widget", .projectMember)
    var hooks = ResourceHooks()
    hooks.deleting = { values, _ in
      if values["name"]?.string == "busy" { throw Fault.conflict("It is in use.", kind: "WidgetInUse") }
    }
    let widget = Resource(
      name: "widget", collection: "widgets", path: "/v1/widgets", table: "widget",
      fields: [
        Field("id", .uuid, create: .forbidden, update: false),
        Field("project_id", .text(0...64), update: false, alias: "tenant_id"),
        Field("name", .text(0...10), initial: ""),
        Field("size", .int(0...9), initial: 1),
        Field("secret", .text(0...20), nullable: true, read: .admin, write: .admin),
        Field("created_at", .timestamp { $0.iso8601 }, create: .forbidden, update: false),
        Field("revision_number", .int(0...Int.max), create: .forbidden, update: false),
      ],
      policies: [
        .list: Policy("get_widget", .projectReader), .show: Policy("get_widget", .projectReader), .create: member,
        .update: Policy("update_widget", .projectMember), .delete: Policy("delete_widget", .projectMember),
      ], notFoundKind: "WidgetNotFound", title: "Widget", style: .network, hasBulkCreate: true, hasRevision: true,
      quota: { project, _ in project == TestVerifier.otherProject ? 1 : nil }, hooks: hooks)
    let routes: [Route] = [
      Route("GET", "/", .open) { _ in .json(["open": true]) },
      Route(
        "POST", "/v1/widgets/{id}/action", action: "grow", member, schema: .object([Schema.required("grow", .null)])
      ) { call in
        .json(["grown": .string(call.parameter("id"))], status: 202)
      },
      Route("POST", "/v1/widgets/{id}/action", action: "shrink", Policy("shrink", .admin)) { _ in .empty(202) },
      Route("GET", "/v1/broken", Policy("broken", .authenticated)) { _ in
        throw Fault.internal("the password is hunter2")
      },
      Route("GET", "/v1/new", Policy("new", .authenticated), since: Microversion(1, 5)) { _ in .empty(204) },
    ]
    let api = ServiceAPI(
      name: "sample", errors: errors, microversions: microversions,
      routes: routes + ResourceRoutes(widget, database: database, clock: TestClock()).routes)
    router = APIRouter(api, verifier: TestVerifier(), log: TestKit.log)
  }
}

@Suite struct RouterTests {
  @Test(arguments: TestKit.transcripts()) func transcript(_ path: String) async throws {
    let service = try await SampleService()
    let problems = try await Transcript(path: path).run { await service.router.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func thereAreTranscripts() { #expect(!TestKit.transcripts().isEmpty) }

  @Test func anInnerErrorTellsTheLogNotTheClient() async throws {
    let reply = await (try await SampleService()).router.respond(
      HTTPCall(method: "GET", path: "/v1/broken", headers: ["X-Auth-Token": "member"]))
    #expect(reply.status == 500)
    guard case .json(let body) = reply.body else {
      Issue.record("no JSON")
      return
    }
    #expect(!body.text.contains("hunter2"))
    #expect(body.text.contains("req-"))
  }

  @Test func microversionsAreChosenAndShown() async throws {
    let support = MicroversionSupport(
      service: "compute", min: Microversion(1, 1), max: Microversion(1, 9), legacyHeader: "X-OpenStack-Nova-API-Version"
    )
    let router = try await SampleService(errors: .compute, microversions: support).router
    func status(_ headers: Headers) async -> Int {
      var headers = headers
      headers["X-Auth-Token"] = "member"
      return await router.respond(HTTPCall(method: "GET", path: "/v1/new", headers: headers)).status
    }
    #expect(await status([:]) == 404)
    #expect(await status(["OpenStack-API-Version": "compute 1.5"]) == 204)
    #expect(await status(["OpenStack-API-Version": "volume 1.5"]) == 404)
    #expect(await status(["X-OpenStack-Nova-API-Version": "latest"]) == 204)
    #expect(await status(["OpenStack-API-Version": "compute 1.10"]) == 406)
    #expect(await status(["OpenStack-API-Version": "compute one"]) == 400)
  }

  @Test func aListNeedsTwoQueriesHoweverLongItIs() async throws {
    let service = try await SampleService()
    try await service.database.write { tx in
      for index in 0..<50 {
        try tx.execute(
          "INSERT INTO widget (id, project_id, name) VALUES (\("id\(index)"), \(TestVerifier.mainProject), 'w')")
      }
    }
    let before = service.database.statementCount
    _ = await service.router.respond(
      HTTPCall(method: "GET", path: "/v1/widgets", headers: ["X-Auth-Token": "member"]))
    #expect(service.database.statementCount - before == 1)
  }
}

@Suite struct HeaderAndQueryTests {
  @Test func queriesDecode() {
    let query = Query(text: "a=1&a=2&b=x%20y+z&c&d=%zz")
    #expect(query.all("a") == ["1", "2"])
    #expect(query["b"] == "x y z")
    #expect(query["c"] == "")
    #expect(query["d"] == "%zz")
  }
  @Test func headersIgnoreCase() {
    var headers: Headers = ["X-A": "1"]
    headers["x-a"] = "2"
    #expect(headers.all("X-a") == ["2"])
  }
}

@Suite struct SchemaTests {
  private let schema = Schema.object([
    Schema.required("name", .name), Schema.may("count", .integer(1...5)),
    Schema.may("tags", .array(.text(1...5), count: 0...2, unique: true)),
  ])

  @Test(arguments: [
    "{\"name\": \"a\"}", "{\"name\": \"a\", \"count\": 5, \"tags\": [\"x\", \"y\"]}",
  ]) func whatFitsPasses(_ text: String) throws { try schema.check(try JSONParser.parse(text)) }

  @Test(arguments: [
    "{}", "[]", "{\"name\": 5}", "{\"name\": \"\"}", "{\"name\": \"a\", \"x\": 1}", "{\"name\": \"a\", \"count\": 6}",
    "{\"name\": \"a\", \"count\": \"5\"}", "{\"name\": \"a\", \"count\": 1.5}", "{\"name\": \"a\", \"count\": true}",
    "{\"name\": \"a\", \"tags\": [\"x\", \"x\"]}", "{\"name\": \"a\", \"tags\": [1]}", "{\"name\": \"a\\u0007\"}",
  ]) func whatDoesNotFitIsA400(_ text: String) throws {
    let value = try JSONParser.parse(text)
    do {
      try schema.check(value)
      Issue.record("\(text) passed")
    } catch { #expect(error.status == 400) }
  }
}
