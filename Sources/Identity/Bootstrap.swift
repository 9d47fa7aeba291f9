import Kit
import Store

extension IdentityService {
  /// Makes what every cloud begins with (upstream's `keystone-manage bootstrap`): the domain `default`, the projects admin and
  /// service, the user admin, the five roles and what they imply, the administrator's assignments, the region and the catalog.
  /// It runs at every start: what exists stays (an existing password too), except the endpoints' URLs, which follow the
  /// configuration.
  public func bootstrap(adminPassword: Secret, region: String, endpoints: [CatalogEndpoint]) async throws {
    let isNew = books.user(LoginRequest.Reference(name: "admin", domainID: "default")) == nil
    let hash = isNew ? try await hasher.hash(adminPassword) : nil
    try await change { change in
      let domain = "default"
      try Self.seed(change, "identity_project", id: domain, where: "id = 'default'") {
        [
          "name": "Default", "domain_id": "", "parent_id": "", "is_domain": true, "enabled": true,
          "description": "The default domain", "options": "{}",
        ]
      }
      let projects = try ["admin", "service"].map { name in
        try Self.seed(
          change, "identity_project", where: "name = \(name) AND domain_id = \(domain)"
        ) {
          [
            "name": name, "domain_id": domain, "parent_id": domain, "is_domain": false, "enabled": true,
            "description": name == "admin" ? "Bootstrap project for initializing the cloud." : "Projects of services.",
            "options": "{}",
          ]
        }
      }
      let user = try Self.seed(change, "identity_user", where: "name = 'admin' AND domain_id = \(domain)") {
        ["name": "admin", "domain_id": domain, "enabled": true, "options": "{}", "password_hash": hash]
      }
      let roles = try Self.seedRoles(change)
      for place in [Place.project(projects[0]), .domain(domain), .system] {
        let grant = Assignment(actor: .user(user), place: place, roleID: roles["admin"] ?? "", isInherited: false)
        try AssignmentStore.insert(grant, change)
      }
      try Self.seed(change, "identity_region", id: region, where: "id = \(region)") { ["description": ""] }
      for endpoint in endpoints { try Self.seed(endpoint, region: region, change) }
      change.touch(.everything)
    }
    if isNew { log.audit("made the domain default with the user admin") }
  }

  /// The id of the row that fits a condition, which is made where there is none.
  @discardableResult
  private static func seed(
    _ change: Change, _ table: String, id: String = UUIDText.makeHex(), where condition: SQL,
    _ values: () -> KeyValuePairs<String, any SQLConvertible>
  ) throws -> String {
    if let row = try change.tx.first("SELECT id FROM \(raw: table) WHERE \(condition)") { return row.text("id") }
    let columns = values().map { ($0.key, $0.value.sqlValue) }
    try change.tx.execute(
      .insert(into: table, [("id", .text(id)), ("created_at", change.now.sqlValue)] + columns))
    return id
  }

  /// Ids of the roles by name. Each implies the next: admin, manager, member, reader; service stands alone.
  private static func seedRoles(_ change: Change) throws -> [String: String] {
    let names = ["admin", "manager", "member", "reader", "service"]
    var ids: [String: String] = [:]
    for name in names {
      ids[name] = try seed(change, "identity_role", where: "name = \(name) AND domain_id = ''") {
        ["name": name, "domain_id": "", "options": "{\"immutable\":true}"]
      }
    }
    for (prior, implied) in zip(names.dropLast(2), names.dropFirst()) {
      try change.tx.execute(
        """
        REPLACE INTO identity_implication (prior_id, implied_id) VALUES (\(ids[prior] ?? ""), \(ids[implied] ?? ""))
        """)
    }
    return ids
  }

  private static func seed(_ endpoint: CatalogEndpoint, region: String, _ change: Change) throws {
    let (type, name) = (endpoint.serviceType, endpoint.serviceName)
    let service = try seed(change, "identity_service", where: "type = \(type) AND name = \(name)") {
      ["type": type, "name": name, "description": "", "enabled": true]
    }
    for interface in ["public", "internal", "admin"] {
      let id = try seed(
        change, "identity_endpoint",
        where: "service_id = \(service) AND interface = \(interface) AND region_id = \(region)"
      ) {
        [
          "interface": interface, "region_id": region, "service_id": service, "url": endpoint.url, "enabled": true,
        ]
      }
      try change.tx.execute("UPDATE identity_endpoint SET url = \(endpoint.url) WHERE id = \(id)")
    }
  }
}
