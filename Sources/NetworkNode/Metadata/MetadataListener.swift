import Contracts
import Host
import Kit
import Logs
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// The metadata service's HTTP listeners: one in every router's namespace, and in those of DHCP servers of networks
/// without one. Their sockets are opened by a thread in the namespace and served by our own process.
actor MetadataListeners {
  private let answering: any MetadataAnswering
  private let log: Log
  private let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
  private var channels: [String: any Channel] = [:]

  init(answering: any MetadataAnswering, log: Log) { (self.answering, self.log) = (answering, log) }

  /// Listens in a namespace, where it does not yet.
  func open(_ plan: NamespacePlan) async throws {
    if channels[plan.name] != nil { return }
    let isRouter = plan.role == .router
    let origin = MetadataOrigin(
      networkID: isRouter ? nil : plan.resourceID, routerID: isRouter ? plan.resourceID : nil)
    let socket = try NetworkNamespace(plan.name).listen(
      address: "0.0.0.0", port: isRouter ? RouterRules.metadataPort : 80)
    let (answering, log) = (answering, log)
    let slots = MetadataSlots()
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 128)
      .childChannelOption(.maxMessagesPerRead, value: 4)
      .childChannelInitializer { channel in
        guard slots.take() else { return channel.close() }
        channel.closeFuture.whenComplete { _ in slots.give() }
        return channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(IdleStateHandler(allTimeout: .seconds(30)))
          try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
          try pipeline.addHandler(MetadataHandler(origin: origin, answering: answering, log: log))
        }
      }
    channels[plan.name] = try await bootstrap.withBoundSocket(socket).get()
  }

  /// Ends the listeners in all namespaces but these.
  func keepOnly(_ names: Set<String>) async {
    for (name, channel) in channels where !names.contains(name) {
      channels[name] = nil
      try? await channel.close()
    }
  }
}

/// Connections that one namespace's guests may have open at a time.
final class MetadataSlots: Sendable {
  static let max = 64
  private let used = Mutex(0)

  func take() -> Bool {
    used.withLock { used in
      guard used < Self.max else { return false }
      used += 1
      return true
    }
  }
  func give() { used.withLock { $0 -= 1 } }
}

/// Where a listener is.
struct MetadataOrigin: Sendable {
  var networkID: String?
  var routerID: String?
}

/// One guest's connection: collects a request, asks for the answer, writes it.
final class MetadataHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// Bytes of a request's body (a password is at most 1020).
  static let bodyBytesMax = 64 << 10
  static let pathBytesMax = 4096
  /// Longer than any answer should take: then the guest is told to come again.
  static let answerDeadline = TimeAmount.seconds(15)

  private let origin: MetadataOrigin
  private let answering: any MetadataAnswering
  private let log: Log
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []

  init(origin: MetadataOrigin, answering: any MetadataAnswering, log: Log) {
    (self.origin, self.answering, self.log) = (origin, answering, log)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      self.head = head
      body = []
    case .body(let buffer):
      if body.count + buffer.readableBytes > Self.bodyBytesMax {
        refuse(context, .payloadTooLarge, "The request is too large.")
      } else {
        body += buffer.readableBytesView
      }
    case .end:
      guard let head else { return }
      self.head = nil
      if head.uri.utf8.count > Self.pathBytesMax {
        refuse(context, .uriTooLong, "The path is too long.")
      } else {
        answer(context, head)
      }
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is IdleStateHandler.IdleStateEvent {
      context.close(promise: nil)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func answer(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
    let request = MetadataRequest(
      networkID: origin.networkID, routerID: origin.routerID, address: context.remoteAddress?.ipAddress ?? "",
      method: head.method.rawValue, path: head.uri, body: body)
    body = []
    let promise = context.eventLoop.makePromise(of: MetadataResponse.self)
    let late = context.eventLoop.scheduleTask(in: Self.answerDeadline) {
      promise.succeed(
        MetadataResponse(status: 503, contentType: "text/plain", body: Array("Try again later.".utf8)))
    }
    let answering = answering
    let work = context.eventLoop.makeFutureWithTask { await answering.answer(request) }
    work.whenSuccess { response in
      late.cancel()
      promise.succeed(response)
    }
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    let isKeptAlive = head.isKeepAlive
    log.debug("metadata: \(request.method) \(request.path) of \(request.address)")
    promise.futureResult.whenSuccess { response in
      let (handler, context) = bound.value
      guard context.channel.isActive else { return }
      handler.write(context, response, version: head.version, isHead: head.method == .HEAD, isKeptAlive: isKeptAlive)
    }
  }

  private func refuse(_ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ text: String) {
    head = nil
    body = []
    let response = MetadataResponse(status: Int(status.code), contentType: "text/plain", body: Array(text.utf8))
    write(context, response, version: .http1_1, isHead: false, isKeptAlive: false)
  }

  private func write(
    _ context: ChannelHandlerContext, _ response: MetadataResponse, version: HTTPVersion, isHead: Bool,
    isKeptAlive: Bool
  ) {
    var headers = HTTPHeaders()
    headers.add(name: "Content-Type", value: response.contentType)
    headers.add(name: "Content-Length", value: "\(response.body.count)")
    headers.add(name: "Connection", value: isKeptAlive ? "keep-alive" : "close")
    let head = HTTPResponseHead(
      version: version, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if !isHead {
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
    }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      if !isKeptAlive { bound.value.close(promise: nil) }
    }
  }
}
