import Contracts
import Foundation
import Glibc
import Host
import Kit
import NIOCore
import NIOPosix
import Synchronization
import TestKit

@testable import Dashboard

/// A console proxy in front of a guest that speaks first and then repeats what it hears.
final class ConsoleWorld: Sendable {
  let port: Int
  let consoles: Tokens
  let guest: Guest
  private let server: Task<Void, any Error>

  init(novnc: String = "/nowhere", _ change: (inout ConsoleProxy.Settings) -> Void = { _ in }) async throws {
    let folder = try TestKit.folder()
    guest = try Guest(folder + "/vnc.sock")
    consoles = Tokens(socket: folder + "/vnc.sock")
    var settings = ConsoleProxy.Settings()
    settings.novnc = [novnc]
    change(&settings)
    let proxy = ConsoleProxy(
      consoles: consoles, visitors: { cookies in cookies.hasPrefix("user=") ? String(cookies.dropFirst(5)) : nil },
      log: TestKit.log, settings: settings)
    let socket = try HostSocket.listen(address: "127.0.0.1", port: 0)
    port = try HostSocket.port(of: socket)
    server = Task { try await proxy.serve(socket: socket) }
  }
  deinit { server.cancel() }

  /// As Compute's: a token opens once, for the user who asked for it.
  final class Tokens: ConsoleOpening {
    let socket: String
    let good = Mutex<[String: String]>(["good": "ann", "second": "ann", "third": "ann", "expired": ""])
    init(socket: String) { self.socket = socket }
    func redeem(_ token: String, by userID: String?) async throws -> OpenedConsole {
      let isGood = good.withLock { good in
        guard let owner = good[token], !owner.isEmpty, userID == nil || userID == owner else { return false }
        good[token] = nil
        return true
      }
      guard isGood else { throw Fault.unauthorized("The token is not good for a console.") }
      return OpenedConsole(serverID: "s", type: token == "third" ? "serial" : "novnc", socket: socket)
    }
  }

  /// What listens on a unix socket in the place of QEMU's VNC server.
  final class Guest: Sendable {
    let received = Mutex<[UInt8]>([])
    let visits = Mutex(0)
    /// Bytes to send after the greeting, without waiting for anything.
    let flood = Mutex(0)
    let flooded = Mutex(0)
    private let listener: CInt

    init(_ path: String) throws {
      listener = try HostSocket.listenUnix(path)
      let listener = listener
      Thread.detachNewThread { [weak self] in
        while case let socket = accept(listener, nil, nil), socket >= 0 {
          guard let guest = self else { break }
          Thread.detachNewThread {
            guest.serve(socket)
            close(socket)
          }
        }
        close(listener)
      }
    }
    deinit { shutdown(listener, CInt(SHUT_RDWR)) }

    private func serve(_ socket: CInt) {
      func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
          let count = bytes.withUnsafeBytes {
            Glibc.send(socket, $0.baseAddress?.advanced(by: sent), $0.count - sent, CInt(MSG_NOSIGNAL))
          }
          guard count > 0 else { return false }
          sent += count
        }
        return true
      }
      visits.withLock { $0 += 1 }
      guard send(Array("RFB 003.008\n".utf8)) else { return }
      let piece = [UInt8](repeating: 7, count: 64 << 10)
      for _ in 0..<(flood.withLock { $0 } >> 16) {
        guard send(piece) else { return }
        flooded.withLock { $0 += piece.count }
      }
      var buffer = [UInt8](repeating: 0, count: 4096)
      while case let count = read(socket, &buffer, buffer.count), count > 0 {
        let bytes = Array(buffer[..<count])
        if bytes == Array("bye".utf8) { return }
        received.withLock { $0 += bytes }
        guard send(bytes) else { return }
      }
    }
  }

  /// A connection of a browser, byte by byte.
  struct Browser {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var buffer = ByteBuffer()

    fileprivate init(
      _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
      (self.inbound, self.outbound) = (inbound.makeAsyncIterator(), outbound)
    }

    func write(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// A frame as browsers send them: masked.
    func send(_ bytes: [UInt8], opcode: UInt8 = 2) async throws {
      let mask: [UInt8] = [1, 2, 3, 4]
      var frame: [UInt8] = [0x80 | opcode, 0x80 | UInt8(bytes.count)] + mask
      frame += bytes.enumerated().map { $0.element ^ mask[$0.offset % 4] }
      try await outbound.write(ByteBuffer(bytes: frame))
    }

    private mutating func fill(_ count: Int) async throws -> Bool {
      while buffer.readableBytes < count {
        guard var more = try await inbound.next() else { return false }
        buffer.writeBuffer(&more)
      }
      return true
    }
    private mutating func take(_ count: Int) async throws -> [UInt8]? {
      guard try await fill(count) else { return nil }
      defer { buffer.discardReadBytes() }
      return buffer.readBytes(length: count)
    }

    /// The head of the answer to the handshake.
    mutating func head() async throws -> String {
      var text = ""
      while !text.hasSuffix("\r\n\r\n"), let byte = try await take(1) { text += String(decoding: byte, as: UTF8.self) }
      return text
    }
    /// All that follows until the other side closes.
    mutating func rest() async throws -> String {
      var text = ""
      while let byte = try await take(1) { text += String(decoding: byte, as: UTF8.self) }
      return text
    }
    /// Reads `count` bytes and throws them away.
    mutating func skip(_ count: Int) async throws -> Int {
      var skipped = buffer.readableBytes
      buffer.clear()
      while skipped < count, let more = try await inbound.next() { skipped += more.readableBytes }
      return skipped
    }
    /// The next frame: its opcode and content; nil at the end.
    mutating func frame() async throws -> (opcode: UInt8, bytes: [UInt8])? {
      guard let head = try await take(2) else { return nil }
      var length = Int(head[1] & 0x7f)
      if length >= 126 {
        guard let more = try await take(length == 126 ? 2 : 8) else { return nil }
        length = more.reduce(0) { $0 << 8 | Int($1) }
      }
      return try await take(length).map { (head[0] & 0x0f, $0) }
    }
  }

  /// Connects, sends the handshake with a token and hands the connection over.
  func browse<Result>(
    _ target: String = "/?token=good", origin: String? = nil, protocols: String? = "binary", cookie: String = "",
    _ body: (inout Browser) async throws -> Result
  ) async throws -> Result {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.socketOption(.so_rcvbuf), value: 256 << 10)
      .connect(host: "127.0.0.1", port: port) { channel in
        channel.eventLoop.makeCompletedFuture {
          try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      var browser = Browser(inbound, outbound)
      var head = "GET \(target) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"
      if let protocols {
        head += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: \(protocols)\r\n"
        head += "Origin: \(origin ?? "http://127.0.0.1:\(port)")\r\n"
      }
      if !cookie.isEmpty { head += "Cookie: \(cookie)\r\n" }
      try await browser.write(head + "\r\n")
      return try await body(&browser)
    }
  }

  /// The status and the text of a refusal or a page.
  func ask(
    _ target: String, origin: String? = nil, protocols: String? = "binary", cookie: String = ""
  ) async throws -> (status: String, text: String) {
    try await browse(target, origin: origin, protocols: protocols, cookie: cookie) { browser in
      let head = try await browser.head()
      return (String(head.dropFirst(9).prefix(3)), head + (try await browser.rest()))
    }
  }
}
