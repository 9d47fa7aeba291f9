import API
import Kit
import Store

extension BlockStorageService {
  static let qosList = BlockList(
    .qos,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("consumer"),
      ListColumn("created_at", nil, .timestamp, filter: false),
    ])
  private static let consumers = ["front-end", "back-end", "both"]
  private static let fields = Schema.object(
    [Schema.required("name", .string(1...255)), Schema.may("consumer", .oneOf(consumers))],
    additional: .matching(
      keys: { key in (1...255).contains(key.count) ? nil : "a key has 1 to 255 characters" },
      .either([.text255, .number]), countMax: 64))

  var qosRoutes: [Route] {
    func name(_ verb: String) -> String { "volume_extension:qos_specs_manage:\(verb)" }
    return [
      route("GET", "/qos-specs", name("get_all"), .admin) { [self] call in
        try await read { tx in
          let page = try Self.qosList.page(call, scope: [], tx: tx)
          return Self.qosList.reply(call, "qos_specs", page, page.rows.map(Self.qosView))
        }
      },
      route("POST", "/qos-specs", name("create"), .admin, schema: .object([Schema.required("qos_specs", Self.fields)]))
      {
        [self] in try await createQoS($0)
      },
      route("GET", "/qos-specs/{id}", name("get"), .admin) { [self] call in
        try await read { tx in try Self.qosReply(try Self.qos(call, tx: tx), call) }
      },
      route(
        "PUT", "/qos-specs/{id}", name("update"), .admin,
        schema: .object([
          Schema.required(
            "qos_specs",
            .object(
              [Schema.may("consumer", .oneOf(Self.consumers))],
              additional: .matching(keys: { _ in nil }, .either([.text255, .number]), countMax: 64)))
        ])
      ) { [self] call in
        let new = Input.metadata(call.body["qos_specs"])
        guard !new.isEmpty else { throw Fault.badRequest("Invalid qos specs: there is nothing to set.") }
        return try await write { tx in
          let row = try Self.qos(call, tx: tx)
          var specs = row.texts("specs").merging(new) { _, new in new }
          let consumer = specs.removeValue(forKey: "consumer") ?? row.text("consumer")
          try Table.qos.set(row.id, ["specs": JSONValue.texts(specs), "consumer": consumer], tx: tx)
          return ["qos_specs": .texts(new)]
        }
      },
      route(
        "PUT", "/qos-specs/{id}/delete_keys", name("delete"), .admin,
        schema: .object([Schema.required("keys", .array(.string(1...255), count: 1...64))])
      ) { [self] call in
        let keys = (call.body["keys"]?.array ?? []).compactMap(\.string)
        return try await write(202) { tx in
          let row = try Self.qos(call, tx: tx)
          var specs = row.texts("specs")
          for key in keys where specs.removeValue(forKey: key) == nil {
            throw Fault.badRequest("QoS spec \(row.id) has no spec with key \(key.prefix(80)).")
          }
          try Table.qos.set(row.id, ["specs": JSONValue.texts(specs)], tx: tx)
          return .null
        }
      },
      route("DELETE", "/qos-specs/{id}", name("delete"), .admin) { [self] call in
        let isForced = Input.flag(.string(call.query["force"] ?? ""))
        return try await write(202) { tx in
          let row = try Self.qos(call, tx: tx)
          let used = try Table.type.count("qos_id = \(row.id)", tx: tx)
          guard used == 0 || isForced else {
            throw Fault.badRequest("QoS Specs \(row.id) is still associated with \(used) entities.")
          }
          try tx.execute("UPDATE bs_type SET qos_id = NULL WHERE qos_id = \(row.id)")
          try Table.qos.remove(row.id, tx: tx)
          return .null
        }
      },
      route("GET", "/qos-specs/{id}/associations", name("get_all"), .admin) { [self] call in
        try await read { tx in
          let types = try Table.type.all("qos_id = \(try Self.qos(call, tx: tx).id)", tx: tx)
          return [
            "qos_associations": .array(
              types.map { ["association_type": "volume_type", "name": $0.optional("name"), "id": .string($0.id)] })
          ]
        }
      },
      associate("associate"), associate("disassociate"),
      route("GET", "/qos-specs/{id}/disassociate_all", name("update"), .admin) { [self] call in
        try await write(202) { tx in
          try tx.execute("UPDATE bs_type SET qos_id = NULL WHERE qos_id = \(try Self.qos(call, tx: tx).id)")
          return .null
        }
      },
    ]
  }

  private static func qos(_ call: Call, tx: any Transaction) throws -> Row {
    let id = call.parameter("id")
    guard let row = try Table.qos.find(id, tx: tx) else {
      throw Fault.notFound("No such qos spec \(id.prefix(64)).")
    }
    return row
  }
  private static func qosView(_ row: Row) -> JSONValue {
    [
      "id": .string(row.id), "name": row.optional("name"), "consumer": row.optional("consumer"),
      "specs": .texts(row.texts("specs")),
    ]
  }
  private static func qosReply(_ row: Row, _ call: Call) throws -> JSONValue {
    ["qos_specs": qosView(row), "links": try call.links("qos-specs", row.id)]
  }
  private func createQoS(_ call: Call) async throws -> Reply {
    let (id, now) = (UUIDText.make(), clock.now())
    var specs = Input.metadata(call.body["qos_specs"])
    let name = Input.name(.string(specs.removeValue(forKey: "name") ?? "")) ?? ""
    let consumer = specs.removeValue(forKey: "consumer") ?? "back-end"
    guard !name.isEmpty else { throw Fault.badRequest("Invalid qos specs: the name is empty.") }
    let values = specs
    return try await write { tx in
      do {
        try Table.qos.insert(
          ["id": id, "name": name, "consumer": consumer, "specs": JSONValue.texts(values), "created_at": now], tx: tx)
      } catch is DuplicateRow { throw Fault.conflict("QoS Specs \(name) already exists.") }
      guard let row = try Table.qos.find(id, tx: tx) else { throw Fault.notFound("No such qos spec \(id).") }
      return try Self.qosReply(row, call)
    }
  }
  private func associate(_ verb: String) -> Route {
    route("GET", "/qos-specs/{id}/\(verb)", "volume_extension:qos_specs_manage:update", .admin) { [self] call in
      let (auth, typeID) = (try call.auth, call.query["vol_type_id"] ?? "")
      guard !typeID.isEmpty else { throw Fault.badRequest("Volume Type id must not be None.") }
      return try await write(202) { tx in
        let row = try Self.qos(call, tx: tx)
        let type = try TypeStore.byID(typeID, auth, tx: tx)
        let present = type.optionalText("qos_id")
        if verb == "associate" {
          guard present == nil || present == row.id else {
            throw Fault.badRequest("Type \(type.id) is already associated with another qos specs: \(present ?? "").")
          }
          try Table.type.set(type.id, ["qos_id": row.id], tx: tx)
        } else if present == row.id {
          try Table.type.set(type.id, ["qos_id": nil as String?], tx: tx)
        }
        return .null
      }
    }
  }
}
