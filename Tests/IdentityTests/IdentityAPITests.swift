import API
import Kit
import TestKit
import Testing

@testable import Identity

struct IdentityAPITests {
  @Test(arguments: TestKit.transcripts())
  func transcript(_ path: String) async throws {
    let cloud = try await IdentityHarness()
    let problems = try await Transcript(path: path).run { await cloud.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  /// Values that no field of a body takes all of.
  private static let badValues: [JSONValue] = [
    .null, true, 7, -1, 1.5, "", "   ", "x\u{1}", [], [1], [:], ["id": 7], ["a": ["b": ["c": nil]]],
    .string(String(repeating: "n", count: 70_000)), "'; DROP TABLE identity_user; --",
  ]

  /// The member of a body that a route reads, from its path.
  private static func key(_ route: Route) -> [String] {
    let last = route.pattern.split(separator: "/").last { !$0.hasPrefix("{") }.map(String.init) ?? ""
    let singular = last.hasSuffix("ies") ? last.dropLast(3) + "y" : last.hasSuffix("s") ? String(last.dropLast()) : last
    return [String(singular), last] + (last == "tokens" ? ["auth"] : last == "password" ? ["user"] : ["config"])
  }

  private static let fields = [
    "name", "domain_id", "enabled", "description", "options", "default_project_id", "password", "parent_id", "tags",
    "is_domain", "type", "url", "interface", "service_id", "region_id", "blob", "user_id", "project_id", "roles",
    "expires_at", "access_rules", "trustor_user_id", "trustee_user_id", "impersonation", "identity", "scope", "filters",
    "remaining_uses", "original_password", "explicit_domain_id", "region", "parent_region_id", "id", "extra",
  ]

  /// Every route with every malformed body: 4xx, or success where a value happens to be allowed, never a 5xx.
  @Test func badBodiesAreNeverA5xx() async throws {
    let cloud = try await IdentityHarness()
    for route in cloud.router.api.routes where ["POST", "PUT", "PATCH"].contains(route.method) {
      let path = Self.fill(route.pattern, with: IdentityHarness.id("member"))
      for value in Self.badValues {
        await expectNo5xx(cloud, route, path, value)
        for key in Self.key(route) { await expectNo5xx(cloud, route, path, .object([key: value])) }
        await expectNo5xx(cloud, route, path, .object([Self.key(route)[1]: .array([value])]))
      }
      for (index, field) in Self.fields.enumerated() {
        // A few of the values for every field, another few for the next.
        for offset in stride(from: index % 7, to: Self.badValues.count, by: 7) {
          let value = Self.badValues[offset]
          let inside: JSONValue = .object([field: value, "name": "n", "type": "t"])
          await expectNo5xx(cloud, route, path, .object([Self.key(route)[0]: inside, Self.key(route)[1]: [inside]]))
        }
      }
    }
  }

  /// Every route with ids, queries and headers of all kinds.
  @Test func badPathsAndQueriesAreNeverA5xx() async throws {
    let cloud = try await IdentityHarness()
    let ids = [
      "nothing", "%00", "%2F", "..", "default", String(repeating: "i", count: 3000), "%F0%9F%98%80", "' OR 1=1 --",
    ]
    let queries = [
      "limit=-1", "limit=x", "limit=0", "limit=1&marker=nothing", "sort_key=password_hash", "sort_key=name&sort_dir=up",
      "name__contains=%25", "name__regex=(", "enabled=x", "tags=", "effective=maybe", "user.id=", "parents_as_list",
      "domain_id=%00", "marker=%27", "name__endswith=", "is_domain=7",
    ]
    for route in cloud.router.api.routes {
      for id in ids { await expectNo5xx(cloud, route, Self.fill(route.pattern, with: id), [:]) }
      guard route.method == "GET" else { continue }
      for query in queries {
        await expectNo5xx(cloud, route, Self.fill(route.pattern, with: TestVerifier.mainProject) + "?" + query, nil)
      }
    }
  }

  private func expectNo5xx(_ cloud: IdentityHarness, _ route: Route, _ path: String, _ body: JSONValue?) async {
    let answer = await cloud.send(route.method, path, body, subject: "unscoped")
    #expect(
      answer.status < 500, "\(route.method) \(path.prefix(200)) \(body?.text.prefix(300) ?? ""): \(answer.status)")
    if answer.status >= 400, route.method != "HEAD", route.pattern != "/v3/OS-OAUTH2/token" {
      #expect(answer.body["error"]?["code"]?.int == answer.status, "\(route.method) \(path.prefix(200))")
    }
  }

  private static func fill(_ pattern: String, with id: String) -> String {
    "/" + pattern.split(separator: "/").map { $0.hasPrefix("{") ? id : String($0) }.joined(separator: "/")
  }

  /// Who may do what: no token is a 401 on every route but the open ones; a member of some project changes nothing of
  /// others, whatever the route.
  @Test func rolesAreAsked() async throws {
    let cloud = try await IdentityHarness()
    let before = try await fingerprint(cloud)
    for route in cloud.router.api.routes where route.policy.name != "open" {
      let path = Self.fill(route.pattern, with: IdentityHarness.id("member"))
      let body: JSONValue? = ["POST", "PUT", "PATCH"].contains(route.method) ? ["x": [:]] : nil
      #expect(await cloud.send(route.method, path, body, as: "").status == 401, "\(route.method) \(path)")
      #expect(await cloud.send(route.method, path, body, as: "expired").status == 401, "\(route.method) \(path)")
      guard route.method != "GET", route.method != "HEAD" else { continue }
      for stranger in ["other-member", "reader", "service", "system-reader", "domain-reader"] {
        let answer = await cloud.send(route.method, path, body, as: stranger, subject: "admin")
        #expect((400...499).contains(answer.status), "\(route.method) \(path) as \(stranger): \(answer.status)")
      }
    }
    #expect(try await fingerprint(cloud) == before)
  }

  /// How many rows every table has.
  private func fingerprint(_ cloud: IdentityHarness) async throws -> [String: Int] {
    let names = try await cloud.database.tables().filter { $0.hasPrefix("identity") }
    return try await cloud.database.read { tx in
      try Dictionary(uniqueKeysWithValues: names.map { ($0, try tx.count("SELECT COUNT(*) FROM \(raw: $0)")) })
    }
  }

  /// The snapshot that follows the writes is the one that a new process would read.
  @Test func theSnapshotFollowsTheRows() async throws {
    let cloud = try await IdentityHarness()
    for path in TestKit.transcripts() { _ = try await Transcript(path: path).run { await cloud.respond($0) } }
    let again = IdentityHarness.make(cloud.database, cloud.clock, cloud.keys)
    try await again.start()
    let (followed, fresh) = (cloud.service.books, again.books)
    #expect(Set(followed.users.keys) == Set(fresh.users.keys))
    #expect(followed.users.mapValues(\.name) == fresh.users.mapValues(\.name))
    #expect(followed.projects.mapValues { "\($0)" } == fresh.projects.mapValues { "\($0)" })
    #expect(followed.assignments.mapValues { Set($0) } == fresh.assignments.mapValues { Set($0) })
    #expect(followed.groups.mapValues { Set($0) } == fresh.groups.mapValues { Set($0) })
    #expect(Set(followed.roles.keys) == Set(fresh.roles.keys) && followed.implied == fresh.implied)
    #expect(followed.userIDs == fresh.userIDs && followed.projectIDs == fresh.projectIDs)
    #expect(followed.catalog.map(\.id) == fresh.catalog.map(\.id))
    #expect(Set(followed.trusts.keys) == Set(fresh.trusts.keys))
    #expect(Set(followed.applicationCredentials.keys) == Set(fresh.applicationCredentials.keys))
  }

  /// A list costs a fixed number of statements, however long it is.
  @Test func listsDoNotAskPerItem() async throws {
    let cloud = try await IdentityHarness()
    for path in ["/v3/users", "/v3/projects", "/v3/role_assignments?include_names", "/v3/domains", "/v3/groups"] {
      let before = cloud.database.statementCount
      #expect(await cloud.send("GET", path).status == 200)
      #expect(cloud.database.statementCount - before <= 2, "\(path)")
    }
  }
}
