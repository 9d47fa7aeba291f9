import API
import Kit
import Synchronization

/// The parts of a page that change by themselves, told to the browser while it shows the page: server-sent events (HTML
/// standard, Server-sent events). The page is made again with the session's own token, so the stream shows what a reload
/// would show, and ends when a reload would.
struct LiveStream: AsyncSequence, Sendable {
  let service: DashboardService
  /// The visit of the page itself, for its live parts only.
  let visit: Visit
  /// Where to go when the page is gone.
  let list: String
  let place: LiveSeats.Seat

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

  struct AsyncIterator: AsyncIteratorProtocol {
    private let stream: LiveStream
    private var last = ""
    private var isFirst = true
    private var isOver = false
    private var pause: Duration
    private var spokenAt = ContinuousClock.now
    private let endsAt: ContinuousClock.Instant

    init(stream: LiveStream) {
      self.stream = stream
      pause = stream.service.settings.livePause
      endsAt = .now + stream.service.settings.liveLifetime
    }

    /// The next event, when there is one; throws when the browser has gone.
    mutating func next() async throws -> [UInt8]? {
      if isOver { return nil }
      if isFirst {
        isFirst = false
        return Array("retry: 3000\n\n".utf8)
      }
      while ContinuousClock.now < endsAt {
        try await Task.sleep(for: pause)
        if let event = await event() { return event }
        if ContinuousClock.now - spokenAt > .seconds(15) {
          spokenAt = .now
          return Array(":\n\n".utf8)
        }
      }
      // The browser opens the next one with the cookie that it has by then.
      return nil
    }

    private mutating func event() async -> [UInt8]? {
      let start = ContinuousClock.now
      defer {
        // However long the page takes, looking at it costs a twentieth of a processor at most.
        pause = Swift.max(stream.service.settings.livePause, (ContinuousClock.now - start) * 20)
      }
      let visit = stream.visit
      guard visit.session.isLive(now: stream.service.clock.now(), settings: visit.settings) else { return end() }
      do {
        let reply = try await stream.service.route(visit)
        guard reply.status == 200, case .bytes(let bytes, _) = reply.body else {
          return end(at: reply.headers["Location"] ?? stream.list)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text != last else { return nil }
        last = text
        spokenAt = .now
        return Array("data: \(text)\n\n".utf8)
      } catch {
        switch Fault(error).status {
        case 401: return end(at: "/sign-in?next=" + Percent.encode(visit.address))
        case 403, 404: return end(at: stream.list)
        default: return nil
        }
      }
    }

    /// The last event: the page leads to where its reader should be now; without an address it asks again.
    private mutating func end(at address: String? = nil) -> [UInt8]? {
      isOver = true
      guard let address else { return Array("event: again\ndata:\n\n".utf8) }
      return Array("event: end\ndata: \(JSONValue.string(address).text)\n\n".utf8)
    }
  }
}

/// How many streams are open: each holds a connection.
final class LiveSeats: Sendable {
  private let taken = Mutex<[String: Int]>([:])
  let userMax: Int
  let allMax: Int

  init(userMax: Int, allMax: Int) { (self.userMax, self.allMax) = (userMax, allMax) }

  /// Given back when the last copy of it goes.
  final class Seat: Sendable {
    private let seats: LiveSeats
    private let user: String
    fileprivate init(_ seats: LiveSeats, _ user: String) { (self.seats, self.user) = (seats, user) }
    deinit { seats.leave(user) }
  }

  /// nil: there are too many.
  func take(_ user: String) -> Seat? {
    let isFree = taken.withLock { taken in
      guard taken[user, default: 0] < userMax, taken.values.reduce(0, +) < allMax else { return false }
      taken[user, default: 0] += 1
      return true
    }
    return isFree ? Seat(self, user) : nil
  }
  private func leave(_ user: String) {
    taken.withLock { taken in
      let left = (taken[user] ?? 1) - 1
      taken[user] = left > 0 ? left : nil
    }
  }
  var count: Int { taken.withLock { $0.values.reduce(0, +) } }
}

extension DashboardService {
  /// `/events?page=ADDRESS`: the stream of one page.
  func live(_ visit: Visit) throws -> Reply {
    let address = Self.safeTarget(visit.query["page"] ?? "")
    let parts = address.split(separator: "?", maxSplits: 1).map(String.init)
    let path = (parts.first ?? "").split(separator: "/").map { Percent.decode(String($0)) }
    guard visit.call.method == "GET", path.count >= 2 else { throw Fault.notFound("There is no such page.") }
    guard visit.session.isSignedIn else {
      let target = JSONValue.string("/sign-in?next=" + Percent.encode(address)).text
      return Self.events(BodyStream(bytes: Array("event: end\ndata: \(target)\n\n".utf8)))
    }
    guard let seat = seats.take(visit.session.userID) else {
      throw Fault(429, "Too many pages are open at once: this one does not show changes by itself.")
    }
    var call = visit.call
    (call.path, call.query) = (parts[0], Query(text: parts.count > 1 ? parts[1] : ""))
    var page = self.visit(call, path, visit.session)
    page.isLivePart = true
    let list = "/" + path.prefix(2).joined(separator: "/")
    return Self.events(
      BodyStream(LiveStream(service: self, visit: page, list: list, place: seat), length: nil))
  }

  private static func events(_ stream: BodyStream) -> Reply {
    Reply(200, .stream(stream, contentType: "text/event-stream"), headers: ["X-Accel-Buffering": "no"])
  }
}
