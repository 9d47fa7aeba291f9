import API
import Kit
import Store

/// A router's interfaces: ports on the networks that it joins.
struct RouterInterfaces {
  let router: JSONObject
  let context: ResourceContext
  /// Addresses of all ports of the router: port, owner, network, subnet, address, CIDR.
  private let rows: [Row]
  private var tx: any Transaction { context.tx }

  init(router: JSONObject, context: ResourceContext) throws {
    (self.router, self.context) = (router, context)
    rows = try context.tx.query(
      """
      SELECT p.id AS port_id, p.device_owner, p.network_id, a.address, s.id AS subnet_id, s.cidr
      FROM network_port p JOIN network_allocation a ON a.port_id = p.id JOIN network_subnet s ON s.id = a.subnet_id
      WHERE p.device_id = \(router.id) AND p.device_owner IN \(list: Ports.routerOwners)
      """)
  }

  private func bad(_ reason: String) -> Fault { .badRequest(of: "router", reason) }

  /// Throws 400 when the router is on the subnet already, or on another one with some of its addresses.
  func refuseOverlap(_ subnet: Subnet) throws(Fault) {
    for row in rows {
      if row.text("subnet_id") == subnet.id { throw bad("Router already has a port on subnet \(subnet.id)") }
      if let cidr = CIDR(row.text("cidr")), cidr.overlaps(subnet.cidr) {
        throw bad(
          "Cidr \(subnet.cidr) of subnet \(subnet.id) overlaps with cidr \(cidr) of subnet \(row.text("subnet_id"))")
      }
    }
  }

  func add(_ body: JSONValue) throws -> JSONValue {
    switch (body["port_id"]?.string, body["subnet_id"]?.string) {
    case (_?, _?): throw bad("Cannot specify both subnet-id and port-id")
    case (let port?, nil): return try add(port: port)
    case (nil, let subnet?): return try add(subnet: subnet)
    case (nil, nil): throw bad("Either subnet_id or port_id must be specified")
    }
  }

  private func add(port id: String) throws -> JSONValue {
    let auth = context.auth
    let visible: SQL? = auth.isAdmin ? nil : "project_id = \(auth.projectID)"
    guard let port = try Ports.resource.find(id, where: visible, tx: tx) else { throw Ports.notFound(id) }
    guard port.text("device_id").isEmpty else {
      throw Fault.conflict(
        "Unable to complete operation on port \(id) for network \(port.text("network_id")). Port already has an attached device \(port.text("device_id")).",
        kind: "PortInUse")
    }
    let addresses = try Allocations.addresses(of: [id], tx: tx)[id] ?? []
    let subnets = try Subnets.resource.find(addresses.map(\.subnetID), tx: tx).values.compactMap { Subnet($0) }
    guard !subnets.isEmpty else { throw bad("Router port must have at least one fixed IP") }
    if subnets.filter({ !$0.cidr.isV6 }).count > 1 { throw bad("Cannot have multiple IPv4 subnets on router port") }
    for subnet in subnets { try refuseOverlap(subnet) }
    if subnets.contains(where: \.cidr.isV6), let other = existingV6Port(port.text("network_id")) {
      throw bad(
        "Router already contains IPv6 port \(other) belonging to network id \(port.text("network_id")). Only one IPv6 port from the same network subnet can be connected to a router"
      )
    }
    try Ports.resource.update(
      port,
      ["device_id": .string(router.id), "device_owner": .string(Ports.interfaceOwner), "port_security_enabled": false],
      now: context.now, tx: tx)
    try SecurityGroupStore.bind([], port: id, tx: tx)
    return try answer(port: id, project: port.projectID, network: port.text("network_id"), subnets: subnets.map(\.id))
  }

  private func existingV6Port(_ network: String) -> String? {
    rows.first {
      $0.text("network_id") == network && $0.text("address").contains(":")
        && $0.text("device_owner") == Ports.interfaceOwner
    }?.text("port_id")
  }

  private func add(subnet id: String) throws -> JSONValue {
    let subnet = try usableSubnet(id)
    guard let gateway = subnet.gateway else { throw bad("Subnet for router interface must have a gateway IP") }
    try refuseOverlap(subnet)
    guard let network = try Networks.resource.find(subnet.networkID, tx: tx) else {
      throw Networks.notFound(subnet.networkID)
    }
    if subnet.cidr.isV6, let port = existingV6Port(subnet.networkID) {
      try Allocations.allocate(
        [(subnet, gateway)], port: port, networkID: network.id, from: rows.count, tx: tx)
      return try answer(port: port, project: router.projectID, network: network.id, subnets: [id])
    }
    try Quotas.check("port", project: router.projectID, asked: 1, tx: tx)
    let port = try PortStore.create(
      [
        "project_id": .string(router.projectID), "device_id": .string(router.id),
        "device_owner": .string(Ports.interfaceOwner), "binding:host_id": "",
      ], PortStore.Request(wishes: [AddressWish(subnetID: id, address: gateway)], groups: []), network: network,
      now: context.now, tx: tx)
    return try answer(port: port.id, project: router.projectID, network: network.id, subnets: [id])
  }

  /// A subnet that the caller sees and may join: its own, or one of a network shared with just its project.
  private func usableSubnet(_ id: String) throws -> Subnet {
    let auth = context.auth
    guard let subnet = try Subnets.resource.find(id, tx: tx).flatMap({ Subnet($0) }) else { throw Subnets.notFound(id) }
    if auth.isAdmin || subnet.projectID == auth.projectID { return subnet }
    let visible = NetworkModel.networksVisible(auth)
    guard try Networks.resource.find(subnet.networkID, where: visible, tx: tx) != nil else {
      throw Subnets.notFound(id)
    }
    let isMine = try tx.first(
      """
      SELECT 1 AS one FROM network n WHERE n.id = \(subnet.networkID) AND (n.project_id = \(auth.projectID) OR EXISTS
        (SELECT 1 FROM network_rbac r WHERE r.object_id = n.id AND r.action = \(RBACPolicies.shared)
          AND r.target_tenant = \(auth.projectID)))
      """)
    if isMine == nil {
      throw bad("Cannot add interface to router because subnet \(id) is not owned by project making the request")
    }
    return subnet
  }

  func remove(_ body: JSONValue) throws -> JSONValue {
    let (port, subnet) = (body["port_id"]?.string, body["subnet_id"]?.string)
    guard port != nil || subnet != nil else { throw bad("Either subnet_id or port_id must be specified") }
    let own = rows.filter { $0.text("device_owner") == Ports.interfaceOwner }
    let matching = own.filter {
      (port == nil || $0.text("port_id") == port) && (subnet == nil || $0.text("subnet_id") == subnet)
    }
    guard let first = matching.first else { throw try missing(port: port, subnet: subnet, own: own) }
    for row in matching { try refuseInUse(row) }
    let id = first.text("port_id")
    let all = own.filter { $0.text("port_id") == id }
    let reply = try answer(
      port: id, project: router.projectID, network: first.text("network_id"),
      subnets: matching.map { $0.text("subnet_id") })
    if port == nil, all.count > matching.count {
      // Other IPv6 prefixes stay on the port.
      for row in matching {
        try Allocations.release(
          port: id, subnetID: row.text("subnet_id"), address: row.text("address"), tx: tx)
      }
    } else {
      try PortStore.delete(id, tx: tx)
    }
    return reply
  }

  private func missing(port: String?, subnet: String?, own: [Row]) throws -> Fault {
    if let port, let subnet, own.contains(where: { $0.text("port_id") == port }) {
      return Fault.badRequest(
        "Subnet on port \(port) does not match the requested subnet \(subnet).", kind: "SubnetMismatchForPort")
    }
    if let port {
      return Fault.notFound(
        "Router \(router.id) does not have an interface with id \(port)", kind: "RouterInterfaceNotFound")
    }
    if let subnet, try Subnets.resource.find(subnet, tx: tx) == nil { return Subnets.notFound(subnet) }
    return Fault.notFound(
      "Router \(router.id) has no interface on subnet \(subnet ?? "")", kind: "RouterInterfaceNotFoundForSubnet")
  }

  private func refuseInUse(_ row: Row) throws {
    let subnet = row.text("subnet_id")
    let floating = try tx.first(
      """
      SELECT 1 AS one FROM network_floating_ip f JOIN network_allocation a
        ON a.port_id = f.port_id AND a.address = f.fixed_ip_address
      WHERE f.router_id = \(router.id) AND a.subnet_id = \(subnet) LIMIT 1
      """)
    if floating != nil {
      throw Fault.conflict(
        "Router interface for subnet \(subnet) on router \(router.id) cannot be deleted, as it is required by one or more floating IPs.",
        kind: "RouterInterfaceInUseByFloatingIP")
    }
    guard let cidr = CIDR(row.text("cidr")) else { return }
    let nexthops = router.list("routes").compactMap { $0["nexthop"]?.string.flatMap { IPAddress($0) } }
    if nexthops.contains(where: cidr.contains) {
      throw Fault.conflict(
        "Router interface for subnet \(subnet) on router \(router.id) cannot be deleted, as it is required by one or more routes.",
        kind: "RouterInterfaceInUseByRoute")
    }
  }

  private func answer(port: String, project: String, network: String, subnets: [String]) throws -> JSONValue {
    try tx.execute(
      "UPDATE network_router SET revision_number = revision_number + 1, updated_at = \(context.now) WHERE id = \(router.id)"
    )
    return [
      "id": .string(router.id), "tenant_id": .string(project), "project_id": .string(project),
      "port_id": .string(port), "network_id": .string(network), "subnet_id": .string(subnets.last ?? ""),
      "subnet_ids": .strings(subnets),
    ]
  }
}
