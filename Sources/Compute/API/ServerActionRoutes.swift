import API
import Contracts
import Kit
import Store
import Workflow

/// Actions on servers: `POST /servers/{id}/action` (API reference, Servers - run an action).
enum ServerActionRoutes {
  static let path = "/v2.1/servers/{server_id}/action"

  static func routes(_ service: ComputeDependencies) -> [Route] {
    powerRoutes(service) + stateRoutes(service) + rebuildRoutes(service) + networkRoutes(service)
  }

  private static func route(
    _ action: String, _ policy: String, _ rule: Rule = .projectMember, schema: Schema? = nil,
    since: Microversion? = nil, until: Microversion? = nil, _ handler: @escaping Handler
  ) -> Route {
    Route(
      "POST", path, action: action, Policy(policy, rule), since: since, until: until,
      schema: schema ?? ServerSchema.bare(action), handler)
  }

  /// An action that is only a job.
  private static func simple(
    _ action: String, _ policy: String, _ job: ServerJob, _ rule: ServerRule, _ service: ComputeDependencies
  ) -> Route {
    route(action, policy) { call in
      try await ServerAction(call: call, service: service).start(job, rule)
      return .empty(202)
    }
  }

  // MARK: Power

  private static func powerRoutes(_ service: ComputeDependencies) -> [Route] {
    let types = ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]
    return [
      simple("os-start", "os_compute_api:servers:start", .start, .start, service),
      simple("os-stop", "os_compute_api:servers:stop", .stop, .stop, service),
      simple("pause", "os_compute_api:os-pause-server:pause", .pause, .pause, service),
      simple("unpause", "os_compute_api:os-pause-server:unpause", .unpause, .unpause, service),
      simple("suspend", "os_compute_api:os-suspend-server:suspend", .suspend, .suspend, service),
      simple("resume", "os_compute_api:os-suspend-server:resume", .resume, .resume, service),
      route(
        "reboot", "os_compute_api:servers:reboot",
        schema: ServerSchema.action("reboot", .object([Schema.required("type", .oneOf(types))]))
      ) { call in
        let isHard = call.body["reboot"]?["type"]?.string?.uppercased() == "HARD"
        try await ServerAction(call: call, service: service).start(
          isHard ? .rebootHard : .rebootSoft, isHard ? .rebootHard : .rebootSoft)
        return .empty(202)
      },
      route("forceDelete", "os_compute_api:os-deferred-delete:force") { call in
        try await ServerRoutes.delete(call, service)
        return .empty(202)
      },
      route("restore", "os_compute_api:os-deferred-delete:restore") { call in
        // Deletes take effect at once here, so no server is ever in the state that this needs.
        try await ServerAction(call: call, service: service).change(.restore) { _, _, _ in }
        return .empty(202)
      },
    ]
  }

  // MARK: Lock, state, password

  private static func stateRoutes(_ service: ComputeDependencies) -> [Route] {
    let reason = Schema.object([Schema.may("locked_reason", .string(1...255))])
    return [
      route("lock", "os_compute_api:os-lock-server:lock", until: Microversion(2, 72)) { call in
        try await lock(call, service)
      },
      route(
        "lock", "os_compute_api:os-lock-server:lock",
        schema: ServerSchema.action("lock", .either([.null, reason])), since: Microversion(2, 73)
      ) { call in
        try await lock(call, service)
      },
      route("unlock", "os_compute_api:os-lock-server:unlock") { call in try await unlock(call, service) },
      route(
        "os-resetState", "os_compute_api:os-admin-actions:reset_state", .admin,
        schema: ServerSchema.action(
          "os-resetState", .object([Schema.required("state", .oneOf(["active", "error"]))]))
      ) { call in
        let isActive = call.body["os-resetState"]?["state"]?.string == "active"
        try await ServerAction(call: call, service: service).change(nil) { server, _, _ in
          server.state = isActive ? .active : .error
          if isActive { server.fault = nil }
        }
        return .empty(202)
      },
      route(
        "changePassword", "os_compute_api:os-admin-password",
        schema: ServerSchema.action(
          "changePassword", .object([Schema.required("adminPass", .string(0...255))]))
      ) { call in
        try await ServerAction(call: call, service: service).change(.changePassword) { server, _, _ in
          throw Fault.conflict(
            "Failed to set admin password on \(server.id): the guest has no agent that could change it. Change it "
              + "inside the guest, or use a key pair.")
        }
        return .empty(202)
      },
      route("resetNetwork", "os_compute_api:os-admin-actions:reset_network", .authenticated) { _ in
        throw Fault(410, "This resource is no longer available. No forwarding address is given.")
      },
    ]
  }

  private static func record(
    _ job: ServerJob, _ server: Server, _ call: Call, _ auth: AuthContext, _ service: ComputeDependencies,
    tx: any Transaction
  ) throws {
    try service.engine.enqueue(
      NewJob(
        kind: job.rawValue, subject: server.subject, requestID: call.requestID, userID: auth.user.id,
        projectID: auth.projectID), tx: tx)
  }

  private static func lock(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let reason = call.since(2, 73) ? call.body["lock"]?["locked_reason"]?.string : nil
    try await ServerAction(call: call, service: service).change(nil) { server, auth, tx in
      let isOwner = server.projectID == auth.projectID
      // The owner does not take over a lock of the administrator.
      if server.lockedBy == nil || !isOwner {
        server.lockedBy = isOwner ? "owner" : "admin"
        server.lockedReason = reason
      }
      try record(.lock, server, call, auth, service, tx: tx)
    }
    return .empty(202)
  }

  private static func unlock(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try await ServerAction(call: call, service: service).change(nil) { server, auth, tx in
      if server.lockedBy == "admin", !auth.isAdmin {
        throw Fault.forbidden(
          ErrorShape.compute.policyMessage("os_compute_api:os-lock-server:unlock:unlock_override"))
      }
      server.lockedBy = nil
      server.lockedReason = nil
      try record(.unlock, server, call, auth, service, tx: tx)
    }
    return .empty(202)
  }

  // MARK: Rebuild and resize

  private static func rebuildRoutes(_ service: ComputeDependencies) -> [Route] {
    let flavor = Schema.object([
      Schema.required("flavorRef", ServerSchema.flavorRef), Schema.may("OS-DCF:diskConfig", ServerSchema.diskConfig),
    ])
    let image = Schema.object([
      Schema.required("name", ServerSchema.name), Schema.may("metadata", ServerSchema.metadata),
    ])
    return [
      route(
        "createImage", "os_compute_api:servers:create_image", schema: ServerSchema.action("createImage", image)
      ) { call in try await SnapshotServer.handle(call, service) },
      route("rebuild", "os_compute_api:servers:rebuild") { call in try await ServerRebuild.handle(call, service) },
      route("resize", "os_compute_api:servers:resize", schema: ServerSchema.action("resize", flavor)) { call in
        try await ServerResize.handle(call, service)
      },
      route("confirmResize", "os_compute_api:servers:confirm_resize") { call in
        try await ServerAction(call: call, service: service).start(.confirmResize, .confirmResize)
        return .empty(204)
      },
      simple(
        "revertResize", "os_compute_api:servers:revert_resize", .revertResize, .revertResize, service),
    ]
  }

  // MARK: Network

  private static func networkRoutes(_ service: ComputeDependencies) -> [Route] {
    let name = Schema.object([Schema.required("name", ServerSchema.name)], additional: .allowed)
    let until = Microversion(2, 43)
    return [
      route(
        "addSecurityGroup", "os_compute_api:os-security-groups:add",
        schema: ServerSchema.action("addSecurityGroup", name)
      ) { call in
        let group = call.body["addSecurityGroup"]?["name"]?.string ?? ""
        try await ServerAction(call: call, service: service).change(nil) { server, _, tx in
          try service.ports.addSecurityGroup(group, serverID: server.id, projectID: server.projectID, tx: tx)
        }
        return .empty(202)
      },
      route(
        "removeSecurityGroup", "os_compute_api:os-security-groups:remove",
        schema: ServerSchema.action("removeSecurityGroup", name)
      ) { call in
        let group = call.body["removeSecurityGroup"]?["name"]?.string ?? ""
        try await ServerAction(call: call, service: service).change(nil) { server, _, tx in
          try service.ports.removeSecurityGroup(group, serverID: server.id, projectID: server.projectID, tx: tx)
        }
        return .empty(202)
      },
      route("injectNetworkInfo", "os_compute_api:os-admin-actions:inject_network_info", .admin) { call in
        let server = try await ServerAction(call: call, service: service).server()
        // The guest reads what it needs by itself; what can be done again is its wiring.
        try await service.ports.waitWired(serverID: server.id)
        return .empty(202)
      },
      route(
        "addFixedIp", "os_compute_api:os-multinic:add",
        schema: ServerSchema.action(
          "addFixedIp", .object([Schema.required("networkId", .either([.string(1...36), .number]))])), until: until
      ) { call in
        let network = call.body["addFixedIp"]?["networkId"].map { $0.string ?? $0.text } ?? ""
        try await ServerAction(call: call, service: service).change(nil) { server, auth, tx in
          try ServerRule.checkLock(server, isAdmin: auth.isAdmin)
          try service.ports.addFixedIP(networkID: network, serverID: server.id, tx: tx)
        }
        return .empty(202)
      },
      route(
        "removeFixedIp", "os_compute_api:os-multinic:remove",
        schema: ServerSchema.action("removeFixedIp", .object([Schema.required("address", ServerSchema.ip)])),
        until: until
      ) { call in
        let address = call.body["removeFixedIp"]?["address"]?.string ?? ""
        try await ServerAction(call: call, service: service).change(nil) { server, auth, tx in
          try ServerRule.checkLock(server, isAdmin: auth.isAdmin)
          try service.ports.removeFixedIP(address, serverID: server.id, tx: tx)
        }
        return .empty(202)
      },
    ]
  }
}
