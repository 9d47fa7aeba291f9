import API
import Kit

/// Security groups with an editor of their rules.
enum SecurityGroupPanel {
  private static func path(_ context: PageContext) -> String { "/v2.0/security-groups/" + Percent.encode(context.id) }

  static let panel: Panel = {
    var panel = Panel(
      area: .project, id: "security-groups", title: "Security groups", noun: "security group", icon: "shield",
      service: "network", path: { _ in "/v2.0/security-groups" }, collection: "security_groups")
    panel.query = { [("project_id", $0.projectID)] }
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Description", "description"),
      Column("Rules") { .text(String($0.json.list("security_group_rules").count)) },
    ]
    panel.filters = [Filter(name: "name", label: "Name")]
    panel.empty = "No security groups yet."
    panel.tableActions = [create]
    panel.rowActions = [
      addRule, edit, removeRule,
      .delete(when: { $0.json.text("name") != "default" }),
    ]
    panel.find = { client, _, id in
      try await client.get("network", "/v2.0/security-groups/" + Percent.encode(id))["security_group"] ?? .null
    }
    panel.blocks = { context in
      [rules(context), .facts("Overview", Facts.all(context.json, without: ["security_group_rules"]))]
    }
    return panel
  }()

  /// Services that people mean when they open a port.
  private static let services: [(id: String, title: String, `protocol`: String, ports: (Int, Int)?)] = [
    ("ssh", "SSH (TCP 22)", "tcp", (22, 22)), ("ping", "Ping (all ICMP)", "icmp", nil),
    ("http", "HTTP (TCP 80)", "tcp", (80, 80)), ("https", "HTTPS (TCP 443)", "tcp", (443, 443)),
    ("rdp", "Remote desktop (TCP 3389)", "tcp", (3389, 3389)), ("dns", "DNS (UDP 53)", "udp", (53, 53)),
    ("mysql", "MySQL (TCP 3306)", "tcp", (3306, 3306)), ("postgresql", "PostgreSQL (TCP 5432)", "tcp", (5432, 5432)),
    ("smtp", "SMTP (TCP 25)", "tcp", (25, 25)), ("ldap", "LDAP (TCP 389)", "tcp", (389, 389)),
    ("all-tcp", "All TCP", "tcp", (1, 65_535)), ("all-udp", "All UDP", "udp", (1, 65_535)),
    ("any", "Everything", "", nil), ("custom", "Own protocol and ports", "", nil),
  ]

  private static func rules(_ context: PageContext) -> Block {
    var block = Block.table(
      "Rules", ["Direction", "Service", "Ports", "Peer", "IP version"],
      context.json.list("security_group_rules").map { rule in
        let ports = [rule.text("port_range_min"), rule.text("port_range_max")].filter { !$0.isEmpty }
        let peer = rule.text("remote_ip_prefix").isEmpty ? rule.text("remote_group_id") : rule.text("remote_ip_prefix")
        return BlockRow(
          [
            Cell(context.t(rule.text("direction") == "ingress" ? "In" : "Out"), isStrong: true),
            .text(rule.text("protocol").isEmpty ? context.t("Everything") : rule.text("protocol").uppercased()),
            .text(ports.count == 2 && ports[0] == ports[1] ? ports[0] : ports.joined(separator: "–")),
            .code(peer.isEmpty ? context.t("anywhere") : peer), .text(rule.text("ethertype")),
          ],
          action: (
            "Delete", context.panel.address(of: context.id) + "/remove-rule?rule=" + Percent.encode(rule.text("id"))
          ))
      }, empty: "No rule: nothing goes in or out.")
    block.links = [("Add rule", context.panel.address(of: context.id) + "/add-rule")]
    return block
  }

  private static let addRule = Action(
    "add-rule", "Add rule",
    fields: { context in
      let groups = try await context.options(
        "network", "/v2.0/security-groups", "security_groups", [("project_id", context.session.projectID)])
      return [
        .choice("service", "Service", services.map { Field.Option($0.id, $0.title) }, required: true),
        .choice(
          "direction", "Direction", [Field.Option("ingress", "In"), Field.Option("egress", "Out")], required: true),
        Field("protocol", "Protocol", help: "For an own rule: tcp, udp, icmp or a number."),
        Field("port_min", "First port", .number), Field("port_max", "Last port", .number),
        Field("cidr", "Peer address", value: "0.0.0.0/0", help: "Such as 0.0.0.0/0 or ::/0. Empty with a group."),
        .choice("group", "Peer group", groups),
      ]
    },
    { context, form in
      try await context.client.send(
        "POST", "network", "/v2.0/security-group-rules", ["security_group_rule": .object(try rule(context, form))])
      return .done("The rule holds from now on.")
    })

  private static func rule(_ context: PageContext, _ form: Form) throws -> JSONObject {
    guard let service = services.first(where: { $0.id == form["service"] }) else {
      throw Fault.badRequest("Choose a service.")
    }
    let group = form.optional("group")
    let isV6 = group == nil && form["cidr"].contains(":")
    var rule: JSONObject = [
      "security_group_id": .string(context.id), "direction": .string(form["direction"]),
      "ethertype": isV6 ? "IPv6" : "IPv4",
    ]
    if let group {
      rule["remote_group_id"] = group
    } else if let cidr = form.optional("cidr") {
      rule["remote_ip_prefix"] = cidr
    }
    if service.id == "custom" {
      if let name = form.optional("protocol") { rule["protocol"] = name }
      if let first = try form.number("port_min", "First port") { rule["port_range_min"] = .int(first) }
      if let last = try form.number("port_max", "Last port") ?? form.number("port_min", "First port") {
        rule["port_range_max"] = .int(last)
      }
      return rule
    }
    if !service.protocol.isEmpty {
      rule["protocol"] = .string(isV6 && service.id == "ping" ? "ipv6-icmp" : service.protocol)
    }
    if let ports = service.ports {
      rule["port_range_min"] = .int(ports.0)
      rule["port_range_max"] = .int(ports.1)
    }
    return rule
  }

  private static let removeRule = Action(
    "remove-rule", "Delete rule", style: .danger, confirm: "Traffic that only this rule allows is stopped.",
    when: { _ in false }, fields: { _ in [Field("rule", "", .hidden)] },
    { context, form in
      try await context.client.send("DELETE", "network", "/v2.0/security-group-rules/" + Percent.encode(form["rule"]))
      return .done("Deleted.")
    })

  private static let create = Action(
    "create", "Create security group", style: .primary,
    fields: { _ in [Field("name", "Name", required: true), Field("description", "Description")] },
    { context, form in
      let made = try await context.client.send(
        "POST", "network", "/v2.0/security-groups",
        ["security_group": ["name": .string(form["name"]), "description": .string(form["description"])]])
      return .to(context.panel.address(of: made["security_group"]?.text("id") ?? ""), "Created.")
    })

  private static let edit = Action(
    "edit", "Edit", when: { $0.json.text("name") != "default" },
    fields: { context in
      [
        Field("name", "Name", value: context.json.text("name"), required: true),
        Field("description", "Description", value: context.json.text("description")),
      ]
    },
    { context, form in
      try await context.client.send(
        "PUT", "network", path(context),
        ["security_group": ["name": .string(form["name"]), "description": .string(form["description"])]])
      return .done("Saved.")
    })
}
