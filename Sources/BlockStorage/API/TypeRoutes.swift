import API
import Kit
import Store

extension BlockStorageService {
  static let typeList = BlockList(
    .type,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("is_public", nil, .bool, filter: false),
      ListColumn("created_at", nil, .timestamp, filter: false),
    ], others: ["is_public", "extra_specs"])
  private static let createFields = Schema.object(
    [
      Schema.required("name", .string(1...255)), Schema.may("description", Input.description),
      Schema.may("extra_specs", .optional(BlockStorageService.specs)),
      Schema.may("os-volume-type-access:is_public", .optional(.looseBoolean)),
    ], additional: .refused)
  private static let updateFields = Schema.object(
    [
      Schema.may("name", .optional(.string(0...255))), Schema.may("description", Input.description),
      Schema.may("is_public", .optional(.looseBoolean)),
    ], additional: .refused)
  /// Keys of letters, digits and `-_:. `; values are texts.
  static let specs = Schema.object(
    [],
    additional: .matching(
      keys: { key in
        (1...255).contains(key.count)
          && key.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_:. ".contains($0)) }
          ? nil : "a key has 1 to 255 letters, digits, - _ : . or spaces"
      }, .either([.text255, .number, .boolean]), countMax: 256))

  var typeRoutes: [Route] {
    [
      route("GET", "/types", "volume_extension:type_get_all", .projectReader) { [self] in try await listTypes($0) },
      route(
        "POST", "/types", "volume_extension:type_create", .admin,
        schema: .object([Schema.required("volume_type", Self.createFields)])
      ) { [self] in try await createType($0) },
      route("GET", "/types/default", "volume_extension:type_get", .authenticated) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          guard let row = try TypeStore.standard(for: auth.projectID, tx: tx) else {
            throw Fault.notFound("Default volume type can not be found.")
          }
          return ["volume_type": Self.typeView(row, isAdmin: auth.isAdmin)]
        }
      },
      route("GET", "/types/{id}", "volume_extension:type_get", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
          return ["volume_type": Self.typeView(row, isAdmin: auth.isAdmin)]
        }
      },
      route(
        "PUT", "/types/{id}", "volume_extension:type_update", .admin,
        schema: .object([Schema.required("volume_type", Self.updateFields)])
      ) { [self] in try await updateType($0) },
      route("DELETE", "/types/{id}", "volume_extension:type_delete", .admin) { [self] in try await deleteType($0) },
      route("GET", "/types/{id}/os-volume-type-access", "volume_extension:volume_type_access:get_all_for_type", .admin)
      {
        [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
          guard !row.bool("is_public") else {
            throw Fault.notFound("Access list not available for public volume types.")
          }
          let rows = try tx.query("SELECT project_id FROM bs_type_access WHERE type_id = \(row.id) ORDER BY project_id")
          return [
            "volume_type_access": .array(
              rows.map { ["volume_type_id": .string(row.id), "project_id": $0.optional("project_id")] })
          ]
        }
      },
      accessAction("addProjectAccess"), accessAction("removeProjectAccess"),
    ]
  }

  /// Answers to changes leave out the QoS specs, as upstream's.
  static func typeView(_ row: Row, isAdmin: Bool, hasQoS: Bool = true) -> JSONValue {
    let specs = row.texts("extra_specs")
    var view: JSONObject = [
      "id": .string(row.id), "name": row.optional("name"), "is_public": .bool(row.bool("is_public")),
      "os-volume-type-access:is_public": .bool(row.bool("is_public")), "description": row.optional("description"),
      "extra_specs": .texts(isAdmin ? specs : specs.filter { TypeStore.userVisible.contains($0.key) }),
    ]
    if isAdmin, hasQoS { view["qos_specs_id"] = row.optional("qos_id") }
    return .object(view)
  }

  private func listTypes(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await read { tx in
      let access: SQL = "id IN (SELECT type_id FROM bs_type_access WHERE project_id = \(auth.projectID))"
      var scope = try Self.publicScope(call, auth, orAccess: access)
      if let text = call.query["extra_specs"], call.since(3, 52) {
        for (key, value) in try BlockList.dictionary(text) {
          let pair = String(JSONValue.texts([key: value]).text.dropFirst().dropLast())
          scope.append("INSTR(extra_specs, \(pair)) > 0")
        }
      }
      let page = try Self.typeList.page(call, scope: scope, tx: tx)
      let items = page.rows.map { Self.typeView($0, isAdmin: auth.isAdmin) }
      return Self.typeList.reply(call, "volume_types", links: "volume_type_links", page, items)
    }
  }

  /// Public types by default; an administrator may ask for private ones, or by `None` for all.
  static func publicScope(_ call: Call, _ auth: AuthContext, orAccess access: SQL? = nil) throws -> [SQL] {
    let text = auth.isAdmin ? call.query["is_public"] ?? "true" : "true"
    if text.lowercased() == "none" { return [] }
    guard let isPublic = Schema.boolean(.string(text)) else {
      throw Fault.badRequest("Invalid is_public filter [\(text.prefix(40))]")
    }
    guard isPublic, let access else { return ["is_public = \(isPublic)"] }
    return ["is_public = 1 OR \(access)"]
  }

  private func createType(_ call: Call) async throws -> Reply {
    let (id, now) = (UUIDText.make(), clock.now())
    let name = Input.name(call.field("volume_type", "name")) ?? ""
    guard !name.isEmpty else { throw Fault.badRequest("Volume type name can not be empty.") }
    let isPublic = call.field("volume_type", "os-volume-type-access:is_public").flatMap(Schema.boolean) ?? true
    return try await write { tx in
      do {
        try Table.type.insert(
          [
            "id": id, "name": name, "description": call.text("volume_type", "description"), "is_public": isPublic,
            "extra_specs": JSONValue.texts(Input.metadata(call.field("volume_type", "extra_specs"))),
            "created_at": now,
          ], tx: tx)
      } catch is DuplicateRow { throw Fault.conflict("Volume Type \(name) already exists.") }
      guard let row = try Table.type.find(id, tx: tx) else { throw TypeStore.notFound(id) }
      return ["volume_type": Self.typeView(row, isAdmin: true, hasQoS: false)]
    }
  }

  private func updateType(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let fields = call.body["volume_type"]?.object ?? [:]
    guard fields.contains(where: { !$0.value.isNull }) else {
      throw Fault.badRequest("Specify volume type name, description, is_public or a combination thereof.")
    }
    let name = Input.name(fields["name"])
    if name == "" { throw Fault.badRequest("Volume type name can not be empty.") }
    return try await write { tx in
      let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
      do {
        try Table.type.set(
          row.id,
          [
            "name": name ?? row.text("name"),
            "description": fields["description"]?.string ?? row.optionalText("description"),
            "is_public": fields["is_public"].flatMap(Schema.boolean) ?? row.bool("is_public"),
          ], tx: tx)
      } catch is DuplicateRow { throw Fault.conflict("Volume Type \(name ?? "") already exists.") }
      let after = Self.typeView(try TypeStore.byID(row.id, auth, tx: tx), isAdmin: true, hasQoS: false)
      var view = after.object ?? [:]
      view["os-volume-type-access:is_public"] = nil
      return ["volume_type": .object(view)]
    }
  }

  private func deleteType(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await write(202) { tx in
      let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
      let users =
        try Table.volume.count("type_id = \(row.id)", tx: tx) + Table.snapshot.count("type_id = \(row.id)", tx: tx)
      guard users == 0 else {
        throw Fault.badRequest(
          "Target volume type is still in use: \(users) volumes or snapshots are of type \(row.id).")
      }
      guard row.text("name") != TypeStore.standardName,
        try tx.count("SELECT COUNT(*) FROM bs_default_type WHERE type_id = \(row.id)") == 0
      else { throw Fault.badRequest("The volume type \(row.id) is a default volume type and cannot be deleted.") }
      try tx.execute("DELETE FROM bs_type_access WHERE type_id = \(row.id)")
      for noun in ["volumes", "gigabytes", "snapshots"] {
        try tx.execute("DELETE FROM bs_quota WHERE name = \("\(noun)_\(row.text("name"))")")
      }
      try Table.type.remove(row.id, tx: tx)
      return .null
    }
  }

  private func accessAction(_ name: String) -> Route {
    action(
      "/types/{id}", name, "volume_extension:volume_type_access:\(name)", .admin,
      .object([Schema.required("project", .string(1...64))])
    ) { [self] call in
      let (auth, project) = (try call.auth, call.text(name, "project") ?? "")
      return try await write(202) { [self] tx in
        let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
        guard !row.bool("is_public") else {
          throw Fault.conflict("Type access modification is not applicable to public volume type.")
        }
        if name == "removeProjectAccess" {
          let gone = try tx.execute("DELETE FROM bs_type_access WHERE type_id = \(row.id) AND project_id = \(project)")
          guard gone == 1 else {
            throw Fault.notFound("Volume type access not found for \(row.id) / \(project) combination.")
          }
          return .null
        }
        guard try projects.projectExists(project, tx: tx) else {
          throw Fault.badRequest("Project id \(project) is not a valid project.")
        }
        do {
          try tx.execute("INSERT INTO bs_type_access (type_id, project_id) VALUES (\(row.id), \(project))")
        } catch is DuplicateRow {
          throw Fault.conflict("Volume type access for \(row.id) / \(project) combination already exists.")
        }
        return .null
      }
    }
  }
}
