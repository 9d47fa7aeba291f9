import Kit
import NIOCore
import NIOPosix
import Synchronization

/// A connection to a QEMU's monitor socket (QEMU Machine Protocol, docs/interop/qmp-spec.txt of QEMU). QEMU talks to
/// one client at a time.
public final class QMPClient: Sendable {
  /// Called on an event loop for each event: its name and data. It must not block.
  public typealias EventHandler = @Sendable (_ name: String, _ data: JSONValue) -> Void

  private let core: QMPCore
  private let channel: any Channel

  private init(_ core: QMPCore, _ channel: any Channel) { (self.core, self.channel) = (core, channel) }

  /// Connects to the unix socket at `path` and leaves negotiation mode. `onClose` is called once, when the connection
  /// ends for any reason. A fault when nobody listens or answers by `deadline`.
  public static func connect(
    _ path: String, deadline: Duration, onEvent: @escaping EventHandler, onClose: @escaping @Sendable () -> Void
  ) async throws -> QMPClient {
    let core = QMPCore(path: path, onEvent: onEvent, onClose: onClose)
    let socket = try HostSocket.connectUnix(path)
    let channel = try await ClientBootstrap(group: NIOSingletons.posixEventLoopGroup)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(QMPHandler(core)) }
      }
      .withConnectedSocket(socket).get()
    let client = QMPClient(core, channel)
    do {
      _ = try await client.execute("qmp_capabilities", deadline: deadline)
    } catch {
      await client.close()
      throw error
    }
    return client
  }

  /// Runs a command and returns its answer. A fault with QEMU's text (kind: its error class) when QEMU refuses, when
  /// the connection ends, or when there is no answer by `deadline`.
  @discardableResult
  public func execute(
    _ command: String, _ arguments: JSONObject = [:], deadline: Duration = .seconds(10)
  ) async throws -> JSONValue {
    try await withCheckedThrowingContinuation { continuation in
      guard let id = core.begin(command, continuation) else { return }
      let request: JSONValue = ["execute": .string(command), "arguments": .object(arguments), "id": .int(id)]
      let (core, channel) = (core, channel)
      let timeout = channel.eventLoop.scheduleTask(in: TimeAmount(deadline)) {
        core.finish(id, .failure(Fault.internal("QEMU did not answer \(command) within \(deadline)")))
      }
      core.arm(id, timeout)
      channel.writeAndFlush(ByteBuffer(bytes: request.bytes + [UInt8(ascii: "\n")]), promise: nil)
    }
  }

  /// Ends the connection; QEMU goes on.
  public func close() async { try? await channel.close() }
}

/// Commands without an answer yet, and where events go.
private final class QMPCore: Sendable {
  private struct Waiting {
    let command: String
    let continuation: CheckedContinuation<JSONValue, any Error>
    var timeout: Scheduled<Void>?
  }
  private struct State {
    var waiting: [Int: Waiting] = [:]
    var last = 0
    var isClosed = false
  }

  let path: String
  let onEvent: QMPClient.EventHandler
  private let onClose: @Sendable () -> Void
  private let state = Mutex(State())

  init(path: String, onEvent: @escaping QMPClient.EventHandler, onClose: @escaping @Sendable () -> Void) {
    (self.path, self.onEvent, self.onClose) = (path, onEvent, onClose)
  }

  /// A new command's id; nil when the connection has ended, then `continuation` has been resumed.
  func begin(_ command: String, _ continuation: CheckedContinuation<JSONValue, any Error>) -> Int? {
    let id = state.withLock { state -> Int? in
      if state.isClosed { return nil }
      state.last += 1
      state.waiting[state.last] = Waiting(command: command, continuation: continuation)
      return state.last
    }
    if id == nil { continuation.resume(throwing: closed(command)) }
    return id
  }

  /// Notes the timeout of a command, or cancels it when the command is over.
  func arm(_ id: Int, _ timeout: Scheduled<Void>) {
    let isWaiting = state.withLock { state in
      state.waiting[id]?.timeout = timeout
      return state.waiting[id] != nil
    }
    if !isWaiting { timeout.cancel() }
  }

  func finish(_ id: Int, _ result: Result<JSONValue, any Error>) {
    guard let waiting = state.withLock({ $0.waiting.removeValue(forKey: id) }) else { return }
    waiting.timeout?.cancel()
    waiting.continuation.resume(with: result)
  }

  func receive(_ line: [UInt8]) {
    guard let message = try? JSONParser.parse(line) else { return }
    if let event = message["event"]?.string {
      onEvent(event, message["data"] ?? .null)
    } else if let id = message["id"]?.int {
      if let error = message["error"] {
        let text = error["desc"]?.string ?? "unknown error"
        finish(id, .failure(Fault(500, kind: error["class"]?.string ?? "", "QEMU: \(text)")))
      } else {
        finish(id, .success(message["return"] ?? .null))
      }
    }
  }

  func close() {
    let left = state.withLock { state -> [Waiting]? in
      if state.isClosed { return nil }
      state.isClosed = true
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    guard let left else { return }
    for waiting in left {
      waiting.timeout?.cancel()
      waiting.continuation.resume(throwing: closed(waiting.command))
    }
    onClose()
  }

  private func closed(_ command: String) -> Fault {
    Fault.internal("QEMU's monitor \(path) closed the connection before it answered \(command)")
  }
}

/// Cuts the stream into lines.
private final class QMPHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  /// Longest message that is taken; QEMU's own are far shorter.
  private static let lineBytesMax = 16 << 20
  private let core: QMPCore
  private var line: [UInt8] = []

  init(_ core: QMPCore) { self.core = core }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    for byte in unwrapInboundIn(data).readableBytesView {
      if byte != UInt8(ascii: "\n") {
        line.append(byte)
      } else {
        core.receive(line)
        line.removeAll(keepingCapacity: true)
      }
    }
    if line.count > Self.lineBytesMax { context.close(promise: nil) }
  }
  func channelInactive(context: ChannelHandlerContext) { core.close() }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
