import API
import Contracts
import Kit
import Store
import Workflow

/// Events that other services tell Compute (API reference, Create External Events). Networks and power need none here:
/// their state is read where it is, so such an event is accepted and changes nothing.
enum ExternalEventRoutes {
  static func routes(_ service: ComputeDependencies) -> [Route] {
    [
      Route(
        "POST", "/v2.1/os-server-external-events",
        Policy("os_compute_api:os-server-external-events:create", .service), body: .json
      ) { call in try await create(call, service) }
    ]
  }

  private static func schema(_ version: Microversion) -> Schema {
    var names = ["network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"]
    for (minor, name) in [
      (51, "volume-extended"), (76, "power-update"), (82, "accelerator-request-bound"), (93, "volume-reimaged"),
    ] where version >= Microversion(2, minor) { names.append(name) }
    let event = Schema.object([
      Schema.required("name", .oneOf(names)), Schema.required("server_uuid", .uuid),
      Schema.may("status", .oneOf(["failed", "completed", "in-progress"])), Schema.may("tag", .string(0...255)),
    ])
    return .object([Schema.required("events", .array(event, count: 1...10_000))])
  }
  private static let tagged: Set<String> = ["volume-extended", "power-update", "accelerator-request-bound"]

  private static func create(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try schema(call.microversion).check(call.body)
    let events = call.body["events"]?.array ?? []
    let codes = try await service.database.write { tx in
      let ids = Set(events.compactMap { $0["server_uuid"]?.string.flatMap { UUIDText.canonical($0) } })
      let servers = try ServerStore.living(ids, tx: tx)
      return try events.map { event in
        let server = servers[event["server_uuid"]?.string.flatMap { UUIDText.canonical($0) } ?? ""]
        return try accept(event, server, call, service, tx: tx)
      }
    }
    let answers = zip(events, codes).map { event, code in
      var answer = event.object ?? [:]
      answer["status"] = code == 200 ? "completed" : "failed"
      answer["code"] = .int(code)
      return JSONValue.object(answer)
    }
    return .json(["events": .array(answers)], status: codes.allSatisfy { $0 == 200 } ? 200 : 207)
  }

  /// The code of one event's answer.
  private static func accept(
    _ event: JSONValue, _ server: Server?, _ call: Call, _ service: ComputeDependencies, tx: any Transaction
  ) throws -> Int {
    guard let server else { return 404 }
    let (name, tag) = (event["name"]?.string ?? "", event["tag"]?.string)
    if tagged.contains(name), tag == nil { return 400 }
    guard server.host != nil else { return 422 }
    let volume = tag.flatMap { UUIDText.canonical($0) }
    guard name == "volume-extended", let volume, server.volumes.contains(where: { $0.volumeID == volume }) else {
      return 200
    }
    let auth = try call.auth
    try service.engine.enqueue(
      NewJob(
        kind: ServerJob.extendVolume.rawValue, subject: server.subject, input: ["volume": .string(volume)],
        requestID: call.requestID, userID: auth.user.id, projectID: server.projectID), tx: tx)
    return 200
  }
}
