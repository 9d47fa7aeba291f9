import Contracts
import Host
import Kit

extension QEMUHypervisor {
  // MARK: - Attaching and detaching

  public func attach(_ volume: GuestVolume, to id: String) async throws {
    try VolumeFile.validate(volume)
    let guest = try guest(id)
    try await guest.lock.withLock {
      let before = try guest.existing()
      let machine = try await awake(guest, before)
      if let machine {
        let isPlugged = try await devices(machine).contains(before.deviceID(volume))
        if isPlugged, before.spec.volumes.contains(where: { $0.volumeID == volume.volumeID }) { return }
        try before.spec.refuseHotPlug(volume)
      }
      try VolumeFile(volume).checkExists()
      var record = before
      if machine == nil { record.makeRoom() }
      try record.add(volume)
      try guest.save(record)
      guard let machine else { return }
      do {
        try await plug(volume, record, machine)
      } catch {
        try guest.save(before)
        throw error
      }
    }
  }

  /// Opens a volume's file in a running QEMU and gives it to the guest.
  private func plug(_ volume: GuestVolume, _ record: GuestRecord, _ machine: Guest.Machine) async throws {
    let disks = QEMUDisks(
      record: record, folder: GuestFolder(""), hardware: try Hardware(record.spec.hardware))
    let device = try disks.device(volume)
    do {
      try await open(volume, machine)
      try await machine.monitor.execute("device_add", device)
    } catch {
      await clear(VolumeFile(volume), machine)
      throw explained(error, volume)
    }
  }

  public func detach(volumeID: String, from id: String, deadline: Duration) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      guard let volume = record.spec.volumes.first(where: { $0.volumeID == volumeID }) else { return }
      if let machine = try await awake(guest, record) {
        try record.spec.refuseHotPlug(volume)
        let late = GuestVolume.notReleased(volumeID, by: id, within: deadline)
        try await unplug(record.deviceID(volume), guest, machine, deadline, late: late)
        try await close(VolumeFile(volume), machine)
      }
      try guest.update { $0.remove(volumeID: volumeID) }
    }
  }

  /// The QEMU of a guest that is on; nil when it is off. A fault for a suspended one.
  func awake(_ guest: Guest, _ record: GuestRecord) async throws -> Guest.Machine? {
    if record.wanted == .suspended { throw GuestVolume.isSuspended(guest.id) }
    return try await adopt(guest)
  }

  /// Gives the guest back what it has let go of after we had stopped waiting for that.
  func plugAgain(_ guest: Guest, _ machine: Guest.Machine) async throws {
    let record = try guest.existing()
    let present = try await devices(machine)
    for volume in record.spec.volumes where !present.contains(record.deviceID(volume)) {
      log.info("guest \(guest.id) let go of volume \(volume.volumeID) too late; it gets it back")
      try await plug(volume, record, machine)
    }
    for interface in record.spec.interfaces {
      try await plug(interface, record, machine)
    }
  }

  // MARK: - Growing and copying

  public func growVolume(_ volumeID: String, of id: String, sizeBytes: Int) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      let volume = try record.spec.volume(volumeID, of: id)
      if let machine = try await adopt(guest) {
        try await grow(VolumeFile(volume), to: sizeBytes, machine)
      } else {
        try await VolumeFile(volume).grow(to: sizeBytes)
      }
      try guest.update { record in
        guard let at = record.spec.volumes.firstIndex(where: { $0.volumeID == volumeID }) else { return }
        record.spec.volumes[at].sizeBytes = max(record.spec.volumes[at].sizeBytes, sizeBytes)
      }
    }
  }

  /// Also when the file has the size already: the guest learns of it by this.
  func grow(_ file: VolumeFile, to sizeBytes: Int, _ machine: Guest.Machine) async throws {
    if try await openSize(file, machine) > sizeBytes { return }
    try await machine.monitor.execute(
      "block_resize", ["node-name": .string(file.topNode), "size": .int(sizeBytes)], deadline: Self.openDeadline)
  }

  /// Size in bytes as QEMU sees it.
  func openSize(_ file: VolumeFile, _ machine: Guest.Machine) async throws -> Int {
    let node = try await nodes(machine).first { $0["node-name"]?.string == file.topNode }
    guard let size = node?["image"]?["virtual-size"]?.int else {
      throw Fault.internal("QEMU does not have volume \(file.volumeID) open")
    }
    return size
  }

  public func copyVolume(_ volumeID: String, of id: String, to path: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let volume = try guest.existing().spec.volume(volumeID, of: id)
      guard volume.connection.secretPath == nil else {
        throw Fault.badRequest("volume \(volumeID) is encrypted: its copy would not be")
      }
      let file = VolumeFile(volume)
      if let machine = try await adopt(guest) {
        // Below the limits, which are those of the guest.
        try await backup(file.formatNode, key: file.key, machine, to: path)
      } else {
        try await file.copy(to: path)
      }
    }
  }

  // MARK: - Nodes

  /// Longest time for opening a volume's file: that of an encrypted one computes its key.
  private static let openDeadline = Duration.seconds(60)

  func open(_ volume: GuestVolume, _ machine: Guest.Machine) async throws {
    let file = VolumeFile(volume)
    // Left over when one of us was ended half-way.
    await clear(file, machine)
    for object in file.objects { try await machine.monitor.execute("object-add", object) }
    try await machine.monitor.execute("blockdev-add", file.node, deadline: Self.openDeadline)
  }

  /// Closes a volume's file; done when QEMU has.
  func close(_ file: VolumeFile, _ machine: Guest.Machine) async throws {
    let end = ContinuousClock.now + Self.openDeadline
    while true {
      await clear(file, machine)
      let names = Set(try await nodes(machine).compactMap { $0["node-name"]?.string })
      if names.isDisjoint(with: file.nodes) { return }
      guard ContinuousClock.now < end else {
        throw Fault.internal("QEMU has not closed the file \(file.connection.path) of volume \(file.volumeID)")
      }
      // A device that has gone may hold its node for a moment.
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// Removes what there is of a volume in QEMU and is not in use.
  func clear(_ file: VolumeFile, _ machine: Guest.Machine) async {
    for job in [Self.copyJob(file.key), Self.swapJob(file.key)] { await cancel(.string(job), machine) }
    for node in file.nodes { _ = try? await machine.monitor.execute("blockdev-del", ["node-name": .string(node)]) }
    for object in [file.limitsID, file.secretID] {
      _ = try? await machine.monitor.execute("object-del", ["id": .string(object)])
    }
  }

  func nodes(_ machine: Guest.Machine) async throws -> [JSONValue] {
    try await machine.monitor.execute("query-named-block-nodes", ["flat": true]).array ?? []
  }

  /// Says in the user's words what QEMU found.
  func explained(_ error: any Error, _ volume: GuestVolume) -> Fault {
    let fault = Fault(error)
    let what = "volume \(volume.volumeID) cannot be opened"
    if fault.message.contains("lock") {
      return Fault.conflict("\(what): another process uses its file \(volume.connection.path)")
    }
    return Fault(fault.status, kind: fault.kind, "\(what): \(fault.message)")
  }

  // MARK: - Display

  public func displaySocket(of id: String) async throws -> String? {
    let guest = try guest(id)
    return try await guest.lock.withLock {
      _ = try guest.existing()
      return try await adopt(guest) == nil ? nil : guest.folder.display
    }
  }
}
