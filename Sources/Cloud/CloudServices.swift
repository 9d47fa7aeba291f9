import API
import BlockStorage
import Compute
import ComputeNode
import Config
import Contracts
import Host
import Identity
import Image
import Kit
import Logs
import Network
import NetworkNode
import Placement
import Store
import Workflow

/// Every service of an all-in-one, wired together: configuration and roles in, running services out.
public struct CloudServices: Sendable {
  public let configuration: Configuration
  public let state: StateFolder
  public let logs: LogCenter
  public let database: any Database
  public let engine: WorkflowEngine
  public let identity: IdentityService
  public let image: ImageService
  public let placement: PlacementService
  public let network: NetworkService
  public let blockStorage: BlockStorageService
  public let compute: ComputeService
  public let hypervisor: any Hypervisor
  public let dataplane: any Dataplane

  /// Opens the state and wires the services; starts nothing. Throws a fault for a configuration that cannot work.
  public init(configuration: Configuration, state: StateFolder, logs: LogCenter) throws {
    let clock = SystemClock()
    let host = NodeFacts.name(configuration)
    (self.configuration, self.state, self.logs) = (configuration, state, logs)
    let database = try StoreEngine.open(configuration, state)
    self.database = database
    let engine = WorkflowEngine(database: database, node: host, log: logs.logger("workflow"))
    self.engine = engine
    let metadata = LateMetadata()
    dataplane = try Self.dataplane(configuration, state, logs, metadata)
    hypervisor = Self.hypervisor(configuration, state, logs)
    identity = IdentityService(
      database: database, clock: clock, log: logs.logger("identity"), keyDirectory: state.keys,
      tokenLifetime: .seconds(configuration.int("identity.token_lifetime")),
      settings: IdentitySettings(configuration))
    image = ImageService(
      database: database, clock: clock, log: logs.logger("image"), directory: state.images, engine: engine)
    let inUse = ImagesInUse(guests: state.guests)
    image.isInUse = { inUse.contains($0) }
    placement = PlacementService(
      database: database, clock: clock, log: logs.logger("placement"),
      ratios: AllocationRatios(
        cpu: configuration.double("placement.cpu_allocation_ratio"),
        ram: configuration.double("placement.ram_allocation_ratio"),
        disk: configuration.double("placement.disk_allocation_ratio"),
        reservedMemoryMB: configuration.int("placement.reserved_memory_mb")))
    network = NetworkService(
      database: database, clock: clock, log: logs.logger("network"), dataplane: dataplane, projects: identity,
      settings: NetworkSettings(host: host))
    blockStorage = BlockStorageService(
      database: database, clock: clock, log: logs.logger("block-storage"), engine: engine, images: image,
      projects: identity, settings: try VolumeBackends.settings(configuration, state, host: host))
    compute = ComputeService(
      database: database, clock: clock, log: logs.logger("compute"), engine: engine, hypervisor: hypervisor,
      images: image, ports: network, securityGroups: network, allocations: placement, projects: identity,
      volumes: blockStorage,
      settings: ComputeSettings(
        host: host, zone: configuration.text("hypervisor.zone"), region: configuration.text("cloud.region"),
        snapshotFolder: state.snapshots, consoleURL: ServicePort.console.url(configuration)))
    blockStorage.users = compute
    metadata.set(compute)
  }

  private static func dataplane(
    _ configuration: Configuration, _ state: StateFolder, _ logs: LogCenter, _ metadata: LateMetadata
  ) throws -> any Dataplane {
    if configuration.text("network.driver") == "fake" { return FakeDataplane() }
    return KernelDataplane(
      cloud: configuration.text("cloud.name"), directory: state.networks, external: try external(configuration),
      externalCIDR: configuration.text("network.external_cidr"),
      externalGateway: configuration.text("network.external_gateway"), metadata: metadata,
      log: logs.logger("network-node"))
  }

  private static func external(_ configuration: Configuration) throws -> ExternalNetworkMode {
    let text = configuration.text("network.external")
    switch text {
    case "isolated": return .isolated
    case "routed": return .routed
    default:
      guard text.hasPrefix("bridged:"), case let nic = text.dropFirst(8), (1...15).contains(nic.utf8.count) else {
        throw Fault.badRequest("network.external is '\(text)': it must be isolated, routed or bridged:NIC.")
      }
      return .bridged(nic: String(nic))
    }
  }

  private static func hypervisor(_ configuration: Configuration, _ state: StateFolder, _ logs: LogCenter)
    -> any Hypervisor
  {
    let host = NodeFacts.name(configuration)
    if configuration.text("hypervisor.driver") == "fake" {
      return FakeHypervisor(hostname: host, directory: state.guests)
    }
    let isKernel = configuration.text("network.driver") == "kernel"
    return QEMUHypervisor(
      directory: state.guests,
      namespace: isKernel ? NetworkNamespace(configuration.text("cloud.name")) : nil, hostname: host,
      hostAddress: configuration.text("api.address"),
      accelerator: Accelerator(rawValue: configuration.text("hypervisor.accelerator")) ?? .auto,
      probeKernel: NodeFacts.probeKernel(state), log: logs.logger("compute-node"))
  }

  /// Every service's tables.
  public static var migrations: [Migration] {
    JobStore.migrations + IdentityService.migrations + ImageService.migrations + PlacementService.migrations
      + NetworkService.migrations + BlockStorageService.migrations + ComputeService.migrations
  }

  /// Every service's API.
  public var apis: [ServiceAPI] {
    [identity.api, image.api, compute.api, placement.api, network.api, blockStorage.api]
  }
}
