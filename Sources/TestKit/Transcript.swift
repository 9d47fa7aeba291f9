import API
import Foundation
import Kit
import Yams

/// A file of HTTP exchanges, run in order against a router without a socket. An exchange in YAML:
///
///     - name: a network with a name that is too long is refused
///       POST: /v2.0/networks            # or GET, PUT, PATCH, DELETE, HEAD
///       as: member                      # a token of TestVerifier; `none` sends no token; default `member`
///       headers: {X-OpenStack-Nova-API-Version: "2.1"}
///       body: {network: {name: a}}      # sent as JSON; or `raw: text` sent as it is
///       status: 201
///       json: {network: {name: a, id: "*"}}   # a part of the answer; "*" is anything but null; lists match item by item
///       absent: [network.secret]        # members that must not be there
///       replyHeaders: {Location: "*"}
///       capture: {net: network.id}      # later exchanges write ${net}
///
/// `${main}` and `${other}` are the ids of the two projects.
public struct Transcript: Sendable {
  public typealias Responder = @Sendable (HTTPCall) async throws -> Reply

  public let path: String
  private let exchanges: [JSONObject]

  public init(path: String) throws {
    self.path = path
    let text = try String(contentsOfFile: path, encoding: .utf8)
    guard let list = Self.json(try Yams.load(yaml: text)).array else { throw Fault.internal("\(path) is not a list") }
    exchanges = list.compactMap(\.object)
  }

  /// Runs every exchange; returns what did not match, a line each.
  public func run(_ respond: Responder) async throws -> [String] {
    var names: [String: String] = ["main": TestVerifier.mainProject, "other": TestVerifier.otherProject]
    var problems: [String] = []
    for exchange in exchanges {
      let filled = Self.fill(.object(exchange), names)
      let (reply, label) = try await Self.send(filled, respond)
      let found = try await Self.body(reply)
      for problem in Self.check(filled, reply, found) {
        problems.append(
          "\(path.split(separator: "/").last ?? "") «\(label)»: \(problem)\n    answer: \(found.text.prefix(600))")
      }
      for member in filled["capture"]?.object ?? [:] {
        guard let value = Self.lookup(found, member.value.string ?? "") else {
          problems.append("«\(label)»: nothing to capture at \(member.value.text)")
          return problems
        }
        names[member.key] = value.string ?? value.text
      }
    }
    return problems
  }

  private static func send(_ exchange: JSONValue, _ respond: Responder) async throws -> (Reply, String) {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "COPY", "OPTIONS"]
    guard let method = methods.first(where: { exchange[$0] != nil }), let target = exchange[method]?.string else {
      throw Fault.internal("an exchange needs a method with a path: \(exchange.text.prefix(200))")
    }
    var headers = Headers()
    let token = exchange["as"]?.string ?? "member"
    if token != "none" { headers["X-Auth-Token"] = token }
    headers["Host"] = "cloud.test"
    var bytes: [UInt8] = []
    if let raw = exchange["raw"]?.string {
      bytes = Array(raw.utf8)
    } else if let body = exchange["body"] {
      bytes = body.bytes
      headers["Content-Type"] = "application/json"
    }
    for member in exchange["headers"]?.object ?? [:] { headers[member.key] = member.value.string ?? member.value.text }
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    let call = HTTPCall(
      method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: headers,
      body: BodyStream(bytes: bytes), remoteAddress: "127.0.0.1")
    return (try await respond(call), exchange["name"]?.string ?? "\(method) \(target)")
  }

  /// The answer's body as JSON, or as a text.
  static func body(_ reply: Reply) async throws -> JSONValue {
    let bytes: [UInt8]
    switch reply.body {
    case .none: return .null
    case .json(let value): bytes = value.bytes
    case .bytes(let value, _): bytes = value
    case .stream(let pieces, _): bytes = try await pieces.collect(limit: 64 << 20)
    }
    return (try? JSONParser.parse(bytes)) ?? .string(String(decoding: bytes, as: UTF8.self))
  }

  private static func check(_ exchange: JSONValue, _ reply: Reply, _ found: JSONValue) -> [String] {
    var problems: [String] = []
    if let status = exchange["status"]?.int, status != reply.status {
      problems.append("status \(reply.status) instead of \(status)")
    } else if exchange["status"] == nil, reply.status >= 400 {
      problems.append("status \(reply.status)")
    }
    if let wanted = exchange["json"] { problems += mismatches(wanted, found, at: "") }
    for path in exchange["absent"]?.array ?? [] where lookup(found, path.string ?? "") != nil {
      problems.append("\(path.text) is there")
    }
    for member in exchange["replyHeaders"]?.object ?? [:] {
      let value = reply.headers[member.key]
      if value == nil || (member.value.string != "*" && value != member.value.string) {
        problems.append("header \(member.key) is \(value ?? "absent") instead of \(member.value.text)")
      }
    }
    return problems
  }

  private static func mismatches(_ wanted: JSONValue, _ found: JSONValue?, at path: String) -> [String] {
    guard let found else { return ["\(path) is missing"] }
    switch (wanted, found) {
    case (.string("*"), _): return found.isNull ? ["\(path) is null"] : []
    case (.object(let members), .object(let object)):
      return members.flatMap { mismatches($0.value, object[$0.key], at: path.isEmpty ? $0.key : "\(path).\($0.key)") }
    case (.array(let items), .array(let values)):
      if items.count != values.count { return ["\(path) has \(values.count) items instead of \(items.count)"] }
      return zip(items, values).enumerated().flatMap { mismatches($1.0, $1.1, at: "\(path).\($0)") }
    default:
      return wanted == found ? [] : ["\(path) is \(found.text.prefix(200)) instead of \(wanted.text.prefix(200))"]
    }
  }

  /// The value at `a.0.b`.
  private static func lookup(_ value: JSONValue, _ path: String) -> JSONValue? {
    var value: JSONValue? = value
    for part in path.split(separator: ".") {
      if let index = Int(part), let array = value?.array {
        value = array.indices.contains(index) ? array[index] : nil
      } else {
        value = value?[String(part)]
      }
    }
    return value
  }

  private static func fill(_ value: JSONValue, _ names: [String: String]) -> JSONValue {
    switch value {
    case .string(let text):
      guard text.contains("${") else { return value }
      return .string(names.reduce(text) { $0.replacing("${\($1.key)}", with: $1.value) })
    case .array(let items): return .array(items.map { fill($0, names) })
    case .object(let object):
      var result = JSONObject()
      for member in object {
        let key = fill(.string(member.key), names).string ?? member.key
        result.append(key, member.key == "capture" ? member.value : fill(member.value, names))
      }
      return .object(result)
    default: return value
    }
  }

  private static func json(_ value: Any?) -> JSONValue {
    switch value {
    case let value as Bool: .bool(value)
    case let value as Int: .int(value)
    case let value as Double: .double(value)
    case let value as String: .string(value)
    case let value as [Any]: .array(value.map(json))
    case let value as [AnyHashable: Any]:
      .object(
        value.sorted { "\($0.key)" < "\($1.key)" }.reduce(into: JSONObject()) { $0.append("\($1.key)", json($1.value)) }
      )
    default: .null
    }
  }
}
