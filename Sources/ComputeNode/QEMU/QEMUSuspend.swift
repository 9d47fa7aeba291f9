import Contracts
import Glibc
import Host
import Kit

/// Suspending: QEMU's migration stream goes through a unix socket of ours into a file and back. That works with every
/// version, and with a QEMU that may not start programs.
extension QEMUHypervisor {
  /// Longest time for saving or reading memory.
  private static let memoryDeadline = Duration.seconds(600)

  public func suspend(_ id: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      guard let machine = try await adopt(guest) else {
        if record.wanted == .suspended { return }
        throw guest.stopped("suspended")
      }
      let status = try await machine.monitor.execute("query-status")["status"]?.string
      guard status != "shutdown", status != "internal-error" else { throw guest.stopped("suspended") }
      // Saved already, by one of us that was ended before it could say so.
      if status != "postmigrate" || !HostFiles.exists(guest.folder.memory) {
        let isPaused = status == "paused"
        try await save(guest, machine, isPaused: isPaused)
        try guest.update { $0.wasPaused = isPaused }
      }
      try guest.update { $0.wanted = .suspended }
      try await end(guest)
    }
  }

  private func save(_ guest: Guest, _ machine: Guest.Machine, isPaused: Bool) async throws {
    try HostFiles.remove(guest.folder.memory)
    let temporary = guest.folder.memory + ".tmp"
    let socketPath = "\(guest.folder.path)/\(GuestFolder.outgoing)"
    let socket = try HostSocket.listenUnix(socketPath)
    defer { unlink(socketPath) }
    do {
      async let copied: Void = HostThread.run { try MemoryFile.save(from: socket, to: temporary) }
      try await machine.monitor.execute("stop")
      try await machine.monitor.execute("migrate-set-parameters", ["max-bandwidth": .int(8 << 30)])
      try await machine.monitor.execute("migrate", ["uri": .string("unix:\(GuestFolder.outgoing)")])
      try await migrated(machine)
      try await copied
      if rename(temporary, guest.folder.memory) != 0 { throw Fault.internal("\(temporary) could not be renamed") }
      try HostFiles.syncFolder(of: guest.folder.memory)
    } catch {
      _ = try? await machine.monitor.execute("migrate_cancel")
      if !isPaused { _ = try? await machine.monitor.execute("cont") }
      try HostFiles.remove(temporary)
      throw error
    }
  }

  public func resume(_ id: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      if let machine = try await adopt(guest) {
        let status = try await machine.monitor.execute("query-status")["status"]?.string
        if record.wanted != .suspended { return }
        // One of us was ended while it resumed or suspended: the memory's file is whole until the record says
        // otherwise.
        if status == "running" || (status == "paused" && record.wasPaused) { return try awake(guest) }
        try await end(guest)
      }
      guard record.wanted == .suspended else { throw Fault.conflict("guest \(id) is not suspended") }
      try await wake(guest)
    }
  }

  /// Starts a suspended guest from its memory's file.
  func wake(_ guest: Guest) async throws {
    let record = try guest.existing()
    guard HostFiles.exists(guest.folder.memory) else {
      throw Fault.internal(
        "guest \(guest.id) is suspended, but its memory's file is gone; a hard reboot starts it afresh")
    }
    let machine = try await launch(guest, isIncoming: true)
    do {
      let socketPath = "\(guest.folder.path)/\(GuestFolder.incoming)"
      let memory = guest.folder.memory
      try await HostThread.run { try MemoryFile.load(memory, into: HostSocket.connectUnix(socketPath)) }
      try await migrated(machine)
      unlink(socketPath)
      if !record.wasPaused { try await machine.monitor.execute("cont") }
      try awake(guest)
    } catch {
      try await end(guest)
      throw error
    }
  }

  private func awake(_ guest: Guest) throws {
    try guest.update { $0.wanted = .on }
    try HostFiles.remove(guest.folder.memory)
  }

  private func migrated(_ machine: Guest.Machine) async throws {
    let end = ContinuousClock.now + Self.memoryDeadline
    while ContinuousClock.now < end {
      let answer = try await machine.monitor.execute("query-migrate")
      switch answer["status"]?.string {
      case "completed": return
      case "failed", "cancelled":
        throw Fault.internal("QEMU could not move the memory: \(answer["error-desc"]?.string ?? "no reason given")")
      default: try await Task.sleep(for: .milliseconds(10))
      }
    }
    throw Fault.internal("QEMU had not moved the memory after \(Self.memoryDeadline)")
  }
}

/// Copies between a socket and the file of a guest's memory; on a thread of its own.
enum MemoryFile {
  private static let pieceBytes = 1 << 20
  /// Longest wait for the other side, in milliseconds.
  private static let patience: CInt = 60_000

  /// Accepts one connection and writes what it sends. Closes `listener`.
  static func save(from listener: CInt, to path: String) throws {
    defer { close(listener) }
    try wait(listener, POLLIN)
    let socket = accept(listener, nil, nil)
    guard socket >= 0 else { throw fault("accept") }
    defer { close(socket) }
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw fault(path) }
    defer { close(file) }
    try copy(from: socket, to: file)
    if fsync(file) != 0 { throw fault(path) }
  }

  /// Sends the file. Closes `socket`.
  static func load(_ path: String, into socket: CInt) throws {
    defer { close(socket) }
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw fault(path) }
    defer { close(file) }
    try copy(from: file, to: socket)
  }

  private static func copy(from source: CInt, to target: CInt) throws {
    var buffer = [UInt8](repeating: 0, count: pieceBytes)
    while true {
      let count = read(source, &buffer, buffer.count)
      if count == 0 { return }
      if count < 0 {
        if errno == EAGAIN { try wait(source, POLLIN) } else if errno != EINTR { throw fault("read") }
        continue
      }
      var done = 0
      while done < count {
        let written = buffer.withUnsafeBytes { bytes in
          // A socket's peer that is gone must be an error, not a signal; files know no flags.
          let start = bytes.baseAddress.map { $0 + done }
          let sent = send(target, start, count - done, CInt(MSG_NOSIGNAL))
          return sent < 0 && errno == ENOTSOCK ? write(target, start, count - done) : sent
        }
        if written >= 0 {
          done += written
        } else if errno == EAGAIN {
          try wait(target, POLLOUT)
        } else if errno != EINTR {
          throw fault("write")
        }
      }
    }
  }

  private static func wait(_ descriptor: CInt, _ event: CInt) throws {
    var one = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    guard poll(&one, 1, patience) > 0 else { throw Fault.internal("the memory's stream stood still") }
  }

  private static func fault(_ what: String) -> Fault {
    Fault.internal("a guest's memory could not be copied: \(what): \(HostError.text(errno))")
  }
}
