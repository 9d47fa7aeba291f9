import API
import Kit
import Store

/// Extra specs, encryption and default types (API reference, Volume types).
extension BlockStorageService {
  var typeSpecRoutes: [Route] {
    let path = "/types/{id}/extra_specs"
    func name(_ verb: String) -> String { "volume_extension:types_extra_specs:\(verb)" }
    return [
      route("GET", path, name("index"), .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in ["extra_specs": .texts(try Self.visibleSpecs(call, auth, tx: tx))] }
      },
      route(
        "POST", path, name("create"), .admin, schema: .object([Schema.required("extra_specs", Self.specs)])
      ) { [self] call in
        let new = Input.metadata(call.body["extra_specs"])
        return try await changeSpecs(call, ["extra_specs": .texts(new)]) { $0.merging(new) { _, new in new } }
      },
      route("GET", path + "/{key}", name("show"), .projectReader) { [self] call in
        let (auth, key) = (try call.auth, call.parameter("key"))
        return try await read { tx in
          guard let value = try Self.visibleSpecs(call, auth, tx: tx)[key] else { throw Self.noSpec(call) }
          return .texts([key: value])
        }
      },
      route("PUT", path + "/{key}", name("update"), .admin, schema: Self.specs) { [self] call in
        let (key, body) = (call.parameter("key"), Input.metadata(call.body))
        guard body[key] != nil else { throw Fault.badRequest("Request body and URI mismatch") }
        guard body.count == 1 else { throw Fault.badRequest("Request body contains too many items") }
        return try await changeSpecs(call, .texts(body)) { old in
          // As upstream: a key that the type does not have cannot be changed.
          guard old[key] != nil else { throw Self.noSpec(call) }
          return old.merging(body) { _, new in new }
        }
      },
      route("DELETE", path + "/{key}", name("delete"), .admin) { [self] call in
        let key = call.parameter("key")
        _ = try await changeSpecs(call, .null) { old in
          guard old[key] != nil else { throw Self.noSpec(call) }
          return old.filter { $0.key != key }
        }
        return .empty(202)
      },
    ]
  }

  private static func noSpec(_ call: Call) -> Fault {
    .notFound(
      "Volume Type \(call.parameter("id").prefix(64)) has no extra specs with key \(call.parameter("key").prefix(80)).")
  }
  private static func visibleSpecs(_ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> [String: String] {
    let specs = try TypeStore.byID(call.parameter("id"), auth, tx: tx).texts("extra_specs")
    return auth.isAdmin ? specs : specs.filter { TypeStore.userVisible.contains($0.key) }
  }
  private func changeSpecs(
    _ call: Call, _ answer: JSONValue, _ change: @escaping @Sendable ([String: String]) throws -> [String: String]
  ) async throws -> Reply {
    let auth = try call.auth
    return try await write { tx in
      let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
      let (old, new) = (row.texts("extra_specs"), try change(row.texts("extra_specs")))
      if old["multiattach"] != new["multiattach"], try Table.volume.count("type_id = \(row.id)", tx: tx) > 0 {
        throw Fault.badRequest("Volume Type is currently in use: its multiattach cannot change.")
      }
      try Table.type.set(row.id, ["extra_specs": JSONValue.texts(new)], tx: tx)
      return answer
    }
  }

  private static let encryptionFields: [Schema.Property] = [
    Schema.may("provider", .string(1...255)), Schema.may("cipher", .optional(.string(0...255))),
    Schema.may("key_size", .optional(.looseInteger(0...4096))),
    Schema.may("control_location", .oneOf(["front-end", "back-end"])),
  ]

  var encryptionRoutes: [Route] {
    let path = "/types/{id}/encryption"
    func name(_ verb: String) -> String { "volume_extension:volume_type_encryption:\(verb)" }
    return [
      route("GET", path, name("get"), .admin) { [self] call in
        let auth = try call.auth
        return try await read { tx in try Self.encryption(call, auth, tx: tx) }
      },
      route("GET", path + "/{key}", name("get"), .admin) { [self] call in
        let (auth, key) = (try call.auth, call.parameter("key"))
        return try await read { tx in
          guard let value = try Self.encryption(call, auth, tx: tx)[key] else { throw Self.noEncryption(call) }
          return [key: value]
        }
      },
      route(
        "POST", path, name("create"), .admin,
        schema: .object([Schema.required("encryption", .object(Self.encryptionFields))])
      ) { [self] call in
        try await setEncryption(call) { old in
          guard old.isNull else { throw Fault.badRequest("Volume type encryption for type already exists.") }
          guard let provider = call.text("encryption", "provider") else {
            throw Fault.badRequest("'provider' is a required property of encryption")
          }
          guard let location = call.text("encryption", "control_location") else {
            throw Fault.badRequest("'control_location' is a required property of encryption")
          }
          return [
            "provider": .string(provider), "cipher": .optional(call.text("encryption", "cipher")),
            "key_size": .optional(call.field("encryption", "key_size").flatMap(Schema.integer)),
            "control_location": .string(location),
          ]
        }
      },
      route(
        "PUT", path + "/{key}", name("update"), .admin,
        schema: .object([Schema.required("encryption", .object(Self.encryptionFields))])
      ) { [self] call in
        try await setEncryption(call) { old in
          guard var new = old.object else { throw Self.noEncryption(call) }
          for member in call.body["encryption"]?.object ?? [:] {
            new[member.key] =
              member.key == "key_size" ? .optional(Schema.integer(member.value)) : member.value
          }
          return .object(new)
        }
      },
      route("DELETE", path + "/{key}", name("delete"), .admin) { [self] call in
        _ = try await setEncryption(call) { old in
          guard !old.isNull else { throw Self.noEncryption(call) }
          return .null
        }
        return .empty(202)
      },
      route("GET", "/volumes/{id}/encryption", "volume_extension:volume_encryption_metadata", .projectReader) {
        [self] call in
        let auth = try call.auth
        return try await read { tx in try Self.encryptionMetadata(call, auth, tx: tx) }
      },
      route("GET", "/volumes/{id}/encryption/{key}", "volume_extension:volume_encryption_metadata", .projectReader) {
        [self] call in
        let auth = try call.auth
        let value = try await database.read { tx in
          try Self.encryptionMetadata(call, auth, tx: tx)[call.parameter("key")]
        }
        return .json(value ?? .null)
      },
    ]
  }

  private static func noEncryption(_ call: Call) -> Fault {
    .notFound("Volume type encryption for type \(call.parameter("id").prefix(64)) does not exist.")
  }
  private static func encryption(_ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> JSONValue {
    let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
    guard var view = row.json("encryption").object else { return [:] }
    view["volume_type_id"] = .string(row.id)
    view["encryption_id"] = .string(row.id)
    view["deleted"] = false
    view["created_at"] = row.time("created_at")
    view["updated_at"] = .null
    view["deleted_at"] = .null
    return .object(view)
  }
  private func setEncryption(
    _ call: Call, _ change: @escaping @Sendable (JSONValue) throws -> JSONValue
  ) async throws -> Reply {
    let auth = try call.auth
    return try await write { tx in
      let row = try TypeStore.byID(call.parameter("id"), auth, tx: tx)
      guard try Table.volume.count("type_id = \(row.id)", tx: tx) == 0 else {
        throw Fault.badRequest("Cannot change encryption specs. Volume type in use.")
      }
      let new = try change(row.json("encryption"))
      try Table.type.set(row.id, ["encryption": new.isNull ? nil : new.text], tx: tx)
      guard var view = new.object else { return [:] }
      if call.http.method == "POST" {
        view["volume_type_id"] = .string(row.id)
        view["encryption_id"] = .string(row.id)
      }
      return ["encryption": .object(view)]
    }
  }
  private static func encryptionMetadata(_ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> JSONValue {
    let volume = try VolumeStore.require(call.parameter("id"), auth, tx: tx)
    guard volume.isEncrypted else { return ["encryption_key_id": nil] }
    var view = try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }?.json("encryption").object ?? [:]
    view["encryption_key_id"] = .optional(volume.keyID)
    return .object(view)
  }

  var defaultTypeRoutes: [Route] {
    func name(_ verb: String) -> String { "volume_extension:default_\(verb)" }
    @Sendable func view(_ project: String, _ type: String) -> JSONValue {
      ["project_id": .string(project), "volume_type_id": .string(type)]
    }
    return [
      route("GET", "/default-types", name("get_all"), .admin, since: 62) { [self] _ in
        try await read { tx in
          let rows = try tx.query("SELECT * FROM bs_default_type ORDER BY project_id")
          return ["default_types": .array(rows.map { view($0.projectID, $0.text("type_id")) })]
        }
      },
      route("GET", "/default-types/{tenant}", name("get"), .admin, since: 62) { [self] call in
        let project = call.parameter("tenant")
        return try await read { tx in
          guard let row = try tx.first("SELECT * FROM bs_default_type WHERE project_id = \(project)") else {
            throw Fault.notFound("Default type for project \(project.prefix(64)) not found.")
          }
          return ["default_type": view(project, row.text("type_id"))]
        }
      },
      route(
        "PUT", "/default-types/{tenant}", name("set_or_update"), .admin, since: 62,
        schema: .object([Schema.required("default_type", .object([Schema.required("volume_type", .string(1...255))]))])
      ) { [self] call in
        let (auth, project) = (try call.auth, call.parameter("tenant"))
        return try await write { [self] tx in
          guard try projects.projectExists(project, tx: tx) else {
            throw Fault.notFound("Project \(project) could not be found.")
          }
          let row = try TypeStore.require(call.text("default_type", "volume_type") ?? "", auth, tx: tx)
          try tx.execute("DELETE FROM bs_default_type WHERE project_id = \(project)")
          try tx.execute("INSERT INTO bs_default_type (project_id, type_id) VALUES (\(project), \(row.id))")
          return ["default_type": view(project, row.id)]
        }
      },
      route("DELETE", "/default-types/{tenant}", name("unset"), .admin, since: 62) { [self] call in
        let project = call.parameter("tenant")
        return try await write(204) { tx in
          try tx.execute("DELETE FROM bs_default_type WHERE project_id = \(project)")
          return .null
        }
      },
    ]
  }
}
