import API
import Kit
import Store

/// `/os-quota-class-sets` (API reference, Quota class sets): the class `default` holds for every project.
struct QuotaClassRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = QuotaClassRoutes(service: dependencies)
    let one = "/v2.1/os-quota-class-sets/{class_name}"
    return [
      Route("GET", one, CataloguePolicy.admin("os-quota-class-sets:show"), this.show),
      Route("PUT", one, CataloguePolicy.admin("os-quota-class-sets:update"), body: .json, this.update),
    ]
  }

  private static func isShown(_ resource: String, _ call: Call) -> Bool {
    if QuotaResource.network.contains(resource) { return !call.since(2, 50) }
    if QuotaResource.injected.contains(resource) { return !call.since(2, 57) }
    return true
  }
  private static func view(_ limits: [String: Int], _ call: Call, id: String?) -> Reply {
    var view = JSONObject()
    if let id { view.append("id", .string(id)) }
    for (resource, _) in QuotaResource.all where isShown(resource, call) {
      // Before 2.50 server groups could be set here but were not shown.
      if resource.hasPrefix("server_group"), !call.since(2, 50) { continue }
      view.append(resource, .int(limits[resource] ?? -1))
    }
    return .json(["quota_class_set": .object(view)])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let name = call.parameter("class_name")
    let limits = try await service.database.read { tx in try ComputeQuota.classLimits(name, tx: tx) }
    return Self.view(limits, call, id: name)
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let members = QuotaResource.all.map(\.name).filter { Self.isShown($0, call) }
    try Schema.object([
      Schema.required("quota_class_set", .object(members.map { Schema.may($0, QuotaRoutes.limit) }))
    ]).check(call.body)
    let (name, now) = (call.parameter("class_name"), service.clock.now())
    guard name.count <= 255 else { throw Fault.badRequest("quota_class_name has more than 255 characters.") }
    var wanted: [String: Int] = [:]
    for member in call.body["quota_class_set"]?.object ?? [:] { wanted[member.key] = Schema.integer(member.value) }
    let new = wanted
    let limits = try await service.database.write { tx in
      try ComputeQuota.set(new, className: name, now: now, tx: tx)
      return try ComputeQuota.classLimits(name, tx: tx)
    }
    service.log.request(call.requestID).audit("limits of quota class \(name) set")
    return Self.view(limits, call, id: nil)
  }
}
