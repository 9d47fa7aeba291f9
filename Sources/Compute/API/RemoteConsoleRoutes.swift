import API
import Contracts
import Kit
import Store
import Workflow

/// Consoles that a browser opens (API reference, Server consoles). Guests have a VNC display; the other kinds are refused
/// as upstream refuses what is not enabled.
enum RemoteConsoleRoutes {
  static func routes(_ service: ComputeDependencies) -> [Route] {
    let policy = Policy("os_compute_api:os-remote-consoles", .projectMember)
    func old(_ action: String, _ kind: String, _ types: [String]) -> Route {
      Route(
        "POST", ServerActionRoutes.path, action: action, policy, until: Microversion(2, 5),
        schema: ServerSchema.action(action, .object([Schema.required("type", .oneOf(types))]))
      ) { call in
        let type = call.body[action]?["type"]?.string ?? ""
        let url = try await open(kind, type, call, service)
        return .json(["console": ["type": .string(type), "url": .string(url)]])
      }
    }
    func remote(_ since: Microversion, _ until: Microversion?, _ protocols: [String], _ types: [String]) -> Route {
      let console = Schema.object([
        Schema.required("protocol", .oneOf(protocols)), Schema.required("type", .oneOf(types)),
      ])
      return Route(
        "POST", "/v2.1/servers/{server_id}/remote-consoles", policy, since: since, until: until,
        schema: ServerSchema.action("remote_console", console)
      ) { call in
        let wish = call.body["remote_console"]
        let (kind, type) = (wish?["protocol"]?.string ?? "", wish?["type"]?.string ?? "")
        let url = try await open(kind, type, call, service)
        return .json(["remote_console": ["protocol": .string(kind), "type": .string(type), "url": .string(url)]])
      }
    }
    let (protocols, types) = (
      ["vnc", "spice", "serial", "rdp"], ["novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5"]
    )
    return [
      old("os-getVNCConsole", "vnc", ["novnc", "xvpvnc"]), old("os-getSPICEConsole", "spice", ["spice-html5"]),
      old("os-getSerialConsole", "serial", ["serial"]),
      remote(Microversion(2, 6), Microversion(2, 7), protocols, types),
      remote(Microversion(2, 8), Microversion(2, 98), protocols + ["mks"], types + ["webmks"]),
      remote(Microversion(2, 99), nil, protocols + ["mks"], types + ["webmks", "spice-direct"]),
      Route(
        "GET", "/v2.1/os-console-auth-tokens/{console_token}", Policy("os_compute_api:os-console-auth-tokens", .admin)
      ) { call in try await show(call, service) },
    ]
  }

  /// Gives out a token and returns the URL that opens the console with it.
  private static func open(
    _ kind: String, _ type: String, _ call: Call, _ service: ComputeDependencies
  ) async throws -> String {
    let auth = try call.auth
    let server = try await ServerAction(call: call, service: service).server()
    guard kind == "vnc" else { throw Fault.badRequest("Unavailable console type \(kind == "rdp" ? kind : type).") }
    guard type == "novnc" else { throw Fault.badRequest("Invalid console type \(type)") }
    // The guest is asked before the transaction, which must not wait.
    let hasGuest = try await service.hypervisor.status(of: server.id) != nil
    let token = Secret.random(bytes: 32)
    try await service.database.write { tx in
      let server = try ServerStore.find(server.id, auth: auth, tx: tx)
      let job = try JobStore.live(subjects: [server.subject], tx: tx)[server.subject]
      if let task = ServerActivity(job).task, ["deleting", "migrating"].contains(task) {
        throw Fault.conflict("Cannot 'get_vnc_console' instance \(server.id) while it is in task_state \(task)")
      }
      guard hasGuest, let host = server.host else { throw Fault.conflict("Instance \(server.id) is not ready") }
      let now = service.clock.now()
      try ConsoleTokenStore.insert(
        ConsoleToken(
          hash: ConsoleToken.hash(token.value), serverID: server.id, userID: auth.user.id, type: type, host: host,
          expiresAt: now + ConsoleToken.lifetime), now: now, tx: tx)
    }
    return ConsoleToken.url(service.settings.consoleURL, token)
  }

  /// What a token opens. The display is a Unix socket of the node: its path is the access path, and there is no port.
  private static func show(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    guard call.since(2, 31) else {
      throw Fault.badRequest("Tokens of the console type rdp-html5 are no longer supported.")
    }
    if call.since(2, 99), let item = call.query.items.first {
      throw Fault.badRequest("Additional properties are not allowed ('\(item.name)' was unexpected)")
    }
    let (hash, now) = (ConsoleToken.hash(call.parameter("console_token")), service.clock.now())
    let found = try await service.database.read { tx in try ConsoleTokenStore.find(hash, now: now, tx: tx) }
    guard let found else { throw Fault.notFound("Token not found") }
    return .json([
      "console": [
        "instance_uuid": .string(found.serverID), "host": .string(service.settings.hostAddress), "port": 0,
        "internal_access_path": .optional(try await service.hypervisor.displaySocket(of: found.serverID)),
      ]
    ])
  }
}
