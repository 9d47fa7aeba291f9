import API
import Kit
import Testing

@testable import Dashboard

@Suite struct LiveTests {
  private static func settings(_ change: (inout DashboardSettings) -> Void = { _ in }) -> DashboardSettings {
    var settings = DashboardSettings()
    settings.livePause = .milliseconds(10)
    change(&settings)
    return settings
  }

  /// Reads events until one holds `text`; nil when the stream ends before.
  private static func event(_ events: inout BodyStream.Iterator, with text: String) async throws -> String? {
    while let piece = try await events.next() {
      let event = String(decoding: piece, as: UTF8.self)
      if event.contains(text) { return event }
    }
    return nil
  }

  @Test func changesAreToldAsTheyHappen() async throws {
    let world = try DashboardWorld(settings: Self.settings())
    await world.signIn()
    for page in ["/project/instances", "/project/instances/server-0", "/project/topology"] {
      world.status.withLock { $0 = "ACTIVE" }
      var events = try #require(await world.live(page).events?.makeAsyncIterator(), "\(page)")
      #expect(try await events.next().map { String(decoding: $0, as: UTF8.self) } == "retry: 3000\n\n")
      let first = try #require(try await Self.event(&events, with: "data: {"))
      #expect(!first.contains("<html") && !first.contains("<script>"), "\(page)")
      #expect(first.hasSuffix("}\n\n") && first.split(separator: "\n").count == 1, "one line of JSON")
      if page != "/project/topology" {
        #expect(first.contains("ACTIVE"))
        world.status.withLock { $0 = "SHUTOFF" }
        #expect(try await Self.event(&events, with: "SHUTOFF") != nil, "\(page)")
      }
    }
  }

  @Test func streamsEndWithTheSession() async throws {
    let world = try DashboardWorld(settings: Self.settings())
    #expect(await world.live("/project/instances").status == 200)
    var outside = try #require(await world.live("/project/instances").events?.makeAsyncIterator())
    #expect(try await Self.event(&outside, with: "event: end\ndata: \"/sign-in?next=") != nil)
    await world.signIn()
    var events = try #require(await world.live("/project/instances").events?.makeAsyncIterator())
    _ = try await Self.event(&events, with: "data: {")
    // The token is revoked, as signing out elsewhere does it.
    world.revoked.withLock { _ = $0.insert("member") }
    #expect(try await Self.event(&events, with: "event: end") != nil)
    #expect(try await events.next() == nil)
    // Idle for too long: the page asks again, with whatever cookie it has by then.
    world.revoked.withLock { $0 = [] }
    await world.signIn()
    var idle = try #require(await world.live("/project/instances").events?.makeAsyncIterator())
    _ = try await Self.event(&idle, with: "data: {")
    world.clock.advance(.seconds(3601))
    #expect(try await Self.event(&idle, with: "event: again") != nil)
    #expect(try await idle.next() == nil)
  }

  @Test func streamsAreBounded() async throws {
    let world = try DashboardWorld(
      settings: Self.settings { ($0.liveStreamsOfUser, $0.liveLifetime) = (2, .seconds(3)) })
    await world.signIn()
    var first = await world.live("/project/instances").events
    let second = await world.live("/project/instances").events
    #expect(first != nil && second != nil)
    #expect(await world.live("/project/instances").status == 429)
    first = nil
    #expect(world.service.seats.count == 1, "a closed stream gives its seat back")
    var events = try #require(second?.makeAsyncIterator())
    while try await events.next() != nil {}
    #expect(await world.live("/nothing").status == 404)
  }
}
