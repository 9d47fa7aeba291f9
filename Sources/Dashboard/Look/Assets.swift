import API
import Crypto

/// The style sheet, the script and the icon, under names that change with their content.
enum Assets {
  private static let files: [String: (bytes: [UInt8], type: String)] = [
    "style.css": (Array((Style.base + Style.parts + Style.pages).utf8), "text/css; charset=utf-8"),
    "app.js": (Array(Script.source.utf8), "text/javascript; charset=utf-8"),
    "icon.svg": (Array(Icons.favicon.utf8), "image/svg+xml"),
  ]
  private static let names: [String: String] = files.reduce(into: [:]) { names, file in
    let digest = SHA256.hash(data: file.value.bytes).prefix(6).map { String($0, radix: 16) }.joined()
    names[file.key] = "\(digest)-\(file.key)"
  }

  static func address(_ name: String) -> String { "/assets/\(names[name] ?? name)" }

  static func reply(_ name: String) -> Reply {
    guard let entry = names.first(where: { $0.value == name }), let file = files[entry.key] else { return Reply(404) }
    return Reply(
      200, .bytes(file.bytes, contentType: file.type), headers: ["Cache-Control": "public, max-age=31536000, immutable"]
    )
  }
}
