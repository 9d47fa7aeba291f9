import API
import Kit
import Store

/// `/limits` (API reference, Limits).
enum LimitRoutes {
  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    let database = dependencies.database
    return [
      Route("GET", "/v2.1/limits", CataloguePolicy.anyone("limits")) { call in
        try CatalogueQuery.check(call, ["reserved", "tenant_id"], strictSince: 75)
        let auth = try call.auth
        let other = call.query["tenant_id"]
        if other != nil, !auth.isAdmin { throw CataloguePolicy.refuse("limits:other_project") }
        let projectID = other ?? auth.projectID
        let (limits, used) = try await database.read { tx in
          (try ComputeQuota.limits(projectID: projectID, tx: tx), try ComputeQuota.used(projectID: projectID, tx: tx))
        }
        return .json(["limits": ["rate": [], "absolute": .object(absolute(limits, used, call))]])
      }
    ]
  }

  /// Name of the limit, of what is in use (where upstream shows it), and the resource.
  private static let names: [(limit: String, used: String?, resource: String)] = [
    ("maxTotalInstances", "totalInstancesUsed", "instances"), ("maxTotalCores", "totalCoresUsed", "cores"),
    ("maxTotalRAMSize", "totalRAMUsed", "ram"), ("maxServerMeta", nil, "metadata_items"),
    ("maxImageMeta", nil, "metadata_items"), ("maxPersonality", nil, "injected_files"),
    ("maxPersonalitySize", nil, "injected_file_content_bytes"), ("maxTotalKeypairs", nil, "key_pairs"),
    ("maxServerGroups", "totalServerGroupsUsed", "server_groups"),
    ("maxServerGroupMembers", nil, "server_group_members"),
    ("maxTotalFloatingIps", "totalFloatingIpsUsed", "floating_ips"),
    ("maxSecurityGroups", "totalSecurityGroupsUsed", "security_groups"),
    ("maxSecurityGroupRules", nil, "security_group_rules"),
  ]

  private static func absolute(_ limits: [String: Int], _ used: [String: Int], _ call: Call) -> JSONObject {
    var view = JSONObject()
    for (name, usedName, resource) in names {
      if call.since(2, 36), QuotaResource.network.contains(resource) { continue }
      if call.since(2, 57), QuotaResource.injected.contains(resource) { continue }
      if call.since(2, 39), name == "maxImageMeta" { continue }
      view.append(name, .int(limits[resource] ?? -1))
      // Compute counts nothing of Network's, nor does upstream: those limits are unlimited with nothing in use.
      if let usedName { view.append(usedName, .int(used[resource] ?? 0)) }
    }
    return view
  }
}
