import API
import Contracts
import Kit
import Logs
import Store
import Workflow

/// The Network service: the Networking API v2.0 and the ports that Compute plugs its servers into.
public final class NetworkService: PortBinding, SecurityGroupProxying, Sendable {
  /// The service's tables.
  public static let migrations = NetworkTables.migrations
  /// The routes.
  public let api: ServiceAPI

  let model: NetworkModel
  let node: WireNode
  let reconciler: Reconciler
  var clock: any WallClock { model.clock }
  var settings: NetworkSettings { model.settings }

  /// Wires the service; starts nothing. `dataplane` is this node's.
  public init(
    database: any Database, clock: any WallClock, log: Log, dataplane: any Dataplane, projects: any ProjectDirectory,
    settings: NetworkSettings
  ) {
    let node = WireNode(database: database, dataplane: dataplane, settings: settings, clock: clock, log: log)
    let reconciler = Reconciler(name: "network wiring", interval: .seconds(30), log: log) { try await node.pass() }
    let model = NetworkModel(
      database: database, clock: clock, log: log, projects: projects, settings: settings,
      nudge: { [nudger = Nudger(reconciler, after: { node.gathering })] in nudger.nudge() })
    (self.node, self.reconciler, self.model) = (node, reconciler, model)
    api = ServiceAPI(name: "network", errors: .network, routes: model.routes, normalize: Self.normalize)
  }

  /// `.json` may follow any path, as upstream takes it; a tag may end so by itself.
  private static func normalize(_ path: [String]) -> [String] {
    guard let last = path.last, last.hasSuffix(".json"), path.dropLast().last != "tags" else { return path }
    return path.dropLast() + [String(last.dropLast(5))]
  }

  /// Keeps the node's data plane as the rows say until the task is cancelled. The first pass waits for nothing.
  public func run() async throws {
    await reconciler.run()
    try Task.checkCancellation()
  }

  /// Returns when everything that was committed before is wired. Throws a fault that names the server's ports that are not.
  public func waitWired(serverID: String) async throws {
    try await reconciler.pass()
    let failures = node.failures
    if failures.isEmpty { return }
    let ports = try await model.database.read { tx in
      try tx.query("SELECT id, network_id FROM network_port WHERE device_id = \(serverID)")
        .map { ($0.text("id"), $0.text("network_id")) }
    }
    let broken = ports.compactMap { id, network in (failures[id] ?? failures[network]).map { "port \(id): \($0)" } }
    if !broken.isEmpty {
      throw Fault.internal("The network of server \(serverID) could not be wired: " + broken.joined(separator: "; "))
    }
  }

  /// Makes the external network with its subnet when no external network of this name exists. Without DHCP; the pool is the
  /// subnet from its tenth address on, or all of a small one.
  public func bootstrapExternal(name: String, cidr: String, gateway: String) async throws {
    guard let range = CIDR(cidr), let router = IPAddress(gateway), range.contains(router) else {
      throw Fault.badRequest("The external network's gateway \(gateway) is not an address of \(cidr).")
    }
    let (settings, now, nudge) = (settings, clock.now(), model.nudge)
    try await model.database.write { tx in
      if try tx.first("SELECT 1 AS one FROM network WHERE is_external = 1 AND name = \(name)") != nil { return }
      let network = try Networks.resource.insert(
        [
          "project_id": "", "name": .string(name), "mtu": .int(settings.externalMTU), "router:external": true,
          "is_default": true, "provider:network_type": "flat",
          "provider:physical_network": .string(settings.physicalNetwork),
        ], now: now, tx: tx)
      try NetworkModel.share("network", network, with: true, action: RBACPolicies.external, tx: tx)
      let usable = SubnetPlan.usable(range)
      let first = range.hostBits >= 6 ? range.network.advanced(by: 10) : usable.lowerBound
      var pools = [first...usable.upperBound]
      if pools[0].contains(router) {
        pools = SubnetPlan.defaultPools(range, gateway: router).filter { $0.upperBound >= first }
          .map { max($0.lowerBound, first)...$0.upperBound }
      }
      try Subnets.resource.insert(
        [
          "project_id": "", "name": .string(name + "-subnet"), "network_id": .string(network.id),
          "ip_version": .int(range.isV6 ? 6 : 4), "cidr": .string(range.description),
          "gateway_ip": .string(router.description), "allocation_pools": SubnetPlan.json(pools), "enable_dhcp": false,
          "dns_nameservers": .array([]), "host_routes": .array([]),
        ], now: now, tx: tx)
      tx.afterCommit(nudge)
    }
  }
}

extension NetworkModel {
  /// Every route, in groups for the compiler's sake.
  var routes: [Route] {
    var routes: [Route] = discoveryRoutes
    routes += networkRoutes + subnetRoutes + subnetPoolRoutes + addressScopeRoutes
    routes += portRoutes + routerRoutes + floatingIPRoutes
    routes += securityGroupRoutes + securityRuleRoutes + addressGroupRoutes
    routes += rbacRoutes + meteringRoutes + quotaRoutes + agentRoutes
    let network: @Sendable (AuthContext) -> SQL = { auth in
      RBACPolicies.visible("network", to: auth.projectID, column: "network_id")
    }
    routes += tagRoutes(Networks.resource) { Self.networksVisible($0) }
    routes += tagRoutes(Subnets.resource, visible: Self.visible(network))
    routes += tagRoutes(SubnetPools.resource) { Self.poolsVisible($0) }
    routes += tagRoutes(SecurityGroups.resource) { Self.groupsVisible($0) }
    for resource in [Ports.resource, Routers.resource, FloatingIPs.resource] {
      routes += tagRoutes(resource, visible: Self.visible { _ in "1 = 0" })
    }
    return routes
  }
}

/// Asks for a pass from code that cannot wait: one for all changes that gather in a while.
private final class Nudger: Sendable {
  private let stream: AsyncStream<Void>.Continuation
  private let task: Task<Void, Never>

  init(_ reconciler: Reconciler, after gathering: @escaping @Sendable () -> Duration) {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.stream = continuation
    task = Task<Void, Never> {
      for await _ in stream {
        try? await Task.sleep(for: gathering())
        reconciler.nudge()
      }
    }
  }
  func nudge() { stream.yield() }
  deinit {
    stream.finish()
    task.cancel()
  }
}
