import Kit
import TestKit
import Testing

@testable import Identity

/// Trusts and application credentials: they allow a part, and no more than their maker still may.
struct DelegationTests {
  private let main = TestVerifier.mainProject

  private func trust(_ cloud: IdentityHarness, _ more: JSONObject = [:]) async -> IdentityHarness.Answer {
    var values: JSONObject = [
      "trustor_user_id": .string(IdentityHarness.id("member")),
      "trustee_user_id": .string(IdentityHarness.id("unscoped")),
      "project_id": .string(main), "impersonation": true, "roles": [["name": "reader"]],
    ]
    values.merge(more)
    return await cloud.send("POST", "/v3/OS-TRUST/trusts", ["trust": .object(values)], as: "member")
  }
  private func use(_ cloud: IdentityHarness, _ id: String, as name: String = "unscoped") async -> IdentityHarness.Answer
  {
    await cloud.logIn(name, scope: ["OS-TRUST:trust": ["id": .string(id)]])
  }

  @Test func aTrusteeActsForTheTrustor() async throws {
    let cloud = try await IdentityHarness()
    let made = await trust(cloud)
    #expect(made.status == 201 && made.body["trust"]?["roles"]?[0]?["name"]?.string == "reader")
    let id = made.body["trust"]?["id"]?.string ?? ""
    let token = await use(cloud, id)
    #expect(token.body["token"]?["OS-TRUST:trust"]?["id"]?.string == id)
    let auth = try await cloud.service.verify(token.token)
    #expect(auth.user.name == "member" && auth.roles == ["reader"] && auth.project?.id == main)
    #expect(await use(cloud, id, as: "reader").status == 403)
    #expect(await cloud.send("GET", "/v3/OS-TRUST/trusts/\(id)", as: "other-member").status == 403)
    #expect(await cloud.send("GET", "/v3/OS-TRUST/trusts/\(id)", as: "unscoped").status == 200)
    #expect(await cloud.send("DELETE", "/v3/OS-TRUST/trusts/\(id)", as: "unscoped").status == 403)
    #expect(await cloud.send("DELETE", "/v3/OS-TRUST/trusts/\(id)", as: "member").status == 204)
    #expect(await !cloud.isValid(token.token))
    #expect(await use(cloud, id).status == 404)
  }

  @Test func aTrustEndsWithTheTrustorsRole() async throws {
    let cloud = try await IdentityHarness()
    let id = await trust(cloud).body["trust"]?["id"]?.string ?? ""
    let token = await use(cloud, id).token
    let grant = "/v3/projects/\(main)/users/\(IdentityHarness.id("member"))/roles/\(cloud.role("member"))"
    #expect(await cloud.send("DELETE", grant).status == 204)
    #expect(await !cloud.isValid(token))
    #expect(await use(cloud, id).status == 403)
  }

  @Test func usesAreCountedAndRedelegationNarrows() async throws {
    let cloud = try await IdentityHarness()
    let once = await trust(cloud, ["remaining_uses": 1]).body["trust"]?["id"]?.string ?? ""
    #expect(await use(cloud, once).status == 201)
    #expect(await use(cloud, once).status == 403)
    #expect(await trust(cloud, ["roles": [["name": "admin"]]]).status == 404)
    #expect(await trust(cloud, ["roles": []]).status == 403)
    #expect(await trust(cloud, ["expires_at": "2001-01-01T00:00:00Z"]).status == 400)
    #expect(await trust(cloud, ["trustor_user_id": .string(IdentityHarness.id("reader"))]).status == 403)
    let open = await trust(cloud, ["allow_redelegation": true, "redelegation_count": 1])
    let id = open.body["trust"]?["id"]?.string ?? ""
    let token = await use(cloud, id).token
    func pass(_ role: String) async -> IdentityHarness.Answer {
      await cloud.send(
        "POST", "/v3/OS-TRUST/trusts",
        [
          "trust": [
            "trustor_user_id": .string(IdentityHarness.id("member")), "project_id": .string(main),
            "trustee_user_id": .string(IdentityHarness.id("reader")), "impersonation": true,
            "roles": [["name": .string(role)]],
          ]
        ], as: token)
    }
    #expect(await pass("member").status == 403)
    let passed = await pass("reader")
    #expect(passed.status == 201 && passed.body["trust"]?["redelegation_count"]?.int == 0)
    let child = passed.body["trust"]?["id"]?.string ?? ""
    #expect(await use(cloud, child, as: "reader").status == 201)
    await cloud.send("DELETE", "/v3/OS-TRUST/trusts/\(id)", as: "member")
    #expect(await use(cloud, child, as: "reader").status == 404)
  }

  private func make(_ cloud: IdentityHarness, _ more: JSONObject = [:], as token: String = "member") async
    -> IdentityHarness.Answer
  {
    var values: JSONObject = ["name": "robot"]
    values.merge(more)
    let user = IdentityHarness.id("member")
    return await cloud.send(
      "POST", "/v3/users/\(user)/application_credentials", ["application_credential": .object(values)], as: token)
  }
  private func logIn(_ cloud: IdentityHarness, _ made: IdentityHarness.Answer, secret: String? = nil) async
    -> IdentityHarness.Answer
  {
    let own = made.body["application_credential"]
    return await cloud.send(
      "POST", "/v3/auth/tokens",
      [
        "auth": [
          "identity": [
            "methods": ["application_credential"],
            "application_credential": [
              "id": own?["id"] ?? .null, "secret": secret.map { .string($0) } ?? own?["secret"] ?? .null,
            ],
          ]
        ]
      ], as: "")
  }

  @Test func anApplicationCredentialLogsIn() async throws {
    let cloud = try await IdentityHarness()
    let made = await make(cloud, ["roles": [["name": "reader"]], "expires_at": "2030-01-01T00:00:00"])
    #expect(made.status == 201)
    #expect(made.body["application_credential"]?["expires_at"]?.string == "2030-01-01T00:00:00.000000")
    let token = await logIn(cloud, made)
    #expect(token.body["token"]?["application_credential"]?["restricted"]?.bool == true)
    let auth = try await cloud.service.verify(token.token)
    #expect(auth.roles == ["reader"] && auth.project?.id == main)
    #expect(await logIn(cloud, made, secret: "wrong").status == 401)
    #expect(await make(cloud).status == 409)
    #expect(await make(cloud, ["name": "b", "roles": [["name": "admin"]]]).status == 400)
    #expect(await make(cloud, ["name": "c"], as: "admin").status == 403)
    // A restricted one makes no other, and no credential or trust.
    #expect(await make(cloud, ["name": "d"], as: token.token).status == 403)
    let credential: JSONValue = [
      "credential": ["type": "cert", "blob": "x", "user_id": .string(IdentityHarness.id("member"))]
    ]
    #expect(await cloud.send("POST", "/v3/credentials", credential, as: token.token).status == 403)
    #expect(await cloud.send("GET", "/v3/OS-TRUST/trusts", as: token.token).status == 403)
    // It cannot get out of its project by another token.
    let again: JSONValue = [
      "auth": ["identity": ["methods": ["token"], "token": ["id": .string(token.token)]], "scope": "unscoped"]
    ]
    #expect(await cloud.send("POST", "/v3/auth/tokens", again, as: "").status == 401)
    let grant = "/v3/projects/\(main)/users/\(IdentityHarness.id("member"))/roles/\(cloud.role("member"))"
    #expect(await cloud.send("DELETE", grant).status == 204)
    #expect(await !cloud.isValid(token.token))
  }

  @Test func accessRulesAreEnforced() async throws {
    let cloud = try await IdentityHarness()
    let user = IdentityHarness.id("member")
    let rule: JSONValue = ["service": "identity", "method": "GET", "path": "/v3/users/*"]
    let made = await make(cloud, ["access_rules": [rule]])
    #expect(made.status == 201)
    let token = await logIn(cloud, made).token
    #expect(await cloud.send("GET", "/v3/users/\(user)", as: token).status == 200)
    #expect(await cloud.send("GET", "/v3/users/\(user)/projects", as: token).status == 401)
    let rules =
      await cloud.send("GET", "/v3/users/\(user)/access_rules", as: "member").body["access_rules"]?.array ?? []
    #expect(rules.count == 1 && rules[0]["path"]?.string == "/v3/users/*")
    let path = "/v3/users/\(user)/access_rules/\(rules[0]["id"]?.string ?? "")"
    #expect(await cloud.send("DELETE", path, as: "member").status == 403)
    let id = made.body["application_credential"]?["id"]?.string ?? ""
    #expect(await cloud.send("DELETE", "/v3/users/\(user)/application_credentials/\(id)", as: "member").status == 204)
    #expect(await !cloud.isValid(token))
    #expect(await cloud.send("DELETE", path, as: "member").status == 204)
  }

  @Test func accessRulePatterns() {
    func fits(_ pattern: String, _ path: String) -> Bool {
      AccessRule(service: "compute", method: "GET", path: pattern).allows(service: "compute", method: "GET", path: path)
    }
    #expect(fits("/v2.1/servers/*/ips", "/v2.1/servers/a/ips"))
    #expect(!fits("/v2.1/servers/*/ips", "/v2.1/servers/a/b/ips"))
    #expect(fits("/v2.1/**", "/v2.1/servers/a/b"))
    #expect(fits("/v2.1/servers/{server_id}", "/v2.1/servers/a"))
    #expect(!fits("/v2.1/servers", "/v2.1/servers/a"))
    #expect(
      !AccessRule(service: "compute", method: "GET", path: "/**").allows(service: "image", method: "GET", path: "/x"))
  }
}
