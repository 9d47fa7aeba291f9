import API
import Kit
import Store

extension NetworkModel {
  var subnetRoutes: [Route] {
    routes(
      Subnets.resource, subnetHooks,
      filters: ListFilters(more: [
        "shared": Self.sharedFilter("network", column: "network_id"),
        "router:external": { values, _ in
          let isExternal = try ListFilters.flag("router:external", values)
          return "network_id IN (SELECT id FROM network WHERE is_external = \(isExternal))"
        },
      ]))
  }

  private var subnetHooks: ResourceHooks {
    let owner: @Sendable (AuthContext) -> SQL = { auth in
      "network_id IN (SELECT id FROM network WHERE project_id = \(auth.projectID))"
    }
    var hooks = ResourceHooks()
    hooks.visible = Self.visible { auth in
      "\(owner(auth)) OR \(RBACPolicies.visible("network", to: auth.projectID, column: "network_id"))"
    }
    hooks.changeable = { auth in auth.isAdmin ? nil : "project_id = \(auth.projectID) OR \(owner(auth))" }
    hooks.creating = { try prepareSubnet(&$0, $1) }
    hooks.created = { values, context in try subnetMade(values, context) }
    hooks.updating = { try checkSubnetChange($0, &$1, $2) }
    hooks.updated = { old, new, context in
      if old["enable_dhcp"] != new["enable_dhcp"],
        let network = try Networks.resource.find(new.text("network_id"), tx: context.tx)
      {
        try PortStore.syncDHCP(network, host: settings.host, now: context.now, tx: context.tx)
      }
    }
    hooks.deleting = { try prepareDelete($0, $1) }
    hooks.deleted = { values, context in
      if let network = try Networks.resource.find(values.text("network_id"), tx: context.tx) {
        try PortStore.syncDHCP(network, host: settings.host, now: context.now, tx: context.tx)
      }
    }
    hooks.decorate = { try decorateSubnets(&$0, $1) }
    return hooks
  }

  private func prepareSubnet(_ values: inout JSONObject, _ context: ResourceContext) throws {
    let (tx, auth) = (context.tx, context.auth)
    let network = try network(values.text("network_id"), visibleTo: auth, tx: tx)
    guard auth.isAdmin || network.projectID == auth.projectID else { throw Fault.disallowed("create_subnet") }
    let version = values.number("ip_version") ?? 4
    guard version != 5 else {
      throw Fault.badRequest("Invalid input for ip_version. Reason: '5' is not in [4, 6].", kind: "HTTPBadRequest")
    }
    let pool = try subnetPool(values, version: version, auth: auth, tx: tx)
    values["subnetpool_id"] = .optional(pool?.id)
    let cidr = try chooseCIDR(values, pool: pool, tx: tx)
    try SubnetPlan.check(cidr, version: version, hasDHCP: values.flag("enable_dhcp"))
    let others = try Allocations.subnets(of: network.id, tx: tx)
    try checkNeighbours(cidr, version: version, pool: pool, network: network, others: others, tx: tx)
    values["cidr"] = .string(cidr.description)
    var gateway: IPAddress?
    if values["gateway_ip"] == "" {
      gateway = SubnetPlan.defaultGateway(cidr)
    } else if let given = values.optionalText("gateway_ip").flatMap({ IPAddress($0) }) {
      try SubnetPlan.checkGateway(given, cidr: cidr)
      gateway = given
    }
    values["gateway_ip"] = .optional(gateway?.description)
    let pools = try values["allocation_pools"]?.array.map { given throws(Fault) in
      try SubnetPlan.checkPools(given, cidr: cidr, gateway: gateway)
    }
    values["allocation_pools"] = SubnetPlan.json(pools ?? SubnetPlan.defaultPools(cidr, gateway: gateway))
    values["dns_nameservers"] = try SubnetPlan.checkNameservers(values.strings("dns_nameservers"), version: version)
    values["host_routes"] = try hostRoutes(values.list("host_routes"), version: version)
    try SubnetPlan.checkModes(
      ra: values.optionalText("ipv6_ra_mode"), address: values.optionalText("ipv6_address_mode"), cidr: cidr,
      hasDHCP: values.flag("enable_dhcp"))
    try Networks.checkMTU(network.number("mtu") ?? 0, isV6: cidr.isV6, network: network.id)
  }

  private func hostRoutes(_ given: [JSONValue], version: Int) throws -> JSONValue {
    if given.count > Subnets.hostRoutesMax {
      throw Fault.badRequest(
        "Unable to complete operation for the subnet: the number of host routes exceeds the limit \(Subnets.hostRoutesMax).",
        kind: "HostRoutesExhausted")
    }
    return .array(try SubnetPlan.checkRoutes(given, version: version, field: "host_routes"))
  }

  /// The pool that the request names, or the default one when it asks for that.
  private func subnetPool(_ values: JSONObject, version: Int, auth: AuthContext, tx: any Transaction) throws
    -> JSONObject?
  {
    let usable = auth.isAdmin ? SQL("1 = 1") : Self.poolsVisible(auth) ?? SQL("1 = 1")
    let pool: JSONObject?
    if let id = values.optionalText("subnetpool_id") {
      pool = try SubnetPools.resource.find(id, where: usable, tx: tx)
      if pool == nil { throw SubnetPools.notFound(id) }
    } else if values.flag("use_default_subnetpool") {
      pool = try tx.first(
        "SELECT * FROM network_subnetpool WHERE is_default = 1 AND ip_version = \(version)"
      ).map(SubnetPools.resource.values)
      if pool == nil { throw Fault.badRequest(of: "subnets", "No default subnetpool found for IPv\(version)") }
    } else {
      return nil
    }
    if let pool, pool.number("ip_version") != version {
      throw Fault.badRequest(
        of: "subnets", "Cannot allocate IPv\(version) subnet from IPv\(pool.number("ip_version") ?? 0) subnet pool")
    }
    return pool
  }

  private func chooseCIDR(_ values: JSONObject, pool: JSONObject?, tx: any Transaction) throws -> CIDR {
    let given = values.optionalText("cidr").flatMap { CIDR($0) }
    guard let pool else {
      guard let given else {
        throw Fault.badRequest(of: "subnets", "a subnetpool must be specified in the absence of a cidr")
      }
      if values["prefixlen"] != nil {
        throw Fault.badRequest(of: "subnets", "prefixlen can only be given with a subnetpool")
      }
      return given
    }
    if given != nil, values["prefixlen"] != nil {
      throw Fault.badRequest(of: "subnets", "cidr and prefixlen must not be supplied together")
    }
    return try allocate(given, prefix: values.number("prefixlen"), from: pool, project: values.projectID, tx: tx)
  }

  private func checkNeighbours(
    _ cidr: CIDR, version: Int, pool: JSONObject?, network: JSONObject, others: [Subnet], tx: any Transaction
  ) throws {
    if others.contains(where: { $0.cidr.overlaps(cidr) }) {
      throw Fault.invalidInput(
        "Requested subnet with cidr: \(cidr) for network: \(network.id) overlaps with another subnet")
    }
    let rows = try tx.query(
      """
      SELECT s.subnetpool_id, p.address_scope_id AS scope FROM network_subnet s
      LEFT JOIN network_subnetpool p ON p.id = s.subnetpool_id
      WHERE s.network_id = \(network.id) AND s.ip_version = \(version)
      """)
    let scope = pool?.optionalText("address_scope_id")
    for row in rows {
      let other = row.optionalText("scope")
      if scope != nil || other != nil {
        if scope == other { continue }
        throw Fault.badRequest(
          "Subnets on network must be part of the same address scope.", kind: "NetworkAddressScopeAffinityError")
      }
      if row.optionalText("subnetpool_id") != pool?.id {
        throw Fault.badRequest(
          "Subnets hosted on the same network must be allocated from the same subnet pool.",
          kind: "NetworkSubnetPoolAffinityError")
      }
    }
  }

  /// Ports that are there already make themselves an address on a new SLAAC subnet; the DHCP server gets its own.
  private func subnetMade(_ values: JSONObject, _ context: ResourceContext) throws {
    let tx = context.tx
    guard let network = try Networks.resource.find(values.text("network_id"), tx: tx) else { return }
    if let subnet = Subnet(values), subnet.isAutoAddress {
      let ports = try tx.query(
        """
        SELECT id, mac_address, device_owner FROM network_port WHERE network_id = \(network.id)
          AND device_owner NOT IN \(list: Ports.routerOwners + [Ports.dhcpOwner])
        """)
      for port in ports where subnet.serves(port.text("device_owner")) {
        try Allocations.allocate(
          [(subnet, subnet.eui64(port.text("mac_address")))], port: port.text("id"), networkID: network.id, from: 100,
          tx: tx)
      }
    }
    try PortStore.syncDHCP(network, host: settings.host, now: context.now, tx: tx)
  }

  private func checkSubnetChange(_ old: JSONObject, _ changes: inout JSONObject, _ context: ResourceContext) throws {
    guard let subnet = Subnet(old) else { return }
    let version = subnet.version
    var gateway = subnet.gateway
    if let wanted = changes["gateway_ip"] {
      gateway = wanted.string.flatMap { IPAddress($0) }
      if let gateway { try SubnetPlan.checkGateway(gateway, cidr: subnet.cidr) }
      if gateway != subnet.gateway, let present = subnet.gateway {
        try refuseGatewayInUse(present, subnet: subnet, tx: context.tx)
      }
      changes["gateway_ip"] = .optional(gateway?.description)
    }
    if let given = changes["allocation_pools"]?.array {
      changes["allocation_pools"] = SubnetPlan.json(
        try SubnetPlan.checkPools(given, cidr: subnet.cidr, gateway: gateway))
    } else if changes["gateway_ip"] != nil {
      try SubnetPlan.checkGateway(gateway, subnet.pools)
    }
    if changes["dns_nameservers"] != nil {
      changes["dns_nameservers"] = try SubnetPlan.checkNameservers(changes.strings("dns_nameservers"), version: version)
    }
    if changes["host_routes"] != nil {
      changes["host_routes"] = try hostRoutes(changes.list("host_routes"), version: version)
    }
    if let hasDHCP = changes["enable_dhcp"]?.bool {
      if hasDHCP, !subnet.hasDHCP { try SubnetPlan.check(subnet.cidr, version: version, hasDHCP: true) }
      try SubnetPlan.checkModes(ra: subnet.raMode, address: subnet.addressMode, cidr: subnet.cidr, hasDHCP: hasDHCP)
    }
  }

  private func refuseGatewayInUse(_ gateway: IPAddress, subnet: Subnet, tx: any Transaction) throws {
    let port = try tx.first(
      """
      SELECT p.id FROM network_allocation a JOIN network_port p ON p.id = a.port_id
      WHERE a.subnet_id = \(subnet.id) AND a.address = \(gateway.description)
        AND p.device_owner = \(Ports.interfaceOwner)
      """)
    if let port {
      throw Fault.conflict(
        "Current gateway ip \(gateway) already in use by port \(port.text("id")). Unable to update.",
        kind: "GatewayIpInUse")
    }
  }

  /// Throws 409 while ports have addresses on the subnet, but those that the network or the ports themselves made.
  private func prepareDelete(_ values: JSONObject, _ context: ResourceContext) throws {
    guard let subnet = Subnet(values) else { return }
    let blocking: SQL =
      subnet.isAutoAddress
      ? "p.device_owner IN \(list: Ports.routerOwners)"
      : "p.device_owner NOT IN \(list: Ports.automaticOwners)"
    let used = try context.tx.first(
      """
      SELECT 1 AS one FROM network_allocation a JOIN network_port p ON p.id = a.port_id
      WHERE a.subnet_id = \(subnet.id) AND \(blocking) LIMIT 1
      """)
    if used != nil {
      throw Fault.conflict(
        "Unable to complete operation on subnet \(subnet.id): One or more ports have an IP allocation from this subnet.",
        kind: "SubnetInUse")
    }
    try context.tx.execute("DELETE FROM network_allocation WHERE subnet_id = \(subnet.id)")
  }

  private func decorateSubnets(_ views: inout [JSONObject], _ context: ResourceContext) throws {
    let networks = Array(Set(views.map { $0.text("network_id") }))
    let rows = try Batches.query(networks) { batch in
      try context.tx.query(
        """
        SELECT id, is_external, EXISTS (SELECT 1 FROM network_rbac r WHERE r.object_id = network.id
          AND r.action = \(RBACPolicies.shared) AND r.target_tenant IN ('*', \(context.auth.projectID))) AS is_shared
        FROM network WHERE id IN \(list: batch)
        """)
    }
    let byID = Dictionary(rows.map { ($0.text("id"), $0) }) { first, _ in first }
    for index in views.indices {
      let network = byID[views[index].text("network_id")]
      views[index].append("shared", .bool(network?.bool("is_shared") ?? false))
      views[index].append("router:external", .bool(network?.bool("is_external") ?? false))
      for hidden in ["prefixlen", "use_default_subnetpool"] { views[index][hidden] = nil }
    }
  }
}
