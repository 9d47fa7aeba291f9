import API
import Contracts
import Kit
import Store
import Workflow

extension BlockStorageService {
  static let groupList = BlockList(
    .group,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("status"), ListColumn("group_type", "group_type_id"),
      ListColumn("created_at", nil, .timestamp, filter: false), ListColumn("availability_zone", "zone"),
    ], others: ["list_volume"])
  private static let createFields = Schema.object(
    [
      Schema.required("group_type", .string(1...255)),
      Schema.required("volume_types", .array(.string(1...255), count: 1...100, unique: true)),
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("availability_zone", .optional(.string(1...255))),
    ], additional: .refused)
  private static let updateFields = Schema.object(
    [
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("add_volumes", .optional(.string(0...10_000))),
      Schema.may("remove_volumes", .optional(.string(0...10_000))),
    ], additional: .refused)
  private static let statuses = ["available", "creating", "updating", "deleting", "error", "error_deleting", "in-use"]

  var groupRoutes: [Route] {
    let path = "/groups/{id}"
    return [
      route("GET", "/groups", "group:get_all", .projectReader, since: 13) { [self] in
        try await listGroups($0, isDetailed: false)
      },
      route("GET", "/groups/detail", "group:get_all", .projectReader, since: 13) { [self] in
        try await listGroups($0, isDetailed: true)
      },
      route(
        "POST", "/groups", "group:create", .projectMember, since: 13,
        schema: .object([Schema.required("group", Self.createFields)])
      ) { [self] in try await createGroup($0) },
      route("GET", path, "group:get", .projectReader, since: 13) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
          return ["group": try Self.groupView(row, call, tx: tx)]
        }
      },
      route(
        "PUT", path, "group:update", .projectMember, since: 13,
        schema: .object([Schema.required("group", Self.updateFields)])
      ) { [self] in try await updateGroup($0) },
      action(
        path, "delete", "group:delete", since: 13,
        .object([Schema.may("delete-volumes", .looseBoolean)], additional: .refused)
      ) { [self] in try await deleteGroup($0) },
      action(path, "reset_status", "group:reset_status", .admin, since: 20, Self.statusFields(Self.statuses)) {
        [self] call in
        let (auth, now) = (try call.auth, clock.now())
        return try await write(202) { tx in
          let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
          try Table.group.set(row.id, ["status": call.text("reset_status", "status"), "updated_at": now], tx: tx)
          return .null
        }
      },
      action(
        "/groups", "create-from-src", "group:create", since: 14,
        .object([
          Schema.may("name", Input.name), Schema.may("description", Input.description),
          Schema.may("source_group_id", Input.uuid), Schema.may("group_snapshot_id", Input.uuid),
        ])
      ) { [self] in try await createGroupFromSource($0) },
    ]
      + ["enable_replication", "disable_replication", "failover_replication", "list_replication_targets"].map { name in
        action(path, name, "group:\(name)", since: 38) { [self] call in
          let auth = try call.auth
          _ = try await database.read { try GroupStore.require(call.parameter("id"), auth, tx: $0) }
          throw Fault.badRequest("Invalid group: its type does not replicate.")
        }
      }
  }

  private static func groupView(_ row: Row, _ call: Call, tx: any Transaction) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "status": .string(row.status), "availability_zone": row.optional("zone"),
      "created_at": row.time("created_at"), "name": row.optional("name"), "description": row.optional("description"),
      "group_type": row.optional("group_type_id"), "volume_types": row.json("volume_types"),
    ]
    if call.since(3, 14) {
      view["group_snapshot_id"] = row.optional("group_snapshot_id")
      view["source_group_id"] = row.optional("source_group_id")
    }
    if call.since(3, 25), Input.flag(.string(call.query["list_volume"] ?? "")) {
      view["volumes"] = .strings(try GroupStore.volumes(row.id, tx: tx).map(\.id))
    }
    if call.since(3, 38) { view["replication_status"] = row.optional("replication_status") }
    if call.since(3, 58), try call.auth.isAdmin { view["project_id"] = .string(row.projectID) }
    return .object(view)
  }

  private func listGroups(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let page = try Self.groupList.page(call, scope: try BlockList.scope(call), tx: tx)
      let items = try page.rows.map { row -> JSONValue in
        isDetailed ? try Self.groupView(row, call, tx: tx) : ["id": .string(row.id), "name": row.optional("name")]
      }
      return Self.groupList.reply(call, "groups", links: "group_links", page, items)
    }
  }

  private func createGroup(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    let types = (call.field("group", "volume_types")?.array ?? []).compactMap(\.string)
    let wantedZone = call.text("group", "availability_zone")
    return try await write(202) { [self] tx in
      let key = call.text("group", "group_type") ?? ""
      guard let type = try tx.first("SELECT * FROM bs_group_type WHERE id = \(key) OR name = \(key)") else {
        throw Fault.notFound("Group type \(key.prefix(80)) could not be found.")
      }
      let typeIDs = try types.map { key -> String in
        do { return try TypeStore.require(key, auth, tx: tx).id } catch let fault as Fault {
          throw Fault.badRequest(fault.message)
        }
      }
      guard wantedZone == nil || wantedZone == settings.zone else {
        throw Fault.badRequest(
          "Invalid input received: Availability zone '\(wantedZone?.prefix(80) ?? "")' is invalid.")
      }
      try Quota.checkGroup(auth.projectID, tx: tx)
      try Table.group.insert(
        [
          "id": id, "project_id": auth.projectID, "user_id": auth.user.id,
          "name": Input.name(call.field("group", "name")),
          "description": call.text("group", "description"), "status": "available", "zone": settings.zone,
          "group_type_id": type.id, "volume_types": JSONValue.strings(typeIDs), "created_at": now, "updated_at": now,
        ], tx: tx)
      return ["group": ["id": .string(id), "name": .optional(Input.name(call.field("group", "name")))]]
    }
  }

  private func updateGroup(_ call: Call) async throws -> Reply {
    let (auth, now, fields) = (try call.auth, clock.now(), call.body["group"]?.object ?? [:])
    guard fields.contains(where: { !$0.value.isNull }) else {
      throw Fault.badRequest("At least one of name, description, add_volumes and remove_volumes must be given.")
    }
    func ids(_ key: String) -> [String] {
      (fields[key]?.string ?? "").split(separator: ",").map { String($0).replacing(" ", with: "") }
    }
    let (added, removed) = (ids("add_volumes"), ids("remove_volumes"))
    return try await write(202) { tx in
      let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
      guard row.status == "available" else { throw Fault.badRequest("Invalid group: its status is \(row.status).") }
      for id in removed { try Self.leave(row, id, tx: tx) }
      for id in added where !removed.contains(id) { try Self.join(row, id, auth, tx: tx) }
      if let name = fields["name"] { try Table.group.set(row.id, ["name": Input.name(name)], tx: tx) }
      if let text = fields["description"] { try Table.group.set(row.id, ["description": Input.name(text)], tx: tx) }
      try Table.group.set(row.id, ["updated_at": now], tx: tx)
      return .null
    }
  }

  private static func leave(_ group: Row, _ id: String, tx: any Transaction) throws {
    guard let volume = try VolumeStore.find(id, tx: tx), volume.groupID == group.id else {
      throw Volume.invalid("Volume \(id.prefix(64)) is not in group \(group.id).")
    }
    try volume.require(["available", "in-use", "error"], "leave its group")
    try Table.volume.set(id, ["group_id": nil as String?], tx: tx)
  }

  private static func join(_ group: Row, _ id: String, _ auth: AuthContext, tx: any Transaction) throws {
    let types = (group.json("volume_types").array ?? []).compactMap(\.string)
    let volume: Volume
    do { volume = try VolumeStore.require(id, auth, tx: tx) } catch {
      throw Volume.invalid("Cannot add volume \(id.prefix(64)) to group \(group.id): it could not be found.")
    }
    guard volume.groupID == nil || volume.groupID == group.id, types.contains(volume.typeID ?? "") else {
      throw Volume.invalid("Cannot add volume \(id): it is in another group or its type is none of the group's.")
    }
    try volume.require(["available", "in-use"], "join a group")
    try Table.volume.set(id, ["group_id": group.id], tx: tx)
  }

  private func deleteGroup(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    let withVolumes = Input.flag(call.field("delete", "delete-volumes"))
    return try await write(202) { [self] tx in
      let row = try GroupStore.require(call.parameter("id"), auth, tx: tx)
      let volumes = try GroupStore.volumes(row.id, tx: tx)
      guard ["available", "error", "error_deleting"].contains(row.status) else {
        throw Fault.badRequest("Invalid group: its status is \(row.status).")
      }
      guard volumes.isEmpty || withVolumes else {
        throw Fault.badRequest("Invalid group: it has volumes and delete-volumes is false.")
      }
      guard try Table.groupSnapshot.count("group_id = \(row.id)", tx: tx) == 0 else {
        throw Fault.badRequest("Invalid group: group \(row.id) has group snapshots.")
      }
      for volume in volumes {
        try volume.require(["available", "error"], "be deleted with its group")
        guard try VolumeStore.snapshotCount(volume.id, tx: tx) == 0 else {
          throw Volume.invalid("Volume \(volume.id) has snapshots.")
        }
      }
      try Table.group.set(row.id, ["status": "deleting", "updated_at": now], tx: tx)
      for volume in volumes { try removeLater(volume, requestID: call.requestID, tx: tx) }
      try GroupStore.removeIfEmpty(row.id, tx: tx)
      return .null
    }
  }

  private func createGroupFromSource(_ call: Call) async throws -> Reply {
    let (auth, id, now, key) = (try call.auth, UUIDText.make(), clock.now(), "create-from-src")
    let (group, snapshot) = (call.text(key, "source_group_id"), call.text(key, "group_snapshot_id"))
    guard (group == nil) != (snapshot == nil) else {
      throw Fault.badRequest("Either 'source_group_id' or 'group_snapshot_id' must be provided, and not both.")
    }
    return try await write(202) { [self] tx in
      let shot = try snapshot.map { try GroupStore.snapshot($0, auth, tx: tx) }
      let source = try GroupStore.require(group ?? shot?.text("group_id") ?? "", auth, tx: tx)
      try Quota.checkGroup(auth.projectID, tx: tx)
      try Table.group.insert(
        [
          "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "name": call.text(key, "name"),
          "description": call.text(key, "description"), "status": "creating", "zone": settings.zone,
          "group_type_id": source.text("group_type_id"), "volume_types": source.json("volume_types"),
          "group_snapshot_id": snapshot, "source_group_id": group, "created_at": now, "updated_at": now,
        ], tx: tx)
      let sources: [VolumeSource] =
        try snapshot.map { try Table.snapshot.all("group_snapshot_id = \($0)", tx: tx).map { .snapshot($0.id) } }
        ?? GroupStore.volumes(source.id, tx: tx).map { .volume($0.id) }
      guard !sources.isEmpty else { throw Fault.badRequest("Invalid group: the source has no volumes.") }
      for source in sources {
        var order = VolumeOrder()
        order.source = source
        let volume = try createVolume(order, auth: auth, requestID: call.requestID, tx: tx)
        try Table.volume.set(volume, ["group_id": id], tx: tx)
      }
      return ["group": ["id": .string(id), "name": .optional(call.text(key, "name"))]]
    }
  }
}
