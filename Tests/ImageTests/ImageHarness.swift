import API
import Foundation
import Kit
import Store
import TestKit
import Workflow

@testable import Image

/// An Image service on a database and a folder of its own.
struct ImageHarness {
  let database: any Database
  let service: ImageService
  let router: APIRouter
  let clock: TestClock
  let directory: String

  init(
    directory: String? = nil, database: (any Database)? = nil, engine: WorkflowEngine? = nil
  ) async throws {
    self.directory = try directory ?? TestKit.folder() + "/images"
    if let database {
      self.database = database
    } else {
      self.database = try await TestKit.database(ImageService.migrations)
    }
    clock = TestClock()
    service = ImageService(
      database: self.database, clock: clock, log: TestKit.log, directory: self.directory, engine: engine)
    service.isInUse = { _ in false }
    router = APIRouter(service.api, verifier: TestVerifier(), log: TestKit.log)
    try await service.sweep(inUse: [])
  }

  struct Answer {
    var status: Int
    var headers: Headers
    var bytes: [UInt8]
    var json: JSONValue { (try? JSONParser.parse(bytes)) ?? .null }
    var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  func send(
    _ method: String, _ target: String, as token: String = "member", headers: Headers = [:], body: BodyStream
  ) async throws -> Answer {
    var headers = headers
    if token != "none" { headers["X-Auth-Token"] = token }
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let reply = await router.respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
        body: body))
    let bytes: [UInt8] =
      switch reply.body {
      case .none: []
      case .json(let value): value.bytes
      case .bytes(let bytes, _): bytes
      case .stream(let pieces, _): try await pieces.collect(limit: 1 << 30)
      }
    return Answer(status: reply.status, headers: reply.headers, bytes: bytes)
  }
  func send(
    _ method: String, _ target: String, _ body: JSONValue? = nil, as token: String = "member", headers: Headers = [:]
  ) async throws -> Answer {
    try await send(method, target, as: token, headers: headers, body: BodyStream(bytes: body?.bytes ?? []))
  }

  /// Makes a queued image; returns its id.
  func make(_ format: String = "raw", container: String = "bare", as token: String = "member") async throws -> String {
    let answer = try await send(
      "POST", "/v2/images", ["name": "i", "disk_format": .string(format), "container_format": .string(container)],
      as: token)
    return answer.json["id"]?.string ?? ""
  }
  func upload(_ bytes: [UInt8], to id: String, as token: String = "member") async throws -> Answer {
    try await send(
      "PUT", "/v2/images/\(id)/file", as: token, headers: ["Content-Type": "application/octet-stream"],
      body: BodyStream(bytes: bytes))
  }
  /// Makes an image with data; returns its id.
  func makeActive(_ bytes: [UInt8], format: String = "raw") async throws -> String {
    let id = try await make(format)
    _ = try await upload(bytes, to: id)
    return id
  }
  func status(_ id: String) async throws -> String {
    try await send("GET", "/v2/images/\(id)", as: "admin").json["status"]?.string ?? "gone"
  }
  /// Every file below the store's folder.
  func files() -> [String] {
    (FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []).filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: "\(directory)/\(name)", isDirectory: &isFolder)
        && !isFolder.boolValue
    }.sorted()
  }

  static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }
}
