/// A JSON value (RFC 8259). Objects keep the order of their keys; integers keep 64 bits.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object(JSONObject)
}

/// The members of a JSON object, in the order in which they were set. Looking up is linear: objects of an API are small.
public struct JSONObject: Sendable {
  public private(set) var members: [(key: String, value: JSONValue)] = []

  public init() {}
  public init(_ members: [(String, JSONValue)]) { self.members = members.map { (key: $0.0, value: $0.1) } }

  /// For the parser: the last of several equal keys wins, as in every common JSON library.
  init(deduplicating members: [(key: String, value: JSONValue)]) {
    if members.count < 24 {
      for member in members { self[member.key] = member.value }
      return
    }
    var index: [String: Int] = [:]
    for member in members {
      if let at = index[member.key] {
        self.members[at].value = member.value
      } else {
        index[member.key] = self.members.count
        self.members.append(member)
      }
    }
  }

  /// An empty object with room for `capacity` members.
  public init(capacity: Int) { members.reserveCapacity(capacity) }

  public subscript(key: String) -> JSONValue? {
    get { members.first { $0.key == key }?.value }
    set {
      let at = members.firstIndex { $0.key == key }
      switch (at, newValue) {
      case (let at?, let value?): members[at].value = value
      case (let at?, nil): members.remove(at: at)
      case (nil, let value?): members.append((key, value))
      case (nil, nil): break
      }
    }
  }
  public var keys: [String] { members.map(\.key) }
  public var count: Int { members.count }
  public var isEmpty: Bool { members.isEmpty }

  /// Adds a member without looking for an equal key: for views that know their keys are distinct.
  public mutating func append(_ key: String, _ value: JSONValue) { members.append((key, value)) }

  /// The members of `other` replace or follow those of this object.
  public mutating func merge(_ other: JSONObject) { for member in other.members { self[member.key] = member.value } }
}

extension JSONObject: Equatable {
  /// Objects are equal when they hold the same members, in any order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
  }
}
extension JSONObject: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}
extension JSONObject: Sequence {
  public func makeIterator() -> IndexingIterator<[(key: String, value: JSONValue)]> { members.makeIterator() }
}

extension JSONValue {
  public var isNull: Bool { if case .null = self { true } else { false } }
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
  public var object: JSONObject? { if case .object(let value) = self { value } else { nil } }
  /// The integer, also when it was written as a double without a fraction.
  public var int: Int? {
    switch self {
    case .int(let value): value
    case .double(let value): Int(exactly: value)
    default: nil
    }
  }
  public var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
  /// The member of an object, or nil for a missing key and for every other kind of value.
  public subscript(key: String) -> JSONValue? { object?[key] }
  public subscript(index: Int) -> JSONValue? { array.flatMap { $0.indices.contains(index) ? $0[index] : nil } }
  /// The JSON name of this value's type, for messages.
  public var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .int: "integer"
    case .double: "number"
    case .string: "string"
    case .array: "array"
    case .object: "object"
    }
  }

  /// Whether a key or text anywhere in it holds U+0000.
  public var holdsNUL: Bool {
    switch self {
    case .string(let text): text.utf8.contains(0)
    case .array(let values): values.contains { $0.holdsNUL }
    case .object(let object): object.contains { $0.key.utf8.contains(0) || $0.value.holdsNUL }
    default: false
    }
  }

  /// `nil` becomes JSON null.
  public static func optional(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
  public static func optional(_ value: Int?) -> JSONValue { value.map { .int($0) } ?? .null }
  public static func strings(_ values: some Sequence<String>) -> JSONValue { .array(values.map { .string($0) }) }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
  public init(nilLiteral: ()) { self = .null }
}
