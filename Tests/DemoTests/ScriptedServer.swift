import Foundation
import Kit
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server on loopback whose answers a test writes.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    var method: String
    /// Path with query, percent-encoded.
    var target: String
    var headers: HTTPHeaders
    var body: [UInt8]
    var path: String { String(target.prefix { $0 != "?" }) }
    /// Decoded members of the query.
    var query: [String: String] {
      let text = target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
      return Dictionary(
        text.split(separator: "&").map { pair in
          let parts = pair.split(separator: "=", maxSplits: 1).map { String($0).removingPercentEncoding ?? "" }
          return (parts[0], parts.count == 2 ? parts[1] : "")
        }, uniquingKeysWith: { $1 })
    }
    var json: JSONValue { (try? JSONParser.parse(body)) ?? .null }
  }
  struct Answer: Sendable {
    var status = 200
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    /// Ends the connection after it.
    var closes = false
    /// Sends nothing at all.
    var isSilent = false

    init(_ status: Int = 200, _ json: JSONValue? = nil, headers: [(String, String)] = []) {
      (self.status, self.headers, body) = (status, headers, json?.bytes ?? [])
    }
    init(_ status: Int, text: String) { (self.status, body) = (status, Array(text.utf8)) }
  }
  typealias Script = @Sendable (Request) -> Answer

  let port: Int
  private let channel: any Channel
  private let counts: Counts

  /// Connections that were made so far.
  var connections: Int { counts.connections.withLock { $0 } }
  var url: String { "http://127.0.0.1:\(port)" }

  final class Counts: Sendable { let connections = Mutex(0) }

  /// `early`: answers at a request's head, without reading its body.
  init(early: Script? = nil, _ script: @escaping Script) async throws {
    let counts = Counts()
    channel = try await ServerBootstrap(group: NIOSingletons.posixEventLoopGroup)
      .serverChannelOption(ChannelOptions.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        counts.connections.withLock { $0 += 1 }
        return channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(ScriptHandler(script, early))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    self.counts = counts
    port = channel.localAddress?.port ?? 0
  }

  func stop() async throws { try await channel.close() }
}

private final class ScriptHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart
  private let script: ScriptedServer.Script
  private let early: ScriptedServer.Script?
  private var head: HTTPRequestHead?
  private var body: [UInt8] = []

  init(_ script: @escaping ScriptedServer.Script, _ early: ScriptedServer.Script?) {
    (self.script, self.early) = (script, early)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head):
      (self.head, body) = (head, [])
      if let early { answer(context, early) }
    case .body(let buffer): if early == nil { body.append(contentsOf: buffer.readableBytesView) }
    case .end: if early == nil { answer(context, script) }
    }
  }

  private func answer(_ context: ChannelHandlerContext, _ script: ScriptedServer.Script) {
    guard let head else { return }
    let answer = script(
      ScriptedServer.Request(method: head.method.rawValue, target: head.uri, headers: head.headers, body: body))
    if answer.isSilent {
      if answer.closes { context.close(promise: nil) }
      return
    }
    var headers = HTTPHeaders(answer.headers)
    headers.replaceOrAdd(name: "Content-Length", value: "\(answer.body.count)")
    let response = HTTPResponseHead(
      version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
    context.write(wrapOutboundOut(.head(response)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
    if answer.closes {
      let (channel, end) = (context.channel, wrapOutboundOut(.end(nil)))
      context.writeAndFlush(end).whenComplete { _ in channel.close(promise: nil) }
    } else {
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
