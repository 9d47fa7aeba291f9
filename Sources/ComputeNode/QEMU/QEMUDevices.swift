import Contracts
import Host
import Kit

extension QEMUHypervisor {
  // MARK: - Interfaces

  public func attach(_ interface: GuestInterface, to id: String) async throws {
    guard GuestRecord.isValidID(interface.portID) else { throw Fault.badRequest("'\(interface.portID)' is not an id") }
    let guest = try guest(id)
    try await guest.lock.withLock {
      let before = try guest.existing()
      guard let slot = before.slots[interface.portID] ?? before.freeSlot else {
        throw Fault.conflict("guest \(id) has no place for another interface: all \(before.portCount) are taken")
      }
      let record = try guest.update { record in
        record.slots[interface.portID] = slot
        record.spec.interfaces.removeAll { $0.portID == interface.portID }
        record.spec.interfaces.append(interface)
      }
      guard let machine = try await adopt(guest) else { return }
      do {
        try await plug(interface, record, machine)
      } catch {
        try guest.save(before)
        throw error
      }
    }
  }

  private func plug(_ interface: GuestInterface, _ record: GuestRecord, _ machine: Guest.Machine) async throws {
    if try await devices(machine).contains(QEMUArguments.deviceID(interface.portID)) { return }
    guard try await TapDevice.exists(interface.tapName, in: namespace) else {
      throw Fault.unavailable("the device \(interface.tapName) of port \(interface.portID) does not exist")
    }
    let netdev = QEMUArguments.netdevID(interface.portID)
    // Left over when one of us was ended half-way.
    _ = try? await machine.monitor.execute("netdev_del", ["id": .string(netdev)])
    try await machine.monitor.execute("netdev_add", QEMUArguments.netdev(interface))
    do {
      let nic = QEMUArguments.nic(interface, record, try Hardware(record.spec.hardware))
      try await machine.monitor.execute("device_add", nic)
    } catch {
      _ = try? await machine.monitor.execute("netdev_del", ["id": .string(netdev)])
      throw error
    }
  }

  public func detach(portID: String, from id: String, deadline: Duration) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      guard record.slots[portID] != nil else { return }
      if let machine = try await adopt(guest) { try await unplug(portID, guest, machine, deadline) }
      try guest.update { record in
        record.slots[portID] = nil
        record.spec.interfaces.removeAll { $0.portID == portID }
      }
    }
  }

  /// The guest has to let go of a device; one that does not hear yet is asked again.
  private func unplug(
    _ portID: String, _ guest: Guest, _ machine: Guest.Machine, _ deadline: Duration
  ) async throws {
    let device = QEMUArguments.deviceID(portID)
    let (end, clock) = (ContinuousClock.now + deadline, ContinuousClock())
    var asked: ContinuousClock.Instant?
    while try await devices(machine).contains(device) {
      guard clock.now < end else {
        throw Fault.conflict("guest \(guest.id) has not let go of the interface \(portID) within \(deadline)")
      }
      if asked.map({ clock.now - $0 > .seconds(5) }) ?? true {
        // Refused while an earlier request is pending: then that one is waited for.
        do {
          try await machine.monitor.execute("device_del", ["id": .string(device)])
        } catch let fault as Fault where fault.kind == "GenericError" || fault.kind == "DeviceNotFound" {
          log.debug("guest \(guest.id): device_del \(device): \(fault.message)")
        }
        asked = clock.now
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    _ = try? await machine.monitor.execute("netdev_del", ["id": .string(QEMUArguments.netdevID(portID))])
  }

  /// Ids of the devices that have one.
  private func devices(_ machine: Guest.Machine) async throws -> Set<String> {
    let list = try await machine.monitor.execute("qom-list", ["path": "/machine/peripheral"])
    return Set((list.array ?? []).compactMap { $0["name"]?.string })
  }

  // MARK: - Snapshots

  /// Longest time for copying a disk.
  private static let copyDeadline = Duration.seconds(3600)

  /// Writes the first disk as it is now to a new qcow2 file that depends on no other. A running guest goes on: the
  /// copy is of one moment, as after a power cut.
  public func snapshotRoot(of id: String, to path: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      guard let disk = try guest.existing().spec.disks.first else {
        throw Fault.conflict("guest \(id) has no disk of its own to copy")
      }
      let source = guest.folder.disk(disk.name)
      do {
        if let machine = try await adopt(guest) {
          let size = try DiskImage.header(source, format: "qcow2").virtualSize
          _ = try await Command("qemu-img", ["create", "-q", "-f", "qcow2", path, "\(size)"]).check()
          try await backup(disk.name, machine, to: path)
        } else {
          _ = try await Command(
            "qemu-img", ["convert", "-f", "qcow2", "-O", "qcow2", source, path], deadline: Self.copyDeadline
          ).check()
        }
      } catch {
        try HostFiles.remove(path)
        throw error
      }
    }
  }

  /// QEMU's blockdev-backup (qapi/block-core.json) into a file that exists.
  private func backup(_ disk: String, _ machine: Guest.Machine, to path: String) async throws {
    let (node, job): (JSONValue, JSONValue) = (.string("snapshot-\(disk)"), .string("backup-\(disk)"))
    // Left over when one of us was ended half-way.
    _ = try? await machine.monitor.execute("job-cancel", ["id": job])
    _ = try? await machine.monitor.execute("job-dismiss", ["id": job])
    _ = try? await machine.monitor.execute("blockdev-del", ["node-name": node])
    var target = QEMUArguments.drive(disk, path)
    target["node-name"] = node
    try await machine.monitor.execute("blockdev-add", target)
    do {
      try await machine.monitor.execute(
        "blockdev-backup",
        [
          "job-id": job, "device": .string(QEMUArguments.driveID(disk)), "target": node, "sync": "full",
          "auto-dismiss": false,
        ])
      try await concluded(job, machine)
    } catch {
      _ = try? await machine.monitor.execute("job-cancel", ["id": job])
      _ = try? await machine.monitor.execute("job-dismiss", ["id": job])
      _ = try? await machine.monitor.execute("blockdev-del", ["node-name": node])
      throw error
    }
    try await machine.monitor.execute("job-dismiss", ["id": job])
    try await machine.monitor.execute("blockdev-del", ["node-name": node])
  }

  private func concluded(_ job: JSONValue, _ machine: Guest.Machine) async throws {
    let end = ContinuousClock.now + Self.copyDeadline
    while ContinuousClock.now < end {
      let jobs = try await machine.monitor.execute("query-jobs").array ?? []
      guard let found = jobs.first(where: { $0["id"] == job }) else { throw Fault.internal("QEMU lost the copy's job") }
      if found["status"]?.string == "concluded" {
        if let error = found["error"]?.string { throw Fault.internal("QEMU could not copy the disk: \(error)") }
        return
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw Fault.internal("QEMU had not copied the disk after \(Self.copyDeadline)")
  }
}
