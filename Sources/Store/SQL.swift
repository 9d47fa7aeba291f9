import Kit

/// A value of a column or a parameter.
public enum SQLValue: Sendable, Hashable {
  case null
  case int(Int)
  case double(Double)
  case text(String)
  case blob([UInt8])
}

/// What can stand as a parameter in `SQL`.
public protocol SQLConvertible {
  var sqlValue: SQLValue { get }
}
extension SQLValue: SQLConvertible { public var sqlValue: SQLValue { self } }
extension String: SQLConvertible { public var sqlValue: SQLValue { .text(self) } }
extension Substring: SQLConvertible { public var sqlValue: SQLValue { .text(String(self)) } }
extension Int: SQLConvertible { public var sqlValue: SQLValue { .int(self) } }
extension Double: SQLConvertible { public var sqlValue: SQLValue { .double(self) } }
extension Bool: SQLConvertible { public var sqlValue: SQLValue { .int(self ? 1 : 0) } }
extension Timestamp: SQLConvertible { public var sqlValue: SQLValue { .int(microseconds) } }
extension ID: SQLConvertible { public var sqlValue: SQLValue { .text(text) } }
extension JSONValue: SQLConvertible { public var sqlValue: SQLValue { .text(text) } }
extension Array: SQLConvertible where Element == UInt8 { public var sqlValue: SQLValue { .blob(self) } }
extension Optional: SQLConvertible where Wrapped: SQLConvertible {
  public var sqlValue: SQLValue { self?.sqlValue ?? .null }
}

/// A statement with its parameters. Interpolated values become parameters, never text, so a hostile value stays a value:
/// `"SELECT * FROM server WHERE id = \(id)"`. Names of tables and columns of our own go in with `\(raw:)`.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
  public var text: String
  public var parameters: [SQLValue]

  public init(stringLiteral value: String) { (text, parameters) = (value, []) }
  public init(stringInterpolation: Interpolation) {
    (text, parameters) = (stringInterpolation.text, stringInterpolation.parameters)
  }

  public struct Interpolation: StringInterpolationProtocol, Sendable {
    var text = ""
    var parameters: [SQLValue] = []
    public init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity + interpolationCount)
    }
    public mutating func appendLiteral(_ literal: String) { text += literal }
    /// A parameter.
    public mutating func appendInterpolation(_ value: some SQLConvertible) {
      text += "?"
      parameters.append(value.sqlValue)
    }
    /// A parameter that may be NULL.
    public mutating func appendInterpolation<Value: SQLConvertible>(_ value: Value?) {
      text += "?"
      parameters.append(value?.sqlValue ?? .null)
    }
    /// Another piece of SQL with its parameters.
    public mutating func appendInterpolation(_ sql: SQL) {
      text += sql.text
      parameters += sql.parameters
    }
    /// A name from our own code (table, column, order): never a value from outside.
    public mutating func appendInterpolation(raw name: String) { text += name }
    /// A list of parameters for `IN`: `"id IN \(list: ids)"`. An empty list matches nothing.
    public mutating func appendInterpolation(list values: some Collection<some SQLConvertible>) {
      text += SQL.placeholders(values.count)
      parameters += values.map(\.sqlValue)
    }
    /// The same for ids, of which a list of a page has a thousand.
    public mutating func appendInterpolation(list values: [String]) {
      text += SQL.placeholders(values.count)
      parameters.reserveCapacity(parameters.count + values.count)
      for value in values { parameters.append(.text(value)) }
    }
  }

  private static func placeholders(_ count: Int) -> String {
    count == 0 ? "(NULL)" : "(" + String(repeating: "?, ", count: count - 1) + "?)"
  }

  public static func + (left: SQL, right: SQL) -> SQL { "\(left)\(right)" }

  /// Joins pieces: `SQL.join(conditions, " AND ")`.
  public static func join(_ pieces: [SQL], _ separator: String) -> SQL {
    var result: SQL = ""
    for (index, piece) in pieces.enumerated() {
      result.text += (index > 0 ? separator : "") + piece.text
      result.parameters += piece.parameters
    }
    return result
  }

  /// `INSERT INTO table (columns) VALUES (values)`. Table and columns are names of our own code.
  public static func insert(into table: String, _ values: KeyValuePairs<String, any SQLConvertible>) -> SQL {
    insert(into: table, values.map { ($0.key, $0.value.sqlValue) })
  }
  public static func insert(into table: String, _ values: [(String, SQLValue)]) -> SQL {
    var sql: SQL = "INSERT INTO \(raw: table) (\(raw: values.map(\.0).joined(separator: ", "))) VALUES "
    sql.text += "(" + Array(repeating: "?", count: values.count).joined(separator: ", ") + ")"
    sql.parameters = values.map(\.1)
    return sql
  }
  /// `UPDATE table SET column = value, …` without a WHERE clause: append it.
  public static func update(_ table: String, _ values: [(String, SQLValue)]) -> SQL {
    var sql: SQL = "UPDATE \(raw: table) SET \(raw: values.map { $0.0 + " = ?" }.joined(separator: ", "))"
    sql.parameters = values.map(\.1)
    return sql
  }
}

/// A row of a result.
public struct Row: Sendable {
  /// Column names and their positions, shared by the rows of a result.
  public final class Columns: Sendable {
    let names: [String]
    /// Open addressing by a hash of our own: a Dictionary's, made for hostile keys, costs more than reading the value.
    private let buckets: [Int16]

    public init(_ names: [String]) {
      self.names = names
      var size = 8
      while size < names.count * 3 { size *= 2 }
      var buckets = [Int16](repeating: -1, count: size)
      // Of equal names the last one counts.
      for (position, name) in names.enumerated() {
        var at = Self.hash(name) & (size - 1)
        while buckets[at] >= 0, names[Int(buckets[at])] != name { at = (at + 1) & (size - 1) }
        buckets[at] = Int16(position)
      }
      self.buckets = buckets
    }

    public var count: Int { names.count }

    func position(_ name: String) -> Int? {
      var at = Self.hash(name) & (buckets.count - 1)
      while buckets[at] >= 0 {
        if names[Int(buckets[at])] == name { return Int(buckets[at]) }
        at = (at + 1) & (buckets.count - 1)
      }
      return nil
    }

    /// Of its length and of bytes at its beginning, middle and end: enough to tell a table's columns apart.
    private static func hash(_ name: String) -> Int {
      var name = name
      return name.withUTF8 { bytes in
        guard let first = bytes.first, let last = bytes.last else { return 0 }
        let middle = bytes[bytes.count / 2]
        let hash = ((Int(first) &* 31 &+ Int(middle)) &* 31 &+ Int(last)) &* 31 &+ bytes.count
        return hash ^ (hash >> 7)
      }
    }
  }
  let columns: Columns
  let values: [SQLValue]

  /// Every column with its name, in the statement's order.
  public var members: [(String, SQLValue)] { zip(columns.names, values).map { ($0, $1) } }

  /// For engines: a value for each column.
  public init(columns: Columns, values: [SQLValue]) { (self.columns, self.values) = (columns, values) }

  public subscript(column: String) -> SQLValue { columns.position(column).map { values[$0] } ?? .null }
  public subscript(position: Int) -> SQLValue { values[position] }

  /// The text in a column; an absent or NULL one is empty.
  public func text(_ column: String) -> String { optionalText(column) ?? "" }
  public func optionalText(_ column: String) -> String? {
    switch self[column] {
    case .text(let value): value
    case .int(let value): String(value)
    default: nil
    }
  }
  public func int(_ column: String) -> Int { optionalInt(column) ?? 0 }
  public func optionalInt(_ column: String) -> Int? {
    switch self[column] {
    case .int(let value): value
    case .double(let value): Int(value)
    default: nil
    }
  }
  public func double(_ column: String) -> Double {
    switch self[column] {
    case .int(let value): Double(value)
    case .double(let value): value
    default: 0
    }
  }
  public func bool(_ column: String) -> Bool { int(column) != 0 }
  public func blob(_ column: String) -> [UInt8] { if case .blob(let value) = self[column] { value } else { [] } }
  public func timestamp(_ column: String) -> Timestamp { Timestamp(microseconds: int(column)) }
  public func optionalTimestamp(_ column: String) -> Timestamp? {
    optionalInt(column).map { Timestamp(microseconds: $0) }
  }
  /// The same for rows of many: texts that several of them share are read once. `memo` is the caller's, for one list.
  public func json(_ column: String, memo: inout [String: JSONValue]) -> JSONValue {
    guard let text = optionalText(column) else { return .null }
    if let known = memo[text] { return known }
    let value = json(column)
    memo[text] = value
    return value
  }
  /// A column that holds JSON text; NULL and unreadable text are JSON null.
  public func json(_ column: String) -> JSONValue {
    guard let text = optionalText(column) else { return .null }
    // Most of these columns hold nothing most of the time.
    if text == "{}" { return [:] }
    if text == "[]" { return [] }
    return (try? JSONParser.parse(text)) ?? .null
  }
}
