import API
import Kit
import Store

/// The catalogue half of Compute: flavors, key pairs, quotas, zones, aggregates, nodes, groups, usage and proxies.
/// `ComputeService` joins it with the servers half.
enum CatalogueRoutes {
  /// Every route of the catalogue half. `servers` are those of the servers half: extensions are announced by what is
  /// served.
  static func all(_ service: ComputeDependencies, servers: [Route] = []) -> [Route] {
    let groups: [[Route]] = [
      VersionRoutes.routes(service), FlavorRoutes.routes(service), FlavorAccessRoutes.routes(service),
      FlavorSpecRoutes.routes(service), KeypairRoutes.routes(service), QuotaRoutes.routes(service),
      QuotaClassRoutes.routes(service), LimitRoutes.routes(service), ZoneRoutes.routes(service),
      AggregateRoutes.routes(service), NodeServiceRoutes.routes(service), NodeHostRoutes.routes(service),
      HypervisorRoutes.routes(service), ServerGroupRoutes.routes(service), UsageRoutes.routes(service),
      UsageAuditRoutes.routes(service), SecurityGroupProxyRoutes.routes(service), GoneProxyRoutes.routes,
    ]
    let own = groups.flatMap { $0 }
    return own + ExtensionRoutes.routes(over: own + servers)
  }

  /// The tables of the catalogue half.
  static let migrations: [Migration] =
    FlavorStore.migrations + KeypairStore.migrations + ComputeQuota.migrations + NodeServiceStore.migrations
    + ComputeNodeStore.migrations + AggregateStore.migrations + ServerGroupStore.migrations

  /// What a cloud starts with: run it once the tables exist, as often as you like.
  static func bootstrap(_ service: ComputeDependencies) async throws {
    let now = service.clock.now()
    try await service.database.write { tx in try FlavorStore.seed(now: now, tx: tx) }
  }
}
