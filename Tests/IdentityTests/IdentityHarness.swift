import API
import Foundation
import Kit
import Store
import TestKit
import Testing

@testable import Identity

/// A clock that goes on by a microsecond whenever it is looked at: no two things happen at the same time.
final class TickingClock: WallClock {
  private let clock = TestClock()
  func now() -> Timestamp {
    clock.advance(.microseconds(1))
    return clock.now()
  }
  func advance(_ duration: Duration) { clock.advance(duration) }
}

/// An Identity service on a database of its own, with users of every kind logged in.
struct IdentityHarness {
  static let password = "correct horse"
  /// Cheap hashing, so that tests take no time for it.
  static let cost = PasswordCost(logRounds: 4, blockSize: 1, parallelism: 1)
  static let otherDomain = "dddddddddddddddddddddddddddddddd"

  let database: any Database
  let clock: TickingClock
  let keys: String
  let service: IdentityService
  let router: APIRouter
  /// Real tokens by the names that transcripts use.
  let tokens: [String: String]

  /// `main` and `other` are projects in `default`; `domain-manager` and `domain-reader` belong to the domain `Other`.
  init(settings: IdentitySettings = IdentitySettings(), overrides: [String: String] = [:]) async throws {
    database = try await TestKit.database(IdentityService.migrations)
    clock = TickingClock()
    keys = try TestKit.folder()
    service = Self.make(database, clock, keys, settings)
    router = APIRouter(
      service.api, verifier: service, log: TestKit.log, overrides: try Self.overrides(service.api, overrides))
    try await service.start()
    try await service.bootstrap(
      adminPassword: Secret(Self.password), region: "RegionOne",
      endpoints: [
        CatalogEndpoint(serviceType: "identity", serviceName: "keystone", url: "http://cloud.test:5000/v3"),
        CatalogEndpoint(
          serviceType: "compute", serviceName: "nova", url: "http://cloud.test:8774/v2.1/%(project_id)s"),
      ])
    tokens = try await Self.populate(service)
  }

  static func make(
    _ database: any Database, _ clock: any WallClock, _ keys: String, _ settings: IdentitySettings = IdentitySettings()
  ) -> IdentityService {
    IdentityService(
      database: database, clock: clock, log: TestKit.log, keyDirectory: keys, tokenLifetime: .seconds(3600),
      settings: settings, passwordCost: cost)
  }

  /// Rules in a file that is there, whatever is in it.
  static func overrides(_ api: ServiceAPI, _ rules: [String: String]) throws -> PolicyOverrides {
    let file = try TestKit.folder() + "/policy.yaml"
    try "".write(toFile: file, atomically: true, encoding: .utf8)
    let defaults = Dictionary(api.routes.map { ($0.policy.name, $0.policy.expression) }) { first, _ in first }
    let overrides = PolicyOverrides(path: file, defaults: defaults, log: TestKit.log) { _ in
      rules.map { ($0.key, $0.value) }
    }
    try overrides.load()
    return overrides
  }

  private static func populate(_ service: IdentityService) async throws -> [String: String] {
    let hash = try await service.hasher.hash(Secret(password))
    let domain = otherDomain
    try await service.change { change in
      func project(_ id: String, _ name: String, _ domain: String) throws {
        try change.tx.execute(
          .insert(
            into: "identity_project",
            [
              "id": id, "name": name, "domain_id": domain, "parent_id": domain, "is_domain": domain.isEmpty,
              "enabled": true, "description": "", "options": "{}", "created_at": change.now,
            ]))
      }
      try project(TestVerifier.mainProject, "main", "default")
      try project(TestVerifier.otherProject, "other", "default")
      try project(domain, "Other", "")
      try project("cccccccccccccccccccccccccccccccc", "theirs", domain)
      for user in users {
        let home = user.place == .domain(domain) ? domain : "default"
        try change.tx.execute(
          .insert(
            into: "identity_user",
            [
              "id": id(user.name), "name": user.name, "domain_id": home, "enabled": true, "options": "{}",
              "password_hash": hash, "created_at": change.now,
            ]))
        guard let place = user.place else { continue }
        let role = try change.tx.first("SELECT id FROM identity_role WHERE name = \(user.role)")?.text("id") ?? ""
        let grant = Assignment(actor: .user(id(user.name)), place: place, roleID: role, isInherited: false)
        try AssignmentStore.insert(grant, change)
      }
      change.touch(.everything)
    }
    return try await logIn(service)
  }

  static let users: [(name: String, role: String, place: Place?)] = [
    ("manager", "manager", .project(TestVerifier.mainProject)),
    ("member", "member", .project(TestVerifier.mainProject)),
    ("reader", "reader", .project(TestVerifier.mainProject)),
    ("service", "service", .project(TestVerifier.mainProject)),
    ("other-member", "member", .project(TestVerifier.otherProject)), ("system-reader", "reader", .system),
    ("domain-manager", "manager", .domain(otherDomain)), ("domain-reader", "reader", .domain(otherDomain)),
    ("unscoped", "", nil),
  ]

  /// The id of a user: its name in hexadecimal.
  static func id(_ name: String) -> String {
    String((name.utf8.map { String($0, radix: 16) }.joined() + String(repeating: "0", count: 32)).prefix(32))
  }

  private static func logIn(_ service: IdentityService) async throws -> [String: String] {
    let books = service.books
    let admin = try #require(books.user(LoginRequest.Reference(name: "admin", domainID: "default")))
    let project = try #require(books.project(LoginRequest.Reference(name: "admin", domainID: "default")))
    var all = users.map { ($0.name, id($0.name), $0.place) }
    all += [("admin", admin.id, .project(project.id)), ("system-admin", admin.id, .system)]
    all.append(("domain-admin", admin.id, .domain("default")))
    var tokens: [String: String] = [:]
    for (name, user, place) in all {
      let scope: TokenPayload.Scope =
        switch place {
        case .project(let id): .project(id)
        case .domain(let id): .domain(id)
        case .system: .system
        case nil: .unscoped
        }
      let now = service.clock.now()
      tokens[name] = try service.seal(
        TokenPayload(
          userID: user, scope: scope, methods: [.password], issuedAt: now,
          expiresAt: now + .seconds(3600), auditIDs: [TokenPayload.makeAuditID()]))
    }
    return tokens
  }

  /// Answers with the names of tokens replaced by tokens.
  func respond(_ call: HTTPCall) async -> Reply {
    var call = call
    for header in ["X-Auth-Token", "X-Subject-Token"] {
      if let name = call.headers[header], let token = tokens[name] { call.headers[header] = token }
    }
    return await router.respond(call)
  }

  struct Answer {
    let status: Int
    let body: JSONValue
    let headers: Headers
    var token: String { headers["X-Subject-Token"] ?? "" }
  }

  /// Sends a request; `token` is a token or the name of one.
  @discardableResult
  func send(
    _ method: String, _ target: String, _ body: JSONValue? = nil, as token: String = "admin", subject: String? = nil,
    headers more: Headers = [:]
  ) async -> Answer {
    var headers: Headers = ["Host": "cloud.test"]
    for field in more.fields { headers.add(field.name, field.value) }
    if !token.isEmpty { headers["X-Auth-Token"] = token }
    if let subject { headers["X-Subject-Token"] = subject }
    if body != nil { headers["Content-Type"] = "application/json" }
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let reply = await respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
        body: BodyStream(bytes: body?.bytes ?? [])))
    guard case .json(let value) = reply.body else {
      return Answer(status: reply.status, body: .null, headers: reply.headers)
    }
    return Answer(status: reply.status, body: value, headers: reply.headers)
  }

  /// Logs a user of `default` in by password.
  @discardableResult
  func logIn(_ name: String, password: String = password, domain: String = "default", scope: JSONValue? = nil) async
    -> Answer
  {
    let user: JSONValue = ["name": .string(name), "domain": ["id": .string(domain)], "password": .string(password)]
    var auth: JSONObject = ["identity": ["methods": ["password"], "password": ["user": user]]]
    if let scope { auth["scope"] = scope }
    return await send("POST", "/v3/auth/tokens", ["auth": .object(auth)], as: "")
  }

  /// Whether a token is in force for the other services.
  func isValid(_ token: String) async -> Bool { (try? await service.verify(token)) != nil }
  func role(_ name: String) -> String { service.books.roles.values.first { $0.name == name }?.id ?? "" }
}
