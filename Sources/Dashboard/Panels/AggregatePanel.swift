import API
import Kit

/// Host aggregates: hosts that share an availability zone or properties (API reference, Host aggregates).
enum AggregatePanel {
  static let panel: Panel = {
    var panel = Panel.resource(
      .admin, "aggregates", "Host aggregates", "host aggregate", icon: "group", service: "compute",
      collection: "aggregates", single: "aggregate"
    ) { _ in "/v2.1/os-aggregates" }
    panel.isPaged = false
    panel.columns = [
      Column("Name") { $0.link }, .text("Zone", "availability_zone"),
      Column("Hosts") { row in .lines((row.json["hosts"]?.array ?? []).map { .text($0.asText) }) },
      Column("Metadata") { row in
        .lines((row.json["metadata"]?.object ?? [:]).map { .code("\($0.key)=\($0.value.asText)") })
      },
    ]
    panel.empty = "No host aggregates yet. One gives hosts an availability zone, or properties that flavors ask for."
    let members = [Member.name, Member("availability_zone", "Zone", .optional)]
    panel.tableActions = [.create("Create host aggregate", "aggregate", members)]
    let hosts: @Sendable (PageContext) async throws -> [Field.Option] = { context in
      let here = Set((context.json["hosts"]?.array ?? []).map(\.asText))
      let all = try await context.client.get("compute", "/v2.1/os-services", [("binary", "nova-compute")])
        .list("services").map { $0.text("host") }
      return all.filter { !here.contains($0) }.map { Field.Option($0) }
    }
    panel.rowActions = [
      .post("add-host", "Add host", [Member("host", "Host", .choice(hosts), required: true)], done: "Saved.") {
        ["add_host": .object($0)]
      },
      .post(
        "remove-host", "Remove host",
        [
          Member(
            "host", "Host", .choice { ($0.json["hosts"]?.array ?? []).map { Field.Option($0.asText) } }, required: true)
        ], done: "Saved.", when: { $0.json["hosts"]?.array?.isEmpty == false }
      ) { ["remove_host": .object($0)] },
      metadata, .edit("aggregate", members), .delete(),
    ]
    return panel
  }()

  private static let metadata = Action(
    "metadata", "Edit metadata", fields: { [try await Member("metadata", "Metadata", .pairs).field($0)] },
    { context, form in
      var wanted = try form.pairs("metadata")
      // What is set to null is removed.
      for old in (context.json["metadata"]?.object ?? [:]).map(\.key) where wanted[old] == nil { wanted[old] = .null }
      try await context.client.send(
        "POST", "compute", context.path + "/action", ["set_metadata": ["metadata": .object(wanted)]])
      return .done("Saved.")
    })
}
