import Contracts
import Kit
import Store

/// The desired state of a node, from rows: a fixed number of queries however many ports there are.
struct Wiring {
  let host: String
  let dnsDomain: String
  private let networks: [Row]
  private let subnets: [String: [Row]]
  private let ports: [Row]
  private let addresses: [String: [FixedAddress]]
  private let groups: [String: [String]]
  private let rules: [Row]
  private let routers: [Row]
  private let floating: [String: [Row]]
  private let excluded: Set<String>
  private let members: [String: [String]]
  private let addressGroups: [String: [String]]

  init(host: String, dnsDomain: String, tx: any Transaction) throws {
    (self.host, self.dnsDomain) = (host, dnsDomain)
    networks = try tx.query("SELECT id, mtu, is_external FROM network ORDER BY id")
    subnets = Dictionary(
      grouping: try tx.query("SELECT * FROM network_subnet ORDER BY created_at, id")
    ) { $0.text("network_id") }
    // Ports that nobody has plugged in cost nothing here; those that look alive are looked at for their status.
    let mine: SQL = "p.binding_host_id = \(host) OR p.device_owner LIKE 'network:%' OR p.status = 'ACTIVE'"
    ports = try tx.query("SELECT * FROM network_port p WHERE \(mine) ORDER BY created_at, ordinal, id")
    var byPort: [String: [FixedAddress]] = [:]
    let fixed = try tx.query(
      """
      SELECT a.port_id, a.subnet_id, a.address FROM network_allocation a JOIN network_port p ON p.id = a.port_id
      WHERE \(mine) ORDER BY a.ordinal, a.address
      """)
    for row in fixed {
      byPort[row.text("port_id"), default: []].append(
        FixedAddress(subnetID: row.text("subnet_id"), address: row.text("address")))
    }
    addresses = byPort
    groups = Dictionary(
      grouping: try tx.query(
        """
        SELECT g.port_id, g.security_group_id FROM network_port_group g JOIN network_port p ON p.id = g.port_id
        WHERE \(mine) ORDER BY g.security_group_id
        """)
    ) { $0.text("port_id") }.mapValues { $0.map { $0.text("security_group_id") } }
    members = Dictionary(
      grouping: try tx.query(
        """
        SELECT g.security_group_id, a.address FROM network_port_group g
        JOIN network_allocation a ON a.port_id = g.port_id WHERE g.security_group_id IN
          (SELECT r.remote_group_id FROM network_security_rule r JOIN network_port_group u
            ON u.security_group_id = r.security_group_id JOIN network_port p ON p.id = u.port_id
            WHERE p.binding_host_id = \(host))
        ORDER BY a.address
        """)
    ) { $0.text("security_group_id") }.mapValues { $0.map { $0.text("address") } }
    rules = try tx.query("SELECT * FROM network_security_rule ORDER BY created_at, id")
    let lists = try tx.query(
      """
      SELECT id, addresses FROM network_address_group
      WHERE id IN (SELECT remote_address_group_id FROM network_security_rule)
      """)
    addressGroups = Dictionary(
      lists.map { ($0.text("id"), $0.json("addresses").array?.compactMap(\.string) ?? []) }
    ) { first, _ in first }
    routers = try tx.query("SELECT id, admin_state_up, enable_snat, routes FROM network_router ORDER BY id")
    floating = Dictionary(
      grouping: try tx.query(
        """
        SELECT id, router_id, floating_ip_address, fixed_ip_address, status FROM network_floating_ip
        WHERE router_id IS NOT NULL AND fixed_ip_address IS NOT NULL ORDER BY id
        """)
    ) { $0.text("router_id") }
    excluded = Set(
      try tx.query(
        """
        SELECT x.object_id FROM network_agent_exclusion x JOIN network_agent a ON a.id = x.agent_id
        WHERE a.host = \(host)
        """
      ).map { $0.text("object_id") })
  }

  /// Ports of guests on this node.
  private func isGuest(_ row: Row) -> Bool {
    row.text("binding_host_id") == host && row.text("device_owner").hasPrefix("compute:")
      && !row.text("device_id").isEmpty
  }

  private func port(_ row: Row) -> PortWiring {
    let id = row.text("id")
    let pairs = row.json("allowed_address_pairs").array ?? []
    let options = row.json("extra_dhcp_opts").array ?? []
    return PortWiring(
      id: id, networkID: row.text("network_id"), mac: row.text("mac_address"), fixedIPs: addresses[id] ?? [],
      isUp: row.bool("admin_state_up"), hasPortSecurity: row.bool("port_security_enabled"),
      allowedPairs: pairs.map {
        AddressPair(mac: $0["mac_address"]?.string ?? "", address: $0["ip_address"]?.string ?? "")
      }, securityGroupIDs: groups[id] ?? [], deviceOwner: row.text("device_owner"), deviceID: row.text("device_id"),
      dnsName: row.text("dns_name"),
      dhcpOptions: options.map {
        DHCPOption(
          name: $0["opt_name"]?.string ?? "", value: $0["opt_value"]?.string ?? "",
          ipVersion: $0["ip_version"]?.int ?? 4)
      })
  }

  /// The whole state.
  var state: NetworkState {
    let routers = routerWirings
    let guests = ports.filter(isGuest).map(port)
    let dhcp = Dictionary(
      ports.filter { $0.text("device_owner") == Ports.dhcpOwner && !excluded.contains($0.text("network_id")) }
        .map { ($0.text("network_id"), port($0)) }
    ) { first, _ in first }
    let interfaces = routers.flatMap(\.interfaces)
    let routed = Set(interfaces.map(\.networkID))
    let wired = routed.union(guests.map(\.networkID)).union(dhcp.keys)
      .union(routers.compactMap { $0.gateway?.networkID })
    return NetworkState(
      networks: networks.filter { wired.contains($0.text("id")) || $0.bool("is_external") }.map { row in
        let id = row.text("id")
        return NetworkWiring(
          id: id, mtu: row.int("mtu"), isExternal: row.bool("is_external"), dnsDomain: dnsDomain,
          subnets: (subnets[id] ?? []).map(Self.subnet), dhcpPort: dhcp[id], hasRouterMetadata: routed.contains(id))
      }, ports: guests, securityGroups: groupWirings(used: Set(guests.flatMap(\.securityGroupIDs))), routers: routers)
  }

  static func subnet(_ row: Row) -> SubnetWiring {
    let routes = row.json("host_routes").array ?? []
    return SubnetWiring(
      id: row.text("id"), cidr: row.text("cidr"), gateway: row.optionalText("gateway_ip"),
      hasDHCP: row.bool("enable_dhcp"),
      dnsServers: row.json("dns_nameservers").array?.compactMap(\.string) ?? [],
      hostRoutes: routes.map(Self.route),
      ipv6Mode: row.optionalText("ipv6_address_mode") ?? row.optionalText("ipv6_ra_mode"))
  }
  private static func route(_ json: JSONValue) -> StaticRoute {
    StaticRoute(destination: json["destination"]?.string ?? "", nexthop: json["nexthop"]?.string ?? "")
  }

  private var routerWirings: [RouterWiring] {
    let own = Dictionary(grouping: ports.filter { Ports.routerOwners.contains($0.text("device_owner")) }) {
      $0.text("device_id")
    }
    return routers.filter { !excluded.contains($0.text("id")) }.map { row in
      let id = row.text("id")
      let ports = own[id] ?? []
      let gateway = ports.first { $0.text("device_owner") == Ports.gatewayOwner }
      return RouterWiring(
        id: id, isUp: row.bool("admin_state_up"),
        interfaces: ports.filter { $0.text("device_owner") == Ports.interfaceOwner }.map(port),
        gateway: gateway.map(port), hasSNAT: row.bool("enable_snat"),
        routes: (row.json("routes").array ?? []).map(Self.route),
        floatingIPs: gateway == nil
          ? []
          : (floating[id] ?? []).map {
            FloatingIPWiring(
              id: $0.text("id"), floatingAddress: $0.text("floating_ip_address"),
              fixedAddress: $0.text("fixed_ip_address"))
          })
    }
  }

  /// The groups of this node's guests and those that their rules name, with the addresses of their members anywhere.
  private func groupWirings(used: Set<String>) -> [SecurityGroupWiring] {
    let byGroup = Dictionary(grouping: rules) { $0.text("security_group_id") }
    let remote = used.flatMap { byGroup[$0] ?? [] }.compactMap { $0.optionalText("remote_group_id") }
    return used.union(remote).sorted().map { id in
      SecurityGroupWiring(
        id: id, rules: used.contains(id) ? (byGroup[id] ?? []).flatMap(rulesOf) : [],
        memberAddresses: members[id] ?? [])
    }
  }

  /// A rule of a row; one for each address where it names an address group.
  private func rulesOf(_ row: Row) -> [SecurityRule] {
    guard let group = row.optionalText("remote_address_group_id") else { return [Self.rule(row)] }
    let isV6 = row.text("ethertype") == "IPv6"
    return (addressGroups[group] ?? []).filter { $0.contains(":") == isV6 }.map { address in
      var rule = Self.rule(row)
      rule.remoteCIDR = address
      return rule
    }
  }

  private static func rule(_ row: Row) -> SecurityRule {
    SecurityRule(
      isIngress: row.text("direction") == "ingress", isV6: row.text("ethertype") == "IPv6",
      protocol: row.optionalText("protocol"), portMin: row.optionalInt("port_range_min"),
      portMax: row.optionalInt("port_range_max"), remoteCIDR: row.optionalText("remote_ip_prefix"),
      remoteGroupID: row.optionalText("remote_group_id"))
  }

  /// What the rows say about status, and what it should be after `report`: only the rows that differ.
  func statusChanges(_ state: NetworkState, _ report: NetworkApplyReport) -> [(
    table: String, id: String, status: String
  )] {
    var wanted: [String: Bool] = [:]
    func note(_ port: PortWiring, _ isCarried: Bool) {
      wanted[port.id] = isCarried && port.isUp && report.failures[port.id] == nil
    }
    for port in state.ports { note(port, report.failures[port.networkID] == nil) }
    for network in state.networks {
      if let port = network.dhcpPort { note(port, report.failures[network.id] == nil) }
    }
    var live: Set<String> = []
    for router in state.routers {
      let isCarried = router.isUp && report.failures[router.id] == nil
      for port in router.interfaces + (router.gateway.map { [$0] } ?? []) { note(port, isCarried) }
      if isCarried { live.formUnion(router.floatingIPs.map(\.id).filter { report.failures[$0] == nil }) }
    }
    var changes: [(table: String, id: String, status: String)] = []
    for row in ports where row.text("status") != "N/A" {
      let status = wanted[row.text("id")] == true ? "ACTIVE" : "DOWN"
      if row.text("status") != status { changes.append(("network_port", row.text("id"), status)) }
    }
    for row in floating.values.joined() {
      let status = live.contains(row.text("id")) ? "ACTIVE" : "DOWN"
      if row.text("status") != status { changes.append(("network_floating_ip", row.text("id"), status)) }
    }
    return changes
  }
}

/// Agents' rows.
enum AgentStore {
  /// Records that the node's agents live; makes their rows the first time.
  static func heartbeat(host: String, zone: String, counts: JSONValue, now: Timestamp, tx: any Transaction) throws {
    for kind in Agents.kinds {
      let touched = try tx.execute(
        """
        UPDATE network_agent SET heartbeat_timestamp = \(now), configurations = \(counts)
        WHERE agent_type = \(kind.type) AND host = \(host)
        """)
      if touched > 0 { continue }
      try tx.execute(
        .insert(
          into: "network_agent",
          [
            "id": UUIDText.make(), "agent_type": kind.type, "agent_binary": kind.binary, "topic": kind.topic,
            "host": host, "availability_zone": kind.hasZone ? zone : String?.none, "admin_state_up": true,
            "description": String?.none, "configurations": counts, "created_at": now, "started_at": now,
            "heartbeat_timestamp": now,
          ]))
    }
  }
}
