import Kit
import Store

/// A field of a declared resource: what it is, who may set and see it, and the column that keeps it.
public struct Field: Sendable {
  public enum Kind: Sendable {
    /// Length in characters.
    case text(ClosedRange<Int>)
    case uuid
    case bool
    case int(ClosedRange<Int>)
    case oneOf([String])
    case ipAddress
    case cidr
    case mac
    case timestamp(@Sendable (Timestamp) -> String)
    /// A list or object, kept as JSON text and checked by a schema.
    case json(Schema)
    /// A scalar that the service checks and brings to its canonical form itself; a fault it throws is the answer.
    case custom(@Sendable (JSONValue) throws(Fault) -> JSONValue)
  }
  public enum Presence: Sendable { case forbidden, optional, required }

  public let name: String
  /// The column; nil: kept nowhere, hooks read and show it.
  public let column: String?
  public let kind: Kind
  public var isNullable: Bool
  public var create: Presence
  public var canUpdate: Bool
  /// What a create without it stores; nil is NULL.
  public var initial: JSONValue
  public var canFilter: Bool
  public var canSort: Bool
  /// Who sees it; nil: everyone who sees the resource.
  public var readRule: Rule?
  /// Who may set it; nil: everyone who may create or update the resource.
  public var writeRule: Rule?
  /// A second name in requests and responses (`tenant_id` of `project_id`).
  public var alias: String?
  /// Kept and used, never shown.
  public var isHidden: Bool

  public init(
    _ name: String, _ kind: Kind, column: String? = nil, isStored: Bool = true, nullable: Bool = false,
    create: Presence = .optional, update: Bool = true, initial: JSONValue = .null, filter: Bool = true,
    sort: Bool = true,
    read: Rule? = nil, write: Rule? = nil, alias: String? = nil, hidden: Bool = false
  ) {
    self.name = name
    self.kind = kind
    self.column = isStored ? (column ?? String(name.map { $0 == ":" || $0 == "-" ? "_" : $0 })) : nil
    (isNullable, self.create, canUpdate, self.initial) = (nullable, create, update, initial)
    (canFilter, canSort, readRule, writeRule) = (filter && isStored, sort && isStored, read, write)
    (self.alias, isHidden) = (alias, hidden)
  }

  /// Why a value does not fit, or nil. A good value may come back in canonical form.
  func check(_ value: JSONValue) -> Result<JSONValue, Reason> {
    if value.isNull, isNullable { return .success(value) }
    if value.isNull, case .custom = kind {} else if value.isNull { return .failure(Reason("'None' is not allowed")) }
    func fail(_ text: String) -> Result<JSONValue, Reason> { .failure(Reason("'\(Self.shown(value))' \(text)")) }
    switch kind {
    case .text(let range):
      guard let text = value.string else { return fail("is not a valid string") }
      if text.count > range.upperBound { return fail("exceeds maximum length of \(range.upperBound)") }
      if text.count < range.lowerBound { return fail("is shorter than \(range.lowerBound) characters") }
      return text.unicodeScalars.contains("\0") ? fail("holds a NUL character") : .success(value)
    case .uuid:
      guard let text = value.string, !text.isEmpty, text.count <= 64, UUIDText.canonical(text) != nil else {
        return fail("is not a valid UUID")
      }
      return .success(value)
    case .bool:
      guard let flag = Schema.boolean(value) else { return fail("cannot be converted to boolean") }
      return .success(.bool(flag))
    case .int(let range):
      guard let number = Schema.integer(value) else { return fail("is not an integer") }
      guard range.contains(number) else {
        return fail("is not in the range \(range.lowerBound) to \(range.upperBound)")
      }
      return .success(.int(number))
    case .oneOf(let values):
      guard let text = value.string, values.contains(text) else {
        return fail("is not in [\(values.map { "'\($0)'" }.joined(separator: ", "))]")
      }
      return .success(value)
    case .ipAddress:
      guard let address = value.string.flatMap({ IPAddress($0) }) else { return fail("is not a valid IP address") }
      return .success(.string(address.description))
    case .cidr:
      guard let text = value.string, text.contains("/"), let cidr = CIDR(text) else {
        return fail("is not a valid IP subnet")
      }
      return .success(.string(cidr.description))
    case .mac:
      guard let mac = value.string.flatMap(MACText.canonical) else { return fail("is not a valid MAC address") }
      return .success(.string(mac))
    case .timestamp:
      guard value.string.flatMap({ Timestamp($0) }) != nil else { return fail("is not a valid time") }
      return .success(value)
    case .json(let schema):
      do {
        try schema.check(value, path: name)
        return .success(value)
      } catch { return .failure(Reason(error.message)) }
    case .custom(let convert):
      do { return .success(try convert(value)) } catch { return .failure(Reason(error.message, fault: error)) }
    }
  }

  struct Reason: Error {
    let text: String
    /// The whole answer, where the field's own check knows it.
    let fault: Fault?
    init(_ text: String, fault: Fault? = nil) { (self.text, self.fault) = (text, fault) }
  }
  private static func shown(_ value: JSONValue) -> String { String((value.string ?? value.text).prefix(80)) }

  /// The column's value for a checked JSON value.
  func sqlValue(_ value: JSONValue) -> SQLValue {
    switch (kind, value) {
    case (_, .null): .null
    case (.json, _): .text(value.text)
    case (.timestamp, .string(let text)): Timestamp(text)?.sqlValue ?? .null
    case (_, .string(let text)): .text(text)
    case (_, .int(let number)): .int(number)
    case (_, .bool(let flag)): .int(flag ? 1 : 0)
    case (_, .double(let number)): .double(number)
    default: .text(value.text)
    }
  }

  /// The JSON value of a row's column.
  func json(_ row: Row) -> JSONValue {
    guard let column else { return .null }
    switch (kind, row[column]) {
    case (_, .null): return .null
    case (.bool, .int(let number)): return .bool(number != 0)
    case (.json, _): return row.json(column)
    case (.timestamp(let format), .int(let number)): return .string(format(Timestamp(microseconds: number)))
    case (_, .int(let number)): return .int(number)
    case (_, .double(let number)): return .double(number)
    case (_, .text(let text)): return .string(text)
    case (_, .blob): return .null
    }
  }

  var listColumn: ListColumn? {
    guard let column else { return nil }
    let kind: ListColumn.Kind =
      switch kind {
      case .bool: .bool
      case .int: .int
      case .timestamp: .timestamp
      case .json: .json
      default: .text
      }
    return ListColumn(name, column, kind, filter: canFilter, sort: canSort)
  }
}

/// MAC addresses as text.
public enum MACText {
  /// `fa:16:3e:00:00:01` in lower case from that form or with dashes; nil for anything else.
  public static func canonical(_ text: String) -> String? {
    let parts = text.lowercased().split(whereSeparator: { $0 == ":" || $0 == "-" })
    guard parts.count == 6, text.count == 17,
      parts.allSatisfy({ $0.count == 2 && UInt8($0, radix: 16) != nil && $0.first != "+" })
    else { return nil }
    return parts.joined(separator: ":")
  }
}
