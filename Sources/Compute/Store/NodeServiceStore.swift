import Kit
import Store

/// Rows of services: each report renews its lease.
public enum NodeServiceStore {
  private static let select: SQL = """
    SELECT s.*, (
      SELECT MIN(a.zone) FROM host_aggregate_host h JOIN host_aggregate a ON a.id = h.aggregate_id
      WHERE h.host = s.host AND a.zone IS NOT NULL) AS aggregate_zone
    FROM compute_service s
    """

  static func service(_ row: Row, now: Timestamp) -> NodeService {
    let (reportedAt, isForcedDown) = (row.timestamp("reported_at"), row.bool("is_forced_down"))
    let binary = row.text("program")
    let zone = row.optionalText("aggregate_zone") ?? row.text("zone")
    return NodeService(
      number: row.int("id"), uuid: row.text("uuid"), binary: binary, host: row.text("host"),
      zone: binary == NodeService.compute ? zone : NodeService.internalZone, isEnabled: !row.bool("is_disabled"),
      disabledReason: row.optionalText("disabled_reason"), isForcedDown: isForcedDown,
      isUp: !isForcedDown && now - reportedAt <= NodeService.lifetime, reportedAt: reportedAt)
  }

  /// Every service, oldest first.
  public static func all(now: Timestamp, tx: any Transaction) throws -> [NodeService] {
    try tx.query("\(select) ORDER BY s.id").map { service($0, now: now) }
  }
  static func find(uuid: String, now: Timestamp, tx: any Transaction) throws -> NodeService? {
    try tx.first("\(select) WHERE s.uuid = \(uuid.lowercased())").map { service($0, now: now) }
  }
  static func find(number: Int, now: Timestamp, tx: any Transaction) throws -> NodeService? {
    try tx.first("\(select) WHERE s.id = \(number)").map { service($0, now: now) }
  }
  static func find(host: String, binary: String, now: Timestamp, tx: any Transaction) throws -> NodeService? {
    try tx.first("\(select) WHERE s.host = \(host) AND s.program = \(binary)").map { service($0, now: now) }
  }

  /// Records that a service lives. It appears with its first report, enabled.
  public static func heartbeat(
    binary: String, host: String, zone: String = NodeService.internalZone, now: Timestamp, tx: any Transaction
  ) throws {
    let known = try tx.execute(
      """
      UPDATE compute_service SET reported_at = \(now), zone = \(zone) WHERE program = \(binary) AND host = \(host)
      """)
    guard known == 0 else { return }
    try tx.execute(
      .insert(
        into: "compute_service",
        [
          "uuid": UUIDText.make(), "program": binary, "host": host, "zone": zone, "is_disabled": false,
          "is_forced_down": false, "reported_at": now, "created_at": now,
        ]))
  }

  static func setEnabled(_ isEnabled: Bool, reason: String?, of service: NodeService, tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE compute_service SET is_disabled = \(!isEnabled), disabled_reason = \(reason) WHERE id = \(service.number)
      """)
  }
  static func setForcedDown(_ isForcedDown: Bool, of service: NodeService, tx: any Transaction) throws {
    try tx.execute("UPDATE compute_service SET is_forced_down = \(isForcedDown) WHERE id = \(service.number)")
  }
  /// Removes a service; a host that runs guests leaves its aggregates too. A service that still lives comes back with
  /// its next report.
  static func delete(_ service: NodeService, tx: any Transaction) throws {
    if service.binary == NodeService.compute {
      try tx.execute("DELETE FROM compute_node WHERE host = \(service.host)")
      try tx.execute("DELETE FROM host_aggregate_host WHERE host = \(service.host)")
    }
    try tx.execute("DELETE FROM compute_service WHERE id = \(service.number)")
  }

  static let migrations = [
    Migration(
      "compute-service-001",
      [
        """
        CREATE TABLE compute_service (
          id INTEGER PRIMARY KEY AUTOINCREMENT, uuid VARCHAR(36) NOT NULL UNIQUE, program VARCHAR(64) NOT NULL,
          host VARCHAR(255) NOT NULL, zone VARCHAR(255) NOT NULL, is_disabled INT NOT NULL, disabled_reason VARCHAR(255),
          is_forced_down INT NOT NULL, reported_at BIGINT NOT NULL, created_at BIGINT NOT NULL, UNIQUE (host, program))
        """
      ])
  ]
}
