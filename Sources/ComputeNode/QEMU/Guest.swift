import Contracts
import Host
import Kit
import Synchronization

/// A guest of the QEMU driver: its folder, and the QEMU that runs it. All verbs on it hold `lock`.
final class Guest: Sendable {
  /// A running QEMU and the connection to its monitor.
  struct Machine: Sendable {
    let process: ProcessHandle
    let monitor: QMPClient
    /// Tells this connection from others to the same QEMU.
    let connection: String
  }

  let id: String
  let folder: GuestFolder
  let lock = AsyncLock()
  private let state = Mutex<(record: GuestRecord?, machine: Machine?)>((nil, nil))

  init(id: String, path: String) { (self.id, folder) = (id, GuestFolder(path)) }

  /// The record as kept; nil for a guest that does not exist or is half made.
  func record() throws -> GuestRecord? {
    if let record = state.withLock({ $0.record }) { return record }
    let loaded = try HostFiles.load(GuestRecord.self, folder.record)
    state.withLock { $0.record = loaded }
    return loaded
  }

  /// The record of a guest that must exist.
  func existing() throws -> GuestRecord {
    guard let record = try record() else { throw Fault.notFound("guest \(id) does not exist on this node") }
    return record
  }

  func save(_ record: GuestRecord) throws {
    // It holds user data and what the config drive injects.
    try HostFiles.save(record, folder.record, mode: 0o600)
    state.withLock { $0.record = record }
  }

  /// Changes the record if that changes anything.
  @discardableResult
  func update(_ change: (inout GuestRecord) -> Void) throws -> GuestRecord {
    let before = try existing()
    var record = before
    change(&record)
    if record != before { try save(record) }
    return record
  }

  func forgetRecord() { state.withLock { $0.record = nil } }

  var machine: Machine? {
    get { state.withLock { $0.machine } }
    set { state.withLock { $0.machine = newValue } }
  }

  func stopped(_ verb: String) -> Fault { Fault.conflict("guest \(id) cannot be \(verb): it is not running") }
}
