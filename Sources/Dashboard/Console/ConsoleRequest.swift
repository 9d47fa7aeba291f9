import API
import Contracts
import Glibc
import Kit
import NIOCore
import NIOHTTP1
import Synchronization

/// What a browser asks the console proxy for.
struct ConsoleRequest {
  let path: String
  let token: String
  let host: String
  let cookies: String
  private let origin: String?
  private let protocols: [String]

  init(_ head: HTTPRequestHead) {
    let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    path = parts.first ?? ""
    token = Query(text: parts.count > 1 ? parts[1] : "")["token"] ?? ""
    host = head.headers.first(name: "Host") ?? ""
    cookies = head.headers["Cookie"].joined(separator: "; ")
    origin = head.headers.first(name: "Origin")
    protocols = head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
  }

  /// Throws a fault for a WebSocket that no page of ours opens. A client that is no browser sends no origin.
  func check() throws {
    if let origin, origin.lowercased() != "http://\(host.lowercased())",
      origin.lowercased() != "https://\(host.lowercased())"
    {
      throw Fault.forbidden("The console was opened by a page of another site.")
    }
    guard path == "/" || path == "/websockify" else { throw Fault.notFound("There is no such page.") }
    guard protocols.contains("binary") else {
      throw Fault.badRequest("The console speaks the WebSocket subprotocol binary.")
    }
    guard (1...255).contains(token.utf8.count) else { throw Fault.forbidden("The console's token is missing.") }
  }
}

/// What is known of one connection between its handshake and its end.
final class ConsoleTicket: Sendable {
  private struct State {
    var refusal: Fault?
    var target: OpenedConsole?
    var socket: CInt?
    var seat: LiveSeats.Seat?
    var isServed = false
    var heardAt = ContinuousClock.now
  }
  private let state = Mutex(State())
  /// Its place among all connections.
  private let place: LiveSeats.Seat

  init(_ place: LiveSeats.Seat) { self.place = place }

  var refusal: Fault? { state.withLock { $0.refusal } }
  var isServed: Bool { state.withLock { $0.isServed } }
  /// How long the browser has said nothing.
  var silence: Duration { state.withLock { .now - $0.heardAt } }
  func hear() { state.withLock { $0.heardAt = .now } }
  func serve() { state.withLock { $0.isServed = true } }
  func refuse(_ fault: Fault) { state.withLock { $0.refusal = fault } }
  func admit(_ target: OpenedConsole, _ socket: CInt, _ seat: LiveSeats.Seat) {
    state.withLock { ($0.target, $0.socket, $0.seat) = (target, socket, seat) }
  }
  /// The guest's socket, which is the caller's from now on.
  func take() -> (OpenedConsole, CInt)? {
    state.withLock { state in
      guard let target = state.target, let socket = state.socket else { return nil }
      state.socket = nil
      return (target, socket)
    }
  }
  deinit { if let socket = state.withLock({ $0.socket }) { close(socket) } }
}

/// A connection after its handshake. Whoever serves it takes it; one that nobody takes, because the server ends, is closed.
final class ConsoleVisitor: Sendable {
  enum Kind: Sendable {
    case page(ConsoleProxy.Pages)
    case console(ConsoleProxy.Frames)
  }
  let ticket: ConsoleTicket
  private let kind: Mutex<Kind?>

  init(_ kind: Kind, _ ticket: ConsoleTicket) {
    self.kind = Mutex(kind)
    self.ticket = ticket
  }

  func take() -> Kind? {
    kind.withLock { kind in
      defer { kind = nil }
      return kind
    }
  }
  deinit {
    // NIO wants every channel to be ended by name.
    switch take() {
    case .page(let pages):
      _ = pages.channel.eventLoop.makeFutureWithTask { try await pages.executeThenClose { _, _ in } }
    case .console(let frames):
      _ = frames.channel.eventLoop.makeFutureWithTask { try await frames.executeThenClose { _, _ in } }
    case nil: break
    }
  }
}

/// Response parts whose bodies are buffers, for the encoder, which takes files too.
final class BufferedParts: ChannelOutboundHandler {
  typealias OutboundIn = HTTPPart<HTTPResponseHead, ByteBuffer>
  typealias OutboundOut = HTTPServerResponsePart

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let part: OutboundOut =
      switch unwrapOutboundIn(data) {
      case .head(let head): .head(head)
      case .body(let buffer): .body(.byteBuffer(buffer))
      case .end(let trailers): .end(trailers)
      }
    context.write(wrapOutboundOut(part), promise: promise)
  }
}
