import API
import Kit

/// The services' own APIs, called in this process with the user's own token: the dashboard can do nothing that the API
/// would refuse to that user.
struct APIClient: Sendable {
  /// Compute's microversion: the last in which Compute still makes key pairs itself (2.92 takes that away).
  private static let versions = ["compute": "compute 2.90", "block-storage": "volume 3.60"]
  private static let replyBytesMax = 32 << 20

  let routers: [String: APIRouter]
  let token: Secret

  /// Whether this cloud has the service.
  func has(_ service: String) -> Bool { routers[service] != nil }

  /// What a service answered, with a status below 400.
  struct Answer: Sendable {
    let status: Int
    let headers: Headers
    let body: JSONValue
  }

  /// Reads a resource. Throws the service's fault.
  func get(_ service: String, _ path: String, _ query: [(String, String)] = []) async throws -> JSONValue {
    try await call("GET", service, path, query: query).body
  }

  /// Changes something. Throws the service's fault.
  @discardableResult
  func send(_ method: String, _ service: String, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
    try await call(method, service, path, body: body).body
  }

  /// One call with everything that it may carry. `stream`: a body that is not JSON.
  func call(
    _ method: String, _ service: String, _ path: String, query: [(String, String)] = [], body: JSONValue? = nil,
    stream: BodyStream? = nil, type: String? = nil
  ) async throws -> Answer {
    guard let router = routers[service] else {
      throw Fault.unavailable("This cloud does not have the service \(service).")
    }
    var headers: Headers = ["Host": "dashboard"]
    if let version = Self.versions[service] { headers["OpenStack-API-Version"] = version }
    if !token.value.isEmpty { headers["X-Auth-Token"] = token.value }
    if stream != nil || body != nil { headers["Content-Type"] = type ?? "application/json" }
    let reply = await router.respond(
      HTTPCall(
        method: method, path: path, query: Query(query), headers: headers,
        body: stream ?? BodyStream(bytes: body?.bytes ?? [])))
    let answer = try await Self.read(reply)
    guard reply.status < 400 else { throw Fault(reply.status, Self.message(answer, status: reply.status)) }
    return Answer(status: reply.status, headers: reply.headers, body: answer)
  }

  private static func read(_ reply: Reply) async throws -> JSONValue {
    let bytes: [UInt8]
    switch reply.body {
    case .none: return .null
    case .json(let value): return value
    case .bytes(let content, _): bytes = content
    case .stream(let pieces, _): bytes = try await pieces.collect(limit: replyBytesMax)
    }
    if let value = try? JSONParser.parse(bytes) { return value }
    return .string(String(decoding: bytes, as: UTF8.self))
  }

  /// The sentence in an error of any service (errors-and-conventions §1).
  private static func message(_ body: JSONValue, status: Int) -> String {
    if let text = body.string { return plain(text) }
    if let detail = body["errors"]?[0]?["detail"]?.string { return detail }
    for (_, value) in body.object ?? JSONObject() {
      if let text = value["message"]?.string { return text }
    }
    return "The service answered with status \(status)."
  }

  /// The text of Image's error pages: what follows the heading, without tags.
  private static func plain(_ html: String) -> String {
    let tail = html.firstRange(of: "</h1>").map { html[$0.upperBound...] } ?? html[...]
    var (text, isTag) = ("", false)
    for character in tail {
      if character == "<" {
        isTag = true
      } else if character == ">" {
        isTag = false
      } else if !isTag {
        text.append(character)
      }
    }
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      .replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
      .replacing("&amp;", with: "&")
  }
}

extension JSONValue {
  /// The text of a member, empty when there is none; numbers and booleans as text.
  func text(_ key: String) -> String { self[key]?.asText ?? "" }
  /// Any simple value as text.
  var asText: String {
    switch self {
    case .string(let text): text
    case .int(let number): String(number)
    case .double(let number): String(number)
    case .bool(let flag): flag ? "true" : "false"
    default: ""
    }
  }
  /// The elements of a member that is a list.
  func list(_ key: String) -> [JSONValue] { self[key]?.array ?? [] }
}
