import Contracts
import Foundation
import Kit
import Store
import Synchronization

/// Guests that are only remembered.
final class FakeGuests: Hypervisor {
  struct Guest: Equatable {
    var spec: GuestSpec
    var power = PowerState.shutdown
  }
  struct State {
    var guests: [String: Guest] = [:]
    /// Faults by verb, such as `create`.
    var failures: [String: Fault] = [:]
    /// Verbs that were called, in order.
    var calls: [String] = []
  }
  let state = Mutex(State())
  private let stream: AsyncStream<GuestStatus>
  private let continuation: AsyncStream<GuestStatus>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream(of: GuestStatus.self) }

  var guests: [String: Guest] { state.withLock { $0.guests } }
  var calls: [String] { state.withLock { $0.calls } }
  func fail(_ verb: String, with fault: Fault?) { state.withLock { $0.failures[verb] = fault } }

  /// The guest changes by itself; nil: it vanishes.
  func simulate(_ power: PowerState?, of id: String) {
    state.withLock { state in
      if let power { state.guests[id]?.power = power } else { state.guests[id] = nil }
    }
    if let power { continuation.yield(GuestStatus(id: id, power: power)) }
  }

  func change(_ verb: String, _ id: String, _ body: (inout Guest) throws -> Void) throws {
    try state.withLock { state in
      state.calls.append(verb)
      if let fault = state.failures[verb] { throw fault }
      guard var guest = state.guests[id] else { throw Fault.notFound("no guest \(id)") }
      try body(&guest)
      state.guests[id] = guest
    }
  }

  func start() async throws {}
  func resources() async throws -> NodeResources {
    NodeResources(
      hostname: "node1", hypervisorType: "fake", hypervisorVersion: 1, vcpus: 16, memoryMB: 16384, diskGB: 100,
      cpuArchitecture: "x86_64", cpuModel: "fake", accelerator: "none", acceleratorReason: "fake",
      hostAddress: "127.0.0.1")
  }
  func list() async throws -> [GuestStatus] {
    guests.map { GuestStatus(id: $0.key, power: $0.value.power) }
  }
  func status(of id: String) async throws -> GuestStatus? {
    guests[id].map { GuestStatus(id: id, power: $0.power) }
  }
  func create(_ spec: GuestSpec) async throws {
    try state.withLock { state in
      state.calls.append("create")
      if let fault = state.failures["create"] { throw fault }
      if state.guests[spec.id] == nil { state.guests[spec.id] = Guest(spec: spec) }
    }
  }
  func delete(_ id: String) async throws {
    try state.withLock { state in
      state.calls.append("delete")
      if let fault = state.failures["delete"] { throw fault }
      state.guests[id] = nil
    }
  }
  func powerOn(_ id: String) async throws { try change("powerOn", id) { $0.power = .running } }
  func powerOff(_ id: String, grace: Duration) async throws { try change("powerOff", id) { $0.power = .shutdown } }
  func reboot(_ id: String, grace: Duration) async throws { try change("reboot", id) { $0.power = .running } }
  func pause(_ id: String) async throws { try change("pause", id) { $0.power = .paused } }
  func unpause(_ id: String) async throws { try change("unpause", id) { $0.power = .running } }
  func suspend(_ id: String) async throws { try change("suspend", id) { $0.power = .suspended } }
  func resume(_ id: String) async throws { try change("resume", id) { $0.power = .running } }
  func attach(_ interface: GuestInterface, to id: String) async throws {
    try change("attach", id) { guest in
      guest.spec.interfaces.removeAll { $0.portID == interface.portID }
      guest.spec.interfaces.append(interface)
    }
  }
  func detach(portID: String, from id: String, deadline: Duration) async throws {
    try change("detach", id) { $0.spec.interfaces.removeAll { $0.portID == portID } }
  }
  /// Its failure is that of growing: back to one CPU always works.
  func reconfigure(_ spec: GuestSpec) async throws {
    try change(spec.vcpus > 1 ? "reconfigure" : "restore", spec.id) { guest in
      guard guest.power == .shutdown else { throw Fault.conflict("the guest runs") }
      (guest.spec.vcpus, guest.spec.memoryMB, guest.spec.volumes) = (spec.vcpus, spec.memoryMB, spec.volumes)
    }
  }
  func snapshotRoot(of id: String, to path: String) async throws { try change("snapshot", id) { _ in } }
  func displaySocket(of id: String) async throws -> String? {
    guests[id]?.power == .running ? "/run/\(id).sock" : nil
  }
  func consoleLog(of id: String, lines: Int?) async throws -> String {
    let all = ["booting", "\u{1B}ready\u{0}", "login:"]
    return all.suffix(lines ?? all.count).map { $0 + "\n" }.joined()
  }
  func changes() -> AsyncStream<GuestStatus> { stream }
}

/// Images in memory: `image1` of 1 GB for everybody, `other` of the other project, `queued` without data.
final class FakeImages: ImageSource {
  static let image1 = "11111111-1111-4111-8111-111111111111"
  static let image2 = "22222222-2222-4222-8222-222222222222"
  static let otherImage = "33333333-3333-4333-8333-333333333333"
  static let queuedImage = "44444444-4444-4444-8444-444444444444"
  static let largeImage = "55555555-5555-4555-8555-555555555555"
  private let images: Mutex<[String: ImageSummary]>
  private let failing = Mutex<Fault?>(nil)

  init(owner: String, other: String) {
    func image(_ id: String, _ name: String, owner: String, visibility: String, status: String = "active", gb: Int = 1)
      -> ImageSummary
    {
      ImageSummary(
        id: id, name: name, status: status, diskFormat: "qcow2", containerFormat: "bare", sizeBytes: 1 << 20,
        virtualSizeBytes: gb << 30, minDiskGB: 0, minRAMMB: 0, owner: owner, visibility: visibility,
        properties: ["hw_disk_bus": "virtio", "os_distro": "debian", "color": "red"])
    }
    images = Mutex([
      Self.image1: image(Self.image1, "one", owner: owner, visibility: "public"),
      Self.image2: image(Self.image2, "two", owner: owner, visibility: "public"),
      Self.otherImage: image(Self.otherImage, "other", owner: other, visibility: "private"),
      Self.queuedImage: image(Self.queuedImage, "queued", owner: owner, visibility: "private", status: "queued"),
      Self.largeImage: image(Self.largeImage, "large", owner: owner, visibility: "public", gb: 200),
    ])
  }
  func fail(_ fault: Fault?) { failing.withLock { $0 = fault } }
  var all: [String: ImageSummary] { images.withLock { $0 } }

  func image(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> ImageSummary? {
    all[id].flatMap { $0.visibility == "public" || $0.owner == auth.projectID || auth.isAdmin ? $0 : nil }
  }
  func image(_ id: String, tx: any Transaction) throws -> ImageSummary? { all[id] }
  func file(of id: String) async throws -> String {
    if let fault = failing.withLock({ $0 }) { throw fault }
    return "/images/\(id)"
  }
  func importFile(_ path: String, into id: String) async throws {
    if let fault = failing.withLock({ $0 }) { throw fault }
    images.withLock { $0[id]?.status = "active" }
    try? FileManager.default.removeItem(atPath: path)
  }
  func reserve(_ summary: ImageSummary, tx: any Transaction) throws { images.withLock { $0[summary.id] = summary } }
  func discard(_ id: String, tx: any Transaction) throws {
    images.withLock { if $0[id]?.status == "queued" { $0[id] = nil } }
  }
}

/// Ports in a table of their own, so that they commit and roll back with their callers. Networks `net1` (automatic choice)
/// and `net2`; a free port `port1` of `net1`.
final class FakePorts: PortBinding {
  static let net1 = "aaaaaaaa-0000-4000-8000-000000000001"
  static let net2 = "aaaaaaaa-0000-4000-8000-000000000002"
  static let port1 = "bbbbbbbb-0000-4000-8000-000000000001"
  private let failing = Mutex<Fault?>(nil)
  func fail(_ fault: Fault?) { failing.withLock { $0 = fault } }

  static let migration = Migration(
    "test-ports",
    [
      """
      CREATE TABLE fake_port (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id VARCHAR(36) NOT NULL UNIQUE, server_id VARCHAR(36) NOT NULL,
        network_id VARCHAR(36) NOT NULL, address VARCHAR(64) NOT NULL, is_owned INT NOT NULL, tag VARCHAR(60),
        groups_text TEXT NOT NULL)
      """,
      """
      INSERT INTO fake_port (id, server_id, network_id, address, is_owned, groups_text)
      VALUES ('bbbbbbbb-0000-4000-8000-000000000001', '', 'aaaaaaaa-0000-4000-8000-000000000001', '10.0.0.200', 0, 'default')
      """,
    ])

  func plan(
    _ requests: [NetworkRequest]?, securityGroups: [String], servers: Int, auth: AuthContext, tx: any Transaction
  ) throws -> [NetworkRequest] {
    for group in securityGroups where group != "default" && group != "web" {
      throw Fault.badRequest("Security group \(group) not found for project \(auth.projectID).")
    }
    return try (requests ?? [NetworkRequest(networkID: Self.net1)]).map { request in
      if let port = request.portID {
        guard let row = try tx.first("SELECT * FROM fake_port WHERE id = \(port)") else {
          throw Fault.badRequest("Port id \(port) could not be found.")
        }
        guard row.text("server_id").isEmpty else { throw Fault.conflict("Port \(port) is still in use.") }
        return request
      }
      if request.networkID == "auto" { return NetworkRequest(networkID: Self.net1) }
      guard request.networkID == Self.net1 || request.networkID == Self.net2 else {
        throw Fault.badRequest("Network \(request.networkID ?? "") could not be found.")
      }
      return request
    }
  }

  func bind(
    _ requests: [NetworkRequest], serverID: String, name: String, securityGroups: [String], projectID: String,
    host: String, zone: String, tx: any Transaction
  ) throws -> [ServerPort] {
    let present = try ports(ofServers: [serverID], tx: tx)[serverID] ?? []
    if !present.isEmpty { return present }
    for request in requests {
      _ = try add(request, serverID, groups: securityGroups, tx: tx)
    }
    return try ports(ofServers: [serverID], tx: tx)[serverID] ?? []
  }

  private func add(_ request: NetworkRequest, _ serverID: String, groups: [String], tx: any Transaction) throws
    -> String
  {
    if let port = request.portID {
      try tx.execute("UPDATE fake_port SET server_id = \(serverID), tag = \(request.tag) WHERE id = \(port)")
      return port
    }
    let id = UUIDText.make()
    let number = try tx.count("SELECT COALESCE(MAX(number), 0) + 1 FROM fake_port")
    try tx.execute(
      .insert(
        into: "fake_port",
        [
          "id": id, "server_id": serverID, "network_id": request.networkID ?? Self.net1,
          "address": request.fixedIP ?? "10.0.\(number / 200).\(number % 200 + 1)", "is_owned": 1, "tag": request.tag,
          "groups_text": groups.joined(separator: ","),
        ]))
    return id
  }

  func attach(
    _ request: NetworkRequest, serverID: String, name: String, projectID: String, host: String, zone: String,
    tx: any Transaction
  ) throws -> ServerPort {
    let id = try add(request, serverID, groups: ["default"], tx: tx)
    guard let port = try ports(ofServers: [serverID], tx: tx)[serverID]?.first(where: { $0.id == id }) else {
      throw Fault.internal("the port is missing")
    }
    return port
  }
  func detach(portID: String, serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM fake_port WHERE id = \(portID) AND server_id = \(serverID) AND is_owned = 1")
    try tx.execute("UPDATE fake_port SET server_id = '' WHERE id = \(portID) AND server_id = \(serverID)")
  }
  func release(serverID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM fake_port WHERE server_id = \(serverID) AND is_owned = 1")
    try tx.execute("UPDATE fake_port SET server_id = '' WHERE server_id = \(serverID)")
  }
  func addFixedIP(networkID: String, serverID: String, tx: any Transaction) throws {
    throw Fault.badRequest("Network \(networkID) has no free address.")
  }
  func removeFixedIP(_ address: String, serverID: String, tx: any Transaction) throws {
    throw Fault.badRequest("Fixed IP \(address) is not of instance \(serverID).")
  }
  func addSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws {
    guard group == "web" || group == "default" else { throw Fault.notFound("Security group \(group) not found.") }
    try tx.execute(
      "UPDATE fake_port SET groups_text = groups_text || \("," + group) WHERE server_id = \(serverID)")
  }
  func removeSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws {
    for row in try tx.query("SELECT id, groups_text FROM fake_port WHERE server_id = \(serverID)") {
      let rest = row.text("groups_text").split(separator: ",").filter { $0 != group }.joined(separator: ",")
      try tx.execute("UPDATE fake_port SET groups_text = \(rest) WHERE id = \(row.text("id"))")
    }
  }

  func ports(ofServers ids: [String], tx: any Transaction) throws -> [String: [ServerPort]] {
    let rows = try tx.query("SELECT * FROM fake_port WHERE server_id IN \(list: ids) ORDER BY number")
    return Dictionary(grouping: rows.map(port)) { $0.serverID }
  }

  private func port(_ row: Row) -> ServerPort {
    let (id, number) = (row.text("id"), row.int("number"))
    return ServerPort(
      id: id, serverID: row.text("server_id"), networkID: row.text("network_id"),
      networkName: row.text("network_id") == Self.net1 ? "private" : "second", mtu: 1450,
      mac: "fa:16:3e:00:\(number / 90 + 10):\(number % 90 + 10)", status: "ACTIVE",
      fixedIPs: [
        ServerPort.Fixed(
          address: row.text("address"), version: 4, subnetID: "subnet1",
          floatingIPs: row.text("address") == "10.0.0.200" ? ["203.0.113.7"] : [])
      ], isOwnedByCompute: row.bool("is_owned"), tag: row.optionalText("tag"),
      securityGroupNames: row.text("groups_text").split(separator: ",").map(String.init),
      subnets: [
        SubnetWiring(
          id: "subnet1", cidr: "10.0.0.0/16", gateway: "10.0.255.254", hasDHCP: true, dnsServers: ["10.0.0.2"],
          hostRoutes: [], ipv6Mode: nil)
      ])
  }

  func serverID(address: String, networkID: String?, routerID: String?, tx: any Transaction) throws -> String? {
    try tx.first(
      "SELECT server_id FROM fake_port WHERE address = \(address) AND network_id = \(networkID ?? Self.net1)")?
      .text("server_id")
  }
  func waitWired(serverID: String) async throws {
    if let fault = failing.withLock({ $0 }) { throw fault }
  }
}

/// Claims in a table: one host with 16 CPUs (ratio 4), 16 GB and 100 GB.
final class FakeAllocations: Allocating {
  static let migration = Migration(
    "test-claims",
    [
      """
      CREATE TABLE fake_claim (
        consumer VARCHAR(36) PRIMARY KEY, host VARCHAR(64) NOT NULL, vcpus INT NOT NULL, memory_mb INT NOT NULL,
        disk_gb INT NOT NULL)
      """,
      "CREATE TABLE fake_host (host VARCHAR(64) PRIMARY KEY)",
    ])

  func register(host: String, resources: NodeResources, tx: any Transaction) throws -> String {
    if try tx.first("SELECT host FROM fake_host WHERE host = \(host)") == nil {
      try tx.execute(.insert(into: "fake_host", ["host": host]))
    }
    return host
  }
  func capacities(tx: any Transaction) throws -> [HostCapacity] {
    try tx.query(
      """
      SELECT h.host AS host, COALESCE(SUM(c.vcpus), 0) AS vcpus, COALESCE(SUM(c.memory_mb), 0) AS memory,
        COALESCE(SUM(c.disk_gb), 0) AS disk
      FROM fake_host h LEFT JOIN fake_claim c ON c.host = h.host GROUP BY h.host
      """
    ).map { row in
      HostCapacity(
        host: row.text("host"), providerID: row.text("host"), vcpusTotal: 64, vcpusUsed: row.int("vcpus"),
        memoryMBTotal: 16384, memoryMBUsed: row.int("memory"), diskGBTotal: 100, diskGBUsed: row.int("disk"))
    }
  }
  func claim(
    consumer: String, host: String, _ request: ResourceRequest, projectID: String, userID: String, tx: any Transaction
  ) throws {
    try release(consumer: consumer, tx: tx)
    try tx.execute(
      .insert(
        into: "fake_claim",
        [
          "consumer": consumer, "host": host, "vcpus": request.vcpus, "memory_mb": request.memoryMB,
          "disk_gb": request.diskGB,
        ]))
    if let used = try capacities(tx: tx).first(where: { $0.host == host }), used.memoryMBUsed > used.memoryMBTotal {
      throw Fault.conflict("MEMORY_MB does not fit")
    }
  }
  func release(consumer: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM fake_claim WHERE consumer = \(consumer)")
  }
}

/// One security group `default` per project.
struct FakeSecurityGroups: SecurityGroupProxying {
  private func group(_ projectID: String) -> ProxySecurityGroup {
    ProxySecurityGroup(
      id: "sg-\(projectID)", name: "default", description: "Default security group", projectID: projectID,
      rules: [
        ProxySecurityGroup.Rule(
          id: "r1", parentGroupID: "sg-\(projectID)", protocol: "tcp", fromPort: 22, toPort: 22, cidr: "0.0.0.0/0",
          groupName: nil, groupProjectID: nil)
      ])
  }
  func securityGroups(allProjects: Bool, auth: AuthContext, tx: any Transaction) throws -> [ProxySecurityGroup] {
    [group(auth.projectID)]
  }
  func securityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws -> ProxySecurityGroup {
    group(auth.projectID)
  }
  func createSecurityGroup(name: String, description: String, auth: AuthContext, tx: any Transaction) throws
    -> ProxySecurityGroup
  { group(auth.projectID) }
  func updateSecurityGroup(_ id: String, name: String, description: String, auth: AuthContext, tx: any Transaction)
    throws -> ProxySecurityGroup
  { group(auth.projectID) }
  func deleteSecurityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws {}
  func createRule(_ rule: ProxySecurityGroup.Rule, remoteGroupID: String?, auth: AuthContext, tx: any Transaction)
    throws -> ProxySecurityGroup.Rule
  { rule }
  func deleteRule(_ id: String, auth: AuthContext, tx: any Transaction) throws {}
}
