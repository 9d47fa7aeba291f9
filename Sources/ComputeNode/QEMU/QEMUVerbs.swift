import Contracts
import Host
import Kit

extension QEMUHypervisor {
  /// Bytes that must be free for a guest to be made: its disks grow.
  private static let spaceMin = 256 << 20

  public func create(_ spec: GuestSpec) async throws {
    let facts = try ready()
    try GuestRecord.validate(spec)
    let guest = try guest(spec.id)
    try await guest.lock.withLock {
      if let record = try guest.record(), record.spec == spec || record.hasStarted { return }
      let free = try HostFiles.space(at: facts.folder).free
      guard free >= Self.spaceMin else {
        throw Fault.unavailable(
          "\(facts.folder) has \(free >> 20) MiB left; a guest needs at least \(Self.spaceMin >> 20) MiB")
      }
      try await end(guest)
      guest.forgetRecord()
      let folder = guest.folder
      try HostFiles.remove(folder.path)
      do {
        try HostFiles.makeFolder(folder.path, mode: 0o700)
        for disk in spec.disks { try await DiskImage.create(disk, at: folder.disk(disk.name)) }
        if let files = spec.configDrive {
          let image = try ISO9660.image(label: "config-2", files: files)
          try HostFiles.writeAtomically(folder.configDrive, image, mode: 0o400)
        }
        let machine = try Hardware(spec.hardware).machineType(version: facts.version)
        try guest.save(try GuestRecord(spec: spec, machine: machine))
      } catch {
        try HostFiles.remove(folder.path)
        throw error
      }
    }
  }

  public func delete(_ id: String) async throws {
    guard GuestRecord.isValidID(id) else { return }
    let guest = try guest(id)
    // At once, without the lock: a graceful shutdown that is under way ends by this.
    if let process = guest.machine?.process { try await process.terminate(grace: .zero) }
    try await guest.lock.withLock {
      try await end(guest)
      // The record goes first: what is left after a crash is half made.
      try HostFiles.remove(guest.folder.record)
      try HostFiles.remove(guest.folder.path)
      forget(guest)
    }
  }

  // MARK: - Power

  public func powerOn(_ id: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock { try await start(guest) }
  }

  private func start(_ guest: Guest) async throws {
    let record = try guest.existing()
    if let machine = try await adopt(guest) {
      let state = try await runState(machine)
      if state == .running || state == .paused { return }
      try await end(guest)
    }
    if record.wanted == .suspended, HostFiles.exists(guest.folder.memory) { return try await wake(guest) }
    // Before QEMU starts: should we end in between, the next one knows that it may have run.
    try guest.update {
      $0.wanted = .on
      $0.hasStarted = true
    }
    do {
      _ = try await launch(guest, isIncoming: false)
    } catch {
      try guest.update { $0.wanted = .off }
      throw error
    }
  }

  public func powerOff(_ id: String, grace: Duration) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock { try await stop(guest, grace: grace) }
  }

  /// How often a guest is asked again: one that is still starting does not hear it.
  private static let askAgain = Duration.seconds(10)

  private func stop(_ guest: Guest, grace: Duration) async throws {
    _ = try guest.existing()
    if grace > .zero, let machine = try? await adopt(guest), try await runState(machine) == .running {
      let (end, clock) = (ContinuousClock.now + grace, ContinuousClock())
      var asked: ContinuousClock.Instant?
      while clock.now < end, machine.process.isAlive {
        guard let state = try? await runState(machine), state == .running else { break }
        if asked.map({ clock.now - $0 > Self.askAgain }) ?? true {
          _ = try? await machine.monitor.execute("system_powerdown")
          asked = clock.now
        }
        try await Task.sleep(for: .milliseconds(50))
      }
    }
    try guest.update { $0.wanted = .off }
    try await end(guest)
    try HostFiles.remove(guest.folder.memory)
  }

  public func reboot(_ id: String, grace: Duration) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      try await stop(guest, grace: grace)
      try await start(guest)
    }
  }

  public func pause(_ id: String) async throws {
    let guest = try guest(id)
    _ = try await guest.lock.withLock { try await running(guest, "paused").monitor.execute("stop") }
  }

  public func unpause(_ id: String) async throws {
    let guest = try guest(id)
    _ = try await guest.lock.withLock { try await running(guest, "unpaused").monitor.execute("cont") }
  }

  /// The QEMU of a guest that must be running or paused.
  func running(_ guest: Guest, _ verb: String) async throws -> Guest.Machine {
    _ = try guest.existing()
    guard let machine = try await adopt(guest) else { throw guest.stopped(verb) }
    let state = try await runState(machine)
    guard state == .running || state == .paused else { throw guest.stopped(verb) }
    return machine
  }
}
