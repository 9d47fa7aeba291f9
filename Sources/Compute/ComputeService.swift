import API
import Contracts
import Kit
import Logs
import Store
import Workflow

/// The Compute service: servers and all that describes them (API reference, Compute).
public final class ComputeService: MetadataAnswering, Sendable {
  let dependencies: ComputeDependencies
  private let sync: Reconciler
  private let metadata: MetadataService

  /// Registers Compute's workflows with `engine`.
  public init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log, engine: WorkflowEngine,
    hypervisor: any Hypervisor, images: any ImageSource, ports: any PortBinding,
    securityGroups: any SecurityGroupProxying, allocations: any Allocating, projects: any ProjectDirectory,
    volumes: (any VolumeAttaching)? = nil, settings: ComputeSettings
  ) {
    let dependencies = ComputeDependencies(
      database: database, clock: clock, log: log, engine: engine, hypervisor: hypervisor, images: images, ports: ports,
      securityGroups: securityGroups, allocations: allocations, projects: projects, volumes: volumes,
      settings: settings)
    self.dependencies = dependencies
    metadata = MetadataService(service: dependencies)
    sync = Reconciler(name: "guests", interval: settings.syncInterval, log: log) {
      try await ServerSync(service: dependencies).pass()
    }
    engine.register(Self.workflows(dependencies))
  }

  /// The tables of Compute.
  public static let migrations: [Migration] =
    ServerStore.migrations + CatalogueRoutes.migrations + BlockDeviceStore.migrations
    + ConsoleTokenStore.migrations

  /// Every workflow on servers.
  static func workflows(_ service: ComputeDependencies) -> [WorkflowDefinition] {
    [BuildServer(service: service).definition, DeleteServer(service: service).definition]
      + [RebuildServer(service: service).definition, SnapshotServer(service: service).definition]
      + PowerServer(service: service).definitions + InterfaceServer(service: service).definitions
      + ResizeServer(service: service).definitions + VolumeServer(service: service).definitions
  }

  /// Compute's API, microversions 2.1 to 2.104.
  public var api: ServiceAPI {
    let servers = Self.serverRoutes(dependencies)
    return ServiceAPI(
      name: "compute", errors: .compute, microversions: ComputeVersions.support,
      routes: servers + CatalogueRoutes.all(dependencies, servers: servers), normalize: ComputeVersions.normalize)
  }

  static func serverRoutes(_ service: ComputeDependencies) -> [Route] {
    var routes: [Route] = ServerRoutes.routes(service)
    routes += ServerActionRoutes.routes(service)
    routes += ServerMetadataRoutes.routes(service)
    routes += ServerTagRoutes.routes(service)
    routes += InterfaceRoutes.routes(service)
    routes += VolumeAttachmentRoutes.routes(service)
    routes += ExternalEventRoutes.routes(service)
    routes += VolumeProxyRoutes.routes(service)
    routes += InstanceActionRoutes.routes(service)
    routes += ConsoleRoutes.routes(service)
    routes += RemoteConsoleRoutes.routes(service)
    routes += ServerMigrationRoutes.routes(service)
    return routes
  }

  /// Answers a guest's request to 169.254.169.254.
  public func answer(_ request: MetadataRequest) async -> MetadataResponse { await metadata.answer(request) }

  // MARK: The node

  /// Makes the initial flavors of a new cloud, opens the hypervisor, reports the node and corrects what changed while
  /// nobody looked.
  public func start() async throws {
    try await CatalogueRoutes.bootstrap(dependencies)
    try await dependencies.hypervisor.start()
    let now = dependencies.clock.now()
    try await dependencies.database.write { try FlavorStore.seed(now: now, tx: $0) }
    try await heartbeat()
    try await ServerSync(service: dependencies).pass()
  }

  /// Reports that the node lives, follows its guests and compares them with their servers, until the task is cancelled.
  public func run() async throws {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.sync.run() }
      group.addTask { await ServerSync(service: self.dependencies).follow() }
      group.addTask { await self.beat() }
    }
  }

  private func beat() async {
    while !Task.isCancelled {
      do {
        try await heartbeat()
      } catch {
        dependencies.log.error("the node's heartbeat was not recorded: \(error)")
      }
      try? await Task.sleep(for: dependencies.settings.heartbeatInterval)
    }
  }

  /// Records what the node has and that it lives, for Placement and the scheduler.
  func heartbeat() async throws {
    let service = dependencies
    let resources = try await service.hypervisor.resources()
    let (host, now) = (service.settings.host, service.clock.now())
    try await service.database.write { tx in
      try ComputeNodeStore.heartbeat(
        host: host, zone: service.settings.zone, resources: resources, now: now, tx: tx)
      // This process also schedules and runs the workflows.
      for binary in NodeService.controllers {
        try NodeServiceStore.heartbeat(binary: binary, host: host, now: now, tx: tx)
      }
      _ = try service.allocations.register(host: host, resources: resources, tx: tx)
    }
  }
}
