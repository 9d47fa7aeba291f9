import API
import Foundation
import Kit
import Store
import TestKit
import Testing

@testable import Identity

/// Every operation of upstream's inventory by every kind of caller, with upstream's own default rules as expectation
/// (`Transcripts/policies.tsv`, written by `scripts/identity_matrix.py`).
struct MatrixTests {
  private let calls: [(method: String, path: String, policy: String)]
  private let rules: [String: (scopes: String, rule: PolicyExpression)]

  init() throws {
    let text = try String(contentsOfFile: TestKit.path("Transcripts") + "/policies.tsv", encoding: .utf8)
    var calls: [(String, String, String)] = []
    var rules: [String: (String, PolicyExpression)] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "\t").map(String.init)
      guard parts.count == 4 else { throw Fault.internal("no line of the matrix: \(line)") }
      if parts[0] == "call" {
        calls.append((parts[1], parts[2], parts[3]))
      } else {
        rules[parts[1]] = (parts[2], try PolicyExpression(parsing: parts[3]))
      }
    }
    (self.calls, self.rules) = (calls, rules)
  }

  @Test func everyOperationIsServed() async throws {
    let cloud = try await IdentityHarness()
    let served = Set(cloud.service.api.routes.map { $0.method + " " + Self.shape($0.pattern) })
    var missing: [String] = []
    for call in calls {
      let method = call.method == "HEAD" && !served.contains("HEAD " + Self.shape(call.path)) ? "GET" : call.method
      // Upstream answers GET of these by 405, as every router does.
      if method == "GET", call.path.contains("OS-FEDERATION/saml2"), !call.path.contains("metadata") { continue }
      if !served.contains(method + " " + Self.shape(call.path)) { missing.append("\(call.method) \(call.path)") }
    }
    #expect(missing.isEmpty)
  }
  private static func shape(_ path: String) -> String {
    path.split(separator: "/").map { $0.hasPrefix("{") ? "{}" : String($0) }.joined(separator: "/")
  }

  @Test func everyCellIsAsUpstreams() async throws {
    let cloud = try await IdentityHarness()
    let stage = try await MatrixStage(cloud)
    var (cells, wrong) = (0, [String]())
    for call in calls {
      for persona in MatrixStage.personas {
        if let problem = try await cell(call, persona, cloud, stage) { wrong.append(problem) }
        cells += 1
      }
    }
    #expect(cells == calls.count * MatrixStage.personas.count)
    #expect(wrong.isEmpty, "\(wrong.count) of \(cells) cells are wrong:\n\(wrong.prefix(60).joined(separator: "\n"))")
  }

  private func cell(
    _ call: (method: String, path: String, policy: String), _ persona: String, _ cloud: IdentityHarness,
    _ stage: MatrixStage
  ) async throws -> String? {
    let auth = persona == "none" ? nil : try await cloud.service.verify(stage.token(persona))
    let expected = try expectation(call, auth)
    let answer = await cloud.send(
      call.method, stage.fill(call.path), stage.body(call.method, call.path),
      as: auth == nil ? "" : stage.token(persona), subject: stage.token("owner"))
    if call.method != "GET", call.method != "HEAD", answer.status < 300 { try await stage.restore(cloud.service) }
    let name = "\(call.method) \(call.path) as \(persona)"
    if answer.status >= 500, answer.status != 501 { return "\(name): \(answer.status)" }
    var message = answer.body["error"]?["message"]?.string ?? ""
    if call.method == "HEAD", answer.status == 403 {
      // It has no body: its twin says why.
      let twin = await cloud.send("GET", stage.fill(call.path), as: stage.token(persona), subject: stage.token("owner"))
      message = twin.body["error"]?["message"]?.string ?? "perform the requested action: \(call.policy)"
    }
    let refused = answer.status == 403 && message.contains("perform the requested action: identity:")
    switch expected {
    case nil: return nil
    case .stranger?: return answer.status == 401 ? nil : "\(name): \(answer.status) instead of 401"
    case .allowed?: return refused ? "\(name): refused, upstream allows" : nil
    case .refused?: return refused ? nil : "\(name): \(answer.status) \(message.prefix(80)), upstream refuses"
    }
  }

  private enum Expectation { case stranger, allowed, refused }

  /// nil: nothing is promised, as of what needs no token.
  private func expectation(
    _ call: (method: String, path: String, policy: String), _ auth: AuthContext?
  ) throws -> Expectation? {
    if call.policy == "open" { return nil }
    guard let auth else { return .stranger }
    guard let entry = rules[call.policy] else { return .allowed }
    let scope = auth.isSystemScoped ? "system" : auth.domain != nil ? "domain" : "project"
    guard entry.scopes == "-" || entry.scopes.split(separator: ",").contains(Substring(scope)) else { return .refused }
    let rules = rules
    let target = MatrixStage.target(call.path, call.method, auth)
    let question = PolicyQuestion(auth, target: target) { rules[$0]?.rule }
    return entry.rule.allows(question) ? .allowed : .refused
  }
}

/// The resources that the calls of the matrix are about: of the domain `default`, the project `main` and the user `owner`.
private struct MatrixStage {
  static let personas = [
    "none", "reader", "member", "manager", "admin", "service", "other-member", "domain-manager", "domain-reader",
    "home-manager", "home-reader", "system-reader", "system-admin", "domain-admin", "owner", "unscoped",
  ]
  private static let owner = IdentityHarness.id("owner")
  private static let access = String(repeating: "e", count: 32)

  private let tokens: [String: String]
  private let tables: [String]
  private let role: String

  init(_ cloud: IdentityHarness) async throws {
    let service = cloud.service
    let main = TestVerifier.mainProject
    role = cloud.role("member")
    let (member, manager, reader) = (role, cloud.role("manager"), cloud.role("reader"))
    try await service.change { change in
      for (name, place, role) in [
        ("owner", Place.project(main), member), ("home-manager", .domain("default"), manager),
        ("home-reader", .domain("default"), reader),
      ] {
        try change.tx.execute(
          .insert(
            into: "identity_user",
            [
              "id": IdentityHarness.id(name), "name": name, "domain_id": "default", "enabled": true, "options": "{}",
              "created_at": change.now,
            ]))
        try AssignmentStore.insert(
          Assignment(actor: .user(IdentityHarness.id(name)), place: place, roleID: role, isInherited: false), change)
      }
      change.touch(.everything)
    }
    var tokens = cloud.tokens
    for (name, scope) in [
      ("owner", TokenPayload.Scope.project(main)), ("home-manager", .domain("default")),
      ("home-reader", .domain("default")),
    ] {
      let now = service.clock.now()
      tokens[name] = try service.seal(
        TokenPayload(
          userID: IdentityHarness.id(name), scope: scope, methods: [.password], issuedAt: now,
          expiresAt: now + .seconds(3600), auditIDs: [TokenPayload.makeAuditID()]))
    }
    self.tokens = tokens
    try await Self.furnish(service, role: role)
    let names = try await cloud.database.tables().filter { $0.hasPrefix("identity") }
    tables = try await cloud.database.write { tx in
      for name in names { try tx.execute("CREATE TABLE saved_\(raw: name) AS SELECT * FROM \(raw: name)") }
      return names
    }
  }

  func token(_ persona: String) -> String { tokens[persona] ?? "" }

  /// Everything as it was when the stage was made.
  func restore(_ service: IdentityService) async throws {
    try await service.change { [tables] change in
      for name in tables {
        try change.tx.execute("DELETE FROM \(raw: name)")
        try change.tx.execute("INSERT INTO \(raw: name) SELECT * FROM saved_\(raw: name)")
      }
      change.touch(.everything)
    }
  }

  // MARK: Resources

  private static func furnish(_ service: IdentityService, role: String) async throws {
    let main = TestVerifier.mainProject
    let blob = "{\"access\": \"\(access)\", \"secret\": \"s\"}"
    let sealed = try service.secrets.seal(Array(blob.utf8))
    let secret = try service.secrets.seal(Array("s".utf8))
    let roles = JSONValue.strings([role]).text
    try await service.change { change in
      func add(_ table: String, _ values: KeyValuePairs<String, any SQLConvertible>) throws {
        try change.tx.execute(.insert(into: table, values.map { ($0.key, $0.value.sqlValue) }))
      }
      let now = change.now
      try add("identity_group", ["id": "g1", "name": "g1", "domain_id": "default", "created_at": now])
      try add("identity_membership", ["user_id": owner, "group_id": "g1"])
      try add("identity_project_tag", ["project_id": main, "name": "t1"])
      try add("identity_region", ["id": "r1", "description": "", "created_at": now])
      try add("identity_service", ["id": "s1", "type": "x", "name": "x", "enabled": true, "created_at": now])
      try add(
        "identity_endpoint",
        [
          "id": "e1", "interface": "public", "region_id": "r1", "service_id": "s1", "url": "http://x", "enabled": true,
          "created_at": now,
        ])
      try add("identity_endpoint_group", ["id": "eg1", "name": "eg1", "filters": "{}", "created_at": now])
      try add("identity_policy", ["id": "p1", "type": "x", "data": "x", "created_at": now])
      try add("identity_consumer", ["id": "c1", "secret": SQLValue.blob(secret), "created_at": now])
      try add(
        "identity_access_token",
        [
          "id": "at1", "secret": SQLValue.blob(secret), "authorizing_user_id": owner, "consumer_id": "c1",
          "project_id": main, "roles": roles, "expires_at": now + .seconds(3600),
        ])
      try add(
        "identity_registered_limit",
        [
          "id": "rl1", "service_id": "s1", "region_id": "", "resource_name": "x", "default_limit": 1, "created_at": now,
        ])
      try add(
        "identity_limit",
        [
          "id": "l1", "project_id": main, "domain_id": "", "service_id": "s1", "region_id": "", "resource_name": "x",
          "resource_limit": 1, "created_at": now,
        ])
      try add(
        "identity_trust",
        [
          "id": "t1", "trustor_user_id": owner, "trustee_user_id": IdentityHarness.id("unscoped"), "project_id": main,
          "impersonation": true, "redelegation_count": 0, "roles": roles, "created_at": now,
        ])
      try add(
        "identity_credential",
        [
          "id": IdentityService.credentialID(access: access), "user_id": owner, "project_id": main, "type": "ec2",
          "data": SQLValue.blob(sealed), "created_at": now,
        ])
      try add(
        "identity_application_credential",
        [
          "id": "a1", "user_id": owner, "project_id": main, "name": "a1", "secret_hash": "x", "roles": roles,
          "access_rules": "[]", "unrestricted": false, "created_at": now,
        ])
      try add(
        "identity_access_rule",
        ["id": "ar1", "user_id": owner, "service": "compute", "method": "GET", "path": "/x"])
      try add("identity_provider", ["id": "idp1", "enabled": true, "domain_id": "default", "created_at": now])
      try add("identity_mapping", ["id": "m1", "rules": "[]", "schema_version": "1.0", "created_at": now])
      try add("identity_protocol", ["provider_id": "idp1", "id": "pr1", "mapping_id": "m1"])
      try add(
        "identity_service_provider",
        ["id": "sp1", "auth_url": "http://x", "sp_url": "http://x", "enabled": true, "created_at": now])
      change.touch(.everything)
    }
  }

  func fill(_ path: String) -> String {
    path.split(separator: "/", omittingEmptySubsequences: false).enumerated().map { index, part in
      guard part.hasPrefix("{") else { return String(part) }
      let before = path.split(separator: "/", omittingEmptySubsequences: false)[index - 1]
      return value(String(part.dropFirst().dropLast()), behind: String(before))
    }.joined(separator: "/")
  }

  private func value(_ name: String, behind part: String) -> String {
    if name == "id" {
      return [
        "identity_providers": "idp1", "mappings": "m1", "service_providers": "sp1",
      ][part] ?? "x"
    }
    if part == "OS-EC2" { return Self.access }
    return [
      "user_id": Self.owner, "userId": Self.owner, "project_id": TestVerifier.mainProject, "domain_id": "default",
      "group_id": "g1", "role_id": role, "prior_role_id": role, "implies_role_id": role, "region_id": "r1",
      "service_id": "s1", "endpoint_id": "e1", "endpoint_group_id": "eg1", "policy_id": "p1", "consumer_id": "c1",
      "registered_limit_id": "rl1", "limit_id": "l1", "trust_id": "t1", "application_credential_id": "a1",
      "access_rule_id": "ar1", "access_token_id": "at1", "idp_id": "idp1", "mapping_id": "m1", "protocol_id": "pr1",
      "service_provider_id": "sp1",
      "credential_id": IdentityService.credentialID(access: Self.access), "value": "t1", "tag": "t1",
      "group": "identity",
      "option": "driver",
    ][name] ?? "x"
  }

  /// A body that gets as far as the policy's question.
  func body(_ method: String, _ path: String) -> JSONValue? {
    guard ["POST", "PUT", "PATCH"].contains(method) else { return nil }
    let last = path.split(separator: "/").last { !$0.hasPrefix("{") }.map(String.init) ?? ""
    let owner = JSONValue.string(Self.owner)
    switch last {
    case "users": return ["user": ["name": "n", "domain_id": "default"]]
    case "groups": return ["group": ["name": "n", "domain_id": "default"]]
    case "projects": return ["project": ["name": "n", "domain_id": "default"]]
    case "credentials": return ["credential": ["user_id": owner, "type": "x", "blob": "x"]]
    case "trusts":
      return [
        "trust": [
          "trustor_user_id": owner, "trustee_user_id": .string(IdentityHarness.id("unscoped")), "impersonation": true,
          "project_id": .string(TestVerifier.mainProject), "roles": [["id": .string(role)]],
        ]
      ]
    case "application_credentials": return ["application_credential": ["name": "n"]]
    case "domains": return ["domain": ["description": "d"]]
    case "roles": return ["role": ["description": "d"]]
    case "OS-EC2": return ["tenant_id": .string(TestVerifier.mainProject)]
    case "tags": return ["tags": ["t2"]]
    default: return ["x": [:]]
    }
  }

  /// What upstream's rules look at for a call, by their keys.
  static func target(_ path: String, _ method: String, _ auth: AuthContext) -> [String: String] {
    let domain = "default"
    var values = [
      "target.user.id": owner, "target.user.domain_id": domain, "target.group.domain_id": domain,
      "target.project.id": TestVerifier.mainProject, "target.project.domain_id": domain, "target.domain.id": domain,
      "target.role.name": "member", "target.role.domain_id": "None", "target.credential.user_id": owner,
      "target.trust.trustor_user_id": owner, "target.trust.trustee_user_id": IdentityHarness.id("unscoped"),
      "target.limit.project_id": TestVerifier.mainProject, "target.limit.project.domain_id": domain,
      "target.token.user_id": owner, "user_id": path.lowercased().contains("{user") ? owner : "",
    ]
    let isList = (method == "GET" || method == "HEAD") && !path.contains("{")
    if isList {
      // Lists look at the token's own domain, and show what is in it; credentials at the caller's own.
      let own = auth.domain?.id
      for key in ["target.domain_id", "target.group.domain_id", "target.domain.id", "target.project.domain_id"] {
        values[key] = own
      }
      values["target.credential.user_id"] = auth.user.id
    }
    return values
  }
}
