import Kit
import Store

/// Rows of consumers and of what they hold.
enum AllocationStore {
  static func consumer(_ row: Row) -> Consumer {
    Consumer(
      id: row.text("id"), projectID: row.text("project_id"), userID: row.text("user_id"),
      type: row.optionalText("consumer_type"), generation: row.int("generation"))
  }
  static func allocation(_ row: Row) -> Allocation {
    Allocation(
      consumer: row.text("consumer_id"), provider: row.text("provider_id"),
      resourceClass: row.text("resource_class"), used: row.int("used"))
  }

  static func consumers(_ ids: [String], tx: any Transaction) throws -> [String: Consumer] {
    let rows = try tx.query("SELECT * FROM placement_consumer WHERE id IN \(list: ids)")
    return Dictionary(rows.map { ($0.text("id"), consumer($0)) }) { first, _ in first }
  }
  static func allocations(of consumers: [String], tx: any Transaction) throws -> [Allocation] {
    try tx.query("SELECT * FROM placement_allocation WHERE consumer_id IN \(list: consumers)").map(allocation)
  }
  static func allocations(on provider: String, tx: any Transaction) throws -> [Allocation] {
    try tx.query("SELECT * FROM placement_allocation WHERE provider_id = \(provider) ORDER BY consumer_id").map(
      allocation)
  }

  /// Takes everything back from a consumer. Returns whether it held anything.
  static func release(_ consumer: String, tx: any Transaction) throws -> Bool {
    let count = try tx.execute("DELETE FROM placement_allocation WHERE consumer_id = \(consumer)")
    try tx.execute("DELETE FROM placement_consumer WHERE id = \(consumer)")
    return count > 0
  }

  /// Replaces what consumers hold, all or nothing. The number of statements does not depend on the number of claims.
  /// Throws 409 when a generation is another or something does not fit, 400 for unknown providers and classes.
  static func replace(_ claims: [Claim], now: Timestamp, tx: any Transaction) throws {
    let ids = claims.map(\.consumer)
    let consumers = try consumers(ids, tx: tx)
    for claim in claims { try check(claim, consumers[claim.consumer]) }
    let providerIDs = Set(claims.flatMap { $0.allocations.map(\.provider) })
    try check(claims, providerIDs: providerIDs, tx: tx)
    try tx.execute("DELETE FROM placement_allocation WHERE consumer_id IN \(list: ids)")
    try write(claims, consumers, now: now, tx: tx)
    try ProviderStore.raiseGeneration(providerIDs, now: now, tx: tx)
  }

  private static func check(_ claim: Claim, _ consumer: Consumer?) throws {
    let expected = consumer.map { String($0.generation) } ?? "null"
    let got: String
    switch claim.generation {
    case .any: return
    case .new:
      if consumer == nil { return }
      got = "null"
    case .seen(let seen):
      if consumer?.generation == seen { return }
      got = String(seen)
    }
    throw Fault.conflict(
      "consumer generation conflict - expected \(expected) but got \(got)", kind: ErrorCode.concurrentUpdate)
  }

  /// Whether everything exists and fits beside what the other consumers hold.
  private static func check(_ claims: [Claim], providerIDs: Set<String>, tx: any Transaction) throws {
    guard !providerIDs.isEmpty else { return }
    let providers = try ProviderStore.find(providerIDs, tx: tx)
    if let missing = providerIDs.first(where: { providers[$0] == nil }) {
      throw Fault.badRequest("Allocation for resource provider '\(missing)' that does not exist.")
    }
    try ClassStore.check(
      Set(claims.flatMap { $0.allocations.flatMap { $0.resources.map(\.resourceClass) } }), tx: tx)
    let inventories = try InventoryStore.all(of: providerIDs, tx: tx)
    let usedBefore = try InventoryStore.used(of: providerIDs, tx: tx)
    var used = usedBefore
    for held in try allocations(of: claims.map(\.consumer), tx: tx) {
      used[held.provider]?[held.resourceClass]? -= held.used
    }
    for allocation in claims.flatMap(\.allocations) {
      for (resourceClass, amount) in allocation.resources {
        let before = used[allocation.provider]?[resourceClass] ?? 0
        try fit(
          amount, resourceClass, inventories[allocation.provider]?[resourceClass], used: before,
          usedBefore: usedBefore[allocation.provider]?[resourceClass] ?? 0,
          provider: providers[allocation.provider])
        used[allocation.provider, default: [:]][resourceClass] = before + amount
      }
    }
  }

  private static func fit(
    _ amount: Int, _ resourceClass: String, _ inventory: Inventory?, used: Int, usedBefore: Int, provider: Provider?
  ) throws {
    let id = provider?.id ?? ""
    func refuse(_ reason: String, had: String) -> Fault {
      Fault(
        409,
        "Unable to allocate inventory: Unable to create allocation for '\(resourceClass)' on resource provider '\(id)'. "
          + reason,
        explanation: [
          "host": .string(provider?.name ?? ""), "requirement": .string(resourceClass),
          "asked": .string(String(amount)), "had": .string(had),
        ])
    }
    guard let inventory else { throw refuse("It has no inventory of this class.", had: "0") }
    if let violation = inventory.violation(amount) {
      throw refuse("The requested amount would violate inventory constraints: \(violation).", had: violation)
    }
    // A claim that makes an existing overcommitment smaller is let through: it can only help.
    if used + amount > inventory.capacity, used + amount > usedBefore {
      let free = max(0, inventory.capacity - used)
      throw refuse(
        "The requested amount would exceed the capacity: \(amount) asked, \(free) free of \(inventory.capacity).",
        had: String(free))
    }
  }

  private static func write(
    _ claims: [Claim], _ consumers: [String: Consumer], now: Timestamp, tx: any Transaction
  ) throws {
    try tx.execute("DELETE FROM placement_consumer WHERE id IN \(list: claims.map(\.consumer))")
    var people: [SQL] = []
    var amounts: [SQL] = []
    for claim in claims where !claim.allocations.isEmpty {
      let old = consumers[claim.consumer]
      people.append(
        """
        (\(claim.consumer), \(claim.projectID), \(claim.userID), \(claim.consumerType ?? old?.type), \
        \((old?.generation ?? 0) + 1), \(now))
        """)
      for allocation in claim.allocations {
        amounts += allocation.resources.map {
          "(\(claim.consumer), \(allocation.provider), \($0.resourceClass), \($0.amount), \(now))"
        }
      }
    }
    // SQLite takes 32,766 parameters in a statement: batches stay far below it.
    for batch in batches(people) {
      try tx.execute(
        """
        INSERT INTO placement_consumer (id, project_id, user_id, consumer_type, generation, updated_at) VALUES \(batch)
        """)
    }
    for batch in batches(amounts) {
      try tx.execute(
        """
        INSERT INTO placement_allocation (consumer_id, provider_id, resource_class, used, created_at) VALUES \(batch)
        """)
    }
  }
  private static func batches(_ rows: [SQL]) -> [SQL] {
    stride(from: 0, to: rows.count, by: 1000).map { SQL.join(Array(rows[$0..<min($0 + 1000, rows.count)]), ", ") }
  }
}
