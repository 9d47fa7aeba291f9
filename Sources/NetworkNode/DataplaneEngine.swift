import Contracts
import Host
import Kit
import Logs

/// The passes of the kernel data plane, one at a time.
actor DataplaneEngine {
  private let external: ExternalNetwork
  private let cloud: NetworkNamespace
  private let log: Log
  private let daemons: DaemonKeeper
  private let listeners: MetadataListeners
  private let rules: RuleLoader
  private let gate = Gate()
  private var externalPlan: ExternalPlan?
  /// Addresses that ports had in the last pass, by network: for ending the connections of those that are gone.
  private var lastState: NetworkState?

  init(external: ExternalNetwork, metadata: any MetadataAnswering, log: Log) {
    (self.external, cloud, self.log) = (external, external.cloud, log)
    daemons = DaemonKeeper(directory: "\(external.directory)/daemons", log: log)
    listeners = MetadataListeners(answering: metadata, log: log)
    rules = RuleLoader(log: log)
  }

  /// One pass at a time.
  private func exclusively<T>(_ body: () async throws -> T) async throws -> T {
    await gate.enter()
    let result: Result<T, any Error>
    do {
      result = .success(try await body())
    } catch {
      result = .failure(error)
    }
    await gate.leave()
    return try result.get()
  }

  // MARK: - Start

  func start() async throws {
    try await exclusively { try await startNow() }
  }

  private func startNow() async throws {
    try external.check()
    try await Preconditions.check()
    try HostFiles.makeFolder(external.directory)
    try cloud.create()
    try await Sysctl.set(Self.cloudSwitches, in: cloud)
    let plan = try await external.start()
    externalPlan = plan
    // A new namespace gets the rules that let nothing pass; one that is in use keeps its own until the first pass.
    let picture = try await NamespacePicture.read(cloud)
    if !picture.links.keys.contains(where: { $0.hasPrefix("tap") }) {
      let empty = NodePlan(NetworkState(), cloud: cloud.name, external: plan, zones: [:])
      _ = try await rules.load(empty.firewall, in: cloud, generation: picture.rulesGeneration)
    }
    if let hostRules = external.hostRules {
      _ = try await rules.load(hostRules, in: external.hostNamespace, generation: nil)
    }
    let count = try Self.namespaces(of: cloud.name).count
    log.info("the network namespace \(cloud.name) is ready; \(count) others of this cloud exist")
  }

  /// Bridges ask netfilter one by one, not all; and no link of ours speaks IPv6 by itself in the cloud's namespace.
  private static let cloudSwitches = [
    (name: "ipv4/ip_forward", value: "1"), (name: "bridge/bridge-nf-call-iptables", value: "0"),
    (name: "bridge/bridge-nf-call-ip6tables", value: "0"), (name: "bridge/bridge-nf-call-arptables", value: "0"),
    (name: "ipv6/conf/default/disable_ipv6", value: "1"), (name: "ipv4/conf/all/rp_filter", value: "0"),
    (name: "ipv4/conf/default/rp_filter", value: "0"), (name: "netfilter/nf_conntrack_tcp_be_liberal", value: "1"),
  ]
  private static let routerSwitches = [
    (name: "ipv4/ip_forward", value: "1"), (name: "ipv6/conf/all/forwarding", value: "1"),
    (name: "ipv4/conf/all/rp_filter", value: "0"), (name: "ipv4/conf/default/rp_filter", value: "0"),
    (name: "ipv4/conf/all/arp_ignore", value: "1"), (name: "ipv4/conf/all/arp_announce", value: "2"),
    (name: "ipv6/conf/default/accept_ra", value: "0"), (name: "netfilter/nf_conntrack_tcp_be_liberal", value: "1"),
  ]
  private static let dhcpSwitches = [
    (name: "ipv6/conf/default/accept_ra", value: "0"), (name: "ipv4/conf/all/arp_ignore", value: "1"),
  ]

  private static func namespaces(of cloud: String) throws -> Set<String> {
    Set(try NetworkNamespace.list().map(\.name).filter { KernelName.isNamespace($0, of: cloud) })
  }

  // MARK: - A pass

  func apply(_ desired: NetworkState) async throws -> NetworkApplyReport {
    try await exclusively { try await applyNow(desired) }
  }

  private func applyNow(_ desired: NetworkState) async throws -> NetworkApplyReport {
    guard externalPlan != nil else { throw Fault.unavailable("the data plane has not been started") }
    if !cloud.exists {
      log.error("the network namespace \(cloud.name) was removed: everything in it is made again")
      rules.forget(cloud)
      try await startNow()
    }
    guard let externalPlan else { throw Fault.unavailable("the external network is not there") }
    let check = StateCheck(desired)
    var report = NetworkApplyReport(failures: check.failures)
    let picture = try await NamespacePicture.read(cloud)
    let plan = NodePlan(check.state, cloud: cloud.name, external: externalPlan, zones: Self.zones(in: picture))
    // Rules first: what they do not know yet cannot send, and what they no longer allow stops at once.
    let change = try await rules.load(plan.firewall, in: cloud, generation: picture.rulesGeneration)
    let existing = try Self.namespaces(of: cloud.name)
    let created = try await createNamespaces(plan, existing)
    try await removeUnwanted(plan, existing, picture)
    let pictures = try await wireCloud(plan, created, &report)
    for namespace in plan.namespaces {
      report.merge(await configure(namespace, pictures[namespace.name]))
    }
    report.merge(await runDaemons(plan))
    report.merge(await openListeners(plan))
    try await endFlows(check.state, plan, change)
    lastState = check.state
    for (id, reason) in report.failures { log.warning("\(id): \(reason)") }
    return report
  }

  private static func zones(in picture: NamespacePicture) -> [String: Int] {
    var zones: [String: Int] = [:]
    for link in picture.links.values where link.kind == "bridge" {
      if let found = BridgePlan.zone(inAlias: link.alias) { zones[found.networkID] = found.zone }
    }
    return zones
  }

  /// Makes missing namespaces; returns their names.
  private func createNamespaces(_ plan: NodePlan, _ existing: Set<String>) async throws -> Set<String> {
    var created: Set<String> = []
    for namespace in plan.namespaces where !existing.contains(namespace.name) {
      let kernel = NetworkNamespace(namespace.name)
      try kernel.create()
      rules.forget(kernel)
      try await Sysctl.set(namespace.role == .router ? Self.routerSwitches : Self.dhcpSwitches, in: kernel)
      created.insert(namespace.name)
    }
    return created
  }

  private func removeUnwanted(_ plan: NodePlan, _ existing: Set<String>, _ picture: NamespacePicture) async throws {
    let wanted = Set(plan.namespaces.map(\.name))
    try await daemons.keepOnly(Set(plan.namespaces.compactMap(\.daemon?.name)))
    await listeners.keepOnly(Set(plan.namespaces.filter(\.hasMetadata).map(\.name)).intersection(existing))
    let failures = try await LinkBatch.run(LinkDifference.removals(plan, picture), in: cloud)
    for reason in failures.values { log.warning("a link was not removed: \(reason)") }
    let unwanted = existing.subtracting(wanted)
    try await DaemonKeeper.endAll(in: unwanted)
    for name in unwanted.sorted() {
      try NetworkNamespace(name).delete()
      rules.forget(NetworkNamespace(name))
      log.info("removed the network namespace \(name)")
    }
  }

  /// Bridges and ports in the cloud's namespace. Returns what the namespaces that this did not touch look like.
  private func wireCloud(_ plan: NodePlan, _ created: Set<String>, _ report: inout NetworkApplyReport) async throws
    -> [String: NamespacePicture]
  {
    var pictures: [String: NamespacePicture] = [:]
    for namespace in plan.namespaces where !created.contains(namespace.name) {
      pictures[namespace.name] = try await NamespacePicture.read(NetworkNamespace(namespace.name))
    }
    let picture = try await NamespacePicture.read(cloud)
    let lines = LinkDifference.cloud(plan, picture, ends: pictures.mapValues { Set($0.links.keys) })
    report.merge(try await LinkBatch.run(lines, in: cloud))
    let touched = Set(lines.map(\.owner))
    for port in plan.ports where touched.contains(port.portID) {
      if let peer = port.peer { pictures[peer.namespace] = nil }
    }
    return pictures
  }

  /// Links, addresses, routes and rules of one namespace. `known`: its picture, if that is still true.
  private func configure(_ plan: NamespacePlan, _ known: NamespacePicture?) async -> [String: String] {
    let namespace = NetworkNamespace(plan.name)
    do {
      let picture = if let known { known } else { try await NamespacePicture.read(namespace) }
      var failures: [String: String] = [:]
      if let router = plan.router {
        let wanted = RouterRules(router)
        let change = try await rules.load(wanted.rules, in: namespace, generation: picture.rulesGeneration)
        failures.merge(try await LinkBatch.run(LinkDifference.namespace(plan, picture), in: namespace)) { $1 }
        if change.takesAway { _ = try await Conntrack.remove(in: namespace, where: wanted.isStale) }
      } else {
        failures.merge(try await LinkBatch.run(LinkDifference.namespace(plan, picture), in: namespace)) { $1 }
      }
      try await Announcement.send(LinkDifference.announcements(plan, picture), in: namespace)
      return failures
    } catch {
      return [plan.resourceID: Fault(error).message]
    }
  }

  private func runDaemons(_ plan: NodePlan) async -> [String: String] {
    var failures: [String: String] = [:]
    var started: [String] = []
    for daemon in plan.namespaces.compactMap(\.daemon) {
      do {
        if try await daemons.ensure(daemon) { started.append(daemon.name) }
      } catch {
        failures[daemon.resourceID] = Fault(error).message
      }
    }
    if !started.isEmpty {
      try? await Task.sleep(for: .milliseconds(50))
      failures.merge(await daemons.ended(started)) { $1 }
    }
    return failures
  }

  private func openListeners(_ plan: NodePlan) async -> [String: String] {
    var failures: [String: String] = [:]
    for namespace in plan.namespaces where namespace.hasMetadata {
      do {
        try await listeners.open(namespace)
      } catch {
        failures[namespace.resourceID] = "no metadata service: \(Fault(error).message)"
      }
    }
    return failures
  }

  /// Ends connections that the rules no longer allow, and those of ports that are gone.
  private func endFlows(_ state: NetworkState, _ plan: NodePlan, _ change: RuleChange) async throws {
    guard change.takesAway else { return }
    let judge = FlowJudge(state: state, zones: plan.zones)
    let gone = goneAddresses(state, plan.zones)
    let count = try await Conntrack.remove(in: cloud) { flow in
      judge.mustEnd(flow) || gone[flow.zone]?.contains(flow.source) == true
        || gone[flow.zone]?.contains(flow.destination) == true
    }
    if count > 0 { log.info("ended \(count) connections that nothing allows any more") }
  }

  /// Addresses of ports that were there in the last pass and are not now, by zone.
  private func goneAddresses(_ state: NetworkState, _ zones: [String: Int]) -> [Int: Set<IPAddress>] {
    var result: [Int: Set<IPAddress>] = [:]
    let present = Set(state.ports.map(\.id))
    for port in lastState?.ports ?? [] where !present.contains(port.id) {
      guard let zone = zones[port.networkID] else { continue }
      result[zone, default: []].formUnion(port.fixedIPs.compactMap { IPAddress($0.address) })
    }
    return result
  }

  // MARK: - The rest

  func supervise() async {
    try? await exclusively {
      for (id, reason) in await daemons.restartEnded() { log.error("\(id): \(reason)") }
    }
  }

  func wiredPorts() async throws -> Set<String> {
    guard cloud.exists else { return [] }
    let picture = try await NamespacePicture.read(cloud)
    return Set(
      picture.links.filter { $0.key.hasPrefix("tap") && $0.value.alias.hasPrefix("port ") }
        .map { String($0.value.alias.dropFirst(5)) })
  }

  func removeAll() async throws {
    try await exclusively { try await removeAllNow() }
  }

  private func removeAllNow() async throws {
    await listeners.keepOnly([])
    try await daemons.keepOnly([])
    try await external.removeAll()
    if cloud.exists {
      let picture = try await NamespacePicture.read(cloud)
      // The kernel frees a namespace only when the last process in it has ended.
      let names = picture.links.filter { !$0.value.kind.isEmpty }.keys.sorted()
      _ = try await LinkBatch.run(LinkDifference.removal(of: names), in: cloud)
    }
    let others = try Self.namespaces(of: cloud.name)
    try await DaemonKeeper.endAll(in: others)
    for name in others { try NetworkNamespace(name).delete() }
    try cloud.delete()
    rules.forgetAll()
    (externalPlan, lastState) = (nil, nil)
    try HostFiles.remove("\(external.directory)/daemons")
  }
}

extension NetworkApplyReport {
  mutating func merge(_ more: [String: String]) {
    failures.merge(more) { old, new in old == new ? old : "\(old); \(new)" }
  }
}
