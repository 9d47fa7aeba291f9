import API
import Contracts
import Kit
import Logs
import Store

/// How much more than there is may be allocated, and what is kept back for the host (Nova's `*_allocation_ratio` and
/// `reserved_host_*` options).
public struct AllocationRatios: Sendable, Equatable {
  /// Virtual CPUs per CPU. Idle guests share CPUs well.
  public var cpu: Double
  public var ram: Double
  public var disk: Double
  /// Memory in MB that guests do not get. A host with less than twice as much keeps half of what it has.
  public var reservedMemoryMB: Int
  /// Disk space in GB that guests do not get.
  public var reservedDiskGB: Int

  public init(
    cpu: Double = 4.0, ram: Double = 1.0, disk: Double = 1.0, reservedMemoryMB: Int = 512, reservedDiskGB: Int = 0
  ) {
    (self.cpu, self.ram, self.disk) = (cpu, ram, disk)
    (self.reservedMemoryMB, self.reservedDiskGB) = (reservedMemoryMB, reservedDiskGB)
  }
}

/// The Placement service: who has which resources, and who holds them.
public final class PlacementService: Allocating, Sendable {
  let database: any Database
  let clock: any WallClock
  let log: Log
  let ratios: AllocationRatios

  public init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log,
    ratios: AllocationRatios = AllocationRatios()
  ) {
    (self.database, self.clock, self.log, self.ratios) = (database, clock, log, ratios)
  }

  /// Placement's API, microversions 1.0 to 1.39.
  public var api: ServiceAPI {
    ServiceAPI(
      name: "placement", errors: .placement,
      microversions: MicroversionSupport(service: "placement", min: Microversion(1, 0), max: Microversion(1, 39)),
      routes: rootRoutes + providerRoutes + inventoryRoutes + traitRoutes + resourceClassRoutes + allocationRoutes
        + usageRoutes)
  }

  // MARK: Allocating

  public func register(host: String, resources: NodeResources, tx: any Transaction) throws -> String {
    let now = clock.now()
    var provider: Provider
    if let known = try ProviderStore.find(name: host, tx: tx) {
      provider = known
    } else {
      provider = try ProviderStore.insert(id: UUIDText.make(), name: host, parentID: nil, now: now, tx: tx)
    }
    // Inventories of other classes, made through the API, stay.
    var wanted = try InventoryStore.all(of: [provider.id], tx: tx)[provider.id] ?? [:]
    wanted.merge(inventories(resources)) { _, new in new }
    if try InventoryStore.replace(wanted, of: provider, now: now, tx: tx) {
      try ProviderStore.raiseGeneration([provider.id], now: now, tx: tx)
    }
    return provider.id
  }

  private func inventories(_ resources: NodeResources) -> [String: Inventory] {
    func inventory(_ total: Int, reserved: Int, ratio: Double) -> Inventory {
      let total = min(total, Inventory.amountMax)
      return Inventory(total: total, reserved: min(reserved, total / 2), maxUnit: total, allocationRatio: ratio)
    }
    var result: [String: Inventory] = [:]
    if resources.vcpus > 0 {
      result[ResourceClass.vcpu] = inventory(resources.vcpus, reserved: 0, ratio: ratios.cpu)
    }
    if resources.memoryMB > 0 {
      result[ResourceClass.memoryMB] = inventory(
        resources.memoryMB, reserved: ratios.reservedMemoryMB, ratio: ratios.ram)
    }
    if resources.diskGB > 0 {
      result[ResourceClass.diskGB] = inventory(resources.diskGB, reserved: ratios.reservedDiskGB, ratio: ratios.disk)
    }
    return result
  }

  public func capacities(tx: any Transaction) throws -> [HostCapacity] {
    let classes = [ResourceClass.vcpu, ResourceClass.memoryMB, ResourceClass.diskGB]
    let rows = try tx.query(
      """
      SELECT p.id AS provider_id, p.name AS host, i.*, COALESCE((
        SELECT SUM(a.used) FROM placement_allocation a
        WHERE a.provider_id = i.provider_id AND a.resource_class = i.resource_class), 0) AS used
      FROM placement_provider p JOIN placement_inventory i ON i.provider_id = p.id
      WHERE p.parent_id IS NULL AND i.resource_class IN \(list: classes) ORDER BY p.name
      """)
    var result: [HostCapacity] = []
    for row in rows {
      let host = row.text("host")
      if result.last?.host != host {
        result.append(
          HostCapacity(
            host: host, providerID: row.text("provider_id"), vcpusTotal: 0, vcpusUsed: 0, memoryMBTotal: 0,
            memoryMBUsed: 0, diskGBTotal: 0, diskGBUsed: 0))
      }
      let (total, used, last) = (InventoryStore.inventory(row).capacity, row.int("used"), result.count - 1)
      switch row.text("resource_class") {
      case ResourceClass.vcpu: (result[last].vcpusTotal, result[last].vcpusUsed) = (total, used)
      case ResourceClass.memoryMB: (result[last].memoryMBTotal, result[last].memoryMBUsed) = (total, used)
      default: (result[last].diskGBTotal, result[last].diskGBUsed) = (total, used)
      }
    }
    return result
  }

  public func claim(
    consumer: String, host: String, _ request: ResourceRequest, projectID: String, userID: String,
    tx: any Transaction
  ) throws {
    guard let provider = try ProviderStore.find(name: host, tx: tx) else {
      throw Fault(
        409, "Host \(host) has no resource provider: its compute service has not reported yet.",
        explanation: ["host": .string(host), "requirement": "resource provider", "asked": "1", "had": "0"])
    }
    let amounts = [
      (ResourceClass.vcpu, request.vcpus), (ResourceClass.memoryMB, request.memoryMB),
      (ResourceClass.diskGB, request.diskGB),
    ]
    let resources = amounts.filter { $0.1 > 0 }.map { (resourceClass: $0.0, amount: $0.1) }
    let claim = Claim(
      consumer: consumer, projectID: projectID, userID: userID, generation: .any, consumerType: "INSTANCE",
      allocations: resources.isEmpty ? [] : [(provider: provider.id, resources: resources)])
    try AllocationStore.replace([claim], now: clock.now(), tx: tx)
  }

  public func release(consumer: String, tx: any Transaction) throws {
    _ = try AllocationStore.release(consumer, tx: tx)
  }
}
