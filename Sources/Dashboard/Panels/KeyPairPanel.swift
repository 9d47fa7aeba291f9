import API
import Kit

/// Key pairs of the user.
enum KeyPairPanel {
  private static let path = "/v2.1/os-keypairs"

  static let panel: Panel = {
    var panel = Panel(
      area: .project, id: "key-pairs", title: "Key pairs", noun: "key pair", icon: "key", service: "compute",
      path: { _ in path }, collection: "keypairs")
    panel.isPaged = false
    panel.key = { $0["keypair"]?.text("name") ?? $0.text("name") }
    panel.name = panel.key
    panel.columns = [
      Column("Name") { $0.link }, Column("Type") { .text($0.json["keypair"]?.text("type") ?? "") },
      Column("Fingerprint") { .code($0.json["keypair"]?.text("fingerprint") ?? "") },
    ]
    panel.empty = "No key pairs yet. Create one, or import the public key that you have."
    panel.tableActions = [importKey, create]
    panel.rowActions = [.delete()]
    panel.find = { client, _, id in try await client.get("compute", "\(path)/\(Percent.encode(id))")["keypair"] ?? .null
    }
    panel.blocks = { context in
      var block = Block.facts(
        "Overview",
        [
          ("Fingerprint", .code(context.json.text("fingerprint"))), ("Type", .text(context.json.text("type"))),
          ("Created", .time(context.json.text("created_at"))),
        ])
      block.log = context.json.text("public_key")
      return [block]
    }
    return panel
  }()

  private static let create = Action(
    "create", "Create key pair", style: .primary,
    fields: { _ in
      [Field("name", "Name", required: true, help: "The private key is shown once, right after this.")]
    },
    { context, form in
      let made = try await context.client.send(
        "POST", "compute", path, ["keypair": ["name": .string(form["name"]), "type": "ssh"]])
      let key = made["keypair"]?.text("private_key") ?? ""
      return .secret(
        title: "Your new private key",
        explanation: "Keep it now: the cloud does not keep it, and it cannot be shown again.", text: key,
        file: form["name"].filter { $0.isLetter || $0.isNumber || "-_.".contains($0) } + ".pem")
    })

  private static let importKey = Action(
    "import", "Import key pair",
    fields: { _ in
      [
        Field("name", "Name", required: true),
        Field("key", "Public key", .area, required: true, help: "The one line of your .pub file."),
      ]
    },
    { context, form in
      try await context.client.send(
        "POST", "compute", path,
        ["keypair": ["name": .string(form["name"]), "type": "ssh", "public_key": .string(form["key"])]])
      return .list("Imported.")
    })
}

/// Server groups: instances that stay together, or apart.
enum ServerGroupPanel {
  private static let path = "/v2.1/os-server-groups"

  static let panel: Panel = {
    var panel = Panel(
      area: .project, id: "server-groups", title: "Server groups", noun: "server group", icon: "group",
      service: "compute", path: { _ in path }, collection: "server_groups")
    panel.isPaged = false
    panel.columns = [
      Column("Name") { $0.link }, .text("Policy", "policy"),
      Column("Members") { .text(String($0.json.list("members").count)) },
    ]
    panel.empty = "No server groups yet. A group keeps its instances on one host, or apart."
    panel.tableActions = [
      Action(
        "create", "Create server group", style: .primary,
        fields: { _ in
          let policies = ["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"]
          return [
            Field("name", "Name", required: true),
            .choice("policy", "Policy", policies.map { Field.Option($0) }, required: true),
          ]
        },
        { context, form in
          try await context.client.send(
            "POST", "compute", path,
            ["server_group": ["name": .string(form["name"]), "policy": .string(form["policy"])]])
          return .list("Created.")
        })
    ]
    panel.rowActions = [.delete()]
    panel.find = { client, _, id in
      try await client.get("compute", "\(path)/\(Percent.encode(id))")["server_group"] ?? .null
    }
    panel.blocks = { context in
      [
        .facts("Overview", [("Id", .code(context.id)), ("Policy", .text(context.json.text("policy")))]),
        .table(
          "Members", ["Instance"],
          (context.json["members"]?.array ?? []).map {
            BlockRow([Cell($0.asText, href: "/project/instances/" + Percent.encode($0.asText))])
          }, empty: "No instance is in it."),
      ]
    }
    return panel
  }()
}
