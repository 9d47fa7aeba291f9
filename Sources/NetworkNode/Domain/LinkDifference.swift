import Contracts
import Kit

/// What `ip -batch` has to do so that the kernel's links are the planned ones: pure. Links that no rule of ours names are
/// left alone.
enum LinkDifference {
  /// Links in the cloud's namespace that are no longer desired.
  static func removals(_ plan: NodePlan, _ picture: NamespacePicture) -> [BatchLine] {
    let wanted = Set(plan.ports.map(\.name) + plan.bridges.map(\.name) + [KernelName.externalBridge])
    let old = picture.links.filter { name, link in
      !wanted.contains(name)
        && ((name.hasPrefix("tap") && ["tun", "veth"].contains(link.kind))
          || (name.hasPrefix("br-") && link.kind == "bridge"))
    }
    return removal(of: old.keys.sorted())
  }

  /// The kernel waits for its readers at every removal, unless links of one group go together.
  static func removal(of names: [String]) -> [BatchLine] {
    if names.isEmpty { return [] }
    return (names.map { "link set dev \($0) group \(removalGroup)" } + ["link del group \(removalGroup)"])
      .map { BatchLine($0, for: "") }
  }
  private static let removalGroup = 7071

  /// Bridges and ports of the cloud's namespace. `ends`: links of the other namespaces, by namespace.
  static func cloud(_ plan: NodePlan, _ picture: NamespacePicture, ends: [String: Set<String>]) -> [BatchLine] {
    var lines: [BatchLine] = []
    let names = Dictionary(picture.links.map { ($0.value.index, $0.key) }) { first, _ in first }
    for bridge in plan.bridges { lines += changes(bridge, picture.links[bridge.name]) }
    for port in plan.ports {
      var existing = picture.links[port.name]
      if existing != nil, let peer = port.peer, ends[peer.namespace]?.contains(peer.name) != true {
        // Its other end went with a namespace that was removed behind our back.
        lines.append(BatchLine("link del dev \(port.name)", for: port.portID))
        existing = nil
      }
      lines += changes(port, existing, master: existing.flatMap { names[$0.master] })
    }
    return lines
  }

  /// Options of every bridge: no spanning tree, no snooping, and netfilter sees what it carries.
  static let bridgeOptions =
    "type bridge stp_state 0 forward_delay 0 mcast_snooping 0 nf_call_iptables 1 nf_call_ip6tables 1"

  private static func changes(_ bridge: BridgePlan, _ existing: LinkFacts?) -> [BatchLine] {
    var lines: [String] = []
    if existing == nil {
      lines.append("link add name \(bridge.name) address \(KernelName.mac(bridge.networkID)) \(bridgeOptions)")
    }
    if existing?.alias != bridge.alias { lines.append("link set dev \(bridge.name) alias \"\(bridge.alias)\"") }
    if existing?.mtu != bridge.mtu || existing?.isUp != true {
      lines.append("link set dev \(bridge.name) mtu \(bridge.mtu) up")
    }
    return lines.map { BatchLine($0, for: bridge.networkID) }
  }

  private static func changes(_ port: PortPlan, _ existing: LinkFacts?, master: String?) -> [BatchLine] {
    var lines: [String] = []
    if existing == nil {
      if let peer = port.peer {
        lines.append(
          "link add name \(port.name) mtu \(port.mtu) type veth peer name \(peer.name) address \(peer.mac)"
            + " mtu \(peer.mtu) netns \(peer.namespace)")
      } else {
        lines.append("tuntap add dev \(port.name) mode tap")
      }
    }
    var changes = ""
    if master != port.bridge { changes += " master \(port.bridge)" }
    if existing?.mtu != port.mtu { changes += " mtu \(port.mtu)" }
    if existing?.alias != "port \(port.portID)" { changes += " alias \"port \(port.portID)\"" }
    if (existing?.isUp ?? false) != port.isUp { changes += port.isUp ? " up" : " down" }
    if !changes.isEmpty { lines.append("link set dev \(port.name)\(changes)") }
    return lines.map { BatchLine($0, for: port.portID) }
  }

  /// Links, addresses and routes of a DHCP server's or router's namespace.
  static func namespace(_ plan: NamespacePlan, _ picture: NamespacePicture) -> [BatchLine] {
    var lines: [String] = []
    for end in plan.ends {
      let link = picture.links[end.name]
      if link?.mac != end.mac { lines.append("link set dev \(end.name) address \(end.mac)") }
      if link?.mtu != end.mtu || link?.isUp != true { lines.append("link set dev \(end.name) mtu \(end.mtu) up") }
      let existing = picture.addresses[end.name] ?? []
      for address in existing.subtracting(end.addresses).sorted() {
        lines.append("addr del \(address) dev \(end.name)")
      }
      // Networks before single addresses, so that the interface's own address is the primary one.
      for address in end.addresses.subtracting(existing).sorted(by: {
        ($0.hasSuffix("/32") ? 1 : 0, $0) < ($1.hasSuffix("/32") ? 1 : 0, $1)
      }) {
        lines.append("addr add \(address) dev \(end.name)\(address.contains(":") ? " nodad" : "")")
      }
    }
    let existing = Set(
      picture.routes.filter(\.isStatic).map { RoutePlan(destination: $0.destination, gateway: $0.gateway) })
    // The kernel drops routes with the addresses by which they were reached, so all are set again with new addresses.
    let isChanged = !lines.isEmpty
    for route in existing.subtracting(plan.routes).sorted(by: { $0.destination < $1.destination }) {
      lines.append("\(command(route)) del \(destination(route)) via \(route.gateway) proto static")
    }
    for route in (isChanged ? plan.routes : plan.routes.subtracting(existing)).sorted(by: order) {
      lines.append("\(command(route)) replace \(destination(route)) via \(route.gateway) proto static")
    }
    return lines.map { BatchLine($0, for: plan.resourceID) }
  }

  /// Addresses whose neighbours must be told, because they are new on this link.
  static func announcements(_ plan: NamespacePlan, _ picture: NamespacePicture) -> [Announcement] {
    plan.ends.flatMap { end in
      let known = picture.links[end.name]?.isUp == true ? picture.addresses[end.name] ?? [] : []
      return end.addresses.subtracting(known).compactMap { $0.split(separator: "/").first }
        .filter { !$0.contains(":") && $0 != "169.254.169.254" }.sorted()
        .map { Announcement(link: end.name, mac: end.mac, address: String($0)) }
    }
  }

  private static func order(_ left: RoutePlan, _ right: RoutePlan) -> Bool { left.destination < right.destination }
  private static func command(_ route: RoutePlan) -> String { route.gateway.contains(":") ? "-6 route" : "route" }
  private static func destination(_ route: RoutePlan) -> String {
    route.destination.hasPrefix("default") ? "default" : route.destination
  }
}
