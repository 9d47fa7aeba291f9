import API
import Kit
import Store

extension BlockStorageService {
  private static let fields = Schema.object(
    [Schema.may("tenant_id", .any), Schema.may("id", .any), Schema.may("force", .any)],
    additional: .matching(keys: { _ in nil }, .looseInteger(-1...Int(Int32.max)), countMax: 3000))

  var quotaRoutes: [Route] {
    let show = Rule.any([.admin, .all([.role("reader"), .project(parameter: "tenant")])])
    return [
      route("GET", "/os-quota-sets/{tenant}", "volume_extension:quotas:show", show) { [self] call in
        let project = call.parameter("tenant")
        let hasUsage = Input.flag(.string(call.query["usage"] ?? ""))
        return try await read { tx in ["quota_set": try Self.quotaView(project, hasUsage: hasUsage, tx: tx)] }
      },
      route("GET", "/os-quota-sets/{tenant}/defaults", "volume_extension:quotas:show", .projectReader) { [self] call in
        let project = call.parameter("tenant")
        return try await read { tx in
          var view = Self.ordered(try Quota.limits(Quota.defaultClass, tx: tx))
          view["id"] = .string(project)
          return ["quota_set": .object(view)]
        }
      },
      route(
        "PUT", "/os-quota-sets/{tenant}", "volume_extension:quotas:update", .admin,
        schema: .object([Schema.required("quota_set", Self.fields)])
      ) { [self] call in
        let (project, wanted) = (call.parameter("tenant"), Self.values(call.body["quota_set"]))
        return try await write { [self] tx in
          guard try projects.projectExists(project, tx: tx) else {
            throw Fault.notFound("Project \(project.prefix(64)) could not be found.")
          }
          try Self.setQuotas(project, wanted, tx: tx)
          return ["quota_set": .object(Self.ordered(try Quota.limits(project, tx: tx)))]
        }
      },
      route("DELETE", "/os-quota-sets/{tenant}", "volume_extension:quotas:delete", .admin) { [self] call in
        let project = call.parameter("tenant")
        return try await write { tx in
          try tx.execute("DELETE FROM bs_quota WHERE project_id = \(project)")
          return .null
        }
      },
      route("GET", "/os-quota-class-sets/{name}", "volume_extension:quota_classes:get", .admin) { [self] call in
        let name = call.parameter("name")
        return try await read { tx in
          var view = Self.ordered(try Quota.limits("class:" + name, tx: tx))
          view["id"] = .string(name)
          return ["quota_class_set": .object(view)]
        }
      },
      route(
        "PUT", "/os-quota-class-sets/{name}", "volume_extension:quota_classes:update", .admin,
        schema: .object([Schema.required("quota_class_set", Self.fields)])
      ) { [self] call in
        let (name, wanted) = (call.parameter("name"), Self.values(call.body["quota_class_set"]))
        return try await write { tx in
          try Self.setQuotas("class:" + name, wanted, tx: tx)
          return ["quota_class_set": .object(Self.ordered(try Quota.limits("class:" + name, tx: tx)))]
        }
      },
      route("GET", "/limits", "limits_extension:used_limits", .projectReader) { [self] call in
        let auth = try call.auth
        let other = call.since(3, 39) && auth.isAdmin ? call.query["project_id"] : nil
        let project = other ?? auth.projectID
        return try await read { tx in ["limits": try Self.limitsView(project, tx: tx)] }
      },
    ]
  }

  private static func values(_ body: JSONValue?) -> [String: Int] {
    let pairs = (body?.object ?? [:]).filter { !["tenant_id", "id", "force"].contains($0.key) }
    return Dictionary(pairs.compactMap { pair in Schema.integer(pair.value).map { (pair.key, $0) } }) { _, last in last
    }
  }
  private static func setQuotas(_ scope: String, _ wanted: [String: Int], tx: any Transaction) throws {
    let known = Set(try Quota.names(tx: tx))
    let unknown = wanted.keys.filter { !known.contains($0) }.sorted()
    guard unknown.isEmpty else {
      throw Fault.badRequest("Bad key(s) in quota set: \(unknown.joined(separator: ", ").prefix(200))")
    }
    guard !wanted.isEmpty else { throw Fault.badRequest("Missing quota to set in the request body.") }
    for (name, value) in wanted {
      try tx.execute("DELETE FROM bs_quota WHERE project_id = \(scope) AND name = \(name)")
      try tx.execute("INSERT INTO bs_quota (project_id, name, value) VALUES (\(scope), \(name), \(value))")
    }
  }
  private static func ordered(_ limits: [String: Int]) -> JSONObject {
    JSONObject(limits.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })
  }
  private static func quotaView(_ project: String, hasUsage: Bool, tx: any Transaction) throws -> JSONValue {
    let limits = try Quota.limits(project, tx: tx)
    var view = ordered(limits)
    if hasUsage {
      let used = try Quota.usage(project, tx: tx)
      for name in limits.keys {
        view[name] = [
          "limit": .int(limits[name] ?? -1), "in_use": .int(used[name] ?? 0), "reserved": 0, "allocated": 0,
        ]
      }
    }
    view["id"] = .string(project)
    return .object(view)
  }
  private static func limitsView(_ project: String, tx: any Transaction) throws -> JSONValue {
    let (limits, used) = (try Quota.limits(project, tx: tx), try Quota.usage(project, tx: tx))
    func limit(_ name: String) -> JSONValue { .int(limits[name] ?? -1) }
    func use(_ name: String) -> JSONValue { .int(used[name] ?? 0) }
    return [
      "rate": [],
      "absolute": [
        "maxTotalVolumes": limit("volumes"), "maxTotalSnapshots": limit("snapshots"),
        "maxTotalVolumeGigabytes": limit("gigabytes"), "maxTotalBackups": limit("backups"),
        "maxTotalBackupGigabytes": limit("backup_gigabytes"), "totalVolumesUsed": use("volumes"),
        "totalGigabytesUsed": use("gigabytes"), "totalSnapshotsUsed": use("snapshots"),
        "totalBackupsUsed": use("backups"), "totalBackupGigabytesUsed": use("backup_gigabytes"),
      ],
    ]
  }
}
