import API
import Kit

/// A field of a form that is a member of the API's object: actions that only fill in an object are declared by these.
struct Member: Sendable {
  enum Kind: Sendable {
    /// Text; the empty one is sent too.
    case text
    /// Text that is left out when it is empty.
    case optional
    case number, flag, area
    /// `key=value` lines as an object.
    case pairs
    /// Texts on lines or between commas as a list.
    case texts
    case choice(@Sendable (PageContext) async throws -> [Field.Option])
    case many(@Sendable (PageContext) async throws -> [Field.Option])
  }

  let key: String
  let label: String
  var kind = Kind.text
  var initial = ""
  var isRequired = false
  var help = ""

  init(
    _ key: String, _ label: String, _ kind: Kind = .text, value: String = "", required: Bool = false, help: String = ""
  ) {
    (self.key, self.label, self.kind, initial) = (key, label, kind, value)
    (isRequired, self.help) = (required, help)
  }

  static let name = Member("name", "Name", required: true)
  static let description = Member("description", "Description")
  /// One of a few words.
  static func words(_ key: String, _ label: String, _ words: [String], required: Bool = true) -> Member {
    Member(key, label, .choice { _ in words.map { Field.Option($0) } }, required: required)
  }

  /// The field, filled in with what the resource has.
  func field(_ context: PageContext) async throws -> Field {
    let has = context.json[key]
    var value = has.map(\.asText) ?? initial
    var field = Field(key, label, required: isRequired, help: help)
    switch kind {
    case .text, .optional: field.kind = .text
    case .number: field.kind = .number
    case .area: field.kind = .area
    case .flag:
      field.kind = .check
      value = has?.bool ?? (has.map { $0.asText.lowercased() == "true" } ?? !initial.isEmpty) ? "yes" : ""
    case .pairs:
      field.kind = .area
      value = (has?.object ?? [:]).map { "\($0.key)=\($0.value.asText)" }.joined(separator: "\n")
      if help.isEmpty { field.help = "One key=value on each line." }
    case .texts:
      field.kind = .area
      value = (has?.array ?? []).map(\.asText).joined(separator: "\n")
      if help.isEmpty { field.help = "One on each line." }
    case .choice(let options):
      return .choice(key, label, try await options(context), value: value, required: isRequired, help: help)
    case .many(let options):
      field.kind = .many(try await options(context))
      field.values = Set((has?.array ?? []).map(\.asText))
    }
    field.value = value
    return field
  }

  /// Its value in a form; nil: it is left out.
  func value(_ form: Form) throws -> JSONValue? {
    switch kind {
    case .text, .area: .string(form[key])
    case .optional, .choice: form.optional(key)
    case .number: try form.number(key, label).map { .int($0) }
    case .flag: .bool(form.isOn(key))
    case .pairs: .object(try form.pairs(key))
    case .texts: .strings(form.texts(key))
    case .many: .strings(form.all(key))
    }
  }

  static func fields(_ members: [Member], _ context: PageContext) async throws -> [Field] {
    var fields: [Field] = []
    for member in members { fields.append(try await member.field(context)) }
    return fields
  }
  static func object(_ members: [Member], _ form: Form) throws -> JSONObject {
    var object = JSONObject()
    for member in members { if let value = try member.value(form) { object[member.key] = value } }
    return object
  }
}

extension PageContext {
  /// The path of the list without what makes it longer, and the path of this resource.
  var listPath: String {
    let path = panel.path(session)
    return path.hasSuffix("/detail") ? String(path.dropLast(7)) : path
  }
  var path: String { listPath + "/" + Percent.encode(id) }
}

extension Action {
  /// A form that makes a resource of the panel: `single` is the member around its object.
  static func create(_ title: String, _ single: String, _ members: [Member]) -> Action {
    Action(
      "create", title, style: .primary, fields: { try await Member.fields(members, $0) },
      { context, form in
        try await context.client.send(
          "POST", context.panel.service, context.listPath, .object([single: .object(try Member.object(members, form))]))
        return .list("Created.")
      })
  }
  /// A form that changes members of a resource.
  static func edit(_ single: String, _ members: [Member], method: String = "PUT") -> Action {
    Action(
      "edit", "Edit", fields: { try await Member.fields(members, $0) },
      { context, form in
        try await context.client.send(
          method, context.panel.service, context.path, .object([single: .object(try Member.object(members, form))]))
        return .done("Saved.")
      })
  }
  /// The removal of a resource of the panel.
  static func delete(bulk: Bool = true, when isOffered: @escaping @Sendable (Row) -> Bool = { _ in true }) -> Action {
    Action("delete", "Delete", style: .danger, confirm: "This cannot be undone.", isBulk: bulk, when: isOffered) {
      context, _ in
      try await context.client.send("DELETE", context.panel.service, context.path)
      return .list("Deleted.")
    }
  }
  /// A member of `POST …/action` without anything to fill in.
  static func verb(
    _ id: String, _ title: String, _ body: JSONValue, style: Style = .plain, confirm: String? = nil, bulk: Bool = false,
    when isOffered: @escaping @Sendable (Row) -> Bool = { _ in true }
  ) -> Action {
    Action(id, title, style: style, confirm: confirm, isBulk: bulk, when: isOffered) { context, _ in
      try await context.client.send("POST", context.panel.service, context.path + "/action", body)
      return .done("On its way.")
    }
  }
  /// A form that posts an object to a path below the resource.
  static func post(
    _ id: String, _ title: String, _ members: [Member], tail: String = "/action", done: String = "Done.",
    when isOffered: @escaping @Sendable (Row) -> Bool = { _ in true },
    _ body: @escaping @Sendable (JSONObject) -> JSONValue
  ) -> Action {
    Action(
      id, title, when: isOffered, fields: { try await Member.fields(members, $0) },
      { context, form in
        try await context.client.send(
          "POST", context.panel.service, context.path + tail, body(try Member.object(members, form)))
        return .done(done)
      })
  }
}

extension Panel {
  /// A panel of resources that are read at `path/ID`, with all that the API says of one on its page. `single`: the
  /// member around one of them.
  static func resource(
    _ area: Area, _ id: String, _ title: String, _ noun: String, icon: String, service: String, collection: String,
    single: String, path: @escaping @Sendable (Session) -> String
  ) -> Panel {
    var panel = Panel(
      area: area, id: id, title: title, noun: noun, icon: icon, service: service, path: path, collection: collection)
    panel.find = { client, session, id in
      let list = path(session)
      let base = list.hasSuffix("/detail") ? String(list.dropLast(7)) : list
      return try await client.get(service, base + "/" + Percent.encode(id))[single] ?? .null
    }
    panel.blocks = { [.facts("Overview", Facts.all($0.json))] }
    return panel
  }
}
