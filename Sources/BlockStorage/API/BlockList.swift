import API
import Kit
import Store

/// A list of Block Storage: filters, comparisons, sorting and paging as its API spells them (API reference, Filtering).
struct BlockList: Sendable {
  let spec: ListSpec
  /// Further query items of the list, beside paging and `all_tenants`.
  let others: Set<String>
  private static let paging: Set<String> = [
    "limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count", "project_id",
  ]

  init(_ table: Table, _ columns: [ListColumn], others: Set<String> = [], newestFirst: Bool = true) {
    self.others = others
    var style = ListStyle.blockStorage
    style.badMarker = 404
    spec = ListSpec(
      table: table.name, columns: columns,
      defaultSort: newestFirst ? [("created_at", false), ("id", false)] : [("created_at", true), ("id", true)],
      style: style)
  }

  struct Page {
    let rows: [Row]
    let links: JSONValue?
    let count: Int?
  }

  /// Every project's rows for an administrator who asks for them, else the caller's own.
  static func scope(_ call: Call) throws -> [SQL] {
    let auth = try call.auth
    if auth.isAdmin, try allTenants(call) {
      return call.query["project_id"].map { ["project_id = \($0)"] } ?? []
    }
    return ["project_id = \(auth.projectID)"]
  }
  static func allTenants(_ call: Call) throws -> Bool {
    guard let text = call.query["all_tenants"] else { return false }
    if text.isEmpty { return true }
    guard let flag = Schema.boolean(.string(text)) else {
      throw Fault.badRequest("all_tenants is '\(text.prefix(40))': it must be a boolean.")
    }
    return flag
  }

  func page(_ call: Call, scope: [SQL], tx: any Transaction) throws -> Page {
    let query = try normalized(call)
    var request = try spec.request(query)
    if let text = query["offset"] {
      guard let offset = Int(text), (0...Int(Int32.max)).contains(offset), text.first != "+" else {
        throw Fault.badRequest("offset is '\(text.prefix(40))': it must be an integer of 0 or more.")
      }
      request.offset = offset
    }
    request.conditions += try likeConditions(call)
    let page = try spec.page(request, conditions: scope, tx: tx)
    let wantsCount = call.since(3, 45) && Input.flag(.string(call.query["with_count"] ?? ""))
    var count: Int?
    if wantsCount {
      var sql: SQL = "SELECT COUNT(*) FROM \(raw: spec.table)"
      let all = scope + request.conditions
      if !all.isEmpty { sql = "\(sql) WHERE \(SQL.join(all.map { "(\($0))" }, " AND "))" }
      count = try tx.count(sql)
    }
    // As upstream: a full page names a next one, which may be empty.
    let isFull = !page.rows.isEmpty && page.rows.count >= request.limit ?? Int.max
    return Page(
      rows: page.rows,
      links: PageLinks.make(call, first: page.rows.first?.id, last: page.rows.last?.id, hasNext: isFull),
      count: count)
  }

  /// `{key: […], key_links: […], count: n}`
  func reply(_ call: Call, _ key: String, links: String? = nil, _ page: Page, _ items: [JSONValue]) -> JSONValue {
    var object: JSONObject = [key: .array(items)]
    if let found = page.links { object[links ?? key + "_links"] = found }
    if let count = page.count { object["count"] = .int(count) }
    return .object(object)
  }

  /// Cinder sorts descending where no direction is named; filters that it does not know are refused from 3.31 on.
  private func normalized(_ call: Call) throws -> Query {
    var items: [(String, String)] = []
    let directions = call.query.all("sort_dir")
    let keys = call.query.all("sort_key").flatMap { $0.split(separator: ",").map(String.init) }
    for item in call.query.items where item.name != "sort_key" && item.name != "sort_dir" {
      let name = item.name == "display_name" ? "name" : item.name
      let column = spec.columns.first { $0.name == name }
      if let column, column.kind == .timestamp { continue }
      let base = name.hasSuffix("~") ? String(name.dropLast()) : name
      let isKnown =
        Self.paging.contains(name) || others.contains(name) || spec.columns.contains { $0.name == base && $0.canFilter }
      if !isKnown, call.since(3, 31), !(try call.auth).isAdmin {
        throw Fault.badRequest("Invalid filters \(name.prefix(80)) are found in query options.")
      }
      items.append((name, item.value))
    }
    if !keys.isEmpty, call.query["sort"] == nil {
      let pairs = keys.enumerated().map { index, key in
        key + ":" + (index < directions.count ? directions[index] : directions.last ?? "desc")
      }
      items.append(("sort", pairs.joined(separator: ",")))
    }
    return Query(items.map { $0.0 == "sort" ? ("sort", $0.1.replacing("display_name", with: "name")) : $0 })
  }

  /// `name~=part` (3.34), `created_at=gt:time` (3.60) and `metadata={'key': 'value'}`.
  private func likeConditions(_ call: Call) throws -> [SQL] {
    var conditions: [SQL] = []
    for item in call.query.items {
      if item.name.hasSuffix("~"), call.since(3, 34),
        let column = spec.columns.first(where: { $0.name == item.name.dropLast() })
      {
        conditions.append("INSTR(\(raw: column.column), \(item.value)) > 0")
      } else if let column = spec.columns.first(where: { $0.name == item.name }), column.kind == .timestamp {
        conditions += try Self.comparisons(column, item.value, isKnown: call.since(3, 60))
      } else if item.name == "metadata" || item.name == "glance_metadata", others.contains(item.name) {
        let column = item.name == "metadata" ? "metadata" : "image_metadata"
        for (key, value) in try Self.dictionary(item.value) {
          let pair = String(JSONValue.texts([key: value]).text.dropFirst().dropLast())
          conditions.append("INSTR(\(raw: column), \(pair)) > 0")
        }
      }
    }
    return conditions
  }

  private static func comparisons(_ column: ListColumn, _ text: String, isKnown: Bool) throws -> [SQL] {
    let signs = ["gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "<>"]
    return try text.split(separator: ",").map { part in
      let pieces = part.split(separator: ":", maxSplits: 1).map(String.init)
      let sign = pieces.count == 2 ? signs[pieces[0]] : nil
      guard let time = Timestamp(sign == nil ? String(part) : pieces[1]), sign == nil || isKnown else {
        throw Fault.badRequest("Invalid filter \(column.name)=\(text.prefix(60)): it must be [operator:]time.")
      }
      return "\(raw: column.column) \(raw: sign ?? "=") \(time)"
    }
  }

  /// A dictionary as JSON or as Python writes it: `{'key': 'value'}`.
  static func dictionary(_ text: String) throws -> [String: String] {
    let parsed = (try? JSONParser.parse(text)) ?? (try? JSONParser.parse(text.replacing("'", with: "\"")))
    guard let object = parsed?.object else {
      throw Fault.badRequest("The filter '\(text.prefix(80))' is no dictionary.")
    }
    return Input.metadata(.object(object))
  }
}
