import API
import Kit
import Store
import TestKit
import Testing
import Workflow

@testable import Image

/// Imports as durable jobs: a process may be killed at every point of them.
struct ImportCrashTests {
  private static let data = ImageHarness.noise(5000)

  /// Stages data for an image and asks for its import; returns the image's id.
  private static func stage(_ format: String, _ cloud: ImageHarness) async throws -> String {
    let id = try await cloud.make(format)
    let staged = try await cloud.send(
      "PUT", "/v2/images/\(id)/stage", headers: ["Content-Type": "application/octet-stream"],
      body: BodyStream(bytes: data))
    #expect(staged.status == 204)
    let asked = try await cloud.send(
      "POST", "/v2/images/\(id)/import", ["method": ["name": "glance-direct"]],
      headers: ["Content-Type": "application/json"])
    #expect(asked.status == 202)
    return id
  }

  /// Runs a scenario with a crash at every point; `check` sees the world when all is settled.
  private static func run(
    _ format: String, _ check: @escaping (ImageHarness, String, String) async throws -> Void
  ) async throws -> Int {
    try await CrashPlan.everyPoint { plan in
      let database = try await TestKit.database(JobStore.migrations + ImageService.migrations)
      let engine = WorkflowEngine(database: database, node: "n", log: TestKit.log, crash: plan.hook)
      let first = try await ImageHarness(database: database, engine: engine)
      let id = try await stage(format, first)
      try await engine.drain()
      guard plan.hasCrashed else { return try await check(first, id, plan.place) }
      let next = WorkflowEngine(database: database, node: "n", log: TestKit.log)
      let second = try await ImageHarness(directory: first.directory, database: database, engine: next)
      try await next.takeOver()
      try await next.drain()
      try await check(second, id, plan.place)
    }
  }

  @Test func anImportThatIsCrashedAnywhereSucceeds() async throws {
    let points = try await Self.run("raw") { cloud, id, place in
      let image = try await cloud.send("GET", "/v2/images/\(id)").json
      #expect(image["status"] == "active", "\(place)")
      #expect(image["size"]?.int == Self.data.count, "\(place)")
      #expect(try await cloud.send("GET", "/v2/images/\(id)/file").bytes == Self.data, "\(place)")
      #expect(cloud.files().count == 1, "\(place): \(cloud.files())")
      let tasks = try await cloud.send("GET", "/v2/images/\(id)/tasks").json["tasks"]
      #expect(tasks?[0]?["status"] == "success", "\(place)")
      #expect(try await cloud.send("DELETE", "/v2/images/\(id)").status == 204)
      #expect(cloud.files().isEmpty, "\(place)")
    }
    #expect(points >= 6)
  }

  @Test func aRefusedImportIsTakenBackWhereverItCrashes() async throws {
    let points = try await Self.run("qcow2") { cloud, id, place in
      #expect(try await cloud.status(id) == "queued", "\(place)")
      #expect(cloud.files().isEmpty, "\(place): \(cloud.files())")
      let tasks = try await cloud.send("GET", "/v2/images/\(id)/tasks").json["tasks"]
      #expect(tasks?[0]?["status"] == "failure", "\(place)")
      #expect(tasks?[0]?["message"]?.string?.contains("does not match") == true, "\(place)")
    }
    #expect(points >= 4)
  }

  @Test func anImageDeletedDuringItsImportLeavesNothing() async throws {
    let database = try await TestKit.database(JobStore.migrations + ImageService.migrations)
    let engine = WorkflowEngine(database: database, node: "n", log: TestKit.log)
    let cloud = try await ImageHarness(database: database, engine: engine)
    let id = try await Self.stage("raw", cloud)
    #expect(try await cloud.send("DELETE", "/v2/images/\(id)").status == 204)
    try await engine.drain()
    #expect(try await cloud.send("GET", "/v2/images/\(id)").status == 404)
    #expect(cloud.files().isEmpty)
  }

  @Test func aReservedImageCanBeDiscardedUntilItHasData() async throws {
    let cloud = try await ImageHarness()
    let (service, queued, active) = (cloud.service, try await cloud.make(), try await cloud.makeActive([1]))
    try await cloud.database.write { tx in for id in [queued, active, "none"] { try service.discard(id, tx: tx) } }
    #expect(try await cloud.status(queued) == "gone")
    #expect(try await cloud.status(active) == "active")
  }
}
