import Kit

/// A request body that arrives in pieces, with back-pressure: the next piece is read when it is asked for.
public struct BodyStream: AsyncSequence, Sendable {
  public typealias Element = [UInt8]
  /// Bytes announced by Content-Length, when known.
  public let length: Int?
  private let make: @Sendable () -> Iterator

  public struct Iterator: AsyncIteratorProtocol {
    let pull: () async throws -> [UInt8]?
    public mutating func next() async throws -> [UInt8]? { try await pull() }
  }

  /// Wraps any sequence of pieces. It can be read once.
  public init<Base: AsyncSequence & Sendable>(_ base: Base, length: Int?) where Base.Element == [UInt8] {
    self.length = length
    make = {
      let iterator = Box(base.makeAsyncIterator())
      return Iterator { try await iterator.value.next() }
    }
  }
  public init(bytes: [UInt8]) {
    self.init(
      AsyncStream<[UInt8]> { continuation in
        if !bytes.isEmpty { continuation.yield(bytes) }
        continuation.finish()
      }, length: bytes.count)
  }
  public func makeAsyncIterator() -> Iterator { make() }

  private final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
  }

  /// Reads it all. Throws a 413 fault past `limit` bytes.
  public func collect(limit: Int) async throws -> [UInt8] {
    if let length, length > limit { throw Self.tooLarge(limit) }
    var bytes: [UInt8] = []
    for try await piece in self {
      guard bytes.count + piece.count <= limit else { throw Self.tooLarge(limit) }
      bytes += piece
    }
    return bytes
  }
  private static func tooLarge(_ limit: Int) -> Fault { Fault(413, "The request body is larger than \(limit) bytes.") }
}

/// An HTTP request as it reaches the router, from a socket or from a test.
public struct HTTPCall: Sendable {
  public var method: String
  /// The path, still percent-encoded, without the query.
  public var path: String
  public var query: Query
  public var headers: Headers
  public var body: BodyStream
  /// `127.0.0.1`, or empty when unknown.
  public var remoteAddress: String

  public init(
    method: String, path: String, query: Query = Query([]), headers: Headers = [:],
    body: BodyStream = BodyStream(bytes: []),
    remoteAddress: String = ""
  ) {
    (self.method, self.path, self.query, self.headers) = (method, path, query, headers)
    (self.body, self.remoteAddress) = (body, remoteAddress)
  }
}

/// A request that has passed the edge: authenticated, allowed by policy, its body parsed and checked.
public struct Call: Sendable {
  public let http: HTTPCall
  public let route: Route
  /// Values of the pattern's `{names}`, decoded.
  public let parameters: [String: String]
  /// nil only on routes that need no token.
  public let identity: AuthContext?
  /// The parsed JSON body; `.null` when there was none. Raw routes read `http.body` instead.
  public let body: JSONValue
  public let microversion: Microversion
  public let requestID: String
  /// `http://host:port` as the client addressed this service, for links.
  public let baseURL: String

  public init(
    http: HTTPCall, route: Route, parameters: [String: String], identity: AuthContext?, body: JSONValue,
    microversion: Microversion, requestID: String
  ) {
    (self.http, self.route, self.parameters, self.identity) = (http, route, parameters, identity)
    (self.body, self.microversion, self.requestID) = (body, microversion, requestID)
    let scheme = http.headers["X-Forwarded-Proto"] == "https" ? "https" : "http"
    baseURL = "\(scheme)://\(http.headers["Host"] ?? "localhost")"
  }

  /// Who asks. Throws 401 on a route without a token.
  public var auth: AuthContext {
    get throws {
      guard let identity else { throw Fault.unauthorized() }
      return identity
    }
  }
  public var query: Query { http.query }
  /// A value of the path; empty when the pattern has no such name.
  public func parameter(_ name: String) -> String { parameters[name] ?? "" }
  /// Whether the request's microversion is at least `major.minor`.
  public func since(_ major: Int, _ minor: Int) -> Bool { microversion >= Microversion(major, minor) }
}

/// A response.
public struct Reply: Sendable {
  public enum Body: Sendable {
    case none
    case json(JSONValue)
    case bytes([UInt8], contentType: String)
    /// `pieces` is read as the client takes it.
    case stream(BodyStream, contentType: String)
  }

  public var status: Int
  public var headers: Headers
  public var body: Body

  public init(_ status: Int, _ body: Body = .none, headers: Headers = [:]) {
    (self.status, self.body, self.headers) = (status, body, headers)
  }
  public static func json(_ value: JSONValue, status: Int = 200, headers: Headers = [:]) -> Reply {
    Reply(status, .json(value), headers: headers)
  }
  public static func empty(_ status: Int = 204) -> Reply { Reply(status) }
}
