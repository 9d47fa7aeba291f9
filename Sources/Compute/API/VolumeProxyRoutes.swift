import API
import Contracts
import Kit
import Store

/// Volumes and snapshots as Compute offered them before clients spoke to Block Storage itself (API reference, Volume
/// extension (os-volumes, os-snapshots), until 2.35).
enum VolumeProxyRoutes {
  private static let until = Microversion(2, 35)
  private static func policy(_ name: String, _ rule: Rule) -> Policy {
    Policy("os_compute_api:os-volumes:\(name)", rule)
  }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    volumeRoutes(service) + snapshotRoutes(service)
  }

  private static func volumeRoutes(_ service: ComputeDependencies) -> [Route] {
    let path = "/v2.1/os-volumes"
    return [
      Route("GET", path, policy("list", .projectReader), until: until) { call in try await list(call, service) },
      Route("GET", path + "/detail", policy("detail", .projectReader), until: until) { call in
        try await list(call, service)
      },
      Route("POST", path, policy("create", .projectMember), until: until, schema: volumeSchema) { call in
        let volume = try await create(call, service)
        return .json(
          ["volume": view(volume)], headers: ["Location": "\(call.baseURL)/v2.1/os-volumes/\(volume.id)"])
      },
      Route("GET", path + "/{volume_id}", policy("show", .projectReader), until: until) { call in
        let auth = try call.auth
        let found = try await service.database.read { tx in
          try service.storage().proxyVolumes(id: call.parameter("volume_id"), auth: auth, tx: tx)
        }
        return .json(["volume": found.first.map(view) ?? .null])
      },
      Route("DELETE", path + "/{volume_id}", policy("delete", .projectMember), until: until) { call in
        let auth = try call.auth
        try await service.database.write { tx in
          try service.storage().deleteProxyVolume(
            call.parameter("volume_id"), auth: auth, requestID: call.requestID, tx: tx)
        }
        return .empty(202)
      },
    ]
  }

  private static func snapshotRoutes(_ service: ComputeDependencies) -> [Route] {
    let path = "/v2.1/os-snapshots"
    let all: Handler = { call in
      let auth = try call.auth
      let found = try await service.database.read { tx in
        try service.storage().proxySnapshots(id: nil, auth: auth, tx: tx)
      }
      return .json(["snapshots": .array(try CatalogueQuery.slice(found, call).map(view))])
    }
    return [
      Route("GET", path, policy("snapshots:list", .projectReader), until: until, all),
      Route("GET", path + "/detail", policy("snapshots:detail", .projectReader), until: until, all),
      Route("POST", path, policy("snapshots:create", .projectMember), until: until, schema: snapshotSchema) { call in
        .json(["snapshot": view(try await createSnapshot(call, service))])
      },
      Route("GET", path + "/{snapshot_id}", policy("snapshots:show", .projectReader), until: until) { call in
        let auth = try call.auth
        let found = try await service.database.read { tx in
          try service.storage().proxySnapshots(id: call.parameter("snapshot_id"), auth: auth, tx: tx)
        }
        return .json(["snapshot": found.first.map(view) ?? .null])
      },
      Route("DELETE", path + "/{snapshot_id}", policy("snapshots:delete", .projectMember), until: until) { call in
        let auth = try call.auth
        try await service.database.write { tx in
          try service.storage().deleteProxySnapshot(
            call.parameter("snapshot_id"), auth: auth, requestID: call.requestID, tx: tx)
        }
        return .empty(202)
      },
    ]
  }

  // MARK: Bodies

  private static let text = Schema.string(0...255)
  private static let volumeSchema = Schema.object([
    Schema.required(
      "volume",
      .object([
        Schema.required("size", .looseInteger(1...Int(Int32.max))), Schema.may("volume_type", text),
        Schema.may("metadata", ServerSchema.metadata), Schema.may("snapshot_id", text),
        Schema.may("availability_zone", text), Schema.may("display_name", text),
        Schema.may("display_description", text),
      ]))
  ])
  private static let snapshotSchema = Schema.object([
    Schema.required(
      "snapshot",
      .object([
        Schema.required("volume_id", text), Schema.may("force", .looseBoolean), Schema.may("display_name", text),
        Schema.may("display_description", text),
      ]))
  ])

  // MARK: Handlers

  private static func list(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    let found = try await service.database.read { tx in
      try service.storage().proxyVolumes(id: nil, auth: auth, tx: tx)
    }
    return .json(["volumes": .array(try CatalogueQuery.slice(found, call).map(view))])
  }

  private static func create(_ call: Call, _ service: ComputeDependencies) async throws -> ProxyVolume {
    let (auth, wish) = (try call.auth, call.body["volume"] ?? .null)
    let order = ProxyVolume(
      id: "", name: wish["display_name"]?.string, description: wish["display_description"]?.string, status: "",
      sizeGB: wish["size"].flatMap { Schema.integer($0) } ?? 0, zone: wish["availability_zone"]?.string ?? "",
      type: wish["volume_type"]?.string, snapshotID: wish["snapshot_id"]?.string,
      metadata: (wish["metadata"] ?? .null).texts, createdAt: service.clock.now(), serverID: nil, device: nil)
    return try await service.database.write { tx in
      let storage = try service.storage()
      let id = try quotaAsForbidden {
        try storage.createProxyVolume(order, auth: auth, requestID: call.requestID, tx: tx)
      }
      guard let made = try storage.proxyVolumes(id: id, auth: auth, tx: tx).first else {
        throw Fault.internal("volume \(id) was not made")
      }
      return made
    }
  }

  private static func createSnapshot(_ call: Call, _ service: ComputeDependencies) async throws -> ProxyVolumeSnapshot {
    let (auth, wish) = (try call.auth, call.body["snapshot"] ?? .null)
    return try await service.database.write { tx in
      let storage = try service.storage()
      let id = try quotaAsForbidden {
        try storage.createProxySnapshot(
          of: wish["volume_id"]?.string ?? "", name: wish["display_name"]?.string,
          description: wish["display_description"]?.string,
          isForced: wish["force"].flatMap { Schema.boolean($0) } ?? false, auth: auth, requestID: call.requestID,
          tx: tx)
      }
      guard let made = try storage.proxySnapshots(id: id, auth: auth, tx: tx).first else {
        throw Fault.internal("snapshot \(id) was not made")
      }
      return made
    }
  }

  /// Compute says 403 where Block Storage says 413.
  private static func quotaAsForbidden<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let fault as Fault where fault.status == 413 { throw Fault.forbidden(fault.message) }
  }

  // MARK: Views

  private static func view(_ volume: ProxyVolume) -> JSONValue {
    var attachment = JSONObject()
    if let server = volume.serverID {
      attachment = ["id": .string(volume.id), "volumeId": .string(volume.id), "serverId": .string(server)]
      if let device = volume.device { attachment.append("device", .string(device)) }
    }
    return [
      "id": .string(volume.id), "status": .string(volume.status), "size": .int(volume.sizeGB),
      "availabilityZone": .string(volume.zone), "createdAt": .string(volume.createdAt.iso8601Micros),
      "attachments": [.object(attachment)], "displayName": .optional(volume.name),
      "displayDescription": .optional(volume.description), "volumeType": .optional(volume.type),
      "snapshotId": .optional(volume.snapshotID), "metadata": .texts(volume.metadata),
    ]
  }

  private static func view(_ snapshot: ProxyVolumeSnapshot) -> JSONValue {
    [
      "id": .string(snapshot.id), "volumeId": .string(snapshot.volumeID), "status": .string(snapshot.status),
      "size": .int(snapshot.sizeGB), "createdAt": .string(snapshot.createdAt.iso8601Micros),
      "displayName": .optional(snapshot.name), "displayDescription": .optional(snapshot.description),
    ]
  }
}
