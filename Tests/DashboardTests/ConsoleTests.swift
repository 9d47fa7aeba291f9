import Foundation
import Kit
import TestKit
import Testing

@testable import Dashboard

@Suite struct ConsoleTests {
  @Test func bytesGoBothWays() async throws {
    let world = try await ConsoleWorld()
    try await world.browse { browser in
      let head = try await browser.head()
      #expect(head.hasPrefix("HTTP/1.1 101") && head.lowercased().contains("sec-websocket-protocol: binary"))
      #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "the key's answer of RFC 6455")
      let greeting = try await browser.frame()
      #expect(greeting?.bytes == Array("RFB 003.008\n".utf8))
      for text in ["hello", "again"] {
        try await browser.send(Array(text.utf8))
        let frame = try await browser.frame()
        #expect(frame?.opcode == 2 && frame?.bytes == Array(text.utf8))
      }
      try await browser.send([1, 2], opcode: 9)
      let pong = try await browser.frame()
      #expect(pong?.opcode == 10 && pong?.bytes == [1, 2])
    }
  }

  @Test func onlyAGoodTokenOpensAndOnlyOnce() async throws {
    let world = try await ConsoleWorld()
    for token in ["", "?token=", "?token=wrong", "?token=expired", "?token=" + String(repeating: "a", count: 300)] {
      let answer = try await world.ask("/" + token)
      #expect(answer.status == "403", "\(token)")
      #expect(!answer.text.contains("RFB"))
    }
    #expect(try await world.ask("/?token=good", cookie: "user=bob").status == "403", "another user's token")
    #expect(try await world.ask("/?token=third").status == "400", "a token of another kind of console")
    #expect(world.guest.visits.withLock { $0 } == 0, "the guest was never reached")
    try await world.browse(cookie: "user=ann") { browser in
      let head = try await browser.head()
      #expect(head.hasPrefix("HTTP/1.1 101"))
    }
    #expect(try await world.ask("/?token=good").status == "403", "a token is used up")
  }

  @Test func otherSitesAndOtherProtocolsAreRefusedBeforeTheTokenIsSpent() async throws {
    let world = try await ConsoleWorld()
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
      #expect(try await world.ask("/?token=good", origin: origin).status == "403", "\(origin)")
    }
    #expect(try await world.ask("/?token=good", protocols: "base64").status == "400")
    #expect(try await world.ask("/elsewhere?token=good").status == "404")
    try await world.browse { browser in
      let head = try await browser.head()
      #expect(head.hasPrefix("HTTP/1.1 101"))
    }
  }

  @Test func textIsNotTaken() async throws {
    let world = try await ConsoleWorld()
    try await world.browse { browser in
      _ = try await browser.head()
      _ = try await browser.frame()
      try await browser.send(Array("text".utf8), opcode: 1)
      let (last, end) = (try await browser.frame(), try await browser.frame())
      #expect(last?.opcode == 8)
      #expect(end == nil)
    }
  }

  @Test func theConsoleClosesWhenTheGuestGoes() async throws {
    let world = try await ConsoleWorld()
    try await world.browse { browser in
      _ = try await browser.head()
      _ = try await browser.frame()
      try await browser.send(Array("bye".utf8))
      let frame = try #require(try await browser.frame())
      #expect(frame.opcode == 8)
      #expect(String(decoding: frame.bytes.dropFirst(2), as: UTF8.self).contains("guest"))
      let end = try await browser.frame()
      #expect(end == nil)
    }
    // A socket that nobody listens on any more.
    unlink(world.consoles.socket)
    let answer = try await world.ask("/?token=second")
    #expect(answer.status == "503" && answer.text.contains("screen is not there"))
  }

  @Test func consolesOfAGuestAreBounded() async throws {
    let world = try await ConsoleWorld { $0.consolesOfGuest = 1 }
    try await world.browse { browser in
      let head = try await browser.head()
      #expect(head.hasPrefix("HTTP/1.1 101"))
      let answer = try await world.ask("/?token=second")
      #expect(answer.status == "429")
    }
  }

  @Test func aBrowserThatReadsSlowlyHoldsTheGuestBack() async throws {
    let world = try await ConsoleWorld()
    let total = 64 << 20
    world.guest.flood.withLock { $0 = total }
    try await world.browse { browser in
      _ = try await browser.head()
      _ = try await browser.frame()
      // Nothing is read for as long as the guest still gets rid of something.
      var before = -1
      while before != world.guest.flooded.withLock({ $0 }) {
        before = world.guest.flooded.withLock { $0 }
        try await Task.sleep(for: .milliseconds(300))
      }
      #expect(before < total / 2, "\(before) bytes went somewhere")
      let read = try await browser.skip(total)
      #expect(read >= total, "the rest came when it was read")
    }
  }

  @Test func aBrowserThatSaysNothingIsClosed() async throws {
    let world = try await ConsoleWorld { ($0.pingPause, $0.greetingSeconds) = (.milliseconds(100), 1) }
    try await world.browse { browser in
      _ = try await browser.head()
      var opcodes: [UInt8] = []
      while let frame = try await browser.frame() { opcodes.append(frame.opcode) }
      #expect(opcodes.contains(9), "it was asked first")
    }
    // Neither does a connection without a request stay.
    try await world.browse("/ HTTP/1.1\r\nX: ", protocols: nil) { browser in
      _ = try await browser.rest()
    }
  }

  @Test func pagesComeFromThePackage() async throws {
    let folder = try TestKit.folder()
    try FileManager.default.createDirectory(atPath: folder + "/core", withIntermediateDirectories: true)
    let world = try await ConsoleWorld(novnc: folder)
    let absent = try await world.ask("/vnc_auto.html?path=%3Ftoken%3Dgood", protocols: nil)
    #expect(absent.status == "503" && absent.text.contains("scripts/setup.sh"))
    try Data("export default 1;".utf8).write(to: URL(fileURLWithPath: folder + "/core/rfb.js"))
    try Data("secret".utf8).write(to: URL(fileURLWithPath: folder + "/secret.js"))
    let page = try await world.ask("/vnc_auto.html?path=%3Ftoken%3Dgood", protocols: nil)
    #expect(page.status == "200" && page.text.contains("console.js"))
    #expect(page.text.contains("frame-ancestors 'self' http://*:8443") && !page.text.contains("unsafe"))
    #expect(try await world.ask("/core/rfb.js", protocols: nil).text.hasSuffix("export default 1;"))
    for path in ["/secret.js", "/core/../secret.js", "/core/%2e%2e/secret.js", "/core//rfb.js", "/", "/core/none.js"] {
      #expect(try await world.ask(path, protocols: nil).status == "404", "\(path)")
    }
  }
}
