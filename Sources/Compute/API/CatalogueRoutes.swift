import API
import Kit
import Store

/// The catalogue half of Compute: flavors, key pairs, quotas, zones, aggregates, nodes, groups, usage and proxies.
/// `ComputeService` joins it with the servers half.
enum CatalogueRoutes {
  /// Every route of the catalogue half.
  static func all(_ service: ComputeDependencies) -> [Route] {
    []
  }
  /// The tables of the catalogue half.
  static let migrations: [Migration] =
    FlavorStore.migrations + KeypairStore.migrations + ComputeQuota.migrations + NodeServiceStore.migrations
    + ComputeNodeStore.migrations + AggregateStore.migrations + ServerGroupStore.migrations
}
