import Contracts
import Kit
import Logs
import Store
import Synchronization

/// Makes the node's data plane what the rows say, and the rows' status what the data plane says.
final class WireNode: Sendable {
  private let database: any Database
  private let dataplane: any Dataplane
  private let settings: NetworkSettings
  private let clock: any WallClock
  private let log: Log

  private struct Memory {
    var isStarted = false
    var applied: NetworkState?
    var failures: [String: String] = [:]
    var heartbeat: Timestamp?
    /// When the data plane was last asked, and how long the last pass took.
    var appliedAt: ContinuousClock.Instant?
    var took = Duration.zero
  }
  private let memory = Mutex(Memory())
  /// The data plane is asked again after this long even when nothing has changed, to repair what others broke.
  private static let repairEvery = Duration.seconds(25)
  /// Between two heartbeats of the agents.
  private static let heartbeatEvery = Duration.seconds(25)

  init(database: any Database, dataplane: any Dataplane, settings: NetworkSettings, clock: any WallClock, log: Log) {
    (self.database, self.dataplane, self.settings) = (database, dataplane, settings)
    (self.clock, self.log) = (clock, log)
  }

  /// What could not be wired in the last pass, by the resource's id.
  var failures: [String: String] { memory.withLock { $0.failures } }

  /// How long changes may gather before a pass: however many there are, passes take a fifth of the time at most.
  var gathering: Duration { memory.withLock { max(.milliseconds(20), $0.took * 4) } }

  /// One pass. The desired state is complete, so one that was missed is made up for by the next.
  func pass() async throws {
    let started = ContinuousClock.now
    defer { memory.withLock { $0.took = ContinuousClock.now - started } }
    if !memory.withLock({ $0.isStarted }) {
      try await dataplane.start()
      memory.withLock { $0.isStarted = true }
    }
    let (host, domain) = (settings.host, settings.dnsDomain)
    let wiring = try await database.read { tx in
      UncheckedWiring(value: try Wiring(host: host, dnsDomain: domain, tx: tx))
    }.value
    let state = wiring.state
    let report = try await apply(state)
    try await record(wiring.statusChanges(state, report), state)
  }

  private func apply(_ state: NetworkState) async throws -> NetworkApplyReport {
    let isDone = memory.withLock { memory in
      guard let at = memory.appliedAt, memory.failures.isEmpty, memory.applied == state else { return false }
      return ContinuousClock.now - at < Self.repairEvery
    }
    if isDone { return NetworkApplyReport() }
    let report = try await dataplane.apply(state)
    let old = memory.withLock { memory in
      defer {
        (memory.applied, memory.failures) = (state, report.failures)
        memory.appliedAt = ContinuousClock.now
      }
      return memory.failures
    }
    for (id, reason) in report.failures.sorted(by: { $0.key < $1.key }) where old[id] != reason {
      log.error("\(id) cannot be wired: \(reason)")
    }
    return report
  }

  private func record(_ changes: [(table: String, id: String, status: String)], _ state: NetworkState) async throws {
    let now = clock.now()
    let isDue = memory.withLock { memory in
      guard memory.heartbeat.map({ now - $0 >= Self.heartbeatEvery }) ?? true else { return false }
      memory.heartbeat = now
      return true
    }
    guard isDue || !changes.isEmpty else { return }
    let (host, zone) = (settings.host, settings.zone)
    let counts: JSONValue = [
      "networks": .int(state.networks.count), "ports": .int(state.ports.count), "routers": .int(state.routers.count),
      "driver": "martlet",
    ]
    try await database.write { tx in
      for (key, ids) in Dictionary(grouping: changes, by: { "\($0.table) \($0.status)" }) {
        guard let first = ids.first else { continue }
        _ = key
        _ = try Batches.query(ids.map(\.id)) { batch in
          try tx.execute("UPDATE \(raw: first.table) SET status = \(first.status) WHERE id IN \(list: batch)")
          return []
        }
      }
      if isDue { try AgentStore.heartbeat(host: host, zone: zone, counts: counts, now: now, tx: tx) }
    }
  }
}

/// Rows are values; this only carries them out of the read closure.
private struct UncheckedWiring: Sendable { let value: Wiring }
