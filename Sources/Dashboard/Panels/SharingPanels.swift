import API
import Kit

/// Network's resources that others share: address pools, groups of addresses, and who may use whose networks.
enum SharingPanels {
  private static func make(
    _ area: Panel.Area, _ id: String, _ title: String, _ noun: String, icon: String, _ collection: String,
    _ single: String
  ) -> Panel {
    let path = "/v2.0/" + collection.replacing("_", with: "-")
    return Panel.resource(
      area, id, title, noun, icon: icon, service: "network", collection: collection, single: single
    ) { _ in path }
  }
  @Sendable private static func isMine(_ row: Row) -> Bool {
    row.session.isAdmin || row.json.text("project_id") == row.session.projectID
  }

  static let addressGroups: Panel = {
    var panel = make(
      .project, "address-groups", "Address groups", "address group", icon: "group", "address_groups", "address_group")
    panel.query = { [("project_id", $0.projectID)] }
    let addresses = Member("addresses", "Addresses", .texts, help: "One address or CIDR on each line.")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Description", "description"),
      Column("Addresses") { row in .lines((row.json["addresses"]?.array ?? []).map { .code($0.asText) }) },
    ]
    panel.filters = [Filter(name: "name", label: "Name")]
    panel.empty = "No address groups yet. Rules of security groups can refer to one."
    panel.tableActions = [.create("Create address group", "address_group", [.name, .description, addresses])]
    func change(_ id: String, _ title: String, _ verb: String) -> Action {
      Action(
        id, title, when: isMine, fields: { _ in [Field("addresses", "Addresses", .area, required: true)] },
        { context, form in
          try await context.client.send(
            "PUT", "network", context.path + "/" + verb, ["addresses": .strings(form.texts("addresses"))])
          return .done("Saved.")
        })
    }
    panel.rowActions = [
      change("add", "Add addresses", "add_addresses"), change("remove", "Remove addresses", "remove_addresses"),
      .edit("address_group", [.name, .description]), .delete(when: isMine),
    ]
    return panel
  }()

  static let subnetPools: Panel = {
    var panel = make(
      .project, "subnet-pools", "Subnet pools", "subnet pool", icon: "network", "subnetpools", "subnetpool")
    let prefixes = Member("prefixes", "Prefixes", .texts, required: true, help: "One CIDR on each line.")
    panel.columns = [
      Column("Name", sort: "name") { $0.link },
      Column("Prefixes") { row in .lines((row.json["prefixes"]?.array ?? []).map { .code($0.asText) }) },
      .text("Default prefix length", "default_prefixlen"), Column("Shared") { .flag($0.json["shared"]) },
    ]
    panel.filters = [Filter(name: "name", label: "Name")]
    panel.empty = "No subnet pools yet. Subnets can take their addresses from one."
    panel.tableActions = [
      .create(
        "Create subnet pool", "subnetpool",
        [
          .name, .description, prefixes, Member("default_prefixlen", "Default prefix length", .number, value: "24"),
        ])
    ]
    panel.rowActions = [.edit("subnetpool", [.name, .description, prefixes]), .delete(when: isMine)]
    return panel
  }()

  static let addressScopes: Panel = {
    var panel = make(
      .admin, "address-scopes", "Address scopes", "address scope", icon: "domain", "address_scopes", "address_scope")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("IP version", "ip_version"),
      Column("Shared") { .flag($0.json["shared"]) },
    ]
    panel.empty = "No address scopes yet. Addresses in one are routed without translation."
    panel.tableActions = [
      Action(
        "create", "Create address scope", style: .primary,
        fields: { _ in
          [
            Field("name", "Name", required: true),
            .choice("version", "IP version", [Field.Option("4"), Field.Option("6")], required: true),
            Field("shared", "Shared", .check),
          ]
        },
        { context, form in
          let scope: JSONObject = [
            "name": .string(form["name"]), "ip_version": .optional(try form.number("version", "IP version")),
            "shared": .bool(form.isOn("shared")),
          ]
          try await context.client.send("POST", "network", context.listPath, ["address_scope": .object(scope)])
          return .list("Created.")
        })
    ]
    panel.rowActions = [.edit("address_scope", [.name]), .delete()]
    return panel
  }()

  static let rbac: Panel = {
    var panel = make(
      .admin, "rbac-policies", "RBAC policies", "RBAC policy", icon: "users", "rbac_policies", "rbac_policy")
    panel.name = { $0.text("id") }
    panel.lookups = [
      Lookup(id: "projects", service: "identity", collection: "projects") { _ in "/v3/projects" },
      Lookup(id: "objects", service: "network", collection: "networks") { _ in "/v2.0/networks" },
    ]
    panel.columns = [
      Column("Id") { $0.link }, .text("Kind", "object_type", sort: "object_type"),
      Column("Resource") { .text($0.names.name("objects", $0.json.text("object_id"))) }, .text("Allows", "action"),
      Column("For project") { row in
        let target = row.json.text("target_tenant")
        return target == "*" ? Cell("everybody") : .text(row.names.name("projects", target))
      },
    ]
    panel.empty = "No RBAC policies yet. One lets a project use a network of another."
    panel.tableActions = [
      Action(
        "create", "Create RBAC policy", style: .primary,
        fields: { context in
          [
            .choice(
              "network", "Network", try await context.options("network", "/v2.0/networks", "networks"), required: true),
            .choice(
              "action", "Allows",
              [
                Field.Option("access_as_shared", "Use it as a shared network"),
                Field.Option("access_as_external", "Use it as an external network"),
              ], required: true),
            .choice(
              "target", "For project",
              [Field.Option("*", "everybody")]
                + (try await context.options("identity", "/v3/projects", "projects")), required: true),
          ]
        },
        { context, form in
          let policy: JSONObject = [
            "object_type": "network", "object_id": .string(form["network"]), "action": .string(form["action"]),
            "target_tenant": .string(form["target"]),
          ]
          try await context.client.send("POST", "network", context.listPath, ["rbac_policy": .object(policy)])
          return .list("Created.")
        })
    ]
    panel.rowActions = [.delete()]
    return panel
  }()
}
