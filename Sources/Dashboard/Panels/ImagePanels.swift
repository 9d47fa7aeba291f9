import API
import Kit

/// Images of the Image API.
enum ImagePanels {
  static let project: Panel = make(.project)
  static let admin: Panel = make(.admin)
  private static func path(_ context: PageContext) -> String { "/v2/images/" + Percent.encode(context.id) }

  private static func make(_ area: Panel.Area) -> Panel {
    var panel = Panel(
      area: area, id: "images", title: "Images", noun: "image", icon: "image", service: "image",
      path: { _ in "/v2/images" }, collection: "images")
    panel.columns = [
      Column("Name", sort: "name") { $0.link }, Column("State", sort: "status") { .status($0.json.text("status")) },
      Column("Visibility") { .text($0.json.text("visibility")) }, .text("Format", "disk_format", sort: "disk_format"),
      Column("Size", sort: "size") { .text(Size.bytes($0.json["size"]?.int)) },
      Column("Owned by this project") { Cell($0.json.text("owner") == $0.session.projectID ? "Yes" : "No") },
      Column("Created", sort: "created_at") { .time($0.json.text("created_at")) },
    ]
    panel.filters = [
      Filter(name: "name", label: "Name"),
      Filter(name: "visibility", label: "Visibility", options: ["public", "private", "shared", "community"]),
      Filter(name: "status", label: "State", options: ["active", "queued", "saving", "deactivated"]),
    ]
    panel.empty = "No images yet. Upload one: an instance starts as a copy of it."
    panel.isLive = true
    panel.tableActions = [create]
    panel.rowActions = actions(area)
    panel.find = { client, _, id in try await client.get("image", "/v2/images/" + Percent.encode(id)) }
    panel.blocks = { context in
      let facts = Block.facts("Overview", Facts.all(context.json, without: ["schema", "self", "file"]))
      guard context.json.text("visibility") == "shared" else { return [facts] }
      return [facts, try await members(context)]
    }
    return panel
  }

  /// The projects that a shared image is offered to.
  private static func members(_ context: PageContext) async throws -> Block {
    let members = try await context.client.get("image", path(context) + "/members").list("members")
    let base = context.panel.address(of: context.id)
    let isMine = context.json.text("owner") == context.session.projectID
    var block = Block.table(
      "Members", ["Project", "State", "Updated"],
      members.map { member in
        BlockRow(
          [.code(member.text("member_id")), .status(member.text("status")), .time(member.text("updated_at"))],
          action: isMine
            ? ("Remove", base + "/remove-member?member=" + Percent.encode(member.text("member_id"))) : nil)
      }, empty: "No other project may use it yet.")
    if isMine { block.links = [("Share with project", base + "/share")] }
    return block
  }

  private static let memberActions: [Action] = [
    Action(
      "share", "Share with project",
      when: { $0.json.text("visibility") == "shared" && $0.json.text("owner") == $0.session.projectID },
      fields: { _ in [Field("member", "Project's id", required: true)] },
      { context, form in
        try await context.client.send("POST", "image", path(context) + "/members", ["member": .string(form["member"])])
        return .done("The project can accept it now.")
      }),
    Action(
      "remove-member", "Remove member", style: .danger, confirm: "The project cannot use the image any more.",
      when: { _ in false }, fields: { _ in [Field("member", "", .hidden)] },
      { context, form in
        try await context.client.send("DELETE", "image", path(context) + "/members/" + Percent.encode(form["member"]))
        return .done("Removed.")
      }),
    Action(
      "answer", "Accept or reject",
      when: { $0.json.text("visibility") == "shared" && $0.json.text("owner") != $0.session.projectID },
      fields: { _ in
        [
          .choice(
            "status", "Answer",
            [
              Field.Option("accepted", "Accept"), Field.Option("rejected", "Reject"),
              Field.Option("pending", "Decide later"),
            ],
            required: true)
        ]
      },
      { context, form in
        let member = Percent.encode(context.session.projectID)
        try await context.client.send(
          "PUT", "image", path(context) + "/members/" + member, ["status": .string(form["status"])])
        return .done("Saved.")
      }),
  ]

  private static let formats = ["qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx", "iso", "aki", "ari", "ami"]

  private static let create = Action(
    "create", "Upload image", style: .primary,
    fields: { context in
      let visibilities =
        context.session.isAdmin ? ["private", "public", "community", "shared"] : ["private", "community", "shared"]
      return [
        Field("name", "Name", required: true),
        .choice("format", "Format", formats.map { Field.Option($0) }, value: "qcow2", required: true),
        .choice("visibility", "Visibility", visibilities.map { Field.Option($0) }, value: "private", required: true),
        Field("min_disk", "Least disk in GiB", .number, value: "0"),
        Field("min_ram", "Least memory in MiB", .number, value: "0"),
        Field("properties", "Properties", .area, help: "One key=value on each line."),
        Field("file", "File", .file, required: true),
      ]
    },
    { context, form in
      let format = form["format"]
      var image: JSONObject = [
        "name": .string(form["name"]), "disk_format": .string(format), "visibility": .string(form["visibility"]),
        "container_format": .string(["aki", "ari", "ami"].contains(format) ? format : "bare"),
        "min_disk": .int(try form.number("min_disk", "Least disk") ?? 0),
        "min_ram": .int(try form.number("min_ram", "Least memory") ?? 0),
      ]
      image.merge(try form.pairs("properties"))
      guard let file = Upload.file else { throw Fault.badRequest("Choose a file to upload.") }
      let made = try await context.client.send("POST", "image", "/v2/images", .object(image))
      let path = "/v2/images/" + Percent.encode(made.text("id"))
      do {
        _ = try await context.client.call(
          "PUT", "image", path + "/file", stream: file, type: "application/octet-stream")
      } catch {
        _ = try? await context.client.send("DELETE", "image", path)
        throw error
      }
      return .list("The image is there.")
    })

  private static func actions(_ area: Panel.Area) -> [Action] {
    @Sendable func mine(_ row: Row) -> Bool { area == .admin || row.json.text("owner") == row.session.projectID }
    return [
      Action("launch", "Launch instance", when: { $0.json.text("status") == "active" }) { context, _ in
        .to("/project/launch?source=image:" + Percent.encode(context.id), nil)
      }, edit, createVolume,
    ] + memberActions + [
      Action(
        "deactivate", "Deactivate", confirm: "Nobody can download it or launch from it then.",
        when: { $0.session.isAdmin && $0.json.text("status") == "active" }
      ) { context, _ in
        try await context.client.send("POST", "image", path(context) + "/actions/deactivate")
        return .done("Deactivated.")
      },
      Action(
        "reactivate", "Reactivate", when: { $0.session.isAdmin && $0.json.text("status") == "deactivated" }
      ) { context, _ in
        try await context.client.send("POST", "image", path(context) + "/actions/reactivate")
        return .done("Reactivated.")
      },
      .delete(when: { mine($0) && $0.json["protected"]?.bool != true }),
    ]
  }

  private static let createVolume: Action = {
    var action = Action("volume", "Create volume", when: { $0.json.text("status") == "active" }) { context, _ in
      .to("/project/volumes/-/create?image=" + Percent.encode(context.id), nil)
    }
    action.needs = VolumePanels.service
    return action
  }()

  private static let edit = Action(
    "edit", "Edit",
    fields: { context in
      [
        Field("name", "Name", value: context.json.text("name"), required: true),
        .choice(
          "visibility", "Visibility", ["private", "public", "community", "shared"].map { Field.Option($0) },
          value: context.json.text("visibility"), required: true),
        Field(
          "protected", "Protected from deletion", .check, value: context.json["protected"]?.bool == true ? "yes" : ""),
      ]
    },
    { context, form in
      func replace(_ key: String, _ value: JSONValue) -> JSONValue {
        ["op": "replace", "path": .string("/" + key), "value": value]
      }
      var changes = [replace("name", .string(form["name"])), replace("protected", .bool(form.isOn("protected")))]
      if form["visibility"] != context.json.text("visibility") {
        changes.append(replace("visibility", .string(form["visibility"])))
      }
      _ = try await context.client.call(
        "PATCH", "image", path(context), body: .array(changes), type: "application/openstack-images-v2.1-json-patch")
      return .done("Saved.")
    })
}

/// Amounts as people read them.
enum Size {
  static func bytes(_ count: Int?) -> String {
    guard let count else { return "" }
    var (value, unit) = (Double(count), 0)
    let units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
    let tenths = Int((value * 10).rounded())
    return unit == 0 || tenths % 10 == 0
      ? "\(tenths / 10) \(units[unit])" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }
}
