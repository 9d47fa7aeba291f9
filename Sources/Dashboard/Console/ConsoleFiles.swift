import API
import Foundation
import Kit
import Synchronization

/// The console's page, which is ours, and noVNC's modules, which Debian's package `novnc` brings.
final class ConsoleFiles: Sendable {
  /// Where the package's files may be: what scripts/setup.sh unpacks, and the package itself.
  static let places = ["/usr/local/share/martlet/novnc", "/usr/share/novnc"]
  static let absent = """
    The console needs noVNC, which is not on this machine. Run scripts/setup.sh run, which unpacks Debian's package novnc; \
    the next console finds it.
    """

  private let places: [String]
  private let dashboardPort: Int
  private let cache = Mutex<[String: [UInt8]]>([:])

  /// `dashboardPort`: pages of the dashboard may show the console in a frame.
  init(places: [String], dashboardPort: Int) { (self.places, self.dashboardPort) = (places, dashboardPort) }

  /// Why there can be no console now; nil: there can.
  static func absence(_ places: [String]) -> String? { folder(places) == nil ? absent : nil }
  static func folder(_ places: [String]) -> String? {
    places.first { FileManager.default.fileExists(atPath: $0 + "/core/rfb.js") }
  }

  /// Answers `path` for a browser that called this server `host`.
  func reply(_ path: String, host: String) -> Reply {
    var reply = content(path)
    // ws: beside 'self', which older browsers do not take for it.
    let sockets = Self.isHost(host) ? " ws://\(host) wss://\(host)" : ""
    reply.headers["Content-Security-Policy"] =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'\(sockets); "
      + "frame-ancestors 'self' http://*:\(dashboardPort) https://*:\(dashboardPort); base-uri 'none'; form-action 'none'"
    reply.headers["X-Content-Type-Options"] = "nosniff"
    reply.headers["Referrer-Policy"] = "no-referrer"
    if reply.headers["Cache-Control"] == nil { reply.headers["Cache-Control"] = "no-store" }
    return reply
  }

  /// Whether a text can stand in a policy as host and port.
  static func isHost(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
          || [UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "["), UInt8(ascii: "]")]
            .contains(byte)
      }
  }

  private func content(_ path: String) -> Reply {
    switch path {
    // Upstream's name for it, and those of noVNC's own pages (Nova, `novncproxy_base_url`).
    case "/vnc_auto.html", "/vnc_lite.html", "/vnc.html":
      guard Self.folder(places) != nil else { return Self.text(503, Self.absent, "text/plain; charset=utf-8") }
      return Self.text(200, ConsoleSource.html, "text/html; charset=utf-8")
    case "/console.js": return Self.text(200, ConsoleSource.script, "text/javascript; charset=utf-8")
    case "/console.css": return Self.text(200, ConsoleSource.style, "text/css; charset=utf-8")
    default: return module(path)
    }
  }

  private static func text(_ status: Int, _ text: String, _ type: String) -> Reply {
    Reply(status, .bytes(Array(text.utf8), contentType: type))
  }

  /// A module of noVNC: scripts below `core` and `vendor`, and nothing that is named otherwise.
  private func module(_ path: String) -> Reply {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    let isPlain = parts.allSatisfy { part in
      !part.isEmpty && !part.hasPrefix(".")
        && part.utf8.allSatisfy { $0 == 45 || $0 == 46 || $0 == 95 || 48...57 ~= $0 || 97...122 ~= $0 | 0x20 }
    }
    guard isPlain, parts.count <= 6, ["core", "vendor"].contains(parts.first), path.hasSuffix(".js"),
      let folder = Self.folder(places)
    else { return Self.text(404, "There is no such page.", "text/plain; charset=utf-8") }
    let bytes = cache.withLock { cache -> [UInt8]? in
      if let bytes = cache[path] { return bytes }
      guard let data = FileManager.default.contents(atPath: folder + path), data.count < 4 << 20 else { return nil }
      cache[path] = Array(data)
      return cache[path]
    }
    guard let bytes else { return Self.text(404, "There is no such page.", "text/plain; charset=utf-8") }
    return Reply(
      200, .bytes(bytes, contentType: "text/javascript; charset=utf-8"), headers: ["Cache-Control": "max-age=3600"])
  }
}

/// The page around the guest's screen.
enum ConsoleSource {
  static let html = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Console · Martlet</title>
    <link rel="stylesheet" href="console.css">
    <script type="module" src="console.js"></script>
    </head>
    <body data-state="connecting">
    <header><span id="state" role="status"></span>
    <button id="keys" type="button" disabled>Ctrl+Alt+Del</button>
    <button id="paste" type="button" disabled></button>
    <button id="whole" type="button"></button></header>
    <main id="screen" aria-label="Console"></main>
    </body>
    </html>
    """#

  static let style = #"""
    * { box-sizing: border-box; }
    html, body { height: 100%; margin: 0; }
    body { display: flex; flex-direction: column; background: #0b0f15; color: #d6deea;
      font: 13px/1.4 system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK KR", sans-serif; }
    header { display: flex; gap: 8px; align-items: center; padding: 6px 10px; background: #171d26; }
    #state { margin-right: auto; display: flex; align-items: center; gap: 8px; }
    #state::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: #f0c265; flex: none; }
    [data-state=connected] #state::before { background: #6fd6a2; }
    [data-state=closed] #state::before { background: #ff9a9a; }
    button { font: inherit; color: inherit; background: #2a3442; border: 1px solid #3a475a; border-radius: 6px;
      padding: 3px 10px; cursor: pointer; white-space: nowrap; }
    button:hover:not(:disabled) { background: #35435a; }
    button:disabled { color: #8894a6; cursor: default; }
    :focus-visible { outline: 2px solid #82aaff; outline-offset: 2px; }
    #screen { flex: 1; min-height: 0; overflow: hidden; }
    """#

  static let script = #"""
    import RFB from "./core/rfb.js";
    const query = new URLSearchParams(location.search);
    const korean = query.get("lang") === "ko";
    const t = (english, other) => korean ? other : english;
    document.documentElement.lang = korean ? "ko" : "en";
    const [body, line] = [document.body, document.getElementById("state")];
    const [keys, paste, whole] = ["keys", "paste", "whole"].map((id) => document.getElementById(id));
    paste.textContent = t("Type the clipboard", "클립보드 입력");
    whole.textContent = t("Full screen", "전체 화면");
    function state(name, text) {
      body.dataset.state = name;
      line.textContent = text;
      keys.disabled = paste.disabled = name !== "connected";
    }
    state("connecting", t("Connecting…", "연결 중…"));

    const path = query.get("path") ?? "?token=" + encodeURIComponent(query.get("token") ?? "");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const rfb = new RFB(document.getElementById("screen"), `${scheme}://${location.host}/${path.replace(/^\//, "")}`,
      { wsProtocols: ["binary"] });
    rfb.scaleViewport = true;
    rfb.background = "#0b0f15";
    let wasConnected = false;
    rfb.addEventListener("connect", () => { wasConnected = true; state("connected", t("Connected", "연결됨")); rfb.focus(); });
    rfb.addEventListener("disconnect", () => state("closed", wasConnected
      ? t("The console is closed: the guest has stopped or the connection broke.", "콘솔이 닫혔습니다. 게스트가 멈췄거나 연결이 끊어졌습니다.")
      : t("The console did not open: this link is used up, has expired, or the guest does not run. Open it again.",
          "콘솔을 열지 못했습니다. 링크가 이미 쓰였거나 만료되었거나 게스트가 실행 중이 아닙니다. 다시 여세요.")));
    rfb.addEventListener("desktopname", (event) => { document.title = event.detail.name + " · Martlet"; });
    keys.addEventListener("click", () => { rfb.sendCtrlAltDel(); rfb.focus(); });
    whole.addEventListener("click", () => document.fullscreenElement
      ? document.exitFullscreen() : document.documentElement.requestFullscreen());
    if (!document.fullscreenEnabled) whole.hidden = true;
    // A text console has no clipboard of its own: the text is typed.
    paste.addEventListener("click", async () => {
      const text = await navigator.clipboard.readText().catch(() => prompt(t("Text to type:", "입력할 텍스트:"))) ?? "";
      type(text.slice(0, 4096));
      rfb.focus();
    });
    // Keys of a US keyboard: what stands above another character needs Shift.
    function type(text) {
      for (const character of text) {
        const code = character.codePointAt(0), isShifted = /[A-Z~!@#$%^&*()_+{}|:"<>?]/.test(character);
        if (isShifted) rfb.sendKey(0xffe1, "ShiftLeft", true);
        rfb.sendKey(character === "\n" ? 0xff0d : code < 0x100 ? code : 0x01000000 | code);
        if (isShifted) rfb.sendKey(0xffe1, "ShiftLeft", false);
      }
    }
    window.typeText = type;
    """#
}
