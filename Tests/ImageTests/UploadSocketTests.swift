import API
import Foundation
import Kit
import TestKit
import Testing

@testable import Image

#if canImport(Glibc)
  import Glibc
#endif

/// Uploads and downloads over real sockets.
struct UploadSocketTests {
  private static func listen() throws -> (socket: CInt, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    let named = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard bound == 0, named == 0, Glibc.listen(descriptor, 16) == 0 else { throw Fault.internal("no socket") }
    return (descriptor, UInt16(bigEndian: address.sin_port))
  }
  private static func connect(_ port: UInt16) -> CInt {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = port.bigEndian
    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
    }
    return descriptor
  }
  private static func write(_ bytes: [UInt8], to descriptor: CInt) {
    var done = 0
    while done < bytes.count {
      let wrote = bytes[done...].withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      guard wrote > 0 else { return }
      done += wrote
    }
  }
  /// Everything until the server closes.
  private static func readAll(_ descriptor: CInt) async throws -> [UInt8] {
    try await FileWork.run {
      var all: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while true {
        let got = recv(descriptor, &buffer, buffer.count, 0)
        guard got > 0 else { return all }
        all += buffer[0..<got]
      }
    }
  }

  private func withServer(_ body: (ImageHarness, UInt16) async throws -> Void) async throws {
    let cloud = try await ImageHarness()
    let (socket, port) = try Self.listen()
    let (router, server) = (cloud.router, HTTPServer(log: TestKit.log))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve(socket: socket) { await router.respond($0) } }
      defer { group.cancelAll() }
      try await body(cloud, port)
    }
  }

  private static func head(_ id: String, _ more: String) -> [UInt8] {
    Array(
      "PUT /v2/images/\(id)/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\n\(more)Content-Type: application/octet-stream\r\n\r\n"
        .utf8)
  }

  @Test(arguments: ["Transfer-Encoding: chunked\r\n", "Content-Length: 5000000\r\n"])
  func aClientThatGoesAwayLeavesAQueuedImageAndNoFile(_ framing: String) async throws {
    try await withServer { cloud, port in
      let id = try await cloud.make()
      let client = Self.connect(port)
      Self.write(Self.head(id, framing), to: client)
      let piece = ImageHarness.noise(1 << 20)
      Self.write((framing.hasPrefix("T") ? Array("100000\r\n".utf8) : []) + piece, to: client)
      for _ in 0..<500 where try await cloud.status(id) != "saving" { try await Task.sleep(for: .milliseconds(10)) }
      #expect(try await cloud.status(id) == "saving")
      close(client)
      for _ in 0..<500 where try await cloud.status(id) != "queued" { try await Task.sleep(for: .milliseconds(10)) }
      #expect(try await cloud.status(id) == "queued")
      #expect(cloud.files().isEmpty)
    }
  }

  @Test func aChunkedUploadAndItsDownload() async throws {
    try await withServer { cloud, port in
      let id = try await cloud.make()
      let data = ImageHarness.noise(3_000_001)
      let client = Self.connect(port)
      Self.write(Self.head(id, "Transfer-Encoding: chunked\r\nConnection: close\r\n"), to: client)
      for start in stride(from: 0, to: data.count, by: 65_536) {
        let piece = data[start..<min(data.count, start + 65_536)]
        Self.write(Array((String(piece.count, radix: 16) + "\r\n").utf8) + piece + [13, 10], to: client)
      }
      Self.write(Array("0\r\n\r\n".utf8), to: client)
      let answer = String(decoding: try await Self.readAll(client), as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 204"), "\(answer)")
      close(client)
      let reader = Self.connect(port)
      Self.write(
        Array(
          "GET /v2/images/\(id)/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: member\r\nConnection: close\r\n\r\n".utf8),
        to: reader)
      let reply = try await Self.readAll(reader)
      #expect(reply.suffix(data.count).elementsEqual(data))
      #expect(String(decoding: reply.prefix(400), as: UTF8.self).lowercased().contains("content-length: 3000001"))
      close(reader)
    }
  }
}
