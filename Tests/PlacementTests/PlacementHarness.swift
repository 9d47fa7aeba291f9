import API
import Contracts
import Kit
import Store
import TestKit

@testable import Placement

/// A Placement service on a database of its own.
struct PlacementHarness {
  let database: any Database
  let service: PlacementService
  let router: APIRouter

  init(ratios: AllocationRatios = AllocationRatios()) async throws {
    database = try await TestKit.database(PlacementService.migrations)
    service = PlacementService(database: database, clock: TestClock(), log: TestKit.log, ratios: ratios)
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
  }

  static func node(_ name: String, vcpus: Int = 2, memoryMB: Int = 4096, diskGB: Int = 40) -> NodeResources {
    NodeResources(
      hostname: name, hypervisorType: "fake", hypervisorVersion: 1, vcpus: vcpus, memoryMB: memoryMB, diskGB: diskGB,
      cpuArchitecture: "x86_64", cpuModel: "qemu64", accelerator: "tcg", acceleratorReason: "", hostAddress: "127.0.0.1"
    )
  }

  /// Sends a request as the administrator.
  func send(
    _ method: String, _ target: String, _ body: JSONValue? = nil, version: String = "1.39", as token: String = "admin"
  ) async throws -> (status: Int, body: JSONValue) {
    var headers: Headers = ["OpenStack-API-Version": "placement \(version)", "X-Auth-Token": token]
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
