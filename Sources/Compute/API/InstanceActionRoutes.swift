import API
import Kit
import Store
import Workflow

/// What was done to a server, from the timelines of its jobs (API reference, Servers actions).
enum InstanceActionRoutes {
  private static let path = "/v2.1/servers/{server_id}/os-instance-actions"
  private static func policy(_ name: String) -> Policy {
    Policy("os_compute_api:os-instance-actions:\(name)", .projectReader)
  }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    [
      Route("GET", path, policy("list")) { call in try await list(call, service) },
      Route("GET", path + "/{request_id}", policy("show")) { call in try await show(call, service) },
    ]
  }

  /// The server with its jobs, newest first. Deleted servers are seen since 2.21.
  private static func history(
    _ call: Call, _ service: ComputeDependencies, tx: any Transaction
  ) throws -> (Server, [Job]) {
    let server = try ServerStore.find(
      call.parameter("server_id"), auth: call.auth, withDeleted: call.since(2, 21), tx: tx)
    return (server, try JobStore.history(subject: server.subject, tx: tx).filter { ServerJob($0) != nil })
  }

  private static func list(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    var (server, jobs) = try await service.database.read { try history(call, service, tx: $0) }
    var body = JSONObject()
    var next: String?
    if call.since(2, 58) { next = try page(call, &jobs) }
    body.append("instanceActions", .array(jobs.map { .object(view($0, server, call)) }))
    if let next { body.append("links", [["rel": "next", "href": .string(PageLinks.href(call, marker: next))]]) }
    return .json(.object(body))
  }

  /// Cuts the page out that the query asks for; returns the marker of the next one. Throws 400 faults for a bad query.
  private static func page(_ call: Call, _ jobs: inout [Job]) throws -> String? {
    var known: Set<String> = ["limit", "marker", "changes-since"]
    if call.since(2, 66) { known.insert("changes-before") }
    if let item = call.query.items.first(where: { !known.contains($0.name) }) {
      throw Fault.badRequest(
        "Invalid input for query parameters. Additional properties are not allowed ('\(item.name.prefix(80))' was "
          + "unexpected)")
    }
    func time(_ name: String) throws -> Timestamp? {
      guard let text = call.query[name] else { return nil }
      guard let time = Timestamp(text) else {
        throw Fault.badRequest("Invalid input for query parameters \(name). Value: \(text.prefix(40)). It is no time.")
      }
      return time
    }
    let (since, before) = (try time("changes-since"), try time("changes-before"))
    if let since, let before, before < since {
      throw Fault.badRequest("The value of changes-since must be less than or equal to changes-before.")
    }
    if let since { jobs = jobs.filter { $0.updatedAt >= since } }
    if let before { jobs = jobs.filter { $0.updatedAt <= before } }
    if let marker = call.query["marker"] {
      guard let at = jobs.firstIndex(where: { $0.requestID == marker }) else {
        throw Fault.badRequest("Marker \(marker.prefix(80)) could not be found.")
      }
      jobs = Array(jobs[(at + 1)...])
    }
    var limit = Limits.pageMax
    if let text = call.query["limit"] {
      guard let number = Int(text), number >= 0 else {
        throw Fault.badRequest("Invalid input for query parameters limit. Value: \(text.prefix(40)).")
      }
      limit = min(number, limit)
    }
    guard jobs.count > limit else { return nil }
    jobs = Array(jobs.prefix(limit))
    return jobs.last?.requestID
  }

  private static func show(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let id = call.parameter("request_id")
    let (server, job, events) = try await service.database.read { tx in
      let (server, jobs) = try history(call, service, tx: tx)
      guard let job = jobs.first(where: { $0.requestID == id }) else {
        throw Fault.notFound("Action \(id.prefix(80)) not found")
      }
      return (server, job, try JobStore.events(jobs: [job.id], tx: tx))
    }
    var action = view(job, server, call)
    if call.identity?.isAdmin == true || call.since(2, 51) {
      action.append("events", .array(events.map { view($0, job, server, call) }))
    }
    return .json(["instanceAction": .object(action)])
  }

  private static func view(_ job: Job, _ server: Server, _ call: Call) -> JSONObject {
    var view: JSONObject = [
      "action": .string(ServerJob(job)?.action ?? job.kind), "instance_uuid": .string(server.id),
      "request_id": .string(job.requestID), "user_id": .string(job.userID), "project_id": .string(job.projectID),
      "start_time": .string(job.createdAt.iso8601Micros), "message": job.state == .failed ? "Error" : .null,
    ]
    if call.since(2, 58) { view.append("updated_at", .string(job.updatedAt.iso8601Micros)) }
    return view
  }

  private static func view(_ event: JobEvent, _ job: Job, _ server: Server, _ call: Call) -> JSONValue {
    let isAdmin = call.identity?.isAdmin == true
    var view: JSONObject = [
      "event": .string(ServerJob(job)?.event(event.name) ?? event.name),
      "start_time": .string(event.startedAt.iso8601Micros), "finish_time": .string(event.finishedAt.iso8601Micros),
      "result": .string(event.result),
    ]
    // There is no stack trace to show: the reason is in the message.
    let message = event.message.isEmpty ? nil : event.message
    if isAdmin { view.append("traceback", .optional(message)) }
    if call.since(2, 62) {
      if isAdmin { view.append("host", .optional(server.host)) }
      view.append("hostId", .string(ServerView.hostID(server)))
    }
    if call.since(2, 84) { view.append("details", .optional(message)) }
    return .object(view)
  }
}
