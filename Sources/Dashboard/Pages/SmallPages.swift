import API
import Kit
import Logs

/// Files and addresses for the command line.
struct AccessPage {
  let service: DashboardService
  let visit: Visit

  func respond() -> Reply {
    service.page(
      "access", visit, title: visit.t("API access"), active: "/project/access",
      [
        "project": visit.session.projectName,
        "endpoints": [["service": "identity", "url": visit.settings.authURL] as View],
      ])
  }

  private func shell(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }

  func openrc() -> Reply {
    let session = visit.session
    let values = [
      ("OS_AUTH_URL", visit.settings.authURL), ("OS_USERNAME", session.userName),
      ("OS_USER_DOMAIN_NAME", session.domainName), ("OS_PROJECT_ID", session.projectID),
      ("OS_PROJECT_NAME", session.projectName), ("OS_REGION_NAME", visit.settings.region), ("OS_INTERFACE", "public"),
      ("OS_IDENTITY_API_VERSION", "3"),
    ]
    let text =
      "#!/usr/bin/env bash\nunset OS_TOKEN OS_AUTH_TYPE OS_SYSTEM_SCOPE OS_CLOUD\n"
      + values.map { "export \($0.0)=\(shell($0.1))\n" }.joined()
      + "echo \"Password of $OS_USERNAME for project $OS_PROJECT_NAME:\" >&2\nread -rs OS_PASSWORD\nexport OS_PASSWORD\n"
    return file(text, "openrc.sh")
  }

  func cloudsYAML() -> Reply {
    let session = visit.session
    func quoted(_ text: String) -> String { JSONValue.string(text).text }
    let text = """
      # Put this into ~/.config/openstack/clouds.yaml and add a line `password: …` to auth, or answer when you are asked.
      clouds:
        martlet:
          auth:
            auth_url: \(quoted(visit.settings.authURL))
            username: \(quoted(session.userName))
            user_domain_name: \(quoted(session.domainName))
            project_id: \(quoted(session.projectID))
            project_name: \(quoted(session.projectName))
          region_name: \(quoted(visit.settings.region))
          interface: public
          identity_api_version: 3

      """
    return file(text, "clouds.yaml")
  }

  private func file(_ text: String, _ name: String) -> Reply {
    Reply(
      200, .bytes(Array(text.utf8), contentType: "text/plain; charset=utf-8"),
      headers: ["Content-Disposition": "attachment; filename=\"\(name)\""])
  }
}

/// One box that looks everywhere: by name, the beginning of an id, or an address.
struct SearchPage {
  let service: DashboardService
  let visit: Visit
  private static let hitsMax = 20

  func respond() async throws -> Reply {
    let text = (visit.query["q"] ?? "").lowercased()
    var groups: [View] = []
    if !text.isEmpty {
      for panel in service.panels where panel.area == .project || (panel.area == .identity && visit.session.isAdmin) {
        if let group = try await group(panel, text) { groups.append(group) }
      }
    }
    return service.page(
      "search", visit, title: visit.t("Search"),
      ["asked": !text.isEmpty, "groups": groups, "nothing": groups.isEmpty])
  }

  /// What of a panel fits. A list that the user may not read has nothing.
  private func group(_ panel: Panel, _ text: String) async throws -> View? {
    let list: [JSONValue]
    do {
      let query = panel.query(visit.session) + (panel.isPaged ? [("limit", "1000")] : [])
      list = try await visit.client.get(panel.service, panel.path(visit.session), query).list(panel.collection)
    } catch let fault as Fault where fault.status == 403 || fault.status == 404 { return nil }
    let hits: [View] = list.filter { panel.shows($0, visit.session) }.compactMap { json -> View? in
      let (id, name) = (panel.key(json), panel.title(of: json))
      let address = Self.addresses(json).first { $0.lowercased().contains(text) }
      guard name.lowercased().contains(text) || id.lowercased().hasPrefix(text) || address != nil else { return nil }
      return [
        "href": panel.hasPage ? panel.address(of: id) : panel.address, "name": name, "id": id == name ? "" : id,
        "why": address ?? "",
      ]
    }
    guard !hits.isEmpty else { return nil }
    return ["title": visit.t(panel.title), "hits": Array(hits.prefix(Self.hitsMax))]
  }

  private static func addresses(_ json: JSONValue) -> [String] {
    InstancePanels.addresses(json).map { $0.text.replacing(" ↗", with: "") }
      + [json.text("floating_ip_address"), json.text("fixed_ip_address")].filter { !$0.isEmpty }
      + (json["external_gateway_info"]?.list("external_fixed_ips") ?? []).map { $0.text("ip_address") }
  }
}

/// The latest lines of every service's log, and how much each writes. For administrators of the cloud.
struct LogPage {
  let service: DashboardService
  let visit: Visit
  private static let recordsMax = 300

  /// Logs are no part of an API: who asks is read from the token itself, as it is now.
  private func checkAdministrator() async throws {
    let headers: Headers = ["X-Auth-Token": visit.session.token, "X-Subject-Token": visit.session.token]
    let call = HTTPCall(method: "GET", path: "/v3/auth/tokens", headers: headers)
    guard let reply = await service.routers["identity"]?.respond(call), reply.status == 200,
      case .json(let body) = reply.body,
      body["token"]?.list("roles").contains(where: { $0.text("name") == "admin" }) == true
    else { throw Fault.forbidden("Only an administrator reads the logs.") }
  }

  func respond() async throws -> Reply {
    try await checkAdministrator()
    let (wanted, text) = (visit.query["service"] ?? "", visit.query["text"] ?? "")
    let level = LogLevel(name: visit.query["level"] ?? "") ?? .debug
    let records = service.logs.recent(service: wanted.isEmpty ? nil : wanted, count: LogCenter.recentMax)
      .filter { $0.level >= level && (text.isEmpty || $0.message.contains(text) || $0.requestID.contains(text)) }
      .suffix(Self.recordsMax).reversed()
    let levels = service.logs.levels()
    let names = Set(levels.keys).union(service.routers.keys).sorted()
    return service.page(
      "logs", visit, title: visit.t("Logs"), active: "/admin/logs",
      [
        "text": text, "levels": Self.options(level),
        "services": names.map { name in
          [
            "name": name, "chosen": name == wanted, "options": Self.options(service.logs.level(of: name)),
          ] as View
        },
        "records": records.map { record in
          [
            "time": record.time, "level": record.level.name, "service": record.service,
            "message": record.message + (record.requestID.isEmpty ? "" : " [\(record.requestID)]"),
            "tone": record.level >= .error ? "bad" : record.level == .warning ? "warn" : "off",
          ] as View
        },
      ])
  }

  private static func options(_ chosen: LogLevel) -> [View] {
    LogLevel.allCases.map { ["name": $0.name, "chosen": $0 == chosen] }
  }

  func setLevel() async throws -> Reply {
    let form = try await service.form(visit)
    try await checkAdministrator()
    guard let level = LogLevel(name: form["level"]),
      Set(service.logs.levels().keys).union(service.routers.keys).contains(form["service"])
    else { throw Fault.badRequest("There is no such service or level.") }
    service.logs.setLevel(level, of: form["service"])
    service.log.audit("\(visit.session.userName) set the log level of \(form["service"]) to \(level.name)")
    return service.redirect("/admin/logs", visit, Flash(text: visit.t("Saved."), isError: false))
  }
}
