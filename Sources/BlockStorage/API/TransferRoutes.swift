import API
import Kit
import Store

/// Handing a volume to another project: under its old path (3.0) and its new one (3.55) (API reference, Transfers).
extension BlockStorageService {
  static let transferList = BlockList(
    .transfer,
    [
      ListColumn("id"), ListColumn("name"), ListColumn("volume_id"),
      ListColumn("created_at", nil, .timestamp, filter: false),
    ],
    others: ["is_public"], newestFirst: false)
  private static let fields = Schema.object(
    [
      Schema.required("volume_id", .uuid), Schema.may("name", Input.name),
      Schema.may("no_snapshots", .optional(.looseBoolean)),
    ], additional: .allowed)

  var transferRoutes: [Route] { transferRoutes("/os-volume-transfer") + transferRoutes("/volume-transfers") }

  private func transferRoutes(_ path: String) -> [Route] {
    [
      route("GET", path, "volume:get_all_transfers", .projectReader) { [self] in
        try await listTransfers($0, isDetailed: false)
      },
      route("GET", path + "/detail", "volume:get_all_transfers", .projectReader) { [self] in
        try await listTransfers($0, isDetailed: true)
      },
      route(
        "POST", path, "volume:create_transfer", .projectMember,
        schema: .object([Schema.required("transfer", Self.fields)])
      ) {
        [self] in try await createTransfer($0)
      },
      route("GET", path + "/{id}", "volume:get_transfer", .projectReader) { [self] call in
        let auth = try call.auth
        return try await read { tx in
          ["transfer": try Self.transferView(try Self.transfer(call, auth, tx: tx), call, isDetailed: true)]
        }
      },
      route("DELETE", path + "/{id}", "volume:delete_transfer", .projectMember) { [self] call in
        let (auth, now) = (try call.auth, clock.now())
        return try await write(202) { tx in
          let row = try Self.transfer(call, auth, tx: tx)
          if let volume = try VolumeStore.find(row.text("volume_id"), tx: tx), volume.status == "awaiting-transfer" {
            try VolumeStore.free(volume.id, now: now, tx: tx)
          }
          try Table.transfer.remove(row.id, tx: tx)
          return .null
        }
      },
      route(
        "POST", path + "/{id}/accept", "volume:accept_transfer", .projectMember,
        schema: .object([Schema.required("accept", .object([Schema.required("auth_key", .string(1...255))]))])
      ) { [self] in try await acceptTransfer($0) },
    ]
  }

  private static func transfer(_ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    let id = call.parameter("id")
    guard let row = try Table.transfer.find(id, where: "accepted = 0", tx: tx),
      auth.isAdmin || row.projectID == auth.projectID
    else { throw Fault.notFound("Transfer \(id.prefix(64)) could not be found.") }
    return row
  }
  private static func transferView(_ row: Row, _ call: Call, isDetailed: Bool) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "volume_id": row.optional("volume_id"), "name": row.optional("name"),
      "links": try call.links("os-volume-transfer", row.id),
    ]
    guard isDetailed else { return .object(view) }
    view["created_at"] = row.time("created_at")
    if call.since(3, 55) { view["no_snapshots"] = .bool(row.bool("no_snapshots")) }
    if call.since(3, 57) {
      view["destination_project_id"] = row.optional("destination")
      view["source_project_id"] = row.optional("project_id")
      view["accepted"] = .bool(row.bool("accepted"))
    }
    return .object(view)
  }

  private func listTransfers(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try await read { tx in
      let page = try Self.transferList.page(call, scope: try BlockList.scope(call) + ["accepted = 0"], tx: tx)
      let items = try page.rows.map { try Self.transferView($0, call, isDetailed: isDetailed) }
      return Self.transferList.reply(call, "transfers", page, items)
    }
  }

  private func createTransfer(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    let (salt, key) = (Secret.random(bytes: 8), Secret.random(bytes: 8))
    let noSnapshots = call.since(3, 55) && Input.flag(call.field("transfer", "no_snapshots"))
    let hash = Digest.hex(Array((salt.value + key.value).utf8))
    return try await write(202) { tx in
      let volume = try VolumeStore.require(call.text("transfer", "volume_id") ?? "", auth, tx: tx)
      try volume.require(["available"], "be transferred")
      if volume.isEncrypted, !call.since(3, 70) {
        throw Volume.invalid("transferring encrypted volume is not supported")
      }
      let snapshots = try Table.snapshot.all("volume_id = \(volume.id)", tx: tx)
      if !snapshots.isEmpty {
        guard call.since(3, 55), !noSnapshots else { throw Volume.invalid("Volume \(volume.id) has snapshots.") }
        guard snapshots.allSatisfy({ $0.status == "available" }) else {
          throw Fault.badRequest("Invalid snapshot: all snapshots of the volume must be available.")
        }
      }
      try Table.transfer.insert(
        [
          "id": id, "volume_id": volume.id, "name": Input.name(call.field("transfer", "name")), "salt": salt.value,
          "key_hash": hash, "no_snapshots": noSnapshots, "project_id": volume.projectID, "created_at": now,
        ], tx: tx)
      try Table.volume.set(volume.id, ["status": "awaiting-transfer", "updated_at": now], tx: tx)
      guard let row = try Table.transfer.find(id, tx: tx) else { throw Volume.notFound(id) }
      var view = try Self.transferView(row, call, isDetailed: true).object ?? [:]
      view["auth_key"] = .string(key.value)
      return ["transfer": .object(view)]
    }
  }

  private func acceptTransfer(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, call.parameter("id"), clock.now())
    let key = call.text("accept", "auth_key") ?? ""
    return try await write(202) { tx in
      guard let row = try Table.transfer.find(id, where: "accepted = 0", tx: tx) else {
        throw Fault.notFound("Transfer \(id.prefix(64)) could not be found.")
      }
      let given = Digest.hex(Array((row.text("salt") + key).utf8))
      guard Secret(row.text("key_hash")).equals(given) else {
        throw Fault.badRequest("Invalid auth key: attempt to transfer \(id) with invalid auth key.")
      }
      let volume = Volume(row: try Table.volume.find(row.text("volume_id"), tx: tx) ?? row)
      guard volume.status == "awaiting-transfer" else { throw Volume.invalid("The volume is not awaiting a transfer.") }
      let type = try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }?.text("name")
      let snapshots = try Table.snapshot.all("volume_id = \(volume.id)", tx: tx)
      try Quota.check(
        auth.projectID, volumes: 1, snapshots: snapshots.count,
        gigabytes: volume.size + snapshots.reduce(0) { $0 + $1.int("size") }, type: type, tx: tx)
      try Table.volume.set(volume.id, ["project_id": auth.projectID, "user_id": auth.user.id], tx: tx)
      try tx.execute("UPDATE bs_snapshot SET project_id = \(auth.projectID) WHERE volume_id = \(volume.id)")
      try VolumeStore.free(volume.id, now: now, tx: tx)
      try Table.transfer.set(id, ["accepted": true, "destination": auth.projectID], tx: tx)
      return ["transfer": try Self.transferView(row, call, isDetailed: false)]
    }
  }
}
