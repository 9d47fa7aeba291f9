import Kit
import Store

/// A column that a list can be filtered or sorted by.
public struct ListColumn: Sendable {
  public enum Kind: Sendable { case text, int, bool, timestamp, json }
  /// The name in the query string.
  public let name: String
  /// The column, or an SQL expression of our own code.
  public let column: String
  public let kind: Kind
  public let canFilter: Bool
  public let canSort: Bool

  public init(_ name: String, _ column: String? = nil, _ kind: Kind = .text, filter: Bool = true, sort: Bool = true) {
    (self.name, self.column, self.kind) = (name, column ?? name.replacing(":", with: "_"), kind)
    (canFilter, canSort) = (filter, sort)
  }
}

/// How a service spells the query of a list (errors-and-conventions §3).
public struct ListStyle: Sendable {
  /// Rows on a page when the client names no limit; nil: all.
  public var limitDefault: Int?
  /// Rows on a page at most; a larger limit is cut to it. nil: no cut.
  public var limitMax: Int?
  /// Whether `sort=key:dir,key:dir` is understood beside repeated `sort_key` and `sort_dir`.
  public var hasCombinedSort: Bool
  public var limitZeroMeansAll: Bool
  /// Status for a marker that does not exist.
  public var badMarker: Int

  public init(
    limitDefault: Int? = nil, limitMax: Int? = nil, hasCombinedSort: Bool = false, limitZeroMeansAll: Bool = false,
    badMarker: Int = 400
  ) {
    (self.limitDefault, self.limitMax) = (limitDefault, limitMax)
    (self.hasCombinedSort, self.limitZeroMeansAll, self.badMarker) = (hasCombinedSort, limitZeroMeansAll, badMarker)
  }
  public static let compute = ListStyle(limitDefault: Limits.pageMax, limitMax: Limits.pageMax)
  public static let network = ListStyle(limitZeroMeansAll: true)
  public static let image = ListStyle(limitDefault: 25, limitMax: Limits.pageMax, hasCombinedSort: true)
  public static let identity = ListStyle()
  public static let blockStorage = ListStyle(
    limitDefault: Limits.pageMax, limitMax: Limits.pageMax, hasCombinedSort: true)
}

/// What a client asks of a list.
public struct ListRequest: Sendable {
  public var limit: Int?
  public var marker: String?
  /// Network's page_reverse: the page before the marker.
  public var isReversed = false
  /// Rows that are skipped behind the marker, for services whose API has `offset`.
  public var offset = 0
  public var sort: [(column: ListColumn, isAscending: Bool)] = []
  public var conditions: [SQL] = []
}

/// A page of rows, in the asked order.
public struct ListPage: Sendable {
  public let rows: [Row]
  public let hasNext: Bool
  public let hasPrevious: Bool
}

/// A list of one table: what it can be filtered and sorted by, and its paging by key (never by offset).
public struct ListSpec: Sendable {
  public let table: String
  /// The column that markers name; unique.
  public let idColumn: String
  public let columns: [ListColumn]
  public let defaultSort: [(name: String, isAscending: Bool)]
  public let style: ListStyle

  public init(
    table: String, idColumn: String = "id", columns: [ListColumn], defaultSort: [(String, Bool)] = [("id", true)],
    style: ListStyle
  ) {
    (self.table, self.idColumn, self.columns, self.style) = (table, idColumn, columns, style)
    self.defaultSort = defaultSort.map { (name: $0.0, isAscending: $0.1) }
  }

  func column(_ name: String) -> ListColumn? { columns.first { $0.name == name } }

  /// Reads limit, marker, sort and the filters that the columns declare; other query items are the caller's.
  /// Throws 400 faults that name the bad item.
  public func request(_ query: Query) throws -> ListRequest {
    var request = ListRequest()
    request.limit = try limit(query)
    request.marker = query["marker"].flatMap { $0.isEmpty ? nil : $0 }
    request.isReversed = query["page_reverse"].flatMap { Schema.boolean(.string($0)) } ?? false
    request.sort = try sort(query)
    for column in columns where column.canFilter && query.contains(column.name) {
      request.conditions.append(try Self.condition(column, query.all(column.name)))
    }
    return request
  }

  private func limit(_ query: Query) throws -> Int? {
    guard let text = query["limit"] else { return style.limitDefault }
    guard let limit = Int(text), limit >= 0, text.first != "+" else {
      throw Fault.badRequest(
        "Invalid input for query parameters limit. Value: \(text.prefix(40)). It must be an integer of 0 or more.")
    }
    if limit == 0, style.limitZeroMeansAll { return nil }
    return min(limit, style.limitMax ?? limit)
  }

  private func sort(_ query: Query) throws -> [(column: ListColumn, isAscending: Bool)] {
    var wanted: [(String, String)] = []
    if style.hasCombinedSort, let combined = query["sort"] {
      for entry in combined.split(separator: ",") {
        let parts = entry.split(separator: ":", maxSplits: 1)
        wanted.append((String(parts[0]), parts.count > 1 ? String(parts[1]) : "desc"))
      }
    } else {
      let directions = query.all("sort_dir")
      for (index, key) in query.all("sort_key").enumerated() {
        wanted.append((key, index < directions.count ? directions[index] : "asc"))
      }
    }
    if wanted.isEmpty {
      return defaultSort.compactMap { entry in column(entry.name).map { (column: $0, isAscending: entry.isAscending) } }
    }
    return try wanted.map { key, direction in
      guard let column = column(key), column.canSort else {
        throw Fault.badRequest("Cannot sort by '\(key.prefix(80))': it is no sort key of this list.")
      }
      guard direction == "asc" || direction == "desc" else {
        throw Fault.badRequest("Unknown sort direction '\(direction.prefix(40))': it must be asc or desc.")
      }
      return (column: column, isAscending: direction == "asc")
    }
  }

  /// `column IN (values)` with the values read as the column's type. A value that cannot be of that type matches nothing,
  /// except for booleans, where it is a 400 fault.
  public static func condition(_ column: ListColumn, _ values: [String]) throws -> SQL {
    let parameters: [SQLValue] = try values.compactMap { value in
      switch column.kind {
      case .text, .json: return .text(value)
      case .int: return Int(value).map { .int($0) }
      case .timestamp: return Timestamp(value).map { .int($0.microseconds) }
      case .bool:
        guard let flag = Schema.boolean(.string(value)) else {
          throw Fault.badRequest("Invalid input for \(column.name). Value: \(value.prefix(40)). It must be a boolean.")
        }
        return .int(flag ? 1 : 0)
      }
    }
    return "\(raw: column.column) IN \(list: parameters)"
  }

  /// Runs the list. `conditions` scope it (project, visibility); `select` names what is fetched, default all columns.
  public func page(
    _ request: ListRequest, conditions: [SQL] = [], select: SQL = "*", tx: any Transaction
  ) throws -> ListPage {
    let scope = conditions + request.conditions
    var keys = request.sort.map { (expression: Self.key($0.column), isAscending: $0.isAscending) }
    if !request.sort.contains(where: { $0.column.column == idColumn }) {
      keys.append((expression: idColumn, isAscending: keys.last?.isAscending ?? true))
    }
    var all = scope
    if let marker = request.marker {
      all.append(try after(marker, keys: keys, isReversed: request.isReversed, conditions: conditions, tx: tx))
    }
    let order = keys.map { $0.expression + ($0.isAscending != request.isReversed ? " ASC" : " DESC") }
    var sql: SQL = "SELECT \(select) FROM \(raw: table)"
    if !all.isEmpty { sql = "\(sql) WHERE \(SQL.join(all.map { "(\($0))" }, " AND "))" }
    sql = "\(sql) ORDER BY \(raw: order.joined(separator: ", "))"
    guard let limit = request.limit ?? (request.offset > 0 ? Int(Int32.max) : nil) else {
      return ListPage(rows: try tx.query(sql), hasNext: false, hasPrevious: request.marker != nil)
    }
    var rows = try tx.query("\(sql) LIMIT \(limit + 1) OFFSET \(request.offset)")
    let hasMore = rows.count > limit
    if hasMore { rows.removeLast() }
    return request.isReversed
      ? ListPage(rows: rows.reversed(), hasNext: request.marker != nil, hasPrevious: hasMore)
      : ListPage(rows: rows, hasNext: hasMore, hasPrevious: request.marker != nil)
  }

  /// NULLs sort as the smallest value, the same on every engine.
  private static func key(_ column: ListColumn) -> String {
    switch column.kind {
    case .text, .json: "COALESCE(\(column.column), '')"
    case .int, .bool, .timestamp: "COALESCE(\(column.column), -1)"
    }
  }

  /// The rows behind the marker in the order of `keys`.
  private func after(
    _ marker: String, keys: [(expression: String, isAscending: Bool)], isReversed: Bool, conditions: [SQL],
    tx: any Transaction
  ) throws -> SQL {
    let names = keys.enumerated().map { "\($0.element.expression) AS k\($0.offset)" }.joined(separator: ", ")
    let scope = SQL.join((conditions + ["\(raw: idColumn) = \(marker)"]).map { "(\($0))" }, " AND ")
    guard let row = try tx.first("SELECT \(raw: names) FROM \(raw: table) WHERE \(scope)") else {
      throw Fault(style.badMarker, "The marker '\(marker.prefix(64))' could not be found.")
    }
    var alternatives: [SQL] = []
    for index in keys.indices {
      var parts: [SQL] = (0..<index).map { "\(raw: keys[$0].expression) = \(row[$0])" }
      let sign = keys[index].isAscending != isReversed ? ">" : "<"
      parts.append("\(raw: keys[index].expression) \(raw: sign) \(row[index])")
      alternatives.append("(\(SQL.join(parts, " AND ")))")
    }
    return SQL.join(alternatives, " OR ")
  }
}

/// Links to the neighbouring pages.
public enum PageLinks {
  /// `[{"rel": "next", "href": …}]`, also `previous` where `hasPrevious` asks for it; nil when there is none.
  public static func make(_ call: Call, first: String?, last: String?, hasNext: Bool, hasPrevious: Bool = false)
    -> JSONValue?
  {
    var links: [JSONValue] = []
    if hasNext, let last { links.append(["rel": "next", "href": .string(href(call, marker: last))]) }
    // Behind the last page: the way back begins at the end.
    if hasPrevious { links.append(["rel": "previous", "href": .string(href(call, marker: first, isReversed: true))]) }
    return links.isEmpty ? nil : .array(links)
  }

  /// This request's address with another marker. `isRelative`: without host, as Image writes it.
  public static func href(_ call: Call, marker: String?, isReversed: Bool = false, isRelative: Bool = false) -> String {
    let rest = call.query.text(without: ["marker", "page_reverse"])
    let path = (isRelative ? "" : call.baseURL) + call.http.path
    let own = [
      rest.isEmpty ? nil : rest, marker.map { "marker=" + Percent.encode($0) }, isReversed ? "page_reverse=True" : nil,
    ]
    return path + "?" + own.compactMap { $0 }.joined(separator: "&")
  }
}
