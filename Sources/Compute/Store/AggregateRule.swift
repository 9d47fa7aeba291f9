import Kit
import Store

/// What keeps availability zones consistent: a host is in one zone, and servers do not change theirs by the back door
/// (Nova's administrator guide, Availability zones).
enum AggregateRule {
  static func refuse(_ action: String, _ id: Int, _ reason: String, status: Int) -> Fault {
    Fault(status, "Cannot \(action) \(id). Reason: \(reason).")
  }

  /// Throws a 400 fault when the aggregate's hosts cannot all be in `zone`.
  static func checkZone(_ zone: String?, of aggregate: Aggregate, action: String, tx: any Transaction) throws {
    guard zone != aggregate.zone else { return }
    guard let zone, !zone.isEmpty else {
      throw refuse(
        action, aggregate.id, "Aggregate \(aggregate.name) does not support empty named availability zone",
        status: 400)
    }
    let others = try zones(of: aggregate.hosts, without: aggregate.id, tx: tx).filter { $0 != zone }
    guard others.isEmpty else {
      throw refuse(
        action, aggregate.id, "One or more hosts already in availability zone(s) \(others.joined(separator: ", "))",
        status: 400)
    }
    guard try servers(on: aggregate.hosts, tx: tx) == 0 else {
      throw refuse(action, aggregate.id, "One or more hosts contain instances in this zone", status: 400)
    }
  }

  /// Throws a 409 fault when the host is in another zone, or its servers would change theirs.
  static func checkHost(_ host: String, joining aggregate: Aggregate, tx: any Transaction) throws {
    guard let zone = aggregate.zone else { return }
    let present = try zones(of: [host], without: aggregate.id, tx: tx)
    guard present.allSatisfy({ $0 == zone }) else {
      throw refuse(
        "add host to aggregate", aggregate.id,
        "One or more hosts already in availability zone(s) \(present.joined(separator: ", "))", status: 409)
    }
    guard present.isEmpty, !aggregate.hosts.contains(host) else { return }
    let count = try servers(on: [host], tx: tx)
    guard count == 0 else {
      throw refuse(
        "add host to aggregate", aggregate.id,
        "The availability zone of host \(host) would become '\(zone)', but it has \(count) instance(s), which cannot "
          + "change theirs. Move them away from the host first", status: 409)
    }
  }

  /// Throws a 409 fault when the host's servers would change their zone.
  static func checkHost(_ host: String, leaving aggregate: Aggregate, tx: any Transaction) throws {
    guard aggregate.zone != nil, try zones(of: [host], without: aggregate.id, tx: tx).isEmpty else { return }
    let count = try servers(on: [host], tx: tx)
    guard count == 0 else {
      throw refuse(
        "remove host from aggregate", aggregate.id,
        "The availability zone of host \(host) would change, but it has \(count) instance(s), which cannot change "
          + "theirs. Move them away from the host first", status: 409)
    }
  }

  private static func zones(of hosts: [String], without id: Int, tx: any Transaction) throws -> [String] {
    try tx.query(
      """
      SELECT DISTINCT a.zone FROM host_aggregate a JOIN host_aggregate_host h ON h.aggregate_id = a.id
      WHERE h.host IN \(list: hosts) AND a.id <> \(id) AND a.zone IS NOT NULL ORDER BY a.zone
      """
    ).map { $0.text("zone") }
  }
  private static func servers(on hosts: [String], tx: any Transaction) throws -> Int {
    try tx.count("SELECT COUNT(*) FROM server WHERE host IN \(list: hosts) AND is_deleted = 0")
  }
}
