import Contracts
import Host
import Kit
import Logs

/// The external network's bridge, and how it meets the world: nothing (`isolated`), a veth to the host with a small
/// transfer network and a route (`routed`), or a real NIC (`bridged`).
struct ExternalNetwork: Sendable {
  let cloud: NetworkNamespace
  /// The host's namespace; nil: that of this process.
  let hostNamespace: NetworkNamespace?
  let directory: String
  let mode: ExternalNetworkMode
  let cidr: String
  let gateway: String
  let log: Log

  private var hostEnd: String { KernelName.hostEnd(cloud.name) }
  /// The host's forwarding switches that we changed, for putting them back.
  private var switchesFile: String { "\(directory)/host-switches.json" }

  /// Whether the settings can work, before anything is made.
  func check() throws {
    if case .bridged = mode { return }
    guard let network = CIDR(cidr), !network.isV6, let address = IPAddress(gateway), network.contains(address) else {
      throw Fault.badRequest(
        "The external network '\(cidr)' with the gateway '\(gateway)' is not an IPv4 network with an address of its own."
      )
    }
  }

  /// Makes what is missing and returns the plan of what there is.
  func start() async throws -> ExternalPlan {
    var picture = try await NamespacePicture.read(cloud)
    try await run(bridgeLines(picture), in: cloud)
    var plan = ExternalPlan(mode: mode, cidr: cidr, gateway: gateway, transfer: nil)
    switch mode {
    case .isolated: try await removeUplink()
    case .routed:
      picture = try await NamespacePicture.read(cloud)
      plan.transfer = try await startUplink(picture)
    case .bridged(let nic):
      try await removeUplink()
      try await enslave(nic)
    }
    return plan
  }

  private func bridgeLines(_ picture: NamespacePicture) -> [String] {
    let name = KernelName.externalBridge
    var lines: [String] = []
    if picture.links[name] == nil {
      lines.append("link add name \(name) address \(KernelName.mac(cloud.name)) \(LinkDifference.bridgeOptions)")
      lines.append("link set dev \(name) alias external")
    }
    if picture.links[name]?.isUp != true { lines.append("link set dev \(name) up") }
    var wanted: Set<String> = []
    if case .bridged = mode {} else if let prefix = CIDR(cidr)?.prefix { wanted = ["\(gateway)/\(prefix)"] }
    let existing = picture.addresses[name] ?? []
    lines += existing.subtracting(wanted).map { "addr del \($0) dev \(name)" }
    return lines + wanted.subtracting(existing).map { "addr add \($0) dev \(name)" }
  }

  private func run(_ lines: [String], in namespace: NetworkNamespace?) async throws {
    let failures = try await LinkBatch.run(lines.map { BatchLine($0, for: "external") }, in: namespace)
    if let reason = failures.values.first { throw Fault.internal("The external network cannot be made: \(reason)") }
  }

  // MARK: - Routed

  private func startUplink(_ picture: NamespacePicture) async throws -> (host: String, cloud: String) {
    let host = try await NamespacePicture.read(hostNamespace)
    try refuseConflicts(host)
    let transfer = existingTransfer(host) ?? freeTransfer(host)
    var lines: [String] = []
    let isWhole = host.links[hostEnd] != nil && picture.links[KernelName.uplink] != nil
    if !isWhole {
      if host.links[hostEnd] != nil { lines.append("link del dev \(hostEnd)") }
      lines.append("link add name \(hostEnd) type veth peer name \(KernelName.uplink) netns \(cloud.name)")
      lines.append("link set dev \(hostEnd) alias \"cloud \(cloud.name)\"")
    }
    if !isWhole || host.addresses[hostEnd]?.contains("\(transfer.host)/30") != true {
      lines.append("addr add \(transfer.host)/30 dev \(hostEnd)")
    }
    if !isWhole || host.links[hostEnd]?.isUp != true { lines.append("link set dev \(hostEnd) up") }
    try await run(lines, in: hostNamespace)
    var inside: [String] = []
    if !isWhole || picture.addresses[KernelName.uplink]?.contains("\(transfer.cloud)/30") != true {
      inside.append("addr add \(transfer.cloud)/30 dev \(KernelName.uplink)")
    }
    if !isWhole || picture.links[KernelName.uplink]?.isUp != true {
      inside.append("link set dev \(KernelName.uplink) up")
    }
    if !isWhole || !picture.routes.contains(where: { $0.destination == "default" && $0.gateway == transfer.host }) {
      inside.append("route replace default via \(transfer.host) proto static")
    }
    try await run(inside, in: cloud)
    if !isWhole || !host.routes.contains(where: { $0.link == hostEnd && $0.destination == cidr }) {
      try await run(["route replace \(cidr) via \(transfer.cloud) dev \(hostEnd) proto static"], in: hostNamespace)
    }
    try await forward(host)
    return transfer
  }

  /// The external addresses must not be the host's, or another cloud's.
  private func refuseConflicts(_ host: NamespacePicture) throws {
    guard let own = CIDR(cidr) else { return }
    for route in host.routes where route.link != hostEnd {
      guard let other = CIDR(route.destination), other.prefix > 0, own.overlaps(other) else { continue }
      throw Fault.conflict(
        "This host already reaches \(other) by \(route.link), which overlaps the external network \(own): set network.external_cidr to addresses that are free here."
      )
    }
  }

  private func existingTransfer(_ host: NamespacePicture) -> (host: String, cloud: String)? {
    guard let text = host.addresses[hostEnd]?.first(where: { $0.hasPrefix("169.254.") && $0.hasSuffix("/30") }),
      let address = IPAddress(text.dropLast(3))
    else { return nil }
    return ("\(address)", "\(address.advanced(by: 1))")
  }

  /// A /30 of 169.254.64.0/18 that the host does not use yet, beginning at one that depends on the cloud's name.
  private func freeTransfer(_ host: NamespacePicture) -> (host: String, cloud: String) {
    let used = host.addresses.values.joined().compactMap { $0.split(separator: "/").first.flatMap { IPAddress($0) } }
    let start = Int(KernelName.hash(cloud.name) % 4096)
    let base = IPAddress(value: 0xA9FE_4000, isV6: false)
    for step in 0..<4096 {
      let network = CIDR(base.advanced(by: (start + step) % 4096 * 4), prefix: 30)
      if !used.contains(where: { network.contains($0) }) {
        return ("\(network.network.advanced(by: 1))", "\(network.network.advanced(by: 2))")
      }
    }
    return ("\(base.advanced(by: 1))", "\(base.advanced(by: 2))")
  }

  /// Lets the host forward between the uplink and the links of its default routes, and remembers what it changed.
  private func forward(_ host: NamespacePicture) async throws {
    var changed = try HostFiles.load([String].self, switchesFile) ?? []
    let links = Set(host.routes.filter { $0.destination == "default" }.map(\.link)).union([hostEnd])
    for link in links.sorted() where !link.isEmpty {
      let path = "/proc/sys/net/ipv4/conf/\(link)/forwarding"
      if try await setSwitch(path, "1"), link != hostEnd, !changed.contains(path) { changed.append(path) }
    }
    try HostFiles.save(changed, switchesFile)
  }

  /// Returns whether it was another before; a link that is gone has no switch.
  private func setSwitch(_ path: String, _ value: String) async throws -> Bool {
    let set: @Sendable () throws -> Bool = { HostFiles.exists(path) ? try Sysctl.set(path, value) : false }
    return if let hostNamespace { try await hostNamespace.run(set) } else { try await HostThread.run(set) }
  }

  /// The host's part of the rules: the external network's addresses leave with the host's own.
  var hostRules: RuleSet? {
    guard case .routed = mode else { return nil }
    let table = "ip \(hostEnd)"
    var rules = RuleSet(tables: [table])
    rules.declarations = ["add chain \(table) outward { type nat hook postrouting priority 100; policy accept; }"]
    rules.baseRules = ["add rule \(table) outward ip saddr \(cidr) oifname != { \"\(hostEnd)\", \"lo\" } masquerade"]
    return rules
  }

  private func removeUplink() async throws {
    let host = try await NamespacePicture.read(hostNamespace)
    if host.links[hostEnd] != nil { try await run(["link del dev \(hostEnd)"], in: hostNamespace) }
    if HostFiles.exists(switchesFile) {
      for path in try HostFiles.load([String].self, switchesFile) ?? [] {
        _ = try await setSwitch(path, "0")
      }
      try HostFiles.remove(switchesFile)
    }
    let table = "ip \(hostEnd)"
    if try await Command("nft", ["list", "table", "ip", hostEnd], namespace: hostNamespace).run().status == 0 {
      _ = try await Command("nft", ["-f", "-"], input: Array("delete table \(table)\n".utf8), namespace: hostNamespace)
        .check()
    }
  }

  // MARK: - Bridged

  private func enslave(_ nic: String) async throws {
    let picture = try await NamespacePicture.read(cloud)
    if picture.links[nic] == nil {
      let host = try await NamespacePicture.read(hostNamespace)
      guard host.links[nic] != nil else {
        throw Fault.badRequest("There is no link \(nic) on this host for the external network.")
      }
      if host.routes.contains(where: { $0.link == nic && $0.destination.hasPrefix("default") }) {
        throw Fault.conflict(
          "\(nic) carries this host's default route: the external network needs a NIC of its own, or the mode routed.")
      }
      if let address = host.addresses[nic]?.first {
        throw Fault.conflict(
          "\(nic) has the address \(address), which it would lose in the external network's bridge: remove it first.")
      }
      try await run(["link set dev \(nic) netns \(cloud.name)"], in: hostNamespace)
    }
    let bridge = picture.links[KernelName.externalBridge]?.index ?? 0
    if picture.links[nic]?.master != bridge || picture.links[nic]?.isUp != true || bridge == 0 {
      try await run(["link set dev \(nic) master \(KernelName.externalBridge) up"], in: cloud)
    }
  }

  /// Gives a real NIC back to the host, and removes the uplink.
  func removeAll() async throws {
    try await removeUplink()
    guard cloud.exists else { return }
    let picture = try await NamespacePicture.read(cloud)
    var nics = Set(picture.links.filter { $0.value.kind.isEmpty && $0.key != "lo" }.keys)
    if case .bridged(let nic) = mode, picture.links[nic] != nil { nics.insert(nic) }
    let home = hostNamespace?.name ?? "\(ProcessFacts.pid)"
    for name in nics {
      try await run(["link set dev \(name) nomaster down", "link set dev \(name) netns \(home)"], in: cloud)
    }
  }
}
