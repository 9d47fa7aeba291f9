import API
import Kit
import Store

extension IdentityService {
  /// Revocation events (API reference, OS-REVOKE), and what is left of the lists that came before them.
  var revocationRoutes: [Route] {
    let list = TargetPolicy("list_revoke_events", .service, scopes: .systemOrProject)
    let old = TargetPolicy("revocation_list", .service, scopes: .systemOrProject)
    return [
      Route("GET", "/v3/OS-REVOKE/events", list.route) { [self] in try await listEvents($0) },
      // Upstream refuses it to everyone: there are no lists of tokens to sign any more.
      Route("GET", "/v3/auth/tokens/OS-PKI/revoked", old.route) { _ in
        throw Fault.forbidden("There are no lists of revoked tokens: ask for revocation events.")
      },
      Route("GET", "/v3/OS-SIMPLE-CERT/ca", .open) { _ in throw Self.gone },
      Route("GET", "/v3/OS-SIMPLE-CERT/certificates", .open) { _ in throw Self.gone },
    ]
  }

  private static let gone = Fault(
    410, "This API is no longer available due to the removal of support for PKI tokens.")

  private func listEvents(_ call: Call) async throws -> Reply {
    var condition: SQL = "1 = 1"
    if let since = call.query["since"] {
      guard let time = Timestamp(since) else {
        throw Fault.badRequest("invalidate date format \(since.prefix(64))")
      }
      condition = "issued_before > \(time)"
    }
    let rows = try await database.read { [condition] tx in
      try tx.query("SELECT * FROM identity_revocation WHERE \(condition) ORDER BY issued_before, kind, subject")
    }
    return .json([
      "events": .array(rows.map(event)),
      "links": ["next": nil, "self": .string("\(call.baseURL)/v3/OS-REVOKE/events"), "previous": nil],
    ])
  }

  private func event(_ row: Row) -> JSONValue {
    let (subject, time) = (row.text("subject"), row.timestamp("issued_before").iso8601MicrosZ)
    var event = JSONObject()
    switch RevocationKind(rawValue: row.text("kind")) {
    case .token: event["audit_id"] = .string(subject)
    case .user: event["user_id"] = .string(subject)
    case .project: event["project_id"] = .string(subject)
    case .domain: event["domain_id"] = .string(subject)
    case .grant:
      let parts = subject.split(separator: "/").map(String.init)
      event["user_id"] = .string(parts.first ?? "")
      if let place = parts.dropFirst().first, place != Place.system.id {
        event[books.domain(place) == nil ? "project_id" : "domain_scope_id"] = .string(place)
      }
    case nil: break
    }
    event["issued_before"] = .string(time)
    event["revoked_at"] = .string(time)
    return .object(event)
  }
}
