import API
import Kit
import Store

/// `/os-availability-zone` (API reference, Availability zones): the zones that services are in. A zone is available as
/// long as one of its services is enabled.
enum ZoneRoutes {
  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    @Sendable func services(_ call: Call) async throws -> [NodeService] {
      try CatalogueQuery.check(call)
      let now = dependencies.clock.now()
      return try await dependencies.database.read { tx in try NodeServiceStore.all(now: now, tx: tx) }
    }
    return [
      Route("GET", "/v2.1/os-availability-zone", CataloguePolicy.anyone("os-availability-zone:list")) { call in
        let zones = zones(try await services(call)).filter { $0.name != NodeService.internalZone }
        return reply(zones.map { view($0.name, $0.isAvailable, hosts: nil) })
      },
      Route(
        "GET", "/v2.1/os-availability-zone/detail", CataloguePolicy.admin("os-availability-zone:detail")
      ) { call in
        let services = try await services(call)
        return reply(
          zones(services).map { zone in
            view(zone.name, zone.isAvailable, hosts: zone.isAvailable ? hosts(services, in: zone.name) : nil)
          })
      },
    ]
  }

  private static func zones(_ services: [NodeService]) -> [(name: String, isAvailable: Bool)] {
    let available = Set(services.filter(\.isEnabled).map(\.zone))
    let rest = Set(services.map(\.zone)).subtracting(available)
    return available.sorted().map { ($0, true) } + rest.sorted().map { ($0, false) }
  }

  private static func hosts(_ services: [NodeService], in zone: String) -> JSONValue {
    var hosts = JSONObject()
    for service in services where service.zone == zone && service.isEnabled {
      var host = hosts[service.host]?.object ?? [:]
      host[service.binary] = [
        "available": .bool(service.isUp), "active": .bool(service.isEnabled),
        "updated_at": .string(service.reportedAt.iso8601Micros),
      ]
      hosts[service.host] = .object(host)
    }
    return .object(hosts)
  }

  private static func view(_ name: String, _ isAvailable: Bool, hosts: JSONValue?) -> JSONValue {
    ["zoneName": .string(name), "zoneState": ["available": .bool(isAvailable)], "hosts": hosts ?? .null]
  }
  private static func reply(_ zones: [JSONValue]) -> Reply { .json(["availabilityZoneInfo": .array(zones)]) }
}
