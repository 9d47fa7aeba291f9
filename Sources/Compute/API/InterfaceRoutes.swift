import API
import Contracts
import Kit
import Store
import Workflow

/// Interfaces of servers (API reference, Port interfaces), and the security groups of a server.
enum InterfaceRoutes {
  private static let path = "/v2.1/servers/{server_id}/os-interface"
  private static func policy(_ name: String, _ rule: Rule) -> Policy {
    Policy("os_compute_api:os-attach-interfaces:\(name)", rule)
  }

  static func routes(_ service: ComputeDependencies) -> [Route] {
    [
      Route("GET", path, policy("list", .projectReader)) { call in
        let ports = try await ports(call, service)
        return .json(["interfaceAttachments": .array(ports.map { view($0, call) })])
      },
      Route("POST", path, policy("create", .projectMember), body: .optionalJSON) { call in
        try await attach(call, service)
      },
      Route("GET", path + "/{port_id}", policy("show", .projectReader)) { call in
        let id = call.parameter("port_id")
        guard let port = try await ports(call, service).first(where: { $0.id == id }) else {
          throw missing(id, call)
        }
        return .json(["interfaceAttachment": view(port, call)])
      },
      Route("DELETE", path + "/{port_id}", policy("delete", .projectMember)) { call in
        try await detach(call, service)
      },
      Route(
        "GET", "/v2.1/servers/{server_id}/os-security-groups",
        Policy("os_compute_api:os-security-groups:list", .projectReader)
      ) { call in try await securityGroups(call, service) },
    ]
  }

  private static func missing(_ port: String, _ call: Call) -> Fault {
    .notFound("Instance \(call.parameter("server_id")) does not have a port with id \(port.prefix(64))")
  }

  private static func view(_ port: ServerPort, _ call: Call) -> JSONValue {
    var view: JSONObject = [
      "net_id": .string(port.networkID), "port_id": .string(port.id), "mac_addr": .string(port.mac),
      "port_state": .string(port.status),
      "fixed_ips": .array(
        port.fixedIPs.map { ["subnet_id": .string($0.subnetID), "ip_address": .string($0.address)] }),
    ]
    if call.since(2, 70) { view.append("tag", .optional(port.tag)) }
    return .object(view)
  }

  private static func ports(_ call: Call, _ service: ComputeDependencies) async throws -> [ServerPort] {
    let auth = try call.auth
    return try await service.database.read { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      return try service.ports.ports(ofServers: [server.id], tx: tx)[server.id] ?? []
    }
  }

  // MARK: Attach and detach

  private static func attach(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    if !call.body.isNull { try ServerSchema.attachInterface(call.microversion).check(call.body) }
    let auth = try call.auth
    let request = try request(call.body["interfaceAttachment"] ?? .null)
    let port = try await service.database.write { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try ServerAction(call: call, service: service).check(
        .attachInterface, server, isAdmin: auth.isAdmin, tx: tx)
      let wish = try plan(request, server, auth, service, tx: tx)
      let port = try service.ports.attach(
        wish, serverID: server.id, name: server.hostname, projectID: server.projectID,
        host: server.host ?? service.settings.host, zone: server.zone ?? service.settings.zone, tx: tx)
      try enqueue(.attachInterface, port.id, server, call, auth, service, tx: tx)
      return port
    }
    return .json(["interfaceAttachment": view(port, call)])
  }

  private static func request(_ wish: JSONValue) throws -> NetworkRequest {
    let network = wish["net_id"]?.string.flatMap { UUIDText.canonical($0) }
    let port = wish["port_id"]?.string.flatMap { UUIDText.canonical($0) }
    let address = wish["fixed_ips"]?[0]?["ip_address"]?.string
    if network != nil, port != nil { throw Fault.badRequest("Must not input both network_id and port_id") }
    if address != nil, network == nil { throw Fault.badRequest("Must input network_id when request IP address") }
    return NetworkRequest(networkID: network, portID: port, fixedIP: address, tag: wish["tag"]?.string)
  }

  /// Checks the wish as at creation, with the codes that upstream gives here: 404 for what does not exist, 409 for what is
  /// taken, 400 for a choice that is not clear.
  private static func plan(
    _ request: NetworkRequest, _ server: Server, _ auth: AuthContext, _ service: ComputeDependencies,
    tx: any Transaction
  ) throws -> NetworkRequest {
    let isChosen = request.networkID != nil || request.portID != nil
    do {
      let planned = try service.ports.plan(
        isChosen ? [request] : nil, securityGroups: [], servers: 1, auth: auth, tx: tx)
      guard var wish = planned.first else {
        throw Fault.badRequest(
          "No specific network was requested and none are available for project '\(auth.projectID)'.")
      }
      wish.tag = request.tag
      return wish
    } catch var fault as Fault {
      switch fault.status {
      case 400 where fault.message.hasSuffix("could not be found."): fault.status = 404
      case 400 where fault.message.contains("already in use"): fault.status = 409
      case 409 where !isChosen: fault.status = 400
      default: break
      }
      throw fault
    }
  }

  private static func enqueue(
    _ job: ServerJob, _ port: String, _ server: Server, _ call: Call, _ auth: AuthContext,
    _ service: ComputeDependencies, tx: any Transaction
  ) throws {
    try service.engine.enqueue(
      NewJob(
        kind: job.rawValue, subject: server.subject, input: ["port": .string(port)], requestID: call.requestID,
        userID: auth.user.id, projectID: auth.projectID), tx: tx)
  }

  private static func detach(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    try await service.database.write { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      try ServerAction(call: call, service: service).check(
        .detachInterface, server, isAdmin: auth.isAdmin, tx: tx)
      let id = call.parameter("port_id")
      let ports = try service.ports.ports(ofServers: [server.id], tx: tx)[server.id] ?? []
      guard ports.contains(where: { $0.id == id }) else {
        throw Fault.notFound("Port id \(id.prefix(64)) could not be found.")
      }
      try enqueue(.detachInterface, id, server, call, auth, service, tx: tx)
    }
    return .empty(202)
  }

  // MARK: Security groups

  private static func securityGroups(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    let groups = try await service.database.read { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      let ports = try service.ports.ports(ofServers: [server.id], tx: tx)[server.id] ?? []
      let names = Set(ports.flatMap(\.securityGroupNames))
      return try service.securityGroups.securityGroups(allProjects: auth.isAdmin, auth: auth, tx: tx)
        .filter { $0.projectID == server.projectID && names.contains($0.name) }
    }
    return .json(["security_groups": .array(groups.map(view))])
  }

  private static func view(_ group: ProxySecurityGroup) -> JSONValue {
    [
      "id": .string(group.id), "name": .string(group.name), "description": .string(group.description),
      "tenant_id": .string(group.projectID), "rules": .array(group.rules.map(view)),
    ]
  }

  private static func view(_ rule: ProxySecurityGroup.Rule) -> JSONValue {
    let group: JSONValue =
      rule.groupName.map { ["name": .string($0), "tenant_id": .optional(rule.groupProjectID)] } ?? [:]
    return [
      "id": .string(rule.id), "parent_group_id": .string(rule.parentGroupID), "ip_protocol": .optional(rule.protocol),
      "from_port": .optional(rule.fromPort), "to_port": .optional(rule.toPort),
      "ip_range": rule.cidr.map { ["cidr": .string($0)] } ?? [:], "group": group,
    ]
  }
}
