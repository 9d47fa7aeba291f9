import Kit
import Store

/// Rows of resource providers.
enum ProviderStore {
  static func provider(_ row: Row) -> Provider {
    Provider(
      id: row.text("id"), name: row.text("name"), generation: row.int("generation"), rootID: row.text("root_id"),
      parentID: row.optionalText("parent_id"), updatedAt: row.timestamp("updated_at"))
  }

  static func find(_ id: String, tx: any Transaction) throws -> Provider? {
    try tx.first("SELECT * FROM placement_provider WHERE id = \(id.lowercased())").map(provider)
  }
  /// Throws a 404 fault when there is none.
  static func require(_ id: String, tx: any Transaction) throws -> Provider {
    guard let provider = try find(id, tx: tx) else { throw Provider.notFound(id) }
    return provider
  }
  static func find(_ ids: some Collection<String>, tx: any Transaction) throws -> [String: Provider] {
    guard !ids.isEmpty else { return [:] }
    let rows = try tx.query("SELECT * FROM placement_provider WHERE id IN \(list: Array(ids))")
    return Dictionary(rows.map { ($0.text("id"), provider($0)) }) { first, _ in first }
  }
  static func find(name: String, tx: any Transaction) throws -> Provider? {
    try tx.first("SELECT * FROM placement_provider WHERE name = \(name)").map(provider)
  }
  static func all(where condition: SQL = "1 = 1", tx: any Transaction) throws -> [Provider] {
    try tx.query("SELECT * FROM placement_provider WHERE \(condition) ORDER BY created_at, id").map(provider)
  }

  /// Writes a new provider below `parentID` (nil: a root). Throws 400 for a parent that does not exist, 409 for a name or
  /// id that is taken.
  static func insert(
    id: String, name: String, parentID: String?, now: Timestamp, tx: any Transaction
  ) throws -> Provider {
    var root = id
    if let parentID {
      guard parentID != id, let parent = try find(parentID, tx: tx) else {
        throw Fault.badRequest(
          "Unable to create resource provider \"\(name)\", \(id): parent provider \(parentID) does not exist.")
      }
      root = parent.rootID
    }
    do {
      try tx.execute(
        .insert(
          into: "placement_provider",
          [
            "id": id, "name": name, "generation": 0, "root_id": root, "parent_id": parentID, "created_at": now,
            "updated_at": now,
          ]))
    } catch is DuplicateRow {
      throw Fault.conflict(
        "Conflicting resource provider name: \(name) or uuid: \(id) already exists.", kind: ErrorCode.duplicateName)
    }
    return Provider(id: id, name: name, generation: 0, rootID: root, parentID: parentID, updatedAt: now)
  }

  /// Ids of a provider and everything below it.
  static func subtree(of provider: Provider, tx: any Transaction) throws -> Set<String> {
    let tree = try all(where: "root_id = \(provider.rootID)", tx: tx)
    var found: Set<String> = [provider.id]
    var grew = true
    while grew {
      let more = tree.filter { !found.contains($0.id) && $0.parentID.map(found.contains) == true }.map(\.id)
      found.formUnion(more)
      grew = !more.isEmpty
    }
    return found
  }

  /// Renames a provider.
  static func rename(_ provider: Provider, to name: String, now: Timestamp, tx: any Transaction) throws {
    do {
      try tx.execute(
        "UPDATE placement_provider SET name = \(name), updated_at = \(now) WHERE id = \(provider.id)")
    } catch is DuplicateRow {
      throw Fault.conflict(
        "Conflicting resource provider \(name) already exists.", kind: ErrorCode.duplicateName)
    }
  }

  /// Hangs a provider with everything below it under another parent, or makes it a root.
  static func move(_ provider: Provider, under parentID: String?, tx: any Transaction) throws {
    let subtree = try subtree(of: provider, tx: tx)
    var root = provider.id
    if let parentID {
      guard let parent = try find(parentID, tx: tx) else {
        throw Fault.badRequest(
          "Unable to save resource provider \(provider.id): parent provider \(parentID) does not exist.")
      }
      guard !subtree.contains(parent.id) else {
        throw Fault.badRequest(
          "Unable to save resource provider \(provider.id): creating loop in the provider tree is not allowed.")
      }
      root = parent.rootID
    }
    try tx.execute("UPDATE placement_provider SET parent_id = \(parentID) WHERE id = \(provider.id)")
    try tx.execute("UPDATE placement_provider SET root_id = \(root) WHERE id IN \(list: Array(subtree))")
  }

  /// Raises the generation of providers, in one statement.
  static func raiseGeneration(_ ids: some Collection<String>, now: Timestamp, tx: any Transaction) throws {
    guard !ids.isEmpty else { return }
    try tx.execute(
      """
      UPDATE placement_provider SET generation = generation + 1, updated_at = \(now) WHERE id IN \(list: Array(ids))
      """)
  }

  /// Removes a provider with its inventories, traits and aggregates. Throws 409 while it has children or allocations.
  static func delete(_ provider: Provider, tx: any Transaction) throws {
    guard try tx.count("SELECT COUNT(*) FROM placement_provider WHERE parent_id = \(provider.id)") == 0 else {
      throw Fault.conflict(
        "Unable to delete parent resource provider \(provider.id): It has child resource providers.",
        kind: ErrorCode.cannotDeleteParent)
    }
    guard try tx.count("SELECT COUNT(*) FROM placement_allocation WHERE provider_id = \(provider.id)") == 0 else {
      throw Fault.conflict(
        "Unable to delete resource provider \(provider.id): Resource provider has allocations.",
        kind: ErrorCode.providerInUse)
    }
    for table in ["placement_inventory", "placement_provider_trait", "placement_aggregate"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE provider_id = \(provider.id)")
    }
    try tx.execute("DELETE FROM placement_provider WHERE id = \(provider.id)")
  }
}
