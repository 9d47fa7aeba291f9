import API
import Kit

/// The menus of a panel's rows, written as text: they are most of a long list, and all but the row's id is the same in
/// each of them. Actions without a form are buttons of the page's one form `act`.
struct RowMenu {
  private let parts: [(action: Action, before: String, after: String)]

  init(_ panel: Panel, _ visit: Visit) {
    parts = panel.rowActions.map { action in
      let title = HTML.escape(visit.t(action.title))
      let tail = HTML.escape("/" + action.id)
      if let href = action.href {
        return (action, "<a href=\"\(HTML.escape(href))\" class=\"\(action.style.rawValue)\">\(title)</a>", "")
      }
      return action.needsForm
        ? (
          action, "<a href=\"\(panel.address)/",
          "\(tail)\" class=\"\(action.style.rawValue)\" data-dialog>\(title)</a>"
        )
        : (
          action, "<button form=\"act\" formaction=\"\(panel.address)/",
          "\(tail)\" class=\"\(action.style.rawValue)\">\(title)</button>"
        )
    }
  }

  /// What the row's state allows; empty: nothing.
  func html(_ row: Row) -> String {
    let id = HTML.escape(Percent.encode(row.id))
    var text = ""
    for part in parts where part.action.isOffered(row) {
      text += part.before
      if !part.after.isEmpty { text += id + part.after }
    }
    return text
  }
}

/// Text as content or as a quoted attribute of HTML and SVG.
enum HTML {
  static func escape(_ text: String) -> String {
    guard text.utf8.contains(where: { special($0) != nil }) else { return text }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count + 16)
    for byte in text.utf8 {
      if let entity = special(byte) { bytes += Array(entity.utf8) } else { bytes.append(byte) }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
  private static func special(_ byte: UInt8) -> String? {
    switch byte {
    case UInt8(ascii: "&"): "&amp;"
    case UInt8(ascii: "<"): "&lt;"
    case UInt8(ascii: ">"): "&gt;"
    case UInt8(ascii: "\""): "&quot;"
    case UInt8(ascii: "'"): "&#39;"
    default: nil
    }
  }
}
