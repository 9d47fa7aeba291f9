import API
import Kit

/// Something to do with a resource or a list: fields to fill in, and the API calls that follow.
struct Action: Sendable {
  enum Style: String, Sendable { case plain, primary, danger }

  let id: String
  let title: String
  var style = Style.plain
  /// What is asked before it is done; nil with no fields: it is done at once.
  var confirm: String?
  /// Whether it makes sense for several at a time.
  var isBulk = false
  /// A page of its own instead of a form.
  var href: String?
  /// Another service without which it is not offered.
  var needs: String?
  /// A member of an instance's `action` without which it is not offered.
  var needsVerb: String?
  /// Whether the resource's state allows it.
  var isOffered: @Sendable (Row) -> Bool = { _ in true }
  var fields: (@Sendable (PageContext) async throws -> [Field])?
  /// Does it. Throws the API's fault, which the form shows.
  let perform: @Sendable (PageContext, Form) async throws -> Outcome

  var needsForm: Bool { fields != nil || confirm != nil }

  init(
    _ id: String, _ title: String, style: Style = .plain, confirm: String? = nil, isBulk: Bool = false,
    when isOffered: @escaping @Sendable (Row) -> Bool = { _ in true },
    fields: (@Sendable (PageContext) async throws -> [Field])? = nil,
    _ perform: @escaping @Sendable (PageContext, Form) async throws -> Outcome
  ) {
    (self.id, self.title, self.style, self.confirm, self.isBulk) = (id, title, style, confirm, isBulk)
    (self.isOffered, self.fields, self.perform) = (isOffered, fields, perform)
  }

  /// The same, offered only where Compute has this action.
  func needing(_ verb: String) -> Action {
    var copy = self
    copy.needsVerb = verb
    return copy
  }

  /// A link to a page of its own.
  static func link(_ id: String, _ title: String, style: Style = .plain, _ href: String) -> Action {
    var action = Action(id, title, style: style) { _, _ in .to(href, nil) }
    action.href = href
    return action
  }
}

/// What follows an action.
enum Outcome: Sendable {
  /// Back to the page that it began on, with a message.
  case done(String)
  /// To the list: the resource is gone.
  case list(String)
  case to(String, String?)
  /// A secret that is shown this one time.
  case secret(title: String, explanation: String, text: String, file: String)
}

/// A field of a form.
struct Field: Sendable {
  enum Kind: Sendable {
    case text, number, password, area, check, file, hidden
    /// One of several.
    case select([Option])
    /// Any of several.
    case many([Option])
  }
  struct Option: Sendable {
    let value: String
    let label: String
    init(_ value: String, _ label: String? = nil) { (self.value, self.label) = (value, label ?? value) }
  }

  let name: String
  let label: String
  var kind = Kind.text
  var value = ""
  var values: Set<String> = []
  var isRequired = false
  var help = ""

  init(
    _ name: String, _ label: String, _ kind: Kind = .text, value: String = "", required: Bool = false, help: String = ""
  ) {
    (self.name, self.label, self.kind, self.value) = (name, label, kind, value)
    (isRequired, self.help) = (required, help)
  }

  /// A choice among resources; nothing chosen when it is not required.
  static func choice(
    _ name: String, _ label: String, _ options: [Option], value: String = "", required: Bool = false, help: String = ""
  ) -> Field {
    Field(
      name, label, .select(required ? options : [Option("", "—")] + options), value: value, required: required,
      help: help)
  }
}

extension PageContext {
  /// Resources of a list as choices, by name.
  func options(
    _ service: String, _ path: String, _ collection: String, _ query: [(String, String)] = [],
    label: (JSONValue) -> String = { $0.text("name").isEmpty ? $0.text("id") : $0.text("name") }
  ) async throws -> [Field.Option] {
    try await client.get(service, path, query).list(collection).map { Field.Option($0.text("id"), label($0)) }
      .sorted { $0.label < $1.label }
  }
}
