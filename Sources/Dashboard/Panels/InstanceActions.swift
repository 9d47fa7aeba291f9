import API
import Kit

/// What can be done with an instance (API reference, Servers actions).
enum InstanceActions {
  static let all: [Action] =
    power + resources + InstanceMoves.project + connections + [edit, metadata, lock, unlock, delete]

  private static func act(_ context: PageContext, _ body: JSONValue) async throws {
    try await context.client.send("POST", "compute", path(context) + "/action", body)
  }
  private static func path(_ context: PageContext) -> String { "\(InstancePanels.path)/\(Percent.encode(context.id))" }
  private static func when(_ states: String...) -> @Sendable (Row) -> Bool {
    { row in
      states.contains(row.json.text("status")) && row.json.text("OS-EXT-STS:task_state").isEmpty
    }
  }
  /// An action without anything to fill in.
  private static func simple(
    _ id: String, _ title: String, _ body: JSONValue, bulk: Bool = false, confirm: String? = nil,
    when isOffered: @escaping @Sendable (Row) -> Bool
  ) -> Action {
    Action(id, title, confirm: confirm, isBulk: bulk, when: isOffered) { context, _ in
      try await act(context, body)
      return .done("On its way.")
    }
  }

  private static let power: [Action] = [
    simple("start", "Start", ["os-start": nil], bulk: true, when: when("SHUTOFF")),
    simple("stop", "Stop", ["os-stop": nil], bulk: true, when: when("ACTIVE")),
    simple("reboot", "Reboot", ["reboot": ["type": "SOFT"]], bulk: true, when: when("ACTIVE")),
    simple(
      "hard-reboot", "Hard reboot", ["reboot": ["type": "HARD"]], confirm: "The guest is switched off and on at once.",
      when: when("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR")),
    simple("pause", "Pause", ["pause": nil], when: when("ACTIVE")),
    simple("unpause", "Resume from pause", ["unpause": nil], when: when("PAUSED")),
    simple("suspend", "Suspend", ["suspend": nil], when: when("ACTIVE")),
    simple("resume", "Resume", ["resume": nil], when: when("SUSPENDED")),
    simple("confirm-resize", "Confirm resize", ["confirmResize": nil], when: when("VERIFY_RESIZE")),
    simple("revert-resize", "Revert resize", ["revertResize": nil], when: when("VERIFY_RESIZE")),
  ]

  private static let resources: [Action] = [
    Action(
      "snapshot", "Create snapshot", when: when("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"),
      fields: { context in
        [Field("name", "Name", value: context.json.text("name") + "-snapshot", required: true)]
      },
      { context, form in
        try await act(context, ["createImage": ["name": .string(form["name"])]])
        return .to("/project/images", "The snapshot is being made.")
      }),
    Action(
      "resize", "Resize", when: when("ACTIVE", "SHUTOFF"),
      fields: { context in
        let flavors = try await context.options("compute", "/v2.1/flavors/detail", "flavors") {
          "\($0.text("name")) · \($0.text("vcpus")) VCPU · \($0.text("ram")) MiB · \($0.text("disk")) GiB"
        }
        return [.choice("flavor", "New flavor", flavors, required: true)]
      },
      { context, form in
        try await act(context, ["resize": ["flavorRef": .string(form["flavor"])]])
        return .done("It is being resized. Confirm or revert it when it is done.")
      }),
    Action(
      "rebuild", "Rebuild", confirm: "Everything on its disk is replaced by the image.",
      when: when("ACTIVE", "SHUTOFF", "ERROR"),
      fields: { context in
        let images = try await context.options("image", "/v2/images", "images", [("limit", "1000")])
        return [
          .choice("image", "Image", images, value: context.json["image"]?.text("id") ?? "", required: true)
        ]
      },
      { context, form in
        try await act(context, ["rebuild": ["imageRef": .string(form["image"])]])
        return .done("It is being rebuilt.")
      }),
  ]

  private static func ports(_ context: PageContext) async throws -> [Field.Option] {
    let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
    return ports.map { port in
      let addresses = port.list("fixed_ips").map { $0.text("ip_address") }.joined(separator: ", ")
      return Field.Option(port.text("id"), addresses.isEmpty ? port.text("id") : addresses)
    }
  }

  private static let connections: [Action] =
    addressActions + [
      Action(
        "attach-interface", "Attach interface", when: when("ACTIVE", "SHUTOFF", "PAUSED"),
        fields: { context in
          [
            .choice(
              "network", "Network", try await context.options("network", "/v2.0/networks", "networks"), required: true),
            Field("address", "Fixed address", help: "Empty: the next free one."),
          ]
        },
        { context, form in
          var interface: JSONObject = ["net_id": .string(form["network"])]
          if let address = form.optional("address") { interface["fixed_ips"] = [["ip_address": address]] }
          try await context.client.send(
            "POST", "compute", path(context) + "/os-interface", ["interfaceAttachment": .object(interface)])
          return .done("The interface is attached.")
        }),
      Action(
        "detach-interface", "Detach interface", style: .danger, when: when("ACTIVE", "SHUTOFF", "PAUSED"),
        fields: { [.choice("port", "Port", try await ports($0), required: true)] },
        { context, form in
          try await context.client.send(
            "DELETE", "compute", path(context) + "/os-interface/" + Percent.encode(form["port"]))
          return .done("The interface is being detached.")
        }),
      Action(
        "security-groups", "Edit security groups", when: when("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"),
        fields: { context in
          var field = Field(
            "groups", "Security groups",
            .many(
              try await context.options(
                "network", "/v2.0/security-groups", "security_groups", [("project_id", context.session.projectID)])))
          let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
          field.values = Set(ports.flatMap { $0.list("security_groups").map(\.asText) })
          return [field]
        },
        { context, form in
          let ports = try await context.client.get("network", "/v2.0/ports", [("device_id", context.id)]).list("ports")
          for port in ports {
            try await context.client.send(
              "PUT", "network", "/v2.0/ports/" + Percent.encode(port.text("id")),
              ["port": ["security_groups": .strings(form.all("groups"))]])
          }
          return .done("Saved.")
        }),
    ]
    + volumeActions.map {
      var action = $0
      action.needs = VolumePanels.service
      return action
    }

  private static let addressActions: [Action] = [
    Action(
      "associate", "Associate floating IP", when: when("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"),
      fields: { context in
        let free = try await context.client.get("network", "/v2.0/floatingips").list("floatingips")
          .filter { $0.text("port_id").isEmpty && $0.text("project_id") == context.session.projectID }
          .map { Field.Option($0.text("id"), $0.text("floating_ip_address")) }
        let outside = try await context.options(
          "network", "/v2.0/networks", "networks", [("router:external", "true")])
        return [
          .choice("port", "Port", try await ports(context), required: true),
          .choice(
            "address", "Floating IP", free + outside.map { Field.Option("new:" + $0.value, "+ \($0.label)") },
            required: true, help: "A plus sign takes a new address from that network."),
        ]
      },
      { context, form in
        if form["address"].hasPrefix("new:") {
          let body: JSONObject = [
            "floating_network_id": .string(String(form["address"].dropFirst(4))), "port_id": .string(form["port"]),
          ]
          try await context.client.send("POST", "network", "/v2.0/floatingips", ["floatingip": .object(body)])
        } else {
          try await context.client.send(
            "PUT", "network", "/v2.0/floatingips/" + Percent.encode(form["address"]),
            ["floatingip": ["port_id": .string(form["port"])]])
        }
        return .done("The floating IP leads to it now.")
      }),
    Action(
      "disassociate", "Disassociate floating IP",
      when: { row in InstancePanels.addresses(row.json).contains { $0.text.hasSuffix("↗") } },
      fields: { context in
        let ports = Set(try await ports(context).map(\.value))
        let bound = try await context.client.get("network", "/v2.0/floatingips").list("floatingips")
          .filter { ports.contains($0.text("port_id")) }
        return [
          .choice(
            "address", "Floating IP", bound.map { Field.Option($0.text("id"), $0.text("floating_ip_address")) },
            required: true)
        ]
      },
      { context, form in
        try await context.client.send(
          "PUT", "network", "/v2.0/floatingips/" + Percent.encode(form["address"]), ["floatingip": ["port_id": nil]])
        return .done("The floating IP is free again.")
      }),
  ]

  private static let volumeActions: [Action] = [
    Action(
      "attach-volume", "Attach volume",
      when: { ["ACTIVE", "SHUTOFF", "PAUSED"].contains($0.json.text("status")) },
      fields: { context in
        let free = try await context.options(
          VolumePanels.service, VolumePanels.path(context.session, "/volumes/detail"), "volumes",
          [("status", "available")])
        return [.choice("volume", "Volume", free, required: true)]
      },
      { context, form in
        try await context.client.send(
          "POST", "compute", path(context) + "/os-volume_attachments",
          ["volumeAttachment": ["volumeId": .string(form["volume"])]])
        return .done("The volume is being attached.")
      }),
    Action(
      "detach-volume", "Detach volume",
      when: { !$0.json.list("os-extended-volumes:volumes_attached").isEmpty },
      fields: { context in
        let attached = context.json.list("os-extended-volumes:volumes_attached").map { Field.Option($0.text("id")) }
        return [.choice("volume", "Volume", attached, required: true)]
      },
      { context, form in
        try await context.client.send(
          "DELETE", "compute", path(context) + "/os-volume_attachments/" + Percent.encode(form["volume"]))
        return .done("The volume is being detached.")
      }),
  ]

  private static let edit = Action(
    "edit", "Edit",
    fields: { context in
      [
        Field("name", "Name", value: context.json.text("name"), required: true),
        Field("description", "Description", value: context.json.text("description")),
        Field(
          "tags", "Tags", value: (context.json["tags"]?.array ?? []).map(\.asText).joined(separator: ", "),
          help: "Separated by commas."),
      ]
    },
    { context, form in
      let server: JSONObject = [
        "name": .string(form["name"]), "description": form.optional("description") ?? .null,
      ]
      try await context.client.send("PUT", "compute", path(context), ["server": .object(server)])
      try await context.client.send("PUT", "compute", path(context) + "/tags", ["tags": .strings(form.texts("tags"))])
      return .done("Saved.")
    })

  private static let metadata = Action(
    "metadata", "Edit metadata",
    fields: { context in
      let lines = (context.json["metadata"]?.object ?? [:]).map { "\($0.key)=\($0.value.asText)" }
      return [
        Field("pairs", "Metadata", .area, value: lines.joined(separator: "\n"), help: "One key=value on each line.")
      ]
    },
    { context, form in
      try await context.client.send(
        "PUT", "compute", path(context) + "/metadata", ["metadata": .object(try form.pairs("pairs"))])
      return .done("Saved.")
    })

  private static let lock = Action(
    "lock", "Lock", when: { $0.json["locked"]?.bool != true },
    fields: { _ in [Field("reason", "Reason")] },
    { context, form in
      let options: JSONValue = form.optional("reason").map { ["locked_reason": $0] } ?? .null
      try await act(context, ["lock": options])
      return .done("Locked: nobody changes it by mistake.")
    })

  private static let unlock = Action("unlock", "Unlock", when: { $0.json["locked"]?.bool == true }) { context, _ in
    try await act(context, ["unlock": nil])
    return .done("Unlocked.")
  }

  private static let delete: Action = .delete()

  /// For administrators.
  static let resetState = Action(
    "reset-state", "Reset state",
    fields: { _ in
      [.choice("state", "State", [Field.Option("active"), Field.Option("error")], required: true)]
    },
    { context, form in
      try await act(context, ["os-resetState": ["state": .string(form["state"])]])
      return .done("Saved.")
    })
}
