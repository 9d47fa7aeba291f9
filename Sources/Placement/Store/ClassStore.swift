import Kit
import Store

/// Rows of custom resource classes and custom traits.
enum ClassStore {
  /// Every class: the standard ones, then the custom ones.
  static func all(tx: any Transaction) throws -> [String] {
    ResourceClass.standard
      + (try tx.query("SELECT name FROM placement_resource_class ORDER BY created_at, name").map { $0.text("name") })
  }
  static func exists(_ name: String, tx: any Transaction) throws -> Bool {
    if ResourceClass.standardSet.contains(name) { return true }
    return try tx.first("SELECT name FROM placement_resource_class WHERE name = \(name)") != nil
  }
  /// Throws a 400 fault that names the classes among these that do not exist. Asks nothing for standard classes.
  static func check(_ names: some Collection<String>, tx: any Transaction) throws {
    let custom = names.filter { !ResourceClass.standardSet.contains($0) }
    guard !custom.isEmpty else { return }
    let rows = try tx.query("SELECT name FROM placement_resource_class WHERE name IN \(list: custom)")
    let missing = Set(custom).subtracting(rows.map { $0.text("name") })
    guard missing.isEmpty else {
      throw Fault.badRequest("No such resource class \(missing.sorted().joined(separator: ", ").prefix(300)).")
    }
  }
  static func insert(_ name: String, now: Timestamp, tx: any Transaction) throws {
    do {
      try tx.execute(.insert(into: "placement_resource_class", ["name": name, "created_at": now]))
    } catch is DuplicateRow {
      throw Fault.conflict("Conflicting resource class already exists: \(name)")
    }
  }
  static func isUsed(_ name: String, tx: any Transaction) throws -> Bool {
    try tx.first("SELECT provider_id FROM placement_inventory WHERE resource_class = \(name) LIMIT 1") != nil
  }
  static func delete(_ name: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM placement_resource_class WHERE name = \(name)")
  }
  static func rename(_ name: String, to other: String, tx: any Transaction) throws {
    do {
      try tx.execute("UPDATE placement_resource_class SET name = \(other) WHERE name = \(name)")
    } catch is DuplicateRow {
      throw Fault.conflict("Resource class already exists: \(other)")
    }
    for table in ["placement_inventory", "placement_allocation"] {
      try tx.execute("UPDATE \(raw: table) SET resource_class = \(other) WHERE resource_class = \(name)")
    }
  }
}

/// Rows of custom traits, and which provider has which.
enum TraitStore {
  static func custom(tx: any Transaction) throws -> [String] {
    try tx.query("SELECT name FROM placement_trait ORDER BY name").map { $0.text("name") }
  }
  static func exists(_ name: String, tx: any Transaction) throws -> Bool {
    if Trait.standardSet.contains(name) { return true }
    return try tx.first("SELECT name FROM placement_trait WHERE name = \(name)") != nil
  }
  /// Names among these that do not exist.
  static func missing(_ names: some Collection<String>, tx: any Transaction) throws -> [String] {
    let custom = Set(names).subtracting(Trait.standardSet)
    guard !custom.isEmpty else { return [] }
    let rows = try tx.query("SELECT name FROM placement_trait WHERE name IN \(list: Array(custom))")
    return custom.subtracting(rows.map { $0.text("name") }).sorted()
  }
  /// Throws a 400 fault that names the traits that do not exist.
  static func check(_ names: some Collection<String>, tx: any Transaction) throws {
    let missing = try missing(names, tx: tx)
    guard missing.isEmpty else {
      throw Fault.badRequest("No such trait(s): \(missing.joined(separator: ", ").prefix(300)).")
    }
  }
  static func associated(tx: any Transaction) throws -> Set<String> {
    Set(try tx.query("SELECT DISTINCT trait FROM placement_provider_trait").map { $0.text("trait") })
  }
  static func all(tx: any Transaction) throws -> [String: Set<String>] {
    try tx.query("SELECT provider_id, trait FROM placement_provider_trait").reduce(into: [:]) {
      $0[$1.text("provider_id"), default: []].insert($1.text("trait"))
    }
  }
  static func of(_ provider: String, tx: any Transaction) throws -> [String] {
    try tx.query("SELECT trait FROM placement_provider_trait WHERE provider_id = \(provider) ORDER BY trait").map {
      $0.text("trait")
    }
  }
  /// Makes the provider's traits exactly these.
  static func replace(_ names: Set<String>, of provider: String, tx: any Transaction) throws {
    let present = Set(try of(provider, tx: tx))
    let gone = present.subtracting(names)
    if !gone.isEmpty {
      try tx.execute(
        "DELETE FROM placement_provider_trait WHERE provider_id = \(provider) AND trait IN \(list: Array(gone))")
    }
    for name in names.subtracting(present).sorted() {
      try tx.execute(.insert(into: "placement_provider_trait", ["provider_id": provider, "trait": name]))
    }
  }
}

/// Which provider is a member of which aggregates.
enum AggregateStore {
  static func of(_ provider: String, tx: any Transaction) throws -> [String] {
    try tx.query(
      "SELECT aggregate_id FROM placement_aggregate WHERE provider_id = \(provider) ORDER BY aggregate_id"
    ).map { $0.text("aggregate_id") }
  }
  static func all(tx: any Transaction) throws -> [String: Set<String>] {
    try tx.query("SELECT provider_id, aggregate_id FROM placement_aggregate").reduce(into: [:]) {
      $0[$1.text("provider_id"), default: []].insert($1.text("aggregate_id"))
    }
  }
  static func replace(_ ids: [String], of provider: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM placement_aggregate WHERE provider_id = \(provider)")
    for id in ids {
      try tx.execute(.insert(into: "placement_aggregate", ["provider_id": provider, "aggregate_id": id]))
    }
  }
}
