import Foundation
import Kit
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// One connection, used for one request after the other.
final class HTTPConnection: Sendable {
  /// The connection ended before a byte of an answer came.
  struct ClosedUnused: Error {}

  /// Bytes of a file that are read and written at once.
  private static let pieceBytes = 256 << 10
  private let channel: any Channel
  private let core: ResponseCore

  private init(_ channel: any Channel, _ core: ResponseCore) { (self.channel, self.core) = (channel, core) }

  static func open(_ origin: HTTPClient.Origin) async throws -> HTTPConnection {
    let core = ResponseCore()
    do {
      let channel = try await ClientBootstrap(group: NIOSingletons.posixEventLoopGroup)
        .connectTimeout(.seconds(10))
        .channelOption(ChannelOptions.tcpOption(.tcp_nodelay), value: 1)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHTTPClientHandlers()
            try channel.pipeline.syncOperations.addHandler(ResponseHandler(core))
          }
        }
        .connect(host: origin.host, port: origin.port).get()
      return HTTPConnection(channel, core)
    } catch {
      throw Fault.unavailable("\(origin.host):\(origin.port) does not answer: \(Self.reason(error))")
    }
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? NIOConnectionError else { return "\(error)" }
    return error.connectionErrors.first.map { "\($0.error)" } ?? "its name is not known"
  }

  var isOpen: Bool { channel.isActive && core.isIdle }
  func close() { channel.close(promise: nil) }

  func exchange(_ request: HTTPRequest, host: String, target: String) async throws -> HTTPResponse {
    let promise = channel.eventLoop.makePromise(of: HTTPResponse.self)
    core.begin(promise)
    if !channel.isActive { core.fail(ClosedUnused()) }
    let (channel, core, deadline) = (channel, core, request.deadline)
    let timeout = channel.eventLoop.scheduleTask(in: TimeAmount(deadline)) {
      core.fail(Fault(504, "\(request.method) \(request.url) had no answer after \(deadline)"))
      channel.close(promise: nil)
    }
    defer { timeout.cancel() }
    do {
      try await send(request, host: host, target: target)
    } catch let fault as Fault {
      core.fail(fault)
      close()
    } catch {
      // The connection ended while we wrote: the server's answer, or the connection's end, tells why.
    }
    return try await promise.futureResult.get()
  }

  private func send(_ request: HTTPRequest, host: String, target: String) async throws {
    var headers = HTTPHeaders(request.headers)
    headers.replaceOrAdd(name: "Host", value: host)
    headers.replaceOrAdd(name: "Accept", value: "application/json")
    headers.replaceOrAdd(name: "User-Agent", value: "martlet-demo")
    let method = HTTPMethod(rawValue: request.method)
    func head() -> HTTPClientRequestPart {
      .head(HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers))
    }
    switch request.body {
    case .none:
      if ["POST", "PUT", "PATCH"].contains(request.method) { headers.replaceOrAdd(name: "Content-Length", value: "0") }
      channel.write(head(), promise: nil)
    case .json(let value):
      let bytes = value.bytes
      if !headers.contains(name: "Content-Type") { headers.add(name: "Content-Type", value: "application/json") }
      headers.replaceOrAdd(name: "Content-Length", value: "\(bytes.count)")
      channel.write(head(), promise: nil)
      channel.write(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: bytes))), promise: nil)
    case .file(let path, let size):
      headers.replaceOrAdd(name: "Content-Type", value: "application/octet-stream")
      headers.replaceOrAdd(name: "Content-Length", value: "\(size)")
      try await channel.writeAndFlush(head())
      try await send(file: path, size: size)
    }
    try await channel.writeAndFlush(HTTPClientRequestPart.end(nil))
  }

  private func send(file path: String, size: Int) async throws {
    guard let file = FileHandle(forReadingAtPath: path) else { throw Fault.notFound("\(path) cannot be read") }
    defer { try? file.close() }
    var left = size
    while left > 0 {
      guard let piece = try file.read(upToCount: min(left, Self.pieceBytes)), !piece.isEmpty else {
        throw Fault.internal("\(path) became shorter while it was sent")
      }
      left -= piece.count
      // The answer may come early, when the server refuses the rest.
      guard core.isWaiting else { return }
      try await channel.writeAndFlush(HTTPClientRequestPart.body(.byteBuffer(ByteBuffer(bytes: piece))))
    }
  }
}

/// The answer as it comes in.
private final class ResponseCore: Sendable {
  private static let bodyBytesMax = 64 << 20
  private struct State {
    var promise: EventLoopPromise<HTTPResponse>?
    var response: HTTPResponse?
  }
  private let state = Mutex(State())

  var isIdle: Bool { state.withLock { $0.promise == nil } }
  /// No part of an answer has come.
  var isWaiting: Bool { state.withLock { $0.promise != nil && $0.response == nil } }

  func begin(_ promise: EventLoopPromise<HTTPResponse>) {
    state.withLock { $0 = State(promise: promise, response: nil) }
  }

  func receive(_ part: HTTPClientResponsePart) {
    let finished = state.withLock { state -> (EventLoopPromise<HTTPResponse>, HTTPResponse)? in
      switch part {
      case .head(let head):
        // 100 Continue and its like announce the answer.
        if head.status.code >= 200 {
          state.response = HTTPResponse(status: Int(head.status.code), headers: head.headers, body: [])
        }
      case .body(let buffer):
        if (state.response?.body.count ?? 0) < Self.bodyBytesMax {
          state.response?.body.append(contentsOf: buffer.readableBytesView)
        }
      case .end:
        guard let promise = state.promise, let response = state.response else { return nil }
        state = State()
        return (promise, response)
      }
      return nil
    }
    finished?.0.succeed(finished?.1 ?? HTTPResponse(status: 500, headers: [:], body: []))
  }

  func fail(_ error: any Error) {
    let promise = state.withLock { state -> EventLoopPromise<HTTPResponse>? in
      defer { state = State() }
      return state.promise
    }
    promise?.fail(error)
  }

  func closed() {
    let hasBegun = state.withLock { $0.response != nil }
    fail(hasBegun ? Fault.unavailable("the connection ended within an answer") : HTTPConnection.ClosedUnused())
  }
}

private final class ResponseHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPClientResponsePart
  private let core: ResponseCore

  init(_ core: ResponseCore) { self.core = core }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { core.receive(unwrapInboundIn(data)) }
  func channelInactive(context: ChannelHandlerContext) { core.closed() }
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    core.fail(Fault.internal("the answer cannot be read: \(error)"))
    context.close(promise: nil)
  }
}
