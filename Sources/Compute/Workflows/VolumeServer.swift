import Contracts
import Kit
import Store
import Workflow

/// Hot plugs volumes: attach, detach, swap and growth. Reservations and rows were written with the request; every workflow
/// ends: a guest that does not let go of a volume keeps it, and the action says why.
struct VolumeServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  private var volumes: ServerVolumes { ServerVolumes(service: service) }

  var definitions: [WorkflowDefinition] {
    let grace = service.settings.volumeDetachDeadline
    return [
      WorkflowDefinition(
        kind: ServerJob.attachVolume.rawValue, deadline: .seconds(900),
        steps: [
          Step("prepare", deadline: .seconds(600)) { context in
            // A volume may be attached while it is being made.
            let device = try await device(context)
            try await volumes.waitReady(device.volumeID ?? "")
            // From here on the guest may have it.
            return mark(device.id, isAttached: true)
          },
          Step("plug", deadline: .seconds(120), run: plug, undo: unplugAfterFailure),
        ], onFailed: attachFailed),
      WorkflowDefinition(
        kind: ServerJob.detachVolume.rawValue, deadline: grace + .seconds(180),
        steps: [
          Step("unplug", deadline: grace + .seconds(60), run: unplug),
          Step("release", deadline: .seconds(30), attempts: 3) { context in
            let id = deviceID(context.job)
            return StepResult { tx in
              guard let device = try BlockDeviceStore.find(id, tx: tx) else { return }
              if let attachment = device.attachmentID {
                try service.storage().release(attachmentID: attachment, tx: tx)
              }
              try BlockDeviceStore.remove(id, tx: tx)
            }
          },
        ], onFailed: keepAttached),
      WorkflowDefinition(
        kind: ServerJob.swapVolume.rawValue, deadline: .seconds(10_800),
        steps: [Step("mirror", deadline: .seconds(10_000), run: swap)], onFailed: swapFailed),
      WorkflowDefinition(
        kind: ServerJob.extendVolume.rawValue, deadline: .seconds(180),
        steps: [Step("resize", deadline: .seconds(90), run: grow)], onFailed: guest.keepState),
    ]
  }

  @Sendable private func deviceID(_ job: Job) -> String { job.input["device"]?.string ?? "" }

  /// The device of the job. Throws 404 when it is gone.
  private func device(_ context: StepContext) async throws -> BlockDevice {
    let id = deviceID(context.job)
    guard let device = try await service.database.read({ try BlockDeviceStore.find(id, tx: $0) }) else {
      throw Fault.notFound("The volume is not attached to instance \(ServerGuest.id(context.job)) any more.")
    }
    return device
  }

  /// Records whether the guest may have the volume of a device.
  private func mark(_ id: String, isAttached: Bool) -> StepResult {
    StepResult { tx in
      guard var device = try BlockDeviceStore.find(id, tx: tx) else { return }
      device.isAttached = isAttached
      try BlockDeviceStore.save(device, tx: tx)
    }
  }

  /// Returns when no guest has the volume open.
  private func letGo(_ device: BlockDevice) async throws {
    do {
      try await service.hypervisor.detach(
        volumeID: device.volumeID ?? "", from: device.serverID, deadline: service.settings.volumeDetachDeadline)
    } catch let fault as Fault where fault.status == 404 {
      // Without a guest nothing has it open.
    }
  }

  // MARK: Attach

  @Sendable private func plug(_ context: StepContext) async throws -> StepResult {
    let device = try await device(context)
    guard let volume = try await volumes.connect([device]).first else {
      throw Fault.internal("The volume of device \(device.id) is not reserved.")
    }
    try await service.hypervisor.attach(volume, to: device.serverID)
    return StepResult { tx in
      if let attachment = device.attachmentID { try service.storage().complete(attachmentID: attachment, tx: tx) }
    }
  }

  @Sendable private func unplugAfterFailure(_ context: StepContext) async throws -> StepResult {
    let device = try await device(context)
    try await letGo(device)
    return mark(device.id, isAttached: false)
  }

  @Sendable private func attachFailed(_ tx: any Transaction, _ job: Job, _ fault: Fault) throws {
    try guest.keepState(tx, job, fault)
    guard let device = try BlockDeviceStore.find(deviceID(job), tx: tx), let attachment = device.attachmentID else {
      return
    }
    if device.isAttached {
      // The guest did not let go of it again: it is attached after all.
      try service.storage().complete(attachmentID: attachment, tx: tx)
    } else {
      try service.storage().release(attachmentID: attachment, tx: tx)
      try BlockDeviceStore.remove(device.id, tx: tx)
    }
  }

  // MARK: Detach

  @Sendable private func unplug(_ context: StepContext) async throws -> StepResult {
    try await letGo(try await device(context))
    return .done
  }

  @Sendable private func keepAttached(_ tx: any Transaction, _ job: Job, _ fault: Fault) throws {
    if let attachment = try BlockDeviceStore.find(deviceID(job), tx: tx)?.attachmentID {
      try service.storage().keepAttached(attachmentID: attachment, tx: tx)
    }
    try guest.keepState(tx, job, fault)
  }

  // MARK: Swap

  /// The old device is the job's; the new one's row names it.
  @Sendable private func swap(_ context: StepContext) async throws -> StepResult {
    let old = try await device(context)
    let devices = try await service.database.read { tx in
      try BlockDeviceStore.devices(ofServers: [old.serverID], tx: tx)[old.serverID] ?? []
    }
    guard let new = devices.first(where: { $0.replaces == old.id }), let oldID = old.volumeID,
      let volume = try await volumes.connect([new]).first
    else { throw Fault.notFound("The volume that was to replace \(old.volumeID ?? "") is not reserved any more.") }
    try await service.hypervisor.swap(oldID, for: volume, of: old.serverID)
    return StepResult { tx in
      let storage = try service.storage()
      if let attachment = new.attachmentID { try storage.complete(attachmentID: attachment, tx: tx) }
      if let attachment = old.attachmentID { try storage.release(attachmentID: attachment, tx: tx) }
      try BlockDeviceStore.remove(new.id, tx: tx)
      guard var device = try BlockDeviceStore.find(old.id, tx: tx) else { return }
      (device.volumeID, device.attachmentID, device.size) = (new.volumeID, new.attachmentID, new.size)
      try BlockDeviceStore.save(device, tx: tx)
    }
  }

  @Sendable private func swapFailed(_ tx: any Transaction, _ job: Job, _ fault: Fault) throws {
    let id = ServerGuest.id(job)
    for device in try BlockDeviceStore.devices(ofServers: [id], tx: tx)[id] ?? []
    where device.replaces == deviceID(job) {
      if let attachment = device.attachmentID { try service.storage().release(attachmentID: attachment, tx: tx) }
      try BlockDeviceStore.remove(device.id, tx: tx)
    }
    try keepAttached(tx, job, fault)
  }

  // MARK: Growth

  /// Block Storage has grown the volume's file, or lets the guest's driver do it.
  @Sendable private func grow(_ context: StepContext) async throws -> StepResult {
    let id = context.input["volume"]?.string ?? ""
    let volume = try await service.database.read { [service] tx in try service.storage().volume(id, tx: tx) }
    guard let volume else { throw Fault.notFound("Volume \(id) could not be found.") }
    try await service.hypervisor.growVolume(
      id, of: ServerGuest.id(context.job), sizeBytes: volume.sizeGB << 30)
    return .done
  }
}

extension ComputeService: VolumeUsers {
  public func volumeGrew(_ volumeID: String, serverID: String, sizeBytes: Int) async throws {
    try await dependencies.hypervisor.growVolume(volumeID, of: serverID, sizeBytes: sizeBytes)
  }

  public func volumeExtended(_ volumeID: String, serverID: String, requestID: String, tx: any Transaction) throws {
    guard let server = try ServerStore.find(serverID, tx: tx), !server.isDeleted, server.host != nil else { return }
    try dependencies.engine.enqueue(
      NewJob(
        kind: ServerJob.extendVolume.rawValue, subject: server.subject, input: ["volume": .string(volumeID)],
        requestID: requestID, userID: server.userID, projectID: server.projectID), tx: tx)
  }

  public func copyVolume(_ volumeID: String, serverID: String, to path: String) async throws {
    try await dependencies.hypervisor.copyVolume(volumeID, of: serverID, to: path)
  }

  public func swapVolume(_ volumeID: String, serverID: String, to target: VolumeConnection) async throws {
    let service = dependencies
    let found = try await service.database.read { tx -> (BlockDevice, VolumeSummary)? in
      guard let server = try ServerStore.find(serverID, tx: tx), !server.isDeleted,
        let volume = try service.storage().volume(volumeID, tx: tx)
      else { return nil }
      return (try server.device(ofVolume: volumeID), volume)
    }
    guard let (device, volume) = found else {
      throw Fault.notFound("Instance \(serverID.prefix(64)) is not attached to volume \(volumeID.prefix(64))")
    }
    try await service.hypervisor.swap(volumeID, for: device.guestVolume(target, of: volume), of: serverID)
  }
}
