import API
import Kit

/// Networks with their subnets and ports.
enum NetworkPanels {
  static let project: Panel = make(.project)
  static let admin: Panel = make(.admin)
  private static func one(_ kind: String, _ id: String) -> String { "/v2.0/\(kind)/" + Percent.encode(id) }

  private static func make(_ area: Panel.Area) -> Panel {
    var panel = Panel(
      area: area, id: "networks", title: "Networks", noun: "network", icon: "network", service: "network",
      path: { _ in "/v2.0/networks" }, collection: "networks")
    if area == .project {
      panel.shows = { network, session in
        network.text("project_id") == session.projectID || network["shared"]?.bool == true
          || network["router:external"]?.bool == true
      }
    }
    panel.lookups = [Lookup(id: "subnets", service: "network", path: "/v2.0/subnets", collection: "subnets")]
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      Column("Subnets") { row in
        .lines(
          (row.json["subnets"]?.array ?? []).map { id in
            let subnet = row.names["subnets", id.asText]
            return .code(
              [subnet?.text("name"), subnet?.text("cidr")].compactMap { $0 }.filter { !$0.isEmpty }
                .joined(separator: " · "))
          })
      },
      Column("External") { .flag($0.json["router:external"]) }, Column("Shared") { .flag($0.json["shared"]) },
      Column("Switched on", sort: "admin_state_up") { .flag($0.json["admin_state_up"]) },
    ]
    panel.filters = [Filter(name: "name", label: "Name")]
    panel.empty = "No networks yet. Create one with a subnet, and instances can talk on it."
    panel.tableActions = [create(isAdmin: area == .admin)]
    panel.rowActions = [
      addSubnet, addPort, edit,
      .delete(when: { area == .admin || $0.json.text("project_id") == $0.session.projectID }),
      removal("delete-subnet", "Delete subnet", "subnets"), removal("delete-port", "Delete port", "ports"),
    ]
    panel.find = { client, _, id in try await client.get("network", one("networks", id))["network"] ?? .null }
    panel.blocks = { try await blocks($0) }
    return panel
  }

  /// The removal of a part; it is reached from the part's row on the network's page.
  private static func removal(_ id: String, _ title: String, _ kind: String) -> Action {
    Action(
      id, title, style: .danger, confirm: "This cannot be undone.", when: { _ in false },
      fields: { _ in [Field("part", "", .hidden)] },
      { context, form in
        try await context.client.send("DELETE", "network", one(kind, form["part"]))
        return .done("Deleted.")
      })
  }

  private static func blocks(_ context: PageContext) async throws -> [Block] {
    let subnets = try await context.client.get("network", "/v2.0/subnets", [("network_id", context.id)]).list("subnets")
    let ports = try await context.client.get("network", "/v2.0/ports", [("network_id", context.id), ("limit", "200")])
      .list("ports")
    let base = context.panel.address(of: context.id)
    var subnetBlock = Block.table(
      "Subnets", ["Name", "Network address", "Gateway", "DHCP", "Name servers"],
      subnets.map { subnet in
        BlockRow(
          [
            Cell(subnet.text("name").isEmpty ? subnet.text("id") : subnet.text("name"), isStrong: true),
            .code(subnet.text("cidr")), .code(subnet.text("gateway_ip")), .flag(subnet["enable_dhcp"]),
            .text((subnet["dns_nameservers"]?.array ?? []).map(\.asText).joined(separator: ", ")),
          ], action: ("Delete", base + "/delete-subnet?part=" + Percent.encode(subnet.text("id"))))
      }, empty: "No subnet yet: without one there are no addresses.")
    subnetBlock.links = [("Create subnet", base + "/add-subnet")]
    var portBlock = Block.table(
      "Ports", ["Name", "Addresses", "MAC address", "State", "Used by"],
      ports.map { port in
        let device = port.text("device_id")
        let isServer = port.text("device_owner").hasPrefix("compute:")
        return BlockRow(
          [
            Cell(port.text("name").isEmpty ? port.text("id") : port.text("name")),
            .lines(port.list("fixed_ips").map { .code($0.text("ip_address")) }), .code(port.text("mac_address")),
            .status(port.text("status")),
            isServer
              ? Cell(device, href: "/project/instances/" + Percent.encode(device)) : .text(port.text("device_owner")),
          ], action: ("Delete", base + "/delete-port?part=" + Percent.encode(port.text("id"))))
      }, empty: "No port yet.")
    portBlock.links = [("Create port", base + "/add-port")]
    return [subnetBlock, portBlock, .facts("Overview", Facts.all(context.json, without: ["subnets"]))]
  }

  private static func subnetFields(required: Bool) -> [Field] {
    [
      Field("cidr", "Network address", required: required, help: "Such as 10.0.0.0/24."),
      Field("subnet_name", "Subnet name"),
      Field("gateway", "Gateway", help: "Empty: the first address. none: no gateway."),
      Field("dns", "Name servers", help: "Separated by commas."),
      Field("dhcp", "Give out addresses by DHCP", .check, value: "yes"),
    ]
  }

  private static func createSubnet(_ context: PageContext, _ form: Form, network: String) async throws {
    guard let cidr = CIDR(form["cidr"]) else {
      throw Fault.badRequest("'\(form["cidr"].prefix(60))' is no network address such as 10.0.0.0/24.")
    }
    var subnet: JSONObject = [
      "network_id": .string(network), "cidr": .string(form["cidr"]), "ip_version": .int(cidr.isV6 ? 6 : 4),
      "name": .string(form["subnet_name"]), "enable_dhcp": .bool(form.isOn("dhcp")),
      "dns_nameservers": .strings(form.texts("dns")),
    ]
    if let gateway = form.optional("gateway") { subnet["gateway_ip"] = gateway == "none" ? .null : gateway }
    try await context.client.send("POST", "network", "/v2.0/subnets", ["subnet": .object(subnet)])
  }

  private static func create(isAdmin: Bool) -> Action {
    Action(
      "create", "Create network", style: .primary,
      fields: { _ in
        var fields = [Field("name", "Name", required: true)]
        if isAdmin { fields += [Field("external", "External", .check), Field("shared", "Shared", .check)] }
        return fields + subnetFields(required: false)
      },
      { context, form in
        var network: JSONObject = ["name": .string(form["name"])]
        if isAdmin {
          network["router:external"] = .bool(form.isOn("external"))
          network["shared"] = .bool(form.isOn("shared"))
        }
        if !form["cidr"].isEmpty, CIDR(form["cidr"]) == nil {
          throw Fault.badRequest("'\(form["cidr"].prefix(60))' is no network address such as 10.0.0.0/24.")
        }
        let made = try await context.client.send("POST", "network", "/v2.0/networks", ["network": .object(network)])
        let id = made["network"]?.text("id") ?? ""
        guard !form["cidr"].isEmpty else { return .to(context.panel.address(of: id), "Created.") }
        do {
          try await createSubnet(context, form, network: id)
        } catch {
          // A network without the subnet that was asked for helps nobody.
          _ = try? await context.client.send("DELETE", "network", one("networks", id))
          throw error
        }
        return .to(context.panel.address(of: id), "Created.")
      })
  }

  private static let addSubnet = Action(
    "add-subnet", "Create subnet", fields: { _ in subnetFields(required: true) },
    { context, form in
      try await createSubnet(context, form, network: context.id)
      return .done("Created.")
    })

  private static let addPort = Action(
    "add-port", "Create port",
    fields: { _ in
      [Field("name", "Name"), Field("address", "Fixed address", help: "Empty: the next free one.")]
    },
    { context, form in
      var port: JSONObject = ["network_id": .string(context.id), "name": .string(form["name"])]
      if let address = form.optional("address") { port["fixed_ips"] = [["ip_address": address]] }
      try await context.client.send("POST", "network", "/v2.0/ports", ["port": .object(port)])
      return .done("Created.")
    })

  private static let edit: Action = .edit(
    "network", [Member("name", "Name"), .description, Member("admin_state_up", "Switched on", .flag)])
}
