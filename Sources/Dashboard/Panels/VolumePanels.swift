import API
import Kit

/// Volumes, snapshots and types of the Block Storage API; there only where the service is.
enum VolumePanels {
  static let service = "block-storage"

  static func path(_ session: Session, _ tail: String) -> String { "/v3/\(session.projectID)\(tail)" }
  static let volumes: Panel = {
    var panel = Panel(
      area: .project, id: "volumes", title: "Volumes", noun: "volume", icon: "volume", service: service,
      path: { path($0, "/volumes/detail") }, collection: "volumes")
    panel.lookups = [Lookup(id: "servers", service: "compute", path: "/v2.1/servers", collection: "servers")]
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      Column("Size", sort: "size") { .text("\($0.json.text("size")) GiB") }, .text("Type", "volume_type"),
      Column("Attached to") { row in
        .lines(
          row.json.list("attachments").map {
            Cell(
              "\(row.names.name("servers", $0.text("server_id"))) · \($0.text("device"))",
              href: "/project/instances/" + Percent.encode($0.text("server_id")))
          })
      },
      Column("Bootable") { Cell($0.json.text("bootable") == "true" ? "Yes" : "No") },
      Column("Created", sort: "created_at") { .time($0.json.text("created_at")) },
    ]
    panel.filters = [Filter(name: "name", label: "Name"), Filter(name: "status", label: "State")]
    panel.empty = "No volumes yet. A volume is a disk that outlives its instance."
    panel.isLive = true
    panel.tableActions = [create]
    panel.rowActions = volumeActions
    panel.find = { client, session, id in
      try await client.get(service, path(session, "/volumes/\(Percent.encode(id))"))["volume"] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
    return panel
  }()

  private static let create = Action(
    "create", "Create volume", style: .primary,
    fields: { context in
      let types = try await context.options(service, path(context.session, "/types"), "volume_types")
      let images = try await context.options("image", "/v2/images", "images", [("limit", "1000")])
      let snapshots = try await context.options(service, path(context.session, "/snapshots"), "snapshots")
      return [
        Field("name", "Name"), Field("description", "Description"),
        Field("size", "Size in GiB", .number, value: "1", required: true), .choice("type", "Type", types),
        .choice("image", "From image", images), .choice("snapshot", "From snapshot", snapshots),
      ]
    },
    { context, form in
      var volume: JSONObject = [
        "name": .string(form["name"]), "description": .string(form["description"]),
        "size": .optional(try form.number("size", "Size")),
      ]
      for (field, key) in [("type", "volume_type"), ("image", "imageRef"), ("snapshot", "snapshot_id")] {
        if let value = form.optional(field) { volume[key] = value }
      }
      try await context.client.send("POST", service, path(context.session, "/volumes"), ["volume": .object(volume)])
      return .list("The volume is being created.")
    })

  @Sendable private static func isFree(_ row: Row) -> Bool { row.json.text("status") == "available" }
  private static let typeOptions: @Sendable (PageContext) async throws -> [Field.Option] = { context in
    try await context.client.get(service, path(context.session, "/types")).list("volume_types")
      .map { Field.Option($0.text("name")) }
  }

  private static let volumeActions: [Action] =
    attachActions + copyActions + [
      .post(
        "extend", "Extend", [Member("new_size", "New size in GiB", .number, required: true)],
        done: "It is being extended.",
        when: { ["available", "in-use"].contains($0.json.text("status")) }
      ) { ["os-extend": .object($0)] },
      .post(
        "retype", "Change type",
        [
          Member("new_type", "Type", .choice(typeOptions), required: true),
          .words("migration_policy", "Moving it", ["never", "on-demand"]),
        ], done: "It is getting its new type.", when: isFree
      ) { ["os-retype": .object($0)] },
      .post(
        "bootable", "Set bootable", [Member("bootable", "Bootable", .flag)], done: "Saved.", when: isFree
      ) { ["os-set_bootable": .object($0)] },
      .edit("volume", [Member("name", "Name"), .description, Member("metadata", "Metadata", .pairs)]),
      .delete(when: { $0.json.text("status") != "in-use" }),
    ]

  private static let attachActions: [Action] = [
    Action(
      "attach", "Attach to instance", when: isFree,
      fields: { context in
        [
          .choice(
            "server", "Instance", try await context.options("compute", "/v2.1/servers", "servers"), required: true)
        ]
      },
      { context, form in
        try await context.client.send(
          "POST", "compute", "/v2.1/servers/\(Percent.encode(form["server"]))/os-volume_attachments",
          ["volumeAttachment": ["volumeId": .string(context.id)]])
        return .done("The volume is being attached.")
      }),
    Action(
      "detach", "Detach", confirm: "Unmount it in the guest first.", when: { $0.json.text("status") == "in-use" },
      fields: { context in
        let names = try await context.client.get("compute", "/v2.1/servers").list("servers")
        let attached = context.json.list("attachments").map { $0.text("server_id") }
        let options = attached.map { id in
          Field.Option(id, names.first { $0.text("id") == id }?.text("name") ?? id)
        }
        return [.choice("server", "Instance", options, value: attached.first ?? "", required: true)]
      },
      { context, form in
        try await context.client.send(
          "DELETE", "compute",
          "/v2.1/servers/\(Percent.encode(form["server"]))/os-volume_attachments/\(Percent.encode(context.id))")
        return .done("The volume is being detached.")
      }),
    Action(
      "launch", "Launch instance", when: { isFree($0) && $0.json.text("bootable") == "true" }
    ) { context, _ in .to("/project/launch?source=volume:" + Percent.encode(context.id), nil) },
  ]

  private static let copyActions: [Action] = [
    Action(
      "snapshot", "Create snapshot", when: { ["available", "in-use"].contains($0.json.text("status")) },
      fields: { [Field("name", "Name", value: $0.json.text("name") + "-snapshot", required: true)] },
      { context, form in
        let snapshot: JSONObject = [
          "name": .string(form["name"]), "volume_id": .string(context.id), "force": true,
        ]
        try await context.client.send(
          "POST", service, path(context.session, "/snapshots"), ["snapshot": .object(snapshot)])
        return .to("/project/volume-snapshots", "The snapshot is being made.")
      }),
    Action(
      "backup", "Create backup", when: { ["available", "in-use"].contains($0.json.text("status")) },
      fields: {
        [
          Field("name", "Name", value: $0.json.text("name") + "-backup", required: true),
          Field("incremental", "Incremental", .check, help: "Only what has changed since the backup before."),
        ]
      },
      { context, form in
        let backup: JSONObject = [
          "name": .string(form["name"]), "volume_id": .string(context.id), "force": true,
          "incremental": .bool(form.isOn("incremental")),
        ]
        try await context.client.send("POST", service, path(context.session, "/backups"), ["backup": .object(backup)])
        return .to("/project/backups", "The backup is being made.")
      }),
    Action(
      "upload", "Upload as image", when: { ["available", "in-use"].contains($0.json.text("status")) },
      fields: {
        [
          Field("name", "Name", value: $0.json.text("name"), required: true),
          .choice("format", "Format", ["qcow2", "raw"].map { Field.Option($0) }, required: true),
        ]
      },
      { context, form in
        let upload: JSONObject = [
          "image_name": .string(form["name"]), "disk_format": .string(form["format"]), "container_format": "bare",
          "force": true,
        ]
        try await context.client.send(
          "POST", service, context.path + "/action", ["os-volume_upload_image": .object(upload)])
        return .to("/project/images", "The image is being made.")
      }),
    Action(
      "transfer", "Offer to another project", when: isFree,
      fields: { [Field("name", "Name", value: $0.json.text("name"))] },
      { context, form in
        let made =
          try await context.client.send(
            "POST", service, path(context.session, "/volume-transfers"),
            ["transfer": ["volume_id": .string(context.id), "name": .string(form["name"])]])["transfer"] ?? .null
        return .secret(
          title: "Volume transfer",
          explanation: "Give both to somebody of the other project: the key is shown this one time.",
          text: "id: \(made.text("id"))\nkey: \(made.text("auth_key"))\n", file: "transfer.txt")
      }),
  ]

  static let snapshots: Panel = {
    var panel = Panel(
      area: .project, id: "volume-snapshots", title: "Volume snapshots", noun: "snapshot", icon: "snapshot",
      service: service, path: { path($0, "/snapshots/detail") }, collection: "snapshots")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State") { .status($0.json.text("status")) },
      Column("Size") { .text("\($0.json.text("size")) GiB") },
      Column("Volume") {
        Cell($0.json.text("volume_id"), href: "/project/volumes/" + Percent.encode($0.json.text("volume_id")))
      }, Column("Created", sort: "created_at") { .time($0.json.text("created_at")) },
    ]
    panel.empty = "No snapshots yet. Make one from a volume."
    panel.isLive = true
    panel.rowActions = [
      Action("volume", "Create volume", when: isFree) { context, _ in
        .to("/project/volumes/-/create?snapshot=" + Percent.encode(context.id), nil)
      },
      Action("launch", "Launch instance", when: isFree) { context, _ in
        .to("/project/launch?source=snapshot:" + Percent.encode(context.id), nil)
      }, .edit("snapshot", [Member("name", "Name"), .description]), .delete(),
    ]
    panel.find = { client, session, id in
      try await client.get(service, path(session, "/snapshots/\(Percent.encode(id))"))["snapshot"] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
    return panel
  }()
}

/// Any resource as a list of facts: every simple member that the API shows.
enum Facts {
  static func all(_ json: JSONValue, without hidden: Set<String> = []) -> [(String, Cell)] {
    (json.object ?? [:]).compactMap { member in
      guard !hidden.contains(member.key), member.key != "links" else { return nil }
      // The older name of the same id.
      if member.key == "tenant_id", json["project_id"] != nil { return nil }
      let key = member.key.replacing("_", with: " ").replacing("os-", with: "")
      let label = key.prefix(1).uppercased() + key.dropFirst()
      switch member.value {
      case .string(let text):
        if member.key.hasSuffix("_at"), Timestamp(text) != nil { return (label, .time(text)) }
        if member.key == "status" { return (label, .status(text)) }
        return (label, member.key.hasSuffix("id") ? .code(text) : .text(text))
      case .int, .double: return (label, .text(member.value.asText))
      case .bool(let flag): return (label, Cell(flag ? "Yes" : "No"))
      case .array(let values):
        let texts = values.map { $0.asText.isEmpty ? $0.text : $0.asText }
        return texts.isEmpty ? nil : (label, .lines(texts.map { .code($0) }))
      case .object(let object):
        let lines = object.map { Cell.code("\($0.key) = \($0.value.asText.isEmpty ? $0.value.text : $0.value.asText)") }
        return lines.isEmpty ? nil : (label, .lines(lines))
      case .null: return nil
      }
    }
  }
}
