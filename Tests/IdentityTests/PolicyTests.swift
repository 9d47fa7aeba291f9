import API
import Foundation
import Kit
import TestKit
import Testing

@testable import Identity

/// Rules that replace the defaults, and explanations of both.
struct PolicyTests {
  private let path = "/v3/users/\(IdentityHarness.id("member"))"

  @Test func rulesTakeThePlaceOfDefaults() async throws {
    let cloud = try await IdentityHarness(overrides: [
      "identity:list_services": "rule:auditor or rule:admin_required", "auditor": "role:service",
      "identity:get_user": "role:manager and domain_id:%(target.user.domain_id)s",
      "identity:delete_region": "!", "identity:list_regions": "user_id:%(user_id)s and not role:service",
      "identity:create_grant": "role:member and 'reader':%(target.role.name)s",
    ])
    #expect(await cloud.send("GET", "/v3/services", as: "service").status == 200)
    #expect(await cloud.send("GET", "/v3/services", as: "admin").status == 200)
    #expect(await cloud.send("GET", "/v3/services", as: "system-reader").status == 403)
    // The rule looks at the user that is asked for.
    #expect(await cloud.send("GET", path, as: "admin").status == 403)
    #expect(await cloud.send("GET", path, as: "domain-manager").status == 403)
    let theirs = "/v3/users/\(IdentityHarness.id("domain-reader"))"
    #expect(await cloud.send("GET", theirs, as: "domain-manager").status == 200)
    #expect(await cloud.send("DELETE", "/v3/regions/RegionOne").status == 403)
    #expect(await cloud.send("GET", "/v3/regions", as: "member").status == 200)
    #expect(await cloud.send("GET", "/v3/regions", as: "service").status == 403)
    #expect(await cloud.send("GET", "/v3/regions", as: "").status == 401)
    let grants = "/v3/projects/\(TestVerifier.mainProject)/users/\(IdentityHarness.id("unscoped"))/roles/"
    #expect(await cloud.send("PUT", grants + cloud.role("reader"), as: "member").status == 204)
    #expect(await cloud.send("PUT", grants + cloud.role("member"), as: "member").status == 403)
    // What is not replaced is as before.
    #expect(await cloud.send("GET", "/v3/projects", as: "member").status == 403)
  }

  private func file(_ text: String) throws -> String {
    let path = try TestKit.folder() + "/policy.yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
  private func overrides(_ path: String) -> PolicyOverrides {
    PolicyOverrides(path: path, defaults: ["a:b": .role("reader")], log: TestKit.log) { path in
      try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
        let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : "")
      }
    }
  }
  private let reader = AuthContext(
    user: AuthContext.Named(id: "u", name: "u"), userDomain: AuthContext.Named(id: "d", name: "d"),
    project: AuthContext.Named(id: "p", name: "p"), roles: ["reader"], tokenID: Secret(""),
    expiresAt: Timestamp(seconds: 0))

  @Test func mistakesAreNamedAtTheStart() throws {
    for (text, reason) in [
      ("a:b=role:", nil), ("a:b=role:x or", "something is missing"), ("a:b=(role:x", "not closed"),
      ("a:b=role:x role:y", "'and' or 'or'"), ("a:b=reader", "no check"), ("a:b=rule:nothing", "none of"),
      ("a:b=rule:c\nc=rule:a:b", "refers to itself"), ("a:b=http://x", "remote"), ("a:b=role:x)", "expected"),
    ] {
      let rules = overrides(try file(text))
      guard let reason else {
        try rules.load()
        continue
      }
      let fault = #expect(throws: Fault.self) { try rules.load() }
      #expect(fault?.message.contains(reason) == true, "\(text): \(fault?.message ?? "")")
      #expect(fault?.message.contains("policy.yaml") == true)
    }
  }

  @Test func theFileIsReadAgainWhenItChanges() async throws {
    let path = try file("a:b=role:admin")
    let rules = overrides(path)
    try rules.load()
    #expect(rules.decide("a:b", reader, target: [:]) == false)
    #expect(rules.decide("other", reader, target: [:]) == nil)
    try "a:b=role:reader and project_id:%(project_id)s".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try await eventually { rules.decide("a:b", reader, target: [:]) == true })
    // A mistake leaves the rules as they were.
    try "a:b=role:x or".write(toFile: path, atomically: true, encoding: .utf8)
    try await Task.sleep(for: .milliseconds(1200))
    #expect(rules.decide("a:b", reader, target: [:]) == true)
    try FileManager.default.removeItem(atPath: path)
    #expect(try await eventually { rules.decide("a:b", reader, target: [:]) == nil })
  }

  private func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<600 {
      if condition() { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return false
  }

  @Test func explanationsSayWhichRuleAndWhy() async throws {
    let cloud = try await IdentityHarness()
    let rules = try IdentityHarness.overrides(cloud.service.api, ["identity:list_services": "role:service"])
    let member = try cloud.service.persona(user: "member", domain: "default", scope: .automatic)
    #expect(member.project?.name == "main" && member.roles == ["member", "reader"])
    let listed = try rules.explain("identity:list_services", member, target: [:])
    #expect(!listed.isAllowed && listed.rule == "role:service" && listed.source.hasSuffix("policy.yaml"))
    let own = try rules.explain("identity:get_user", member, target: ["target.user.id": member.user.id])
    #expect(own.isAllowed && own.source == "default")
    #expect(own.lines.contains { $0.contains("yes") && $0.contains("user_id:%(target.user.id)s") })
    #expect(throws: Fault.self) { try rules.explain("identity:nothing", member, target: [:]) }
    #expect(throws: Fault.self) { try cloud.service.persona(user: "nobody", domain: "default", scope: .system) }
    #expect(throws: Fault.self) { try cloud.service.persona(user: "member", domain: "default", scope: .system) }
    let system = try cloud.service.persona(user: "system-reader", domain: "Default", scope: .system)
    #expect(system.isSystemScoped)
  }

  /// What routes say of themselves in oslo.policy's language means what they do.
  @Test func defaultsSayWhatTheyDo() async throws {
    let cloud = try await IdentityHarness()
    for route in cloud.service.api.routes where !route.policy.isLate && route.policy.name != "open" {
      for name in ["member", "manager", "admin", "service", "system-reader", "domain-reader", "unscoped"] {
        let auth = try await cloud.service.verify(cloud.tokens[name] ?? "")
        let question = PolicyQuestion(auth, target: [:]) { _ in nil }
        #expect(
          route.policy.rule.allows(auth) == route.policy.expression.allows(question),
          "\(route.policy.name) as \(name): \(route.policy.expression)")
      }
    }
  }
}
