import API
import Kit
import Store

/// A router's way outside: a port on an external network.
struct RouterGateway {
  let router: JSONObject
  let context: ResourceContext
  private var tx: any Transaction { context.tx }

  /// Applies `external_gateway_info`; without `network_id` the gateway goes.
  func set(_ info: JSONObject) throws {
    try checkRights(info)
    let present = try port()
    let wanted = info.optionalText("network_id")
    if let present, present.text("network_id") != wanted {
      try refuseInUse(present)
      try PortStore.delete(present.id, tx: tx)
    }
    guard let wanted else {
      try keepSNAT(true)
      return
    }
    let network = try network(wanted)
    let wishes = try info["external_fixed_ips"]?.array.map { try AddressWish.read($0) }
    if let wishes { try refuseGatewayAddresses(wishes, network: network) }
    if let present, present.text("network_id") == wanted {
      // Its addresses change by this call only, which is why the port counts as one without a device.
      if let wishes {
        var free = present
        free["device_id"] = ""
        try Allocations.change(
          wishes, port: free, mac: present.text("mac_address"), deviceOwner: Ports.gatewayOwner, tx: tx)
      }
    } else {
      try make(on: network, wishes: wishes)
    }
    try keepSNAT(info["enable_snat"].flatMap(Schema.boolean) ?? true)
  }

  func port() throws -> JSONObject? {
    try tx.first(
      "SELECT * FROM network_port WHERE device_id = \(router.id) AND device_owner = \(Ports.gatewayOwner)"
    ).map(Ports.resource.values)
  }

  private func checkRights(_ info: JSONObject) throws(Fault) {
    guard !context.auth.isAdmin else { return }
    let rule = context.call.http.method == "POST" ? "create_router" : "update_router"
    for name in ["enable_snat", "external_fixed_ips"] where info[name] != nil {
      throw Fault.disallowed("\(rule) and (rule:\(rule):external_gateway_info:\(name))")
    }
  }

  private func network(_ id: String) throws -> JSONObject {
    let visible = NetworkModel.networksVisible(context.auth)
    guard let network = try Networks.resource.find(id, where: visible, tx: tx) else { throw Networks.notFound(id) }
    guard network.flag("router:external") else {
      throw Fault.badRequest(of: "router", "Network \(id) is not an external network")
    }
    return network
  }

  private func refuseGatewayAddresses(_ wishes: [AddressWish], network: JSONObject) throws {
    let gateways = try Allocations.subnets(of: network.id, tx: tx).compactMap(\.gateway)
    for wish in wishes {
      if let address = wish.address, gateways.contains(address) {
        throw Fault.badRequest(of: "router", "External IP \(address) is the same as the gateway IP")
      }
    }
  }

  private func make(on network: JSONObject, wishes: [AddressWish]?) throws {
    let interfaces = try RouterInterfaces(router: router, context: context)
    for subnet in try Allocations.subnets(of: network.id, tx: tx) { try interfaces.refuseOverlap(subnet) }
    // The project stays empty: the port counts in nobody's quota, and only administrators see it.
    try PortStore.create(
      [
        "project_id": "", "device_id": .string(router.id), "device_owner": .string(Ports.gatewayOwner),
        "binding:host_id": "",
      ], PortStore.Request(wishes: wishes, groups: []), network: network, now: context.now, tx: tx)
  }

  private func keepSNAT(_ isOn: Bool) throws {
    try tx.execute("UPDATE network_router SET enable_snat = \(isOn) WHERE id = \(router.id)")
  }

  private func refuseInUse(_ port: JSONObject) throws {
    let used = try tx.first("SELECT 1 AS one FROM network_floating_ip WHERE router_id = \(router.id) LIMIT 1")
    if used != nil {
      throw Fault.conflict(
        "Gateway cannot be updated for router \(router.id), since a gateway to external network \(port.text("network_id")) is required by one or more floating IPs.",
        kind: "RouterExternalGatewayInUseByFloatingIp")
    }
    let gone = try Allocations.addresses(of: [port.id], tx: tx)[port.id] ?? []
    let cidrs = try Subnets.resource.find(gone.map(\.subnetID), tx: tx).values.compactMap { CIDR($0.text("cidr")) }
    let routes = router.list("routes").compactMap { $0["nexthop"]?.string.flatMap { IPAddress($0) } }
    if routes.contains(where: { nexthop in cidrs.contains { $0.contains(nexthop) } }) {
      throw Fault.conflict(
        "Gateway of router \(router.id) cannot be removed, as it is required by one or more routes.",
        kind: "RouterInterfaceInUseByRoute")
    }
  }

  /// Removes what hangs on the router before its row goes. Throws 409 while it has interfaces.
  func deleteRouter() throws {
    let interface = try tx.first(
      "SELECT 1 AS one FROM network_port WHERE device_id = \(router.id) AND device_owner = \(Ports.interfaceOwner) LIMIT 1"
    )
    if interface != nil { throw Fault.conflict("Router \(router.id) still has ports", kind: "RouterInUse") }
    if let port = try port() {
      try refuseInUse(port)
      try PortStore.delete(port.id, tx: tx)
    }
    try tx.execute("DELETE FROM network_agent_exclusion WHERE object_id = \(router.id)")
  }
}
