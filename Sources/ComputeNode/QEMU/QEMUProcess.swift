import Contracts
import Glibc
import Host
import Kit

/// Starting, finding and ending the QEMU of a guest. The guest's lock is held in all of these.
extension QEMUHypervisor {
  private static let startDeadline = Duration.seconds(30)
  private static let greetingDeadline = Duration.seconds(10)

  /// The running QEMU of a guest: the one we are connected to, or one that another process of ours has started.
  func adopt(_ guest: Guest) async throws -> Guest.Machine? {
    if let machine = guest.machine {
      if machine.process.isAlive { return machine }
      guest.machine = nil
    }
    guard let process = try guest.folder.process() else { return nil }
    do {
      let machine = try await connect(guest, process)
      switch try await runState(machine) {
      case .shutdown:
        // It shut down while nobody looked.
        try guest.update { $0.wanted = .off }
        try await end(guest)
        return nil
      case .crashed:
        try await end(guest)
        return nil
      default:
        await sweep(guest, machine)
        return machine
      }
    } catch {
      // It may have been about to end.
      if try await process.waitForEnd(deadline: .milliseconds(200)) { return nil }
      throw error
    }
  }

  private func connect(_ guest: Guest, _ process: ProcessHandle) async throws -> Guest.Machine {
    let (source, id, connection) = (newsSource, guest.id, UUIDText.makeHex())
    let monitor = try await QMPClient.connect(
      guest.folder.monitor, deadline: Self.greetingDeadline,
      onEvent: { name, _ in
        if let kind = GuestNews.Kind(rawValue: name) {
          source.yield(GuestNews(id: id, connection: connection, kind: kind))
        }
      },
      onClose: { source.yield(GuestNews(id: id, connection: connection, kind: .closed)) })
    let machine = Guest.Machine(process: process, monitor: monitor, connection: connection)
    guest.machine = machine
    return machine
  }

  /// Starts QEMU for a guest that has none.
  func launch(_ guest: Guest, isIncoming: Bool) async throws -> Guest.Machine {
    var record = try guest.existing()
    for volume in record.spec.volumes { try VolumeFile(volume).checkExists() }
    for interface in record.spec.interfaces where try await !TapDevice.exists(interface.tapName, in: namespace) {
      throw Fault.unavailable(
        "guest \(guest.id) cannot start: the device \(interface.tapName) of port \(interface.portID) does not exist")
    }
    if record.swapping != nil {
      // The next volume was as small as the one before while QEMU copied.
      for volume in record.spec.volumes { try await VolumeFile(volume).grow(to: volume.sizeBytes) }
    }
    // What was of the QEMU before. A guest that is resumed must have the ports it had.
    (record.aliases, record.swapping) = (nil, nil)
    if !isIncoming { record.makeRoom() }
    if try record != guest.existing() { try guest.save(record) }
    let arguments = try QEMUArguments(
      record: record, folder: guest.folder.path, accelerator: try ready().accelerator, isIncoming: isIncoming
    ).make()
    try HostFiles.remove(guest.folder.pidFile)
    try HostFiles.remove(guest.folder.monitor)
    let process = try await Daemon.start(
      Self.program, arguments, log: guest.folder.log, directory: guest.folder.path, namespace: namespace)
    let end = ContinuousClock.now + Self.startDeadline
    while true {
      // The socket is there a moment before QEMU listens at it.
      if HostFiles.exists(guest.folder.monitor), HostFiles.exists(guest.folder.pidFile),
        let machine = try? await connect(guest, process)
      {
        return machine
      }
      guard process.isAlive else { throw failure(guest, "QEMU ended while it started") }
      guard ContinuousClock.now < end else {
        try await process.terminate(grace: .zero)
        throw failure(guest, "QEMU could not be driven within \(Self.startDeadline)")
      }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  /// Why it failed, with what QEMU said last.
  func failure(_ guest: Guest, _ what: String) -> Fault {
    let said = HostFiles.tail(guest.folder.log, bytes: 4000).split(separator: "\n").suffix(3).joined(separator: "; ")
    return Fault.internal("guest \(guest.id): \(what): \(said.isEmpty ? "it said nothing" : said)")
  }

  /// Ends the guest's QEMU, if there is one, as pulling the plug would; what it wrote to its disks is written out.
  func end(_ guest: Guest) async throws {
    if let machine = guest.machine {
      // Forgotten first: its end is then no news.
      guest.machine = nil
      _ = try? await machine.monitor.execute("quit", deadline: .seconds(2))
      if try await !machine.process.waitForEnd(deadline: .seconds(3)) {
        try await machine.process.terminate(grace: .zero)
      }
      await machine.monitor.close()
    }
    while let process = try guest.folder.process() { try await process.terminate(grace: .zero) }
    try HostFiles.remove(guest.folder.pidFile)
  }
}
