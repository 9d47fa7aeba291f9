import API
import Kit
import Store

/// Extra specs of flavors (API reference, Flavors extra-specs).
struct FlavorSpecRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = FlavorSpecRoutes(service: dependencies)
    let all = "/v2.1/flavors/{flavor_id}/os-extra_specs"
    let one = all + "/{key}"
    return [
      Route("GET", all, CataloguePolicy.reader("os-flavor-extra-specs:index"), this.list),
      Route(
        "POST", all, CataloguePolicy.admin("os-flavor-extra-specs:create"),
        schema: .object([Schema.required("extra_specs", specs(countMax: 10_000))]), this.add),
      Route("GET", one, CataloguePolicy.reader("os-flavor-extra-specs:show"), this.show),
      Route(
        "PUT", one, CataloguePolicy.admin("os-flavor-extra-specs:update"), schema: specs(countMax: 1), this.update),
      Route("DELETE", one, CataloguePolicy.admin("os-flavor-extra-specs:delete"), this.delete),
    ]
  }
  private static func specs(countMax: Int) -> Schema {
    .object(
      [],
      additional: .matching(
        keys: CatalogueSchema.metadataKey, .either([.string(0...255), .number]), countMax: countMax))
  }

  private func flavor(_ call: Call) async throws -> Flavor {
    try CatalogueQuery.check(call)
    let auth = try call.auth
    return try await service.database.read { tx in
      try FlavorStore.require(call.parameter("flavor_id"), visibleTo: auth, tx: tx)
    }
  }
  private static func missing(_ id: String, _ key: String) -> Fault {
    .notFound("Flavor \(id) has no extra specs with key \(key.prefix(255)).")
  }

  @Sendable private func list(_ call: Call) async throws -> Reply {
    .json(["extra_specs": FlavorView.specs(try await flavor(call))])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    let (flavor, key) = (try await flavor(call), call.parameter("key"))
    guard let value = flavor.extraSpecs[key] else { throw Self.missing(flavor.id, key) }
    return .json(.object([key: .string(value)]))
  }

  @Sendable private func add(_ call: Call) async throws -> Reply {
    try await merge(call.body["extra_specs"]?.object ?? [:], call)
    return .json(call.body)
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let given = call.body.object ?? [:]
    guard given[call.parameter("key")] != nil else { throw Fault.badRequest("Request body and URI mismatch") }
    try await merge(given, call)
    return .json(call.body)
  }

  private func merge(_ given: JSONObject, _ call: Call) async throws {
    var specs: [String: String] = [:]
    for member in given {
      let value = member.value.string ?? member.value.text
      guard value.count <= 255 else { throw Fault.badRequest("extra_specs value has more than 255 characters.") }
      if call.since(2, 86) { try FlavorSpec.validate(member.key, value) }
      specs[member.key] = value
    }
    let (id, auth, now, new) = (call.parameter("flavor_id"), try call.auth, service.clock.now(), specs)
    try await service.database.write { tx in
      let flavor = try FlavorStore.require(id, visibleTo: auth, tx: tx)
      try FlavorStore.setSpecs(flavor.extraSpecs.merging(new) { _, new in new }, of: id, now: now, tx: tx)
    }
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    let (id, key) = (call.parameter("flavor_id"), call.parameter("key"))
    let (auth, now) = (try call.auth, service.clock.now())
    try await service.database.write { tx in
      var specs = try FlavorStore.require(id, visibleTo: auth, tx: tx).extraSpecs
      guard specs.removeValue(forKey: key) != nil else { throw Self.missing(id, key) }
      try FlavorStore.setSpecs(specs, of: id, now: now, tx: tx)
    }
    return .empty(200)
  }
}
