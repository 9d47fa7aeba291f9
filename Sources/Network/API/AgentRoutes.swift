import API
import Kit
import Store

extension NetworkModel {
  var agentRoutes: [Route] {
    var hooks = ResourceHooks()
    hooks.decorate = { views, context in
      for index in views.indices {
        let last = Timestamp(views[index].text("heartbeat_timestamp")) ?? Timestamp(seconds: 0)
        views[index].append("alive", .bool(context.now - last < .seconds(Agents.downAfterSeconds)))
        views[index]["resources_synced"] = .null
      }
    }
    let alive: ListFilters.Make = { values, _ in
      let isAlive = try ListFilters.flag("alive", values)
      let limit = clock.now() + .seconds(-Agents.downAfterSeconds)
      return "heartbeat_timestamp \(raw: isAlive ? ">" : "<=") \(limit)"
    }
    return routes(Agents.resource, hooks, filters: ListFilters(more: ["alive": alive]))
      + served("dhcp-networks", "network", agent: Agents.dhcp, by: "dhcp-agents", Networks.resource)
      + served("l3-routers", "router", agent: Agents.l3, by: "l3-agents", Routers.resource)
  }

  /// What an agent serves, and who serves a resource: the schedulers of DHCP and L3 agents.
  private func served(
    _ list: String, _ kind: String, agent: Agents.Kind, by reverse: String, _ resource: Resource
  ) -> [Route] {
    let body = Schema.object([Schema.required("\(kind)_id", .uuid)])
    let path = "/v2.0/agents/{id}/\(list)"
    return [
      Route("GET", path, Policy("get_\(list)", .admin)) { call in
        try await listServed(call, agent: agent, resource)
      },
      Route("POST", path, Policy("create_\(list.dropLast())", .admin), schema: body) { call in
        let id = call.body["\(kind)_id"]?.string ?? ""
        return try await schedule(call, id: id, agent: agent, resource, isServed: true)
      },
      Route("DELETE", "\(path)/{object_id}", Policy("delete_\(list.dropLast())", .admin)) { call in
        try await schedule(call, id: call.parameter("object_id"), agent: agent, resource, isServed: false)
      },
      Route("GET", "\(resource.path)/{id}/\(reverse)", Policy("get_\(reverse)", .admin)) { call in
        try await listServers(call, agent: agent, resource)
      },
    ]
  }

  private static func agent(_ id: String, _ kind: Agents.Kind, tx: any Transaction) throws -> JSONObject {
    guard let agent = try Agents.resource.find(id, tx: tx) else {
      throw Fault.notFound("Agent \(id.prefix(64)) could not be found.", kind: "AgentNotFound")
    }
    guard agent.text("agent_type") == kind.type else {
      throw Fault.conflict("Agent \(id) is not a \(kind.type).", kind: "InvalidAgent")
    }
    return agent
  }

  private static func isDHCPServed(_ resource: Resource) -> SQL {
    // A network without a DHCP server is on no DHCP agent.
    resource.table == "network"
      ? "id IN (SELECT network_id FROM network_port WHERE device_owner = \(Ports.dhcpOwner))" : "1 = 1"
  }

  private func listServed(_ call: Call, agent kind: Agents.Kind, _ resource: Resource) async throws -> Reply {
    let auth = try call.auth
    return try await database.read { tx in
      let agent = try Self.agent(call.parameter("id"), kind, tx: tx)
      let rows = try tx.query(
        """
        SELECT * FROM \(raw: resource.table) WHERE \(Self.isDHCPServed(resource)) AND id NOT IN
          (SELECT object_id FROM network_agent_exclusion WHERE agent_id = \(agent.id)) ORDER BY created_at, id
        """)
      let views = rows.map { JSONValue.object(resource.view(resource.values($0), for: auth)) }
      return .json([resource.collection: .array(views)])
    }
  }

  private func listServers(_ call: Call, agent kind: Agents.Kind, _ resource: Resource) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    return try await database.read { tx in
      let id = call.parameter("id")
      guard try resource.find(id, tx: tx) != nil else { throw resource.notFound(id) }
      let rows = try tx.query(
        """
        SELECT * FROM network_agent WHERE agent_type = \(kind.type) AND id NOT IN
          (SELECT agent_id FROM network_agent_exclusion WHERE object_id = \(id)) AND EXISTS
          (SELECT 1 FROM \(raw: resource.table) WHERE id = \(id) AND \(Self.isDHCPServed(resource)))
        """)
      let views = rows.map { row -> JSONValue in
        var view = Agents.resource.view(Agents.resource.values(row), for: auth)
        let age = now - row.timestamp("heartbeat_timestamp")
        view.append("alive", .bool(age < .seconds(Agents.downAfterSeconds)))
        return .object(view)
      }
      return .json(["agents": .array(views)])
    }
  }

  private func schedule(_ call: Call, id: String, agent kind: Agents.Kind, _ resource: Resource, isServed: Bool)
    async throws -> Reply
  {
    try await database.write { tx in
      let agent = try Self.agent(call.parameter("id"), kind, tx: tx)
      guard try resource.find(id, tx: tx) != nil else { throw resource.notFound(id) }
      let gone = try tx.execute(
        "DELETE FROM network_agent_exclusion WHERE agent_id = \(agent.id) AND object_id = \(id)")
      if isServed {
        if gone == 0 {
          throw Fault.conflict("The \(resource.name) \(id) has been already hosted by the \(kind.type) \(agent.id).")
        }
      } else {
        if gone > 0 {
          throw Fault.conflict("The \(resource.name) \(id) is not hosted by the \(kind.type) \(agent.id).")
        }
      }
      if !isServed {
        try tx.execute(.insert(into: "network_agent_exclusion", ["agent_id": agent.id, "object_id": id]))
      }
      tx.afterCommit(nudge)
      return isServed ? .json(.null, status: 201) : .empty(204)
    }
  }
}
