import API
import Kit
import Store

extension NetworkModel {
  var networkRoutes: [Route] {
    routes(
      Networks.resource, networkHooks,
      filters: ListFilters(more: ["shared": Self.sharedFilter("network")]))
  }

  private var networkHooks: ResourceHooks {
    var hooks = ResourceHooks()
    hooks.visible = { Self.networksVisible($0) }
    hooks.creating = { try prepareNetwork(&$0, $1) }
    hooks.created = { values, context in
      for (name, action) in [("shared", RBACPolicies.shared), ("router:external", RBACPolicies.external)]
      where values.flag(name) {
        try Self.share("network", values, with: true, action: action, tx: context.tx)
      }
      try SecurityGroupStore.ensureDefault(values.projectID, now: context.now, tx: context.tx)
    }
    hooks.updating = { try checkNetworkChange($0, &$1, $2) }
    hooks.deleting = { values, context in try Self.deleteNetwork(values, tx: context.tx) }
    hooks.decorate = { try decorateNetworks(&$0, $1) }
    return hooks
  }

  private func prepareNetwork(_ values: inout JSONObject, _ context: ResourceContext) throws {
    let isExternal = values.flag("router:external")
    let segment = try Networks.segment(values, isExternal: isExternal, settings: settings) {
      try freeVNI(context.tx)
    }
    values["provider:network_type"] = .string(segment.type)
    values["provider:physical_network"] = .optional(segment.physical)
    values["provider:segmentation_id"] = .optional(segment.segmentation)
    let largest = segment.type == "flat" ? settings.externalMTU : settings.tenantMTU
    if let mtu = values.number("mtu"), mtu > 0 {
      guard mtu <= largest else {
        throw Fault.invalidInput("Requested MTU is too big, maximum is \(largest)")
      }
    } else {
      values["mtu"] = .int(largest)
    }
    try checkZones(values.strings("availability_zone_hints"))
    if let segmentation = segment.segmentation {
      let used = try context.tx.first(
        "SELECT 1 AS one FROM network WHERE provider_segmentation_id = \(segmentation)")
      if used != nil {
        throw Fault.conflict(
          "Unable to create the network. The tunnel ID \(segmentation) is in use.", kind: "TunnelIdInUse")
      }
    }
  }

  func checkZones(_ hints: [String]) throws(Fault) {
    for hint in hints where hint != settings.zone {
      throw Fault.notFound("AvailabilityZone \(hint.prefix(64)) could not be found.", kind: "AvailabilityZoneNotFound")
    }
  }

  /// A random identifier of the range that no network has.
  private func freeVNI(_ tx: any Transaction) throws -> Int {
    for _ in 0..<64 {
      let candidate = Int.random(in: settings.vniRange)
      if try tx.first("SELECT 1 AS one FROM network WHERE provider_segmentation_id = \(candidate)") == nil {
        return candidate
      }
    }
    throw Fault(
      503, kind: "NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
  }

  private func checkNetworkChange(_ old: JSONObject, _ changes: inout JSONObject, _ context: ResourceContext) throws {
    let tx = context.tx
    if changes.keys.contains(where: { $0.hasPrefix("provider:") }) {
      throw Fault.invalidInput("Plugin does not support updating provider attributes")
    }
    if let mtu = changes.number("mtu") {
      let largest = old.text("provider:network_type") == "flat" ? settings.externalMTU : settings.tenantMTU
      guard mtu <= largest else { throw Fault.invalidInput("Requested MTU is too big, maximum is \(largest)") }
      for subnet in try Allocations.subnets(of: old.id, tx: tx) {
        try Networks.checkMTU(mtu, isV6: subnet.cidr.isV6, network: old.id)
      }
    }
    if let isShared = changes["shared"]?.bool {
      if !isShared { try Self.refuseUnshare(old, tx: tx) }
      try Self.share("network", old, with: isShared, action: RBACPolicies.shared, tx: tx)
    }
    if let isExternal = changes["router:external"]?.bool, isExternal != old.flag("router:external") {
      if !isExternal { try Self.refuseUnexternal(old, tx: tx) }
      try Self.share("network", old, with: isExternal, action: RBACPolicies.external, tx: tx)
    }
  }

  /// A network stays shared while other projects use it.
  static func refuseUnshare(_ network: JSONObject, except: Bool = false, tx: any Transaction) throws {
    let foreign = try tx.first(
      """
      SELECT 1 AS one FROM network_port WHERE network_id = \(network.id) AND project_id != \(network.projectID)
        AND project_id != '' AND device_owner NOT IN \(list: Ports.automaticOwners + [Ports.gatewayOwner, Ports.floatingOwner])
        AND project_id NOT IN (SELECT target_tenant FROM network_rbac WHERE object_id = \(network.id)
          AND action = \(RBACPolicies.shared)) LIMIT 1
      """)
    if foreign != nil {
      throw Fault.conflict(
        "Unable to reconfigure sharing settings for network \(network.id). Multiple projects are using it.",
        kind: "InvalidSharedSetting")
    }
  }

  /// A network stays external while routers and floating IPs use it.
  static func refuseUnexternal(_ network: JSONObject, tx: any Transaction) throws {
    let used = try tx.first(
      """
      SELECT 1 AS one FROM network_port WHERE network_id = \(network.id)
        AND device_owner IN \(list: [Ports.gatewayOwner, Ports.floatingOwner]) LIMIT 1
      """)
    if used != nil {
      throw Fault.conflict(
        "External network \(network.id) cannot be updated to be made non-external, since it has existing gateway ports or floating IPs.",
        kind: "ExternalNetworkInUse")
    }
  }

  /// Removes what hangs on a network. Throws 409 while ports of guests or routers are on it.
  static func deleteNetwork(_ network: JSONObject, tx: any Transaction) throws {
    let id = network.id
    let used = try tx.first(
      """
      SELECT 1 AS one FROM network_port p WHERE p.network_id = \(id)
        AND p.device_owner NOT IN \(list: Ports.automaticOwners)
        AND NOT (p.device_owner = \(Ports.floatingOwner) AND p.device_id IN
          (SELECT id FROM network_floating_ip WHERE floating_network_id = \(id) AND port_id IS NULL)) LIMIT 1
      """)
    if used != nil { throw Networks.inUse(id) }
    for sql: SQL in [
      "DELETE FROM network_floating_ip WHERE floating_network_id = \(id)",
      "DELETE FROM network_allocation WHERE network_id = \(id)",
      "DELETE FROM network_port WHERE network_id = \(id)",
      "DELETE FROM network_subnet WHERE network_id = \(id)",
      "DELETE FROM network_rbac WHERE object_id = \(id)",
      "DELETE FROM network_agent_exclusion WHERE object_id = \(id)",
    ] { try tx.execute(sql) }
  }

  private func decorateNetworks(_ views: inout [JSONObject], _ context: ResourceContext) throws {
    try Self.decorateShared("network", &views, context)
    let rows = try Batches.query(views.map(\.id)) { batch in
      try context.tx.query(
        """
        SELECT s.id, s.network_id, s.ip_version, p.address_scope_id AS scope FROM network_subnet s
        LEFT JOIN network_subnetpool p ON p.id = s.subnetpool_id
        WHERE s.network_id IN \(list: batch) ORDER BY s.created_at, s.id
        """)
    }
    let subnets = Dictionary(grouping: rows) { $0.text("network_id") }
    for index in views.indices {
      let own = subnets[views[index].id] ?? []
      func scope(_ version: Int) -> JSONValue {
        .optional(
          own.first { $0.int("ip_version") == version && $0.optionalText("scope") != nil }?.optionalText("scope"))
      }
      views[index].append("subnets", .strings(own.map { $0.text("id") }))
      views[index].append("availability_zones", own.isEmpty ? .array([]) : .array([.string(settings.zone)]))
      views[index].append("ipv4_address_scope", scope(4))
      views[index].append("ipv6_address_scope", scope(6))
      views[index].append("l2_adjacency", true)
    }
  }
}
