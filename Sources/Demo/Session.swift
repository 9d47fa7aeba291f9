import FoundationEssentials
import Kit

/// Somebody who is logged in: a token, and the catalog that came with it.
actor Session {
  private let client: HTTPClient
  private let login: Login
  private var token = ""
  private(set) var catalog: [JSONValue] = []
  private(set) var userID = ""
  private(set) var projectID = ""
  private(set) var domainID = ""

  struct Login: Sendable {
    var authURL: String
    var username: String
    var password: Secret
    var project: String
    var domain: String
    var region: String
  }

  /// The microversion of Compute that the demonstration speaks.
  static let computeVersion = "2.72"

  init(_ login: Login, client: HTTPClient) { (self.login, self.client) = (login, client) }

  /// Gets a token for a project (API reference, Identity: password authentication with scoped authorization).
  func authenticate() async throws {
    let domain: JSONValue = ["name": .string(login.domain)]
    let user: JSONValue = [
      "name": .string(login.username), "domain": domain, "password": .string(login.password.value),
    ]
    let body: JSONValue = [
      "auth": [
        "identity": ["methods": ["password"], "password": ["user": user]],
        "scope": ["project": ["name": .string(login.project), "domain": domain]],
      ]
    ]
    let url = Self.trimmed(login.authURL) + "/auth/tokens"
    let response = try await client.send(HTTPRequest(method: "POST", url: url, body: .json(body)))
    guard response.status == 201, let token = response.headers.first(name: "x-subject-token") else {
      throw APIError.fault(response, "logging in as \(login.username) of project \(login.project)")
    }
    let content = response.json["token"] ?? .null
    self.token = token
    catalog = content["catalog"]?.array ?? []
    userID = content["user"]?["id"]?.string ?? ""
    domainID = content["user"]?["domain"]?["id"]?.string ?? ""
    projectID = content["project"]?["id"]?.string ?? ""
  }

  /// The public endpoint of a service, with the path of the API's version.
  func endpoint(_ type: String) throws -> String {
    let service = catalog.first { $0["type"]?.string == type }
    let endpoint = service?["endpoints"]?.array?.first {
      $0["interface"]?.string == "public"
        && (login.region.isEmpty || [$0["region_id"]?.string, $0["region"]?.string].contains(login.region))
    }
    guard let url = endpoint?["url"]?.string else {
      throw Fault.unavailable("the catalog has no public endpoint of type '\(type)' in region '\(login.region)'")
    }
    let version = ["identity": "/v3", "image": "/v2", "network": "/v2.0"][type] ?? ""
    let base = Self.trimmed(url)
    return base.hasSuffix(version) ? base : base + version
  }

  /// Calls an API. A status outside 200…299 is a fault with the API's own message; with `absent` 404 is nil.
  func call(
    _ method: String, _ type: String, _ path: String, query: [(String, String)] = [], _ body: HTTPRequest.Body = .none,
    contentType: String? = nil, deadline: Duration = .seconds(60)
  ) async throws -> JSONValue {
    var url = try endpoint(type) + path
    if !query.isEmpty {
      url += "?" + query.map { "\(Self.encoded($0.0))=\(Self.encoded($0.1))" }.joined(separator: "&")
    }
    var request = HTTPRequest(method: method, url: url, body: body, deadline: deadline)
    if let contentType { request.headers.append(("Content-Type", contentType)) }
    if type == "compute" { request.headers.append(("OpenStack-API-Version", "compute \(Self.computeVersion)")) }
    var response = try await client.send(authorized(request))
    if response.status == 401 {
      try await authenticate()
      response = try await client.send(authorized(request))
    }
    guard (200..<300).contains(response.status) else { throw APIError.fault(response, "\(method) \(type) \(path)") }
    return response.json
  }

  /// As `call` for a GET, but nil where there is no such thing.
  func find(_ type: String, _ path: String) async throws -> JSONValue? {
    do { return try await call("GET", type, path) } catch let fault as Fault where fault.status == 404 { return nil }
  }

  /// The members of a list that have this name, as the service filters them.
  func list(_ type: String, _ path: String, _ key: String, _ query: [(String, String)] = []) async throws -> [JSONValue]
  {
    try await call("GET", type, path, query: query)[key]?.array ?? []
  }

  private func authorized(_ request: HTTPRequest) -> HTTPRequest {
    var request = request
    request.headers.append(("X-Auth-Token", token))
    return request
  }

  private static func trimmed(_ url: String) -> String { url.hasSuffix("/") ? String(url.dropLast()) : url }

  /// Percent-encoded for a query (RFC 3986, unreserved characters stay).
  static func encoded(_ text: String) -> String {
    let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
    let digits = Array("0123456789ABCDEF")
    return text.utf8.reduce(into: "") { result, byte in
      if plain.contains(byte) {
        result.append(Character(Unicode.Scalar(byte)))
      } else {
        result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
  }
}

/// What an API says when it refuses.
enum APIError {
  static func fault(_ response: HTTPResponse, _ what: String) -> Fault {
    Fault(response.status, "\(what): \(response.status) \(message(response))")
  }

  /// The message in each service's own shape: JSON with a `message` somewhere, or HTML.
  static func message(_ response: HTTPResponse) -> String {
    if let text = message(response.json) { return text }
    let plain = withoutTags(String(decoding: response.body.prefix(4000), as: UTF8.self))
    return plain.isEmpty ? "without an explanation" : plain
  }

  private static func message(_ json: JSONValue) -> String? {
    switch json {
    case .string(let text): return text
    case .object(let object):
      if let text = object["message"]?.string { return text }
      for key in ["detail", "faultstring"] { if let text = object[key]?.string { return text } }
      return object.lazy.compactMap { message($0.value) }.first
    case .array(let values): return values.lazy.compactMap(message).first
    default: return nil
    }
  }

  private static func withoutTags(_ html: String) -> String {
    var isTag = false
    var text = ""
    for character in html {
      if character == "<" {
        isTag = true
      } else if character == ">" {
        (isTag, text) = (false, text + " ")
      } else if !isTag {
        text.append(character)
      }
    }
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }
}
