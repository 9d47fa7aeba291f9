import Kit
import TestKit
import Testing

@testable import Identity

/// Rules on passwords, locked accounts, one-time passwords and rules for several methods.
struct ComplianceTests {
  private func cloud(_ change: (inout SecurityCompliance) -> Void) async throws -> IdentityHarness {
    var settings = IdentitySettings()
    change(&settings.compliance)
    return try await IdentityHarness(settings: settings)
  }
  private let member = "/v3/users/\(IdentityHarness.id("member"))"

  private func change(_ cloud: IdentityHarness, from old: String, to new: String) async -> IdentityHarness.Answer {
    await cloud.send(
      "POST", member + "/password", ["user": ["original_password": .string(old), "password": .string(new)]], as: "")
  }

  @Test func wrongPasswordsLockAnAccountForATime() async throws {
    let cloud = try await cloud {
      $0.lockoutFailureAttempts = 3
      $0.lockoutDuration = .seconds(600)
    }
    for _ in 0..<3 { #expect(await cloud.logIn("member", password: "wrong").status == 401) }
    let locked = await cloud.logIn("member")
    #expect(locked.status == 401)
    #expect(locked.body["error"]?["message"]?.string?.contains("locked") == true)
    #expect(await cloud.logIn("reader").status == 201)
    cloud.clock.advance(.seconds(601))
    #expect(await cloud.logIn("member", password: "wrong").status == 401)
    #expect(await cloud.logIn("member").status == 201)
    // Its option keeps a service's account open.
    await cloud.send("PATCH", member, ["user": ["options": ["ignore_lockout_failure_attempts": true]]])
    for _ in 0..<5 { await cloud.logIn("member", password: "wrong") }
    #expect(await cloud.logIn("member").status == 201)
    // A new password of an administrator opens a locked one.
    for _ in 0..<3 { await cloud.logIn("reader", password: "wrong") }
    #expect(await cloud.logIn("reader").status == 401)
    let reader = "/v3/users/\(IdentityHarness.id("reader"))"
    #expect(await cloud.send("PATCH", reader, ["user": ["password": "another one"]]).status == 200)
    #expect(await cloud.logIn("reader", password: "another one").status == 201)
  }

  /// A user that there is none of costs what a wrong password costs: a hash, and a write where failures are counted.
  @Test func anUnknownUserCostsAsMuch() async throws {
    let cloud = try await cloud { $0.lockoutFailureAttempts = 100 }
    func writes(_ name: String) async throws -> Int {
      let before = cloud.database.statementCount
      #expect(await cloud.logIn(name, password: "wrong").status == 401)
      return cloud.database.statementCount - before
    }
    _ = try await writes("nobody")
    // Two statements to read and to write the count; its user is read once more for the books in memory or not at all.
    #expect(abs(try await writes("nobody") - (try await writes("member"))) <= 1)
    let unknown = await cloud.logIn("nobody", password: "wrong").body
    #expect(unknown == (await cloud.logIn("member", password: "wrong").body))
  }

  /// However many guesses come at once, no more than the limit are looked at.
  @Test func lockoutHoldsUnderParallelGuesses() async throws {
    let cloud = try await cloud { $0.lockoutFailureAttempts = 4 }
    let user = try #require(cloud.service.books.users[IdentityHarness.id("member")])
    let locked = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<40 {
        group.addTask {
          do {
            _ = try await cloud.service.checkPassword(Secret("guess \(index)"), of: user, allowsExpired: false)
            return false
          } catch { return Fault(error).message.contains("locked") }
        }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(locked == 36)
    #expect(await cloud.logIn("member").status == 401)
  }

  @Test func passwordsMatchTheExpression() async throws {
    let cloud = try await cloud {
      $0.passwordRegex = "^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$"
      $0.passwordRegexDescription = "letters, digits, seven of them"
    }
    let refused = await cloud.send("POST", "/v3/users", ["user": ["name": "n", "password": "short1"]])
    #expect(refused.status == 400)
    #expect(refused.body["error"]?["message"]?.string?.contains("letters, digits, seven of them") == true)
    #expect(await cloud.send("POST", "/v3/users", ["user": ["name": "n", "password": "longer12"]]).status == 201)
    #expect(await change(cloud, from: IdentityHarness.password, to: "nodigits").status == 400)
    #expect(await change(cloud, from: IdentityHarness.password, to: "digits 12").status == 204)
    let shown = await cloud.send("GET", "/v3/domains/default/config/security_compliance", as: "reader")
    let told = shown.body["config"]?["security_compliance"]?["password_regex_description"]
    #expect(told?.string == "letters, digits, seven of them")
    var settings = IdentitySettings()
    settings.compliance.passwordRegex = "(["
    await #expect(throws: Fault.self) { try await IdentityHarness(settings: settings) }
  }

  @Test func lastPasswordsAreNotUsedAgain() async throws {
    let cloud = try await cloud { $0.uniqueLastPasswordCount = 3 }
    let first = IdentityHarness.password
    #expect(await change(cloud, from: first, to: first).status == 400)
    #expect(await change(cloud, from: first, to: "two two").status == 204)
    #expect(await change(cloud, from: "two two", to: "three three").status == 204)
    #expect(await change(cloud, from: "three three", to: "two two").status == 400)
    #expect(await cloud.send("PATCH", member, ["user": ["password": "three three"]]).status == 200)
    #expect(await change(cloud, from: "three three", to: "four four").status == 204)
    #expect(await change(cloud, from: "four four", to: "five five").status == 204)
    #expect(await change(cloud, from: "five five", to: "two two").status == 204)
  }

  @Test func aChosenPasswordIsKeptForADay() async throws {
    let cloud = try await cloud { $0.minimumPasswordAge = 1 }
    #expect(await change(cloud, from: IdentityHarness.password, to: "two two").status == 204)
    #expect(await change(cloud, from: "two two", to: "three three").status == 400)
    cloud.clock.advance(.seconds(86_401))
    #expect(await change(cloud, from: "two two", to: "three three").status == 204)
    let lock: JSONValue = ["user": ["options": ["lock_password": true]]]
    let admin = try await token(cloud, "admin")
    #expect(await cloud.send("PATCH", member, lock, as: admin).status == 200)
    cloud.clock.advance(.seconds(86_401))
    #expect(await change(cloud, from: "three three", to: "four four").status == 400)
  }

  private func token(_ cloud: IdentityHarness, _ name: String) async throws -> String {
    await cloud.logIn(name, scope: ["project": ["name": "admin", "domain": ["id": "default"]]]).token
  }

  @Test func passwordsEnd() async throws {
    let cloud = try await cloud { $0.passwordExpiresDays = 2 }
    let id = IdentityHarness.id("member")
    #expect(await cloud.send("PATCH", member, ["user": ["password": "two two"]]).status == 200)
    let shown = await cloud.send("GET", member).body["user"]?["password_expires_at"]?.string
    #expect(shown != nil)
    #expect(
      await cloud.logIn("member", password: "two two").body["token"]?["user"]?["password_expires_at"]?.string == shown)
    let soon = "/v3/users?password_expires_at=lt:2099-01-01T00:00:00Z"
    #expect((await cloud.send("GET", soon).body["users"]?.array ?? []).map { $0["id"]?.string } == [id])
    #expect(await cloud.send("GET", "/v3/users?password_expires_at=gt:2099-01-01T00:00:00Z").body["users"] == [])
    cloud.clock.advance(.seconds(2 * 86_400 + 1))
    let late = await cloud.logIn("member", password: "two two")
    #expect(late.status == 401 && late.body["error"]?["message"]?.string?.contains("expired") == true)
    #expect(await change(cloud, from: "two two", to: "three three").status == 204)
    #expect(await cloud.logIn("member", password: "three three").status == 201)
    cloud.clock.advance(.seconds(2 * 86_400 + 1))
    let admin = try await token(cloud, "admin")
    let ignore: JSONValue = ["user": ["options": ["ignore_password_expiry": true]]]
    #expect(await cloud.send("PATCH", member, ignore, as: admin).body["user"]?["password_expires_at"] == .null)
    #expect(await cloud.logIn("member", password: "three three").status == 201)
  }

  @Test func aGivenPasswordIsChangedAtFirstUse() async throws {
    let cloud = try await cloud { $0.changePasswordUponFirstUse = true }
    #expect(await cloud.send("PATCH", member, ["user": ["password": "two two"]]).status == 200)
    #expect(await cloud.logIn("member", password: "two two").status == 401)
    #expect(await change(cloud, from: "wrong", to: "three three").status == 401)
    #expect(await change(cloud, from: "two two", to: "three three").status == 204)
    #expect(await cloud.logIn("member", password: "three three").status == 201)
    let robot: JSONValue = [
      "user": ["password": "four four", "options": ["ignore_change_password_upon_first_use": true]]
    ]
    #expect(await cloud.send("PATCH", member, robot).status == 200)
    #expect(await cloud.logIn("member", password: "four four").status == 201)
  }

  // MARK: Several methods

  @Test func oneTimePasswordsAreThoseOfTheRFC() throws {
    // RFC 6238, Appendix B, with six digits.
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for (time, code) in [
      (59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130"),
    ] {
      #expect(OneTimePassword.fits(code, secret: secret, now: Timestamp(seconds: time)))
      #expect(OneTimePassword.fits(code, secret: secret, now: Timestamp(seconds: time + 30)))
      #expect(!OneTimePassword.fits(code, secret: secret, now: Timestamp(seconds: time + 61)))
    }
    #expect(!OneTimePassword.fits("287082", secret: "not base 32!", now: Timestamp(seconds: 59)))
  }

  private func identity(_ methods: [String], code: String = "") -> JSONValue {
    let who: JSONObject = ["name": "member", "domain": ["id": "default"]]
    var password = who
    password["password"] = .string(IdentityHarness.password)
    var totp = who
    totp["passcode"] = .string(code)
    var identity: JSONObject = ["methods": .strings(methods)]
    if methods.contains("password") { identity["password"] = ["user": .object(password)] }
    if methods.contains("totp") { identity["totp"] = ["user": .object(totp)] }
    return ["auth": ["identity": .object(identity), "scope": ["project": ["id": .string(TestVerifier.mainProject)]]]]
  }

  @Test func rulesAskForMoreMethodsAndAReceiptRemembers() async throws {
    let cloud = try await IdentityHarness()
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    let credential: JSONValue = [
      "credential": ["type": "totp", "blob": .string(secret), "user_id": .string(IdentityHarness.id("member"))]
    ]
    #expect(await cloud.send("POST", "/v3/credentials", credential).status == 201)
    func code() throws -> String {
      OneTimePassword.code(try #require(Base32.decode(secret)), cloud.clock.now().seconds / OneTimePassword.period)
    }
    #expect(await cloud.send("POST", "/v3/auth/tokens", identity(["totp"], code: try code()), as: "").status == 201)
    #expect(await cloud.send("POST", "/v3/auth/tokens", identity(["totp"], code: "000000"), as: "").status == 401)
    let rules: JSONValue = ["user": ["options": ["multi_factor_auth_rules": [["password", "totp"], ["unknown"]]]]]
    #expect(await cloud.send("PATCH", member, rules).status == 200)
    let half = await cloud.send("POST", "/v3/auth/tokens", identity(["password"]), as: "")
    #expect(half.status == 401 && half.body["receipt"]?["methods"] == ["password"])
    #expect(half.body["required_auth_methods"] == [["password", "totp"], ["unknown"]])
    let receipt = try #require(half.headers["Openstack-Auth-Receipt"])
    #expect(await !cloud.isValid(receipt))
    func finish(_ receipt: String, _ body: JSONValue) async -> IdentityHarness.Answer {
      await cloud.send("POST", "/v3/auth/tokens", body, as: "", headers: ["Openstack-Auth-Receipt": receipt])
    }
    let whole = await finish(receipt, identity(["totp"], code: try code()))
    #expect(whole.status == 201)
    #expect(Set(SnapshotStore.strings(whole.body["token"]?["methods"] ?? [])) == ["password", "totp"])
    #expect(await finish("nonsense", identity(["totp"], code: try code())).status == 401)
    let both = identity(["password", "totp"], code: try code())
    #expect(await cloud.send("POST", "/v3/auth/tokens", both, as: "").status == 201)
    let again: JSONValue = ["auth": ["identity": ["methods": ["token"], "token": ["id": .string(whole.token)]]]]
    #expect(await cloud.send("POST", "/v3/auth/tokens", again, as: "").status == 201)
    cloud.clock.advance(.seconds(301))
    #expect(await finish(receipt, identity(["totp"], code: try code())).status == 401)
    for bad: JSONValue in [[["password"], ["password"]], [[]], ["password"], [["a", "a"]], 1] {
      let answer = await cloud.send("PATCH", member, ["user": ["options": ["multi_factor_auth_rules": bad]]])
      #expect(answer.status == 400, "\(bad.text)")
    }
    let off: JSONValue = ["user": ["options": ["multi_factor_auth_enabled": false]]]
    #expect(await cloud.send("PATCH", member, off).status == 200)
    #expect(await cloud.send("POST", "/v3/auth/tokens", identity(["password"]), as: "").status == 201)
  }
}
