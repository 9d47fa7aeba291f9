import API
import Kit

/// What a template shows: values by name.
typealias View = [String: Any]

extension Cell {
  /// As it stands in a page. Lists have thousands of cells, so they are no template; every text goes through the escaping.
  func html(_ visit: Visit) -> String {
    guard lines.isEmpty else {
      return lines.map { "<div class=\"line\">\($0.html(visit))</div>" }.joined()
    }
    let shown = HTML.escape(text == "Yes" || text == "No" ? visit.t(text) : text)
    if let tone { return "<span class=\"state \(HTML.escape(tone))\">\(shown)</span>" }
    if shown.isEmpty { return "—" }
    if let href { return "<a href=\"\(HTML.escape(href))\">\(shown)</a>" }
    if isTime {
      guard let time = Timestamp(text) else { return shown }
      return "<time datetime=\"\(time.iso8601)\">\(time.plain) UTC</time>"
    }
    if isCode { return "<code>\(shown)</code>" }
    return isStrong ? "<strong>\(shown)</strong>" : shown
  }
}

extension Field {
  /// As the form template shows it; `form`: what was sent already, when it has to be mended.
  func view(_ visit: Visit, _ form: Form?) -> View {
    let value = form.map { $0.raw(name) } ?? self.value
    var view: View = [
      "name": name, "label": visit.t(label), "value": value, "help": visit.t(help), "hasHelp": !help.isEmpty,
    ]
    if isRequired { view["required"] = true }
    func options(_ options: [Option], chosen: Set<String>) -> [View] {
      options.map { option in
        ["value": option.value, "label": visit.t(option.label), "chosen": chosen.contains(option.value)]
      }
    }
    switch kind {
    case .check, .many, .hidden: break
    default: view["isBox"] = true
    }
    switch kind {
    case .text: view["text"] = true
    case .number: view["number"] = true
    case .password: view["password"] = true
    case .area: view["area"] = true
    case .file: view["file"] = true
    case .hidden: view["hidden"] = true
    case .check:
      view["check"] = true
      if form.map({ $0.isOn(name) }) ?? !self.value.isEmpty { view["checked"] = true }
    case .select(let all):
      view["select"] = true
      view["options"] = options(all, chosen: [value])
    case .many(let all):
      view["many"] = true
      view["options"] = options(all, chosen: form.map { Set($0.all(name)) } ?? values)
      if all.isEmpty { view["none"] = true }
    }
    return view
  }
}
