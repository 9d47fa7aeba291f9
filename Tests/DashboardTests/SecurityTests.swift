import API
import Kit
import Testing

@testable import Dashboard

@Suite struct SecurityTests {
  @Test func everyPageCarriesTheHeadersThatKeepOthersOut() async throws {
    let world = try DashboardWorld()
    for address in ["/", "/sign-in", "/nothing", "/assets/nothing", "/project/instances"] {
      let page = await world.get(address)
      let policy = page.headers["Content-Security-Policy"] ?? ""
      #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "\(address)")
      #expect(!policy.contains("unsafe"), "\(address)")
      #expect(page.headers["X-Frame-Options"] == "DENY", "\(address)")
      #expect(page.headers["X-Content-Type-Options"] == "nosniff", "\(address)")
      #expect(page.headers["Cache-Control"] == "no-store", "\(address)")
    }
  }

  @Test func theSessionCookieIsOutOfReachOfScriptsAndOtherSites() async throws {
    let world = try DashboardWorld()
    let plain = await world.signIn()
    #expect(plain.status == 303)
    let cookie = plain.headers.all("Set-Cookie").first { $0.hasPrefix("martlet_session=") } ?? ""
    #expect(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax") && cookie.contains("; Path=/"))
    #expect(!cookie.contains("Secure"))
    #expect(!cookie.contains("member"), "the token is sealed")
    let sealed = await world.send("GET", "/sign-in?x", headers: ["X-Forwarded-Proto": "https", "Cookie": ""])
    #expect(sealed.headers["Set-Cookie"]?.contains("; Secure") == true)
  }

  @Test func signingInMakesANewSession() async throws {
    let world = try DashboardWorld()
    let page = await world.get("/sign-in")
    let (before, token) = (world.cookie("martlet_session"), world.csrf(page))
    await world.signIn()
    let after = world.cookie("martlet_session")
    #expect(after != nil && after != before)
    let inside = await world.get("/project/instances")
    #expect(world.csrf(inside) != token, "the form token changes too")
    // Whoever planted the first cookie has nothing.
    world.set(cookie: "martlet_session", before)
    #expect(await world.get("/project/instances").status == 303)
  }

  @Test func changedAndForeignCookiesAreNone() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    let good = world.cookie("martlet_session") ?? ""
    for bad in [String(good.dropLast(2)) + "AA", "", "x", String(repeating: "A", count: 9000), good + "."] {
      world.set(cookie: "martlet_session", bad)
      #expect(
        await world.get("/project/instances").headers["Location"]?.hasPrefix("/sign-in") == true, "\(bad.prefix(9))")
    }
    let other = try DashboardWorld()
    other.set(cookie: "martlet_session", good)
    #expect(await other.get("/project/instances").status == 303, "another cloud's key opens nothing")
  }

  @Test func formsWithoutTheirTokenDoNothing() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    let token = world.csrf(await world.get("/project/instances"))
    for wrong in ["", "0", String(token.reversed())] {
      for address in [
        "/project/instances/server-0/stop", "/project/instances/server-0/delete", "/sign-out", "/switch",
        "/preferences", "/project/launch", "/project/instances/-/delete",
      ] {
        let page = await world.send("POST", address, form: [("csrf", wrong), ("ids", "server-0")])
        #expect(page.status == 403, "\(address)")
      }
    }
    #expect(!world.calls.withLock { $0 }.contains { $0.hasSuffix("/action") || $0.contains("DELETE") })
    let done = await world.send("POST", "/project/instances/server-0/stop", form: [("csrf", token)])
    #expect(done.status == 303)
    #expect(world.calls.withLock { $0 }.contains("compute POST /v2.1/servers/server-0/action"))
  }

  @Test func formsOfOtherSitesDoNothingEvenWithTheToken() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    let form = [("csrf", world.csrf(await world.get("/project/instances")))]
    for headers in [
      ["Origin": "http://evil.example"], ["Origin": "null"], ["Sec-Fetch-Site": "cross-site"],
      ["Sec-Fetch-Site": "same-site"],
    ] {
      let page = await world.send("POST", "/project/instances/server-0/stop", form: form, headers: headers)
      #expect(page.status == 403, "\(headers)")
    }
    let own = await world.send(
      "POST", "/project/instances/server-0/stop", form: form, headers: ["Origin": "http://cloud.example"])
    #expect(own.status == 303)
  }

  @Test func readingChangesNothing() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    for address in [
      "/project/instances/server-0/stop", "/project/instances/server-0/delete", "/project/instances/-/delete",
    ] {
      _ = await world.get(address)
    }
    #expect(!world.calls.withLock { $0 }.contains { $0.contains("DELETE") || $0.hasSuffix("/action") })
  }

  @Test func namesAndDescriptionsAreTextEverywhere() async throws {
    let world = try DashboardWorld()
    await world.signIn("admin")
    for address in [
      "/project/instances", "/project/instances/server-0", "/project/instances/server-0/edit",
      "/project/instances/server-0/delete", "/project/topology", "/project/networks", "/project/access",
      "/search?q=%3Cscript%3Ealert(1)%3C/script%3E", "/project/instances?name=%22%3E%3Cscript%3E",
      "/admin/logs?text=%3Cscript%3E",
      "/project/instances?marker=%3Cscript%3E", "/sign-in?next=%22%3E%3Cscript%3E", "/%3Cscript%3E",
      "/project/instances/server-0/edit?name=%22%3E%3Cscript%3Ex",
    ] {
      let page = await world.get(address)
      #expect(page.status < 500, "\(address)")
      #expect(!page.text.contains("<script>"), "\(address)")
      #expect(!page.text.contains("\"'&{{"), "\(address)")
      #expect(page.text.components(separatedBy: "<script").count <= 2, "\(address)")
    }
  }

  @Test func onlyOwnPathsAreGoneToAfterSigningIn() {
    for bad in [
      "//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x=1", "",
    ] {
      #expect(DashboardService.safeTarget(bad) == "/", "\(bad)")
    }
    #expect(DashboardService.safeTarget("/project/instances?name=a") == "/project/instances?name=a")
  }

  @Test func sessionsEndIdleAndInAnyCase() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    world.clock.advance(.seconds(3599))
    #expect(await world.get("/project/instances").status == 200)
    world.clock.advance(.seconds(3601))
    #expect(await world.get("/project/instances").status == 303)
    await world.signIn()
    for _ in 0..<12 {
      world.clock.advance(.seconds(3500))
      _ = await world.get("/project/instances")
    }
    world.clock.advance(.seconds(1300))
    #expect(await world.get("/project/instances").status == 303)
  }

  @Test func othersPagesAreNotThere() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    for address in [
      "/project/instances/of-another-project", "/project/instances/of-another-project/edit", "/project/nothing",
      "/project/instances/server-0/nothing", "/project/instances/server-0/edit/more",
      "/project/instances/..%2f..%2fimages",
    ] {
      #expect(await world.get(address).status == 404, "\(address)")
    }
    #expect(await world.get("/identity/users").status == 403)
    #expect(await world.get("/admin/logs").status == 403)
  }

  @Test func signingOutRevokesTheToken() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    let token = world.csrf(await world.get("/project/instances"))
    _ = await world.send("POST", "/sign-out", form: [("csrf", token)])
    #expect(world.calls.withLock { $0 }.contains("identity DELETE /v3/auth/tokens"))
    #expect(await world.get("/project/instances").status == 303)
  }

  @Test func wrongPasswordsAreSaidSo() async throws {
    let world = try DashboardWorld()
    let page = await world.signIn(password: "wrong")
    #expect(page.status == 401)
    #expect(page.text.contains("is not right"))
    #expect(!page.text.contains("wrong"))
  }
}
