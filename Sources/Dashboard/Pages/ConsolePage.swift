import API
import Kit

/// Opens the console of an instance: asks Compute for a token and leads the browser to the proxy with it.
struct ConsolePage {
  let service: DashboardService
  let visit: Visit

  /// A redirect, or a sentence for the frame in which the console would have been.
  func respond(_ id: String) async -> Reply {
    do {
      // A page of another site must not make tokens, harmless as they are without their text.
      if let site = visit.call.headers["Sec-Fetch-Site"], site != "same-origin", site != "none" {
        throw Fault.forbidden("The console was opened by a page of another site.")
      }
      let path = "\(InstancePanels.path)/\(Percent.encode(id))/remote-consoles"
      let answer = try await visit.client.send(
        "POST", "compute", path, ["remote_console": ["protocol": "vnc", "type": "novnc"]])
      let url = answer["remote_console"]?.text("url") ?? ""
      guard let origin = visit.settings.consoleOrigin, url.hasPrefix(origin + "/") else {
        throw Fault.unavailable("The console's proxy is not the one that this dashboard shows: \(Self.origin(url)).")
      }
      let language = visit.language == .english ? "" : "&lang=\(visit.language.rawValue)"
      return Reply(303, headers: ["Location": url + language, "X-Frame-Options": "SAMEORIGIN"])
    } catch {
      let fault = Fault(error)
      return Reply(
        fault.status == 401 ? 403 : fault.status,
        .bytes(Array(visit.t(fault.message).utf8), contentType: "text/plain; charset=utf-8"),
        headers: ["X-Frame-Options": "SAMEORIGIN"])
    }
  }

  /// A URL without what is secret in it.
  private static func origin(_ url: String) -> String { url.split(separator: "/").prefix(2).joined(separator: "//") }
}
