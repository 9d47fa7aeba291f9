import API
import Kit
import Store

extension BlockStorageService {
  static let groupTypeList = BlockList(
    .groupType, [ListColumn("id"), ListColumn("name"), ListColumn("created_at", nil, .timestamp, filter: false)],
    others: ["is_public"])
  private static let fields: [Schema.Property] = [
    Schema.may("description", Input.description), Schema.may("is_public", .optional(.looseBoolean)),
    Schema.may("group_specs", .optional(BlockStorageService.specs)),
  ]
  private static func view(_ row: Row, isAdmin: Bool) -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "name": row.optional("name"), "description": row.optional("description"),
      "is_public": .bool(row.bool("is_public")),
    ]
    if isAdmin { view["group_specs"] = .texts(row.texts("group_specs")) }
    return .object(view)
  }

  var groupTypeRoutes: [Route] {
    func name(_ verb: String) -> String { "group:group_types:\(verb)" }
    return [
      route("GET", "/group_types", "group:access_group_types_specs", .authenticated, since: 11) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let scope = try Self.publicScope(call, auth)
          let page = try Self.groupTypeList.page(call, scope: scope, tx: tx)
          let items = page.rows.map { Self.view($0, isAdmin: auth.isAdmin) }
          return Self.groupTypeList.reply(call, "group_types", links: "group_type_links", page, items)
        }
      },
      route("GET", "/group_types/default", "group:access_group_types_specs", .authenticated, since: 11) { _ in
        throw Fault.notFound("Default group type can not be found.")
      },
      route("GET", "/group_types/{id}", "group:access_group_types_specs", .authenticated, since: 11) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try GroupStore.type(call.parameter("id"), tx: tx)
          guard auth.isAdmin || row.bool("is_public") else {
            throw Fault.notFound("Group type \(row.id) could not be found.")
          }
          return ["group_type": Self.view(row, isAdmin: auth.isAdmin)]
        }
      },
      route(
        "POST", "/group_types", name("create"), .admin, since: 11,
        schema: .object([
          Schema.required("group_type", .object([Schema.required("name", .string(1...255))] + Self.fields))
        ])
      ) { [self] in try await createGroupType($0) },
      route(
        "PUT", "/group_types/{id}", name("update"), .admin, since: 11,
        schema: .object([
          Schema.required("group_type", .object([Schema.may("name", .optional(.string(0...255)))] + Self.fields))
        ])
      ) { [self] in try await updateGroupType($0) },
      route("DELETE", "/group_types/{id}", name("delete"), .admin, since: 11) { [self] call in
        try await write(202) { tx in
          let row = try GroupStore.type(call.parameter("id"), tx: tx)
          guard try Table.group.count("group_type_id = \(row.id)", tx: tx) == 0 else {
            throw Fault.badRequest("Target group type is still in use.")
          }
          try Table.groupType.remove(row.id, tx: tx)
          return .null
        }
      },
    ] + groupSpecRoutes
  }

  private func createGroupType(_ call: Call) async throws -> Reply {
    let (id, now) = (UUIDText.make(), clock.now())
    let name = Input.name(call.field("group_type", "name")) ?? ""
    guard !name.isEmpty else { throw Fault.badRequest("The group type's name is empty.") }
    return try await write(202) { tx in
      do {
        try Table.groupType.insert(
          [
            "id": id, "name": name, "description": call.text("group_type", "description"),
            "is_public": call.field("group_type", "is_public").flatMap(Schema.boolean) ?? true,
            "group_specs": JSONValue.texts(Input.metadata(call.field("group_type", "group_specs"))), "created_at": now,
          ], tx: tx)
      } catch is DuplicateRow { throw Fault.conflict("Group Type \(name) already exists.") }
      return ["group_type": Self.view(try GroupStore.type(id, tx: tx), isAdmin: true)]
    }
  }

  private func updateGroupType(_ call: Call) async throws -> Reply {
    let fields = call.body["group_type"]?.object ?? [:]
    guard fields.contains(where: { !$0.value.isNull }) else {
      throw Fault.badRequest("Specify group type name, description or a combination thereof.")
    }
    if Input.name(fields["name"]) == "" { throw Fault.badRequest("Group type name can not be empty.") }
    return try await write { tx in
      let row = try GroupStore.type(call.parameter("id"), tx: tx)
      do {
        try Table.groupType.set(
          row.id,
          [
            "name": Input.name(fields["name"]) ?? row.text("name"),
            "description": fields["description"]?.string ?? row.optionalText("description"),
            "is_public": fields["is_public"].flatMap(Schema.boolean) ?? row.bool("is_public"),
          ], tx: tx)
      } catch is DuplicateRow { throw Fault.conflict("A group type of this name already exists.") }
      return ["group_type": Self.view(try GroupStore.type(row.id, tx: tx), isAdmin: true)]
    }
  }

  private var groupSpecRoutes: [Route] {
    let path = "/group_types/{id}/group_specs"
    func name(_ verb: String) -> String { "group:group_types_specs:\(verb)" }
    @Sendable func missing(_ call: Call) -> Fault {
      .notFound("Group Type \(call.parameter("id")) has no specs with key \(call.parameter("key").prefix(80)).")
    }
    return [
      route("GET", path, name("get_all"), .admin, since: 11) { [self] call in
        try await read { tx in
          ["group_specs": .texts(try GroupStore.type(call.parameter("id"), tx: tx).texts("group_specs"))]
        }
      },
      route(
        "POST", path, name("create"), .admin, since: 11,
        schema: .object([Schema.required("group_specs", BlockStorageService.specs)])
      ) { [self] call in
        let new = Input.metadata(call.body["group_specs"])
        return try await setGroupSpecs(call, 202, ["group_specs": .texts(new)]) { $0.merging(new) { _, new in new } }
      },
      route("GET", path + "/{key}", name("get"), .admin, since: 11) { [self] call in
        let key = call.parameter("key")
        return try await read { tx in
          guard let value = try GroupStore.type(call.parameter("id"), tx: tx).texts("group_specs")[key] else {
            throw missing(call)
          }
          return .texts([key: value])
        }
      },
      route("PUT", path + "/{key}", name("update"), .admin, since: 11, schema: BlockStorageService.specs) {
        [self] call in
        let (key, body) = (call.parameter("key"), Input.metadata(call.body))
        guard body.count == 1, body[key] != nil else { throw Fault.badRequest("Request body and URI mismatch") }
        return try await setGroupSpecs(call, 200, .texts(body)) { $0.merging(body) { _, new in new } }
      },
      route("DELETE", path + "/{key}", name("delete"), .admin, since: 11) { [self] call in
        let key = call.parameter("key")
        return try await setGroupSpecs(call, 202, .null) { old in
          guard old[key] != nil else { throw missing(call) }
          return old.filter { $0.key != key }
        }
      },
    ]
  }

  private func setGroupSpecs(
    _ call: Call, _ status: Int, _ answer: JSONValue,
    _ change: @escaping @Sendable ([String: String]) throws -> [String: String]
  ) async throws -> Reply {
    try await write(status) { tx in
      let row = try GroupStore.type(call.parameter("id"), tx: tx)
      try Table.groupType.set(
        row.id, ["group_specs": JSONValue.texts(try change(row.texts("group_specs")))], tx: tx)
      return answer
    }
  }
}
