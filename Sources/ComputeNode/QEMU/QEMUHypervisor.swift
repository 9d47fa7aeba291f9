import Contracts
import Host
import Kit
import Logs
import Synchronization

/// How guests are executed: a fixed choice, or the best that a test boot shows to work.
public enum Accelerator: String, Sendable, Codable, CaseIterable { case auto, kvm, tcg }

/// Guests as QEMU processes of their own, driven over QMP: each has a folder with its record, disks, sockets and
/// console log, and lives on when this process ends.
public final class QEMUHypervisor: Hypervisor {
  static let program = "qemu-system-x86_64"

  let directory: String
  let namespace: NetworkNamespace?
  let log: Log
  private let hostname: String
  private let hostAddress: String
  private let choice: Accelerator
  private let probeKernel: String?

  /// What `start` found out.
  struct Facts: Sendable {
    var version: Int
    var accelerator: ChosenAccelerator
    /// The folder of guests, without symbolic links: QEMU's processes are known by it.
    var folder: String
  }
  private let facts = Mutex<Facts?>(nil)
  private let guests = Mutex<[String: Guest]>([:])
  let feed = ChangeFeed()
  private let watch = Mutex<Task<Void, Never>?>(nil)
  let news: AsyncStream<GuestNews>
  let newsSource: AsyncStream<GuestNews>.Continuation

  /// `directory`: where guests are kept. `namespace`: where their TAP devices are (nil: the host's own).
  /// `probeKernel`: a kernel for the test boot that decides about KVM when `accelerator` is `auto`.
  public init(
    directory: String, namespace: NetworkNamespace?, hostname: String, hostAddress: String,
    accelerator: Accelerator, probeKernel: String? = nil, log: Log
  ) {
    (self.directory, self.namespace, self.log) = (directory, namespace, log)
    (self.hostname, self.hostAddress) = (hostname, hostAddress)
    (choice, self.probeKernel) = (accelerator, probeKernel)
    (news, newsSource) = AsyncStream<GuestNews>.makeStream()
  }

  // MARK: - Opening and closing

  public func start() async throws {
    guard facts.withLock({ $0 == nil }) else { return }
    _ = try Command.path(of: "qemu-img")
    let version = try Self.version(await Command(Self.program, ["--version"]).check())
    try HostFiles.makeFolder("\(directory)/guests")
    let folder = try HostFiles.realPath("\(directory)/guests")
    let accelerator = try await chooseAccelerator(version)
    facts.withLock { $0 = Facts(version: version, accelerator: accelerator, folder: folder) }
    let found = try await list()
    log.info("QEMU \(version), \(accelerator.kind.rawValue) (\(accelerator.reason)), \(found.count) guests found")
    let task = Task { await self.watchGuests() }
    watch.withLock { $0 = task }
  }

  /// Ends the driver; guests run on. It cannot be started again: make another.
  public func close() async {
    let task = watch.withLock { task in
      defer { task = nil }
      return task
    }
    task?.cancel()
    newsSource.finish()
    feed.finish()
    for guest in guests.withLock({ Array($0.values) }) {
      await guest.lock.withLock {
        await guest.machine?.monitor.close()
        guest.machine = nil
      }
    }
  }

  private func chooseAccelerator(_ version: Int) async throws -> ChosenAccelerator {
    switch choice {
    case .tcg: return ChosenAccelerator(kind: .tcg, reason: "configured")
    case .kvm:
      guard HostFacts.canOpen("/dev/kvm") else {
        throw Fault.unavailable("the accelerator kvm is configured, but /dev/kvm cannot be opened")
      }
      return ChosenAccelerator(kind: .kvm, reason: "configured")
    case .auto:
      return await ChosenAccelerator.choose(
        kernel: probeKernel, qemuVersion: version, cache: "\(directory)/accelerator.json", log: log)
    }
  }

  /// `QEMU emulator version 7.2.22 (Debian …)` as 7002022.
  static func version(_ text: String) throws -> Int {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let at = words.firstIndex(of: "version"), at + 1 < words.count else {
      throw Fault.internal("\(program) --version answered: \(text.prefix(100))")
    }
    let parts = words[at + 1].split(separator: ".").map { Int($0) ?? 0 } + [0, 0, 0]
    return parts[0] * 1_000_000 + parts[1] * 1000 + parts[2]
  }

  func ready() throws -> Facts {
    guard let facts = facts.withLock({ $0 }) else { throw Fault.unavailable("the hypervisor has not been started") }
    return facts
  }

  // MARK: - What there is

  public func resources() async throws -> NodeResources {
    let facts = try ready()
    return NodeResources(
      hostname: hostname, hypervisorType: "QEMU", hypervisorVersion: facts.version, vcpus: HostFacts.cpuCount,
      memoryMB: HostFacts.memory().total >> 20, diskGB: try HostFiles.space(at: facts.folder).total >> 30,
      cpuArchitecture: HostFacts.architecture, cpuModel: HostFacts.cpuModel,
      accelerator: facts.accelerator.kind.rawValue, acceleratorReason: facts.accelerator.reason,
      hostAddress: hostAddress)
  }

  /// Guests asked at the same time in `list`.
  private static let listWidth = 32

  public func list() async throws -> [GuestStatus] {
    var ids = try HostFiles.list(try ready().folder).filter(GuestRecord.isValidID)[...]
    return try await withThrowingTaskGroup(of: GuestStatus?.self) { group in
      for id in ids.prefix(Self.listWidth) { group.addTask { try await self.status(of: id) } }
      ids = ids.dropFirst(Self.listWidth)
      var all: [GuestStatus] = []
      while let status = try await group.next() {
        if let status { all.append(status) }
        if let id = ids.popFirst() { group.addTask { try await self.status(of: id) } }
      }
      return all.sorted { $0.id < $1.id }
    }
  }

  public func status(of id: String) async throws -> GuestStatus? {
    guard GuestRecord.isValidID(id) else { return nil }
    let guest = try guest(id)
    guard HostFiles.exists(guest.folder.path) else { return nil }
    // A verb that takes long, such as a graceful shutdown, does not keep us from looking.
    if let machine = guest.machine, let power = try? await runState(machine) {
      return GuestStatus(id: id, power: power)
    }
    return await guest.lock.withLock {
      guard HostFiles.exists(guest.folder.path) else { return nil }
      return GuestStatus(id: id, power: await power(of: guest))
    }
  }

  /// The state of a guest whose lock is held; adopts its QEMU when it runs without us knowing it.
  func power(of guest: Guest) async -> PowerState {
    do {
      guard let record = try guest.record() else { return .noState }
      if let machine = try await adopt(guest) { return try await runState(machine) }
      switch record.wanted {
      case .off: return .shutdown
      case .suspended: return .suspended
      case .on: return .crashed
      }
    } catch {
      log.warning("the state of guest \(guest.id) is unknown: \(error)")
      return .noState
    }
  }

  /// QEMU's RunState (qapi/run-state.json) as a power state.
  func runState(_ machine: Guest.Machine) async throws -> PowerState {
    switch try await machine.monitor.execute("query-status", deadline: .seconds(5))["status"]?.string {
    case "running": .running
    case "shutdown": .shutdown
    case "internal-error", "guest-panicked": .crashed
    default: .paused
    }
  }

  func guest(_ id: String) throws -> Guest {
    guard GuestRecord.isValidID(id) else { throw Fault.notFound("guest \(id) does not exist on this node") }
    let path = "\(try ready().folder)/\(id)"
    return guests.withLock { guests in
      if let guest = guests[id] { return guest }
      let guest = Guest(id: id, path: path)
      guests[id] = guest
      return guest
    }
  }

  func allGuests() -> [Guest] { guests.withLock { Array($0.values) } }

  /// Drops what is known of a guest that was deleted.
  func forget(_ guest: Guest) {
    guest.forgetRecord()
    guests.withLock { guests in
      if guests[guest.id] === guest { guests[guest.id] = nil }
    }
  }

  public func consoleLog(of id: String, lines: Int?) async throws -> String {
    let guest = try guest(id)
    _ = try guest.existing()
    return try await HostThread.run { guest.folder.consoleText(lines: lines) }
  }

  public func changes() -> AsyncStream<GuestStatus> { feed.stream() }
}
