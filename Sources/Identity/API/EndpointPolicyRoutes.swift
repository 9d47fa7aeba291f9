import API
import Kit
import Store

/// What a policy is associated with: an endpoint, a service, or a service in a region. Columns hold '' for null.
private struct PolicyPlace: Sendable {
  var endpointID = ""
  var serviceID = ""
  var regionID = ""

  var condition: SQL { "endpoint_id = \(endpointID) AND service_id = \(serviceID) AND region_id = \(regionID)" }
  var text: String {
    if !endpointID.isEmpty { return "endpoint \(endpointID)" }
    return "service \(serviceID)" + (regionID.isEmpty ? "" : " in region \(regionID)")
  }
}

extension IdentityService {
  /// Which policy document belongs to which endpoint (API reference, OS-ENDPOINT-POLICY).
  var endpointPolicyRoutes: [Route] {
    let root = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
    let places = [
      ("/endpoints/{endpoint_id}", "endpoint"), ("/services/{service_id}", "service"),
      ("/services/{service_id}/regions/{region_id}", "region_and_service"),
    ]
    var routes: [Route] = [
      Route("GET", root + "/endpoints", TargetPolicy.systemReader("list_endpoints_for_policy").route) { [self] in
        try await endpointsOfPolicy($0)
      },
      Route(
        "GET", "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
        TargetPolicy.systemReader("get_policy_for_endpoint").route
      ) { [self] in try await policyOfEndpoint($0) },
    ]
    for (path, kind) in places {
      let end = "policy_association_for_" + kind
      routes += [
        Route("GET", root + path, TargetPolicy.systemReader("check_" + end).route) { [self] in
          try await checkAssociation($0)
        },
        Route("PUT", root + path, TargetPolicy.admin("create_" + end).route) { [self] in
          try await createAssociation($0)
        },
        Route("DELETE", root + path, TargetPolicy.admin("delete_" + end).route) { [self] in
          try await deleteAssociation($0)
        },
      ]
    }
    return routes
  }

  /// What the path names, after a look that it exists.
  private func association(_ call: Call, _ tx: any Transaction) throws -> (policy: String, place: PolicyPlace) {
    let policy = call.parameter("policy_id")
    _ = try existing(policyEntity, policy, tx)
    let place = PolicyPlace(
      endpointID: call.parameter("endpoint_id"), serviceID: call.parameter("service_id"),
      regionID: call.parameter("region_id"))
    for (entity, id) in [
      (endpointEntity, place.endpointID), (serviceEntity, place.serviceID), (regionEntity, place.regionID),
    ] where call.parameters[entity.name + "_id"] != nil { _ = try existing(entity, id, tx) }
    return (policy, place)
  }

  private func checkAssociation(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let (policy, place) = try association(call, tx)
      let found = try tx.count(
        "SELECT COUNT(*) FROM identity_policy_association WHERE policy_id = \(policy) AND \(place.condition)")
      guard found == 1 else { throw Fault.notFound("Could not find policy association.") }
      return .empty(204)
    }
  }

  private func createAssociation(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (policy, place) = try association(call, change.tx)
      try change.tx.execute(
        """
        REPLACE INTO identity_policy_association (endpoint_id, service_id, region_id, policy_id)
        VALUES (\(place.endpointID), \(place.serviceID), \(place.regionID), \(policy))
        """)
      audit(call, "associated policy \(policy) with \(place.text)", change.tx)
      return .empty(204)
    }
  }

  private func deleteAssociation(_ call: Call) async throws -> Reply {
    try await change(call) { [self] change in
      let (policy, place) = try association(call, change.tx)
      try change.tx.execute(
        "DELETE FROM identity_policy_association WHERE policy_id = \(policy) AND \(place.condition)")
      audit(call, "parted policy \(policy) from \(place.text)", change.tx)
      return .empty(204)
    }
  }

  private func endpointsOfPolicy(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let id = call.parameter("policy_id")
      _ = try existing(policyEntity, id, tx)
      let links = try tx.query("SELECT * FROM identity_policy_association WHERE policy_id = \(id)")
      let below = Self.children(try tx.query("SELECT id, parent_region_id FROM identity_region"))
      let rows = try tx.query("SELECT * FROM identity_endpoint ORDER BY id").filter { row in
        links.contains { Self.covers($0, row, below) }
      }
      let views = try EntityRoutes(endpointEntity, self).views(
        rows.map { endpointEntity.values($0, secrets) }, tx: tx, call)
      return .json(CollectionView.body("endpoints", views, call))
    }
  }

  /// The regions below each, by id.
  private static func children(_ regions: [Row]) -> [String: [String]] {
    Dictionary(grouping: regions, by: { $0.optionalText("parent_region_id") ?? "" }).mapValues {
      $0.map { $0.text("id") }
    }
  }

  private static func covers(_ link: Row, _ endpoint: Row, _ children: [String: [String]]) -> Bool {
    if !link.text("endpoint_id").isEmpty { return link.text("endpoint_id") == endpoint.text("id") }
    guard link.text("service_id") == endpoint.text("service_id") else { return false }
    if link.text("region_id").isEmpty { return true }
    var queue = [link.text("region_id")]
    var seen: Set<String> = []
    while let region = queue.popLast() {
      guard seen.insert(region).inserted else { continue }
      if region == endpoint.optionalText("region_id") { return true }
      queue += children[region] ?? []
    }
    return false
  }

  /// The endpoint's own policy, else the one of its service in its region or those above, else its service's.
  private func policyOfEndpoint(_ call: Call) async throws -> Reply {
    try await database.read { [self] tx in
      let endpoint = try existing(endpointEntity, call.parameter("endpoint_id"), tx)
      let (id, service) = (endpoint["id"]?.string ?? "", endpoint["service_id"]?.string ?? "")
      var places = [PolicyPlace(endpointID: id)]
      let parents = Dictionary(
        try tx.query("SELECT id, parent_region_id FROM identity_region").map {
          ($0.text("id"), $0.optionalText("parent_region_id"))
        }
      ) { first, _ in first }
      var region = endpoint["region_id"]?.string
      while let next = region, places.count < 64 {
        places.append(PolicyPlace(serviceID: service, regionID: next))
        region = parents[next] ?? nil
      }
      places.append(PolicyPlace(serviceID: service))
      let found = try tx.query(
        "SELECT * FROM identity_policy_association WHERE endpoint_id = \(id) OR service_id = \(service)")
      for place in places {
        let link = found.first {
          $0.text("endpoint_id") == place.endpointID && $0.text("service_id") == place.serviceID
            && $0.text("region_id") == place.regionID
        }
        guard let policy = link?.text("policy_id") else { continue }
        let values = try existing(policyEntity, policy, tx)
        return .json(["policy": try EntityRoutes(policyEntity, self).views([values], tx: tx, call)[0]])
      }
      throw Fault.notFound("No policy is associated with endpoint \(id).")
    }
  }
}
