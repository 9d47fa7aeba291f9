import API
import Contracts
import Kit
import Logs
import Store
import Workflow

/// The Compute service: servers and all that describes them (API reference, Compute).
public final class ComputeService: Sendable {
  let dependencies: ComputeDependencies

  public init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log, engine: WorkflowEngine,
    hypervisor: any Hypervisor, images: any ImageSource, ports: any PortBinding,
    securityGroups: any SecurityGroupProxying, allocations: any Allocating, projects: any ProjectDirectory,
    settings: ComputeSettings
  ) {
    dependencies = ComputeDependencies(
      database: database, clock: clock, log: log, engine: engine, hypervisor: hypervisor, images: images, ports: ports,
      securityGroups: securityGroups, allocations: allocations, projects: projects, settings: settings)
  }

  /// The tables of Compute.
  public static let migrations: [Migration] = CatalogueRoutes.migrations

  /// Compute's API, microversions 2.1 to 2.104.
  public var api: ServiceAPI {
    ServiceAPI(
      name: "compute", errors: .compute, microversions: ComputeVersions.support,
      routes: CatalogueRoutes.all(dependencies), normalize: ComputeVersions.normalize)
  }
}
