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
      let machine = try await adopt(guest)
      var record = before
      if machine == nil, record.wanted != .suspended { record.makeRoom() }
      try record.take(interface.portID, "interface")
      record.spec.interfaces.removeAll { $0.portID == interface.portID }
      record.spec.interfaces.append(interface)
      try guest.save(record)
      guard let machine else { return }
      do {
        try await plug(interface, record, machine)
      } catch {
        try guest.save(before)
        throw error
      }
    }
  }

  func plug(_ interface: GuestInterface, _ record: GuestRecord, _ machine: Guest.Machine) async throws {
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
      if let machine = try await adopt(guest) {
        let late = Fault.conflict("guest \(id) has not let go of the interface \(portID) within \(deadline)")
        try await unplug(QEMUArguments.deviceID(portID), guest, machine, deadline, late: late)
        _ = try? await machine.monitor.execute("netdev_del", ["id": .string(QEMUArguments.netdevID(portID))])
      }
      try guest.update { record in
        record.slots[portID] = nil
        record.spec.interfaces.removeAll { $0.portID == portID }
      }
    }
  }

  /// The guest has to let go of a device; one that does not hear yet is asked again. After `deadline`: the fault `late`.
  func unplug(
    _ device: String, _ guest: Guest, _ machine: Guest.Machine, _ deadline: Duration, late: Fault
  ) async throws {
    let (end, clock) = (ContinuousClock.now + deadline, ContinuousClock())
    var asked: ContinuousClock.Instant?
    while try await devices(machine).contains(device) {
      guard clock.now < end else { throw late }
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
  }

  /// Ids of the devices that have one.
  func devices(_ machine: Guest.Machine) async throws -> Set<String> {
    let list = try await machine.monitor.execute("qom-list", ["path": "/machine/peripheral"])
    return Set((list.array ?? []).compactMap { $0["name"]?.string })
  }
}
