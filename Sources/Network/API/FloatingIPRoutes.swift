import API
import Kit
import Store

extension NetworkModel {
  var floatingIPRoutes: [Route] {
    var hooks = ResourceHooks()
    hooks.creating = { try makeFloatingIP(&$0, $1) }
    hooks.updating = { old, changes, context in
      // Once a floating IP had nothing but its association: an update with nothing in it still ends that.
      if changes.isEmpty { changes["port_id"] = .null }
      guard changes["port_id"] != nil || changes["fixed_ip_address"] != nil || changes["router_id"] != nil else {
        return
      }
      try Association(old, context).apply(&changes)
    }
    hooks.deleted = { values, context in
      if let port = values.optionalText("floating_port_id") { try PortStore.delete(port, tx: context.tx) }
    }
    hooks.decorate = { try decorateFloatingIPs(&$0, $1) }
    return routes(FloatingIPs.resource, hooks) + ["floatingip_pools", "floatingip-pools"].map(floatingIPPoolRoute)
  }

  private func makeFloatingIP(_ values: inout JSONObject, _ context: ResourceContext) throws {
    let tx = context.tx
    let network = try network(values.text("floating_network_id"), visibleTo: context.auth, tx: tx)
    guard network.flag("router:external") else {
      throw Fault.badRequest(of: "floatingip", "Network \(network.id) is not a valid external network")
    }
    let subnets = try Allocations.subnets(of: network.id, tx: tx)
    let usable = subnets.filter { !$0.cidr.isV6 && $0.serves(Ports.floatingOwner) }
    guard !usable.isEmpty else {
      throw Fault.badRequest(of: "floatingip", "Network \(network.id) does not contain any IPv4 subnet")
    }
    var wish = AddressWish(subnetID: values.optionalText("subnet_id"))
    wish.address = values.optionalText("floating_ip_address").flatMap { IPAddress($0) }
    if wish.subnetID == nil, wish.address == nil {
      let free = try usable.first { try Allocations.next(on: $0, tx: tx) != nil }
      guard let free else { throw Allocations.exhausted(network.id) }
      wish.subnetID = free.id
    }
    let port = try PortStore.create(
      [
        "project_id": "", "device_id": .string(values.id), "device_owner": .string(Ports.floatingOwner),
        "status": "N/A",
      ], PortStore.Request(wishes: [wish], groups: []), network: network, now: context.now, tx: tx)
    let address = try Allocations.addresses(of: [port.id], tx: tx)[port.id]?.first?.address
    values["floating_ip_address"] = .optional(address)
    values["floating_port_id"] = .string(port.id)
    let given: JSONObject = values
    var changes: JSONObject = [:]
    for name in ["port_id", "fixed_ip_address", "router_id"] where given[name]?.isNull == false {
      changes[name] = given[name]
    }
    if !changes.isEmpty {
      var fresh = values
      (fresh["port_id"], fresh["router_id"]) = (.null, .null)
      try Association(fresh, context).apply(&changes)
      values.merge(changes)
    }
  }

  private func decorateFloatingIPs(_ views: inout [JSONObject], _ context: ResourceContext) throws {
    let ids = views.compactMap { $0.optionalText("port_id") }
    let rows = try Batches.query(ids) { batch in
      try context.tx.query("SELECT * FROM network_port WHERE id IN \(list: batch)")
    }
    let ports = Dictionary(rows.map { ($0.text("id"), Ports.resource.values($0)) }) { first, _ in first }
    for index in views.indices {
      views[index]["subnet_id"] = nil
      var details = JSONValue.null
      if let port = views[index].optionalText("port_id").flatMap({ ports[$0] }) {
        var object = JSONObject()
        for name in ["name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner"] {
          object.append(name, port[name] ?? .null)
        }
        details = .object(object)
      }
      views[index].append("port_details", details)
    }
  }

  /// The subnets that floating IPs of the caller can come from (extension floatingip-pools). Clients spell its path both ways.
  private func floatingIPPoolRoute(_ name: String) -> Route {
    Route("GET", "/v2.0/\(name)", Policy("get_floatingip_pool", .projectReader)) { call in
      let auth = try call.auth
      return try await database.read { tx in
        let visible = Self.networksVisible(auth) ?? SQL("1 = 1")
        let rows = try tx.query(
          """
          SELECT id, name, network_id, cidr FROM network_subnet WHERE ip_version = 4 AND network_id IN
            (SELECT id FROM network WHERE is_external = 1 AND (\(visible))) ORDER BY created_at, id
          """)
        return .json([
          "floatingip_pools": .array(
            rows.map {
              [
                "subnet_id": .string($0.text("id")), "subnet_name": .string($0.text("name")),
                "network_id": .string($0.text("network_id")), "cidr": .string($0.text("cidr")),
                "project_id": .string(auth.projectID), "tenant_id": .string(auth.projectID),
              ]
            })
        ])
      }
    }
  }
}

/// Ties a floating IP to a fixed address of a port, or unties it.
struct Association {
  let floating: JSONObject
  let context: ResourceContext
  private var tx: any Transaction { context.tx }

  init(_ floating: JSONObject, _ context: ResourceContext) { (self.floating, self.context) = (floating, context) }

  private func bad(_ reason: String) -> Fault { .badRequest(of: "floatingip", reason) }

  /// Completes `port_id`, `fixed_ip_address` and `router_id` of the changes.
  func apply(_ changes: inout JSONObject) throws {
    let wanted = changes["port_id"] ?? floating["port_id"] ?? .null
    if changes.optionalText("fixed_ip_address") != nil, changes.optionalText("port_id") == nil {
      throw bad("fixed_ip_address cannot be specified without a port_id")
    }
    changes["status"] = "DOWN"
    guard let portID = wanted.string else {
      let requested = changes.optionalText("router_id")
      if let requested { try checkRouter(requested) }
      (changes["port_id"], changes["fixed_ip_address"]) = (.null, .null)
      changes["router_id"] = .optional(requested)
      return
    }
    // A change of the router alone keeps the fixed address.
    let kept = changes["port_id"] == nil ? floating.optionalText("fixed_ip_address") : nil
    let (port, address, subnetID) = try target(portID, changes.optionalText("fixed_ip_address") ?? kept)
    let router: String
    if let requested = changes.optionalText("router_id") {
      try checkRouter(requested)
      router = requested
    } else {
      router = try self.router(port: port, subnetID: subnetID)
    }
    let network = floating.text("floating_network_id")
    let taken = try tx.first(
      """
      SELECT 1 AS one FROM network_floating_ip WHERE port_id = \(portID) AND fixed_ip_address = \(address)
        AND floating_network_id = \(network) AND id != \(floating.id)
      """)
    if taken != nil {
      throw Fault.conflict(
        "Cannot associate floating IP \(floating.text("floating_ip_address")) (\(floating.id)) with port \(portID) using fixed IP \(address), as that fixed IP already has a floating IP on external network \(network).",
        kind: "FloatingIPPortAlreadyAssociated")
    }
    changes["port_id"] = .string(portID)
    changes["fixed_ip_address"] = .string(address)
    changes["router_id"] = .string(router)
  }

  /// The port, and the fixed IPv4 address of it that is meant.
  private func target(_ id: String, _ wanted: String?) throws -> (JSONObject, address: String, subnetID: String) {
    let auth = context.auth
    let visible: SQL? =
      auth.isAdmin
      ? nil
      : "project_id = \(auth.projectID) OR network_id IN (SELECT id FROM network WHERE project_id = \(auth.projectID))"
    guard let port = try Ports.resource.find(id, where: visible, tx: tx) else { throw Ports.notFound(id) }
    if port.projectID != floating.projectID, !auth.isAdmin {
      throw bad(
        "Cannot process floating IP association with Port \(id), since that port is owned by a different project")
    }
    guard !Ports.isTrusted(port.text("device_owner")) else {
      throw bad("Port \(id) is unable to be assigned a floating IP")
    }
    let addresses = try Allocations.addresses(of: [id], tx: tx)[id] ?? []
    if let wanted {
      if wanted.contains(":") {
        throw bad("Cannot process floating IP association with \(wanted), since that is not an IPv4 address")
      }
      guard let fixed = addresses.first(where: { $0.address == wanted }) else {
        throw bad("Port \(id) does not have fixed ip \(wanted)")
      }
      return (port, wanted, fixed.subnetID)
    }
    let v4 = addresses.filter { !$0.address.contains(":") }
    guard let first = v4.first else {
      throw bad("Cannot add floating IP to port \(id) that has no fixed IPv4 addresses")
    }
    if v4.count > 1 {
      throw bad(
        "Port \(id) has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP"
      )
    }
    return (port, first.address, first.subnetID)
  }

  private func checkRouter(_ id: String) throws {
    let visible: SQL? = context.auth.isAdmin ? nil : "project_id = \(context.auth.projectID)"
    guard try Routers.resource.find(id, where: visible, tx: tx) != nil else { throw Routers.notFound(id) }
    let gateway = try tx.first(
      """
      SELECT 1 AS one FROM network_port WHERE device_id = \(id) AND device_owner = \(Ports.gatewayOwner)
        AND network_id = \(floating.text("floating_network_id"))
      """)
    if gateway == nil {
      throw Fault.conflict(
        "Router \(id) has no external gateway on network \(floating.text("floating_network_id"))", kind: "Conflict")
    }
  }

  /// The router between the port's subnet and the external network; the one at the subnet's gateway address first.
  private func router(port: JSONObject, subnetID: String) throws -> String {
    let row = try tx.first(
      """
      SELECT i.device_id AS router FROM network_port i JOIN network_allocation a ON a.port_id = i.id
      JOIN network_port g ON g.device_id = i.device_id AND g.device_owner = \(Ports.gatewayOwner)
      JOIN network_subnet s ON s.id = a.subnet_id
      WHERE i.device_owner = \(Ports.interfaceOwner) AND a.subnet_id = \(subnetID)
        AND g.network_id = \(floating.text("floating_network_id"))
      ORDER BY CASE WHEN a.address = s.gateway_ip THEN 0 ELSE 1 END, i.created_at LIMIT 1
      """)
    guard let router = row?.text("router") else {
      throw Fault.notFound(
        "External network \(floating.text("floating_network_id")) is not reachable from subnet \(subnetID).  Therefore, cannot associate Port \(port.id) with a Floating IP.",
        kind: "ExternalGatewayForFloatingIPNotFound")
    }
    return router
  }
}
