import Contracts
import Kit
import Store

/// Answers guests at 169.254.169.254: the OpenStack and EC2 trees of the server whose port has the asking address.
struct MetadataService: Sendable {
  let service: ComputeDependencies
  /// Longest password that a guest may post.
  private static let passwordMax = 1020

  func answer(_ request: MetadataRequest) async -> MetadataResponse {
    do {
      guard let metadata = try await metadata(request) else { return Self.text(404, "404 Not Found") }
      let path = request.path.split(separator: "/").map(String.init).filter { $0 != "." }
      if path.first == "openstack", path.last == "password", path.count == 3 {
        return try await password(request, metadata, version: path[1])
      }
      guard request.method == "GET" || request.method == "HEAD" else { return Self.text(405, "405 Method Not Allowed") }
      guard let content = Self.content(path, metadata) else { return Self.text(404, "404 Not Found") }
      return MetadataResponse(status: 200, contentType: content.type, body: content.bytes)
    } catch {
      service.log.error("metadata for \(request.address): \(error)")
      return Self.text(500, "500 Internal Server Error")
    }
  }

  private static func text(_ status: Int, _ text: String) -> MetadataResponse {
    MetadataResponse(status: status, contentType: "text/plain; charset=UTF-8", body: Array(text.utf8))
  }

  private func metadata(_ request: MetadataRequest) async throws -> ServerMetadata? {
    try await service.database.read { [service] tx in
      guard
        let id = try service.ports.serverID(
          address: request.address, networkID: request.networkID, routerID: request.routerID, tx: tx),
        var server = try ServerStore.find(id, tx: tx), !server.isDeleted
      else { return nil }
      // The generated password is on the config drive only.
      server.adminPassword = nil
      let ports = server.ordered(try service.ports.ports(ofServers: [id], tx: tx)[id] ?? [])
      return ServerMetadata(server: server, ports: ports, settings: service.settings)
    }
  }

  /// What is at a path; nil: nothing.
  static func content(_ path: [String], _ metadata: ServerMetadata) -> ServerMetadata.Content? {
    guard let first = path.first else { return .text(list(ServerMetadata.ec2Versions + ["latest"])) }
    if first == "openstack" { return openStack(Array(path.dropFirst()), metadata) }
    return ec2(first == "ec2" ? Array(path.dropFirst()) : path, metadata)
  }

  private static func list(_ names: [String]) -> String { names.joined(separator: "\n") }

  private static func openStack(_ path: [String], _ metadata: ServerMetadata) -> ServerMetadata.Content? {
    let versions = ServerMetadata.openStackVersions
    guard let first = path.first else { return .text(list(versions + ["latest"])) }
    if first == "content" {
      guard path.count == 2, let bytes = metadata.injected(path[1]) else { return nil }
      return ServerMetadata.Content(type: "application/octet-stream", bytes: bytes)
    }
    let version = first == "latest" ? versions.last ?? first : first
    guard versions.contains(version) else { return nil }
    switch path.count {
    case 1: return .text(list(metadata.files(version: version)))
    case 2: return metadata.file(path[1], version: version)
    default: return nil
    }
  }

  private static func ec2(_ path: [String], _ metadata: ServerMetadata) -> ServerMetadata.Content? {
    let versions = ServerMetadata.ec2Versions
    guard let first = path.first else { return .text(list(versions + ["latest"])) }
    let version = first == "latest" ? versions.last ?? first : first
    guard versions.contains(version) else { return nil }
    switch path.dropFirst().first {
    case nil: return .text(list(["meta-data/"] + (metadata.userData == nil ? [] : ["user-data"])))
    case "user-data":
      guard path.count == 2, let data = metadata.userData else { return nil }
      return ServerMetadata.Content(type: "application/octet-stream", bytes: data)
    case "meta-data": return metadata.ec2(version: version).node(path.dropFirst(2)).map { .text($0.body) }
    default: return nil
    }
  }

  // MARK: Password

  /// The guest's password, encrypted by it with the key pair: readable, and writable once.
  private func password(
    _ request: MetadataRequest, _ metadata: ServerMetadata, version: String
  ) async throws -> MetadataResponse {
    let known = ServerMetadata.openStackVersions.dropFirst() + ["latest"]
    guard known.contains(version) else { return Self.text(404, "404 Not Found") }
    if request.method == "GET" { return Self.text(200, metadata.server.guestPassword) }
    guard request.method == "POST" else { return Self.text(405, "405 Method Not Allowed") }
    guard request.body.count <= Self.passwordMax else { return Self.text(400, "The password is too long.") }
    let password = String(decoding: request.body, as: UTF8.self)
    let id = metadata.server.id
    let isNew = try await service.database.write { [service] tx in
      var isNew = false
      try ServerStore.change(id, now: service.clock.now(), tx: tx) { server in
        guard server.guestPassword.isEmpty else { return }
        server.guestPassword = password
        isNew = true
      }
      return isNew
    }
    return isNew ? Self.text(200, "") : Self.text(409, "The password is set already.")
  }
}
