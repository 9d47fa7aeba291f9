import API
import Kit

/// One request of a browser, with whom it comes from and how they like to read.
struct Visit: Sendable {
  let call: HTTPCall
  /// Decoded segments of the path.
  let path: [String]
  let session: Session
  let language: Language
  let theme: String
  let client: APIClient
  /// What the action before has to tell.
  let flash: Flash?
  let settings: DashboardSettings
  let preferences: Preferences
  /// Where this user has a role.
  var projects: [JSONValue] = []
  /// Whether only what changes by itself is wanted of the page.
  var isLivePart = false

  var query: Query { call.query }
  func t(_ text: String) -> String { language.text(text) }
  /// The path of another page of the same origin.
  var address: String {
    let text = call.query.text()
    return call.path + (text.isEmpty ? "" : "?" + text)
  }
}

/// A message that the next page shows once.
struct Flash: Sendable {
  let text: String
  let isError: Bool
}

/// What a browser sent by a form.
struct Form: Sendable {
  static let bytesMax = 1 << 20
  let items: Query
  init(_ items: Query) { self.items = items }

  /// A value without the space around it; empty when there is none.
  subscript(name: String) -> String {
    var text = (items[name] ?? "")[...].drop { $0.isWhitespace }
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }
  /// The value as it came.
  func raw(_ name: String) -> String { items[name] ?? "" }
  func all(_ name: String) -> [String] { items.all(name).filter { !$0.isEmpty } }
  func isOn(_ name: String) -> Bool { !self[name].isEmpty }
  func optional(_ name: String) -> JSONValue? { self[name].isEmpty ? nil : .string(self[name]) }
  /// The number in a field. Throws a 400 fault when it is none.
  func number(_ name: String, _ label: String) throws -> Int? {
    guard !self[name].isEmpty else { return nil }
    guard let number = Int(self[name]) else { throw Fault.badRequest("\(label): this must be a whole number.") }
    return number
  }
  /// `key=value` lines. Throws a 400 fault for a line without an equals sign.
  func pairs(_ name: String) throws -> JSONObject {
    var object = JSONObject()
    for line in raw(name).split(whereSeparator: \.isNewline) where !line.allSatisfy(\.isWhitespace) {
      guard let equals = line.firstIndex(of: "=") else {
        throw Fault.badRequest("Each line must be written as key=value: \(line.prefix(80))")
      }
      let key = line[..<equals].filter { !$0.isWhitespace }
      object[String(key)] = .string(String(line[line.index(after: equals)...].drop { $0.isWhitespace }))
    }
    return object
  }
  /// Texts that commas or lines separate.
  func texts(_ name: String) -> [String] {
    let parts = raw(name).split { $0.isNewline || $0 == "," }
    return parts.map { part in String(part.filter { !$0.isWhitespace }) }.filter { !$0.isEmpty }
  }
}

/// Cookies (RFC 6265).
enum Cookie {
  static func read(_ call: HTTPCall, _ name: String) -> String? {
    for header in call.headers.all("Cookie") {
      for part in header.split(separator: ";") {
        let pair = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
        if pair.count == 2, pair[0] == name { return String(pair[1]) }
      }
    }
    return nil
  }
  /// A cookie that scripts cannot read and other sites do not send along with forms. `seconds` 0 removes it.
  static func header(_ name: String, _ value: String, seconds: Int? = nil, call: HTTPCall) -> String {
    let isSecure = call.headers["X-Forwarded-Proto"] == "https"
    let age = seconds.map { "; Max-Age=\($0)" } ?? ""
    return "\(name)=\(value); Path=/; HttpOnly; SameSite=Lax\(age)\(isSecure ? "; Secure" : "")"
  }
}
