import API
import Kit
import Store

/// `/flavors` (API reference, Flavors).
struct FlavorRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = FlavorRoutes(service: dependencies)
    return [
      Route("GET", "/v2.1/flavors", Policy("os_compute_api:flavors", .authenticated)) {
        try await this.list($0, FlavorView.brief)
      },
      Route("GET", "/v2.1/flavors/detail", Policy("os_compute_api:flavors:detail", .authenticated)) {
        try await this.list($0, FlavorView.full)
      },
      Route("GET", "/v2.1/flavors/{flavor_id}", Policy("os_compute_api:flavors:show", .authenticated), this.show),
      Route("POST", "/v2.1/flavors", CataloguePolicy.admin("os-flavor-manage:create"), body: .json, this.create),
      Route(
        "PUT", "/v2.1/flavors/{flavor_id}", CataloguePolicy.admin("os-flavor-manage:update"),
        since: Microversion(2, 55), schema: updateSchema, this.update),
      Route("DELETE", "/v2.1/flavors/{flavor_id}", CataloguePolicy.admin("os-flavor-manage:delete"), this.delete),
    ]
  }

  // MARK: Reading

  private func list(_ call: Call, _ view: @escaping @Sendable (Flavor, Call) -> JSONValue) async throws -> Reply {
    var known: Set = ["limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"]
    if call.since(2, 102) { known.insert("name") }
    try CatalogueQuery.check(call, known, strictSince: 75)
    let request = try FlavorStore.list.request(call.query)
    let conditions = try self.conditions(call)
    let page = try await service.database.read { tx in
      try FlavorStore.list.page(request, conditions: conditions + Self.nameCondition(call, tx: tx), tx: tx)
    }
    let flavors = page.rows.map(FlavorStore.flavor)
    var body: JSONObject = ["flavors": .array(flavors.map { view($0, call) })]
    if let links = PageLinks.make(call, first: flavors.first?.id, last: flavors.last?.id, hasNext: page.hasNext) {
      body.append("flavors_links", links)
    }
    return .json(.object(body))
  }

  /// Public flavors and those of the project; administrators choose by `is_public`.
  private func conditions(_ call: Call) throws -> [SQL] {
    let auth = try call.auth
    var conditions: [SQL] = auth.isAdmin ? [] : ["is_disabled = 0"]
    let text = auth.isAdmin ? call.query["is_public"] : nil
    if let isPublic = text.map({ Schema.boolean(.string($0)) }) ?? true {
      conditions.append(
        isPublic
          ? "is_public = 1 OR id IN (SELECT flavor_id FROM flavor_access WHERE project_id = \(auth.projectID))"
          : "is_public = 0")
    } else if text?.lowercased() != "none" {
      throw Fault.badRequest("Invalid is_public filter [\((text ?? "").prefix(80))]")
    }
    for (name, column) in [("minRam", "memory_mb"), ("minDisk", "disk_gb")] {
      guard let text = call.query[name] else { continue }
      guard let number = Int(text) else { throw Fault.badRequest("Invalid \(name) filter [\(text.prefix(80))]") }
      conditions.append("\(raw: column) >= \(number)")
    }
    return conditions
  }

  /// From 2.102 the name is a regular expression.
  private static func nameCondition(_ call: Call, tx: any Transaction) throws -> [SQL] {
    guard call.since(2, 102), let text = call.query["name"] else { return [] }
    let pattern = try ServerPattern(text, filter: "name")
    let rows = try tx.query("SELECT id, name FROM flavor").filter { pattern.matches($0.text("name")) }
    return ["id IN \(list: rows.map { $0.text("id") })"]
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call)
    let auth = try call.auth
    let flavor = try await service.database.read { tx in
      try FlavorStore.require(call.parameter("flavor_id"), visibleTo: auth, tx: tx)
    }
    return .json(["flavor": FlavorView.full(flavor, call)])
  }

  // MARK: Changing

  @Sendable private func create(_ call: Call) async throws -> Reply {
    try Self.createSchema(call).check(call.body)
    let flavor = try Self.flavor(call.body["flavor"] ?? .null)
    let now = service.clock.now()
    try await service.database.write { tx in try FlavorStore.insert(flavor, now: now, tx: tx) }
    service.log.request(call.requestID).audit("flavor \(flavor.name) (\(flavor.id)) created")
    return .json(["flavor": FlavorView.full(flavor, call)])
  }

  private static func flavor(_ body: JSONValue) throws(Fault) -> Flavor {
    func number(_ name: String) -> Int { body[name].flatMap { Schema.integer($0) } ?? 0 }
    let id = body["id"].map { $0.string ?? ($0.isNull ? "" : $0.text) } ?? ""
    let factor = body["rxtx_factor"].flatMap { $0.double ?? $0.string.flatMap { Double($0) } } ?? 1
    guard factor > 0, factor <= 3.40282e+38 else {
      throw Fault.badRequest("Invalid input for field/attribute rxtx_factor: it must be a float above 0.")
    }
    return Flavor(
      id: id.isEmpty ? UUIDText.make() : id, name: CatalogueSchema.trimmed(body["name"]), vcpus: number("vcpus"),
      memoryMB: number("ram"), diskGB: number("disk"), ephemeralGB: number("OS-FLV-EXT-DATA:ephemeral"),
      swapMB: number("swap"),
      isPublic: body["os-flavor-access:is_public"].flatMap { Schema.boolean($0) } ?? true,
      description: body["description"]?.string, rxtxFactor: factor)
  }

  @Sendable private func update(_ call: Call) async throws -> Reply {
    let (id, auth, now) = (call.parameter("flavor_id"), try call.auth, service.clock.now())
    let flavor = try await service.database.write { tx in
      var flavor = try FlavorStore.require(id, visibleTo: auth, tx: tx)
      flavor.description = call.body["flavor"]?["description"]?.string
      try FlavorStore.setDescription(flavor.description, of: id, now: now, tx: tx)
      return flavor
    }
    return .json(["flavor": FlavorView.full(flavor, call)])
  }

  @Sendable private func delete(_ call: Call) async throws -> Reply {
    let id = call.parameter("flavor_id")
    try await service.database.write { tx in
      guard try FlavorStore.delete(id, tx: tx) else {
        throw Fault.notFound("Flavor \(id.prefix(255)) could not be found.")
      }
    }
    service.log.request(call.requestID).audit("flavor \(id) deleted")
    return .empty(202)
  }

  // MARK: Bodies

  private static let updateSchema = Schema.object([
    Schema.required("flavor", .object([Schema.required("description", CatalogueSchema.description)]))
  ])

  private static func createSchema(_ call: Call) -> Schema {
    let positive = Schema.looseInteger(1...CatalogueSchema.intMax)
    let natural = Schema.looseInteger(0...CatalogueSchema.intMax)
    let id = Schema.string(1...255) { text in
      let isFine = text.utf8.allSatisfy {
        CatalogueSchema.isWord($0) || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: " ")].contains($0)
      }
      return isFine && text.first != " " && text.last != " "
        ? nil : "an id is made of letters, digits and ._- with spaces only inside"
    }
    var members = [
      Schema.required("name", CatalogueSchema.name), Schema.may("id", .either([id, .number, .null])),
      Schema.required("ram", positive), Schema.required("vcpus", positive), Schema.required("disk", natural),
      Schema.may("OS-FLV-EXT-DATA:ephemeral", natural), Schema.may("swap", natural),
      Schema.may("os-flavor-access:is_public", CatalogueSchema.boolean),
    ]
    if !call.since(2, 102) {
      let text = Schema.string(1...40) { Double($0) == nil || $0.contains("e") ? "it is not a decimal number" : nil }
      members.append(Schema.may("rxtx_factor", .either([.number, text])))
    }
    if call.since(2, 55) { members.append(Schema.may("description", CatalogueSchema.description)) }
    return .object([Schema.required("flavor", .object(members))])
  }
}
