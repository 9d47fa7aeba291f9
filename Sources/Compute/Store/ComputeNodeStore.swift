import Contracts
import Kit
import Store

/// Rows of hosts that run guests: what they have, as they last reported it.
public enum ComputeNodeStore {
  /// Every node in the order in which they came, in two queries.
  public static func all(now: Timestamp, tx: any Transaction) throws -> [ComputeNode] {
    let rows = try tx.query("SELECT * FROM compute_node")
    let resources = Dictionary(rows.map { ($0.text("host"), self.resources($0)) }) { first, _ in first }
    return try NodeServiceStore.all(now: now, tx: tx).compactMap { service in
      guard service.binary == NodeService.compute, let resources = resources[service.host] else { return nil }
      return ComputeNode(service: service, resources: resources)
    }
  }

  /// Records that a node lives and what it has.
  public static func heartbeat(
    host: String, zone: String, resources: NodeResources, now: Timestamp, tx: any Transaction
  ) throws {
    try NodeServiceStore.heartbeat(binary: NodeService.compute, host: host, zone: zone, now: now, tx: tx)
    let columns: [(String, SQLValue)] = [
      ("hostname", resources.hostname.sqlValue), ("hypervisor_type", resources.hypervisorType.sqlValue),
      ("hypervisor_version", resources.hypervisorVersion.sqlValue), ("vcpus", resources.vcpus.sqlValue),
      ("memory_mb", resources.memoryMB.sqlValue), ("disk_gb", resources.diskGB.sqlValue),
      ("cpu_architecture", resources.cpuArchitecture.sqlValue), ("cpu_model", resources.cpuModel.sqlValue),
      ("accelerator", resources.accelerator.sqlValue), ("accelerator_reason", resources.acceleratorReason.sqlValue),
      ("host_address", resources.hostAddress.sqlValue), ("updated_at", now.sqlValue),
    ]
    if try tx.execute("\(SQL.update("compute_node", columns)) WHERE host = \(host)") == 0 {
      try tx.execute(.insert(into: "compute_node", [("host", host.sqlValue)] + columns))
    }
  }

  private static func resources(_ row: Row) -> NodeResources {
    NodeResources(
      hostname: row.text("hostname"), hypervisorType: row.text("hypervisor_type"),
      hypervisorVersion: row.int("hypervisor_version"), vcpus: row.int("vcpus"), memoryMB: row.int("memory_mb"),
      diskGB: row.int("disk_gb"), cpuArchitecture: row.text("cpu_architecture"), cpuModel: row.text("cpu_model"),
      accelerator: row.text("accelerator"), acceleratorReason: row.text("accelerator_reason"),
      hostAddress: row.text("host_address"))
  }

  static let migrations = [
    Migration(
      "compute-node-001",
      [
        """
        CREATE TABLE compute_node (
          host VARCHAR(255) PRIMARY KEY, hostname VARCHAR(255) NOT NULL, hypervisor_type VARCHAR(64) NOT NULL,
          hypervisor_version BIGINT NOT NULL, vcpus BIGINT NOT NULL, memory_mb BIGINT NOT NULL, disk_gb BIGINT NOT NULL,
          cpu_architecture VARCHAR(64) NOT NULL, cpu_model VARCHAR(255) NOT NULL, accelerator VARCHAR(64) NOT NULL,
          accelerator_reason TEXT NOT NULL, host_address VARCHAR(255) NOT NULL, updated_at BIGINT NOT NULL)
        """
      ])
  ]
}
