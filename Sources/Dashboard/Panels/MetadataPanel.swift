import API
import Kit

/// Metadata definitions of the Image API: namespaces of properties that images, flavors and volumes may have.
enum MetadataPanel {
  static let panel: Panel = {
    var panel = Panel.resource(
      .admin, "metadata-definitions", "Metadata definitions", "namespace", icon: "log", service: "image",
      collection: "namespaces", single: ""
    ) { _ in "/v2/metadefs/namespaces" }
    panel.key = { $0.text("namespace") }
    panel.name = { $0.text("display_name") }
    panel.columns = [
      Column("Name") { $0.link }, Column("Namespace", sort: "namespace") { .code($0.json.text("namespace")) },
      .text("Description", "description"), .text("Visibility", "visibility"),
      Column("Resource types") { row in
        .lines(row.json.list("resource_type_associations").map { .text($0.text("name")) })
      },
    ]
    panel.filters = [Filter(name: "visibility", label: "Visibility", options: ["public", "private"])]
    panel.empty = "No metadata definitions yet. Import one to describe properties of images and flavors."
    panel.tableActions = [importJSON]
    panel.find = { client, _, id in
      try await client.get("image", "/v2/metadefs/namespaces/" + Percent.encode(id))
    }
    panel.blocks = { context in
      let properties = (context.json["properties"]?.object ?? [:]).map { property in
        BlockRow([
          .code(property.key), .text(property.value.text("title")), .text(property.value.text("type")),
          .text(property.value.text("description")),
        ])
      }
      return [
        .table("Properties", ["Key", "Name", "Type", "Description"], properties, empty: "It has no properties."),
        .facts("Overview", Facts.all(context.json, without: ["properties", "objects", "schema", "self"])),
      ]
    }
    panel.rowActions = [
      Action(
        "edit", "Edit",
        fields: { context in
          [
            Field("display_name", "Name", value: context.json.text("display_name")),
            Field("description", "Description", value: context.json.text("description")),
            .choice(
              "visibility", "Visibility", [Field.Option("public"), Field.Option("private")],
              value: context.json.text("visibility"), required: true),
            Field(
              "protected", "Protected from deletion", .check,
              value: context.json["protected"]?.bool == true ? "yes" : ""),
          ]
        },
        { context, form in
          let namespace: JSONObject = [
            "namespace": .string(context.id), "display_name": .string(form["display_name"]),
            "description": .string(form["description"]), "visibility": .string(form["visibility"]),
            "protected": .bool(form.isOn("protected")),
          ]
          try await context.client.send("PUT", "image", context.path, .object(namespace))
          return .done("Saved.")
        }), .delete(when: { $0.json["protected"]?.bool != true }),
    ]
    return panel
  }()

  private static let importJSON = Action(
    "import", "Import namespace", style: .primary,
    fields: { _ in
      [
        Field(
          "json", "JSON", .area, required: true, help: "A namespace with its properties, as the Image API shows one.")
      ]
    },
    { context, form in
      guard let json = try? JSONParser.parse(Array(form.raw("json").utf8)), json.object != nil else {
        throw Fault.badRequest("This is not a JSON object.")
      }
      try await context.client.send("POST", "image", "/v2/metadefs/namespaces", json)
      return .list("Created.")
    })
}
