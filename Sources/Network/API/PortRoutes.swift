import API
import Contracts
import Kit
import Store

extension NetworkModel {
  var portRoutes: [Route] {
    routes(Ports.resource, portHooks, filters: ListFilters(more: portFilters))
  }

  private var portHooks: ResourceHooks {
    let networkOwner: @Sendable (AuthContext) -> SQL = { auth in
      "network_id IN (SELECT id FROM network WHERE project_id = \(auth.projectID))"
    }
    var hooks = ResourceHooks()
    hooks.visible = Self.visible(networkOwner)
    hooks.changeable = Self.visible(networkOwner)
    hooks.creating = { values, context in
      let network = try network(values.text("network_id"), visibleTo: context.auth, tx: context.tx)
      let right = try PortRight(context.auth, network: network, verb: .create, tx: context.tx)
      try preparePort(&values, network: network, right: right, context: context)
    }
    hooks.updating = { try changePort($0, &$1, $2) }
    hooks.deleting = { try refuseDelete($0, $1) }
    hooks.decorate = { try decoratePorts(&$0, $1) }
    return hooks
  }

  private func preparePort(
    _ values: inout JSONObject, network: JSONObject, right: PortRight, context: ResourceContext
  ) throws {
    let owner = values.text("device_owner")
    try right.check(values)
    try checkDevice(owner: owner, device: values.text("device_id"), context)
    var request = PortStore.Request()
    if let list = values["fixed_ips"]?.array { request.wishes = try AddressWish.read(list) }
    let isSecured =
      values["port_security_enabled"]?.bool ?? (network.flag("port_security_enabled") && !Ports.isTrusted(owner))
    if values["security_groups"] != "" {
      let groups = values.strings("security_groups").compactMap(UUIDText.canonical)
      if !isSecured, !groups.isEmpty { throw Self.securityNeeded }
      try checkGroups(groups, project: values.projectID, context)
      request.groups = groups
    }
    let pairs = values.list("allowed_address_pairs")
    if !pairs.isEmpty, !isSecured { throw Self.pairsNeedSecurity }
    if values["mac_address"]?.string == nil {
      values["mac_address"] = .string(try PortStore.freeMAC(network.id, tx: context.tx))
    } else {
      try refuseTakenMAC(values.text("mac_address"), network: network.id, tx: context.tx)
    }
    values["allowed_address_pairs"] = try Ports.checkPairs(pairs, mac: values.text("mac_address"))
    values["extra_dhcp_opts"] = Ports.mergeOptions([], values.list("extra_dhcp_opts"))
    if values["binding:profile"]?.object == nil { values["binding:profile"] = .object([:]) }
    try PortStore.prepare(&values, request, network: network, now: context.now, tx: context.tx)
  }

  private static let securityNeeded = Fault.invalidInput(
    "Port security must be enabled and port must have an IP address in order to use security groups.",
    kind: "PortSecurityAndIPRequiredForSecurityGroups")
  private static let pairsNeedSecurity = Fault.conflict(
    "Port Security must be enabled in order to have allowed address pairs on a port.",
    kind: "AddressPairAndPortSecurityRequired")

  private func refuseTakenMAC(_ mac: String, network: String, tx: any Transaction) throws {
    let taken = try tx.first(
      "SELECT 1 AS one FROM network_port WHERE network_id = \(network) AND mac_address = \(mac)")
    if taken != nil { throw PortStore.macInUse(mac, network) }
  }

  /// A router's ports are made by its own calls, which check their subnets: users cannot claim a port for one.
  private func checkDevice(owner: String, device: String, _ context: ResourceContext) throws {
    let auth = context.auth
    guard Ports.routerOwners.contains(owner), !auth.isAdmin, !auth.isService, !device.isEmpty else { return }
    if try context.tx.first("SELECT 1 AS one FROM network_router WHERE id = \(device)") != nil {
      throw Fault.conflict(
        "The following device_id \(device) is not owned by your project or matches a router.",
        kind: "DeviceIDNotOwnedByProject")
    }
  }

  /// Groups that exist for the project, all stateful or all stateless.
  private func checkGroups(_ ids: [String], project: String, _ context: ResourceContext) throws {
    guard !ids.isEmpty else { return }
    let rows = try context.tx.query(
      """
      SELECT id, stateful FROM network_security_group WHERE id IN \(list: ids)
        AND (\(SecurityGroupStore.usable(by: context.auth, project: project)))
      """)
    let found = Set(rows.map { $0.text("id") })
    if let missing = ids.first(where: { !found.contains($0) }) { throw SecurityGroups.notFound(missing) }
    if Set(rows.map { $0.bool("stateful") }).count > 1 {
      throw Fault.conflict(
        "Error Cannot apply both stateful and stateless security groups on the same port at the same time while attempting the operation.",
        kind: "SecurityGroupConflict")
    }
  }

  private func changePort(_ old: JSONObject, _ changes: inout JSONObject, _ context: ResourceContext) throws {
    let (tx, auth) = (context.tx, context.auth)
    guard auth.isAdmin || auth.isService || old.projectID == auth.projectID else {
      throw Fault.disallowed("update_port")
    }
    guard let network = try Networks.resource.find(old.text("network_id"), tx: tx) else { return }
    let right = try PortRight(auth, network: network, verb: .update, tx: tx)
    try right.check(changes)
    if changes["binding:host_id"]?.isNull == true { changes["binding:host_id"] = "" }
    if changes["binding:profile"]?.isNull == true { changes["binding:profile"] = .object([:]) }
    let names = ["device_owner", "device_id"]
    if names.contains(where: { changes[$0] != nil && changes[$0] != old[$0] }) {
      try checkDevice(
        owner: changes["device_owner"]?.string ?? old.text("device_owner"),
        device: changes["device_id"]?.string ?? old.text("device_id"), context)
    }
    try changeMAC(old, &changes, network: network, tx: tx)
    let mac = changes["mac_address"]?.string ?? old.text("mac_address")
    try changeSecurity(old, &changes, mac: mac, context)
    if changes["extra_dhcp_opts"] != nil {
      changes["extra_dhcp_opts"] = Ports.mergeOptions(old.list("extra_dhcp_opts"), changes.list("extra_dhcp_opts"))
    }
    if let list = changes["fixed_ips"]?.array {
      try Allocations.change(
        try AddressWish.read(list), port: old, mac: mac,
        deviceOwner: changes["device_owner"]?.string ?? old.text("device_owner"), tx: tx)
      try refuseLostFloatingIP(old, tx: tx)
    }
  }

  private func changeMAC(_ old: JSONObject, _ changes: inout JSONObject, network: JSONObject, tx: any Transaction)
    throws
  {
    guard let wanted = changes["mac_address"] else { return }
    let before = old.text("mac_address")
    if wanted.string == before {
      changes["mac_address"] = nil
      return
    }
    guard old.text("binding:host_id").isEmpty || old.text("device_owner").isEmpty else {
      throw Fault.conflict(
        "Unable to complete operation on port \(old.id), port is already bound, port type: bridge, old_mac \(before), new_mac \(wanted.string ?? "generated").",
        kind: "PortBound")
    }
    let mac = try wanted.string ?? PortStore.freeMAC(network.id, tx: tx)
    if wanted.string != nil { try refuseTakenMAC(mac, network: network.id, tx: tx) }
    changes["mac_address"] = .string(mac)
    // Addresses that the port makes from its MAC change with it.
    for subnet in try Allocations.subnets(of: network.id, tx: tx) where subnet.isAutoAddress {
      guard let from = subnet.eui64(before), let to = subnet.eui64(mac) else { continue }
      try tx.execute(
        """
        UPDATE network_allocation SET address = \(to.description), host_offset = \(subnet.offset(to))
        WHERE port_id = \(old.id) AND subnet_id = \(subnet.id) AND address = \(from.description)
        """)
    }
  }

  private func changeSecurity(
    _ old: JSONObject, _ changes: inout JSONObject, mac: String, _ context: ResourceContext
  ) throws {
    let isSecured = changes["port_security_enabled"]?.bool ?? old.flag("port_security_enabled")
    if let given = changes["allowed_address_pairs"] {
      let pairs = given.array ?? []
      if !pairs.isEmpty, !isSecured { throw Self.pairsNeedSecurity }
      changes["allowed_address_pairs"] = try Ports.checkPairs(pairs, mac: mac)
    } else if !isSecured, !old.list("allowed_address_pairs").isEmpty {
      throw Self.pairsNeedSecurity
    }
    if changes["security_groups"] != nil {
      let groups = changes.strings("security_groups").compactMap(UUIDText.canonical)
      if !groups.isEmpty, !isSecured { throw Self.securityNeeded }
      try checkGroups(groups, project: old.projectID, context)
      try SecurityGroupStore.bind(groups, port: old.id, tx: context.tx)
    } else if !isSecured, old.flag("port_security_enabled") {
      let bound = try context.tx.first("SELECT 1 AS one FROM network_port_group WHERE port_id = \(old.id) LIMIT 1")
      if bound != nil {
        throw Fault.conflict(
          "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
          kind: "PortSecurityPortHasSecurityGroup")
      }
    }
  }

  private func refuseLostFloatingIP(_ port: JSONObject, tx: any Transaction) throws {
    let lost = try tx.first(
      """
      SELECT 1 AS one FROM network_floating_ip f WHERE f.port_id = \(port.id) AND NOT EXISTS
        (SELECT 1 FROM network_allocation a WHERE a.port_id = f.port_id AND a.address = f.fixed_ip_address)
      """)
    if lost != nil {
      throw Fault.badRequest(
        of: "port",
        "Cannot update the fixed_ips of the port \(port.id), because its original fixed_ip has been associated to a floating ip"
      )
    }
  }

  private func refuseDelete(_ port: JSONObject, _ context: ResourceContext) throws {
    let (tx, auth, owner) = (context.tx, context.auth, port.text("device_owner"))
    if !auth.isAdmin, !auth.isService, ["compute:", "baremetal:", "manila:"].contains(where: { owner.hasPrefix($0) }) {
      throw Fault.disallowed("delete_port")
    }
    let table = Ports.routerOwners.contains(owner) ? "network_router" : "network_floating_ip"
    if Ports.routerOwners.contains(owner) || owner == Ports.floatingOwner,
      try tx.first("SELECT 1 AS one FROM \(raw: table) WHERE id = \(port.text("device_id"))") != nil
    {
      throw Fault.conflict(
        "Port \(port.id) cannot be deleted directly via the port API: has device owner \(owner).",
        kind: "ServicePortInUse")
    }
    if !auth.isAdmin, !auth.isService,
      try tx.first(
        "SELECT 1 AS one FROM network_floating_ip WHERE port_id = \(port.id) AND project_id != \(auth.projectID)")
        != nil
    {
      throw Fault.conflict(
        "Unable to complete the operation on port \(port.id), it has a floating IP of another project.",
        kind: "FipAssociated")
    }
    try PortStore.delete(port.id, tx: tx)
  }

  private func decoratePorts(_ views: inout [JSONObject], _ context: ResourceContext) throws {
    let ids = views.map(\.id)
    let addresses = try Allocations.addresses(of: ids, tx: context.tx)
    let groups = try SecurityGroupStore.groups(of: ids, tx: context.tx)
    for index in views.indices {
      let id = ids[index]
      let fixed = addresses[id] ?? []
      views[index]["fixed_ips"] = .array(fixed.map(\.json))
      views[index]["security_groups"] = .strings(groups[id] ?? [])
      let (type, details) = Ports.binding(views[index])
      views[index]["binding:vif_type"] = .string(type)
      views[index]["binding:vif_details"] = details
      let name = views[index].text("dns_name")
      let domain = settings.dnsDomain.hasSuffix(".") ? settings.dnsDomain : settings.dnsDomain + "."
      views[index].append(
        "dns_assignment",
        .array(
          fixed.map { address in
            let host =
              name.isEmpty ? "host-" + address.address.replacing(".", with: "-").replacing(":", with: "-") : name
            return [
              "ip_address": .string(address.address), "hostname": .string(host), "fqdn": .string("\(host).\(domain)"),
            ]
          }))
    }
  }

  private var portFilters: [String: ListFilters.Make] {
    [
      "fixed_ips": { values, _ in try Self.addressFilter(values) },
      "security_groups": { values, _ in
        "id IN (SELECT port_id FROM network_port_group WHERE security_group_id IN \(list: values))"
      },
    ]
  }

  /// `fixed_ips=ip_address=…`, `subnet_id=…` and `ip_address_substr=…`: values of one key are alternatives.
  private static func addressFilter(_ values: [String]) throws -> SQL {
    var byKey: [String: [String]] = [:]
    for value in values {
      let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2, ["ip_address", "subnet_id", "ip_address_substr"].contains(parts[0]) else {
        throw Fault.badRequest("Invalid filter fixed_ips: '\(value.prefix(80))'", kind: "HTTPBadRequest")
      }
      byKey[parts[0], default: []].append(parts[1])
    }
    var conditions: [SQL] = []
    if let addresses = byKey["ip_address"] {
      conditions.append("address IN \(list: addresses.map { IPAddress($0)?.description ?? $0 })")
    }
    if let subnets = byKey["subnet_id"] { conditions.append("subnet_id IN \(list: subnets)") }
    if let parts = byKey["ip_address_substr"] {
      let alternatives = parts.map { part -> SQL in "INSTR(address, \(part)) > 0" }
      conditions.append("(\(SQL.join(alternatives, " OR ")))")
    }
    return "id IN (SELECT port_id FROM network_allocation WHERE \(SQL.join(conditions, " AND ")))"
  }
}

/// What a caller may set at a port, by what it is to the port's network (upstream's policies create_port:* and
/// update_port:*).
struct PortRight {
  let isNetworkOwner: Bool
  let isShared: Bool
  let verb: Verb

  init(_ auth: AuthContext, network: JSONObject, verb: Verb, tx: any Transaction) throws {
    self.verb = verb
    isNetworkOwner = auth.isAdmin || auth.isService || network.projectID == auth.projectID
    isShared = try isNetworkOwner || NetworkModel.isNetworkShared(network.id, with: auth.projectID, tx: tx)
    if verb == .create, !isShared { throw Fault.disallowed("create_port") }
  }

  /// Throws 403 for values that only the network's owner may set.
  func check(_ values: JSONObject) throws(Fault) {
    guard !isNetworkOwner else { return }
    func deny(_ name: String) -> Fault {
      Fault.disallowed("\(verb.rawValue)_port and (rule:\(verb.rawValue)_port:\(name))")
    }
    if Ports.isTrusted(values.text("device_owner")) { throw deny("device_owner") }
    if values["mac_address"]?.string != nil { throw deny("mac_address") }
    if values["port_security_enabled"]?.bool != nil { throw deny("port_security_enabled") }
    if !values.list("allowed_address_pairs").isEmpty { throw deny("allowed_address_pairs") }
    let fixed = values.list("fixed_ips")
    if !isShared, !fixed.isEmpty { throw deny("fixed_ips") }
    if fixed.contains(where: { $0["ip_address"] != nil }) { throw deny("fixed_ips:ip_address") }
  }
}
