import Kit

extension Demo {
  /// A network of the project behind a router to the outside.
  struct ProjectNetwork: Sendable {
    var id: String
    var external: String
  }

  func provideNetwork(_ user: Session) async throws -> ProjectNetwork {
    let project = ("project_id", await user.projectID)
    let network = try await provide(user, "network", "network", "/networks", names.network, project, [:])
    let subnet = try await provide(
      user, "subnet", "subnet", "/subnets", names.network, project,
      ["network_id": .string(network), "ip_version": 4, "cidr": .string(names.cidr)])
    let external = try await journal.step("external network") {
      let found = try await user.list("network", "/networks", "networks", [("router:external", "true")])
      guard let first = found.first else {
        throw Fault.notFound(
          "there is no external network: the administrator makes one with `openstack network create --external`")
      }
      return ("\(first["name"]?.string ?? "")", try Self.id(first))
    }
    let router = try await provide(
      user, "router", "router", "/routers", names.router, project,
      ["external_gateway_info": ["network_id": .string(external)]])
    try await journal.step("router \(names.router) joins \(names.network)") {
      let ports = try await user.list("network", "/ports", "ports", [("device_id", router)])
      let isJoined = ports.contains { port in
        port["fixed_ips"]?.array?.contains { $0["subnet_id"]?.string == subnet } == true
      }
      if isJoined { return ("is there", ()) }
      _ = try await user.call(
        "PUT", "network", "/routers/\(router)/add_router_interface", .json(["subnet_id": .string(subnet)]))
      return ("done", ())
    }
    return ProjectNetwork(id: network, external: external)
  }

  /// The id of the project's resource of this name, which is made when absent.
  private func provide(
    _ user: Session, _ what: String, _ key: String, _ path: String, _ name: String, _ project: (String, String),
    _ fields: JSONObject
  ) async throws -> String {
    try await journal.step("\(what) \(name)") {
      let found = try await user.list("network", path, key + "s", [("name", name), project])
      if let id = found.first?["id"]?.string { return ("is there, \(id)", id) }
      var body: JSONObject = ["name": .string(name)]
      body.merge(fields)
      let made = try await user.call("POST", "network", path, .json(["\(key)": .object(body)]))
      let id = try Self.id(made[key])
      return ("made, \(id)", id)
    }
  }

  func provideSecurityGroup(_ user: Session) async throws {
    let project = ("project_id", await user.projectID)
    let group = try await provide(
      user, "security group", "security_group", "/security-groups", names.securityGroup, project, [:])
    try await journal.step("rules: SSH and ping from everywhere") {
      let wanted: [JSONObject] = [
        ["protocol": "tcp", "port_range_min": 22, "port_range_max": 22], ["protocol": "icmp"],
      ]
      let rules = try await user.list(
        "network", "/security-group-rules", "security_group_rules",
        [("security_group_id", group), ("direction", "ingress")])
      var made = 0
      for rule in wanted {
        let isThere = rules.contains { old in
          old["protocol"] == rule["protocol"] && old["ethertype"]?.string == "IPv4"
            && (old["port_range_min"]?.int == rule["port_range_min"]?.int)
        }
        if isThere { continue }
        var body = rule
        body.merge(["security_group_id": .string(group), "direction": "ingress", "ethertype": "IPv4"])
        _ = try await user.call(
          "POST", "network", "/security-group-rules", .json(["security_group_rule": .object(body)]))
        made += 1
      }
      return (made == 0 ? "are there" : "\(made) made", ())
    }
  }

  func provideFloatingIP(_ user: Session, server: String, external: String) async throws -> String {
    try await journal.step("floating IP") {
      let ports = try await user.list("network", "/ports", "ports", [("device_id", server)])
      let port = try Self.id(ports.first)
      let project = ("project_id", await user.projectID)
      let existing = try await user.list("network", "/floatingips", "floatingips", [project])
      if let taken = existing.first(where: { $0["port_id"]?.string == port }),
        let address = taken["floating_ip_address"]?.string
      {
        return ("\(address) is there", address)
      }
      var made: JSONValue
      if let free = existing.first(where: { $0["port_id"]?.string == nil }) {
        let id = try Self.id(free)
        made = try await user.call(
          "PUT", "network", "/floatingips/\(id)", .json(["floatingip": ["port_id": .string(port)]]))
      } else {
        let body: JSONValue = ["floatingip": ["floating_network_id": .string(external), "port_id": .string(port)]]
        made = try await user.call("POST", "network", "/floatingips", .json(body))
      }
      guard let address = made["floatingip"]?["floating_ip_address"]?.string else {
        throw Fault.internal("the API's answer has no address: \(made.text.prefix(200))")
      }
      return ("\(address) leads to \(names.server)", address)
    }
  }
}
