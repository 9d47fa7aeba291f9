import Contracts
import Kit
import Logs

/// The edge of a service: finds the route, authenticates, asks the policy, parses and checks the body, calls the handler,
/// and gives every error the service's own shape. Nothing else in a service touches HTTP.
public struct APIRouter: Sendable {
  public let api: ServiceAPI
  private let tree: RouteTree
  private let verifier: any TokenVerifying
  private let log: Log
  private let overrides: (any PolicyDeciding)?

  /// `overrides`: rules that take the place of the routes' policies.
  public init(
    _ api: ServiceAPI, verifier: any TokenVerifying, log: Log, overrides: (any PolicyDeciding)? = nil
  ) {
    (self.api, self.verifier, self.log, self.overrides) = (api, verifier, log, overrides)
    tree = RouteTree(api.routes)
  }

  /// Answers a request. Never throws: every error becomes a response.
  public func respond(_ http: HTTPCall) async -> Reply {
    let requestID = "req-" + UUIDText.make()
    var version: Microversion?
    var identity: AuthContext?
    var reply: Reply
    do {
      version = try chooseVersion(http)
      reply = try await answer(http, requestID, version, &identity)
    } catch {
      reply = failure(error, http, requestID, version)
    }
    if reply.status == 401 || reply.status == 403 { auditRefusal(http, requestID, identity, reply.status) }
    decorate(&reply, http, requestID, version)
    log.request(requestID).debug("\(http.remoteAddress) \(http.method) \(http.path) \(reply.status)")
    return reply
  }

  /// A change that was refused to someone, or to a token that is not in force. A login says its own reasons.
  private func auditRefusal(_ http: HTTPCall, _ requestID: String, _ identity: AuthContext?, _ status: Int) {
    guard http.method != "GET", http.method != "HEAD", identity != nil || http.headers["X-Auth-Token"] != nil else {
      return
    }
    let who = identity.map { "user \($0.user.name) (\($0.user.id))" } ?? "a token that is not in force"
    log.request(requestID).audit(
      "refused \(who) from \(http.remoteAddress): \(http.method) \(http.path.prefix(200)): \(status)")
  }

  private func failure(_ error: any Error, _ http: HTTPCall, _ requestID: String, _ version: Microversion?) -> Reply {
    var fault = Fault(error)
    if fault.status >= 500 { log.request(requestID).error("\(http.method) \(http.path): \(error)") }
    if fault.status == 401, fault.headers["WWW-Authenticate"] == nil {
      fault.headers["WWW-Authenticate"] = "Keystone uri=\"http://\(http.headers["Host"] ?? "localhost")\""
    }
    return api.errors.reply(fault, requestID: requestID, microversion: version)
  }

  private func decorate(_ reply: inout Reply, _ http: HTTPCall, _ requestID: String, _ version: Microversion?) {
    reply.headers["X-OpenStack-Request-ID"] = requestID
    if api.errors == .compute { reply.headers["X-Compute-Request-ID"] = requestID }
    if let support = api.microversions, let version {
      reply.headers["OpenStack-API-Version"] = "\(support.service) \(version)"
      reply.headers.add("Vary", "OpenStack-API-Version")
      if let legacy = support.legacyHeader {
        reply.headers[legacy] = version.description
        reply.headers.add("Vary", legacy)
      }
    }
    if http.method == "HEAD" { reply.body = .none }
  }

  private func chooseVersion(_ http: HTTPCall) throws -> Microversion? {
    guard let support = api.microversions else { return nil }
    switch support.choose(http.headers) {
    case .version(let version): return version
    case .malformed(let text):
      throw Fault.badRequest("API Version String \(text) is of invalid format. It must be MajorNum.MinorNum.")
    case .outOfRange(let version):
      throw Fault(
        406,
        "Version \(version) is not supported by the API. Minimum is \(support.min) and maximum is \(support.max).")
    }
  }

  /// `identity`: who turned out to ask, also when the call is refused.
  private func answer(
    _ http: HTTPCall, _ requestID: String, _ version: Microversion?, _ identity: inout AuthContext?
  ) async throws -> Reply {
    let raw = http.path.split(separator: "/").map { Percent.decode(String($0)) }
    guard raw.allSatisfy({ !$0.utf8.contains(0) }), http.query.items.allSatisfy({ !$0.value.utf8.contains(0) }) else {
      throw Fault.badRequest("The request's address holds a NUL character.")
    }
    let path = api.normalize(raw)
    let candidates = tree.routes(path)
    let isOpen = candidates.contains { $0.method == http.method && !$0.policy.rule.needsToken }
    // Authentication comes before everything else, so that nothing is told to strangers.
    identity = try await authenticate(http, isOptional: isOpen)
    let method = http.method == "HEAD" && !candidates.contains { $0.method == "HEAD" } ? "GET" : http.method
    let byMethod = candidates.filter { $0.method == method }
    guard !byMethod.isEmpty else { throw methodFault(candidates, http) }
    let live = byMethod.filter { $0.exists(in: version) }
    guard let first = live.first else { throw Fault.notFound("The resource could not be found.") }
    let body = try await readBody(http, first)
    let route = try select(live, body, first)
    let parameters = Dictionary(
      zip(route.segments, path).filter { $0.0.hasPrefix("{") }.map { (String($0.0.dropFirst().dropLast()), $0.1) }
    ) { first, _ in first }
    try allow(identity, route, parameters)
    if let schema = route.schema, !(body.isNull && route.bodyKind == .optionalJSON) { try schema.check(body) }
    let call = Call(
      http: http, route: route, parameters: parameters, identity: identity, body: body,
      microversion: version ?? Microversion(1, 0), requestID: requestID)
    return try await route.handler(call)
  }

  private func authenticate(_ http: HTTPCall, isOptional: Bool) async throws -> AuthContext? {
    guard let token = http.headers["X-Auth-Token"], !token.isEmpty else {
      if isOptional { return nil }
      throw Fault.unauthorized()
    }
    do {
      var identity = try await verifier.verify(token)
      identity.overrides = overrides
      // An application credential with access rules is good for nothing else.
      if let rules = identity.accessRules,
        !rules.contains(where: { $0.allows(service: api.name, method: http.method, path: http.path) })
      {
        throw Fault.unauthorized()
      }
      return identity
    } catch {
      if isOptional { return nil }
      throw error
    }
  }

  private func methodFault(_ candidates: [Route], _ http: HTTPCall) -> Fault {
    guard !candidates.isEmpty else { return .notFound("The resource could not be found.") }
    let allowed = Set(candidates.map(\.method)).sorted().joined(separator: ", ")
    return Fault(405, "The method \(http.method) is not allowed for this resource.", headers: ["Allow": allowed])
  }

  private func readBody(_ http: HTTPCall, _ route: Route) async throws -> JSONValue {
    guard route.bodyKind == .json || route.bodyKind == .optionalJSON else { return .null }
    let bytes = try await http.body.collect(limit: Limits.requestBodyBytesMax)
    if bytes.isEmpty {
      if route.bodyKind == .optionalJSON { return .null }
      throw Fault.badRequest("The request needs a JSON body.")
    }
    if let type = http.headers["Content-Type"], !type.lowercased().contains("json"), !type.isEmpty {
      throw Fault(415, "Unsupported Content-Type '\(type.prefix(80))': use application/json.")
    }
    do {
      let body = try JSONParser.parse(bytes)
      if route.bodyKind == .json, body.object == nil {
        throw Fault.badRequest("The request body must be a JSON object, not \(body.typeName).")
      }
      // No name or text of any resource may hold one, and C libraries below us end a text there.
      guard !body.holdsNUL else { throw Fault.badRequest("The request body holds a NUL character.") }
      return body
    } catch let error as JSONSyntaxError {
      throw Fault.badRequest("Malformed request body: \(error).")
    }
  }

  /// Among routes of one method and path: the one whose action key the body has.
  private func select(_ live: [Route], _ body: JSONValue, _ first: Route) throws -> Route {
    guard first.action != nil else { return first }
    guard let object = body.object, let key = object.keys.first else {
      throw Fault.badRequest("The request body must be an object with one action.")
    }
    guard let route = live.first(where: { $0.action == key }) else {
      throw Fault.badRequest("There is no such action: \(key.prefix(80))")
    }
    return route
  }

  private func isAllowed(_ identity: AuthContext, _ policy: Policy, _ parameters: [String: String]) -> Bool {
    guard let overrides else { return policy.rule.allows(identity, parameters: parameters) }
    if policy.isLate, overrides.replaces(policy.name) { return true }
    return overrides.decide(policy.name, identity, target: parameters)
      ?? policy.rule.allows(identity, parameters: parameters)
  }

  private func allow(_ identity: AuthContext?, _ route: Route, _ parameters: [String: String]) throws {
    guard route.policy.rule.needsToken else { return }
    guard let identity else { throw Fault.unauthorized() }
    guard isAllowed(identity, route.policy, parameters) else {
      throw Fault.forbidden(api.errors.policyMessage(route.policy.name))
    }
  }
}

extension ErrorShape {
  /// What a caller without the right role reads.
  public func policyMessage(_ name: String) -> String {
    switch self {
    case .identity: "You are not authorized to perform the requested action: \(name)."
    case .network: "(rule:\(name)) is disallowed by policy"
    case .image: "You are not authorized to complete \(name) action."
    case .compute, .blockStorage, .placement: "Policy doesn't allow \(name) to be performed."
    }
  }
}
