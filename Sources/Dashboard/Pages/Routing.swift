import API
import Kit

extension DashboardService {
  /// Every address of the dashboard.
  func route(_ visit: Visit) async throws -> Reply {
    let (method, path) = (visit.call.method, visit.path)
    switch (method, path.first ?? "") {
    case ("GET", "sign-in"): return signInPage(visit)
    case ("POST", "sign-in"): return try await signIn(visit)
    case ("POST", "preferences"): return try await preferences(visit)
    default: break
    }
    guard visit.session.isSignedIn else { return signInAgain(visit) }
    switch (method, path.joined(separator: "/")) {
    case ("GET", ""): return redirect("/project/overview", visit)
    case ("POST", "sign-out"): return try await signOut(visit)
    case ("POST", "switch"): return try await switchProject(visit)
    case ("GET", "search"): return try await SearchPage(service: self, visit: visit).respond()
    case ("GET", "project/overview"): return try await OverviewPage(service: self, visit: visit).project()
    case ("GET", "admin/overview"): return try await OverviewPage(service: self, visit: visit).admin()
    case ("GET", "project/launch"): return try await LaunchPage(service: self, visit: visit).show(nil, nil)
    case ("POST", "project/launch"): return try await LaunchPage(service: self, visit: visit).launch()
    case ("POST", "project/launch/check"): return try await LaunchPage(service: self, visit: visit).check()
    case ("GET", "settings"): return settingsPage(visit)
    case ("GET", "project/topology"): return try await TopologyPage(service: self, visit: visit).respond()
    case ("GET", "project/topology.svg"): return try await TopologyPage(service: self, visit: visit).export()
    case ("GET", "project/access"): return AccessPage(service: self, visit: visit).respond()
    case ("GET", "project/access/openrc"): return AccessPage(service: self, visit: visit).openrc()
    case ("GET", "project/access/clouds.yaml"): return AccessPage(service: self, visit: visit).cloudsYAML()
    case ("GET", "admin/logs"): return try await LogPage(service: self, visit: visit).respond()
    case ("POST", "admin/logs"): return try await LogPage(service: self, visit: visit).setLevel()
    case ("GET", _) where path.count == 4 && path[1] == "instances" && path[3] == "screen":
      return await ConsolePage(service: self, visit: visit).respond(path[2])
    default: break
    }
    let address = "/" + path.prefix(2).joined(separator: "/")
    guard let panel = panels.first(where: { $0.address == address }) else {
      throw Fault.notFound("There is no such page.")
    }
    return try await PanelPages(service: self, visit: visit, panel: panel).respond()
  }

  // MARK: Signing in and out

  func signInPage(_ visit: Visit, error: String? = nil, form: Form? = nil, status: Int = 200) -> Reply {
    if visit.session.isSignedIn, error == nil { return redirect("/", visit) }
    var view: View = [
      "csrf": visit.session.csrf, "user": form?["user"] ?? "", "project": form?["project"] ?? "",
      "domain": form.map { $0["domain"] } ?? "Default", "next": form?["next"] ?? visit.query["next"] ?? "",
      "signIn": true,
    ]
    if let error { view["error"] = error }
    return page("sign-in", visit, title: visit.t("Sign in"), view, status: status)
  }

  /// What a visitor without a session gets: the sign-in page, which leads on to where they wanted to go.
  func signInAgain(_ visit: Visit) -> Reply {
    var reply = redirect("/sign-in", visit)
    if visit.call.method == "GET", visit.call.path != "/" {
      reply.headers["Location"] = "/sign-in?next=" + Percent.encode(visit.address)
    }
    if let text = try? Session().sealed(sealer) {
      reply.headers.add("Set-Cookie", Cookie.header(Self.sessionCookie, text, call: visit.call))
    }
    return reply
  }

  private func signIn(_ visit: Visit) async throws -> Reply {
    let form = try await form(visit)
    let domain = form["domain"].isEmpty ? "Default" : form["domain"]
    let user: JSONValue = [
      "name": .string(form["user"]), "domain": ["name": .string(domain)], "password": .string(form.raw("password")),
    ]
    let method: JSONObject = ["methods": ["password"], "password": ["user": user]]
    let client = APIClient(routers: routers, token: Secret(""))
    do {
      let scope: JSONValue? =
        form["project"].isEmpty
        ? nil : ["project": ["name": .string(form["project"]), "domain": ["name": .string(domain)]]]
      var session = try await authenticate(client, method, scope: scope)
      if session.projectID.isEmpty { session = try await enterFirstProject(session) }
      log.audit("\(session.userName) signed in from \(visit.call.remoteAddress)")
      return try start(session, visit, at: Self.safeTarget(form["next"]))
    } catch let fault as Fault where fault.status < 500 {
      let text =
        fault.status == 401
        ? visit.t("The user, the password, the domain or the project is not right.") : visit.t(fault.message)
      return signInPage(visit, error: text, form: form, status: fault.status)
    }
  }

  /// Only a path of our own is gone to.
  static func safeTarget(_ next: String) -> String {
    let isOwn =
      next.hasPrefix("/") && !next.hasPrefix("//") && !next.contains("\\")
      && next.utf8.allSatisfy { $0 > 32 && $0 < 127 } && !next.hasPrefix("/sign-in")
    return isOwn ? next : "/"
  }

  private func authenticate(_ client: APIClient, _ method: JSONObject, scope: JSONValue?) async throws -> Session {
    var auth: JSONObject = ["identity": .object(method)]
    if let scope { auth["scope"] = scope }
    let answer = try await client.call("POST", "identity", "/v3/auth/tokens", body: ["auth": .object(auth)])
    guard let token = answer.headers["X-Subject-Token"] else { throw Fault.unauthorized() }
    return Session.signedIn(token: token, body: answer.body, now: clock.now())
  }

  private func enterFirstProject(_ session: Session) async throws -> Session {
    let client = APIClient(routers: routers, token: Secret(session.token))
    let projects = try await client.get("identity", "/v3/auth/projects").list("projects")
      .filter { $0["enabled"]?.bool != false }.sorted { $0.text("name") < $1.text("name") }
    guard let first = projects.first else {
      throw Fault.forbidden("You have no role on any project yet. Ask an administrator for one.")
    }
    return try await scope(session, project: first.text("id"))
  }

  private func scope(_ session: Session, project: String) async throws -> Session {
    let client = APIClient(routers: routers, token: Secret(""))
    let method: JSONObject = ["methods": ["token"], "token": ["id": .string(session.token)]]
    return try await authenticate(client, method, scope: ["project": ["id": .string(project)]])
  }

  private func start(_ session: Session, _ visit: Visit, at target: String) throws -> Reply {
    var reply = redirect(target, visit)
    reply.headers.add("Set-Cookie", Cookie.header(Self.sessionCookie, try session.sealed(sealer), call: visit.call))
    return reply
  }

  private func switchProject(_ visit: Visit) async throws -> Reply {
    let form = try await form(visit)
    do {
      var session = try await scope(visit.session, project: form["project"])
      session.createdAt = visit.session.createdAt
      return try start(session, visit, at: "/")
    } catch let fault as Fault where fault.status == 401 {
      return redirect("/", visit, Flash(text: visit.t("You have no role on that project."), isError: true))
    }
  }

  private func signOut(_ visit: Visit) async throws -> Reply {
    _ = try await form(visit)
    let router = routers["identity"]
    let headers: Headers = [
      "X-Auth-Token": visit.session.token, "X-Subject-Token": visit.session.token, "Host": "dashboard",
    ]
    _ = await router?.respond(HTTPCall(method: "DELETE", path: "/v3/auth/tokens", headers: headers))
    log.audit("\(visit.session.userName) signed out")
    return try start(Session(), visit, at: "/sign-in")
  }

  /// How this browser's user likes to read.
  private func settingsPage(_ visit: Visit) -> Reply {
    let zones = [("", visit.t("As the browser")), ("UTC", "UTC")] + Preferences.zones.map { ($0, $0) }
    func options(_ all: [(String, String)], _ chosen: String) -> [View] {
      all.map { ["id": $0.0, "name": $0.1, "chosen": $0.0 == chosen] }
    }
    return page(
      "settings", visit, title: visit.t("Settings"),
      [
        "zones": options(zones, visit.preferences.zone),
        "rows": options(Preferences.rows.map { (String($0), String($0)) }, String(visit.preferences.rows)),
      ])
  }

  /// The language, the look and the rest, for this browser.
  private func preferences(_ visit: Visit) async throws -> Reply {
    let form = try await form(visit)
    var reply = redirect(Self.safeTarget(form["next"]), visit)
    let year = 365 * 86_400
    if let language = Language(rawValue: form["language"]) {
      reply.headers.add(
        "Set-Cookie", Cookie.header("martlet_language", language.rawValue, seconds: year, call: visit.call))
    }
    if ["auto", "light", "dark"].contains(form["theme"]) {
      reply.headers.add("Set-Cookie", Cookie.header("martlet_theme", form["theme"], seconds: year, call: visit.call))
    }
    if let zone = form.items["zone"], zone.isEmpty || zone == "UTC" || Preferences.zones.contains(zone) {
      reply.headers.add("Set-Cookie", Cookie.header("martlet_zone", zone, seconds: year, call: visit.call))
    }
    if let rows = Int(form["rows"]), Preferences.rows.contains(rows) {
      reply.headers.add("Set-Cookie", Cookie.header("martlet_rows", String(rows), seconds: year, call: visit.call))
    }
    return reply
  }
}
