import Kit

/// What a handler does with a call that passed the edge. At most 30 lines; the rules live in the service's domain.
public typealias Handler = @Sendable (Call) async throws -> Reply

/// One operation of an API. Routing, 405 answers, policy listings, coverage and bad-input tests are derived from its table.
public struct Route: Sendable {
  public enum BodyKind: Sendable {
    /// No body is read; one that comes is ignored.
    case none
    /// A JSON body is required and checked against `schema`.
    case json
    /// A JSON body may come.
    case optionalJSON
    /// The handler reads `call.http.body` itself.
    case raw
  }

  public let method: String
  /// `/v2.1/servers/{server_id}`
  public let pattern: String
  /// Key in the body that selects this operation among those of the same method and path (`POST …/action`).
  public let action: String?
  public let policy: Policy
  /// The microversions in which it exists; nil bounds are open.
  public let since: Microversion?
  public let until: Microversion?
  public let bodyKind: BodyKind
  public let schema: Schema?
  public let handler: Handler
  let segments: [String]

  public init(
    _ method: String, _ pattern: String, action: String? = nil, _ policy: Policy, since: Microversion? = nil,
    until: Microversion? = nil, body: BodyKind? = nil, schema: Schema? = nil, _ handler: @escaping Handler
  ) {
    (self.method, self.pattern, self.action, self.policy) = (method, pattern, action, policy)
    (self.since, self.until, self.schema, self.handler) = (since, until, schema, handler)
    bodyKind = body ?? (schema != nil || action != nil ? .json : .none)
    segments = pattern.split(separator: "/").map(String.init)
  }

  func exists(in version: Microversion?) -> Bool {
    guard let version else { return true }
    return (since.map { version >= $0 } ?? true) && (until.map { version <= $0 } ?? true)
  }
}

/// An API of a service: its routes and its manners.
public struct ServiceAPI: Sendable {
  /// `identity`, `image`, `compute`, `placement`, `network`: also the name of its log.
  public let name: String
  public let errors: ErrorShape
  public let microversions: MicroversionSupport?
  public let routes: [Route]
  /// Brings path variants that clients use to the one in the table: `/v2/…`, a project id in the path, `.json`.
  public let normalize: @Sendable ([String]) -> [String]

  public init(
    name: String, errors: ErrorShape, microversions: MicroversionSupport? = nil, routes: [Route],
    normalize: @escaping @Sendable ([String]) -> [String] = { $0 }
  ) {
    (self.name, self.errors, self.microversions) = (name, errors, microversions)
    (self.routes, self.normalize) = (routes, normalize)
  }
}
