import API
import Contracts
import Kit
import Store
import Workflow

/// Volumes of servers (API reference, Servers with volume attachments).
enum VolumeAttachmentRoutes {
  private static let path = "/v2.1/servers/{server_id}/os-volume_attachments"
  private static func policyName(_ name: String) -> String { "os_compute_api:os-volumes-attachments:\(name)" }
  private static func policy(_ name: String, _ rule: Rule) -> Policy { Policy(policyName(name), rule) }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    [
      Route("GET", path, policy("index", .projectReader)) { call in try await list(call, service) },
      Route("POST", path, policy("create", .projectMember), body: .json) { call in
        try await attach(call, service)
      },
      Route("GET", path + "/{volume_id}", policy("show", .projectReader)) { call in
        let server = try await ServerAction(call: call, service: service).server()
        return .json(["volumeAttachment": .object(view(try server.device(ofVolume: volumeID(call)), call))])
      },
      Route(
        "PUT", path + "/{volume_id}", policy("swap", .service), until: Microversion(2, 84), body: .json
      ) { call in try await update(call, service) },
      Route(
        "PUT", path + "/{volume_id}", policy("update", .any([.service, .projectMember])), since: Microversion(2, 85),
        body: .json
      ) { call in try await update(call, service) },
      Route("DELETE", path + "/{volume_id}", policy("delete", .projectMember)) { call in
        try await detach(call, service)
      },
    ]
  }

  private static func volumeID(_ call: Call) -> String {
    let text = call.parameter("volume_id")
    return UUIDText.canonical(text) ?? text
  }

  // MARK: Views

  private static func view(_ device: BlockDevice, _ call: Call) -> JSONObject {
    var view = JSONObject()
    if !call.since(2, 89) { view.append("id", .optional(device.volumeID)) }
    view.append("volumeId", .optional(device.volumeID))
    view.append("serverId", .string(device.serverID))
    if let name = device.device { view.append("device", .string(name)) }
    if call.since(2, 70) { view.append("tag", .optional(device.tag)) }
    if call.since(2, 79) { view.append("delete_on_termination", .bool(device.deletesOnTermination)) }
    if call.since(2, 89) {
      view.append("attachment_id", .optional(device.attachmentID))
      view.append("bdm_uuid", .string(device.id))
    }
    return view
  }

  private static func list(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try CatalogueQuery.check(call, ["limit", "offset"], strictSince: 75)
    let server = try await ServerAction(call: call, service: service).server()
    let devices = try CatalogueQuery.slice(server.volumes.filter { $0.volumeID != nil }, call)
    return .json(["volumeAttachments": .array(devices.map { .object(view($0, call)) })])
  }

  // MARK: Attach

  private static func attach(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try VolumeAttachmentSchema.create(call.microversion).check(call.body)
    let auth = try call.auth
    let device = try await service.database.write { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try ServerAction(call: call, service: service).check(.attachVolume, server, isAdmin: auth.isAdmin, tx: tx)
      let device = try reserve(server, call, service, tx: tx)
      try enqueue(.attachVolume, device, server, call, service, tx: tx)
      return device
    }
    if call.since(2, 101) { return .empty(202) }
    var view = view(device, call)
    if call.since(2, 89) {
      // The members that show and list have since 2.89 never came here.
      (view["attachment_id"], view["bdm_uuid"], view["id"]) = (nil, nil, .optional(device.volumeID))
    }
    return .json(["volumeAttachment": .object(view)])
  }

  /// Checks the volume, reserves it for the server and writes its row. Throws 400, 403 and 404 faults.
  private static func reserve(
    _ server: Server, _ call: Call, _ service: ComputeDependencies, tx: any Transaction
  ) throws -> BlockDevice {
    let (wish, auth) = (call.body["volumeAttachment"] ?? .null, try call.auth)
    let id = wish["volumeId"]?.string.flatMap { UUIDText.canonical($0) } ?? ""
    let storage = try service.storage()
    guard let volume = try storage.volume(id, visibleTo: auth, tx: tx) else {
      throw Fault.notFound("Volume \(id.prefix(64)) could not be found.")
    }
    let others = try BlockDeviceStore.servers(ofVolume: id, tx: tx)
    if !volume.isMultiattach, !others.isEmpty {
      throw Fault.badRequest(
        "Invalid volume: volume \(id) is already attached to instances: \(others.joined(separator: " "))")
    }
    if others.contains(server.id) { throw Fault.badRequest("Invalid volume: volume \(id) already attached") }
    if volume.isMultiattach, !call.since(2, 60) { throw ServerVolumes.multiattachTooOld }
    guard server.volumes.count < BlockDevicePlan.volumesMax else { throw ServerVolumes.tooMany }
    var device = BlockDevice(source: .volume, isVolume: true)
    (device.serverID, device.volumeID, device.size) = (server.id, id, volume.sizeGB)
    device.tag = wish["tag"]?.string
    device.deletesOnTermination = wish["delete_on_termination"].flatMap { Schema.boolean($0) } ?? false
    // The name is the next free one, whatever was asked for: the guest decides by the order of its disks (as libvirt does).
    device.device = BlockDevice.name(bus: server.imageProperties["hw_disk_bus"], taken: server.deviceNames)
    device.attachmentID = try storage.reserve(id, serverID: server.id, tx: tx)
    try BlockDeviceStore.insert(device, tx: tx)
    return device
  }

  private static func enqueue(
    _ job: ServerJob, _ device: BlockDevice, _ server: Server, _ call: Call, _ service: ComputeDependencies,
    tx: any Transaction
  ) throws {
    let auth = try call.auth
    try service.engine.enqueue(
      NewJob(
        kind: job.rawValue, subject: server.subject,
        input: ["device": .string(device.id), "volume": .optional(device.volumeID)], requestID: call.requestID,
        userID: auth.user.id, projectID: auth.projectID), tx: tx)
  }

  // MARK: Detach

  private static func detach(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    try await service.database.write { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      let (id, storage) = (volumeID(call), try service.storage())
      guard let volume = try storage.volume(id, visibleTo: auth, tx: tx) else {
        throw Fault.notFound("Volume \(id.prefix(64)) could not be found.")
      }
      let device = try server.device(ofVolume: id)
      if device.isRoot { throw Fault.badRequest("Cannot detach a root device volume") }
      try ServerAction(call: call, service: service).check(.detachVolume, server, isAdmin: auth.isAdmin, tx: tx)
      try beginDetaching(device, volume, storage, tx: tx)
      try enqueue(.detachVolume, device, server, call, service, tx: tx)
    }
    return .empty(202)
  }

  private static func beginDetaching(
    _ device: BlockDevice, _ volume: VolumeSummary, _ storage: any VolumeAttaching, tx: any Transaction
  ) throws {
    guard volume.status == "in-use" else {
      throw Fault.badRequest(
        "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to "
          + "detach. Currently: status: '\(volume.status)'.")
    }
    if let attachment = device.attachmentID { try storage.beginDetaching(attachmentID: attachment, tx: tx) }
  }

  // MARK: Update and swap

  private static func update(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try VolumeAttachmentSchema.update(call.microversion).check(call.body)
    let (auth, old) = (try call.auth, volumeID(call))
    let new = call.body["volumeAttachment"]?["volumeId"]?.string.flatMap { UUIDText.canonical($0) } ?? ""
    let isSwap = !call.since(2, 85) || new != old
    if isSwap, !Rule.service.allows(auth) {
      throw Fault.forbidden(ErrorShape.compute.policyMessage(policyName("swap")))
    }
    try await service.database.write { tx in
      let server =
        auth.isService
        ? try ServerStore.find(call.parameter("server_id"), tx: tx).flatMap { $0.isDeleted ? nil : $0 }
        : try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      guard let server else {
        throw Fault.notFound("Instance \(call.parameter("server_id").prefix(64)) could not be found.")
      }
      if call.since(2, 85) { try change(server, old, call, tx: tx) }
      if isSwap { try swap(server, old, new, call, service, tx: tx) }
    }
    return .empty(202)
  }

  /// Changes what may change of an attachment: `delete_on_termination`. Throws upstream's 400 faults for the rest.
  private static func change(_ server: Server, _ id: String, _ call: Call, tx: any Transaction) throws {
    var device = try server.device(ofVolume: id)
    let wish = call.body["volumeAttachment"] ?? .null
    func keep(_ name: String, _ value: String?) throws {
      guard let given = wish[name], given.string != value else { return }
      throw Fault.badRequest("The \(name) property is not mutable")
    }
    try keep("id", id)
    try keep("serverId", server.id)
    try keep("device", device.device)
    try keep("tag", device.tag)
    guard let flag = wish["delete_on_termination"].flatMap({ Schema.boolean($0) }) else { return }
    device.deletesOnTermination = flag
    try BlockDeviceStore.save(device, tx: tx)
  }

  /// Reserves the new volume and enqueues the move to it. Throws 400, 404 and 409 faults.
  private static func swap(
    _ server: Server, _ oldID: String, _ newID: String, _ call: Call, _ service: ComputeDependencies,
    tx: any Transaction
  ) throws {
    let (auth, storage) = (try call.auth, try service.storage())
    func volume(_ id: String) throws -> VolumeSummary? {
      auth.isService ? try storage.volume(id, tx: tx) : try storage.volume(id, visibleTo: auth, tx: tx)
    }
    guard let old = try volume(oldID) else { throw Fault.notFound("Volume \(oldID.prefix(64)) could not be found.") }
    guard old.isMigrating else {
      throw Fault.conflict("volume \(oldID) is not migrating; this API should only be called by Cinder")
    }
    guard let new = try volume(newID) else { throw Fault.badRequest("Volume \(newID) could not be found.") }
    let device = try server.device(ofVolume: oldID)
    try ServerAction(call: call, service: service).check(.swapVolume, server, isAdmin: auth.isAdmin, tx: tx)
    guard new.sizeGB >= old.sizeGB else {
      throw Fault.badRequest("Invalid volume: New volume must be the same size or larger.")
    }
    guard new.status == "available" else {
      throw Fault.badRequest("Invalid volume: New volume must be detached in order to swap.")
    }
    if try BlockDeviceStore.servers(ofVolume: oldID, tx: tx).count > 1 {
      throw Fault.badRequest(
        "Swapping multi-attach volumes with more than one read/write attachment is not supported.")
    }
    try beginDetaching(device, old, storage, tx: tx)
    var row = BlockDevice(source: .volume, isVolume: true)
    (row.serverID, row.volumeID, row.size) = (server.id, newID, new.sizeGB)
    (row.device, row.bus, row.type, row.bootIndex) = (device.device, device.bus, device.type, device.bootIndex)
    row.replaces = device.id
    row.attachmentID = try storage.reserve(newID, serverID: server.id, tx: tx)
    try BlockDeviceStore.insert(row, tx: tx)
    try enqueue(.swapVolume, device, server, call, service, tx: tx)
  }
}

/// What bodies of attachments must look like, by microversion.
enum VolumeAttachmentSchema {
  private static let device = Schema.either([
    .null,
    .string(1...255) { BlockDevice.isName($0) ? nil : "it is not a device name such as /dev/vdb" },
  ])

  static func create(_ version: Microversion) -> Schema {
    var properties = [Schema.required("volumeId", .uuid), Schema.may("device", device)]
    if version >= Microversion(2, 49) { properties.append(Schema.may("tag", ServerSchema.tag)) }
    if version >= Microversion(2, 79) { properties.append(Schema.may("delete_on_termination", .looseBoolean)) }
    return .object([Schema.required("volumeAttachment", .object(properties))])
  }

  static func update(_ version: Microversion) -> Schema {
    var properties = [Schema.required("volumeId", .uuid)]
    if version >= Microversion(2, 85) {
      properties += [
        Schema.may("device", device), Schema.may("tag", ServerSchema.tag),
        Schema.may("delete_on_termination", .looseBoolean), Schema.may("serverId", .uuid), Schema.may("id", .uuid),
      ]
    }
    return .object([Schema.required("volumeAttachment", .object(properties))])
  }
}
