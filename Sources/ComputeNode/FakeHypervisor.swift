import Contracts
import Host
import Kit
import Synchronization

/// Guests that are only remembered: the same verbs, states and faults as QEMU's, at once. For tests of everything
/// above a hypervisor, and for scale.
public final class FakeHypervisor: Hypervisor {
  /// What is kept of a guest.
  struct Record: Codable, Equatable {
    var spec: GuestSpec
    var power = PowerState.shutdown
    var hasStarted = false
    var wasPaused = false
    var console: [String] = []
  }
  struct State {
    var guests: [String: Record] = [:]
    var isStarted = false
    /// Faults that verbs throw, by guest id; see `fail`.
    var failures: [String: Fault] = [:]
    /// Volumes that running guests do not let go of; see `hold`.
    var heldVolumes: Set<String> = []
    /// Sockets of displays by guest id; see `setDisplay`.
    var displays: [String: String] = [:]
  }

  let directory: String?
  private let node: NodeResources
  let state = Mutex(State())
  private let feed = ChangeFeed()

  /// `directory`: where guests are written down, so that a process that starts again finds them; nil: only in memory.
  public init(
    hostname: String = "fake-node", directory: String? = nil, hostAddress: String = "127.0.0.1", vcpus: Int = 64,
    memoryMB: Int = 262_144, diskGB: Int = 4096
  ) {
    self.directory = directory.map { "\($0)/fake-guests" }
    node = NodeResources(
      hostname: hostname, hypervisorType: "fake", hypervisorVersion: 1_000_000, vcpus: vcpus, memoryMB: memoryMB,
      diskGB: diskGB, cpuArchitecture: "x86_64", cpuModel: "fake", accelerator: "none",
      acceleratorReason: "guests are only remembered", hostAddress: hostAddress)
  }

  public func start() async throws {
    var found: [String: Record] = [:]
    if let directory {
      try HostFiles.makeFolder(directory)
      for name in try HostFiles.list(directory) where name.hasSuffix(".json") {
        if let record = try HostFiles.load(Record.self, "\(directory)/\(name)") { found[record.spec.id] = record }
      }
    }
    state.withLock { state in
      if state.isStarted { return }
      (state.guests, state.isStarted) = (found, true)
    }
  }

  public func resources() async throws -> NodeResources { node }

  public func list() async throws -> [GuestStatus] {
    state.withLock { $0.guests.values.map { GuestStatus(id: $0.spec.id, power: $0.power) } }.sorted { $0.id < $1.id }
  }

  public func status(of id: String) async throws -> GuestStatus? {
    state.withLock { $0.guests[id] }.map { GuestStatus(id: id, power: $0.power) }
  }

  public func changes() -> AsyncStream<GuestStatus> { feed.stream() }

  // MARK: - Verbs

  public func create(_ spec: GuestSpec) async throws {
    try GuestRecord.validate(spec)
    for disk in spec.disks {
      var size = disk.sizeBytes
      if let base = disk.basePath {
        let header = try DiskImage.header(base, format: disk.baseFormat ?? "raw")
        if header.otherFile { throw Fault.badRequest("the image file \(base) names another file as part of it") }
        if size == 0 { size = header.virtualSize }
        guard size >= header.virtualSize else {
          throw Fault.badRequest("the disk \(disk.name) of \(size) bytes is smaller than its image")
        }
      }
      guard size > 0 else { throw Fault.badRequest("the disk \(disk.name) has no size") }
    }
    if let files = spec.configDrive { _ = try ISO9660.image(label: "config-2", files: files) }
    try state.withLock { state in
      if let fault = state.failures[spec.id] { throw fault }
      if let record = state.guests[spec.id], record.hasStarted || record.spec == spec { return }
      let record = Record(spec: spec)
      try write(record)
      state.guests[spec.id] = record
    }
  }

  public func delete(_ id: String) async throws {
    try state.withLock { state in
      if let fault = state.failures[id] { throw fault }
      guard state.guests[id] != nil else { return }
      if let path = path(id) { try HostFiles.remove(path) }
      state.guests[id] = nil
    }
  }

  public func powerOn(_ id: String) async throws {
    try change(id) { record in
      switch record.power {
      case .running, .paused: return
      case .suspended: record.power = record.wasPaused ? .paused : .running
      default:
        for volume in record.spec.volumes { try VolumeFile(volume).checkExists() }
        (record.power, record.hasStarted) = (.running, true)
        record.console.append("guest \(id) starts")
      }
    }
  }

  public func powerOff(_ id: String, grace: Duration) async throws { try change(id) { $0.power = .shutdown } }

  public func reboot(_ id: String, grace: Duration) async throws {
    try change(id) { record in
      for volume in record.spec.volumes { try VolumeFile(volume).checkExists() }
      (record.power, record.hasStarted) = (.running, true)
      record.console.append("guest \(id) starts")
    }
  }

  public func pause(_ id: String) async throws {
    try change(id) { record in
      try Self.needsRunning(record, "paused")
      record.power = .paused
    }
  }

  public func unpause(_ id: String) async throws {
    try change(id) { record in
      try Self.needsRunning(record, "unpaused")
      record.power = .running
    }
  }

  public func suspend(_ id: String) async throws {
    try change(id) { record in
      if record.power == .suspended { return }
      try Self.needsRunning(record, "suspended")
      (record.wasPaused, record.power) = (record.power == .paused, .suspended)
    }
  }

  public func resume(_ id: String) async throws {
    try change(id) { record in
      switch record.power {
      case .running, .paused: return
      case .suspended: record.power = record.wasPaused ? .paused : .running
      default: throw Fault.conflict("guest \(id) is not suspended")
      }
    }
  }

  public func attach(_ interface: GuestInterface, to id: String) async throws {
    guard GuestRecord.isValidID(interface.portID) else { throw Fault.badRequest("'\(interface.portID)' is not an id") }
    try change(id) { record in
      record.spec.interfaces.removeAll { $0.portID == interface.portID }
      record.spec.interfaces.append(interface)
    }
  }

  public func detach(portID: String, from id: String, deadline: Duration) async throws {
    try change(id) { record in record.spec.interfaces.removeAll { $0.portID == portID } }
  }

  public func consoleLog(of id: String, lines: Int?) async throws -> String {
    let record = try existing(id)
    let text = record.console.map { $0 + "\n" }.joined()
    return lines.map { GuestFolder.last($0, of: text) } ?? text
  }

  /// Writes a blank file in place of the root disk's content.
  public func snapshotRoot(of id: String, to path: String) async throws {
    guard let disk = try existing(id).spec.disks.first(where: { $0.name == "root" }) else {
      throw Fault.conflict("guest \(id) has no disk of its own to copy")
    }
    try await DiskImage.create(GuestDisk(name: "copy", sizeBytes: max(disk.sizeBytes, 1 << 20)), at: path)
  }

  // MARK: - For tests

  /// The spec as it is now, with what was attached.
  public func spec(of id: String) -> GuestSpec? { state.withLock { $0.guests[id]?.spec } }

  /// The guest shuts down or crashes by itself.
  public func simulate(_ power: PowerState, of id: String) throws {
    try change(id) { $0.power = power }
    feed.send(GuestStatus(id: id, power: power))
  }

  /// Every verb on the guest throws `fault` from now on; nil ends it.
  public func fail(_ id: String, with fault: Fault?) { state.withLock { $0.failures[id] = fault } }

  // MARK: - State

  func change(_ id: String, _ body: (inout Record) throws -> Void) throws {
    try state.withLock { state in
      guard var record = state.guests[id] else { throw Self.absent(id) }
      if let fault = state.failures[id] { throw fault }
      let before = record
      try body(&record)
      if record.console.count > 1000 { record.console.removeFirst(500) }
      if record == before { return }
      try write(record)
      state.guests[id] = record
    }
  }

  func existing(_ id: String) throws -> Record {
    try state.withLock { state in
      guard let record = state.guests[id] else { throw Self.absent(id) }
      if let fault = state.failures[id] { throw fault }
      return record
    }
  }

  private func path(_ id: String) -> String? { directory.map { "\($0)/\(id).json" } }

  private func write(_ record: Record) throws {
    guard let path = path(record.spec.id) else { return }
    try HostFiles.save(record, path, isDurable: false)
  }

  private static func needsRunning(_ record: Record, _ verb: String) throws {
    guard record.power == .running || record.power == .paused else {
      throw Fault.conflict("guest \(record.spec.id) cannot be \(verb): it is not running")
    }
  }

  private static func absent(_ id: String) -> Fault { Fault.notFound("guest \(id) does not exist on this node") }
}
