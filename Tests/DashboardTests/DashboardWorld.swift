import API
import Contracts
import Foundation
import Kit
import Logs
import Synchronization
import TestKit

@testable import Dashboard

/// A dashboard over services that are tables of answers, and a browser that keeps its cookies.
final class DashboardWorld: Sendable {
  static let hostile = "<script>alert(1)</script>\"'&{{csrf}}"
  let service: DashboardService
  let clock = TestClock()
  /// Every call that reached a service: `compute POST /v2.1/servers/…`.
  let calls = Mutex<[String]>([])
  private let cookies = Mutex<[String: String]>([:])
  /// What every server's status is now, and tokens that are no more.
  let status = Mutex("ACTIVE")
  let revoked = Mutex<Set<String>>([])

  /// `more`: routes of services beside or in the place of the few that are here.
  init(rows: Int = 1, settings: DashboardSettings = DashboardSettings(), more: [String: [Route]] = [:]) throws {
    let box = Box()
    let log: @Sendable (Call) -> Void = { call in
      guard let world = box.world else { return }
      world.calls.withLock { $0.append("\(call.route.policy.name) \(call.http.method) \(call.http.path)") }
    }
    var routers: [String: APIRouter] = [:]
    let given = Set(more.keys)
    for (name, routes) in more where name != "identity" {
      routers[name] = APIRouter(
        ServiceAPI(name: name, errors: .compute, routes: routes.map { Self.logged($0, log) }),
        verifier: Verifier(box: box), log: TestKit.log)
    }
    for (name, errors, own) in Self.apis(rows: rows, log, status: { box.world?.status.withLock { $0 } ?? "" }) {
      guard name == "identity" || !given.contains(name) else { continue }
      let routes = own + (more[name] ?? []).map { Self.logged($0, log) }
      routers[name] = APIRouter(
        ServiceAPI(name: name, errors: errors, routes: routes), verifier: Verifier(box: box), log: TestKit.log)
    }
    service = try DashboardService(
      routers: routers, log: TestKit.log, keyDirectory: TestKit.folder(), logs: LogCenter(directory: nil),
      settings: settings,
      clock: clock)
    box.world = self
  }
  private final class Box: @unchecked Sendable { weak var world: DashboardWorld? }
  private struct Verifier: TokenVerifying {
    let box: Box
    func verify(_ token: String) async throws -> AuthContext {
      guard box.world?.revoked.withLock({ $0.contains(token) }) != true else { throw Fault.unauthorized() }
      return try await TestVerifier().verify(token)
    }
  }

  private static func logged(_ route: Route, _ log: @escaping @Sendable (Call) -> Void) -> Route {
    Route(route.method, route.pattern, route.policy, body: route.bodyKind) { call in
      log(call)
      return try await route.handler(call)
    }
  }

  private static func apis(
    rows: Int, _ log: @escaping @Sendable (Call) -> Void, status: @escaping @Sendable () -> String
  ) -> [(String, ErrorShape, [Route])] {
    func route(_ service: String, _ method: String, _ pattern: String, open: Bool = false, _ json: JSONValue) -> Route {
      Route(method, pattern, Policy(service, open ? .anyone : .authenticated), body: .optionalJSON) { call in
        log(call)
        return .json(json)
      }
    }
    let server: JSONObject = [
      "name": .string(hostile), "status": "ACTIVE", "description": .string(hostile),
      "metadata": [hostile: .string(hostile)], "image": ["id": "img"],
      "flavor": ["original_name": .string(hostile)], "tags": [.string(hostile)],
    ]
    let servers: @Sendable () -> [JSONValue] = {
      (0..<rows).map { index -> JSONValue in
        var row = server
        row["id"] = .string("server-\(index)")
        row["status"] = .string(status())
        return .object(row)
      }
    }
    let compute = [
      Route("GET", "/v2.1/servers/detail", Policy("compute", .authenticated)) { call in
        log(call)
        return .json(["servers": .array(servers())])
      },
      Route("GET", "/v2.1/servers/{id}", Policy("compute", .authenticated)) { call in
        log(call)
        guard call.parameter("id").hasPrefix("server-") else { throw Fault.notFound("Instance could not be found.") }
        return .json(["server": servers().first ?? .null])
      },
      route("compute", "GET", "/v2.1/servers/{id}/os-instance-actions", ["instanceActions": []]),
      route("compute", "POST", "/v2.1/servers/{id}/action", ["output": .string(hostile)]),
      route("compute", "DELETE", "/v2.1/servers/{id}", nil),
    ]
    return [
      ("identity", .identity, identity(log)), ("compute", .compute, compute),
      ("image", .image, [route("image", "GET", "/v2/images", ["images": [["id": "img", "name": .string(hostile)]]])]),
      (
        "network", .network,
        [
          route("network", "GET", "/v2.0/ports", ["ports": []]),
          route(
            "network", "GET", "/v2.0/networks", ["networks": [["id": "n", "name": .string(hostile), "shared": true]]]),
          route("network", "GET", "/v2.0/subnets", ["subnets": []]),
          route("network", "GET", "/v2.0/routers", ["routers": []]),
          route("network", "GET", "/v2.0/floatingips", ["floatingips": []]),
        ]
      ),
    ]
  }

  /// Tokens are the names that TestVerifier knows: whoever signs in gets their own name as the token.
  private static func identity(_ log: @escaping @Sendable (Call) -> Void) -> [Route] {
    [
      Route("POST", "/v3/auth/tokens", Policy("identity", .anyone), body: .json) { call in
        log(call)
        let auth = call.body["auth"]?["identity"]
        let user = auth?["password"]?["user"]
        let name = user?.text("name") ?? auth?["token"]?.text("id") ?? ""
        guard let context = TestVerifier.context(name), user.map({ $0.text("password") == "right" }) ?? true else {
          throw Fault.unauthorized()
        }
        let token: JSONValue = [
          "user": [
            "id": .string(context.user.id), "name": .string(name), "domain": ["id": "default", "name": "Default"],
          ],
          "project": ["id": .string(context.projectID), "name": .string(hostile)],
          "expires_at": "2036-01-01T00:00:00.000000Z",
          "roles": .array(context.roles.sorted().map { ["name": .string($0)] }),
        ]
        return .json(["token": token], status: 201, headers: ["X-Subject-Token": name])
      },
      Route("GET", "/v3/auth/tokens", Policy("identity", .authenticated)) { call in
        .json(["token": ["roles": .array(try call.auth.roles.sorted().map { ["name": .string($0)] })]])
      },
      Route("DELETE", "/v3/auth/tokens", Policy("identity", .authenticated)) { call in
        log(call)
        return .empty()
      },
      Route("GET", "/v3/auth/projects", Policy("identity", .authenticated)) { call in
        log(call)
        return .json(["projects": [["id": .string(try call.auth.projectID), "name": .string(hostile)]]])
      },
      Route("GET", "/v3/users", Policy("identity", .admin)) { _ in .json(["users": []]) },
    ]
  }

  // MARK: The browser

  struct Page {
    let status: Int
    let headers: Headers
    let text: String
  }

  func cookie(_ name: String) -> String? { cookies.withLock { $0[name] } }
  func set(cookie name: String, _ value: String?) { cookies.withLock { $0[name] = value } }

  func send(_ method: String, _ address: String, form: [(String, String)] = [], headers: [String: String] = [:]) async
    -> Page
  {
    let parts = address.split(separator: "?", maxSplits: 1).map(String.init)
    var fields: Headers = ["Host": "cloud.example"]
    let sent = cookies.withLock { $0.map { "\($0.key)=\($0.value)" }.joined(separator: "; ") }
    if !sent.isEmpty { fields["Cookie"] = sent }
    if method == "POST" { fields["Content-Type"] = "application/x-www-form-urlencoded" }
    for (name, value) in headers { fields[name] = value }
    let reply = await service.respond(
      HTTPCall(
        method: method, path: parts[0], query: Query(text: parts.count > 1 ? parts[1] : ""), headers: fields,
        body: BodyStream(bytes: Array(Query(form).text().utf8))))
    for line in reply.headers.all("Set-Cookie") {
      let pair = line.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
      set(cookie: String(pair[0]), pair.count == 2 ? String(pair[1]) : nil)
    }
    var text = ""
    if case .bytes(let bytes, _) = reply.body { text = String(decoding: bytes, as: UTF8.self) }
    return Page(status: reply.status, headers: reply.headers, text: text)
  }
  func get(_ address: String) async -> Page { await send("GET", address) }

  /// The stream of a page as it arrives; nil when there is none.
  func live(_ page: String) async -> (status: Int, events: BodyStream?) {
    let sent = cookies.withLock { $0.map { "\($0.key)=\($0.value)" }.joined(separator: "; ") }
    let reply = await service.respond(
      HTTPCall(method: "GET", path: "/events", query: Query([("page", page)]), headers: ["Cookie": sent]))
    guard case .stream(let events, let type) = reply.body, type == "text/event-stream" else {
      return (reply.status, nil)
    }
    return (reply.status, events)
  }

  /// The token that the forms of a page carry.
  func csrf(_ page: Page) -> String {
    guard let start = page.text.firstRange(of: "name=\"csrf\" value=\"") else { return "" }
    return String(page.text[start.upperBound...].prefix { $0 != "\"" })
  }

  @discardableResult
  func signIn(_ user: String = "member", password: String = "right") async -> Page {
    let page = await get("/sign-in")
    return await send("POST", "/sign-in", form: [("csrf", csrf(page)), ("user", user), ("password", password)])
  }
}
