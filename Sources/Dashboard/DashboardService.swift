import API
import Foundation
import Kit
import Logs
import Mustache
import Synchronization

/// The dashboard: pages for a browser, made from the services' own APIs with the user's own token.
public final class DashboardService: Sendable {
  let routers: [String: APIRouter]
  let log: Log
  let logs: LogCenter
  let settings: DashboardSettings
  let clock: any WallClock
  let sealer: SessionSealer
  let panels: [Panel]
  let seats: LiveSeats
  /// Compiled when the first page is asked for: a start waits for nothing.
  private let templates = Mutex<[Language: MustacheLibrary]>([:])

  /// `routers`: the services' edges by name; a service that is missing has no panels. `keyDirectory`: where the key is
  /// kept that seals sessions. Throws when that folder cannot be used.
  public init(
    routers: [String: APIRouter], log: Log, keyDirectory: String, logs: LogCenter,
    settings: DashboardSettings = DashboardSettings(), clock: any WallClock = SystemClock()
  ) throws {
    (self.routers, self.log, self.logs, self.settings, self.clock) = (routers, log, logs, settings, clock)
    sealer = try SessionSealer(directory: keyDirectory)
    seats = LiveSeats(userMax: settings.liveStreamsOfUser, allMax: settings.liveStreams)
    let verbs = Set(routers["compute"]?.api.routes.compactMap(\.action) ?? [])
    panels = Panels.all.filter { routers[$0.service] != nil }.map { panel in
      var panel = panel
      panel.rowActions.removeAll { action in
        action.needs.map { routers[$0] == nil } == true || action.needsVerb.map { !verbs.contains($0) } == true
      }
      return panel
    }
  }

  /// Answers a browser. Never throws: every error becomes a page.
  public func respond(_ call: HTTPCall) async -> Reply {
    let path = call.path.split(separator: "/").map { Percent.decode(String($0)) }
    if path.first == "assets" { return secured(Assets.reply(path.dropFirst().first ?? "")) }
    var visit = visit(call, path, session(call))
    do {
      guard path.allSatisfy({ !$0.utf8.contains(0) }) else { throw Fault.badRequest("The address is malformed.") }
      try checkOrigin(call)
      if path == ["events"] { return secured(try live(visit)) }
      if visit.session.isSignedIn, call.method == "GET" {
        visit.projects = try await visit.client.get("identity", "/v3/auth/projects").list("projects")
      }
      var reply = try await route(visit)
      touch(visit, &reply)
      return secured(reply)
    } catch {
      let fault = Fault(error)
      if fault.status == 401, visit.session.isSignedIn {
        visit = self.visit(call, path, Session())
        return secured(signInAgain(visit))
      }
      return secured(failure(fault, visit))
    }
  }

  /// The headers that keep other sites and scripts out.
  private func secured(_ reply: Reply) -> Reply {
    var reply = reply
    let frames = settings.consoleOrigin.map { "frame-src 'self' \($0); " } ?? ""
    // What a console could not be opened for is said in the frame of our own page.
    let isFramed = reply.headers["X-Frame-Options"] == "SAMEORIGIN"
    reply.headers["Content-Security-Policy"] =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
      + "\(frames)form-action 'self'; frame-ancestors \(isFramed ? "'self'" : "'none'"); base-uri 'none'"
    if !isFramed { reply.headers["X-Frame-Options"] = "DENY" }
    reply.headers["X-Content-Type-Options"] = "nosniff"
    // Our own pages say where an action came from; nothing is told to other sites.
    reply.headers["Referrer-Policy"] = "same-origin"
    reply.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    reply.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
    if reply.headers["Cache-Control"] == nil { reply.headers["Cache-Control"] = "no-store" }
    return reply
  }

  // MARK: Sessions

  static let sessionCookie = "martlet_session"
  private static let flashCookie = "martlet_flash"

  /// Whom the cookies of a browser sign in, for the console proxy, which the same browser asks at another port.
  public func user(cookies: String) -> String? {
    let session = session(HTTPCall(method: "GET", path: "/", headers: ["Cookie": cookies]))
    return session.isSignedIn ? session.userID : nil
  }

  private func session(_ call: HTTPCall) -> Session {
    guard let text = Cookie.read(call, Self.sessionCookie), let session = Session.open(text, sealer),
      session.isLive(now: clock.now(), settings: settings)
    else { return Session() }
    return session
  }

  func visit(_ call: HTTPCall, _ path: [String], _ session: Session) -> Visit {
    let chosen = Cookie.read(call, "martlet_language").flatMap { Language(rawValue: $0) }
    let theme = Cookie.read(call, "martlet_theme") ?? "auto"
    let flash = Cookie.read(call, Self.flashCookie).flatMap { sealer.open($0, purpose: "flash") }
    return Visit(
      call: call, path: path, session: session,
      language: chosen ?? Language.preferred(call.headers["Accept-Language"]),
      theme: ["light", "dark"].contains(theme) ? theme : "auto",
      client: APIClient(routers: routers, token: Secret(session.token)),
      flash: flash.map { Flash(text: String(decoding: $0.dropFirst(), as: UTF8.self), isError: $0.first == 1) },
      settings: settings, preferences: Preferences(call, settings: settings))
  }

  /// Keeps the session awake, and takes back the message that was shown.
  private func touch(_ visit: Visit, _ reply: inout Reply) {
    let now = clock.now().seconds
    let hasOwn = reply.headers.all("Set-Cookie").contains { $0.hasPrefix(Self.sessionCookie) }
    var session = visit.session
    let isNew = Cookie.read(visit.call, Self.sessionCookie) == nil
    if !hasOwn, session.isSignedIn ? now - session.seenAt >= 60 : isNew || visit.path.first == "sign-in" {
      session.seenAt = now
      if let text = try? session.sealed(sealer) {
        reply.headers.add("Set-Cookie", Cookie.header(Self.sessionCookie, text, call: visit.call))
      }
    }
    if visit.flash != nil, reply.status < 300 {
      reply.headers.add("Set-Cookie", Cookie.header(Self.flashCookie, "", seconds: 0, call: visit.call))
    }
  }

  // MARK: Forms

  /// A form that another site sends is refused before anything is read of it.
  private func checkOrigin(_ call: HTTPCall) throws {
    guard call.method != "GET", call.method != "HEAD" else { return }
    if let site = call.headers["Sec-Fetch-Site"], site != "same-origin", site != "none" {
      throw Fault.forbidden("The form came from another site.")
    }
    guard let origin = call.headers["Origin"], let host = call.headers["Host"] else { return }
    guard origin == "http://\(host)" || origin == "https://\(host)" else {
      throw Fault.forbidden("The form came from another site.")
    }
  }

  /// The form of a POST. Throws 403 when it does not carry this session's token.
  func form(_ visit: Visit) async throws -> Form {
    let bytes = try await visit.call.body.collect(limit: Form.bytesMax)
    let form = Form(Query(text: String(decoding: bytes, as: UTF8.self)))
    guard form.items.items.allSatisfy({ !$0.value.utf8.contains(0) }) else {
      throw Fault.badRequest("The form holds a NUL character.")
    }
    try checkCSRF(form, visit)
    return form
  }

  func checkCSRF(_ form: Form, _ visit: Visit) throws {
    guard Secret(visit.session.csrf).equals(form["csrf"]) else {
      throw Fault.forbidden("The form is out of date or was not made by this page. Go back, reload and try again.")
    }
  }

  // MARK: Replies

  private func library(_ language: Language) -> MustacheLibrary {
    templates.withLock { libraries in
      if let library = libraries[language] { return library }
      let library = Templates.compile(language)
      libraries[language] = library
      return library
    }
  }

  /// A whole page around the content of a template.
  func page(
    _ template: String, _ visit: Visit, title: String, active: String = "", _ content: View, status: Int = 200
  ) -> Reply {
    if visit.isLivePart { return livePart(template, visit, content) }
    var view = Layout.view(visit, title: title, active: active, panels: panels)
    view.merge(content) { _, new in new }
    view["content"] = template
    let html = library(visit.language).render(view, withTemplate: "layout") ?? ""
    return Reply(status, .bytes(Array(html.utf8), contentType: "text/html; charset=utf-8"))
  }

  /// What of a page changes by itself, as JSON: `live` and `status` are elements' contents.
  private func livePart(_ template: String, _ visit: Visit, _ content: View) -> Reply {
    let library = library(visit.language)
    guard
      let live = library.render(
        content.merging(["csrf": visit.session.csrf]) { old, _ in old }, withTemplate: template + "-live")
    else { return Reply(404) }
    var parts: JSONObject = ["live": .string(live)]
    if let status = content["status"] as? String { parts["status"] = .string(status) }
    return Reply(200, .bytes(JSONValue.object(parts).bytes, contentType: "application/json"))
  }

  func redirect(_ address: String, _ visit: Visit, _ flash: Flash? = nil) -> Reply {
    var reply = Reply(303, headers: ["Location": address])
    if let flash {
      let bytes = [flash.isError ? 1 : 0] + Array(flash.text.utf8.prefix(1500))
      if let text = try? sealer.seal(bytes, purpose: "flash") {
        reply.headers.add("Set-Cookie", Cookie.header(Self.flashCookie, text, seconds: 60, call: visit.call))
      }
    }
    return reply
  }

  /// An error as a page, in a full sentence.
  private func failure(_ fault: Fault, _ visit: Visit) -> Reply {
    var message = fault.message
    if fault.status >= 500, fault.status != 503 {
      log.error("\(visit.call.method) \(visit.call.path): \(fault)")
      message = visit.t("Something went wrong on our side. The log of the service says what.")
    }
    let title =
      switch fault.status {
      case 403: "You may not do this"
      case 404: "This is not here"
      case 400..<500: "This did not work"
      default: "The cloud could not answer"
      }
    return page("message", visit, title: visit.t(title), ["message": visit.t(message)], status: fault.status)
  }
}
