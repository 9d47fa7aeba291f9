import API
import Contracts
import Kit
import Store
import Workflow

/// Servers: create, list, show, update, delete (API reference, Servers).
enum ServerRoutes {
  static func policy(_ name: String, _ rule: Rule) -> Policy { Policy("os_compute_api:servers:\(name)", rule) }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    [
      Route("GET", "/v2.1/servers", policy("index", .projectReader)) { call in
        try await list(call, service, isDetail: false)
      },
      Route("GET", "/v2.1/servers/detail", policy("detail", .projectReader)) { call in
        try await list(call, service, isDetail: true)
      },
      Route("POST", "/v2.1/servers", policy("create", .projectMember), body: .json) { call in
        try await create(call, service)
      },
      Route("GET", "/v2.1/servers/{server_id}", policy("show", .projectReader)) { call in
        try await show(call, service)
      },
      Route("PUT", "/v2.1/servers/{server_id}", policy("update", .projectMember), body: .json) { call in
        try await update(call, service)
      },
      Route("DELETE", "/v2.1/servers/{server_id}", policy("delete", .projectMember)) { call in
        try await delete(call, service)
        return .empty(204)
      },
      Route("GET", "/v2.1/servers/{server_id}/ips", Policy("os_compute_api:ips:index", .projectReader)) { call in
        .json(["addresses": try await addresses(call, service)])
      },
      Route(
        "GET", "/v2.1/servers/{server_id}/ips/{network_label}", Policy("os_compute_api:ips:show", .projectReader)
      ) { call in
        let label = call.parameter("network_label")
        guard let list = try await addresses(call, service)[label] else {
          throw Fault.notFound("Network label was not found: \(label.prefix(255))")
        }
        return .json(.object([label: list]))
      },
    ]
  }

  // MARK: Handlers

  private static func list(_ call: Call, _ service: ComputeDependencies, isDetail: Bool) async throws -> Reply {
    let auth = try call.auth
    let (servers, facts, hasNext) = try await service.database.read { tx in
      let list = ServerList(call: call, auth: auth, service: service, isDetail: isDetail)
      let page = try list.page(tx: tx)
      let facts =
        isDetail
        ? try ServerFacts.read(page.servers, call, service: service, withGroups: false, tx: tx) : ServerFacts()
      return (page.servers, facts, page.hasNext)
    }
    let view = ServerView(call: call, facts: facts)
    var body: JSONObject = [
      "servers": .array(servers.map { isDetail ? .object(view.full($0)) : view.brief($0) })
    ]
    if let links = PageLinks.make(call, first: nil, last: servers.last?.id, hasNext: hasNext) {
      body["servers_links"] = links
    }
    return .json(.object(body))
  }

  private static func create(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try ServerSchema.create(call.microversion).check(call.body)
    let auth = try call.auth
    let order = try ServerOrder(call)
    let servers = try await service.database.write { tx in
      try ServerCreate(
        order: order, allowsMultiattach: call.since(2, 60), auth: auth, requestID: call.requestID, service: service,
        tx: tx
      ).run()
    }
    guard let first = servers.first else { throw Fault.internal("no server was created") }
    if order.returnsReservation {
      return .json(["reservation_id": .string(first.reservationID)], status: 202)
    }
    let view: JSONObject = [
      "id": .string(first.id), "links": ComputeLinks.make(call, "servers", first.id),
      "OS-DCF:diskConfig": .string(first.hasAutoDisk ? "AUTO" : "MANUAL"),
      "security_groups": .array(first.securityGroups.map { ["name": .string($0)] }),
      "adminPass": .string(order.adminPassword),
    ]
    return .json(
      ["server": .object(view)], status: 202,
      headers: ["Location": ComputeLinks.selfHref(call, "servers", first.id)])
  }

  static func show(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    if call.since(2, 102), let item = call.query.items.first {
      throw Fault.badRequest(
        "Invalid input for query parameters. Additional properties are not allowed ('\(item.name.prefix(80))' was "
          + "unexpected)")
    }
    let (server, facts) = try await service.database.read { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      return (server, try ServerFacts.read([server], call, service: service, withGroups: true, tx: tx))
    }
    return .json(["server": .object(ServerView(call: call, facts: facts, showsGroups: true).full(server))])
  }

  private static func update(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try ServerSchema.update(call.microversion).check(call.body)
    let auth = try call.auth
    let wish = call.body["server"] ?? .null
    let (server, facts) = try await service.database.write { tx in
      var server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try apply(wish, to: &server)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
      return (server, try ServerFacts.read([server], call, service: service, withGroups: true, tx: tx))
    }
    let view = ServerView(call: call, facts: facts, isShort: !call.since(2, 75), showsGroups: true)
    return .json(["server": .object(view.full(server))])
  }

  private static func apply(_ wish: JSONValue, to server: inout Server) throws {
    if let name = wish["name"]?.string { server.name = name }
    if let description = wish["description"] { server.description = description.string }
    if let hostname = wish["hostname"]?.string { server.hostname = hostname }
    if let disk = wish["OS-DCF:diskConfig"]?.string { server.hasAutoDisk = disk == "AUTO" }
    if let address = wish["accessIPv4"]?.string { server.accessIPv4 = address }
    if let address = wish["accessIPv6"]?.string { server.accessIPv6 = IPAddress(address)?.description }
    guard let zone = wish["pinned_availability_zone"] else { return }
    guard let wanted = zone.string else {
      server.pinnedZone = nil
      return
    }
    if let pinned = server.pinnedZone {
      guard pinned == wanted else {
        throw Fault.conflict(
          "Cannot change pinned availability zone directly. Unpin first by setting pinned_availability_zone to null.")
      }
    } else if server.zone != wanted {
      throw Fault.conflict(
        "Server can only be pinned to its current availability zone '\(server.zone ?? "")', but '\(wanted)' was "
          + "requested.")
    }
    server.pinnedZone = wanted
  }

  /// Enqueues the delete, which pre-empts whatever is under way. A server that is being deleted already stays so.
  static func delete(_ call: Call, _ service: ComputeDependencies) async throws {
    let auth = try call.auth
    try await service.database.write { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try ServerRule.delete.check(server, .idle, isAdmin: auth.isAdmin)
      let job = try JobStore.live(subjects: [server.subject], tx: tx)[server.subject]
      if job?.kind == ServerJob.delete.rawValue { return }
      try service.engine.enqueue(
        NewJob(
          kind: ServerJob.delete.rawValue, subject: server.subject, requestID: call.requestID, userID: auth.user.id,
          projectID: server.projectID), tx: tx)
    }
  }

  private static func addresses(_ call: Call, _ service: ComputeDependencies) async throws -> JSONValue {
    let auth = try call.auth
    return try await service.database.read { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      let ports = try service.ports.ports(ofServers: [server.id], tx: tx)[server.id] ?? []
      return ServerView.addresses(ports, isExtended: false)
    }
  }
}
