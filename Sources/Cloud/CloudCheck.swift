import Host
import Kit
import Store
import Workflow

/// Finds drift between what is recorded and what runs on this node. It changes nothing: the reconcilers mend what they can,
/// and what stays is worth a person's look.
struct CloudCheck: Sendable {
  let services: CloudServices

  func run() async throws -> [CheckResult] {
    [try await namespace(), try await guests(), try await ports(), try await jobs()].compactMap { $0 }
  }

  private func namespace() async throws -> CheckResult? {
    guard services.configuration.text("network.driver") == "kernel" else { return nil }
    let name = services.configuration.text("cloud.name")
    return NetworkNamespace(name).exists
      ? CheckResult("cloud's namespace", .ok, name)
      : CheckResult("cloud's namespace", .failed, "\(name) is gone: restart the server (`martlet stop`, `martlet up`).")
  }

  /// Every server that was started has a guest, and every guest has a server. What a live job works on is in between.
  private func guests() async throws -> CheckResult {
    let found = Dictionary(
      uniqueKeysWithValues: try await services.hypervisor.list().map { ($0.id, $0.power) })
    let (rows, busy) = try await services.database.read { tx in
      (
        try tx.query("SELECT id, vm_state FROM server WHERE deleted_at IS NULL AND host IS NOT NULL"),
        Set(try tx.query("SELECT subject FROM job WHERE is_live = 1").map { $0.text("subject") })
      )
    }
    let known = Set(rows.map { $0.text("id") })
    let settled = rows.filter { !busy.contains("server/" + $0.text("id")) && $0.text("vm_state") != "error" }
    let missing = settled.map { $0.text("id") }.filter { found[$0] == nil }
    let strangers = found.keys.filter { !known.contains($0) && !busy.contains("server/" + $0) }
    let stopped = settled.filter { $0.text("vm_state") == "active" && found[$0.text("id")] == .shutdown }
    if !missing.isEmpty {
      return CheckResult(
        "guests", .failed, "servers without a guest on this node: \(Self.list(missing)); rebuild or delete them.")
    }
    if !strangers.isEmpty {
      return CheckResult(
        "guests", .warning, "guests without a server: \(Self.list(strangers)); they are removed at the next start.")
    }
    if !stopped.isEmpty {
      return CheckResult(
        "guests", .warning, "ACTIVE servers whose guest is off: \(Self.list(stopped.map { $0.text("id") })).")
    }
    return CheckResult("guests", .ok, "\(found.count) guests, as recorded")
  }

  /// Every port of a server of this node has its device.
  private func ports() async throws -> CheckResult {
    let wired = try await services.dataplane.wiredPorts()
    let wanted = try await services.database.read { tx in
      try tx.query(
        """
        SELECT network_port.id FROM network_port JOIN server ON server.id = network_port.device_id
        WHERE network_port.device_owner LIKE 'compute:%' AND server.deleted_at IS NULL AND network_port.binding_host_id <> ''
        """
      ).map { $0.text("id") }
    }
    let missing = wanted.filter { !wired.contains($0) }
    return missing.isEmpty
      ? CheckResult("ports", .ok, "\(wanted.count) ports of servers, all wired")
      : CheckResult("ports", .failed, "not wired: \(Self.list(missing)); see log/network-node.")
  }

  private func jobs() async throws -> CheckResult {
    let now = SystemClock().now()
    let late = try await services.database.read { tx in
      try tx.query("SELECT kind, subject FROM job WHERE is_live = 1 AND deadline < \(now)").map {
        "\($0.text("kind")) of \($0.text("subject"))"
      }
    }
    return late.isEmpty
      ? CheckResult("jobs", .ok, "none is past its deadline")
      : CheckResult("jobs", .warning, "past their deadline, being undone: \(Self.list(late)).")
  }

  private static func list(_ names: [String]) -> String {
    names.sorted().prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
  }
}
