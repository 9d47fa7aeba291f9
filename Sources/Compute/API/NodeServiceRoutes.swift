import API
import Kit
import Store

/// `/os-services` (API reference, Compute services).
struct NodeServiceRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = NodeServiceRoutes(service: dependencies)
    let update = CataloguePolicy.admin("os-services:update")
    let last = Microversion(2, 52)
    return [
      Route("GET", "/v2.1/os-services", CataloguePolicy.admin("os-services:list"), this.list),
      Route("PUT", "/v2.1/os-services/enable", update, until: last, body: .json) { try await this.change($0, enable) },
      Route("PUT", "/v2.1/os-services/disable", update, until: last, body: .json) {
        try await this.change($0, disable)
      },
      Route("PUT", "/v2.1/os-services/disable-log-reason", update, until: last, body: .json) {
        try await this.change($0, disableWithReason)
      },
      Route("PUT", "/v2.1/os-services/force-down", update, since: Microversion(2, 11), until: last, body: .json) {
        try await this.change($0, forceDown)
      },
      Route(
        "PUT", "/v2.1/os-services/{service_id}", update, since: Microversion(2, 53), schema: updateSchema,
        this.update),
      Route("DELETE", "/v2.1/os-services/{service_id}", CataloguePolicy.admin("os-services:delete"), this.delete),
    ]
  }

  private static func view(_ service: NodeService, _ call: Call) -> JSONValue {
    var view: JSONObject = [
      "binary": .string(service.binary), "host": .string(service.host),
      "id": call.since(2, 53) ? .string(service.uuid) : .int(service.number), "zone": .string(service.zone),
      "status": service.isEnabled ? "enabled" : "disabled", "state": service.isUp ? "up" : "down",
      "updated_at": .string(service.reportedAt.iso8601Micros), "disabled_reason": .optional(service.disabledReason),
    ]
    if call.since(2, 11) { view.append("forced_down", .bool(service.isForcedDown)) }
    return .object(view)
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["host", "binary"], strictSince: 75)
    let now = service.clock.now()
    let services = try await service.database.read { tx in try NodeServiceStore.all(now: now, tx: tx) }
    func fits(_ name: String, _ value: String) -> Bool {
      call.query[name].map { $0.isEmpty || $0 == value } ?? true
    }
    let shown = services.filter { fits("host", $0.host) && fits("binary", $0.binary) }
    return .json(["services": .array(shown.map { Self.view($0, call) })])
  }

  // MARK: Until 2.52: what to do stands in the path, whom in the body

  private typealias Change = @Sendable (NodeService, JSONValue, any Transaction) throws -> JSONObject

  private static let enable: Change = { service, _, tx in
    try NodeServiceStore.setEnabled(true, reason: nil, of: service, tx: tx)
    return ["status": "enabled"]
  }
  private static let disable: Change = { service, _, tx in
    try NodeServiceStore.setEnabled(false, reason: nil, of: service, tx: tx)
    return ["status": "disabled"]
  }
  private static let disableWithReason: Change = { service, body, tx in
    guard let reason = body["disabled_reason"] else { throw Fault.badRequest("Missing disabled reason field") }
    try NodeServiceStore.setEnabled(false, reason: reason.string, of: service, tx: tx)
    return ["status": "disabled", "disabled_reason": reason]
  }
  private static let forceDown: Change = { service, body, tx in
    guard let isDown = body["forced_down"].flatMap({ Schema.boolean($0) }) else {
      throw Fault.badRequest("Missing forced_down field")
    }
    try NodeServiceStore.setForcedDown(isDown, of: service, tx: tx)
    return ["forced_down": .bool(isDown)]
  }

  private func change(_ call: Call, _ change: @escaping Change) async throws -> Reply {
    try Self.oldSchema(call).check(call.body)
    let (host, binary, now) = (
      call.body["host"]?.string ?? "", call.body["binary"]?.string ?? "", service.clock.now()
    )
    guard binary == NodeService.compute else { throw Self.notCompute(binary) }
    let result = try await service.database.write { tx in
      guard let found = try NodeServiceStore.find(host: host, binary: binary, now: now, tx: tx) else {
        throw Fault.notFound("Host '\(host)' is not mapped to any cell: it has no service \(binary).")
      }
      return try change(found, call.body, tx)
    }
    service.log.request(call.requestID).audit("service \(binary) on \(host): \(JSONValue.object(result).text)")
    var view: JSONObject = ["host": .string(host), "binary": .string(binary)]
    view.merge(result)
    return .json(["service": .object(view)])
  }

  private static func notCompute(_ binary: String) -> Fault {
    .badRequest(
      "Updating a \(binary) service is not supported. Only nova-compute services can be updated.")
  }

  private static func oldSchema(_ call: Call) -> Schema {
    var members = [
      Schema.required("host", CatalogueSchema.host), Schema.required("binary", .string(1...255)),
      Schema.may("disabled_reason", .string(1...255)),
    ]
    if call.since(2, 11) { members.append(Schema.may("forced_down", CatalogueSchema.boolean)) }
    return .object(members)
  }

  // MARK: From 2.53: whom stands in the path, what to do in the body

  private static let updateSchema = Schema.object([
    Schema.may("status", .oneOf(["enabled", "disabled"])), Schema.may("disabled_reason", .string(1...255)),
    Schema.may("forced_down", CatalogueSchema.boolean),
  ])

  /// The service that the path names, by UUID from 2.53, by number before.
  private static func find(_ call: Call, now: Timestamp, tx: any Transaction) throws -> NodeService {
    let id = call.parameter("service_id")
    let found: NodeService?
    if call.since(2, 53) {
      guard let uuid = UUIDText.canonical(id) else { throw Fault.badRequest("Invalid uuid \(id.prefix(64))") }
      found = try NodeServiceStore.find(uuid: uuid, now: now, tx: tx)
    } else {
      guard let number = Int(id) else { throw Fault.badRequest("id must be an integer, not '\(id.prefix(64))'") }
      found = try NodeServiceStore.find(number: number, now: now, tx: tx)
    }
    guard let found else { throw Fault.notFound("Service \(id) could not be found.") }
    return found
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let (body, now) = (call.body, service.clock.now())
    let isDown = body["forced_down"].flatMap { Schema.boolean($0) }
    guard body["status"] != nil || isDown != nil else {
      throw Fault.badRequest(
        "No updates were requested. Fields 'status' or 'forced_down' should be specified.")
    }
    let isEnabled = body["status"].map { $0.string == "enabled" }
    if isEnabled == true, body["disabled_reason"] != nil {
      throw Fault.badRequest("Specifying 'disabled_reason' with status 'enabled' is invalid.")
    }
    let updated = try await service.database.write { tx in
      let found = try Self.find(call, now: now, tx: tx)
      guard found.binary == NodeService.compute else { throw Self.notCompute(found.binary) }
      if let isEnabled {
        try NodeServiceStore.setEnabled(isEnabled, reason: body["disabled_reason"]?.string, of: found, tx: tx)
      }
      if let isDown { try NodeServiceStore.setForcedDown(isDown, of: found, tx: tx) }
      return try Self.find(call, now: now, tx: tx)
    }
    service.log.request(call.requestID).audit("service \(updated.binary) on \(updated.host): \(body.text)")
    return .json(["service": Self.view(updated, call)])
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    let now = service.clock.now()
    let gone = try await service.database.write { tx in
      let found = try Self.find(call, now: now, tx: tx)
      let servers =
        found.binary != NodeService.compute
        ? 0 : try tx.count("SELECT COUNT(*) FROM server WHERE host = \(found.host) AND is_deleted = 0")
      guard servers == 0 else {
        throw Fault.conflict(
          "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
      }
      try NodeServiceStore.delete(found, tx: tx)
      return found
    }
    service.log.request(call.requestID).audit("service \(gone.binary) on \(gone.host) deleted")
    return .empty(204)
  }
}
