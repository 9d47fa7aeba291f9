import API
import Kit
import Store

extension NetworkModel {
  var quotaRoutes: [Route] {
    let own = Rule.any([.admin, .all([.project(parameter: "id"), .role("reader")])])
    let read = Policy("get_quota", own)
    let body = Schema.object([
      Schema.required(
        "quota",
        .object(
          Quotas.kinds.map { Schema.may($0.name, .looseInteger(-1...Int(Int32.max))) }
            + [Schema.may("force", .looseBoolean), Schema.may("check_limit", .looseBoolean)],
          additional: .refused))
    ])
    func mine(_ key: String) -> Route {
      Route("GET", "/v2.0/quotas/\(key)", Policy("get_quota", .projectReader)) { call in
        .json([key: ["\(key)_id": .string(try call.auth.projectID)]])
      }
    }
    return [
      Route("GET", "/v2.0/quotas", Policy("get_quota", .admin)) { _ in try await listQuotas() },
      mine("tenant"), mine("project"),
      Route("GET", "/v2.0/quotas/{id}", read) { call in
        try await database.read { tx in .json(["quota": .object(try quotas(of: call.parameter("id"), tx: tx))]) }
      },
      Route("GET", "/v2.0/quotas/{id}/default", read) { _ in .json(["quota": .object(Self.defaultQuotas)]) },
      Route("GET", "/v2.0/quotas/{id}/details", read) { call in try await quotaDetails(call.parameter("id")) },
      Route("PUT", "/v2.0/quotas/{id}", Policy("update_quota", .admin), schema: body) { try await setQuotas($0) },
      Route("DELETE", "/v2.0/quotas/{id}", Policy("delete_quota", .admin)) { call in
        try await database.write { tx in
          let gone = try tx.execute("DELETE FROM network_quota WHERE project_id = \(call.parameter("id"))")
          if gone == 0 {
            throw Fault.notFound(
              "Project \(call.parameter("id").prefix(64)) does not have quotas of its own.", kind: "TenantQuotaNotFound"
            )
          }
          return .empty(204)
        }
      },
    ]
  }

  private static var defaultQuotas: JSONObject { JSONObject(Quotas.kinds.map { ($0.name, .int($0.limit)) }) }

  private func quotas(of project: String, tx: any Transaction) throws -> JSONObject {
    var quotas = Self.defaultQuotas
    for row in try tx.query("SELECT resource, amount FROM network_quota WHERE project_id = \(project)") {
      quotas[row.text("resource")] = .int(row.int("amount"))
    }
    return quotas
  }

  private func listQuotas() async throws -> Reply {
    try await database.read { tx in
      let rows = try tx.query("SELECT * FROM network_quota ORDER BY project_id")
      var views: [JSONValue] = []
      for (project, own) in Dictionary(grouping: rows, by: { $0.text("project_id") }).sorted(by: { $0.key < $1.key }) {
        var view = Self.defaultQuotas
        for row in own { view[row.text("resource")] = .int(row.int("amount")) }
        view.append("project_id", .string(project))
        view.append("tenant_id", .string(project))
        views.append(.object(view))
      }
      return .json(["quotas": .array(views)])
    }
  }

  private func quotaDetails(_ project: String) async throws -> Reply {
    try await database.read { tx in
      let limits = try quotas(of: project, tx: tx)
      var details = JSONObject()
      for kind in Quotas.kinds {
        details.append(
          kind.name,
          [
            "limit": limits[kind.name] ?? -1, "used": .int(try Quotas.used(kind, project: project, tx: tx)),
            "reserved": 0,
          ])
      }
      return .json(["quota": .object(details)])
    }
  }

  private func setQuotas(_ call: Call) async throws -> Reply {
    let project = call.parameter("id")
    let given = call.body["quota"]?.object ?? [:]
    let isForced = given["force"].flatMap(Schema.boolean) ?? false
    return try await database.write { tx in
      for kind in Quotas.kinds {
        guard let limit = given[kind.name].flatMap(Schema.integer) else { continue }
        if !isForced, limit >= 0, case let used = try Quotas.used(kind, project: project, tx: tx), used > limit {
          throw Fault.badRequest(
            "Quota limit \(limit) for \(kind.name) must be greater than or equal to already used \(used)",
            kind: "HTTPBadRequest")
        }
        try tx.execute("DELETE FROM network_quota WHERE project_id = \(project) AND resource = \(kind.name)")
        try tx.execute(
          .insert(into: "network_quota", ["project_id": project, "resource": kind.name, "amount": limit]))
      }
      return .json(["quota": .object(try quotas(of: project, tx: tx))])
    }
  }
}
