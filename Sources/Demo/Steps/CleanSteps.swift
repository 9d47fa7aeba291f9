import Host
import Kit

extension Demo {
  /// Removes all that the demonstration made, in the order in which it depends on each other, and waits until it is gone.
  /// What is absent is removed already.
  public func clean() async throws {
    do {
      try await sweep()
      await client.close()
    } catch {
      await client.close()
      throw error
    }
  }

  private func sweep() async throws {
    let admin = try await logIn("administrator \(cloud.username)", administratorLogin)
    let domain = ("domain_id", await admin.domainID)
    let projects = try await admin.list("identity", "/projects", "projects", [("name", names.project), domain])
    let users = try await admin.list("identity", "/users", "users", [("name", names.user), domain])
    if let project = projects.first?["id"]?.string {
      try await removeServers(admin, project)
      try await removeNetworks(admin, project)
      if let user = users.first?["id"]?.string { try await removeKeyPair(admin, user) }
    }
    for user in users { try await remove(admin, "user \(names.user)", "identity", "/users/\(try Self.id(user))") }
    for project in projects {
      try await remove(admin, "project \(names.project)", "identity", "/projects/\(try Self.id(project))")
    }
    try await removeFlavor(admin)
    try await removeImages(admin)
    for path in [passwordPath, keyPath, keyPath + ".pub", directory + "/known_hosts"] { try HostFiles.remove(path) }
    journal.tell("nothing of the demonstration is left")
  }

  private func removeServers(_ admin: Session, _ project: String) async throws {
    let servers = try await admin.list(
      "compute", "/servers/detail", "servers", [("all_tenants", "1"), ("project_id", project)])
    for server in servers {
      let id = try Self.id(server)
      try await remove(admin, "server \(server["name"]?.string ?? id)", "compute", "/servers/\(id)")
    }
  }

  private func removeNetworks(_ admin: Session, _ project: String) async throws {
    let mine = [("project_id", project)]
    for address in try await admin.list("network", "/floatingips", "floatingips", mine) {
      let text = address["floating_ip_address"]?.string ?? ""
      try await remove(admin, "floating IP \(text)", "network", "/floatingips/\(try Self.id(address))")
    }
    for router in try await admin.list("network", "/routers", "routers", mine) {
      let id = try Self.id(router)
      let ports = try await admin.list(
        "network", "/ports", "ports", [("device_id", id), ("device_owner", "network:router_interface")])
      for port in ports {
        _ = try await admin.call(
          "PUT", "network", "/routers/\(id)/remove_router_interface", .json(["port_id": .string(try Self.id(port))]))
      }
      try await remove(admin, "router \(router["name"]?.string ?? id)", "network", "/routers/\(id)")
    }
    for network in try await admin.list("network", "/networks", "networks", mine) {
      let id = try Self.id(network)
      try await remove(admin, "network \(network["name"]?.string ?? id)", "network", "/networks/\(id)")
    }
    for group in try await admin.list("network", "/security-groups", "security_groups", mine) {
      // The default group stays as long as its project.
      guard let name = group["name"]?.string, name != "default" else { continue }
      try await remove(admin, "security group \(name)", "network", "/security-groups/\(try Self.id(group))")
    }
    try await reset(admin, "network", "/quotas/\(project)")
    try await reset(admin, "compute", "/os-quota-sets/\(project)")
  }

  /// Back to the defaults; nothing to do where there was none.
  private func reset(_ admin: Session, _ type: String, _ path: String) async throws {
    do { _ = try await admin.call("DELETE", type, path) } catch let fault as Fault where fault.status == 404 { return }
  }

  private func removeKeyPair(_ admin: Session, _ user: String) async throws {
    do {
      _ = try await admin.call("DELETE", "compute", "/os-keypairs/\(names.keyPair)", query: [("user_id", user)])
      journal.tell("key pair \(names.keyPair): removed")
    } catch let fault as Fault where fault.status == 404 {
      return
    }
  }

  private func removeFlavor(_ admin: Session) async throws {
    let flavors = try await admin.list("compute", "/flavors/detail", "flavors")
    for flavor in flavors where flavor["description"]?.string == Self.mark {
      try await remove(admin, "flavor \(names.flavor)", "compute", "/flavors/\(try Self.id(flavor))")
    }
  }

  private func removeImages(_ admin: Session) async throws {
    for name in [names.image, "\(names.image)-kernel", "\(names.image)-ramdisk"] {
      for hidden in ["false", "true"] {
        let found = try await admin.list("image", "/images", "images", [("name", name), ("os_hidden", hidden)])
        for image in found where image["martlet_fingerprint"] != nil {
          try await remove(admin, "image \(name)", "image", "/images/\(try Self.id(image))")
        }
      }
    }
  }

  /// Deletes something and waits until it is gone.
  private func remove(_ admin: Session, _ what: String, _ type: String, _ path: String) async throws {
    try await journal.step(what) {
      do { _ = try await admin.call("DELETE", type, path) } catch let fault as Fault where fault.status == 404 {
        return ("is gone already", ())
      }
      try await wait("removing \(what)", deadline: .seconds(120), every: .milliseconds(200)) {
        try await admin.find(type, path) == nil ? () : nil
      }
      return ("removed", ())
    }
  }
}
