import HTTPTypes
import HummingbirdCore
import Kit
import Logging
import Logs
import NIOCore
import NIOPosix

/// Serves HTTP/1.1 on sockets that listen already: in the host's network namespace or in the cloud's.
public struct HTTPServer: Sendable {
  public typealias Responder = @Sendable (HTTPCall) async -> Reply

  private let log: Log
  private let group: any EventLoopGroup

  public init(log: Log, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) {
    (self.log, self.group) = (log, group)
  }

  /// Serves one listening socket, which it takes over, until the task is cancelled. Requests in flight are cancelled then.
  public func serve(socket: CInt, respond: @escaping Responder) async throws {
    let quiet = Logger(label: "http") { _ in SwiftLogNoOpLogHandler() }
    let http = HTTP1Channel(
      responder: { request, writer, channel in
        try await Self.answer(request, writer, channel, respond)
      }, configuration: .init(idleTimeout: .seconds(75)))
    let server = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.maxMessagesPerRead, value: 256)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .bind(socket) { channel in http.setup(channel: channel, logger: quiet) }
    try await withTaskCancellationHandler {
      try await server.executeThenClose { inbound in
        try await withThrowingDiscardingTaskGroup { connections in
          for try await connection in inbound {
            connections.addTask { await http.handle(value: connection, logger: quiet) }
          }
          connections.cancelAll()
        }
      }
    } onCancel: {
      server.channel.close(promise: nil)
    }
  }

  private static func answer(
    _ request: Request, _ writer: consuming ResponseWriter, _ channel: any Channel, _ respond: Responder
  ) async throws {
    if request.headers[.expect]?.lowercased() == "100-continue" {
      try await writer.writeInformationalHead(HTTPResponse(status: .continue))
    }
    let reply = await respond(call(request, channel))
    // Taking a long list's JSON apart takes longer than sending it: the client need not wait for that.
    defer { withExtendedLifetime(reply) {} }
    let (head, body) = response(reply, isHead: request.method == .head)
    try await writer.write(response: head, body: body)
  }

  private static func call(_ request: Request, _ channel: any Channel) -> HTTPCall {
    var headers = Headers()
    for field in request.headers { headers.add(field.name.rawName, field.value) }
    if let authority = request.head.authority, headers["Host"] == nil { headers.add("Host", authority) }
    let length = request.headers[.contentLength].flatMap { Int($0) }
    let pieces = request.body.map { Array(buffer: $0) }
    return HTTPCall(
      method: request.method.rawValue, path: request.uri.path, query: Query(text: request.uri.query ?? ""),
      headers: headers, body: BodyStream(pieces, length: length),
      remoteAddress: channel.remoteAddress?.ipAddress ?? "")
  }

  private static func response(_ reply: Reply, isHead: Bool) -> (HTTPResponse, ResponseBody) {
    var fields = HTTPFields()
    for field in reply.headers.fields {
      if let name = HTTPField.Name(field.name) { fields.append(HTTPField(name: name, value: field.value)) }
    }
    let body: ResponseBody
    switch reply.body {
    case .none:
      body = ResponseBody()
      if reply.status != 204, !isHead || fields[.contentLength] == nil { fields[.contentLength] = "0" }
    case .json(let value):
      var writer = JSONWriter(capacity: 4096)
      writer.write(value)
      let buffer = writer.withBytes { ByteBuffer(bytes: $0) }
      if fields[.contentType] == nil { fields[.contentType] = "application/json" }
      fields[.contentLength] = String(buffer.readableBytes)
      body = ResponseBody(byteBuffer: buffer)
    case .bytes(let bytes, let type):
      if fields[.contentType] == nil { fields[.contentType] = type }
      fields[.contentLength] = String(bytes.count)
      body = ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
    case .stream(let pieces, let type):
      if fields[.contentType] == nil { fields[.contentType] = type }
      if let length = pieces.length { fields[.contentLength] = String(length) }
      body = ResponseBody(contentLength: pieces.length) { writer in
        for try await piece in pieces { try await writer.write(ByteBuffer(bytes: piece)) }
        try await writer.finish(nil)
      }
    }
    return (HTTPResponse(status: .init(code: reply.status), headerFields: fields), body)
  }
}
