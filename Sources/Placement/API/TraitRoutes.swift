import API
import Kit
import Store

extension PlacementService {
  private static let v6 = Microversion(1, 6)
  private static let ofProvider = "/resource_providers/{uuid}/traits"

  var traitRoutes: [Route] {
    [
      Route("GET", "/traits", placementPolicy("traits:list"), since: Self.v6, listTraits),
      Route("GET", "/traits/{name}", placementPolicy("traits:show"), since: Self.v6) { [self] call in
        let name = call.parameter("name")
        guard try await database.read({ tx in try TraitStore.exists(name, tx: tx) }) else {
          throw Fault.notFound("No such trait(s): \(name.prefix(255)).")
        }
        return dated(.empty(), call)
      },
      Route("PUT", "/traits/{name}", placementPolicy("traits:update"), since: Self.v6, putTrait),
      Route("DELETE", "/traits/{name}", placementPolicy("traits:delete"), since: Self.v6, deleteTrait),
      Route("GET", Self.ofProvider, placementPolicy("resource_providers:traits:list"), since: Self.v6) { [self] call in
        let (provider, traits) = try await database.read { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          return (provider, try TraitStore.of(provider.id, tx: tx))
        }
        return reply(
          call,
          ["traits": .strings(traits), "resource_provider_generation": .int(provider.generation)],
          modified: provider.updatedAt)
      },
      Route(
        "PUT", Self.ofProvider, placementPolicy("resource_providers:traits:update"), since: Self.v6,
        schema: PlacementSchemas.setTraits, setTraits),
      Route("DELETE", Self.ofProvider, placementPolicy("resource_providers:traits:delete"), since: Self.v6) {
        [self] call in
        let now = clock.now()
        try await database.write { tx in
          let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
          try TraitStore.replace([], of: provider.id, tx: tx)
          try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
        }
        return .empty()
      },
    ]
  }

  private func listTraits(_ call: Call) async throws -> Reply {
    let isWanted = try Self.nameFilter(call.query)
    let associated = call.query["associated"]?.lowercased()
    guard associated == nil || associated == "true" || associated == "false" else {
      throw Fault.badRequest("The query parameter \"associated\" only accepts \"true\" or \"false\"")
    }
    let traits = try await database.read { tx in
      let used = associated == nil ? [] : try TraitStore.associated(tx: tx)
      return (Trait.standard + (try TraitStore.custom(tx: tx))).filter {
        isWanted($0) && (associated == nil || used.contains($0) == (associated == "true"))
      }
    }
    return reply(call, ["traits": .strings(traits)])
  }

  /// Which names a list of traits asks for: `in:A,B` or `startswith:A`. Throws 400 faults for anything else.
  private static func nameFilter(_ query: Query) throws -> @Sendable (String) -> Bool {
    for item in query.items where item.name != "name" && item.name != "associated" {
      throw Fault.badRequest(
        "Invalid query string parameters: Additional properties are not allowed "
          + "('\(item.name.prefix(80))' was unexpected)")
    }
    guard let filter = query["name"] else { return { _ in true } }
    let parts = filter.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else {
      throw Fault.badRequest(
        "Badly formatted name parameter. Expected name query string parameter in form: "
          + "?name=[in|startswith]:[name1,name2|prefix]. Got: \"\(filter.prefix(80))\"")
    }
    let (operation, value) = (parts[0], parts[1])
    let names = Set(value.split(separator: ",").map(String.init))
    switch operation {
    case "in": return { names.contains($0) }
    case "startswith": return { $0.hasPrefix(value) }
    default: return { _ in true }
    }
  }

  private func putTrait(_ call: Call) async throws -> Reply {
    let (name, now) = (call.parameter("name"), clock.now())
    guard Trait.isCustomName(name) else {
      throw Fault.badRequest(
        "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix \"CUSTOM_\" "
          + "and use following characters: \"A\"-\"Z\", \"0\"-\"9\" and \"_\"")
    }
    let isNew = try await database.write { tx in
      if try TraitStore.exists(name, tx: tx) { return false }
      try tx.execute(.insert(into: "placement_trait", ["name": name, "created_at": now]))
      return true
    }
    var reply = dated(.empty(isNew ? 201 : 204), call, now)
    reply.headers["Location"] = "/traits/\(name)"
    return reply
  }

  private func deleteTrait(_ call: Call) async throws -> Reply {
    let name = call.parameter("name")
    try await database.write { tx in
      guard try TraitStore.exists(name, tx: tx) else {
        throw Fault.notFound("No such trait(s): \(name.prefix(255)).")
      }
      guard !Trait.standardSet.contains(name) else {
        throw Fault.badRequest("Cannot delete standard trait \(name).")
      }
      guard try tx.first("SELECT trait FROM placement_provider_trait WHERE trait = \(name) LIMIT 1") == nil else {
        throw Fault.conflict("The trait \(name) is in use by a resource provider.")
      }
      try tx.execute("DELETE FROM placement_trait WHERE name = \(name)")
    }
    return .empty()
  }

  private func setTraits(_ call: Call) async throws -> Reply {
    let now = clock.now()
    let names = Set((call.body["traits"]?.array ?? []).compactMap(\.string))
    let generation = try await database.write { tx in
      let provider = try ProviderStore.require(call.parameter("uuid"), tx: tx)
      try provider.checkGeneration(call.body["resource_provider_generation"]?.int)
      let missing = try TraitStore.missing(names, tx: tx)
      guard missing.isEmpty else {
        throw Fault.badRequest("No such trait \(missing.joined(separator: ", ").prefix(300))")
      }
      try TraitStore.replace(names, of: provider.id, tx: tx)
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
      return provider.generation + 1
    }
    return reply(
      call, ["traits": .strings(names.sorted()), "resource_provider_generation": .int(generation)], modified: now)
  }
}
