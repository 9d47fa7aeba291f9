import API
import Kit
import Store
import Workflow

/// Files of a backend's folder that are no volumes yet, or no more (API reference, Manageable volumes and snapshots).
extension BlockStorageService {
  private static let volumeFields = Schema.object(
    [
      Schema.may("host", .optional(.string(1...255))), Schema.may("cluster", .optional(.string(1...255))),
      Schema.required("ref", .either([.object([], additional: .allowed), .string(1...255)])),
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("volume_type", .optional(.string(0...255))), Schema.may("bootable", .optional(.looseBoolean)),
      Schema.may("availability_zone", .optional(.string(0...255))), Schema.may("metadata", .optional(Input.metadata)),
    ], additional: .allowed)
  private static let snapshotFields = Schema.object(
    [
      Schema.required("volume_id", .uuid),
      Schema.required("ref", .either([.object([], additional: .allowed), .string(1...255)])),
      Schema.may("name", Input.name), Schema.may("description", Input.description),
      Schema.may("metadata", .optional(Input.metadata)),
    ], additional: .allowed)

  var manageRoutes: [Route] {
    [
      route("GET", "/manageable_volumes", "volume_extension:list_manageable", .admin) { [self] in
        try await listManageable($0, isDetailed: false)
      },
      route("GET", "/manageable_volumes/detail", "volume_extension:list_manageable", .admin) { [self] in
        try await listManageable($0, isDetailed: true)
      },
      route(
        "POST", "/manageable_volumes", "volume_extension:volume_manage", .admin,
        schema: .object([Schema.required("volume", Self.volumeFields)])
      ) { [self] in try await manageVolume($0) },
      action("/volumes/{id}", "os-unmanage", "volume_extension:volume_unmanage", .admin) { [self] call in
        try await onVolume(call) { [self] volume, tx in
          try volume.require(["available", "error"], "be unmanaged")
          guard try VolumeStore.snapshotCount(volume.id, tx: tx) == 0 else {
            throw Volume.invalid("Volume \(volume.id) has snapshots.")
          }
          guard !volume.isEncrypted else {
            throw Volume.invalid("An encrypted volume cannot be unmanaged: its key is kept here.")
          }
          try Table.volume.set(volume.id, ["status": "unmanaging"], tx: tx)
          try enqueue("volume-unmanage", volume, [:], call, tx: tx)
          return .null
        }
      },
      route("GET", "/manageable_snapshots", "snapshot_extension:list_manageable", .admin) { [self] in
        try await listManageableSnapshots($0)
      },
      route("GET", "/manageable_snapshots/detail", "snapshot_extension:list_manageable", .admin) { [self] in
        try await listManageableSnapshots($0)
      },
      route(
        "POST", "/manageable_snapshots", "snapshot_extension:snapshot_manage", .admin,
        schema: .object([Schema.required("snapshot", Self.snapshotFields)])
      ) { [self] in try await manageSnapshot($0) },
      action("/snapshots/{id}", "os-unmanage", "snapshot_extension:snapshot_unmanage", .admin) { [self] call in
        let auth = try call.auth
        return try await write(202) { tx in
          let row = try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
          guard row.status == "available" || row.status == "error" else {
            throw Fault.badRequest("Invalid snapshot: its status is \(row.status).")
          }
          try Table.layer.set(row.text("file"), ["unmanaged": true], tx: tx)
          try Table.snapshot.remove(row.id, tx: tx)
          return .null
        }
      },
    ]
  }

  private static func reference(_ value: JSONValue?) throws -> String {
    guard let name = value?.string ?? value?["source-name"]?.string, !name.isEmpty else {
      throw Fault.badRequest("Failed to manage existing volume: the reference must contain source-name.")
    }
    guard !name.contains("/"), !name.hasPrefix(".") else {
      throw Fault.badRequest(
        "Failed to manage existing volume: source-name must be the name of a file in the backend's folder.")
    }
    return name
  }

  /// Files that could become volumes, by the name that references use.
  private func manageableFiles(
    _ backend: BlockStorageSettings.Backend, known: Set<String>
  ) throws -> [(reference: String, file: String)] {
    let store = FileBackend(settings: backend)
    try store.check()
    return try store.list().sorted().compactMap { name in
      let reserved = ["layer-", "copy-", "upload-", "moved-", "."]
      guard !known.contains(name), !name.hasSuffix(".tmp"), !reserved.contains(where: { name.hasPrefix($0) }) else {
        return nil
      }
      return (name.hasPrefix("unmanaged-") ? String(name.dropFirst(10)) : name, name)
    }
  }

  private func listManageable(_ call: Call, isDetailed: Bool) async throws -> Reply {
    guard let backend = settings.backend(host: call.query["host"] ?? "") else {
      throw Fault.badRequest("The query must name an existing host as host@backend#pool.")
    }
    let volumes = try await database.read { tx in try Table.volume.all("backend = \(backend.name)", tx: tx) }
    var items: [JSONValue] = []
    for volume in volumes {
      items.append([
        "reference": ["source-name": .string(Volume(row: volume).file)], "size": .int(volume.int("size")),
        "safe_to_manage": false, "reason_not_safe": "already managed", "cinder_id": .string(volume.id),
        "extra_info": nil,
      ])
    }
    for found in try manageableFiles(backend, known: Set(volumes.map { Volume(row: $0).file })) {
      let info = try? await FileBackend(settings: backend).info(found.file, format: nil)
      items.append([
        "reference": ["source-name": .string(found.reference)],
        "size": .int(max(1, ((info?.sizeBytes ?? 0) + (1 << 30) - 1) >> 30)),
        "safe_to_manage": .bool(info?.hasBacking == false),
        "reason_not_safe": info == nil ? "no disk image" : info?.hasBacking == true ? "it needs another file" : nil,
        "cinder_id": nil, "extra_info": .optional(info?.format),
      ])
    }
    return .json(["manageable-volumes": .array(isDetailed ? items : items.map(Self.short))])
  }

  private static func short(_ item: JSONValue) -> JSONValue {
    let shown = (item.object ?? [:]).filter { ["reference", "size", "safe_to_manage"].contains($0.key) }
    return .object(JSONObject(shown.map { ($0.key, $0.value) }))
  }

  private func manageVolume(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    guard let backend = settings.backend(host: call.text("volume", "host") ?? "") else {
      throw Fault.badRequest("Invalid input received: the host must be host@backend#pool of this cloud.")
    }
    let reference = try Self.reference(call.field("volume", "ref"))
    let known = try await database.read { tx in
      Set(try Table.volume.all("backend = \(backend.name)", tx: tx).map { Volume(row: $0).file })
    }
    let files = try manageableFiles(backend, known: known)
    guard let file = files.first(where: { $0.reference == reference })?.file,
      let info = try? await FileBackend(settings: backend).info(file, format: nil), !info.hasBacking,
      ["qcow2", "raw"].contains(info.format)
    else {
      throw Fault.badRequest(
        "Failed to manage existing volume \(reference.prefix(80)): there is no such disk image that is complete in itself."
      )
    }
    let size = max(1, (info.sizeBytes + (1 << 30) - 1) >> 30)
    return try await write(202) { [self] tx in
      let type =
        try call.text("volume", "volume_type").map { try TypeStore.require($0, auth, tx: tx) }
        ?? TypeStore.standard(for: auth.projectID, tx: tx)
      try Quota.check(auth.projectID, volumes: 1, gigabytes: size, type: type?.text("name"), tx: tx)
      try insertManaged(id, info.format, size, type: type?.id, backend.name, call, now, tx: tx)
      let volume = try VolumeStore.require(id, auth, tx: tx)
      try enqueue("volume-manage", volume, ["file": .string(file)], call, tx: tx)
      return try showVolume(id, call, isAnswer: true, tx: tx)
    }
  }

  private func insertManaged(
    _ id: String, _ format: String, _ size: Int, type: String?, _ backend: String, _ call: Call, _ now: Timestamp,
    tx: any Transaction
  ) throws {
    let auth = try call.auth
    try Table.volume.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id,
        "name": Input.name(call.field("volume", "name")), "description": call.text("volume", "description"),
        "size": size, "status": "managing", "type_id": type, "zone": settings.zone,
        "host": settings.hostName(backend), "backend": backend, "format": format,
        "bootable": Input.flag(call.field("volume", "bootable")),
        "metadata": JSONValue.texts(Input.metadata(call.field("volume", "metadata"))), "created_at": now,
        "updated_at": now,
      ], tx: tx)
  }

  private static func manageableSnapshots(_ backend: String, tx: any Transaction) throws -> [Row] {
    try Table.layer.all("backend = \(backend) AND unmanaged = 1", tx: tx)
  }
  private static func snapshotReference(_ layer: String) -> String { "snapshot-" + layer.dropFirst("layer-".count) }

  private func listManageableSnapshots(_ call: Call) async throws -> Reply {
    guard let backend = settings.backend(host: call.query["host"] ?? "") else {
      throw Fault.badRequest("The query must name an existing host as host@backend#pool.")
    }
    return try await read { tx in
      let rows = try Self.manageableSnapshots(backend.name, tx: tx)
      return [
        "manageable-snapshots": .array(
          rows.map {
            [
              "reference": ["source-name": .string(Self.snapshotReference($0.id))], "size": .int($0.int("size")),
              "safe_to_manage": true, "reason_not_safe": nil, "cinder_id": nil, "extra_info": nil,
              "source_reference": ["source-name": .string("volume-" + $0.text("volume_id"))],
            ]
          })
      ]
    }
  }

  private static func manageableSnapshot(_ reference: String, of volume: Volume, tx: any Transaction) throws -> Row {
    let layer = try manageableSnapshots(volume.backend, tx: tx).first {
      // Upstream's LVM puts an underscore before it, and tools that were made for it do too.
      let names = [snapshotReference($0.id), "_" + snapshotReference($0.id)]
      return names.contains(reference) && $0.text("volume_id") == volume.id
    }
    guard let layer else {
      throw Fault.badRequest(
        "Manage existing snapshot failed: \(reference.prefix(80)) is no unmanaged snapshot of the volume.")
    }
    return layer
  }

  private func manageSnapshot(_ call: Call) async throws -> Reply {
    let (auth, id, now) = (try call.auth, UUIDText.make(), clock.now())
    let reference = try Self.reference(call.field("snapshot", "ref"))
    return try await write(202) { tx in
      let volume = try VolumeStore.require(call.text("snapshot", "volume_id") ?? "", auth, tx: tx)
      let layer = try Self.manageableSnapshot(reference, of: volume, tx: tx)
      let type = try volume.typeID.flatMap { try Table.type.find($0, tx: tx) }?.text("name")
      try Quota.check(volume.projectID, snapshots: 1, gigabytes: layer.int("size"), type: type, tx: tx)
      try Table.snapshot.insert(
        [
          "id": id, "project_id": volume.projectID, "user_id": auth.user.id, "volume_id": volume.id,
          "name": Input.name(call.field("snapshot", "name")), "description": call.text("snapshot", "description"),
          "size": layer.int("size"), "status": "available", "progress": "100%", "type_id": volume.typeID,
          "backend": volume.backend, "file": layer.id, "key_id": volume.keyID,
          "metadata": JSONValue.texts(Input.metadata(call.field("snapshot", "metadata"))), "created_at": now,
          "updated_at": now,
        ], tx: tx)
      try Table.layer.set(layer.id, ["unmanaged": false], tx: tx)
      let row = try SnapshotStore.require(id, auth, tx: tx)
      return ["snapshot": Self.snapshotView(row, call, isAdmin: true, isAnswer: true)]
    }
  }
}
