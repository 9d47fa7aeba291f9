import Kit
import Store

/// Rows of inventories, and what is used of them.
enum InventoryStore {
  static func inventory(_ row: Row) -> Inventory {
    Inventory(
      total: row.int("total"), reserved: row.int("reserved"), minUnit: row.int("min_unit"),
      maxUnit: row.int("max_unit"), stepSize: row.int("step_size"), allocationRatio: row.double("allocation_ratio"))
  }

  /// Provider → resource class → inventory, of the providers that fit.
  static func all(
    of providers: some Collection<String>, tx: any Transaction
  ) throws -> [String: [String: Inventory]] {
    guard !providers.isEmpty else { return [:] }
    return grouped(
      try tx.query("SELECT * FROM placement_inventory WHERE provider_id IN \(list: Array(providers))"), inventory)
  }
  static func all(tx: any Transaction) throws -> [String: [String: Inventory]] {
    grouped(try tx.query("SELECT * FROM placement_inventory"), inventory)
  }
  /// Provider → resource class → what all consumers hold of it.
  static func used(
    of providers: some Collection<String>, tx: any Transaction
  ) throws -> [String: [String: Int]] {
    guard !providers.isEmpty else { return [:] }
    return try used(where: "provider_id IN \(list: Array(providers))", tx: tx)
  }
  static func used(where condition: SQL = "1 = 1", tx: any Transaction) throws -> [String: [String: Int]] {
    grouped(
      try tx.query(
        """
        SELECT provider_id, resource_class, SUM(used) AS used FROM placement_allocation WHERE \(condition)
        GROUP BY provider_id, resource_class
        """)
    ) { $0.int("used") }
  }
  private static func grouped<Value>(_ rows: [Row], _ value: (Row) -> Value) -> [String: [String: Value]] {
    rows.reduce(into: [:]) { $0[$1.text("provider_id"), default: [:]][$1.text("resource_class")] = value($1) }
  }

  static func write(
    _ inventory: Inventory, _ resourceClass: String, of provider: String, isNew: Bool, now: Timestamp,
    tx: any Transaction
  ) throws {
    let columns: [(String, SQLValue)] = [
      ("total", inventory.total.sqlValue), ("reserved", inventory.reserved.sqlValue),
      ("min_unit", inventory.minUnit.sqlValue), ("max_unit", inventory.maxUnit.sqlValue),
      ("step_size", inventory.stepSize.sqlValue), ("allocation_ratio", inventory.allocationRatio.sqlValue),
      ("updated_at", now.sqlValue),
    ]
    if isNew {
      let key = [("provider_id", provider.sqlValue), ("resource_class", resourceClass.sqlValue)]
      try tx.execute(.insert(into: "placement_inventory", key + columns))
    } else {
      try tx.execute(
        """
        \(SQL.update("placement_inventory", columns))
        WHERE provider_id = \(provider) AND resource_class = \(resourceClass)
        """)
    }
  }

  /// Makes the provider's inventories exactly these; writes only what differs. Returns whether anything did.
  /// Throws 409 when a class that goes away is in use, 400 for a class that does not exist.
  @discardableResult
  static func replace(
    _ wanted: [String: Inventory], of provider: Provider, now: Timestamp, tx: any Transaction
  ) throws -> Bool {
    try ClassStore.check(wanted.keys, tx: tx)
    let present = try all(of: [provider.id], tx: tx)[provider.id] ?? [:]
    let gone = present.keys.filter { wanted[$0] == nil }
    try remove(gone, of: provider, tx: tx)
    var hasChanged = !gone.isEmpty
    for (resourceClass, inventory) in wanted where present[resourceClass] != inventory {
      try write(
        inventory, resourceClass, of: provider.id, isNew: present[resourceClass] == nil, now: now, tx: tx)
      hasChanged = true
    }
    return hasChanged
  }

  /// Removes inventories. Throws 409 while any of them is in use.
  static func remove(_ classes: [String], of provider: Provider, tx: any Transaction) throws {
    guard !classes.isEmpty else { return }
    let scope: SQL = "provider_id = \(provider.id) AND resource_class IN \(list: classes)"
    let used = try tx.query("SELECT DISTINCT resource_class FROM placement_allocation WHERE \(scope)")
    guard used.isEmpty else {
      let names = used.map { $0.text("resource_class") }.joined(separator: ", ")
      throw Fault.conflict(
        "Inventory for '\(names)' on resource provider '\(provider.id)' in use.", kind: ErrorCode.inventoryInUse)
    }
    try tx.execute("DELETE FROM placement_inventory WHERE \(scope)")
  }
}
