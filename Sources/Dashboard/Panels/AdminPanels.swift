import API
import Kit

/// Hypervisors with their capacity.
enum HypervisorPanel {
  static let panel: Panel = {
    var panel = Panel(
      area: .admin, id: "hypervisors", title: "Hypervisors", noun: "hypervisor", icon: "node", service: "compute",
      path: { _ in "/v2.1/os-hypervisors/detail" }, collection: "hypervisors")
    panel.name = { $0.text("hypervisor_hostname") }
    panel.columns = [
      Column("Name") { $0.link }, Column("State") { .status($0.json.text("state")) },
      Column("Enabled") { .status($0.json.text("status")) }, .text("Type", "hypervisor_type"),
      .text("Address", "host_ip"),
    ]
    panel.empty = "No hypervisor has reported yet."
    panel.find = { client, _, id in
      try await client.get("compute", "/v2.1/os-hypervisors/" + Percent.encode(id), [("with_servers", "true")])[
        "hypervisor"] ?? .null
    }
    panel.blocks = { context in
      let provider = "/resource_providers/" + Percent.encode(context.id)
      let inventories = try? await context.client.get("placement", provider + "/inventories")["inventories"]?.object
      let usages = try? await context.client.get("placement", provider + "/usages")["usages"]
      let rows = (inventories ?? [:])?.map { item in
        BlockRow([
          Cell(item.key, isStrong: true), .text(usages?.text(item.key) ?? ""), .text(item.value.text("total")),
          .text(item.value.text("reserved")), .text(item.value.text("allocation_ratio")),
        ])
      }
      return [
        .table(
          "Capacity", ["Resource", "Used", "Total", "Reserved", "Overcommit"], rows ?? [],
          empty: "Nothing is known of it."),
        .facts("Overview", Facts.all(context.json, without: ["servers", "service"])),
        .table(
          "Instances", ["Name"],
          context.json.list("servers").map {
            BlockRow([Cell($0.text("name"), href: "/admin/instances/" + Percent.encode($0.text("uuid")))])
          }, empty: "No instance is on it."),
      ]
    }
    return panel
  }()
}

/// Flavors with their extra specs.
enum FlavorPanel {
  private static func path(_ context: PageContext) -> String { "/v2.1/flavors/" + Percent.encode(context.id) }

  static let panel: Panel = {
    var panel = Panel(
      area: .admin, id: "flavors", title: "Flavors", noun: "flavor", icon: "flavor", service: "compute",
      path: { _ in "/v2.1/flavors/detail" }, collection: "flavors")
    panel.query = { _ in [("is_public", "none")] }
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("VCPU", "vcpus", sort: "vcpus"),
      Column("Memory", sort: "memory_mb") { .text("\($0.json.text("ram")) MiB") },
      Column("Disk", sort: "root_gb") { .text("\($0.json.text("disk")) GiB") },
      Column("Ephemeral") { .text("\($0.json.text("OS-FLV-EXT-DATA:ephemeral")) GiB") },
      Column("Public") { .flag($0.json["os-flavor-access:is_public"]) },
    ]
    panel.empty = "No flavors yet. A flavor says how large an instance is."
    panel.tableActions = [create]
    panel.rowActions = [specs, .delete()]
    panel.find = { client, _, id in
      try await client.get("compute", "/v2.1/flavors/" + Percent.encode(id))["flavor"] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json, without: ["links"]))] }
    return panel
  }()

  private static let create = Action(
    "create", "Create flavor", style: .primary,
    fields: { _ in
      [
        Field("name", "Name", required: true), Field("vcpus", "VCPU", .number, value: "1", required: true),
        Field("ram", "Memory in MiB", .number, value: "512", required: true),
        Field("disk", "Disk in GiB", .number, value: "1", required: true),
        Field("ephemeral", "Ephemeral in GiB", .number, value: "0"), Field("swap", "Swap in MiB", .number, value: "0"),
        Field("public", "Public", .check, value: "yes"),
      ]
    },
    { context, form in
      let flavor: JSONObject = [
        "name": .string(form["name"]), "vcpus": .optional(try form.number("vcpus", "VCPU")),
        "ram": .optional(try form.number("ram", "Memory")), "disk": .optional(try form.number("disk", "Disk")),
        "OS-FLV-EXT-DATA:ephemeral": .int(try form.number("ephemeral", "Ephemeral") ?? 0),
        "swap": .int(try form.number("swap", "Swap") ?? 0), "os-flavor-access:is_public": .bool(form.isOn("public")),
      ]
      try await context.client.send("POST", "compute", "/v2.1/flavors", ["flavor": .object(flavor)])
      return .list("Created.")
    })

  private static let specs = Action(
    "specs", "Edit extra specs",
    fields: { context in
      let specs = context.json["extra_specs"]?.object ?? [:]
      return [
        Field(
          "pairs", "Extra specs", .area, value: specs.map { "\($0.key)=\($0.value.asText)" }.joined(separator: "\n"),
          help: "One key=value on each line.")
      ]
    },
    { context, form in
      let wanted = try form.pairs("pairs")
      for old in (context.json["extra_specs"]?.object ?? [:]).map(\.key) where wanted[old] == nil {
        try await context.client.send("DELETE", "compute", path(context) + "/os-extra_specs/" + Percent.encode(old))
      }
      if !wanted.isEmpty {
        try await context.client.send(
          "POST", "compute", path(context) + "/os-extra_specs", ["extra_specs": .object(wanted)])
      }
      return .done("Saved.")
    })
}

/// What new projects may use.
enum QuotaPanel {
  private static let path = "/v2.1/os-quota-class-sets/default"

  static let panel: Panel = {
    var panel = Panel(
      area: .admin, id: "quotas", title: "Quotas", noun: "quota", icon: "gauge", service: "identity",
      path: { _ in "/v3/projects" }, collection: "projects")
    panel.isPaged = false
    panel.columns = [Column("Project") { $0.link }, .text("Description", "description")]
    panel.empty = "No projects yet."
    panel.tableActions = [defaults]
    panel.rowActions = [edit]
    panel.find = { client, _, id in
      try await client.get("identity", "/v3/projects/" + Percent.encode(id))["project"] ?? .null
    }
    panel.blocks = { context in
      let compute = try await context.client.get("compute", "/v2.1/os-quota-sets/\(Percent.encode(context.id))/detail")[
        "quota_set"]
      let network = try await context.client.get("network", "/v2.0/quotas/\(Percent.encode(context.id))/details")[
        "quota"]
      func rows(_ json: JSONValue?, used: String) -> [BlockRow] {
        (json?.object ?? [:]).filter { $0.value.object != nil }.map {
          BlockRow([Cell($0.key, isStrong: true), .text($0.value.text(used)), .text($0.value.text("limit"))])
        }
      }
      let headings = ["Resource", "Used", "Limit"]
      var blocks: [Block] = [
        .table("Compute", headings, rows(compute, used: "in_use"), empty: ""),
        .table("Network", headings, rows(network, used: "used"), empty: ""),
      ]
      if context.client.has(VolumePanels.service) {
        let volumes = try await context.client.get(VolumePanels.service, volumePath(context), [("usage", "true")])
        blocks.append(.table("Volumes", headings, rows(volumes["quota_set"], used: "in_use"), empty: ""))
      }
      return blocks
    }
    return panel
  }()

  private static let computeKeys = ["instances", "cores", "ram", "key_pairs", "server_groups", "metadata_items"]
  private static let volumeKeys = ["volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups"]
  private static func volumePath(_ context: PageContext) -> String {
    VolumePanels.path(context.session, "/os-quota-sets/" + Percent.encode(context.id))
  }
  private static let networkKeys = [
    "network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule",
  ]

  private static func fields(_ keys: [String], _ json: JSONValue) -> [Field] {
    keys.map { Field($0, $0.replacing("_", with: " "), .number, value: json.text($0), required: true) }
  }
  private static func values(_ keys: [String], _ form: Form) throws -> JSONObject {
    JSONObject(try keys.compactMap { key in try form.number(key, key).map { (key, .int($0)) } })
  }

  private static let edit = Action(
    "edit", "Edit quotas",
    fields: { context in
      let id = Percent.encode(context.id)
      let compute = try await context.client.get("compute", "/v2.1/os-quota-sets/" + id)["quota_set"] ?? .null
      let network = try await context.client.get("network", "/v2.0/quotas/" + id)["quota"] ?? .null
      guard context.client.has(VolumePanels.service) else {
        return fields(computeKeys, compute) + fields(networkKeys, network)
      }
      let volumes = try await context.client.get(VolumePanels.service, volumePath(context))["quota_set"] ?? .null
      return fields(computeKeys, compute) + fields(networkKeys, network) + fields(volumeKeys, volumes)
    },
    { context, form in
      let id = Percent.encode(context.id)
      try await context.client.send(
        "PUT", "compute", "/v2.1/os-quota-sets/" + id, ["quota_set": .object(try values(computeKeys, form))])
      try await context.client.send(
        "PUT", "network", "/v2.0/quotas/" + id, ["quota": .object(try values(networkKeys, form))])
      if context.client.has(VolumePanels.service) {
        try await context.client.send(
          "PUT", VolumePanels.service, volumePath(context), ["quota_set": .object(try values(volumeKeys, form))])
      }
      return .done("Saved.")
    })

  private static let defaults = Action(
    "defaults", "Edit defaults",
    fields: { context in
      fields(computeKeys, try await context.client.get("compute", path)["quota_class_set"] ?? .null)
    },
    { context, form in
      try await context.client.send("PUT", "compute", path, ["quota_class_set": .object(try values(computeKeys, form))])
      return .list("Saved.")
    })
}

/// Services of Compute, and Network's agents.
enum ServicePanels {
  static let compute: Panel = {
    var panel = Panel(
      area: .admin, id: "services", title: "Compute services", noun: "service", icon: "pulse", service: "compute",
      path: { _ in "/v2.1/os-services" }, collection: "services")
    (panel.isPaged, panel.hasPage) = (false, false)
    panel.name = { $0.text("binary") }
    panel.columns = [
      Column("Name") { $0.link }, .text("Host", "host"), .text("Zone", "zone"),
      Column("Enabled") { .status($0.json.text("status")) }, Column("State") { .status($0.json.text("state")) },
      .text("Reason", "disabled_reason"), Column("Updated") { .time($0.json.text("updated_at")) },
    ]
    panel.isLive = true
    panel.empty = "No service has reported yet."
    panel.find = { client, _, id in
      try await client.get("compute", "/v2.1/os-services").list("services").first { $0.text("id") == id } ?? .null
    }
    @Sendable func set(_ context: PageContext, _ body: JSONObject) async throws {
      try await context.client.send("PUT", "compute", "/v2.1/os-services/" + Percent.encode(context.id), .object(body))
    }
    panel.rowActions = [
      Action(
        "disable", "Disable", when: { $0.json.text("status") == "enabled" && $0.json.text("binary") == "nova-compute" },
        fields: { _ in [Field("reason", "Reason", required: true)] },
        { context, form in
          try await set(context, ["status": "disabled", "disabled_reason": .string(form["reason"])])
          return .done("No new instance is placed there.")
        }),
      Action("enable", "Enable", when: { $0.json.text("status") == "disabled" }) { context, _ in
        try await set(context, ["status": "enabled"])
        return .done("Enabled.")
      },
    ]
    return panel
  }()

  static let network: Panel = {
    var panel = Panel(
      area: .admin, id: "agents", title: "Network agents", noun: "agent", icon: "pulse", service: "network",
      path: { _ in "/v2.0/agents" }, collection: "agents")
    (panel.isPaged, panel.hasPage) = (false, false)
    panel.name = { $0.text("binary") }
    panel.columns = [
      Column("Name") { $0.link }, .text("Type", "agent_type"), .text("Host", "host"),
      Column("State") { .status($0.json["alive"]?.bool == true ? "UP" : "DOWN") },
      Column("Enabled") { .flag($0.json["admin_state_up"]) },
      Column("Updated") { .time($0.json.text("heartbeat_timestamp")) },
    ]
    panel.isLive = true
    panel.empty = "No agent has reported yet."
    return panel
  }()
}
