import API
import Contracts
import Kit
import Store
import Synchronization
import TestKit

@testable import Network

/// A data plane that only remembers what it was asked for.
final class RecordingDataplane: Dataplane {
  private let states = Mutex<[NetworkState]>([])
  private let failures = Mutex<[String: String]>([:])
  var applied: [NetworkState] { states.withLock { $0 } }
  var last: NetworkState { applied.last ?? NetworkState() }
  func fail(_ id: String, _ reason: String) { failures.withLock { $0[id] = reason } }

  func start() async throws {}
  func apply(_ state: NetworkState) async throws -> NetworkApplyReport {
    states.withLock { $0.append(state) }
    return NetworkApplyReport(failures: failures.withLock { $0 })
  }
  func wiredPorts() async throws -> Set<String> { Set(last.ports.map(\.id)) }
  func removeAll() async throws {}
}

/// A Network service on a database of its own, with an external network `public`.
struct NetworkHarness {
  let database: any Database
  let service: NetworkService
  let router: APIRouter
  let dataplane = RecordingDataplane()
  let clock = TestClock()

  static let missing = "99999999-2222-4333-8444-555555555555"

  init() async throws {
    database = try await TestKit.database(NetworkService.migrations)
    service = NetworkService(
      database: database, clock: clock, log: TestKit.log, dataplane: dataplane, projects: TestVerifier(),
      settings: NetworkSettings(host: "node1"))
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
    try await service.bootstrapExternal(name: "public", cidr: "172.24.4.0/24", gateway: "172.24.4.1")
  }

  func send(_ method: String, _ target: String, _ body: JSONValue? = nil, as token: String = "member") async throws -> (
    status: Int, body: JSONValue
  ) {
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let reply = await router.respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""),
        headers: ["X-Auth-Token": token], body: BodyStream(bytes: body?.bytes ?? [])))
    guard case .json(let value) = reply.body else { return (reply.status, .null) }
    return (reply.status, value)
  }

  /// Sends what must succeed; the resource inside the answer's envelope.
  func make(_ path: String, _ name: String, _ values: JSONObject, as token: String = "member") async throws -> JSONValue
  {
    let answer = try await send("POST", "/v2.0/" + path, .object([name: .object(values)]), as: token)
    guard answer.status == 201, let made = answer.body[name] else { throw Fault.internal("POST \(path): \(answer)") }
    return made
  }

  /// A network with a subnet; their ids.
  func network(_ cidr: String = "10.0.0.0/24", as token: String = "member", _ more: JSONObject = [:]) async throws -> (
    network: String, subnet: String
  ) {
    let network = try await make("networks", "network", ["name": "net"], as: token)["id"]?.string ?? ""
    var values: JSONObject = [
      "network_id": .string(network), "cidr": .string(cidr), "ip_version": cidr.contains(":") ? 6 : 4,
    ]
    values.merge(more)
    return (network, try await make("subnets", "subnet", values, as: token)["id"]?.string ?? "")
  }

  func port(_ network: String, as token: String = "member", _ more: JSONObject = [:]) async throws -> JSONValue {
    var values: JSONObject = ["network_id": .string(network)]
    values.merge(more)
    return try await make("ports", "port", values, as: token)
  }

  var external: String {
    get async throws {
      try await database.read { tx in
        try tx.first("SELECT id FROM network WHERE is_external = 1")?.text("id") ?? ""
      }
    }
  }

  /// Runs passes of the node while `body` runs: once for a cloud, as for a process.
  func running<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    let loop = Task { try await service.run() }
    defer { loop.cancel() }
    return try await body()
  }
}
