import API
import Kit

/// A page of the dashboard that lists resources, shows one and acts on them: declared, not written.
struct Panel: Sendable {
  /// Its place in the menu.
  enum Area: String, Sendable, CaseIterable { case project, admin, identity }

  let area: Area
  /// The last part of its path: `instances`.
  let id: String
  let title: String
  /// What one of them is called: `instance`.
  let noun: String
  let icon: String
  /// Where the list comes from: a service, a path and the member that holds it.
  let service: String
  let path: @Sendable (Session) -> String
  let collection: String
  /// Always part of the list's query.
  var query: @Sendable (Session) -> [(String, String)] = { _ in [] }
  /// Whether the service cuts lists into pages.
  var isPaged = true
  /// Rows to leave out that the API cannot filter.
  var shows: @Sendable (JSONValue, Session) -> Bool = { _, _ in true }
  /// Lists that columns take names from.
  var lookups: [Lookup] = []
  var columns: [Column] = []
  var filters: [Filter] = []
  /// What is said when there is nothing.
  var empty = ""
  /// Whether states change by themselves, so that the page looks again every few seconds.
  var isLive = false
  var tableActions: [Action] = []
  var rowActions: [Action] = []
  /// Reads one resource; nil: rows have no page of their own.
  var find: (@Sendable (APIClient, Session, String) async throws -> JSONValue)?
  var blocks: @Sendable (PageContext) async throws -> [Block] = { _ in [] }
  /// Further parts of its page, behind tabs; `blocks` are the first.
  var tabs: [Tab] = []
  /// What names a row; most have an id.
  var key: @Sendable (JSONValue) -> String = { $0.text("id") }
  var name: @Sendable (JSONValue) -> String = { $0.text("name") }
  var hasPage = true

  var address: String { "/\(area.rawValue)/\(id)" }
  func address(of id: String) -> String { address + "/" + Percent.encode(id) }
  func title(of json: JSONValue) -> String {
    let text = name(json)
    return text.isEmpty ? key(json) : text
  }
}

/// A list that is read once for a page and gives names to ids.
struct Lookup: Sendable {
  let id: String
  let service: String
  let collection: String
  let query: [(String, String)]
  let path: @Sendable (Session) -> String

  init(
    id: String, service: String, collection: String, query: [(String, String)] = [],
    path: @escaping @Sendable (Session) -> String
  ) {
    (self.id, self.service, self.collection, self.query, self.path) = (id, service, collection, query, path)
  }
  init(id: String, service: String, path: String, collection: String, query: [(String, String)] = []) {
    self.init(id: id, service: service, collection: collection, query: query) { _ in path }
  }
}

/// A part of the page of one resource with an address of its own: `?tab=ID`.
struct Tab: Sendable {
  let id: String
  let title: String
  /// Whether it shows changes by itself.
  var isLive = true
  let blocks: @Sendable (PageContext) async throws -> [Block]
}

/// A column of a list.
struct Column: Sendable {
  let title: String
  /// The API's key to sort by; nil: it cannot.
  let sort: String?
  let cell: @Sendable (Row) -> Cell
  init(_ title: String, sort: String? = nil, _ cell: @escaping @Sendable (Row) -> Cell) {
    (self.title, self.sort, self.cell) = (title, sort, cell)
  }
  /// A member as text.
  static func text(_ title: String, _ key: String, sort: String? = nil) -> Column {
    Column(title, sort: sort) { .text($0.json.text(key)) }
  }
}

/// A field to filter a list by; `options` empty: any text.
struct Filter: Sendable {
  let name: String
  let label: String
  var options: [String] = []
}

/// A resource in a list.
struct Row: Sendable {
  let json: JSONValue
  let panel: Panel
  let names: Names
  let session: Session

  var id: String { panel.key(json) }
  var title: String { panel.title(of: json) }
  var link: Cell { panel.hasPage ? Cell(title, href: panel.address(of: id)) : Cell(title, isStrong: true) }
}

/// Resources by id, for the names of what others refer to.
struct Names: Sendable {
  var lists: [String: [String: JSONValue]] = [:]
  /// What was known of the id; an id without a name is shown as it is.
  func name(_ list: String, _ id: String) -> String {
    guard let name = lists[list]?[id]?.text("name"), !name.isEmpty else { return id }
    return name
  }
  subscript(list: String, id: String) -> JSONValue? { lists[list]?[id] }
  func all(_ list: String) -> [JSONValue] { lists[list].map { Array($0.values) } ?? [] }
}

/// A piece of a page: text, perhaps with a link, a tone, or several lines.
struct Cell: Sendable {
  var text: String
  var href: String?
  /// `good`, `busy`, `bad`, `off`: shown as a mark beside the text.
  var tone: String?
  var isCode = false
  var isStrong = false
  var isTime = false
  var lines: [Cell] = []

  init(_ text: String, href: String? = nil, tone: String? = nil, isCode: Bool = false, isStrong: Bool = false) {
    (self.text, self.href, self.tone) = (text, href, tone)
    (self.isCode, self.isStrong) = (isCode, isStrong)
  }
  static func text(_ text: String) -> Cell { Cell(text) }
  static func code(_ text: String) -> Cell { Cell(text, isCode: true) }
  static func time(_ text: String) -> Cell {
    var cell = Cell(text)
    cell.isTime = !text.isEmpty
    return cell
  }
  static func lines(_ lines: [Cell]) -> Cell {
    var cell = Cell("")
    cell.lines = lines
    return cell
  }
  static func status(_ status: String) -> Cell { Cell(status, tone: Self.tone(status)) }
  static func flag(_ value: JSONValue?) -> Cell { Cell(value?.bool == true ? "Yes" : "No") }

  private static func tone(_ status: String) -> String {
    switch status.uppercased() {
    case "ACTIVE", "AVAILABLE", "IN-USE", "UP", "ENABLED", "SUCCESS", "COMPLETED", "ACCEPTED": "good"
    case "ERROR", "DOWN", "KILLED", "FAILED", "CRITICAL", "ERROR_DELETING": "bad"
    case "SHUTOFF", "PAUSED", "SUSPENDED", "DISABLED", "DEACTIVATED", "DELETED", "QUEUED": "off"
    default: "busy"
    }
  }
}

/// Everything that the page of one resource, or an action on it, needs.
struct PageContext: Sendable {
  let visit: Visit
  let panel: Panel
  let id: String
  /// The resource; null for actions of the whole list.
  let json: JSONValue

  var client: APIClient { visit.client }
  var session: Session { visit.session }
  func t(_ text: String) -> String { visit.t(text) }
}

/// A part of the page of one resource.
struct Block: Sendable {
  let title: String
  var facts: [(String, Cell)] = []
  var headings: [String] = []
  var rows: [BlockRow] = []
  /// Text in a fixed-width box that follows its end.
  var log: String?
  /// A message with a tone.
  var note: Cell?
  var links: [(String, String)] = []
  /// The address of a page that is shown inside.
  var frame: String?
  var empty = ""

  init(_ title: String) { self.title = title }
  static func facts(_ title: String, _ facts: [(String, Cell)]) -> Block {
    var block = Block(title)
    block.facts = facts
    return block
  }
  static func table(_ title: String, _ headings: [String], _ rows: [BlockRow], empty: String) -> Block {
    var block = Block(title)
    (block.headings, block.rows, block.empty) = (headings, rows, empty)
    return block
  }
}

/// A row of a table on a resource's page; `action` is a link to a form, such as the removal of a rule.
struct BlockRow: Sendable {
  let cells: [Cell]
  var action: (title: String, href: String)?
  init(_ cells: [Cell], action: (title: String, href: String)? = nil) { (self.cells, self.action) = (cells, action) }
}
