import API
import Contracts
import Kit
import Store
import TestKit
import Workflow

@testable import Compute

/// A Compute service with the initial flavors, one node that reports, and security groups in a table.
struct CatalogueWorld {
  let database: any Database
  let clock = TestClock()
  let engine: WorkflowEngine
  let service: ComputeService
  let router: APIRouter

  init() async throws {
    database = try await TestKit.database(
      JobStore.migrations + ComputeService.migrations + [FakePorts.migration, CatalogueSecurityGroups.migration])
    engine = WorkflowEngine(database: database, node: "node1", log: TestKit.log, clock: clock)
    service = ComputeService(
      database: database, clock: clock, log: TestKit.log, engine: engine, hypervisor: FakeGuests(),
      images: FakeImages(owner: TestVerifier.mainProject, other: TestVerifier.otherProject), ports: FakePorts(),
      securityGroups: CatalogueSecurityGroups(), allocations: CatalogueAllocations(), projects: TestVerifier(),
      settings: ComputeSettings(host: "node1"))
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
    try await service.start()
  }

  /// Another node, which reports once.
  func report(_ host: String) async throws {
    let (now, resources) = (clock.now(), try await FakeGuests().resources())
    try await database.write { tx in
      try ComputeNodeStore.heartbeat(host: host, zone: "nova", resources: resources, now: now, tx: tx)
    }
  }

  /// Makes a server of the flavor m1.tiny and waits for it; returns its id.
  func makeServer(as token: String = "member") async throws -> String {
    let body: JSONValue = [
      "server": ["name": "vm", "imageRef": .string(FakeImages.image1), "flavorRef": "1", "networks": "auto"]
    ]
    let answer = try await send("POST", "/v2.1/servers", body, as: token, version: "2.52")
    guard let id = answer.body["server"]?["id"]?.string else { throw Fault.internal("no server: \(answer)") }
    try await engine.drain()
    return id
  }

  func send(
    _ method: String, _ target: String, _ body: JSONValue? = nil, as token: String = "admin", version: String = "2.1"
  ) async throws -> (status: Int, body: JSONValue) {
    var headers: Headers = ["Host": "cloud.test", "OpenStack-API-Version": "compute \(version)"]
    if token != "none" { headers["X-Auth-Token"] = token }
    if body != nil { headers["Content-Type"] = "application/json" }
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let reply = await router.respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
        body: BodyStream(bytes: body?.bytes ?? [])))
    guard case .json(let value) = reply.body else { return (reply.status, .null) }
    return (reply.status, value)
  }
}

/// A provider per host that servers were counted for, with claims counted from Compute's own rows.
struct CatalogueAllocations: Allocating {
  static let provider = "77777777-7777-4777-8777-777777777777"
  func register(host: String, resources: NodeResources, tx: any Transaction) throws -> String { Self.provider }
  func capacities(tx: any Transaction) throws -> [HostCapacity] {
    let row = try tx.first(
      "SELECT SUM(vcpus) AS v, SUM(memory_mb) AS m, SUM(disk_gb) AS d FROM server WHERE is_deleted = 0")
    return [
      HostCapacity(
        host: "node1", providerID: Self.provider, vcpusTotal: 64, vcpusUsed: row?.int("v") ?? 0,
        memoryMBTotal: 15872, memoryMBUsed: row?.int("m") ?? 0, diskGBTotal: 100, diskGBUsed: row?.int("d") ?? 0)
    ]
  }
  func claim(
    consumer: String, host: String, _ request: ResourceRequest, projectID: String, userID: String, tx: any Transaction
  ) throws {}
  func release(consumer: String, tx: any Transaction) throws {}
}

/// Security groups in tables of their own, with Network's faults: at most three groups per project.
struct CatalogueSecurityGroups: SecurityGroupProxying {
  static let migration = Migration(
    "test-groups",
    [
      """
      CREATE TABLE fake_group (id VARCHAR(36) PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL, project_id TEXT NOT NULL)
      """,
      """
      CREATE TABLE fake_rule (
        id VARCHAR(36) PRIMARY KEY, group_id TEXT NOT NULL, protocol TEXT, first INT, last INT, cidr TEXT, remote TEXT)
      """,
    ])

  private func group(_ row: Row, tx: any Transaction) throws -> ProxySecurityGroup {
    ProxySecurityGroup(
      id: row.text("id"), name: row.text("name"), description: row.text("text"), projectID: row.text("project_id"),
      rules: try tx.query("SELECT * FROM fake_rule WHERE group_id = \(row.text("id"))").map { rule in
        let remote = try rule.optionalText("remote").flatMap {
          try tx.first("SELECT * FROM fake_group WHERE id = \($0)")
        }
        return ProxySecurityGroup.Rule(
          id: rule.text("id"), parentGroupID: row.text("id"), protocol: rule.optionalText("protocol"),
          fromPort: rule.optionalInt("first"), toPort: rule.optionalInt("last"), cidr: rule.optionalText("cidr"),
          groupName: remote?.text("name"), groupProjectID: remote?.text("project_id"))
      })
  }
  func securityGroups(allProjects: Bool, auth: AuthContext, tx: any Transaction) throws -> [ProxySecurityGroup] {
    let scope: SQL = allProjects ? "1 = 1" : "project_id = \(auth.projectID)"
    return try tx.query("SELECT * FROM fake_group WHERE \(scope)").map { try group($0, tx: tx) }
  }
  func securityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws -> ProxySecurityGroup {
    let row = try tx.first("SELECT * FROM fake_group WHERE id = \(id) AND project_id = \(auth.projectID)")
    guard let row else { throw Fault.notFound("Security group \(id) does not exist") }
    return try group(row, tx: tx)
  }
  func createSecurityGroup(name: String, description: String, auth: AuthContext, tx: any Transaction) throws
    -> ProxySecurityGroup
  {
    if try tx.count("SELECT COUNT(*) FROM fake_group WHERE project_id = \(auth.projectID)") >= 3 {
      throw Fault.conflict("Quota exceeded for resources: ['security_group'].", kind: "OverQuota")
    }
    let id = UUIDText.make()
    try tx.execute(
      .insert(
        into: "fake_group", ["id": id, "name": name, "text": description, "project_id": auth.projectID]))
    return try securityGroup(id, auth: auth, tx: tx)
  }
  func updateSecurityGroup(_ id: String, name: String, description: String, auth: AuthContext, tx: any Transaction)
    throws -> ProxySecurityGroup
  {
    _ = try securityGroup(id, auth: auth, tx: tx)
    try tx.execute("UPDATE fake_group SET name = \(name), text = \(description) WHERE id = \(id)")
    return try securityGroup(id, auth: auth, tx: tx)
  }
  func deleteSecurityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws {
    if try securityGroup(id, auth: auth, tx: tx).name == "default" {
      throw Fault.conflict("Removing default security group not allowed.", kind: "SecurityGroupCannotRemoveDefault")
    }
    try tx.execute("DELETE FROM fake_group WHERE id = \(id)")
  }
  func createRule(_ rule: ProxySecurityGroup.Rule, remoteGroupID: String?, auth: AuthContext, tx: any Transaction)
    throws -> ProxySecurityGroup.Rule
  {
    let id = UUIDText.make()
    try tx.execute(
      .insert(
        into: "fake_rule",
        [
          "id": id, "group_id": rule.parentGroupID, "protocol": rule.protocol, "first": rule.fromPort,
          "last": rule.toPort, "cidr": rule.cidr, "remote": remoteGroupID,
        ]))
    let parent = try securityGroup(rule.parentGroupID, auth: auth, tx: tx)
    return parent.rules.first { $0.id == id } ?? rule
  }
  func deleteRule(_ id: String, auth: AuthContext, tx: any Transaction) throws {
    guard try tx.execute("DELETE FROM fake_rule WHERE id = \(id)") > 0 else {
      throw Fault.notFound("Security group rule \(id) does not exist")
    }
  }
}
