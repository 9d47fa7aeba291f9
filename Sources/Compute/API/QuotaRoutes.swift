import API
import Kit
import Store

/// `/os-quota-sets` (API reference, Quota sets).
struct QuotaRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = QuotaRoutes(service: dependencies)
    let one = "/v2.1/os-quota-sets/{project_id}"
    return [
      Route("GET", one, CataloguePolicy.ownReader("os-quota-sets:show", parameter: "project_id"), this.show),
      Route(
        "GET", one + "/detail", CataloguePolicy.ownReader("os-quota-sets:detail", parameter: "project_id"),
        this.detail),
      Route("GET", one + "/defaults", CataloguePolicy.anyone("os-quota-sets:defaults"), this.defaults),
      Route("PUT", one, CataloguePolicy.admin("os-quota-sets:update"), body: .json, this.update),
      Route("DELETE", one, CataloguePolicy.admin("os-quota-sets:delete"), this.delete),
    ]
  }

  /// What is limited in a microversion, in upstream's order.
  static func resources(_ call: Call) -> [String] {
    QuotaResource.all.map(\.name).filter {
      !(call.since(2, 36) && QuotaResource.network.contains($0))
        && !(call.since(2, 57) && QuotaResource.injected.contains($0))
    }
  }
  static let limit = Schema.looseInteger(-1...CatalogueSchema.intMax)

  private func project(_ call: Call, tx: any Transaction) throws -> String {
    let id = call.parameter("project_id")
    guard try service.projects.projectExists(id, tx: tx) else {
      throw Fault.badRequest("Project ID \(id.prefix(64)) is not a valid project.")
    }
    return id
  }
  private static func user(_ call: Call) -> String? { call.query["user_id"].flatMap { $0.isEmpty ? nil : $0 } }

  private static func view(_ call: Call, id: String?, _ value: (String) -> JSONValue) -> Reply {
    var view = JSONObject()
    if let id { view.append("id", .string(id)) }
    for resource in resources(call) { view.append(resource, value(resource)) }
    return .json(["quota_set": .object(view)])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let limits = try await service.database.read { tx in
      try ComputeQuota.limits(projectID: project(call, tx: tx), userID: Self.user(call), tx: tx)
    }
    return Self.view(call, id: call.parameter("project_id")) { .int(limits[$0] ?? -1) }
  }

  @Sendable private func detail(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let (limits, used) = try await service.database.read { tx in
      let id = try project(call, tx: tx)
      return (
        try ComputeQuota.limits(projectID: id, userID: Self.user(call), tx: tx),
        try ComputeQuota.used(projectID: id, userID: Self.user(call), tx: tx)
      )
    }
    return Self.view(call, id: call.parameter("project_id")) {
      ["limit": .int(limits[$0] ?? -1), "in_use": .int(used[$0] ?? 0), "reserved": 0]
    }
  }

  @Sendable private func defaults(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let limits = try await service.database.read { tx in
      _ = try project(call, tx: tx)
      return try ComputeQuota.classLimits(ComputeQuota.defaultClass, tx: tx)
    }
    return Self.view(call, id: call.parameter("project_id")) { .int(limits[$0] ?? -1) }
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let members = Self.resources(call).map { Schema.may($0, Self.limit) }
    try Schema.object([
      Schema.required("quota_set", .object(members + [Schema.may("force", CatalogueSchema.boolean)]))
    ]).check(call.body)
    let body = call.body["quota_set"]?.object ?? [:]
    let isForced = body["force"].flatMap { Schema.boolean($0) } ?? false
    var wanted: [String: Int] = [:]
    for member in body where member.key != "force" { wanted[member.key] = Schema.integer(member.value) }
    let (new, now, userID) = (wanted, service.clock.now(), Self.user(call))
    let limits = try await service.database.write { tx in
      let id = try project(call, tx: tx)
      if !isForced { try Self.check(new, projectID: id, userID: userID, tx: tx) }
      try ComputeQuota.set(new, projectID: id, userID: userID, now: now, tx: tx)
      return try ComputeQuota.limits(projectID: id, userID: userID, tx: tx)
    }
    service.log.request(call.requestID).audit("quota of project \(call.parameter("project_id")) set")
    return Self.view(call, id: nil) { .int(limits[$0] ?? -1) }
  }

  /// A limit may not be below what is in use, a user's not above its project's.
  private static func check(_ wanted: [String: Int], projectID: String, userID: String?, tx: any Transaction) throws {
    let used = try ComputeQuota.used(projectID: projectID, userID: userID, tx: tx)
    let most = userID == nil ? [:] : try ComputeQuota.limits(projectID: projectID, tx: tx)
    for (resource, limit) in wanted.sorted(by: { $0.key < $1.key }) {
      let minimum = used[resource] ?? 0
      if limit >= 0, limit < minimum {
        throw Fault.badRequest(
          "Quota limit \(limit) for \(resource) must be greater than or equal to already used and reserved \(minimum)."
        )
      }
      if let maximum = most[resource], maximum >= 0, limit < 0 || limit > maximum {
        throw Fault.badRequest("Quota limit \(limit) for \(resource) must be less than or equal to \(maximum).")
      }
    }
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["user_id"], strictSince: 75)
    let (id, userID) = (call.parameter("project_id"), Self.user(call))
    try await service.database.write { tx in try ComputeQuota.reset(projectID: id, userID: userID, tx: tx) }
    service.log.request(call.requestID).audit("quota of project \(id) back to the defaults")
    return .empty(202)
  }
}
