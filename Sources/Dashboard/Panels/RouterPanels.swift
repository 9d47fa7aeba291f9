import API
import Kit

/// Routers with their gateway and interfaces.
enum RouterPanels {
  static let project: Panel = make(.project)
  static let admin: Panel = make(.admin)
  private static func path(_ context: PageContext) -> String { "/v2.0/routers/" + Percent.encode(context.id) }

  private static func make(_ area: Panel.Area) -> Panel {
    var panel = Panel(
      area: area, id: "routers", title: "Routers", noun: "router", icon: "router", service: "network",
      path: { _ in "/v2.0/routers" }, collection: "routers")
    if area == .project { panel.query = { [("project_id", $0.projectID)] } }
    panel.lookups = [Lookup(id: "networks", service: "network", path: "/v2.0/networks", collection: "networks")]
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      Column("External network") { row in
        let id = row.json["external_gateway_info"]?.text("network_id") ?? ""
        return .text(id.isEmpty ? "" : row.names.name("networks", id))
      },
      Column("External addresses") { row in
        .lines(
          (row.json["external_gateway_info"]?.list("external_fixed_ips") ?? []).map { .code($0.text("ip_address")) })
      }, Column("Switched on") { .flag($0.json["admin_state_up"]) },
    ]
    panel.filters = [Filter(name: "name", label: "Name")]
    panel.empty = "No routers yet. A router joins your networks to each other and to the outside."
    if area == .project { panel.tableActions = [create] }
    panel.rowActions = actions
    panel.find = { client, _, id in
      try await client.get("network", "/v2.0/routers/" + Percent.encode(id))["router"] ?? .null
    }
    panel.blocks = { try await blocks($0) }
    return panel
  }

  private static func blocks(_ context: PageContext) async throws -> [Block] {
    let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
      .filter { !$0.text("device_owner").contains("gateway") }
    var block = Block.table(
      "Interfaces", ["Network", "Addresses", "State"],
      ports.map { port in
        let network = port.text("network_id")
        return BlockRow(
          [
            Cell(network, href: "/project/networks/" + Percent.encode(network)),
            .lines(port.list("fixed_ips").map { .code($0.text("ip_address")) }), .status(port.text("status")),
          ],
          action: (
            "Remove",
            context.panel.address(of: context.id) + "/remove-interface?port=" + Percent.encode(port.text("id"))
          ))
      }, empty: "No network is joined to it yet.")
    block.links = [("Add interface", context.panel.address(of: context.id) + "/add-interface")]
    return [.facts("Overview", Facts.all(context.json)), block]
  }

  private static func externals(_ context: PageContext) async throws -> [Field.Option] {
    try await context.options("network", "/v2.0/networks", "networks", [("router:external", "true")])
  }

  private static let create = Action(
    "create", "Create router", style: .primary,
    fields: { context in
      [
        Field("name", "Name", required: true),
        .choice("external", "External network", try await externals(context), help: "The way to the outside."),
      ]
    },
    { context, form in
      var router: JSONObject = ["name": .string(form["name"])]
      if let external = form.optional("external") { router["external_gateway_info"] = ["network_id": external] }
      let made = try await context.client.send("POST", "network", "/v2.0/routers", ["router": .object(router)])
      return .to(context.panel.address(of: made["router"]?.text("id") ?? ""), "Created. Join your subnets to it now.")
    })

  private static func hasGateway(_ row: Row) -> Bool { row.json["external_gateway_info"]?.object != nil }

  private static let actions: [Action] = [
    Action(
      "add-interface", "Add interface",
      fields: { context in
        let subnets = try await context.options(
          "network", "/v2.0/subnets", "subnets", [("project_id", context.session.projectID)]
        ) { "\($0.text("name")) \($0.text("cidr"))" }
        return [.choice("subnet", "Subnet", subnets, required: true)]
      },
      { context, form in
        try await context.client.send(
          "PUT", "network", path(context) + "/add_router_interface", ["subnet_id": .string(form["subnet"])])
        return .done("The subnet is joined.")
      }),
    Action(
      "remove-interface", "Remove interface", style: .danger,
      fields: { context in
        let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
          .filter { !$0.text("device_owner").contains("gateway") }
          .map { port in
            Field.Option(port.text("id"), port.list("fixed_ips").map { $0.text("ip_address") }.joined(separator: ", "))
          }
        return [.choice("port", "Interface", ports, required: true)]
      },
      { context, form in
        try await context.client.send(
          "PUT", "network", path(context) + "/remove_router_interface", ["port_id": .string(form["port"])])
        return .done("Removed.")
      }),
    Action(
      "set-gateway", "Set gateway", when: { !hasGateway($0) },
      fields: { [.choice("external", "External network", try await externals($0), required: true)] },
      { context, form in
        try await context.client.send(
          "PUT", "network", path(context),
          ["router": ["external_gateway_info": ["network_id": .string(form["external"])]]])
        return .done("Saved.")
      }),
    Action(
      "clear-gateway", "Clear gateway", style: .danger, confirm: "Its networks lose the way to the outside.",
      when: hasGateway
    ) { context, _ in
      try await context.client.send("PUT", "network", path(context), ["router": ["external_gateway_info": nil]])
      return .done("Saved.")
    },
    .edit("router", [Member("name", "Name"), .description, Member("admin_state_up", "Switched on", .flag)]),
    .delete(),
  ]
}

/// Floating IPs.
enum FloatingIPPanels {
  static let project: Panel = make(.project)
  static let admin: Panel = make(.admin)
  private static func path(_ context: PageContext) -> String { "/v2.0/floatingips/" + Percent.encode(context.id) }

  private static func make(_ area: Panel.Area) -> Panel {
    var panel = Panel(
      area: area, id: "floating-ips", title: "Floating IPs", noun: "floating IP", icon: "floating", service: "network",
      path: { _ in "/v2.0/floatingips" }, collection: "floatingips")
    if area == .project { panel.query = { [("project_id", $0.projectID)] } }
    panel.hasPage = false
    panel.name = { $0.text("floating_ip_address") }
    panel.lookups = [
      Lookup(id: "networks", service: "network", path: "/v2.0/networks", collection: "networks"),
      Lookup(id: "ports", service: "network", path: "/v2.0/ports", collection: "ports"),
      Lookup(id: "servers", service: "compute", path: "/v2.1/servers", collection: "servers"),
    ]
    panel.columns = [
      Column("Address", sort: "floating_ip_address") { Cell($0.title, isCode: true) },
      Column("Leads to") { row in
        let device = row.names["ports", row.json.text("port_id")]?.text("device_id") ?? ""
        guard let server = row.names["servers", device] else { return .code(row.json.text("fixed_ip_address")) }
        return Cell(
          "\(server.text("name")) · \(row.json.text("fixed_ip_address"))",
          href: "/project/instances/" + Percent.encode(device))
      }, Column("State") { .status($0.json.text("status")) },
      Column("External network") { .text($0.names.name("networks", $0.json.text("floating_network_id"))) },
      .text("Description", "description"),
    ]
    panel.empty = "No floating IPs yet. With one, an instance is reached from outside."
    if area == .project { panel.tableActions = [allocate] }
    panel.rowActions = [
      associate,
      Action("disassociate", "Disassociate", when: { !$0.json.text("port_id").isEmpty }) { context, _ in
        try await context.client.send("PUT", "network", path(context), ["floatingip": ["port_id": nil]])
        return .done("The floating IP is free again.")
      }, .delete(),
    ]
    panel.find = { client, _, id in
      try await client.get("network", "/v2.0/floatingips/" + Percent.encode(id))["floatingip"] ?? .null
    }
    return panel
  }

  private static let allocate = Action(
    "create", "Allocate floating IP", style: .primary,
    fields: { context in
      let networks = try await context.options("network", "/v2.0/networks", "networks", [("router:external", "true")])
      return [.choice("network", "External network", networks, required: true), Field("description", "Description")]
    },
    { context, form in
      let body: JSONObject = [
        "floating_network_id": .string(form["network"]), "description": .string(form["description"]),
      ]
      try await context.client.send("POST", "network", "/v2.0/floatingips", ["floatingip": .object(body)])
      return .list("Allocated.")
    })

  private static let associate = Action(
    "associate", "Associate", when: { $0.json.text("port_id").isEmpty },
    fields: { context in
      let servers = try await context.client.get("compute", "/v2.1/servers").list("servers")
      let names = Dictionary(servers.map { ($0.text("id"), $0.text("name")) }) { first, _ in first }
      let ports = try await context.client.get("network", "/v2.0/ports").list("ports")
        .filter { $0.text("device_owner").hasPrefix("compute:") }
        .map { port in
          let addresses = port.list("fixed_ips").map { $0.text("ip_address") }.joined(separator: ", ")
          return Field.Option(port.text("id"), "\(names[port.text("device_id")] ?? "") · \(addresses)")
        }
      return [.choice("port", "Port", ports, required: true)]
    },
    { context, form in
      try await context.client.send(
        "PUT", "network", path(context), ["floatingip": ["port_id": .string(form["port"])]])
      return .done("The floating IP leads to it now.")
    })
}
