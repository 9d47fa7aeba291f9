import API
import Kit

/// A panel of Identity's resources with what most of them share.
private func identity(_ id: String, _ title: String, _ noun: String, _ icon: String, _ collection: String) -> Panel {
  let path = "/v3/" + collection
  var panel = Panel(
    area: .identity, id: id, title: title, noun: noun, icon: icon, service: "identity", path: { _ in path },
    collection: collection)
  panel.isPaged = false
  let single = String(collection.dropLast())
  panel.find = { client, _, id in try await client.get("identity", path + "/" + Percent.encode(id))[single] ?? .null }
  panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
  panel.filters = [Filter(name: "name", label: "Name")]
  return panel
}

/// Name, description and whether it is enabled.
private func fields(_ json: JSONValue, withEnabled: Bool = true) -> [Field] {
  let enabled = Field("enabled", "Enabled", .check, value: json["enabled"]?.bool == false ? "" : "yes")
  return [
    Field("name", "Name", value: json.text("name"), required: true),
    Field("description", "Description", value: json.text("description")),
  ] + (withEnabled ? [enabled] : [])
}
private func values(_ form: Form, withEnabled: Bool = true) -> JSONObject {
  var values: JSONObject = ["name": .string(form["name"]), "description": .string(form["description"])]
  if withEnabled { values["enabled"] = .bool(form.isOn("enabled")) }
  return values
}

private func path(_ context: PageContext) -> String {
  context.panel.path(context.session) + "/" + Percent.encode(context.id)
}
private func create(_ title: String, _ single: String, withEnabled: Bool = true) -> Action {
  Action(
    "create", title, style: .primary, fields: { _ in fields(.null, withEnabled: withEnabled) },
    { context, form in
      try await context.client.send(
        "POST", "identity", context.panel.path(context.session),
        .object([single: .object(values(form, withEnabled: withEnabled))]))
      return .list("Created.")
    })
}
private func edit(_ single: String, withEnabled: Bool = true) -> Action {
  Action(
    "edit", "Edit", fields: { fields($0.json, withEnabled: withEnabled) },
    { context, form in
      try await context.client.send(
        "PATCH", "identity", path(context), .object([single: .object(values(form, withEnabled: withEnabled))]))
      return .done("Saved.")
    })
}
private let enabled = Column("Enabled") { .flag($0.json["enabled"]) }

/// Projects with their members.
enum ProjectPanel {
  static let panel: Panel = {
    var panel = identity("projects", "Projects", "project", "project", "projects")
    panel.columns = [
      Column("Name") { $0.link }, .text("Description", "description"), enabled, .text("Domain", "domain_id"),
    ]
    panel.empty = "No projects yet. A project owns instances, networks and volumes, and has quotas."
    panel.tableActions = [create("Create project", "project")]
    panel.rowActions = [
      addMember, removeMember, edit("project"), .delete(),
    ]
    panel.blocks = { context in [.facts("Overview", Facts.all(context.json)), try await members(context)] }
    return panel
  }()

  private static func members(_ context: PageContext) async throws -> Block {
    let assignments = try await context.client.get(
      "identity", "/v3/role_assignments", [("scope.project.id", context.id), ("include_names", "true")]
    ).list("role_assignments")
    let base = context.panel.address(of: context.id)
    var block = Block.table(
      "Members", ["User or group", "Role"],
      assignments.map { entry in
        let isUser = entry["user"] != nil
        let who = entry["user"] ?? entry["group"] ?? .null
        let query =
          "?\(isUser ? "user" : "group")=\(Percent.encode(who.text("id")))"
          + "&role=\(Percent.encode(entry["role"]?.text("id") ?? ""))"
        return BlockRow(
          [Cell(who.text("name"), isStrong: true), .text(entry["role"]?.text("name") ?? "")],
          action: ("Remove", base + "/remove-member" + query))
      }, empty: "Nobody has a role on it.")
    block.links = [("Add member", base + "/add-member")]
    return block
  }

  private static let addMember = Action(
    "add-member", "Add member",
    fields: { context in
      [
        .choice("user", "User", try await context.options("identity", "/v3/users", "users"), required: true),
        .choice(
          "role", "Role", try await context.options("identity", "/v3/roles", "roles"), required: true,
          help: "member is the usual one."),
      ]
    },
    { context, form in
      try await context.client.send(
        "PUT", "identity",
        path(context) + "/users/\(Percent.encode(form["user"]))/roles/\(Percent.encode(form["role"]))")
      return .done("Saved.")
    })

  private static let removeMember = Action(
    "remove-member", "Remove member", style: .danger, confirm: "The role is taken away at once.", when: { _ in false },
    fields: { _ in [Field("user", "", .hidden), Field("group", "", .hidden), Field("role", "", .hidden)] },
    { context, form in
      let who =
        form["user"].isEmpty ? "groups/" + Percent.encode(form["group"]) : "users/" + Percent.encode(form["user"])
      try await context.client.send(
        "DELETE", "identity", path(context) + "/\(who)/roles/\(Percent.encode(form["role"]))")
      return .done("Removed.")
    })
}

/// Users.
enum UserPanel {
  static let panel: Panel = {
    var panel = identity("users", "Users", "user", "user", "users")
    panel.columns = [
      Column("Name") { $0.link }, .text("Description", "description"), .text("Email", "email"), enabled,
      .text("Domain", "domain_id"),
    ]
    panel.empty = "No users yet."
    panel.tableActions = [make]
    panel.rowActions = [
      edit("user"), password, .delete(when: { $0.id != $0.session.userID }),
    ]
    return panel
  }()

  private static let make = Action(
    "create", "Create user", style: .primary,
    fields: { context in
      fields(.null) + [
        Field("email", "Email"), Field("password", "Password", .password, required: true),
        .choice("project", "First project", try await context.options("identity", "/v3/projects", "projects")),
        .choice("role", "Role on it", try await context.options("identity", "/v3/roles", "roles")),
      ]
    },
    { context, form in
      var user = values(form)
      user["password"] = .string(form.raw("password"))
      if let email = form.optional("email") { user["email"] = email }
      if let project = form.optional("project") { user["default_project_id"] = project }
      let made = try await context.client.send("POST", "identity", "/v3/users", ["user": .object(user)])
      if !form["project"].isEmpty, !form["role"].isEmpty {
        try await context.client.send(
          "PUT", "identity",
          "/v3/projects/\(Percent.encode(form["project"]))/users/\(made["user"]?.text("id") ?? "")/roles/"
            + Percent.encode(form["role"]))
      }
      return .list("Created.")
    })

  private static let password = Action(
    "password", "Set password", fields: { _ in [Field("password", "New password", .password, required: true)] },
    { context, form in
      try await context.client.send(
        "PATCH", "identity", path(context), ["user": ["password": .string(form.raw("password"))]])
      return .done("Saved.")
    })
}

/// Groups of users.
enum GroupPanel {
  static let panel: Panel = {
    var panel = identity("groups", "Groups", "group", "users", "groups")
    panel.columns = [Column("Name") { $0.link }, .text("Description", "description"), .text("Domain", "domain_id")]
    panel.empty = "No groups yet. A group gives roles to many users at a time."
    panel.tableActions = [create("Create group", "group", withEnabled: false)]
    panel.rowActions = [
      change("add-user", "Add user", "PUT"), change("remove-user", "Remove user", "DELETE"),
      edit("group", withEnabled: false), .delete(),
    ]
    panel.blocks = { context in
      let users = try await context.client.get("identity", path(context) + "/users").list("users")
      return [
        .facts("Overview", Facts.all(context.json)),
        .table(
          "Members", ["Name"],
          users.map { BlockRow([Cell($0.text("name"), href: "/identity/users/" + Percent.encode($0.text("id")))]) },
          empty: "Nobody is in it."),
      ]
    }
    return panel
  }()

  private static func change(_ id: String, _ title: String, _ method: String) -> Action {
    Action(
      id, title,
      fields: { context in
        let from = method == "PUT" ? "/v3/users" : path(context) + "/users"
        return [.choice("user", "User", try await context.options("identity", from, "users"), required: true)]
      },
      { context, form in
        try await context.client.send(method, "identity", path(context) + "/users/" + Percent.encode(form["user"]))
        return .done("Saved.")
      })
  }
}

/// Roles.
enum RolePanel {
  static let panel: Panel = {
    var panel = identity("roles", "Roles", "role", "role", "roles")
    panel.columns = [Column("Name") { $0.link }, .text("Description", "description"), Column("Id") { .code($0.id) }]
    panel.empty = "No roles yet."
    panel.tableActions = [create("Create role", "role", withEnabled: false)]
    panel.rowActions = [edit("role", withEnabled: false), .delete()]
    return panel
  }()
}

/// Domains.
enum DomainPanel {
  static let panel: Panel = {
    var panel = identity("domains", "Domains", "domain", "domain", "domains")
    panel.columns = [Column("Name") { $0.link }, .text("Description", "description"), enabled]
    panel.empty = "No domains yet."
    panel.tableActions = [create("Create domain", "domain")]
    panel.rowActions = [edit("domain"), .delete(bulk: false)]
    return panel
  }()
}

/// The user's own application credentials.
enum ApplicationCredentialPanel {
  static let panel: Panel = {
    var panel = Panel(
      area: .identity, id: "application-credentials", title: "Application credentials", noun: "application credential",
      icon: "key", service: "identity",
      path: { "/v3/users/\($0.userID)/application_credentials" }, collection: "application_credentials")
    panel.isPaged = false
    panel.columns = [
      Column("Name") { $0.link }, .text("Description", "description"),
      Column("Roles") { .text($0.json.list("roles").map { $0.text("name") }.joined(separator: ", ")) },
      Column("Expires") { .time($0.json.text("expires_at")) },
    ]
    panel.empty = "No application credentials yet. A program signs in with one instead of your password."
    panel.tableActions = [make]
    panel.rowActions = [.delete()]
    panel.find = { client, session, id in
      try await client.get("identity", "/v3/users/\(session.userID)/application_credentials/\(Percent.encode(id))")[
        "application_credential"] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
    return panel
  }()

  private static let make = Action(
    "create", "Create application credential", style: .primary,
    fields: { _ in
      [
        Field("name", "Name", required: true), Field("description", "Description"),
        Field("expires", "Expires", help: "Such as 2030-01-31T00:00:00Z. Empty: never."),
      ]
    },
    { context, form in
      var body: JSONObject = ["name": .string(form["name"]), "description": .string(form["description"])]
      if let expires = form.optional("expires") { body["expires_at"] = expires }
      let made =
        try await context.client.send(
          "POST", "identity", context.panel.path(context.session), ["application_credential": .object(body)])[
          "application_credential"] ?? .null
      return .secret(
        title: "Your new application credential", explanation: "Keep its secret now: it cannot be shown again.",
        text: "export OS_AUTH_TYPE=v3applicationcredential\nexport OS_AUTH_URL=\(context.visit.settings.authURL)\n"
          + "export OS_APPLICATION_CREDENTIAL_ID=\(made.text("id"))\n"
          + "export OS_APPLICATION_CREDENTIAL_SECRET=\(made.text("secret"))\n",
        file: "application-credential.sh")
    })
}
