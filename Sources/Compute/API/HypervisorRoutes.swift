import API
import Kit
import Store

/// `/os-hypervisors` (API reference, Hypervisors).
struct HypervisorRoutes: Sendable {
  let service: ComputeDependencies

  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let this = HypervisorRoutes(service: dependencies)
    let all = "/v2.1/os-hypervisors"
    let one = all + "/{hypervisor_id}"
    func policy(_ verb: String) -> Policy { CataloguePolicy.admin("os-hypervisors:\(verb)") }
    return [
      Route("GET", all, policy("list")) { try await this.list($0, isDetailed: false) },
      Route("GET", all + "/detail", policy("list-detail")) { try await this.list($0, isDetailed: true) },
      Route("GET", all + "/statistics", policy("statistics"), until: Microversion(2, 87), this.statistics),
      Route("GET", one, policy("show"), this.show),
      Route("GET", one + "/uptime", policy("uptime"), until: Microversion(2, 87), this.uptime),
      Route("GET", one + "/search", policy("search"), until: Microversion(2, 52)) {
        try await this.search($0, withServers: false)
      },
      Route("GET", one + "/servers", policy("servers"), until: Microversion(2, 52)) {
        try await this.search($0, withServers: true)
      },
    ]
  }

  private func view(_ call: Call, withServers: Bool = false) -> HypervisorView {
    HypervisorView(
      call: call, localHost: service.settings.host, now: service.clock.now(), withServers: withServers)
  }
  private func all() async throws -> [HypervisorFacts] {
    try await service.database.read { [service] tx in try HypervisorStore.all(service, tx: tx) }
  }
  private static func matching(_ all: [HypervisorFacts], _ pattern: String) throws(Fault) -> [HypervisorFacts] {
    let found = all.filter { $0.hostname.contains(pattern) }
    guard !found.isEmpty else {
      throw Fault.notFound("No hypervisor matching '\(pattern.prefix(255))' could be found.")
    }
    return found
  }

  private func list(_ call: Call, isDetailed: Bool) async throws -> Reply {
    try CatalogueQuery.check(
      call, ["limit", "marker", "hypervisor_hostname_pattern", "with_servers"], strictSince: 53)
    let withServers = call.since(2, 53) ? try CatalogueQuery.boolean(call, "with_servers") : false
    var page = try await all()
    var body = JSONObject()
    if call.since(2, 53), let pattern = call.query["hypervisor_hostname_pattern"] {
      guard !call.query.contains("limit"), !call.query.contains("marker") else {
        throw Fault.badRequest(
          "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
      }
      page = try Self.matching(page, pattern)
    } else if call.since(2, 33) {
      let (items, hasNext) = try Self.page(page, call)
      page = items
      let last = page.last.map { call.since(2, 53) ? $0.uuid : String($0.number) }
      if let links = PageLinks.make(call, first: nil, last: last, hasNext: hasNext) {
        body.append("hypervisors_links", links)
      }
    }
    let view = view(call, withServers: withServers)
    body["hypervisors"] = .array(page.map { .object(isDetailed ? view.full($0) : view.brief($0)) })
    return .json(.object(body))
  }

  /// The hosts behind the marker: hosts are few, so they are all read.
  private static func page(
    _ all: [HypervisorFacts], _ call: Call
  ) throws -> (items: [HypervisorFacts], hasNext: Bool) {
    let limit = min(try CatalogueQuery.number(call, "limit") ?? Limits.pageMax, Limits.pageMax)
    var rest = all[...]
    if let marker = call.query["marker"] {
      guard let at = all.firstIndex(where: { call.since(2, 53) ? $0.uuid == marker : String($0.number) == marker })
      else { throw Fault.badRequest("marker [\(marker.prefix(64))] not found") }
      rest = all[(at + 1)...]
    }
    return (Array(rest.prefix(limit)), rest.count > limit)
  }

  private func find(_ call: Call) async throws -> HypervisorFacts {
    let id = call.parameter("hypervisor_id")
    if call.since(2, 53), UUIDText.canonical(id) == nil { throw Fault.badRequest("Invalid uuid \(id.prefix(64))") }
    let found = try await all().first { call.since(2, 53) ? $0.uuid == id.lowercased() : String($0.number) == id }
    guard let found else { throw Fault.notFound("Hypervisor with ID '\(id.prefix(64))' could not be found.") }
    return found
  }

  @Sendable private func show(_ call: Call) async throws -> Reply {
    try CatalogueQuery.check(call, ["with_servers"], strictSince: 53)
    let withServers = call.since(2, 53) ? try CatalogueQuery.boolean(call, "with_servers") : false
    let facts = try await find(call)
    return .json(["hypervisor": .object(view(call, withServers: withServers).full(facts))])
  }

  @Sendable private func uptime(_ call: Call) async throws -> Reply {
    let facts = try await find(call)
    let view = view(call)
    guard let uptime = view.uptime(facts) else {
      throw Fault.badRequest(
        "Compute service of \(facts.node.host) is unavailable at this time: only a host that is up tells its uptime.")
    }
    var body = view.brief(facts)
    body.append("uptime", .string(uptime))
    return .json(["hypervisor": .object(body)])
  }

  @Sendable private func search(_ call: Call, withServers: Bool) async throws -> Reply {
    let found = try Self.matching(try await all(), call.parameter("hypervisor_id"))
    let view = view(call, withServers: withServers)
    return .json(["hypervisors": .array(found.map { .object(view.brief($0)) })])
  }

  @Sendable private func statistics(_ call: Call) async throws -> Reply {
    // As upstream, disabled hosts do not count.
    let counted = try await all().filter(\.node.isEnabled)
    var view: JSONObject = ["count": .int(counted.count)]
    view.merge(HypervisorView.usage(counted))
    return .json(["hypervisor_statistics": .object(view)])
  }
}
