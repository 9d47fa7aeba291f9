import API
import Kit

/// What belongs to volumes: backups, transfers between projects, groups and their snapshots (Block Storage API).
enum StoragePanels {
  static let service = VolumePanels.service

  private static func make(
    _ id: String, _ title: String, _ noun: String, icon: String = "volume", _ collection: String, _ single: String,
    tail: String = "/detail", path: String? = nil
  ) -> Panel {
    let path = "/" + (path ?? collection) + tail
    var panel = Panel.resource(
      .project, id, title, noun, icon: icon, service: service, collection: collection, single: single
    ) { VolumePanels.path($0, path) }
    panel.isLive = true
    return panel
  }
  private static func gib(_ key: String = "size") -> Column {
    Column("Size") { $0.json.text(key).isEmpty ? .text("") : .text($0.json.text(key) + " GiB") }
  }
  private static let status = Column("State") { .status($0.json.text("status")) }
  private static let created = Column("Created") { .time($0.json.text("created_at")) }
  private static let volume = Column("Volume") { row in
    let id = row.json.text("volume_id")
    return id.isEmpty
      ? .text("") : Cell(row.names.name("volumes", id), href: "/project/volumes/" + Percent.encode(id))
  }
  /// Names of the project's volumes, for lists that refer to them.
  static let volumes = Lookup(id: "volumes", service: service, collection: "volumes") {
    VolumePanels.path($0, "/volumes")
  }

  static let backups: Panel = {
    var panel = make("backups", "Volume backups", "backup", icon: "backup", "backups", "backup")
    panel.lookups = [volumes]
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      gib(), volume, Column("Incremental") { .flag($0.json["is_incremental"]) },
      Column("Created", sort: "created_at") { .time($0.json.text("created_at")) },
    ]
    panel.filters = [Filter(name: "name", label: "Name"), Filter(name: "status", label: "State")]
    panel.empty = "No backups yet. Make one from a volume: it is kept apart from the volume itself."
    panel.rowActions = [
      Action(
        "restore", "Restore", when: { $0.json.text("status") == "available" },
        fields: { context in
          let free = try await context.options(
            service, VolumePanels.path(context.session, "/volumes/detail"), "volumes", [("status", "available")])
          return [
            .choice("volume_id", "Onto volume", free, help: "Empty: a new volume. What is on a volume is replaced."),
            Field("name", "Name of the new volume", value: context.json.text("name")),
          ]
        },
        { context, form in
          var restore: JSONObject = [:]
          if let id = form.optional("volume_id") {
            restore["volume_id"] = id
          } else {
            restore["name"] = .string(form["name"])
          }
          try await context.client.send("POST", service, context.path + "/restore", ["restore": .object(restore)])
          return .to("/project/volumes", "The volume is being restored.")
        }),
      .edit("backup", [.name, .description]), .delete(),
    ]
    return panel
  }()

  static let transfers: Panel = {
    var panel = make(
      "transfers", "Volume transfers", "transfer", icon: "transfer", "transfers", "transfer", path: "volume-transfers")
    panel.lookups = [volumes]
    panel.columns = [Column("Name") { $0.link }, volume, created]
    panel.empty = "No volume is on its way to another project. Offer one from its row, or accept one with its key."
    panel.tableActions = [
      Action(
        "accept", "Accept transfer", style: .primary,
        fields: { _ in
          [Field("transfer", "Transfer's id", required: true), Field("key", "Authorization key", required: true)]
        },
        { context, form in
          try await context.client.send(
            "POST", service, context.listPath + "/\(Percent.encode(form["transfer"]))/accept",
            ["accept": ["auth_key": .string(form["key"])]])
          return .to("/project/volumes", "The volume is yours now.")
        })
    ]
    panel.rowActions = [.delete()]
    return panel
  }()

  static let groups: Panel = {
    var panel = make("volume-groups", "Volume groups", "volume group", icon: "group", "groups", "group")
    panel.lookups = [
      Lookup(id: "types", service: service, collection: "group_types") { VolumePanels.path($0, "/group_types") }
    ]
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, status,
      Column("Type") { .text($0.names.name("types", $0.json.text("group_type"))) }, .text("Description", "description"),
      created,
    ]
    panel.empty = "No volume groups yet. Snapshots of a group hold all its volumes at one moment."
    panel.tableActions = [
      .create(
        "Create volume group", "group",
        [
          .name, .description,
          Member(
            "group_type", "Group type",
            .choice {
              try await $0.options(service, VolumePanels.path($0.session, "/group_types"), "group_types")
            }, required: true),
          Member(
            "volume_types", "Volume types",
            .many { try await $0.options(service, VolumePanels.path($0.session, "/types"), "volume_types") }),
        ])
    ]
    panel.rowActions = groupActions
    panel.blocks = { context in
      let path = VolumePanels.path(context.session, "/volumes/detail")
      let all = try await context.client.get(service, path, [("group_id", context.id)]).list("volumes")
      return [
        .table(
          "Volumes", ["Name", "State", "Size"],
          all.map { volume in
            BlockRow([
              Cell(
                volume.text("name").isEmpty ? volume.text("id") : volume.text("name"),
                href: "/project/volumes/" + Percent.encode(volume.text("id"))), .status(volume.text("status")),
              .text(volume.text("size") + " GiB"),
            ])
          }, empty: "No volume is in it."), .facts("Overview", Facts.all(context.json)),
      ]
    }
    return panel
  }()

  private static let groupActions: [Action] = [
    Action(
      "members", "Change volumes", when: { $0.json.text("status") == "available" },
      fields: { context in
        let all = try await context.client.get(
          service, VolumePanels.path(context.session, "/volumes/detail")
        ).list("volumes").filter { ["", context.id].contains($0.text("group_id")) }
        var field = Field(
          "volumes", "Volumes",
          .many(
            all.map { Field.Option($0.text("id"), $0.text("name").isEmpty ? $0.text("id") : $0.text("name")) }))
        field.values = Set(all.filter { $0.text("group_id") == context.id }.map { $0.text("id") })
        return [field]
      },
      { context, form in
        let path = VolumePanels.path(context.session, "/volumes/detail")
        let now = Set(
          try await context.client.get(service, path, [("group_id", context.id)]).list("volumes").map { $0.text("id") })
        let wanted = Set(form.all("volumes"))
        let change: JSONObject = [
          "add_volumes": .string(wanted.subtracting(now).sorted().joined(separator: ",")),
          "remove_volumes": .string(now.subtracting(wanted).sorted().joined(separator: ",")),
        ]
        try await context.client.send("PUT", service, context.path, ["group": .object(change)])
        return .done("Saved.")
      }),
    Action(
      "snapshot", "Create snapshot", when: { $0.json.text("status") == "available" },
      fields: { [Field("name", "Name", value: $0.json.text("name") + "-snapshot", required: true)] },
      { context, form in
        try await context.client.send(
          "POST", service, VolumePanels.path(context.session, "/group_snapshots"),
          ["group_snapshot": ["group_id": .string(context.id), "name": .string(form["name"])]])
        return .to("/project/group-snapshots", "The snapshot is being made.")
      }),
    .edit("group", [.name, .description]),
    Action(
      "delete", "Delete", style: .danger, confirm: "This cannot be undone.",
      fields: { _ in [Field("volumes", "Delete its volumes too", .check)] },
      { context, form in
        try await context.client.send(
          "POST", service, context.path + "/action", ["delete": ["delete-volumes": .bool(form.isOn("volumes"))]])
        return .list("Deleted.")
      }),
  ]

  static let groupSnapshots: Panel = {
    var panel = make(
      "group-snapshots", "Group snapshots", "group snapshot", icon: "snapshot", "group_snapshots", "group_snapshot")
    panel.lookups = [
      Lookup(id: "groups", service: service, collection: "groups") { VolumePanels.path($0, "/groups") }
    ]
    panel.columns = [
      Column("Name") { $0.link }, status,
      Column("Group") { row in
        let id = row.json.text("group_id")
        return Cell(row.names.name("groups", id), href: "/project/volume-groups/" + Percent.encode(id))
      }, created,
    ]
    panel.empty = "No snapshots of groups yet. Make one from a volume group."
    panel.rowActions = [
      Action(
        "clone", "Create group", when: { $0.json.text("status") == "available" },
        fields: { [Field("name", "Name", value: $0.json.text("name") + "-copy", required: true)] },
        { context, form in
          try await context.client.send(
            "POST", service, VolumePanels.path(context.session, "/groups/action"),
            [
              "create-from-src": ["name": .string(form["name"]), "group_snapshot_id": .string(context.id)]
            ])
          return .to("/project/volume-groups", "The group is being made.")
        }), .delete(),
    ]
    return panel
  }()
}
