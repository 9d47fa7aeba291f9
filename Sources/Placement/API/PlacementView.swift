import API
import Kit

/// Placement's JSON, by microversion.
enum PlacementView {
  static func provider(_ provider: Provider, _ call: Call) -> JSONObject {
    let path = "/resource_providers/\(provider.id)"
    var relations = ["inventories", "usages"]
    if call.since(1, 1) { relations.append("aggregates") }
    if call.since(1, 6) { relations.append("traits") }
    if call.since(1, 11) { relations.append("allocations") }
    var links: [JSONValue] = [["rel": "self", "href": .string(path)]]
    links += relations.map { ["rel": .string($0), "href": .string("\(path)/\($0)")] }
    var view: JSONObject = [
      "uuid": .string(provider.id), "name": .string(provider.name), "generation": .int(provider.generation),
      "links": .array(links),
    ]
    if call.since(1, 14) {
      view.append("parent_provider_uuid", .optional(provider.parentID))
      view.append("root_provider_uuid", .string(provider.rootID))
    }
    return view
  }

  static func inventory(_ inventory: Inventory) -> JSONObject {
    [
      "total": .int(inventory.total), "reserved": .int(inventory.reserved), "min_unit": .int(inventory.minUnit),
      "max_unit": .int(inventory.maxUnit), "step_size": .int(inventory.stepSize),
      "allocation_ratio": .double(inventory.allocationRatio),
    ]
  }
  static func inventories(_ inventories: [String: Inventory], generation: Int) -> JSONValue {
    [
      "resource_provider_generation": .int(generation),
      "inventories": sorted(inventories) { .object(inventory($0)) },
    ]
  }

  static func resourceClass(_ name: String) -> JSONValue {
    ["name": .string(name), "links": [["rel": "self", "href": .string("/resource_classes/\(name)")]]]
  }

  static func amounts(_ amounts: [String: Int]) -> JSONValue { sorted(amounts) { .int($0) } }

  static func sorted<Value>(_ values: [String: Value], _ view: (Value) -> JSONValue) -> JSONValue {
    .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, view($0.value)) }))
  }

  /// `GET /allocations/{consumer}`.
  static func allocations(
    of consumer: Consumer?, _ allocations: [Allocation], _ generations: [String: Int], _ call: Call
  ) -> JSONValue {
    let byProvider = Dictionary(grouping: allocations, by: \.provider)
    let entries = sorted(byProvider) { held in
      [
        "resources": resources(held), "generation": .int(generations[held.first?.provider ?? ""] ?? 0),
      ]
    }
    var view: JSONObject = ["allocations": entries]
    if let consumer, !allocations.isEmpty, call.since(1, 12) {
      view.append("project_id", .string(consumer.projectID))
      view.append("user_id", .string(consumer.userID))
      if call.since(1, 28) { view.append("consumer_generation", .int(consumer.generation)) }
      if call.since(1, 38) { view.append("consumer_type", .string(consumer.type ?? "unknown")) }
    }
    return .object(view)
  }
  private static func resources(_ held: [Allocation]) -> JSONValue {
    amounts(Dictionary(held.map { ($0.resourceClass, $0.used) }) { $0 + $1 })
  }

  /// `GET /resource_providers/{uuid}/allocations`.
  static func allocations(
    on provider: Provider, _ allocations: [Allocation], _ consumers: [String: Consumer], _ call: Call
  ) -> JSONValue {
    let byConsumer = Dictionary(grouping: allocations, by: \.consumer)
    let entries = sorted(byConsumer) { held in
      var entry: JSONObject = ["resources": resources(held)]
      if call.since(1, 28) {
        entry.append("consumer_generation", .optional(consumers[held.first?.consumer ?? ""]?.generation))
      }
      return .object(entry)
    }
    return ["allocations": entries, "resource_provider_generation": .int(provider.generation)]
  }

  /// `GET /allocation_candidates`.
  static func candidates(
    _ candidates: [Candidate], _ snapshot: ProviderSnapshot, _ query: CandidateQuery, _ call: Call
  ) -> JSONValue {
    let requests = candidates.map { candidate -> JSONValue in
      guard call.since(1, 12) else {
        return [
          "allocations": .array(
            candidate.allocations.sorted { $0.key < $1.key }.map {
              ["resource_provider": ["uuid": .string($0.key)], "resources": amounts($0.value)]
            })
        ]
      }
      var view: JSONObject = ["allocations": sorted(candidate.allocations) { ["resources": amounts($0)] }]
      if call.since(1, 34) { view.append("mappings", sorted(candidate.mappings) { .strings($0.sorted()) }) }
      return .object(view)
    }
    return [
      "allocation_requests": .array(requests), "provider_summaries": summaries(candidates, snapshot, query, call),
    ]
  }

  private static func summaries(
    _ candidates: [Candidate], _ snapshot: ProviderSnapshot, _ query: CandidateQuery, _ call: Call
  ) -> JSONValue {
    var shown = candidates.reduce(into: Set<String>()) { set, candidate in
      set.formUnion(candidate.mappings.values.joined())
    }
    if call.since(1, 29) {
      // From 1.29 the whole trees are told.
      let roots = Set(snapshot.providers.filter { shown.contains($0.id) }.map(\.rootID))
      shown = Set(snapshot.providers.filter { roots.contains($0.rootID) }.map(\.id))
    }
    let asked = Set(query.groups.values.flatMap { $0.resources.keys })
    var result = JSONObject()
    for provider in snapshot.providers where shown.contains(provider.id) {
      let resources = (snapshot.inventories[provider.id] ?? [:]).filter { call.since(1, 27) || asked.contains($0.key) }
      var summary: JSONObject = [
        "resources": .object(
          JSONObject(
            resources.sorted { $0.key < $1.key }.map {
              ($0.key, ["capacity": .int($0.value.capacity), "used": .int(snapshot.used[provider.id]?[$0.key] ?? 0)])
            }))
      ]
      if call.since(1, 17) { summary.append("traits", .strings((snapshot.traits[provider.id] ?? []).sorted())) }
      if call.since(1, 29) {
        summary.append("parent_provider_uuid", .optional(provider.parentID))
        summary.append("root_provider_uuid", .string(provider.rootID))
      }
      result.append(provider.id, .object(summary))
    }
    return .object(result)
  }
}
