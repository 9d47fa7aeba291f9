import API
import Kit
import Store

/// `/os-simple-tenant-usage` (API reference, Usage reports).
struct UsageRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = UsageRoutes(service: dependencies)
    return [
      Route("GET", "/v2.1/os-simple-tenant-usage", CataloguePolicy.admin("os-simple-tenant-usage:list"), this.list),
      Route(
        "GET", "/v2.1/os-simple-tenant-usage/{project_id}",
        CataloguePolicy.ownReader("os-simple-tenant-usage:show", parameter: "project_id"), this.show),
    ]
  }

  /// The period that is asked for: from 2.40 on with paging over servers.
  private struct Request: Sendable {
    let start: Timestamp
    let stop: Timestamp
    let now: Timestamp
    var limit: Int?
    var marker: String?

    init(_ call: Call, now: Timestamp) throws {
      func time(_ name: String, otherwise: Timestamp) throws -> Timestamp {
        guard let text = call.query[name], !text.isEmpty else { return otherwise }
        guard text.count >= 19, let time = Timestamp(text) else {
          throw Fault.badRequest("Invalid datetime string: Datetime is in invalid format")
        }
        return time
      }
      // Without a period it is the moment that has just begun.
      let start = try time("start", otherwise: now)
      let stop = try time("end", otherwise: now + .microseconds(1))
      guard start < stop else {
        throw Fault.badRequest("Invalid start time. The start time cannot occur after the end time.")
      }
      (self.start, self.stop, self.now) = (start, min(stop, now), now)
      guard call.since(2, 40) else { return }
      limit = min(try CatalogueQuery.number(call, "limit") ?? Limits.pageMax, Limits.pageMax)
      marker = call.query["marker"]
    }
  }

  private func usages(
    _ request: Request, projectID: String?
  ) async throws -> (projects: [ProjectUsage], last: String?, hasNext: Bool) {
    let (servers, hasNext) = try await service.database.read { tx in
      try UsageStore.servers(
        from: request.start, to: request.stop, projectID: projectID, limit: request.limit, marker: request.marker,
        tx: tx)
    }
    return (
      ProjectUsage.sum(servers, start: request.start, stop: request.stop), servers.last?.serverID, hasNext
    )
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["start", "end", "detailed", "limit", "marker"], strictSince: 75)
    let request = try Request(call, now: service.clock.now())
    let (projects, last, hasNext) = try await usages(request, projectID: nil)
    let isDetailed = call.query["detailed"] == "1"
    var body: JSONObject = [
      "tenant_usages": .array(projects.map { .object(Self.view($0, isDetailed: isDetailed, now: request.now)) })
    ]
    if call.since(2, 40), let links = PageLinks.make(call, first: nil, last: last, hasNext: hasNext) {
      body.append("tenant_usages_links", links)
    }
    return .json(.object(body))
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["start", "end", "limit", "marker"], strictSince: 75)
    let request = try Request(call, now: service.clock.now())
    let (projects, last, hasNext) = try await usages(request, projectID: call.parameter("project_id"))
    var body: JSONObject = [
      "tenant_usage": .object(projects.first.map { Self.view($0, isDetailed: true, now: request.now) } ?? [:])
    ]
    if call.since(2, 40), let links = PageLinks.make(call, first: nil, last: last, hasNext: hasNext) {
      body.append("tenant_usage_links", links)
    }
    return .json(.object(body))
  }

  private static func view(_ usage: ProjectUsage, isDetailed: Bool, now: Timestamp) -> JSONObject {
    var view: JSONObject = [
      "tenant_id": .string(usage.projectID), "total_local_gb_usage": .double(usage.diskGBHours),
      "total_vcpus_usage": .double(usage.vcpuHours), "total_memory_mb_usage": .double(usage.memoryMBHours),
      "total_hours": .double(usage.hours), "start": .string(usage.start.iso8601Micros),
      "stop": .string(usage.stop.iso8601Micros),
    ]
    if isDetailed {
      view.append("server_usages", .array(usage.servers.map { server($0, in: usage, now: now) }))
    }
    return view
  }

  private static func server(_ server: ServerUsage, in usage: ProjectUsage, now: Timestamp) -> JSONValue {
    [
      "instance_id": .string(server.serverID), "name": .string(server.name), "tenant_id": .string(server.projectID),
      "flavor": .string(server.flavorName), "vcpus": .int(server.vcpus), "memory_mb": .int(server.memoryMB),
      "local_gb": .int(server.diskGB), "hours": .double(server.hours(from: usage.start, to: usage.stop)),
      "started_at": .string(server.startedAt.iso8601Micros), "ended_at": .optional(server.endedAt?.iso8601Micros),
      "state": .string(server.state),
      "uptime": .int(max(0, ((server.endedAt ?? now) - server.startedAt).microseconds / 1_000_000)),
    ]
  }
}
