import API
import Contracts
import Kit
import Store
import TestKit
import Workflow

@testable import Compute

/// A Compute service on fakes, with a database of its own.
final class ServerWorld: Sendable {
  let database: any Database
  let clock = TestClock()
  let engine: WorkflowEngine
  let guests: FakeGuests
  let images: FakeImages
  let ports: FakePorts
  let volumes = FakeVolumes()
  let allocations = FakeAllocations()
  let service: ComputeService
  let router: APIRouter

  static let main = TestVerifier.mainProject

  init(crash: (@Sendable (CrashPoint, Job, String) throws -> Void)? = nil) async throws {
    database = try await TestKit.database(
      JobStore.migrations + ComputeService.migrations + [
        FakePorts.migration, FakeAllocations.migration,
        FakeVolumes.migration(owner: TestVerifier.mainProject, other: TestVerifier.otherProject),
      ])
    (guests, ports) = (FakeGuests(), FakePorts())
    images = FakeImages(owner: TestVerifier.mainProject, other: TestVerifier.otherProject)
    engine = WorkflowEngine(database: database, node: "node1", log: TestKit.log, clock: clock, crash: crash)
    service = Self.service(database, clock, engine, guests, images, ports, allocations, volumes)
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
    let now = clock.now()
    try await database.write { tx in
      try tx.execute("DELETE FROM flavor")
      for flavor in [
        Flavor(id: "1", name: "m1.tiny", vcpus: 1, memoryMB: 512, diskGB: 1),
        Flavor(
          id: "2", name: "m1.small", vcpus: 2, memoryMB: 2048, diskGB: 10, ephemeralGB: 1, swapMB: 512,
          extraSpecs: ["a": "b"]),
        Flavor(id: "3", name: "m1.huge", vcpus: 4, memoryMB: 32768, diskGB: 20, ephemeralGB: 1),
        Flavor(id: "4", name: "m1.zero", vcpus: 1, memoryMB: 512, diskGB: 0),
      ] { try FlavorStore.insert(flavor, now: now, tx: tx) }
      try KeypairStore.insert(
        Keypair(
          name: "key", userID: TestVerifier.context("member")?.user.id ?? "", type: "ssh", publicKey: "ssh-rsa AAAA me",
          fingerprint: "00", createdAt: now), tx: tx)
    }
    try await service.start()
  }

  static func service(
    _ database: any Database, _ clock: TestClock, _ engine: WorkflowEngine, _ guests: FakeGuests,
    _ images: FakeImages, _ ports: FakePorts, _ allocations: FakeAllocations, _ volumes: FakeVolumes
  ) -> ComputeService {
    ComputeService(
      database: database, clock: clock, log: TestKit.log, engine: engine, hypervisor: guests, images: images,
      ports: ports, securityGroups: FakeSecurityGroups(), allocations: allocations, projects: TestVerifier(),
      volumes: volumes, settings: ComputeSettings(host: "node1"))
  }

  /// A process that starts on the same database after this one was killed.
  func restarted() async throws {
    let engine = WorkflowEngine(database: database, node: "node1", log: TestKit.log, clock: clock)
    let service = Self.service(database, clock, engine, guests, images, ports, allocations, volumes)
    try await engine.takeOver()
    try await service.start()
    try await drain(engine)
  }

  /// Runs all jobs; time passes for those that wait for another try.
  func drain(_ engine: WorkflowEngine? = nil) async throws {
    let engine = engine ?? self.engine
    for _ in 0..<40 {
      guard let next = try await nextRun() else { return }
      if next > clock.now() { clock.advance(next - clock.now()) }
      // A job that waits for another try waits for this clock.
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await engine.drain() }
        group.addTask { [self] in
          while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(20))
            if let next = try await nextRun(), next > clock.now() { clock.advance(next - clock.now()) }
          }
        }
        try await group.next()
        group.cancelAll()
      }
    }
  }
  private func nextRun() async throws -> Timestamp? {
    try await database.read { tx in
      try tx.first("SELECT MIN(run_at) AS t FROM job WHERE is_live = 1 AND lease_until IS NULL")?
        .optionalTimestamp("t")
    }
  }

  struct Answer {
    var status: Int
    var json: JSONValue
    var headers: Headers
    subscript(key: String) -> JSONValue { json[key] ?? .null }
    /// The message of an error.
    var message: String { json.object?.first { _ in true }?.value["message"]?.string ?? "" }
  }

  func send(
    _ method: String, _ path: String, _ body: JSONValue? = nil, as token: String = "member", version: String = "2.1",
    raw: String? = nil
  ) async throws -> Answer {
    let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
    var headers: Headers = ["Host": "cloud.test", "OpenStack-API-Version": "compute \(version)"]
    if token != "none" { headers["X-Auth-Token"] = token }
    if body != nil || raw != nil { headers["Content-Type"] = "application/json" }
    let reply = await router.respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
        body: BodyStream(bytes: raw.map { Array($0.utf8) } ?? body?.bytes ?? []), remoteAddress: "127.0.0.1"))
    var json = JSONValue.null
    if case .json(let value) = reply.body { json = value }
    return Answer(status: reply.status, json: json, headers: reply.headers)
  }

  /// A body for `POST /servers`.
  static func order(_ more: JSONObject = [:], name: String = "vm") -> JSONValue {
    var server: JSONObject = [
      "name": .string(name), "imageRef": .string(FakeImages.image1), "flavorRef": "1", "networks": "auto",
    ]
    server.merge(more)
    return ["server": .object(server)]
  }

  /// Makes a server and waits until its job is done; returns its id.
  func make(_ more: JSONObject = [:], name: String = "vm", as token: String = "member") async throws -> String {
    let answer = try await send("POST", "/v2.1/servers", Self.order(more, name: name), as: token, version: "2.52")
    guard let id = answer["server"]["id"]?.string else { throw Fault.internal("no server: \(answer.json.text)") }
    try await drain()
    return id
  }

  func show(_ id: String, as token: String = "admin", version: String = "2.104") async throws -> JSONValue {
    try await send("GET", "/v2.1/servers/\(id)", as: token, version: version)["server"]
  }
  func act(
    _ id: String, _ action: String, _ value: JSONValue = .null, as token: String = "member", version: String = "2.1",
    drains: Bool = true
  ) async throws -> Answer {
    let answer = try await send(
      "POST", "/v2.1/servers/\(id)/action", .object([action: value]), as: token, version: version)
    if drains { try await drain() }
    return answer
  }

  /// What is left behind: nothing may be, when every server is deleted.
  func leftovers() async throws -> [String] {
    let rows = try await database.read { tx in
      try tx.query("SELECT 'port ' || id AS what FROM fake_port WHERE is_owned = 1 OR server_id <> ''").map {
        $0.text("what")
      } + tx.query("SELECT 'claim ' || consumer AS what FROM fake_claim").map { $0.text("what") }
        + tx.query("SELECT 'job ' || kind AS what FROM job WHERE is_live = 1").map { $0.text("what") }
        + tx.query("SELECT 'attachment ' || volume_id AS what FROM fake_attachment").map { $0.text("what") }
        + tx.query("SELECT 'device ' || id AS what FROM block_device").map { $0.text("what") }
        + tx.query("SELECT 'member ' || server_id AS what FROM server_group_member").map { $0.text("what") }
    }
    return rows + guests.guests.keys.map { "guest \($0)" }
  }
}
