import API
import Crypto
import Kit
import TestKit
import Testing

@testable import Identity

/// Consumers' tokens by OAuth 1.0a, and application credentials as clients of OAuth 2.0.
struct OAuthTests {
  private func header(
    _ cloud: IdentityHarness, _ path: String, _ own: [String: String], secret: String, token: String = ""
  ) -> String {
    var values = own
    values["oauth_signature_method"] = "HMAC-SHA1"
    values["oauth_timestamp"] = values["oauth_timestamp"] ?? "\(cloud.clock.now().seconds)"
    values["oauth_nonce"] = "n"
    let sorted = values.sorted { $0.key < $1.key }.map { "\($0.key)=\(Percent.encode($0.value))" }.joined(
      separator: "&")
    let base = "POST&\(Percent.encode("http://cloud.test" + path))&\(Percent.encode(sorted))"
    let code = HMAC<Insecure.SHA1>.authenticationCode(
      for: Array(base.utf8), using: SymmetricKey(data: Array("\(secret)&\(token)".utf8)))
    values["oauth_signature"] = Base64.encode(Array(code))
    return "OAuth " + values.map { "\($0.key)=\"\(Percent.encode($0.value))\"" }.joined(separator: ", ")
  }

  @Test func aConsumerGetsAnAccessToken() async throws {
    let cloud = try await IdentityHarness()
    let made = await cloud.send("POST", "/v3/OS-OAUTH1/consumers", ["consumer": ["description": "d"]]).body["consumer"]
    let (id, secret) = (made?["id"]?.string ?? "", made?["secret"]?.string ?? "")
    let ask = "/v3/OS-OAUTH1/request_token"
    func request(_ authorization: String, project: String = TestVerifier.mainProject) async -> Reply {
      await cloud.respond(
        HTTPCall(
          method: "POST", path: ask,
          headers: ["Host": "cloud.test", "Authorization": authorization, "Requested-Project-Id": project]))
    }
    #expect(await request("").status == 400)
    let own = ["oauth_consumer_key": id, "oauth_callback": "oob"]
    #expect(await request(header(cloud, ask, own, secret: "wrong")).status == 401)
    #expect(await request(header(cloud, ask, own, secret: secret), project: "nothing").status == 404)
    let late = own.merging(["oauth_timestamp": "1"]) { $1 }
    #expect(await request(header(cloud, ask, late, secret: secret)).status == 401)
    let granted = try await form(request(header(cloud, ask, own, secret: secret)))
    let token = granted["oauth_token"] ?? ""
    let roles: JSONValue = ["roles": [["name": "member"]]]
    let authorize = "/v3/OS-OAUTH1/authorize/\(token)"
    #expect(await cloud.send("PUT", authorize, roles, as: "member").status == 403)
    #expect(await cloud.send("PUT", authorize, roles).status == 401)
    let main = TestVerifier.mainProject
    let admin = cloud.service.books.user(LoginRequest.Reference(name: "admin", domainID: "default"))?.id ?? ""
    await cloud.send("PUT", "/v3/projects/\(main)/users/\(admin)/roles/\(cloud.role("member"))")
    let verifier = await cloud.send("PUT", authorize, roles).body["token"]?["oauth_verifier"]?.string ?? ""
    let path = "/v3/OS-OAUTH1/access_token"
    func access(_ verifier: String) async -> Reply {
      let values = ["oauth_consumer_key": id, "oauth_token": token, "oauth_verifier": verifier]
      let authorization = header(cloud, path, values, secret: secret, token: granted["oauth_token_secret"] ?? "")
      return await cloud.respond(
        HTTPCall(method: "POST", path: path, headers: ["Host": "cloud.test", "Authorization": authorization]))
    }
    #expect(await access("wrong").status == 401)
    let final = try await form(access(verifier))
    #expect(await access(verifier).status == 404)
    let tokens = "/v3/users/\(admin)/OS-OAUTH1/access_tokens"
    let shown = await cloud.send("GET", tokens).body["access_tokens"]
    #expect(shown?.array?.count == 1 && shown?[0]?["id"]?.string == final["oauth_token"])
    let one = "\(tokens)/\(final["oauth_token"] ?? "")"
    #expect(await cloud.send("GET", one).body["access_token"]?["project_id"]?.string == main)
    #expect(await cloud.send("GET", one + "/roles").body["roles"]?[0]?["name"]?.string == "member")
    #expect(await cloud.send("GET", "\(one)/roles/\(cloud.role("member"))").status == 200)
    #expect(await cloud.send("GET", "\(one)/roles/\(cloud.role("reader"))").status == 404)
    #expect(await cloud.send("GET", one, as: "member").status == 403)
    #expect(await cloud.send("DELETE", one).status == 204)
    #expect(await cloud.send("GET", one).status == 404)
  }

  private func form(_ reply: Reply) async throws -> [String: String] {
    guard reply.status == 201, case .bytes(let bytes, _) = reply.body else {
      Issue.record("\(reply.status) \(reply.body)")
      return [:]
    }
    return Dictionary(
      Query(text: String(decoding: bytes, as: UTF8.self)).items.map { ($0.name, $0.value) }
    ) { first, _ in first }
  }

  @Test func anApplicationCredentialIsAClientOfOAuth2() async throws {
    let cloud = try await IdentityHarness()
    let made = await cloud.send(
      "POST", "/v3/users/\(IdentityHarness.id("member"))/application_credentials",
      ["application_credential": ["name": "robot"]], as: "member"
    ).body["application_credential"]
    let (id, secret) = (made?["id"]?.string ?? "", made?["secret"]?.string ?? "")
    func ask(_ text: String, basic: String? = nil) async -> (Int, JSONValue) {
      var headers: Headers = ["Host": "cloud.test", "Content-Type": "application/x-www-form-urlencoded"]
      if let basic { headers["Authorization"] = "Basic " + Base64.encode(Array(basic.utf8)) }
      let reply = await cloud.respond(
        HTTPCall(
          method: "POST", path: "/v3/OS-OAUTH2/token", headers: headers, body: BodyStream(bytes: Array(text.utf8))))
      guard case .json(let value) = reply.body else { return (reply.status, .null) }
      return (reply.status, value)
    }
    let (status, answer) = await ask("grant_type=client_credentials", basic: "\(id):\(secret)")
    #expect(status == 200 && answer["token_type"]?.string == "Bearer")
    #expect(try await cloud.service.verify(answer["access_token"]?.string ?? "").user.name == "member")
    #expect(await ask("grant_type=client_credentials&client_id=\(id)&client_secret=\(secret)").0 == 200)
    let wrong = await ask("grant_type=client_credentials", basic: "\(id):wrong")
    #expect(wrong.0 == 401 && wrong.1["error"]?.string == "invalid_client")
    #expect(await ask("grant_type=password").1["error"]?.string == "unsupported_grant_type")
    #expect(await ask("").1["error"]?.string == "invalid_request")
    #expect(await ask("grant_type=client_credentials").0 == 401)
  }
}
