import API
import Kit

/// Block Storage for administrators: types with their specs, QoS, group types, every volume, and the services.
enum StorageAdminPanels {
  static let service = VolumePanels.service

  private static func make(
    _ id: String, _ title: String, _ noun: String, icon: String = "volume", _ collection: String, _ single: String,
    path: String
  ) -> Panel {
    Panel.resource(.admin, id, title, noun, icon: icon, service: service, collection: collection, single: single) {
      VolumePanels.path($0, path)
    }
  }

  static let volumes = everyones(VolumePanels.volumes, "All volumes")
  static let snapshots = everyones(VolumePanels.snapshots, "All volume snapshots")
  static let backups = everyones(StoragePanels.backups, "All volume backups")

  /// A project's panel over all projects, without what belongs to one.
  private static func everyones(_ panel: Panel, _ title: String) -> Panel {
    var copy = Panel(
      area: .admin, id: panel.id, title: title, noun: panel.noun, icon: panel.icon, service: panel.service,
      path: panel.path, collection: panel.collection)
    copy.query = { _ in [("all_tenants", "1")] }
    copy.lookups = [Lookup(id: "projects", service: "identity", collection: "projects") { _ in "/v3/projects" }]
    copy.columns = panel.columns
    copy.columns.insert(
      Column("Project") { row in
        let id =
          row.json.text("os-vol-tenant-attr:tenant_id").isEmpty
          ? row.json.text("os-extended-snapshot-attributes:project_id") : row.json.text("os-vol-tenant-attr:tenant_id")
        return .text(row.names.name("projects", id))
      }, at: 1)
    (copy.filters, copy.empty, copy.isLive) = (panel.filters, panel.empty, panel.isLive)
    (copy.find, copy.blocks) = (panel.find, panel.blocks)
    let states = ["available", "error", "in-use", "maintenance", "error_deleting", "creating", "deleting"]
    copy.rowActions = [
      .post("reset-state", "Reset state", [.words("status", "State", states)], done: "Saved.") {
        ["os-reset_status": .object($0)]
      },
      .verb(
        "force-delete", "Force delete", ["os-force_delete": nil], style: .danger,
        confirm: "It is deleted whatever state it is in."), .delete(),
    ]
    return copy
  }

  static let types: Panel = {
    var panel = make(
      "volume-types", "Volume types", "volume type", "volume_types", "volume_type", path: "/types")
    panel.query = { _ in [("is_public", "None")] }
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Description", "description"),
      Column("Public") { .flag($0.json["is_public"]) },
      Column("Extra specs") { row in
        .lines((row.json["extra_specs"]?.object ?? [:]).map { .code("\($0.key)=\($0.value.asText)") })
      },
    ]
    panel.empty = "No volume types yet."
    panel.tableActions = [
      .create(
        "Create volume type", "volume_type",
        [.name, .description, Member("os-volume-type-access:is_public", "Public", .flag, value: "yes")])
    ]
    panel.rowActions = typeActions
    panel.blocks = { context in
      var blocks: [Block] = [.facts("Overview", Facts.all(context.json))]
      let encryption = try await context.client.get(service, context.path + "/encryption")
      if !encryption.text("provider").isEmpty { blocks.append(.facts("Encryption", Facts.all(encryption))) }
      guard context.json["is_public"]?.bool == false else { return blocks }
      let access = try await context.client.get(service, context.path + "/os-volume-type-access")
        .list("volume_type_access")
      blocks.append(
        .table(
          "Projects that may use it", ["Project"], access.map { BlockRow([.code($0.text("project_id"))]) },
          empty: "None yet."))
      return blocks
    }
    return panel
  }()

  private static let typeActions: [Action] = [
    .edit("volume_type", [.name, .description, Member("is_public", "Public", .flag)]), specs("extra_specs"),
    access("add-access", "Allow project", "addProjectAccess"),
    access("remove-access", "Disallow project", "removeProjectAccess"),
    Action(
      "qos", "Set QoS",
      fields: { context in
        let all = try await context.options(service, VolumePanels.path(context.session, "/qos-specs"), "qos_specs")
        return [.choice("qos", "QoS specs", all, value: context.json.text("qos_specs_id"))]
      },
      { context, form in
        let path = VolumePanels.path(context.session, "/qos-specs/")
        let now = context.json.text("qos_specs_id")
        let query = [("vol_type_id", context.id)]
        if !now.isEmpty, now != form["qos"] {
          _ = try await context.client.get(service, path + Percent.encode(now) + "/disassociate", query)
        }
        if !form["qos"].isEmpty, now != form["qos"] {
          _ = try await context.client.get(service, path + Percent.encode(form["qos"]) + "/associate", query)
        }
        return .done("Saved.")
      }),
    .post(
      "encrypt", "Set encryption",
      [
        Member("provider", "Provider", value: "luks", required: true),
        Member("cipher", "Cipher", .optional, value: "aes-xts-plain64"),
        Member("key_size", "Key size in bits", .number, value: "256"),
        .words("control_location", "Where it is encrypted", ["front-end", "back-end"]),
      ], tail: "/encryption", done: "Saved."
    ) { ["encryption": .object($0)] },
    .delete(),
  ]

  private static func access(_ id: String, _ title: String, _ verb: String) -> Action {
    .post(
      id, title,
      [
        Member(
          "project", "Project", .choice { try await $0.options("identity", "/v3/projects", "projects") }, required: true
        )
      ], done: "Saved.", when: { $0.json["is_public"]?.bool == false }
    ) { .object([verb: .object($0)]) }
  }

  /// Key and value pairs that are set by POST and removed one by one.
  private static func specs(_ key: String) -> Action {
    let member = Member(key, "Extra specs", .pairs)
    return Action(
      "specs", "Edit extra specs", fields: { [try await member.field($0)] },
      { context, form in
        let wanted = try form.pairs(key)
        for old in (context.json[key]?.object ?? [:]).map(\.key) where wanted[old] == nil {
          try await context.client.send(
            "DELETE", context.panel.service, context.path + "/\(key)/" + Percent.encode(old))
        }
        if !wanted.isEmpty {
          try await context.client.send(
            "POST", context.panel.service, context.path + "/" + key, .object([key: .object(wanted)]))
        }
        return .done("Saved.")
      })
  }

  static let groupTypes: Panel = {
    var panel = make(
      "group-types", "Group types", "group type", icon: "group", "group_types", "group_type", path: "/group_types")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Description", "description"),
      Column("Public") { .flag($0.json["is_public"]) },
    ]
    panel.empty = "No group types yet. A volume group is of one of them."
    let members: [Member] = [.name, .description, Member("is_public", "Public", .flag, value: "yes")]
    panel.tableActions = [.create("Create group type", "group_type", members)]
    panel.rowActions = [.edit("group_type", members), specs("group_specs"), .delete()]
    return panel
  }()

  static let qos: Panel = {
    var panel = make("qos-specs", "QoS specs", "QoS specs", icon: "gauge", "qos_specs", "qos_specs", path: "/qos-specs")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Consumer", "consumer"),
      Column("Specs") { row in
        .lines((row.json["specs"]?.object ?? [:]).map { .code("\($0.key)=\($0.value.asText)") })
      },
    ]
    panel.empty = "No QoS specs yet. They limit how much a volume of a type reads and writes."
    panel.tableActions = [
      Action(
        "create", "Create QoS specs", style: .primary,
        fields: { _ in
          [
            Field("name", "Name", required: true),
            .choice(
              "consumer", "Consumer", ["front-end", "back-end", "both"].map { Field.Option($0) }, required: true),
            Field(
              "pairs", "Specs", .area, value: "total_iops_sec=1000", required: true,
              help: "One key=value on each line."),
          ]
        },
        { context, form in
          var specs = try form.pairs("pairs")
          (specs["name"], specs["consumer"]) = (.string(form["name"]), .string(form["consumer"]))
          try await context.client.send("POST", service, context.listPath, ["qos_specs": .object(specs)])
          return .list("Created.")
        })
    ]
    panel.rowActions = [.delete()]
    return panel
  }()

  static let services: Panel = {
    var panel = make(
      "volume-services", "Volume services", "service", icon: "pulse", "services", "service", path: "/os-services")
    (panel.isPaged, panel.hasPage, panel.isLive) = (false, false, true)
    panel.find = { client, session, id in
      try await client.get(service, VolumePanels.path(session, "/os-services")).list("services")
        .first { $0.text("binary") + "@" + $0.text("host") == id } ?? .null
    }
    panel.key = { $0.text("binary") + "@" + $0.text("host") }
    panel.name = { $0.text("binary") }
    panel.columns = [
      Column("Name") { $0.link }, .text("Host", "host"), .text("Zone", "zone"),
      Column("Enabled") { .status($0.json.text("status")) }, Column("State") { .status($0.json.text("state")) },
      .text("Reason", "disabled_reason"), Column("Updated") { .time($0.json.text("updated_at")) },
    ]
    panel.empty = "No service has reported yet."
    @Sendable func set(_ context: PageContext, _ verb: String, _ reason: String?) async throws {
      var body: JSONObject = [
        "binary": .string(context.json.text("binary")), "host": .string(context.json.text("host")),
      ]
      if let reason { body["disabled_reason"] = .string(reason) }
      try await context.client.send("PUT", service, context.listPath + "/" + verb, .object(body))
    }
    panel.rowActions = [
      Action(
        "disable", "Disable", when: { $0.json.text("status") == "enabled" },
        fields: { _ in [Field("reason", "Reason", required: true)] },
        { context, form in
          try await set(context, "disable-log-reason", form["reason"])
          return .done("No new volume is placed there.")
        }),
      Action("enable", "Enable", when: { $0.json.text("status") == "disabled" }) { context, _ in
        try await set(context, "enable", nil)
        return .done("Enabled.")
      },
    ]
    return panel
  }()
}
