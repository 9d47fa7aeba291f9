import CLinux
import Glibc
import Kit

/// A process by its id and start time, so that another one that got the same id later is never taken for it. Works on
/// processes that are not our children.
public struct ProcessHandle: Sendable, Hashable {
  public let pid: Int32
  /// Clock ticks since boot.
  public let startTime: Int

  /// The living process with this id; nil when there is none.
  public init?(pid: Int32) {
    guard pid > 0 else { return nil }
    let start = clinux_process_start_time(pid)
    guard start >= 0 else { return nil }
    (self.pid, self.startTime) = (pid, Int(start))
  }

  /// The process that `save` wrote down, if it lives still.
  public init?(pidFile path: String) {
    guard let bytes = try? HostFiles.read(path, limit: 4096) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    guard lines.count == 3, let pid = Int32(lines[0]), let handle = ProcessHandle(pid: pid),
      String(handle.startTime) == lines[1], lines[2] == HostFacts.bootID
    else { return nil }
    self = handle
  }

  /// Writes a pid file: lines with the id (which is all that other tools read), the start time and the boot's id.
  public func save(_ path: String) throws {
    try HostFiles.writeAtomically(path, Array("\(pid)\n\(startTime)\n\(HostFacts.bootID)\n".utf8), mode: 0o644)
  }

  /// Whether it runs. One that is our child and has ended is reaped by this.
  public var isAlive: Bool {
    var status: CInt = 0
    waitpid(pid, &status, WNOHANG)
    return clinux_process_start_time(pid) == startTime
  }

  /// Its argument list; empty when it has ended.
  public var arguments: [String] {
    guard let bytes = try? HostFiles.read("/proc/\(pid)/cmdline", limit: 1 << 20), isAlive else { return [] }
    return bytes.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// All processes of the host that have `argument` in their argument list.
  public static func all(withArgument argument: String) throws -> [ProcessHandle] {
    try HostFiles.list("/proc").compactMap { Int32($0) }.compactMap { ProcessHandle(pid: $0) }
      .filter { $0.arguments.contains(argument) }
  }

  /// Sends a signal; false when the process has ended.
  @discardableResult
  public func signal(_ number: CInt) -> Bool {
    withPidfd { clinux_pidfd_signal($0, number) == 0 } ?? false
  }

  /// Waits for its end; false when `deadline` has passed first.
  public func waitForEnd(deadline: Duration) async throws -> Bool {
    if !isAlive { return true }
    return try await HostThread.run { waitBlocking(deadline) }
  }

  /// Asks it to end (SIGTERM), and kills it when it has not by `grace` (`.zero`: at once). A fault when even that does
  /// not end it.
  public func terminate(grace: Duration) async throws {
    guard isAlive else { return }
    if grace > .zero {
      signal(SIGTERM)
      if try await waitForEnd(deadline: grace) { return }
    }
    signal(SIGKILL)
    guard try await waitForEnd(deadline: .seconds(10)) else {
      throw Fault.internal("process \(pid) has not ended although it was killed")
    }
  }

  private func waitBlocking(_ deadline: Duration) -> Bool {
    let end = ContinuousClock.now + deadline
    while isAlive {
      let left = end - ContinuousClock.now
      guard left > .zero else { return false }
      let milliseconds = min(left.components.seconds, 3600) * 1000 + left.components.attoseconds / 1_000_000_000_000_000
      _ = withPidfd { fd in
        var one = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&one, 1, CInt(milliseconds) + 1) >= 0
      }
    }
    return true
  }

  /// The pidfd is opened first and the start time checked after it, so that it is this process and no later one.
  private func withPidfd(_ body: (CInt) -> Bool) -> Bool? {
    let fd = clinux_pidfd_open(pid)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    guard clinux_process_start_time(pid) == startTime else { return nil }
    return body(fd)
  }
}

/// Programs that stay: they lead a session of their own and live on when we end.
public enum Daemon {
  /// Starts a program whose output is appended to the file `log`, and returns it at once.
  public static func start(
    _ program: String, _ arguments: [String], log: String, directory: String? = nil,
    namespace: NetworkNamespace? = nil, environment: [String: String]? = nil
  ) async throws -> ProcessHandle {
    try await HostThread.run {
      let input = try Descriptor.open("/dev/null", O_RDONLY)
      let output = try Descriptor.open(log, O_WRONLY | O_CREAT | O_APPEND, mode: 0o640)
      let pid = try SpawnRequest(
        program: program, arguments: arguments, environment: environment ?? SpawnRequest.inheritedEnvironment(),
        directory: directory, input: input.number, output: output.number, error: output.number, namespace: namespace,
        hasSession: true
      ).spawn()
      guard let handle = ProcessHandle(pid: pid) else {
        var status: CInt = 0
        waitpid(pid, &status, 0)
        let lines = HostFiles.tail(log, bytes: 2000).split(separator: "\n").suffix(5).joined(separator: "; ")
        throw Fault.internal("\(program) ended at once: \(lines)")
      }
      return handle
    }
  }
}
