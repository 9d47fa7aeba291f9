import FoundationEssentials
import Kit
import NIOCore
import NIOHTTP1
import NIOPosix

/// A request of ours.
struct HTTPRequest: Sendable {
  enum Body: Sendable {
    case none
    case json(JSONValue)
    /// A file that is sent in pieces, as `application/octet-stream`.
    case file(String, size: Int)
  }

  var method: String
  var url: String
  var headers: [(String, String)] = []
  var body = Body.none
  /// Until the whole answer is there.
  var deadline: Duration = .seconds(60)
}

/// An answer with its body.
struct HTTPResponse: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: [UInt8]
  /// The body as JSON; null when it is none.
  var json: JSONValue { (try? JSONParser.parse(body)) ?? .null }
}

/// A small HTTP/1.1 client that keeps connections for the next request. Plain TCP: it is for a cloud on this machine.
actor HTTPClient {
  private var idle: [Origin: [HTTPConnection]] = [:]

  struct Origin: Hashable, Sendable {
    var host: String
    var port: Int
  }

  /// Sends a request and returns the answer, whatever its status. Faults: no connection, no answer in time, not HTTP.
  func send(_ request: HTTPRequest) async throws -> HTTPResponse {
    guard let parts = URLComponents(string: request.url), parts.scheme == "http", let host = parts.host else {
      throw Fault.badRequest("'\(request.url)' is not an http:// URL")
    }
    let origin = Origin(
      host: host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host, port: parts.port ?? 80)
    let query = parts.percentEncodedQuery.map { "?\($0)" } ?? ""
    let target = (parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath) + query
    while let connection = idle[origin]?.popLast() {
      guard connection.isOpen else { continue }
      do {
        return try await exchange(connection, origin, request, target)
      } catch is HTTPConnection.ClosedUnused {
        continue  // The server had closed it meanwhile and has not seen the request.
      }
    }
    let connection = try await HTTPConnection.open(origin)
    do {
      return try await exchange(connection, origin, request, target)
    } catch is HTTPConnection.ClosedUnused {
      throw Fault.unavailable("\(origin.host):\(origin.port) closed the connection without an answer")
    }
  }

  private func exchange(
    _ connection: HTTPConnection, _ origin: Origin, _ request: HTTPRequest, _ target: String
  ) async throws -> HTTPResponse {
    let response = try await connection.exchange(request, host: "\(origin.host):\(origin.port)", target: target)
    if connection.isOpen, !response.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "close" })
    {
      idle[origin, default: []].append(connection)
    } else {
      connection.close()
    }
    return response
  }

  /// Closes all connections.
  func close() {
    for connection in idle.values.joined() { connection.close() }
    idle = [:]
  }
}
