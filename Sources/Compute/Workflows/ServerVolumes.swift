import Contracts
import Kit
import Store
import Workflow

extension ComputeDependencies {
  /// Block Storage. Throws a 400 fault when this cloud has none.
  func storage() throws -> any VolumeAttaching {
    guard let volumes else {
      throw BlockDeviceOrder.invalid(
        "this cloud has no block storage service, so servers cannot use volumes or snapshots. Boot from an image "
          + "instead (imageRef).")
    }
    return volumes
  }
}

/// What routes and workflows do with the volumes of servers.
struct ServerVolumes: Sendable {
  let service: ComputeDependencies

  static let multiattachTooOld = Fault.badRequest(
    "Multiattach volumes are only supported starting with compute API version 2.60.")
  static let tooMany = Fault.forbidden(
    "The maximum allowed number of disk devices (\(BlockDevicePlan.volumesMax)) to attach to a single instance has been "
      + "exceeded.")

  // MARK: Rows

  /// Writes the devices of a new server and reserves the volumes that exist.
  func insert(_ devices: [BlockDevice], tx: any Transaction) throws {
    for device in devices {
      var device = device
      if let volume = device.volumeID {
        device.attachmentID = try service.storage().reserve(volume, serverID: device.serverID, tx: tx)
      }
      try BlockDeviceStore.insert(device, tx: tx)
    }
  }

  /// Makes and reserves the volumes that a server is still to get.
  func make(_ server: Server, _ job: Job, tx: any Transaction) throws {
    let devices = try BlockDeviceStore.devices(ofServers: [server.id], tx: tx)[server.id] ?? []
    for var device in devices where device.isVolume && device.volumeID == nil {
      let source: VolumeSource =
        switch device.source {
        case .image: .image(device.sourceID ?? "")
        case .snapshot: .snapshot(device.sourceID ?? "")
        case .blank, .volume: .blank
        }
      let id = try service.storage().create(
        sizeGB: device.size, source: source, type: device.volumeType,
        name: device.source == .blank ? "\(server.id)-blank-vol" : "", zone: "", auth: AuthContext(job),
        requestID: job.requestID, tx: tx)
      device.volumeID = id
      device.attachmentID = try service.storage().reserve(id, serverID: server.id, tx: tx)
      try BlockDeviceStore.save(device, tx: tx)
    }
  }

  /// The guest has its volumes open: they are in use.
  func complete(_ serverID: String, tx: any Transaction) throws {
    for var device in try BlockDeviceStore.devices(ofServers: [serverID], tx: tx)[serverID] ?? [] {
      guard device.replaces == nil, let attachment = device.attachmentID else { continue }
      try service.storage().complete(attachmentID: attachment, tx: tx)
      device.isAttached = true
      try BlockDeviceStore.save(device, tx: tx)
    }
  }

  /// The guest is gone for a while: its volumes are closed and stay reserved for it.
  func disconnect(_ serverID: String, tx: any Transaction) throws {
    for var device in try BlockDeviceStore.devices(ofServers: [serverID], tx: tx)[serverID] ?? [] {
      guard let attachment = device.attachmentID else { continue }
      try service.storage().disconnect(attachmentID: attachment, tx: tx)
      device.isAttached = false
      try BlockDeviceStore.save(device, tx: tx)
    }
  }

  /// Takes all volumes from a server and deletes those that end with it; after a failed build also those that were made
  /// for it. A volume that cannot be deleted stays, and the log says why.
  func release(_ serverID: String, requestID: String, withMade: Bool, tx: any Transaction) throws {
    guard let storage = service.volumes else { return }
    for device in try BlockDeviceStore.devices(ofServers: [serverID], tx: tx)[serverID] ?? [] {
      if let attachment = device.attachmentID { try storage.release(attachmentID: attachment, tx: tx) }
      guard let volume = device.volumeID, device.deletesOnTermination || withMade && device.isMade else { continue }
      do {
        try storage.delete(volume, requestID: requestID, tx: tx)
      } catch let fault as Fault {
        service.log.warning("volume \(volume) of server \(serverID) stays: \(fault)")
      }
    }
    try BlockDeviceStore.removeAll(ofServer: serverID, tx: tx)
  }

  // MARK: The node

  /// Returns when every volume of a server that is built has its data.
  func waitReady(_ server: Server) async throws {
    for device in server.volumes {
      if let id = device.volumeID { try await waitReady(id) }
    }
  }

  /// Returns when a volume has its data, which is another job's work.
  func waitReady(_ id: String) async throws {
    try await service.engine.whileWaiting { try await service.storage().waitReady(id) }
  }

  /// Opens a server's volumes on this node. Opening them again is fine.
  func connect(_ devices: [BlockDevice]) async throws -> [GuestVolume] {
    var volumes: [GuestVolume] = []
    for device in devices {
      guard let attachment = device.attachmentID, let id = device.volumeID else { continue }
      let storage = try service.storage()
      let connection = try await storage.connect(
        attachmentID: attachment, host: service.settings.host, mountpoint: device.device ?? "")
      guard let volume = try await service.database.read({ try storage.volume(id, tx: $0) }) else {
        throw Fault.notFound("Volume \(id) could not be found.")
      }
      volumes.append(device.guestVolume(connection, of: volume))
    }
    return volumes
  }
}

extension AuthContext {
  /// Who asked for a job, with a member's rights (an administrator's where the job's input says so), for what its
  /// workflow makes in their name.
  init(_ job: Job) {
    let isAdmin = job.input["isAdmin"]?.bool == true
    let domain = Named(id: "default", name: "Default")
    self.init(
      user: Named(id: job.userID, name: ""), userDomain: domain, project: Named(id: job.projectID, name: ""),
      projectDomain: domain, roles: isAdmin ? ["admin", "member", "reader"] : ["member", "reader"],
      tokenID: Secret(""), expiresAt: job.deadline)
  }
}
