import API
import Kit

/// What can be done with an instance where Compute has it: rescue, shelving, moves, and what only administrators may
/// (API reference, Servers actions).
enum InstanceMoves {
  private static func act(_ context: PageContext, _ body: JSONValue) async throws {
    try await context.client.send("POST", "compute", "/v2.1/servers/\(Percent.encode(context.id))/action", body)
  }
  private static func when(_ states: String...) -> @Sendable (Row) -> Bool {
    { row in states.contains(row.json.text("status")) && row.json.text("OS-EXT-STS:task_state").isEmpty }
  }
  private static func simple(
    _ verb: String, _ title: String, confirm: String? = nil, style: Action.Style = .plain, bulk: Bool = false,
    when isOffered: @escaping @Sendable (Row) -> Bool
  ) -> Action {
    Action(verb, title, style: style, confirm: confirm, isBulk: bulk, when: isOffered) { context, _ in
      try await act(context, .object([verb: nil]))
      return .done("On its way.")
    }.needing(verb)
  }

  static let project: [Action] = [
    Action(
      "rescue", "Rescue", when: when("ACTIVE", "SHUTOFF", "ERROR"),
      fields: { context in
        [
          .choice(
            "image", "Image", try await context.options("image", "/v2/images", "images", [("limit", "1000")]),
            help:
              "What it boots from meanwhile, with its own disk as the second. Empty: the image that it was made from.")
        ]
      },
      { context, form in
        var rescue: JSONObject = [:]
        if let image = form.optional("image") { rescue["rescue_image_ref"] = image }
        try await act(context, ["rescue": .object(rescue)])
        return .done("On its way.")
      }
    ).needing("rescue"),
    simple("unrescue", "End rescue", when: when("RESCUE")),
    simple(
      "shelve", "Shelve", confirm: "Its disk is kept as an image and its place on the host is given up.",
      when: when("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED")),
    simple("unshelve", "Unshelve", when: when("SHELVED", "SHELVED_OFFLOADED")),
    Action(
      "password", "Change password", when: when("ACTIVE"),
      fields: { _ in [Field("password", "New password", .password, required: true)] },
      { context, form in
        try await act(context, ["changePassword": ["adminPass": .string(form.raw("password"))]])
        return .done("On its way.")
      }
    ).needing("changePassword"),
  ]

  static let admin: [Action] = [
    Action(
      "migrate", "Migrate", when: when("ACTIVE", "SHUTOFF"), fields: { try await hosts($0) },
      { context, form in
        let target: JSONValue = form.optional("host").map { ["host": $0] } ?? .null
        try await act(context, ["migrate": target])
        return .done("It is being moved. Confirm or revert it when it is done.")
      }
    ).needing("migrate"),
    Action(
      "live-migrate", "Live migrate", when: when("ACTIVE", "PAUSED"), fields: { try await hosts($0) },
      { context, form in
        let target: JSONObject = ["host": form.optional("host") ?? .null, "block_migration": "auto"]
        try await act(context, ["os-migrateLive": .object(target)])
        return .done("It is being moved.")
      }
    ).needing("os-migrateLive"),
    Action(
      "evacuate", "Evacuate", confirm: "Only when its host is down for good.",
      when: { !["DELETED", "BUILD"].contains($0.json.text("status")) }, fields: { try await hosts($0) },
      { context, form in
        let target: JSONObject = form.optional("host").map { ["host": $0] } ?? [:]
        try await act(context, ["evacuate": .object(target)])
        return .done("It is being moved.")
      }
    ).needing("evacuate"),
    simple("shelveOffload", "Free its host", when: when("SHELVED")),
    simple(
      "forceDelete", "Force delete", confirm: "It is deleted whatever state it is in.", style: .danger, bulk: true,
      when: { _ in true }),
  ]

  private static func hosts(_ context: PageContext) async throws -> [Field] {
    let here = context.json.text("OS-EXT-SRV-ATTR:host")
    let others = try await context.client.get("compute", "/v2.1/os-services", [("binary", "nova-compute")])
      .list("services").map { $0.text("host") }.filter { $0 != here }
    return [.choice("host", "Host", others.map { Field.Option($0) }, help: "Empty: the scheduler chooses.")]
  }
}
