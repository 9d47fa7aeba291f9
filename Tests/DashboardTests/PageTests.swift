import API
import Foundation
import Kit
import Mustache
import TestKit
import Testing

@testable import Dashboard

@Suite struct PageTests {
  @Test func everyTemplateParsesInEveryLanguage() throws {
    for language in Language.allCases {
      for (name, source) in Templates.sources {
        #expect(throws: Never.self, "\(name)") { _ = try MustacheTemplate(string: language.translate(source)) }
      }
    }
  }

  @Test func pagesOfAPanelNeedABoundedNumberOfCalls() async throws {
    let world = try DashboardWorld(rows: 1000)
    await world.signIn()
    _ = await world.get("/project/instances")
    world.calls.withLock { $0 = [] }
    let start = ContinuousClock.now
    let page = await world.get("/project/instances?limit=1000")
    let elapsed = ContinuousClock.now - start
    #expect(page.status == 200)
    // The services here do not cut pages: a thousand rows with their menus are drawn, twenty times what is usual.
    #expect(elapsed < .seconds(20), "\(elapsed)")
    // The list, the images' names, and the projects of the switch.
    #expect(world.calls.withLock { $0.count } <= 3)
  }

  @Test func actionsAreOfferedByState() async throws {
    let world = try DashboardWorld()
    await world.signIn()
    let page = await world.get("/project/instances")
    #expect(page.text.contains("/project/instances/server-0/stop"))
    #expect(!page.text.contains("action=\"/project/instances/server-0/start\""))
    #expect(!page.text.contains("/project/volumes"), "a service that is not there has no panel")
  }

  @Test func bulkActionsAskFirst() async throws {
    let world = try DashboardWorld(rows: 3)
    await world.signIn()
    let csrf = world.csrf(await world.get("/project/instances"))
    var form = [("csrf", csrf), ("ids", "server-0"), ("ids", "server-1")]
    let asked = await world.send("POST", "/project/instances/-/delete", form: form)
    #expect(asked.status == 200 && asked.text.contains("cannot be undone"))
    #expect(!world.calls.withLock { $0 }.contains { $0.contains("DELETE") })
    form.append(("confirmed", "yes"))
    #expect(await world.send("POST", "/project/instances/-/delete", form: form).status == 303)
    #expect(world.calls.withLock { $0.filter { $0.contains("DELETE") } }.count == 2)
  }

  @Test func languageFollowsTheBrowserAndTheChoice() async throws {
    let world = try DashboardWorld()
    #expect(await world.send("GET", "/sign-in", headers: ["Accept-Language": "ko-KR,ko;q=0.9"]).text.contains("로그인"))
    world.set(cookie: "martlet_language", "en")
    #expect(await world.send("GET", "/sign-in", headers: ["Accept-Language": "ko"]).text.contains("Sign in"))
  }

  @Test func filesInFormsArePassedOnAsTheyArrive() async throws {
    let payload = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) } + Array("\r\n--abd\r\n".utf8)
    var body = Array("--abc\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\ntoken\r\n".utf8)
    body += Array("--abc\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".utf8)
    body += payload + Array("\r\n--abc--\r\n".utf8)
    for size in [1, 7, 4096, body.count] where size > 1 || body.count < 400_000 {
      let pieces = AsyncStream<[UInt8]> { continuation in
        var at = 0
        while at < body.count {
          continuation.yield(Array(body[at..<min(at + max(size, 100), body.count)]))
          at += max(size, 100)
        }
        continuation.finish()
      }
      let call = HTTPCall(
        method: "POST", path: "/", headers: ["Content-Type": "multipart/form-data; boundary=abc"],
        body: BodyStream(pieces, length: nil))
      let content = try await Multipart.read(call)
      #expect(content.fields["csrf"] == "token")
      #expect(try await content.file?.collect(limit: 1 << 20) == payload)
    }
  }

  @Test func brokenFormsAreRefused() async throws {
    for (type, body) in [
      ("multipart/form-data", ""), ("multipart/form-data; boundary=a", "--a\r\nno end"),
      ("multipart/form-data; boundary=a", "--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nunfinished"),
    ] {
      let call = HTTPCall(
        method: "POST", path: "/", headers: ["Content-Type": type], body: BodyStream(bytes: Array(body.utf8)))
      await #expect(throws: Fault.self) { _ = try await Multipart.read(call) }
    }
  }
}
