import API
import Kit
import Store

extension NetworkModel {
  var routerRoutes: [Route] {
    let schema = Schema.object(
      [Schema.may("subnet_id", .uuid), Schema.may("port_id", .uuid)], additional: .allowed)
    let extra = Schema.object([
      Schema.required("router", .object([Schema.required("routes", Subnets.routes)], additional: .allowed))
    ])
    return routes(
      Routers.resource, routerHooks,
      filters: ListFilters(more: [
        "enable_snat": { values, _ in
          "enable_snat = \(try ListFilters.flag("enable_snat", values))"
        }
      ])) + [
        routerAction("add_router_interface", schema) { router, context in
          try RouterInterfaces(router: router, context: context).add(context.call.body)
        },
        routerAction("remove_router_interface", schema) { router, context in
          try RouterInterfaces(router: router, context: context).remove(context.call.body)
        },
        routerAction("add_extraroutes", extra) { router, context in
          try changeRoutes(router, context) { old, given in old + given.filter { !old.contains($0) } }
        },
        routerAction("remove_extraroutes", extra) { router, context in
          try changeRoutes(router, context) { old, given in old.filter { !given.contains($0) } }
        },
      ]
  }

  private func routerAction(
    _ name: String, _ schema: Schema, _ action: @escaping @Sendable (JSONObject, ResourceContext) throws -> JSONValue
  ) -> Route {
    Route("PUT", "/v2.0/routers/{id}/\(name)", Policy(name, .projectMember), schema: schema) { call in
      let (auth, now) = (try call.auth, clock.now())
      return try await database.write { tx in
        let context = ResourceContext(tx: tx, auth: auth, call: call, now: now, resource: Routers.resource)
        let id = call.parameter("id")
        let visible: SQL? = auth.isAdmin ? nil : "project_id = \(auth.projectID)"
        guard let router = try Routers.resource.find(id, where: visible, tx: tx) else { throw Routers.notFound(id) }
        let answer = try action(router, context)
        tx.afterCommit(nudge)
        return .json(answer)
      }
    }
  }

  private func changeRoutes(
    _ router: JSONObject, _ context: ResourceContext,
    _ change: ([JSONValue], [JSONValue]) -> [JSONValue]
  ) throws -> JSONValue {
    let given = try SubnetPlan.checkRoutes(
      context.call.body["router"]?["routes"]?.array ?? [], version: nil, field: "routes")
    let routes = change(router.list("routes"), given)
    try checkRoutes(routes, router: router, tx: context.tx)
    let changed = try Routers.resource.update(
      router, ["routes": .array(routes)], now: context.now, tx: context.tx)
    var views = [changed]
    try decorateRouters(&views, context)
    return ["router": .object(Routers.resource.view(views[0], for: context.auth))]
  }

  private func checkRoutes(_ routes: [JSONValue], router: JSONObject, tx: any Transaction) throws {
    try QuotaFault.check(
      "router_route", limit: try Quotas.limit("router_route", project: router.projectID, tx: tx), used: 0,
      asked: routes.count)
    let rows = try tx.query(
      """
      SELECT a.address, s.cidr FROM network_port p JOIN network_allocation a ON a.port_id = p.id
      JOIN network_subnet s ON s.id = a.subnet_id
      WHERE p.device_id = \(router.id) AND p.device_owner IN \(list: Ports.routerOwners)
      """)
    try Routers.checkRoutes(
      routes, cidrs: rows.compactMap { CIDR($0.text("cidr")) }, own: rows.map { $0.text("address") })
  }

  private var routerHooks: ResourceHooks {
    var hooks = ResourceHooks()
    hooks.creating = { values, _ in try checkZones(values.strings("availability_zone_hints")) }
    hooks.created = { values, context in
      if let info = values["external_gateway_info"]?.object {
        try RouterGateway(router: values, context: context).set(info)
      }
    }
    hooks.updating = { old, changes, context in
      let isDistributed = changes["distributed"]?.bool ?? old.flag("distributed")
      if isDistributed != old.flag("distributed"), changes["admin_state_up"]?.bool ?? old.flag("admin_state_up") {
        throw Fault.badRequest(
          of: "router",
          "Cannot \(isDistributed ? "upgrade" : "downgrade") active router \(isDistributed ? "to" : "from") distributed. Please set router admin_state_up to False prior to the change"
        )
      }
      if let info = changes["external_gateway_info"] {
        try RouterGateway(router: old, context: context).set(info.object ?? JSONObject())
      }
      if changes["routes"] != nil {
        let routes = try SubnetPlan.checkRoutes(changes.list("routes"), version: nil, field: "routes")
        try checkRoutes(routes, router: old, tx: context.tx)
        changes["routes"] = .array(routes)
      }
    }
    hooks.deleting = { values, context in try RouterGateway(router: values, context: context).deleteRouter() }
    hooks.decorate = { try decorateRouters(&$0, $1) }
    return hooks
  }

  private func decorateRouters(_ views: inout [JSONObject], _ context: ResourceContext) throws {
    let rows = try Batches.query(views.map(\.id)) { batch in
      try context.tx.query(
        """
        SELECT p.device_id, p.network_id, a.subnet_id, a.address FROM network_port p
        LEFT JOIN network_allocation a ON a.port_id = p.id
        WHERE p.device_owner = \(Ports.gatewayOwner) AND p.device_id IN \(list: batch) ORDER BY a.ordinal
        """)
    }
    let gateways = Dictionary(grouping: rows) { $0.text("device_id") }
    for index in views.indices {
      var info = JSONValue.null
      if let rows = gateways[views[index].id], let first = rows.first {
        info = [
          "network_id": .string(first.text("network_id")), "enable_snat": .bool(views[index].flag("enable_snat")),
          "external_fixed_ips": .array(
            rows.compactMap { row in
              row.optionalText("address").map {
                ["subnet_id": .string(row.text("subnet_id")), "ip_address": .string($0)]
              }
            }),
        ]
      }
      views[index]["external_gateway_info"] = info
      views[index].append("availability_zones", .array([.string(settings.zone)]))
    }
  }
}
