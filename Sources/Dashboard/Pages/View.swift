import API
import Kit

/// What a template shows: values by name.
typealias View = [String: Any]

extension Cell {
  func view(_ visit: Visit) -> View {
    var view: View = ["text": text.isEmpty && lines.isEmpty ? "—" : text]
    if let href { view["href"] = href }
    if let tone {
      view["tone"] = tone
      view["text"] = text
    }
    if isCode { view["code"] = true }
    if isStrong { view["strong"] = true }
    if isTime {
      let time = Timestamp(text)
      view["time"] = time?.iso8601 ?? text
      view["text"] = time.map { $0.plain + " UTC" } ?? text
    }
    if text == "Yes" || text == "No" { view["text"] = visit.t(text) }
    if !lines.isEmpty { view["lines"] = lines.map { $0.view(visit) } }
    return view
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
