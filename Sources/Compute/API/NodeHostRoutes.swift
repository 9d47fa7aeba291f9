import API
import Kit
import Store

/// `/os-hosts` (API reference, Hosts; until microversion 2.42): the old view of services and their resources.
struct NodeHostRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = NodeHostRoutes(service: dependencies)
    let one = "/v2.1/os-hosts/{host_name}"
    let last = Microversion(2, 42)
    func policy(_ verb: String) -> Policy { CataloguePolicy.admin("os-hosts:\(verb)") }
    return [
      Route("GET", "/v2.1/os-hosts", policy("list"), until: last, this.list),
      Route("GET", one, policy("show"), until: last, this.show),
      Route("PUT", one, policy("update"), until: last, schema: updateSchema, this.refuse),
      Route("GET", one + "/startup", policy("start"), until: last, this.refuse),
      Route("GET", one + "/shutdown", policy("shutdown"), until: last, this.refuse),
      Route("GET", one + "/reboot", policy("reboot"), until: last, this.refuse),
    ]
  }

  private static let updateSchema: Schema = {
    let value = Schema.oneOf(["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"])
    return .object([Schema.may("status", value), Schema.may("maintenance_mode", value)])
  }()

  @Sendable private func list(_ call: Call) async throws -> Reply {
    let (now, zone) = (service.clock.now(), call.query["zone"] ?? "")
    let services = try await service.database.read { tx in try NodeServiceStore.all(now: now, tx: tx) }
    let shown = services.filter { $0.isEnabled && (zone.isEmpty || $0.zone == zone) }
    return .json([
      "hosts": .array(
        shown.map {
          [
            "host_name": .string($0.host), "service": .string($0.binary.replacing("nova-", with: "")),
            "zone": .string($0.zone),
          ]
        })
    ])
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    let host = call.parameter("host_name")
    let (facts, rows) = try await service.database.read { [service] tx in
      (
        try HypervisorStore.all(service, tx: tx).first { $0.node.host == host },
        try tx.query(
          """
          SELECT project_id, SUM(vcpus) AS vcpus, SUM(memory_mb) AS memory_mb, SUM(disk_gb) AS disk_gb FROM server
          WHERE host = \(host) AND is_deleted = 0 GROUP BY project_id ORDER BY project_id
          """)
      )
    }
    guard let facts else { throw Fault.notFound("Compute host \(host.prefix(255)) could not be found.") }
    return .json(["host": .array(Self.resources(facts, rows))])
  }

  /// What the host has, what is claimed, and what its servers have by project.
  private static func resources(_ facts: HypervisorFacts, _ rows: [Row]) -> [JSONValue] {
    func resource(_ project: String, _ cpu: Int, _ memory: Int, _ disk: Int) -> JSONValue {
      [
        "resource": [
          "host": .string(facts.node.host), "project": .string(project), "cpu": .int(cpu),
          "memory_mb": .int(memory), "disk_gb": .int(disk),
        ]
      ]
    }
    func sum(_ column: String) -> Int { rows.map { $0.int(column) }.reduce(0, +) }
    let resources = facts.node.resources
    let totals = [
      resource("(total)", resources.vcpus, resources.memoryMB, resources.diskGB),
      resource("(used_now)", facts.vcpusUsed, facts.memoryMBUsed, facts.diskGBUsed),
      resource("(used_max)", sum("vcpus"), sum("memory_mb"), sum("disk_gb")),
    ]
    return totals
      + rows.map { resource($0.text("project_id"), $0.int("vcpus"), $0.int("memory_mb"), $0.int("disk_gb")) }
  }

  /// Maintenance windows and power of hosts are not for Compute to change: no driver that runs QEMU can.
  @Sendable private func refuse(_ call: Call) async throws -> Reply {
    if call.http.method == "PUT", call.body.object?.isEmpty != false {
      throw Fault.badRequest("One of 'status' and 'maintenance_mode' is required.")
    }
    let (host, now) = (call.parameter("host_name"), service.clock.now())
    let found = try await service.database.read { tx in
      try NodeServiceStore.find(host: host, binary: NodeService.compute, now: now, tx: tx)
    }
    guard found != nil else { throw Fault.notFound("Compute host \(host.prefix(255)) could not be found.") }
    throw Fault(501, "The requested functionality is not supported: use os-services to take a host out of service.")
  }
}
