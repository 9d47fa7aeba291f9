import API
import Kit
import Store

/// `/os-aggregates` (API reference, Host aggregates).
struct AggregateRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = AggregateRoutes(service: dependencies)
    let all = "/v2.1/os-aggregates"
    let one = all + "/{aggregate_id}"
    func policy(_ verb: String) -> Policy { CataloguePolicy.admin("os-aggregates:\(verb)") }
    func hostAction(_ name: String, _ change: @escaping @Sendable (Call) async throws -> Reply) -> Route {
      Route(
        "POST", one + "/action", action: name, policy(name),
        schema: .object([Schema.required(name, .object([Schema.required("host", CatalogueSchema.host)]))]), change)
    }
    return [
      Route("GET", all, policy("index"), this.list), Route("GET", one, policy("show"), this.show),
      Route("POST", all, policy("create"), schema: createSchema, this.create),
      Route("PUT", one, policy("update"), schema: updateSchema, this.update),
      Route("DELETE", one, policy("delete"), this.delete),
      hostAction("add_host", this.addHost), hostAction("remove_host", this.removeHost),
      Route(
        "POST", one + "/action", action: "set_metadata", policy("set_metadata"), schema: metadataSchema,
        this.setMetadata),
    ]
  }

  // MARK: Bodies

  private static let createSchema = Schema.object([
    Schema.required(
      "aggregate",
      .object([
        Schema.required("name", CatalogueSchema.name), Schema.may("availability_zone", CatalogueSchema.zone),
      ]))
  ])
  private static let updateSchema = Schema.object([
    Schema.required(
      "aggregate",
      .object([
        Schema.may("name", CatalogueSchema.looseName), Schema.may("availability_zone", CatalogueSchema.zone),
      ]))
  ])
  private static let metadataSchema = Schema.object([
    Schema.required(
      "set_metadata",
      .object([
        Schema.required(
          "metadata",
          .object(
            [],
            additional: .matching(
              keys: CatalogueSchema.metadataKey, .either([.string(0...255), .null]), countMax: 1000)))
      ]))
  ])

  private static func number(_ call: Call) throws(Fault) -> Int {
    let text = call.parameter("aggregate_id")
    guard let number = Int(text) else { throw Fault.badRequest("id must be an integer, not '\(text.prefix(64))'") }
    return number
  }

  static func view(_ aggregate: Aggregate, _ call: Call) -> JSONObject {
    var metadata = aggregate.metadata
    metadata["availability_zone"] = aggregate.zone
    var view: JSONObject = [
      "id": .int(aggregate.id), "name": .string(aggregate.name), "availability_zone": .optional(aggregate.zone),
      "hosts": .strings(aggregate.hosts),
      "metadata": .object(JSONObject(metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
      "created_at": .string(aggregate.createdAt.iso8601Micros),
      "updated_at": .optional(aggregate.updatedAt?.iso8601Micros), "deleted": false, "deleted_at": nil,
    ]
    if call.since(2, 41) { view.append("uuid", .string(aggregate.uuid)) }
    return view
  }
  private static func reply(_ aggregate: Aggregate, _ call: Call) -> Reply {
    .json(["aggregate": .object(view(aggregate, call))])
  }

  // MARK: Handlers

  @Sendable private func list(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let aggregates = try await service.database.read { tx in try AggregateStore.all(tx: tx) }
    return .json(["aggregates": .array(aggregates.map { .object(Self.view($0, call)) })])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let id = try Self.number(call)
    return Self.reply(try await service.database.read { tx in try AggregateStore.require(id, tx: tx) }, call)
  }

  @Sendable private func create(_ call: Call) async throws -> Reply {
    let body = call.body["aggregate"] ?? .null
    let (name, zone, now) = (
      CatalogueSchema.trimmed(body["name"]), body["availability_zone"]?.string, service.clock.now()
    )
    let aggregate = try await service.database.write { tx in
      let id = try AggregateStore.insert(name: name, zone: zone, now: now, tx: tx)
      return try AggregateStore.require(id, tx: tx)
    }
    service.log.request(call.requestID).audit("aggregate \(name) (\(aggregate.id)) created")
    var view = Self.view(aggregate, call)
    view["hosts"] = nil
    view["metadata"] = nil
    return .json(["aggregate": .object(view)])
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let (id, now, body) = (try Self.number(call), service.clock.now(), call.body["aggregate"]?.object ?? [:])
    guard !body.isEmpty else { throw Fault.badRequest("One of 'name' and 'availability_zone' is required.") }
    let aggregate = try await service.database.write { tx in
      var aggregate = try AggregateStore.require(id, tx: tx)
      if body["name"] != nil { aggregate.name = CatalogueSchema.trimmed(body["name"]) }
      if let zone = body["availability_zone"] {
        try AggregateRule.checkZone(zone.string, of: aggregate, action: "update aggregate", tx: tx)
        aggregate.zone = zone.string
      }
      try AggregateStore.update(aggregate, now: now, tx: tx)
      return try AggregateStore.require(id, tx: tx)
    }
    return Self.reply(aggregate, call)
  }

  @Sendable private func setMetadata(_ call: Call) async throws -> Reply {
    let (id, now) = (try Self.number(call), service.clock.now())
    let given = call.body["set_metadata"]?["metadata"]?.object ?? [:]
    let aggregate = try await service.database.write { tx in
      var aggregate = try AggregateStore.require(id, tx: tx)
      for member in given {
        if member.key == "availability_zone" {
          try AggregateRule.checkZone(member.value.string, of: aggregate, action: "update aggregate metadata", tx: tx)
          aggregate.zone = member.value.string
        } else {
          aggregate.metadata[member.key] = member.value.string
        }
      }
      try AggregateStore.update(aggregate, now: now, tx: tx)
      return try AggregateStore.require(id, tx: tx)
    }
    return Self.reply(aggregate, call)
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    let id = try Self.number(call)
    try await service.database.write { tx in
      guard try AggregateStore.require(id, tx: tx).hosts.isEmpty else {
        throw AggregateRule.refuse("delete aggregate", id, "Host aggregate is not empty", status: 400)
      }
      try AggregateStore.delete(id, tx: tx)
    }
    service.log.request(call.requestID).audit("aggregate \(id) deleted")
    return .empty(200)
  }

  @Sendable private func addHost(_ call: Call) async throws -> Reply {
    let (id, now) = (try Self.number(call), service.clock.now())
    let host = call.body["add_host"]?["host"]?.string ?? ""
    let aggregate = try await service.database.write { tx in
      guard try NodeServiceStore.find(host: host, binary: NodeService.compute, now: now, tx: tx) != nil else {
        throw Fault.notFound("Compute host \(host) could not be found.")
      }
      let aggregate = try AggregateStore.require(id, tx: tx)
      try AggregateRule.checkHost(host, joining: aggregate, tx: tx)
      try AggregateStore.addHost(host, to: id, now: now, tx: tx)
      return try AggregateStore.require(id, tx: tx)
    }
    return Self.reply(aggregate, call)
  }

  @Sendable private func removeHost(_ call: Call) async throws -> Reply {
    let (id, host) = (try Self.number(call), call.body["remove_host"]?["host"]?.string ?? "")
    let aggregate = try await service.database.write { tx in
      let aggregate = try AggregateStore.require(id, tx: tx)
      guard aggregate.hosts.contains(host) else {
        throw Fault.notFound("Cannot remove host \(host) in aggregate \(id)")
      }
      try AggregateRule.checkHost(host, leaving: aggregate, tx: tx)
      _ = try AggregateStore.removeHost(host, from: id, tx: tx)
      return try AggregateStore.require(id, tx: tx)
    }
    return Self.reply(aggregate, call)
  }
}
