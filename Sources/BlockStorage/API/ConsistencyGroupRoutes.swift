import API
import Kit
import Store

/// Consistency groups and their snapshots (API reference, deprecated for groups): groups of the type
/// `default_cgsnapshot_type`, in the older shape.
extension BlockStorageService {
  private static let ids = Schema.optional(.string(0...10_000))

  private static func fields(_ key: String, _ members: [Schema.Property]) -> Schema {
    .object([Schema.required(key, .object(members, additional: .allowed))], additional: .allowed)
  }

  var consistencyGroupRoutes: [Route] {
    let path = "/consistencygroups/{id}"
    let update = Self.fields(
      "consistencygroup",
      [
        Schema.may("name", Input.name), Schema.may("description", Input.description),
        Schema.may("add_volumes", Self.ids), Schema.may("remove_volumes", Self.ids),
      ])
    return [
      route("GET", "/consistencygroups", "group:get_all", .projectReader) { [self] in
        try await listConsistencyGroups($0, isDetailed: false)
      },
      route("GET", "/consistencygroups/detail", "group:get_all", .projectReader) { [self] in
        try await listConsistencyGroups($0, isDetailed: true)
      },
      route(
        "POST", "/consistencygroups", "group:create", .projectMember,
        schema: Self.fields(
          "consistencygroup",
          [
            Schema.required("volume_types", .string(1...10_000)), Schema.may("name", Input.name),
            Schema.may("description", Input.description), Schema.may("availability_zone", .optional(.string(0...255))),
          ])
      ) { [self] in try await createConsistencyGroup($0) },
      route(
        "POST", "/consistencygroups/create_from_src", "group:create", .projectMember,
        schema: Self.fields(
          "consistencygroup-from-src",
          [
            Schema.may("name", Input.name), Schema.may("description", Input.description),
            Schema.may("cgsnapshot_id", Input.uuid), Schema.may("source_cgid", Input.uuid),
          ])
      ) { [self] in try await createConsistencyGroupFromSource($0) },
      route("GET", path, "group:get", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try Self.consistencyGroup(call.parameter("id"), auth, tx: tx)
          return ["consistencygroup": try Self.view(row, tx: tx)]
        }
      },
      route("PUT", path, "group:update", .projectMember, schema: update) { [self] in
        try await updateConsistencyGroup($0)
      },
      route("PUT", path + "/update", "group:update", .projectMember, schema: update) { [self] in
        try await updateConsistencyGroup($0)
      },
      route("DELETE", path, "group:delete", .projectMember) { [self] in
        try await deleteConsistencyGroup($0, isForced: false)
      },
      route(
        "POST", path + "/delete", "group:delete", .projectMember,
        schema: .object(
          [
            Schema.may(
              "consistencygroup",
              .optional(.object([Schema.may("force", .optional(.looseBoolean))], additional: .allowed)))
          ], additional: .allowed)
      ) { [self] call in
        // The stock client spells the key with an underscore.
        let isForced = Input.flag(call.field("consistencygroup", "force") ?? call.field("consistency_group", "force"))
        return try await deleteConsistencyGroup(call, isForced: isForced)
      },
    ] + consistencySnapshotRoutes
  }

  private var consistencySnapshotRoutes: [Route] {
    [
      route("GET", "/cgsnapshots", "group:get_all_group_snapshots", .projectReader) { [self] in
        try await listConsistencySnapshots($0, isDetailed: false)
      },
      route("GET", "/cgsnapshots/detail", "group:get_all_group_snapshots", .projectReader) { [self] in
        try await listConsistencySnapshots($0, isDetailed: true)
      },
      route(
        "POST", "/cgsnapshots", "group:create_group_snapshot", .projectMember,
        schema: Self.fields(
          "cgsnapshot",
          [
            Schema.required("consistencygroup_id", .uuid), Schema.may("name", Input.name),
            Schema.may("description", Input.description),
          ])
      ) { [self] in try await createConsistencySnapshot($0) },
      route("GET", "/cgsnapshots/{id}", "group:get_group_snapshot", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          ["cgsnapshot": Self.snapshotView(try Self.consistencySnapshot(call.parameter("id"), auth, tx: tx))]
        }
      },
      route("DELETE", "/cgsnapshots/{id}", "group:delete_group_snapshot", .projectMember) { [self] call in
        let auth = try call.auth
        return try await write(202) { [self] tx in
          let row = try Self.consistencySnapshot(call.parameter("id"), auth, tx: tx)
          try deleteGroupSnapshot(row.id, auth: auth, requestID: call.requestID, tx: tx)
          return .null
        }
      },
    ]
  }

  private static func consistencyGroup(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try? GroupStore.require(id, auth, tx: tx),
      try row.text("group_type_id") == GroupStore.consistencyType(tx: tx)
    else { throw Fault.notFound("ConsistencyGroup \(id.prefix(64)) could not be found.") }
    return row
  }
  private static func consistencySnapshot(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    guard let row = try? GroupStore.snapshot(id, auth, tx: tx),
      try row.text("group_type_id") == GroupStore.consistencyType(tx: tx)
    else { throw Fault.notFound("CgSnapshot \(id.prefix(64)) could not be found.") }
    return row
  }

  private static func view(_ row: Row, tx: any Transaction) throws -> JSONValue {
    [
      "id": .string(row.id), "status": .string(row.status), "availability_zone": row.optional("zone"),
      "created_at": row.time("created_at"), "name": row.optional("name"), "description": row.optional("description"),
      "volume_types": row.json("volume_types"),
    ]
  }
  private static func snapshotView(_ row: Row) -> JSONValue {
    [
      "id": .string(row.id), "consistencygroup_id": row.optional("group_id"), "status": .string(row.status),
      "created_at": row.time("created_at"), "name": row.optional("name"), "description": row.optional("description"),
    ]
  }
  private static func short(_ row: Row) -> JSONValue { ["id": .string(row.id), "name": row.optional("name")] }

  private func listConsistencyGroups(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let scope = try BlockList.scope(call) + ["group_type_id = \(try GroupStore.consistencyType(tx: tx))"]
      let page = try Self.groupList.page(call, scope: scope, tx: tx)
      let items = try page.rows.map { isDetailed ? try Self.view($0, tx: tx) : Self.short($0) }
      return Self.groupList.reply(call, "consistencygroups", links: "consistencygroup_links", page, items)
    }
  }

  private func createConsistencyGroup(_ call: Call) async throws -> Reply {
    let (auth, key) = (try call.auth, "consistencygroup")
    var order = GroupOrder()
    order.name = Input.name(call.field(key, "name"))
    order.description = call.text(key, "description")
    order.zone = call.text(key, "availability_zone").flatMap { $0.isEmpty ? nil : $0 }
    order.volumeTypes = (call.text(key, "volume_types") ?? "").split(separator: ",").map {
      String($0).replacing(" ", with: "")
    }
    let wanted = order
    return try await write(202) { [self] tx in
      var order = wanted
      order.type = try GroupStore.consistencyType(tx: tx)
      let id = try createGroup(order, auth: auth, tx: tx)
      return ["consistencygroup": Self.short(try GroupStore.require(id, auth, tx: tx))]
    }
  }

  private func createConsistencyGroupFromSource(_ call: Call) async throws -> Reply {
    let (auth, key) = (try call.auth, "consistencygroup-from-src")
    let (snapshot, group) = (call.text(key, "cgsnapshot_id"), call.text(key, "source_cgid"))
    guard (group == nil) != (snapshot == nil) else {
      throw Fault.badRequest("Either 'cgsnapshot_id' or 'source_cgid' must be provided, and not both.")
    }
    return try await write(202) { [self] tx in
      if let group { _ = try Self.consistencyGroup(group, auth, tx: tx) }
      if let snapshot { _ = try Self.consistencySnapshot(snapshot, auth, tx: tx) }
      let id = try createGroup(
        name: Input.name(call.field(key, "name")), description: call.text(key, "description"), from: group,
        or: snapshot, auth: auth, requestID: call.requestID, tx: tx)
      return ["consistencygroup": Self.short(try GroupStore.require(id, auth, tx: tx))]
    }
  }

  private func updateConsistencyGroup(_ call: Call) async throws -> Reply {
    let (auth, fields) = (try call.auth, call.body["consistencygroup"]?.object ?? [:])
    return try await write(202) { [self] tx in
      let row = try Self.consistencyGroup(call.parameter("id"), auth, tx: tx)
      try updateGroup(row.id, fields, auth: auth, tx: tx)
      return .null
    }
  }

  private func deleteConsistencyGroup(_ call: Call, isForced: Bool) async throws -> Reply {
    let auth = try call.auth
    return try await write(202) { [self] tx in
      let row = try Self.consistencyGroup(call.parameter("id"), auth, tx: tx)
      try deleteGroup(row.id, withVolumes: isForced, auth: auth, requestID: call.requestID, tx: tx)
      return .null
    }
  }

  private func listConsistencySnapshots(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let scope = try BlockList.scope(call) + ["group_type_id = \(try GroupStore.consistencyType(tx: tx))"]
      let page = try Self.groupSnapshotList.page(call, scope: scope, tx: tx)
      let items = page.rows.map { isDetailed ? Self.snapshotView($0) : Self.short($0) }
      return Self.groupSnapshotList.reply(call, "cgsnapshots", links: "cgsnapshot_links", page, items)
    }
  }

  private func createConsistencySnapshot(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    return try await write(202) { [self] tx in
      let group = try Self.consistencyGroup(call.text("cgsnapshot", "consistencygroup_id") ?? "", auth, tx: tx)
      let id = try createGroupSnapshot(
        of: group.id, name: Input.name(call.field("cgsnapshot", "name")),
        description: call.text("cgsnapshot", "description"), auth: auth, requestID: call.requestID, tx: tx)
      return ["cgsnapshot": Self.short(try GroupStore.snapshot(id, auth, tx: tx))]
    }
  }
}
