import API
import Kit
import Store

extension NetworkModel {
  var discoveryRoutes: [Route] {
    let any = Policy("get_extension", .authenticated)
    return [
      Route("GET", "/", .open) { call in
        .json([
          "versions": [
            ["id": "v2.0", "status": "CURRENT", "links": [["rel": "self", "href": .string(call.baseURL + "/v2.0/")]]]
          ]
        ])
      },
      Route("GET", "/v2.0", .open) { call in .json(["resources": .array(Self.resourceLinks(call))]) },
      Route("GET", "/v2.0/extensions", any) { call in
        let only = Set(call.query.all("fields"))
        return .json(["extensions": .array(APIExtension.all.map { Self.view($0, only: only) })])
      },
      Route("GET", "/v2.0/extensions/{alias}", any) { call in
        guard let found = APIExtension.all.first(where: { $0.alias == call.parameter("alias") }) else {
          throw Fault.notFound("Extension with alias \(call.parameter("alias").prefix(80)) does not exist")
        }
        return .json(["extension": Self.view(found, only: [])])
      },
      Route("GET", "/v2.0/availability_zones", Policy("get_availability_zone", .role("reader"))) { call in
        .json(["availability_zones": .array(zones(call.query))])
      },
      Route("GET", "/v2.0/service-providers", Policy("get_service_provider", .role("reader"))) { _ in
        .json(["service_providers": [["service_type": "L3_ROUTER_NAT", "name": "martlet", "default": true]]])
      },
      Route("GET", "/v2.0/network-ip-availabilities", Policy("get_network_ip_availability", .service)) { call in
        try await listAvailability(call)
      },
      Route("GET", "/v2.0/network-ip-availabilities/{id}", Policy("get_network_ip_availability", .service)) { call in
        try await showAvailability(call)
      },
    ]
  }

  /// The declared resources, for `/v2.0` and for tags.
  static let declared: [Resource] = [
    Networks.resource, Subnets.resource, SubnetPools.resource, Ports.resource, Routers.resource, FloatingIPs.resource,
    SecurityGroups.resource, SecurityRules.resource, AddressGroups.resource, AddressScopes.resource,
    RBACPolicies.resource, Agents.resource, Metering.labels, Metering.rules,
  ]

  private static func resourceLinks(_ call: Call) -> [JSONValue] {
    declared.map { resource in
      [
        "name": .string(resource.name), "collection": .string(resource.collection),
        "links": [["rel": "self", "href": .string(call.baseURL + resource.path)]],
      ]
    }
  }

  private static func view(_ item: APIExtension, only: Set<String>) -> JSONValue {
    let members: [(String, JSONValue)] = [
      ("alias", .string(item.alias)), ("name", .string(item.name)), ("description", .string(item.description)),
      ("updated", .string(item.updated)), ("links", .array([])),
    ]
    return .object(JSONObject(members.filter { only.isEmpty || only.contains($0.0) }))
  }

  private func zones(_ query: Query) -> [JSONValue] {
    ["network", "router"].compactMap { resource in
      let zone: JSONObject = [
        "name": .string(settings.zone), "resource": .string(resource), "state": "available",
      ]
      let fits = zone.allSatisfy { member in
        !query.contains(member.key) || query.all(member.key).contains(member.value.string ?? "")
      }
      return fits ? .object(zone) : nil
    }
  }

  private func listAvailability(_ call: Call) async throws -> Reply {
    var conditions: [SQL] = []
    for (name, column) in [
      ("network_id", "id"), ("network_name", "name"), ("tenant_id", "project_id"), ("project_id", "project_id"),
    ] where call.query.contains(name) {
      conditions.append("\(raw: column) IN \(list: call.query.all(name))")
    }
    let (wanted, version) = (conditions, call.query["ip_version"].flatMap { Int($0) })
    return try await database.read { tx in
      let all = try availability(where: wanted, version: version, tx: tx)
      return .json(["network_ip_availabilities": .array(all)])
    }
  }

  private func showAvailability(_ call: Call) async throws -> Reply {
    let id = call.parameter("id")
    return try await database.read { tx in
      guard let found = try availability(where: ["id = \(id)"], version: nil, tx: tx).first else {
        throw Networks.notFound(id)
      }
      return .json(["network_ip_availability": found])
    }
  }

  private func availability(where conditions: [SQL], version: Int?, tx: any Transaction) throws -> [JSONValue] {
    let filter = conditions.isEmpty ? SQL("1 = 1") : SQL.join(conditions, " AND ")
    let networks = try tx.query("SELECT id, name, project_id FROM network WHERE \(filter) ORDER BY id")
    let rows = try tx.query(
      """
      SELECT s.*, (SELECT COUNT(*) FROM network_allocation a WHERE a.subnet_id = s.id) AS used
      FROM network_subnet s ORDER BY s.created_at, s.id
      """)
    let byNetwork = Dictionary(grouping: rows) { $0.text("network_id") }
    return networks.map { network in
      let own = (byNetwork[network.text("id")] ?? []).filter { version == nil || $0.int("ip_version") == version }
      let sizes = own.map { row in
        SubnetPlan.ranges(row.json("allocation_pools").array ?? [])
          .reduce(0.0) { $0 + Double($1.upperBound.value - $1.lowerBound.value) + 1 }
      }
      let details: [JSONValue] = zip(own, sizes).map { row, size in
        [
          "subnet_id": .string(row.text("id")), "subnet_name": .string(row.text("name")),
          "cidr": .string(row.text("cidr")), "ip_version": .int(row.int("ip_version")),
          "total_ips": Self.count(size), "used_ips": .int(row.int("used")),
        ]
      }
      let project = JSONValue.string(network.text("project_id"))
      return [
        "network_id": .string(network.text("id")), "network_name": .string(network.text("name")),
        "project_id": project, "tenant_id": project, "total_ips": Self.count(sizes.reduce(0, +)),
        "used_ips": .int(own.reduce(0) { $0 + $1.int("used") }), "subnet_ip_availability": .array(details),
      ]
    }
  }

  /// Numbers of addresses beyond 64 bits lose their last digits.
  private static func count(_ value: Double) -> JSONValue { Int(exactly: value).map { .int($0) } ?? .double(value) }
}
