import Contracts
import Kit
import Store

/// What a new server asks of networks.
extension NetworkService {
  public func plan(
    _ requests: [NetworkRequest]?, securityGroups: [String], servers: Int, auth: AuthContext, tx: any Transaction
  ) throws -> [NetworkRequest] {
    _ = try groupIDs(securityGroups, project: auth.projectID, canMake: false, tx: tx)
    guard let requests else { return try automatic(auth: auth, servers: servers, tx: tx) }
    var planned: [NetworkRequest] = []
    for request in requests {
      if let id = request.portID {
        try checkPort(id, servers: servers, isRepeated: planned.contains { $0.portID == id }, auth: auth, tx: tx)
      } else if let id = request.networkID {
        try checkNetwork(id, fixedIP: request.fixedIP, servers: servers, auth: auth, tx: tx)
      } else {
        throw Fault.badRequest("A network request needs a network or a port.")
      }
      planned.append(request)
    }
    try checkPortQuota(planned, servers: servers, auth: auth, tx: tx)
    return planned
  }

  /// The project's only network, or the only one shared with it.
  private func automatic(auth: AuthContext, servers: Int, tx: any Transaction) throws -> [NetworkRequest] {
    let rows = try tx.query(
      """
      SELECT id FROM network WHERE (project_id = \(auth.projectID)
        OR \(RBACPolicies.shared("network", with: auth.projectID)))
        AND (is_external = 0 OR project_id = \(auth.projectID)) ORDER BY created_at, id LIMIT 2
      """)
    guard rows.count < 2 else {
      throw Fault.conflict("Multiple possible networks found, use a Network ID to be more specific.")
    }
    let planned = rows.map { NetworkRequest(networkID: $0.text("id")) }
    for request in planned {
      try checkNetwork(request.networkID ?? "", fixedIP: nil, servers: servers, auth: auth, tx: tx)
    }
    try checkPortQuota(planned, servers: servers, auth: auth, tx: tx)
    return planned
  }

  private func checkPort(
    _ id: String, servers: Int, isRepeated: Bool, auth: AuthContext, tx: any Transaction
  ) throws {
    let visible: SQL? = auth.isAdmin ? nil : "project_id = \(auth.projectID)"
    guard let port = try Ports.resource.find(id, where: visible, tx: tx) else {
      throw Fault.badRequest("Port id \(id.prefix(64)) could not be found.")
    }
    if servers > 1 { throw Fault.badRequest("Cannot boot several servers with the same port \(id).") }
    if !port.text("device_id").isEmpty || isRepeated { throw Fault.conflict("Port \(id) is still in use.") }
    if try Allocations.addresses(of: [id], tx: tx)[id] == nil {
      throw Fault.badRequest("Port \(id) requires a FixedIP in order to be used.")
    }
  }

  private func checkNetwork(_ id: String, fixedIP: String?, servers: Int, auth: AuthContext, tx: any Transaction) throws
  {
    guard let network = try Networks.resource.find(id, where: NetworkModel.networksVisible(auth), tx: tx) else {
      throw Fault.badRequest("Network \(id.prefix(64)) could not be found.")
    }
    let isUsable =
      try auth.isAdmin || network.projectID == auth.projectID
      || NetworkModel.isNetworkShared(id, with: auth.projectID, tx: tx)
    guard isUsable else { throw Fault.forbidden("It is not allowed to create an interface on external network \(id)") }
    let subnets = try Allocations.subnets(of: id, tx: tx)
    if subnets.isEmpty {
      throw Fault.badRequest("Network \(id) requires a subnet in order to boot instances on.")
    }
    guard let fixedIP else { return }
    if servers > 1 {
      throw Fault.badRequest("Invalid fixed IP Address \(fixedIP): max_count must be 1 with a fixed IP.")
    }
    guard let address = IPAddress(fixedIP), subnets.contains(where: { $0.isUsable(address) }) else {
      throw Fault.badRequest("Fixed IP \(fixedIP.prefix(64)) is not a valid ip address for network \(id).")
    }
    let taken = try tx.first(
      "SELECT 1 AS one FROM network_allocation WHERE network_id = \(id) AND address = \(address.description)")
    if taken != nil { throw Fault.badRequest("Fixed IP address \(address) is already in use on instance.") }
  }

  private func checkPortQuota(_ planned: [NetworkRequest], servers: Int, auth: AuthContext, tx: any Transaction) throws
  {
    do {
      let asked = planned.filter { $0.portID == nil }.count * servers
      try Quotas.check("port", project: auth.projectID, asked: asked, tx: tx)
    } catch let fault as Fault where fault.kind == "OverQuota" {
      throw Fault.forbidden("Maximum number of ports exceeded")
    }
  }

  /// Ids of groups given by name or id. Unknown ones are a 400, names that several groups have a 409.
  func groupIDs(_ given: [String], project: String, canMake: Bool = true, tx: any Transaction) throws -> [String] {
    var ids: [String] = []
    for group in given {
      if group == SecurityGroups.defaultName {
        if !tx.isWritable || !canMake {
          if let id = try SecurityGroupStore.defaultID(project, tx: tx) { ids.append(id) }
          continue
        }
        ids.append(try SecurityGroupStore.ensureDefault(project, now: clock.now(), tx: tx))
        continue
      }
      let rows = try tx.query(
        """
        SELECT id, name FROM network_security_group WHERE (id = \(group) OR name = \(group))
          AND (project_id = \(project) OR \(RBACPolicies.shared("security_group", with: project)))
        """)
      if let exact = rows.first(where: { $0.text("id") == group }) ?? (rows.count == 1 ? rows.first : nil) {
        ids.append(exact.text("id"))
      } else if rows.isEmpty {
        throw Fault.badRequest("Security group \(group.prefix(80)) not found for project \(project).")
      } else {
        throw Fault.conflict(
          "Multiple security groups found matching '\(group)'. Use an ID to be more specific.")
      }
    }
    return ids.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }
}

/// The ports of servers.
extension NetworkService {
  public func bind(
    _ requests: [NetworkRequest], serverID: String, name: String, securityGroups: [String], projectID: String,
    host: String, zone: String, tx: any Transaction
  ) throws -> [ServerPort] {
    let existing = try tx.first("SELECT 1 AS one FROM network_port WHERE device_id = \(serverID) LIMIT 1") != nil
    if existing {
      // The server has its ports already; it may have moved.
      try tx.execute(
        """
        UPDATE network_port SET binding_host_id = \(host), device_owner = \("compute:" + zone)
        WHERE device_id = \(serverID) AND (binding_host_id IS NULL OR binding_host_id != \(host))
        """)
    } else {
      let groups = try groupIDs(securityGroups, project: projectID, tx: tx)
      for (index, request) in requests.enumerated() {
        try plug(
          request, ServerPlug(id: serverID, name: name, project: projectID, host: host, zone: zone, ordinal: index),
          groups: securityGroups.isEmpty ? nil : groups, tx: tx)
      }
    }
    tx.afterCommit(model.nudge)
    return try ports(ofServers: [serverID], tx: tx)[serverID] ?? []
  }

  public func attach(
    _ request: NetworkRequest, serverID: String, name: String, projectID: String, host: String, zone: String,
    tx: any Transaction
  ) throws -> ServerPort {
    let last = try tx.first("SELECT MAX(ordinal) AS last FROM network_port WHERE device_id = \(serverID)")
    let plugged = ServerPlug(
      id: serverID, name: name, project: projectID, host: host, zone: zone,
      ordinal: (last?.optionalInt("last") ?? -1) + 1)
    let id = try plug(request, plugged, groups: nil, tx: tx)
    tx.afterCommit(model.nudge)
    guard let port = try ports(ofServers: [serverID], tx: tx)[serverID]?.first(where: { $0.id == id }) else {
      throw Ports.notFound(id)
    }
    return port
  }

  private struct ServerPlug {
    let id: String
    let name: String
    let project: String
    let host: String
    let zone: String
    let ordinal: Int

    var values: JSONObject {
      [
        "device_id": .string(id), "device_owner": .string("compute:" + zone), "binding:host_id": .string(host),
        "dns_name": .string(DNSText.label(name)), "ordinal": .int(ordinal),
      ]
    }
  }

  @discardableResult
  private func plug(_ request: NetworkRequest, _ server: ServerPlug, groups: [String]?, tx: any Transaction) throws
    -> String
  {
    var values = server.values
    values["device_tag"] = .optional(request.tag)
    if let id = request.portID {
      guard let port = try Ports.resource.find(id, where: "project_id = \(server.project)", tx: tx) else {
        throw Fault.notFound("Port id \(id.prefix(64)) could not be found.", kind: "PortNotFound")
      }
      guard port.text("device_id").isEmpty else {
        throw Fault.conflict("Port \(id) is still in use.", kind: "PortInUse")
      }
      // A name that the port's owner chose stays.
      if !port.text("dns_name").isEmpty { values["dns_name"] = nil }
      try Ports.resource.update(port, values, now: clock.now(), tx: tx)
      return id
    }
    let id = request.networkID ?? ""
    guard let network = try Networks.resource.find(id, tx: tx) else { throw Networks.notFound(id) }
    var wishes: [AddressWish]?
    if let text = request.fixedIP {
      guard let address = IPAddress(text) else { throw Fault.badRequest("\(text.prefix(64)) is not an IP address.") }
      wishes = [AddressWish(address: address)]
    }
    try Quotas.check("port", project: server.project, asked: 1, tx: tx)
    values["project_id"] = .string(server.project)
    values["is_made_by_compute"] = true
    let isSecured = network.flag("port_security_enabled")
    return try PortStore.create(
      values, PortStore.Request(wishes: wishes, groups: isSecured ? groups : []), network: network, now: clock.now(),
      tx: tx
    ).id
  }

  public func detach(portID: String, serverID: String, tx: any Transaction) throws {
    guard let port = try Ports.resource.find(portID, where: "device_id = \(serverID)", tx: tx) else {
      throw Fault.notFound("Port id \(portID.prefix(64)) could not be found.", kind: "PortNotFound")
    }
    try unplug(port, tx: tx)
    tx.afterCommit(model.nudge)
  }

  public func release(serverID: String, tx: any Transaction) throws {
    let rows = try tx.query("SELECT * FROM network_port WHERE device_id = \(serverID)")
    for row in rows { try unplug(Ports.resource.values(row), tx: tx) }
    if !rows.isEmpty { tx.afterCommit(model.nudge) }
  }

  private func unplug(_ port: JSONObject, tx: any Transaction) throws {
    if port.flag("is_made_by_compute") { return try PortStore.delete(port.id, tx: tx) }
    try Ports.resource.update(
      port,
      [
        "device_id": "", "device_owner": "", "binding:host_id": "", "dns_name": "", "device_tag": .null, "ordinal": 0,
        "status": "DOWN",
      ], now: clock.now(), tx: tx)
  }

  public func addFixedIP(networkID: String, serverID: String, tx: any Transaction) throws {
    let row = try tx.first(
      """
      SELECT * FROM network_port WHERE device_id = \(serverID) AND network_id = \(networkID)
      ORDER BY created_at, ordinal LIMIT 1
      """)
    guard let port = row.map(Ports.resource.values) else {
      throw Fault.notFound("Network \(networkID.prefix(64)) is not one of server \(serverID).", kind: "NetworkNotFound")
    }
    let subnets = try Allocations.subnets(of: networkID, tx: tx).filter {
      !$0.isAutoAddress && $0.serves(port.text("device_owner"))
    }
    guard let free = try subnets.first(where: { try Allocations.next(on: $0, tx: tx) != nil }) else {
      throw Fault.badRequest("No fixed IP addresses available for network: \(networkID)", kind: "NoMoreFixedIps")
    }
    let count = try Allocations.addresses(of: [port.id], tx: tx)[port.id]?.count ?? 0
    try Allocations.allocate([(free, nil)], port: port.id, networkID: networkID, from: count, tx: tx)
    tx.afterCommit(model.nudge)
  }

  public func removeFixedIP(_ address: String, serverID: String, tx: any Transaction) throws {
    let wanted = IPAddress(address)?.description ?? address
    let row = try tx.first(
      """
      SELECT a.port_id, a.subnet_id FROM network_allocation a JOIN network_port p ON p.id = a.port_id
      WHERE p.device_id = \(serverID) AND a.address = \(wanted)
      """)
    guard let row else {
      throw Fault.badRequest(
        "Fixed IP \(address.prefix(64)) not found for server \(serverID).", kind: "FixedIpNotFoundForSpecificInstance")
    }
    try tx.execute(
      """
      UPDATE network_floating_ip SET port_id = NULL, fixed_ip_address = NULL, router_id = NULL, status = 'DOWN'
      WHERE port_id = \(row.text("port_id")) AND fixed_ip_address = \(wanted)
      """)
    try Allocations.release(port: row.text("port_id"), subnetID: row.text("subnet_id"), address: wanted, tx: tx)
    tx.afterCommit(model.nudge)
  }

  public func addSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws {
    try changeGroups(group, serverID: serverID, projectID: projectID, tx: tx) { groups, id in
      groups.contains(id) ? groups : groups + [id]
    }
  }

  public func removeSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws {
    try changeGroups(group, serverID: serverID, projectID: projectID, tx: tx) { groups, id in
      groups.filter { $0 != id }
    }
  }

  private func changeGroups(
    _ group: String, serverID: String, projectID: String, tx: any Transaction, _ change: ([String], String) -> [String]
  ) throws {
    let id: String
    do {
      guard let found = try groupIDs([group], project: projectID, tx: tx).first else {
        throw SecurityGroups.notFound(group)
      }
      id = found
    } catch let fault as Fault where fault.status == 400 {
      throw Fault.notFound(fault.message, kind: "SecurityGroupNotFound")
    }
    let rows = try tx.query(
      "SELECT id FROM network_port WHERE device_id = \(serverID) AND port_security_enabled = 1")
    let ids = rows.map { $0.text("id") }
    let present = try SecurityGroupStore.groups(of: ids, tx: tx)
    var isChanged = false
    for port in ids {
      let groups = present[port] ?? []
      let wanted = change(groups, id)
      if groups == wanted { continue }
      isChanged = true
      try SecurityGroupStore.bind(wanted, port: port, tx: tx)
    }
    guard isChanged else {
      if present.values.contains(where: { $0.contains(id) }) { return }
      throw Fault.notFound(
        "Security group \(group.prefix(80)) not associated with the instance \(serverID)", kind: "SecurityGroupNotFound"
      )
    }
    tx.afterCommit(model.nudge)
  }

  public func serverID(address: String, networkID: String?, routerID: String?, tx: any Transaction) throws -> String? {
    let wanted = IPAddress(address)?.description ?? address
    var conditions: [SQL] = ["a.address = \(wanted)", "p.device_owner LIKE 'compute:%'"]
    if let networkID {
      conditions.append("a.network_id = \(networkID)")
    } else if let routerID {
      conditions.append(
        """
        a.network_id IN (SELECT network_id FROM network_port WHERE device_id = \(routerID)
          AND device_owner = \(Ports.interfaceOwner))
        """)
    } else {
      return nil
    }
    return try tx.first(
      """
      SELECT p.device_id FROM network_allocation a JOIN network_port p ON p.id = a.port_id
      WHERE \(SQL.join(conditions, " AND ")) LIMIT 1
      """)?.text("device_id")
  }
}
