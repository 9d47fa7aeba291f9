import Foundation
import Kit
import Synchronization

/// As much of the APIs as the demonstration uses, in memory: collections whose members are made, listed by their filters,
/// shown and deleted.
final class SmallCloud: Sendable {
  struct State {
    var collections: [String: [JSONObject]] = [:]
    var calls: [String] = []
    var uploads: [String: Int] = [:]
    var lastID = 0
    /// Answers this to the next call with this method and path.
    var refusals: [String: (Int, JSONValue)] = [:]
    /// The next call with a token is answered 401.
    var isTokenOld = false
  }
  let state = Mutex(State())
  /// Path of a collection → its key in bodies.
  static let keys = [
    "/image/v2/images": "", "/compute/v2.1/flavors": "flavor", "/compute/v2.1/servers": "server",
    "/compute/v2.1/os-keypairs": "keypair", "/v3/projects": "project", "/v3/users": "user", "/v3/roles": "role",
    "/network/v2.0/networks": "network", "/network/v2.0/subnets": "subnet", "/network/v2.0/routers": "router",
    "/network/v2.0/ports": "port", "/network/v2.0/floatingips": "floatingip",
    "/network/v2.0/security-groups": "security_group", "/network/v2.0/security-group-rules": "security_group_rule",
  ]

  init() {
    state.withLock { state in
      state.collections["/v3/roles"] = [["id": "role-member", "name": "member"]]
      state.collections["/network/v2.0/networks"] = [["id": "net-public", "name": "public", "router:external": true]]
    }
  }

  func names(_ path: String) -> [String] {
    state.withLock { ($0.collections[path] ?? []).map { $0["name"]?.string ?? $0["id"]?.string ?? "" } }
  }
  /// Calls since the last time, without those that only read.
  func changes() -> [String] {
    state.withLock { state in
      defer { state.calls = [] }
      return state.calls.filter { !$0.hasPrefix("GET") && !$0.hasSuffix("/tokens") && !$0.hasSuffix("/action") }
    }
  }

  func answer(_ request: ScriptedServer.Request, port: Int) -> ScriptedServer.Answer {
    state.withLock { state in
      state.calls.append("\(request.method) \(request.path)")
      if let refusal = state.refusals.removeValue(forKey: "\(request.method) \(request.path)") {
        return ScriptedServer.Answer(refusal.0, refusal.1)
      }
      if request.path == "/v3/auth/tokens" { return Self.token(request, &state, port) }
      if state.isTokenOld || request.headers.first(name: "x-auth-token") == nil {
        state.isTokenOld = false
        return ScriptedServer.Answer(401, ["error": ["message": "the token has expired"]])
      }
      return Self.collection(request, &state) ?? Self.special(request, &state)
    }
  }

  private static func token(
    _ request: ScriptedServer.Request, _ state: inout State, _ port: Int
  ) -> ScriptedServer.Answer {
    let auth = request.json["auth"]
    let name = auth?["identity"]?["password"]?["user"]?["name"]?.string ?? ""
    let password = auth?["identity"]?["password"]?["user"]?["password"]?.string
    let user = state.collections["/v3/users"]?.first { $0["name"]?.string == name }
    guard name == "admin" ? password == "adminpw" : user != nil && user?["password"]?.string == password else {
      return ScriptedServer.Answer(401, ["error": ["code": 401, "message": "wrong password", "title": "Unauthorized"]])
    }
    let catalog = [("identity", "/v3"), ("image", "/image"), ("compute", "/compute/v2.1"), ("network", "/network/")].map
    {
      let endpoint: JSONValue = [
        "interface": "public", "region_id": "here", "url": .string("http://127.0.0.1:\(port)\($0.1)"),
      ]
      return ["type": .string($0.0), "endpoints": [endpoint]] as JSONValue
    }
    let project = auth?["scope"]?["project"]?["name"]?.string ?? ""
    let id =
      state.collections["/v3/projects"]?.first { $0["name"]?.string == project }?["id"]
      ?? JSONValue.string("p-admin")
    let body: JSONValue = [
      "token": [
        "catalog": .array(catalog), "project": ["id": id], "user": ["id": .string(name), "domain": ["id": "default"]],
      ]
    ]
    return ScriptedServer.Answer(201, body, headers: [("X-Subject-Token", "t-\(name)")])
  }

  /// Create, list, show and delete.
  private static func collection(_ request: ScriptedServer.Request, _ state: inout State) -> ScriptedServer.Answer? {
    let path = request.path.replacing("/detail", with: "")
    if let key = keys[path] {
      let plural = key.isEmpty ? "images" : key + "s"
      if request.method == "POST" {
        return ScriptedServer.Answer(201, make(path, key, request.json, &state))
      }
      let ignored: Set = ["all_tenants", "domain_id", "direction", "visibility", "os_hidden"]
      let found = (state.collections[path] ?? []).filter { member in
        request.query.allSatisfy { filter in
          if ignored.contains(filter.key) { return true }
          let wanted = filter.value.replacing("^", with: "").replacing("$", with: "")
          let value = member[filter.key]
          return value?.string == wanted || value?.bool.map { "\($0)" } == wanted
        }
      }
      return ScriptedServer.Answer(200, [plural: .array(found.map { .object($0) })])
    }
    guard let slash = path.lastIndex(of: "/"), let key = keys[String(path[..<slash])] else { return nil }
    let (parent, id) = (String(path[..<slash]), String(path[path.index(after: slash)...]))
    let index = state.collections[parent]?.firstIndex {
      $0["id"]?.string == id || $0["name"]?.string == id && key == "keypair"
    }
    guard let index, let member = state.collections[parent]?[index] else {
      return ScriptedServer.Answer(404, ["itemNotFound": ["message": .string("there is no \(id)")]])
    }
    switch request.method {
    case "DELETE":
      state.collections[parent]?.remove(at: index)
      return ScriptedServer.Answer(204)
    case "PUT", "PATCH":
      for change in request.json[key]?.object ?? [:] { state.collections[parent]?[index][change.key] = change.value }
      let changed = state.collections[parent]?[index] ?? [:]
      return ScriptedServer.Answer(200, [key: .object(changed)])
    default:
      return ScriptedServer.Answer(200, key.isEmpty ? .object(member) : [key: .object(member)])
    }
  }

  private static func make(_ path: String, _ key: String, _ body: JSONValue, _ state: inout State) -> JSONValue {
    state.lastID += 1
    var member = (key.isEmpty ? body : body[key] ?? .null).object ?? [:]
    let id = "\(key)-\(state.lastID)"
    member["id"] = .string(id)
    switch key {
    case "": member["status"] = "queued"
    case "server":
      member["status"] = "ACTIVE"
      state.collections["/network/v2.0/ports", default: []].append(
        ["id": .string("port-\(state.lastID)"), "device_id": .string(id)])
    case "floatingip": member["floating_ip_address"] = "127.0.0.1"
    default: break
    }
    if path.contains("/network/") || key == "server" {
      member["project_id"] = state.collections["/v3/projects"]?.first?["id"] ?? "p-admin"
    }
    state.collections[path, default: []].append(member)
    return key.isEmpty ? .object(member) : [key: .object(member)]
  }

  private static func special(_ request: ScriptedServer.Request, _ state: inout State) -> ScriptedServer.Answer {
    let parts = request.path.split(separator: "/").map(String.init)
    if request.path.hasSuffix("/file"),
      let index = state.collections["/image/v2/images"]?.firstIndex(where: {
        $0["id"]?.string == parts[parts.count - 2]
      })
    {
      state.collections["/image/v2/images"]?[index]["status"] = "active"
      state.uploads[parts[parts.count - 2]] = request.body.count
      return ScriptedServer.Answer(204)
    }
    if request.path.hasSuffix("/action") {
      return ScriptedServer.Answer(200, ["output": "guest: hello\n\u{1B}[31mlast line\n"])
    }
    if request.path.hasSuffix("/add_router_interface") {
      let subnet = request.json["subnet_id"] ?? .null
      state.lastID += 1
      state.collections["/network/v2.0/ports", default: []].append([
        "id": .string("port-\(state.lastID)"), "device_id": .string(parts[parts.count - 2]),
        "device_owner": "network:router_interface", "fixed_ips": [["subnet_id": subnet]],
      ])
      return ScriptedServer.Answer(200, [:])
    }
    if request.path.hasSuffix("/remove_router_interface") {
      state.collections["/network/v2.0/ports"]?.removeAll { $0["id"] == request.json["port_id"] }
      return ScriptedServer.Answer(200, [:])
    }
    let isKnown =
      request.path.contains("/roles/") || request.path.contains("/os-quota-sets/") || request.path.contains("/quotas/")
    return ScriptedServer.Answer(isKnown ? 204 : 404, isKnown ? nil : ["error": ["message": "unknown path"]])
  }
}
