import API
import Contracts
import Host
import Kit
import Logs
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// The console proxy: noVNC's page, and a WebSocket (RFC 6455) that carries RFB (RFC 6143) between a browser and the
/// guest's screen, for whoever brings a token that Compute gave out (API reference, Server consoles).
public struct ConsoleProxy: Sendable {
  /// The user whom a browser's cookies sign in at the dashboard, for a header `Cookie`; nil when there is none.
  public typealias Visitors = @Sendable (_ cookies: String) -> String?

  public struct Settings: Sendable {
    /// The port of the dashboard, whose pages may show the console in a frame.
    public var dashboardPort = 8443
    /// Where noVNC's files may be.
    public var novnc = ["/usr/local/share/martlet/novnc", "/usr/share/novnc"]
    /// Connections at once, in all and to one guest.
    public var connections = 256
    public var consolesOfGuest = 8
    /// A browser that says nothing for twice as long is gone.
    public var pingPause = Duration.seconds(30)
    /// How long a connection may take to say what it wants.
    public var greetingSeconds = 15
    public init() {}
  }

  let consoles: any ConsoleOpening
  let visitors: Visitors
  let log: Log
  let settings: Settings
  let files: ConsoleFiles
  let group: any EventLoopGroup
  private let seats: LiveSeats
  private let guests: LiveSeats

  public init(
    consoles: any ConsoleOpening, visitors: @escaping Visitors, log: Log, settings: Settings = Settings()
  ) {
    (self.consoles, self.visitors, self.log, self.settings) = (consoles, visitors, log, settings)
    files = ConsoleFiles(places: settings.novnc, dashboardPort: settings.dashboardPort)
    group = MultiThreadedEventLoopGroup.singleton
    seats = LiveSeats(userMax: settings.connections, allMax: settings.connections)
    guests = LiveSeats(userMax: settings.consolesOfGuest, allMax: settings.connections)
  }

  /// Why no console can be shown on this machine; nil: one can.
  public static func absence(_ settings: Settings = Settings()) -> String? { ConsoleFiles.absence(settings.novnc) }

  typealias Pages = NIOAsyncChannel<HTTPServerRequestPart, HTTPPart<HTTPResponseHead, ByteBuffer>>
  typealias Frames = NIOAsyncChannel<WebSocketFrame, WebSocketFrame>
  typealias Screen = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  /// Serves one listening socket, which it takes over, until the task is cancelled.
  public func serve(socket: CInt) async throws {
    let server = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 128)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      // A screen that nobody looks at must not fill the kernel's memory.
      .childChannelOption(.socketOption(.so_sndbuf), value: 512 << 10)
      .bind(socket) { channel in setup(channel) }
    try await withTaskCancellationHandler {
      try await server.executeThenClose { inbound in
        try await withThrowingDiscardingTaskGroup { connections in
          for try await upgrade in inbound { connections.addTask { await serve(upgrade) } }
          connections.cancelAll()
        }
      }
    } onCancel: {
      server.channel.close(promise: nil)
    }
  }

  private func serve(_ upgrade: EventLoopFuture<ConsoleVisitor>) async {
    do {
      let visitor = try await upgrade.get()
      switch visitor.take() {
      case .page(let pages): try await answer(pages, visitor.ticket)
      case .console(let frames): try await bridge(frames, visitor.ticket)
      case nil: break
      }
    } catch {
      log.debug("a console's connection ended: \(error)")
    }
  }

  // MARK: The handshake

  private func setup(_ channel: any Channel) -> EventLoopFuture<EventLoopFuture<ConsoleVisitor>> {
    guard let place = seats.take("") else {
      log.warning("a console's connection was refused: \(settings.connections) are open")
      return channel.eventLoop.makeFailedFuture(Fault(429, "Too many consoles are open at once."))
    }
    let ticket = ConsoleTicket(place)
    channel.eventLoop.scheduleTask(in: .seconds(Int64(settings.greetingSeconds))) {
      if !ticket.isServed { channel.close(promise: nil) }
    }
    let upgrader = NIOTypedWebSocketServerUpgrader<ConsoleVisitor>(
      maxFrameSize: 1 << 20,
      shouldUpgrade: { channel, head in
        channel.eventLoop.makeFutureWithTask { await admit(head, ticket) }
      },
      upgradePipelineHandler: { channel, _ in
        channel.eventLoop.makeCompletedFuture {
          ConsoleVisitor(.console(try Frames(wrappingChannelSynchronously: channel)), ticket)
        }
      })
    return channel.eventLoop.makeCompletedFuture {
      try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
        configuration: .init(
          upgradeConfiguration: .init(upgraders: [upgrader]) { channel in
            channel.eventLoop.makeCompletedFuture {
              try channel.pipeline.syncOperations.addHandler(BufferedParts())
              return ConsoleVisitor(.page(try Pages(wrappingChannelSynchronously: channel)), ticket)
            }
          }))
    }
  }

  /// The headers of the upgrade, or nil with the reason on the ticket. The token is spent here.
  private func admit(_ head: HTTPRequestHead, _ ticket: ConsoleTicket) async -> HTTPHeaders? {
    do {
      let request = ConsoleRequest(head)
      try request.check()
      // Whoever is signed in at the dashboard opens their own consoles only.
      let target = try await consoles.redeem(request.token, by: visitors(request.cookies))
      guard target.type == "novnc" else { throw Fault.badRequest("The token is one of another kind of console.") }
      guard let seat = guests.take(target.serverID) else {
        throw Fault(429, "Too many consoles of this instance are open at once; close one of them.")
      }
      let socket = try HostSocket.connectUnix(target.socket)
      ticket.admit(target, socket, seat)
      return ["Sec-WebSocket-Protocol": "binary"]
    } catch {
      let fault = Fault(error)
      // A guest that is gone is no error of the cloud.
      ticket.refuse(fault.status >= 500 && fault.status != 503 ? Fault(503, "The guest's screen is not there.") : fault)
      log.info("a console was refused: \(fault.message)")
      return nil
    }
  }

  // MARK: Pages

  private func answer(_ pages: Pages, _ ticket: ConsoleTicket) async throws {
    try await pages.executeThenClose { inbound, outbound in
      if let refusal = ticket.refusal {
        // The handshake's head was taken by the upgrade that was refused.
        ticket.serve()
        return try await outbound.write(contentsOf: parts(Reply(Self.status(refusal), Self.text(refusal.message))))
      }
      for try await part in inbound {
        guard case .head(let head) = part else { continue }
        ticket.serve()
        let request = ConsoleRequest(head)
        let isRead = head.method == .GET || head.method == .HEAD
        let reply = isRead ? files.reply(request.path, host: request.host) : Reply(405)
        try await outbound.write(contentsOf: parts(reply, isHead: head.method == .HEAD))
        return
      }
    }
  }

  /// Proxies between here and the browser take 401 for a question about a password.
  private static func status(_ fault: Fault) -> Int { fault.status == 401 ? 403 : fault.status }
  private static func text(_ text: String) -> Reply.Body {
    .bytes(Array(text.utf8), contentType: "text/plain; charset=utf-8")
  }

  private func parts(_ reply: Reply, isHead: Bool = false) -> [HTTPPart<HTTPResponseHead, ByteBuffer>] {
    var headers = HTTPHeaders(reply.headers.fields.map { ($0.name, $0.value) })
    var bytes: [UInt8] = []
    if case .bytes(let content, let type) = reply.body {
      bytes = content
      headers.add(name: "Content-Type", value: type)
    }
    headers.add(name: "Content-Length", value: String(bytes.count))
    headers.add(name: "Connection", value: "close")
    let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: reply.status), headers: headers)
    return [.head(head)] + (isHead ? [] : [.body(ByteBuffer(bytes: bytes))]) + [.end(nil)]
  }

  // MARK: The screen

  /// Carries bytes both ways until one side ends; the other is closed then. Each side is read as fast as the other takes.
  private func bridge(_ frames: Frames, _ ticket: ConsoleTicket) async throws {
    try await frames.executeThenClose { fromBrowser, toBrowser in
      guard let (target, socket) = ticket.take() else { return }
      ticket.serve()
      log.audit("a console of instance \(target.serverID) was opened")
      defer { log.info("a console of instance \(target.serverID) was closed") }
      let screen = try await ClientBootstrap(group: group).withConnectedSocket(socket) { channel in
        channel.eventLoop.makeCompletedFuture { try Screen(wrappingChannelSynchronously: channel) }
      }
      try await screen.executeThenClose { fromScreen, toScreen in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask {
            for try await frame in fromBrowser {
              ticket.hear()
              switch frame.opcode {
              case .binary, .continuation: try await toScreen.write(frame.unmaskedData)
              case .ping:
                try await toBrowser.write(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData))
              case .pong: continue
              case .connectionClose:
                return try await toBrowser.write(Self.close(.normalClosure, "closed"))
              default: return try await toBrowser.write(Self.close(.unacceptableData, "binary frames only"))
              }
            }
          }
          group.addTask {
            for try await bytes in fromScreen {
              try await toBrowser.write(WebSocketFrame(fin: true, opcode: .binary, data: bytes))
            }
            try await toBrowser.write(Self.close(.goingAway, "the guest has closed its screen"))
          }
          group.addTask {
            var asked = 0
            while true {
              try await Task.sleep(for: settings.pingPause)
              if ticket.silence < settings.pingPause { asked = 0 }
              guard asked < 2 else { return }
              asked += 1
              try await toBrowser.write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
            }
          }
          try await group.next()
          group.cancelAll()
        }
      }
    }
  }

  private static func close(_ code: WebSocketErrorCode, _ reason: String) -> WebSocketFrame {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: code)
    data.writeString(reason)
    return WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
  }
}
