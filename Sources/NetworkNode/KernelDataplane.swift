import Contracts
import Host
import Kit
import Logs
import NIOCore
import NIOPosix
import Synchronization

/// The kernel-native data plane: Linux bridges, TAPs, nftables, network namespaces, dnsmasq and radvd. Everything of a
/// cloud lives in the network namespace with its name and in `<cloud>-dhcp-…` and `<cloud>-router-…` beside it. What exists
/// is read from the kernel in every pass, so that a restart of ours, or a change behind our back, ends in the same place.
public final class KernelDataplane: Dataplane {
  private let engine: DataplaneEngine
  private let supervision = Mutex<RepeatedTask?>(nil)

  /// - Parameters:
  ///   - cloud: name of the cloud's namespace; other clouds of the host have other names.
  ///   - directory: for the files of programs; made when absent.
  ///   - externalCIDR: the external network's IPv4 addresses.
  ///   - externalGateway: its gateway: an address on the external bridge, unless that is bridged to a NIC.
  ///   - host: the namespace to which the external network leads; nil: that of this process.
  public init(
    cloud: String = "martlet", directory: String, external: ExternalNetworkMode, externalCIDR: String,
    externalGateway: String, metadata: any MetadataAnswering, log: Log, host: NetworkNamespace? = nil
  ) {
    let network = ExternalNetwork(
      cloud: NetworkNamespace(cloud), hostNamespace: host, directory: directory, mode: external, cidr: externalCIDR,
      gateway: externalGateway, log: log)
    engine = DataplaneEngine(external: network, metadata: metadata, log: log)
  }

  deinit { supervision.withLock { $0?.cancel() } }

  /// Throws a fault that says what is missing when this host cannot carry a cloud's network: rights, a kernel feature, a
  /// program, or addresses that are in use.
  public func start() async throws {
    try await engine.start()
    let engine = engine
    // Programs that end between two passes are started again.
    let task = MultiThreadedEventLoopGroup.singleton.next().scheduleRepeatedAsyncTask(
      initialDelay: .seconds(2), delay: .seconds(2)
    ) { [weak engine] _ in
      MultiThreadedEventLoopGroup.singleton.next().makeFutureWithTask { [engine] in await engine?.supervise() }
    }
    supervision.withLock { old in
      old?.cancel()
      old = task
    }
  }

  public func apply(_ state: NetworkState) async throws -> NetworkApplyReport { try await engine.apply(state) }

  public func wiredPorts() async throws -> Set<String> { try await engine.wiredPorts() }

  public func removeAll() async throws {
    supervision.withLock { $0?.cancel() }
    try await engine.removeAll()
  }
}
