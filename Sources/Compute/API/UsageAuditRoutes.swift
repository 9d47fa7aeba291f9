import API
import Kit
import Store

/// `/os-instance_usage_audit_log` (API reference, Server usage audit log): which hosts have audited their servers in the
/// month before. Usage reports are computed from rows whenever they are asked for, so no host runs audits, as on
/// upstream where they are not switched on; every host is listed as not having run.
struct UsageAuditRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = UsageAuditRoutes(service: dependencies)
    let all = "/v2.1/os-instance_usage_audit_log"
    return [
      Route("GET", all, CataloguePolicy.admin("os-instance-usage-audit-log:list")) { call in
        .json(["instance_usage_audit_logs": try await this.log(call, before: dependencies.clock.now())])
      },
      Route("GET", all + "/{before_timestamp}", CataloguePolicy.admin("os-instance-usage-audit-log:show")) { call in
        let text = call.parameter("before_timestamp")
        guard text.count >= 19, text.dropFirst(10).first == " ", let before = Timestamp(text) else {
          throw Fault.badRequest("Invalid timestamp for date \(text.prefix(64))")
        }
        return .json(["instance_usage_audit_log": try await this.log(call, before: before)])
      },
    ]
  }

  private func log(_ call: Call, before: Timestamp) async throws -> JSONValue {
    try CatalogueQuery.check(call)
    let now = service.clock.now()
    let services = try await service.database.read { tx in try NodeServiceStore.all(now: now, tx: tx) }
    let hosts = services.filter { $0.binary == NodeService.compute }.map(\.host)
    let (begin, end) = Self.period(before: before)
    return [
      "period_beginning": .string(begin), "period_ending": .string(end), "num_hosts": .int(hosts.count),
      "num_hosts_done": 0, "num_hosts_running": 0, "num_hosts_not_run": .int(hosts.count),
      "hosts_not_run": .strings(hosts), "total_instances": 0, "total_errors": 0,
      "overall_status": .string("\(hosts.isEmpty ? "ALL" : "0 of \(hosts.count)") hosts done. 0 errors."),
      "log": [:],
    ]
  }

  /// The last month that was over at a time.
  private static func period(before: Timestamp) -> (begin: String, end: String) {
    let parts = before.iso8601.split(separator: "-").prefix(2).compactMap { Int($0) }
    guard parts.count == 2 else { return ("", "") }
    let (year, month) = (parts[0], parts[1])
    func first(_ year: Int, _ month: Int) -> String { "\(year)-\(month < 10 ? "0" : "")\(month)-01 00:00:00" }
    return (month == 1 ? first(year - 1, 12) : first(year, month - 1), first(year, month))
  }
}
