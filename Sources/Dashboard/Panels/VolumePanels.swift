import API
import Kit

/// Volumes, snapshots and types of the Block Storage API; there only where the service is.
enum VolumePanels {
  static let service = "block-storage"

  static func path(_ session: Session, _ tail: String) -> String { "/v3/\(session.projectID)\(tail)" }
  private static func one(_ context: PageContext, _ kind: String) -> String {
    path(context.session, "/\(kind)/\(Percent.encode(context.id))")
  }

  static let volumes: Panel = {
    var panel = Panel(
      area: .project, id: "volumes", title: "Volumes", noun: "volume", icon: "volume", service: service,
      path: { path($0, "/volumes/detail") }, collection: "volumes")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      Column("Size", sort: "size") { .text("\($0.json.text("size")) GiB") }, .text("Type", "volume_type"),
      Column("Attached to") { row in
        .lines(
          row.json.list("attachments").map {
            Cell("\($0.text("device"))", href: "/project/instances/" + Percent.encode($0.text("server_id")))
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

  private static let volumeActions: [Action] = [
    Action(
      "extend", "Extend", when: { $0.json.text("status") == "available" },
      fields: { [Field("size", "New size in GiB", .number, value: $0.json.text("size"), required: true)] },
      { context, form in
        let size = JSONValue.optional(try form.number("size", "Size"))
        try await context.client.send(
          "POST", service, one(context, "volumes") + "/action", ["os-extend": ["new_size": size]])
        return .done("It is being extended.")
      }),
    Action(
      "snapshot", "Create snapshot",
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
      "attach", "Attach to instance", when: { $0.json.text("status") == "available" },
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
      "detach", "Detach", confirm: "Unmount it in the guest first.", when: { $0.json.text("status") == "in-use" }
    ) { context, _ in
      let server = context.json.list("attachments").first?.text("server_id") ?? ""
      try await context.client.send(
        "DELETE", "compute",
        "/v2.1/servers/\(Percent.encode(server))/os-volume_attachments/\(Percent.encode(context.id))")
      return .done("The volume is being detached.")
    },
    Action(
      "edit", "Edit",
      fields: {
        [
          Field("name", "Name", value: $0.json.text("name")),
          Field("description", "Description", value: $0.json.text("description")),
        ]
      },
      { context, form in
        try await context.client.send(
          "PUT", service, one(context, "volumes"),
          ["volume": ["name": .string(form["name"]), "description": .string(form["description"])]])
        return .done("Saved.")
      }),
    .delete(service, "volume") { one($0, "volumes") },
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
    panel.rowActions = [.delete(service, "snapshot") { one($0, "snapshots") }]
    panel.find = { client, session, id in
      try await client.get(service, path(session, "/snapshots/\(Percent.encode(id))"))["snapshot"] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
    return panel
  }()

  static let types: Panel = {
    var panel = Panel(
      area: .admin, id: "volume-types", title: "Volume types", noun: "volume type", icon: "volume", service: service,
      path: { path($0, "/types") }, collection: "volume_types")
    panel.hasPage = false
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, .text("Description", "description"),
      Column("Public") { .flag($0.json["is_public"]) },
    ]
    panel.empty = "No volume types yet."
    panel.tableActions = [
      Action(
        "create", "Create volume type", style: .primary,
        fields: { _ in [Field("name", "Name", required: true), Field("description", "Description")] },
        { context, form in
          try await context.client.send(
            "POST", service, path(context.session, "/types"),
            ["volume_type": ["name": .string(form["name"]), "description": .string(form["description"])]])
          return .list("Created.")
        })
    ]
    panel.find = { client, session, id in
      try await client.get(service, path(session, "/types/\(Percent.encode(id))"))["volume_type"] ?? .null
    }
    panel.rowActions = [.delete(service, "volume type") { one($0, "types") }]
    return panel
  }()
}

/// Any resource as a list of facts: every simple member that the API shows.
enum Facts {
  static func all(_ json: JSONValue, without hidden: Set<String> = []) -> [(String, Cell)] {
    (json.object ?? [:]).compactMap { member in
      guard !hidden.contains(member.key), member.key != "links" else { return nil }
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
      case .object(let object): return object.isEmpty ? nil : (label, .code(member.value.text))
      case .null: return nil
      }
    }
  }
}
