import Contracts
import Kit
import Store
import Workflow

/// Keeps the recorded states of this node's servers true: guests that stop by themselves, guests that are gone, and
/// guests that no server needs.
struct ServerSync: Sendable {
  let service: ComputeDependencies

  /// Compares every guest of this node with every server of it. Servers with a live job are left to it.
  func pass() async throws {
    let host = service.settings.host
    // Guests first: a server that is made meanwhile has rows by then, so no guest of it looks like an orphan.
    let guests = try await service.hypervisor.list()
    let power = Dictionary(guests.map { ($0.id, $0.power) }) { first, _ in first }
    // The full set of what must be here, with the transaction's snapshot behind it. Nothing is removed without it.
    let (servers, busy) = try await service.database.read { tx in
      let servers = try ServerStore.onHost(host, tx: tx)
      let rows = try tx.query("SELECT subject FROM job WHERE is_live = 1")
      return (servers, Set(rows.map { $0.text("subject") }))
    }
    let known = Set(servers.map(\.id))
    for guest in guests where !known.contains(guest.id) && !busy.contains(Server.subject(guest.id)) {
      try await removeOrphan(guest.id)
    }
    let now = service.clock.now()
    for server in servers where !busy.contains(server.subject) {
      guard Self.changed(server, power: power[server.id], now: now) != nil else { continue }
      try await record(server.id, power: power[server.id])
    }
  }

  /// Follows what guests do by themselves until the task is cancelled.
  func follow() async {
    for await status in service.hypervisor.changes() {
      do {
        try await record(status.id, power: status.power)
      } catch {
        service.log.error("the state of guest \(status.id) was not recorded: \(error)")
      }
    }
  }

  private func removeOrphan(_ id: String) async throws {
    // A server on another host, or one that is just being scheduled, is none of ours to remove.
    let isNeeded = try await service.database.read { tx in
      try tx.first("SELECT id FROM server WHERE id = \(id) AND deleted_at IS NULL") != nil
    }
    if isNeeded { return }
    service.log.warning("guest \(id) belongs to no server: it is removed")
    try await service.hypervisor.delete(id)
  }

  /// Records the power state of a guest that no job works on; nil: there is no such guest.
  func record(_ id: String, power: PowerState?) async throws {
    let isStale = try await service.database.read { tx in
      guard let server = try ServerStore.find(id, tx: tx), !server.isDeleted, server.host == service.settings.host,
        try JobStore.live(subject: server.subject, tx: tx) == nil
      else { return false }
      return Self.changed(server, power: power, now: service.clock.now()) != nil
    }
    guard isStale else { return }
    let change = try await service.database.write { tx -> (VMState, VMState)? in
      guard let server = try ServerStore.find(id, tx: tx), !server.isDeleted,
        try JobStore.live(subject: server.subject, tx: tx) == nil,
        var changed = Self.changed(server, power: power, now: service.clock.now())
      else { return nil }
      changed.updatedAt = service.clock.now()
      try ServerStore.save(changed, tx: tx)
      return (server.state, changed.state)
    }
    if let (before, after) = change, before != after {
      service.log.audit(
        "server \(id) was \(before.rawValue); its guest is \(power.map { "\($0)" } ?? "gone"): it is \(after.rawValue) now"
      )
    }
  }

  /// The server as its guest is; nil when that is recorded already.
  static func changed(_ server: Server, power: PowerState?, now: Timestamp) -> Server? {
    var result = server
    guard let power else {
      // Built servers without a guest can be started no more, but rebuilt or deleted.
      guard server.launchedAt != nil, server.power != .noState || server.state == .active else { return nil }
      result.power = .noState
      if server.state != .error { result.state = .stopped }
      result.fault = ServerFault(
        Fault(500, "The guest does not exist on its host any more: rebuild or delete the server."), at: now)
      return result
    }
    result.power = power
    switch (server.state, power) {
    case (.active, .shutdown), (.active, .crashed), (.paused, .shutdown), (.paused, .crashed), (.suspended, .shutdown):
      result.state = .stopped
      result.fault = ServerFault(
        Fault(
          500,
          power == .crashed
            ? "The guest ended unexpectedly: start the server again." : "The guest was shut down from inside."),
        at: now)
    case (.stopped, .running): result.state = .active
    case (.active, .paused): result.state = .paused
    case (.active, .suspended): result.state = .suspended
    case (.paused, .running), (.suspended, .running): result.state = .active
    default: break
    }
    return result.power == server.power && result.state == server.state ? nil : result
  }
}
