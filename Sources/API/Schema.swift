import Kit

/// What a JSON value must look like. A value that does not fit gives a 400 fault that names where, the value and why.
public indirect enum Schema: Sendable {
  case any
  case null
  case boolean
  /// A boolean, or the texts and numbers that upstream reads as one.
  case looseBoolean
  case integer(ClosedRange<Int>)
  /// An integer, or decimal text of one.
  case looseInteger(ClosedRange<Int>)
  case number
  /// Length in characters; `check` returns why the text does not fit, or nil.
  case string(ClosedRange<Int>, check: (@Sendable (String) -> String?)? = nil)
  case oneOf([String])
  case array(Schema, count: ClosedRange<Int> = 0...10_000, unique: Bool = false)
  case object([Property], additional: Additional = .refused)
  case optional(Schema)
  case either([Schema])

  public enum Additional: Sendable {
    case refused
    case allowed
    /// Every further member must fit, its key too.
    case matching(keys: @Sendable (String) -> String?, Schema, countMax: Int)
  }

  public struct Property: Sendable {
    public let name: String
    public let isRequired: Bool
    public let schema: Schema
  }

  /// A required member of an object.
  public static func required(_ name: String, _ schema: Schema) -> Property {
    Property(name: name, isRequired: true, schema: schema)
  }
  /// A member that may be absent.
  public static func may(_ name: String, _ schema: Schema) -> Property {
    Property(name: name, isRequired: false, schema: schema)
  }

  /// Text without control characters.
  public static func text(_ range: ClosedRange<Int>) -> Schema {
    .string(range) { text in
      text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? "it holds control characters" : nil
    }
  }
  public static let uuid = Schema.string(1...64) { UUIDText.canonical($0) == nil ? "it is not a UUID" : nil }
  public static let name = Schema.text(1...255)
  public static let description = Schema.string(0...65_535)

  /// The texts and numbers that stand for a boolean (oslo's strutils.bool_from_string, strict).
  public static func boolean(_ value: JSONValue) -> Bool? {
    switch value {
    case .bool(let value): value
    case .int(1): true
    case .int(0): false
    case .string(let text):
      switch text.lowercased() {
      case "1", "t", "true", "on", "y", "yes": true
      case "0", "f", "false", "off", "n", "no": false
      default: nil
      }
    default: nil
    }
  }

  /// Throws a 400 fault when `value` does not fit. `path` names it in the message.
  public func check(_ value: JSONValue, path: String = "") throws(Fault) {
    if let reason = mismatch(value) {
      let shown = String(value.text.prefix(200))
      let place = path.isEmpty ? "request body" : path
      throw Fault(400, "Invalid input for field/attribute \(place). Value: \(shown). \(reason)")
    }
    switch (self, value) {
    case (.array(let schema, _, _), .array(let values)):
      for (index, value) in values.enumerated() {
        try schema.check(value, path: path.isEmpty ? "\(index)" : "\(path).\(index)")
      }
    case (.object(let properties, let additional), .object(let object)):
      try checkMembers(object, properties, additional, path: path)
    case (.optional(let schema), _) where !value.isNull: try schema.check(value, path: path)
    case (.either(let schemas), _):
      var first: Fault?
      for schema in schemas {
        do {
          try schema.check(value, path: path)
          return
        } catch { first = first ?? error }
      }
      if let first { throw first }
    default: break
    }
  }

  private func checkMembers(
    _ object: JSONObject, _ properties: [Property], _ additional: Additional, path: String
  ) throws(Fault) {
    func place(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    for property in properties {
      if let value = object[property.name] {
        try property.schema.check(value, path: place(property.name))
      } else if property.isRequired {
        throw Fault(400, "'\(property.name)' is a required property\(path.isEmpty ? "" : " of \(path)")")
      }
    }
    let known = Set(properties.map(\.name))
    var extra = 0
    for member in object where !known.contains(member.key) {
      switch additional {
      case .allowed: break
      case .refused:
        throw Fault(
          400,
          "Additional properties are not allowed ('\(member.key.prefix(80))' was unexpected\(path.isEmpty ? "" : " in \(path)"))"
        )
      case .matching(let keys, let schema, let countMax):
        extra += 1
        if let reason = keys(member.key) {
          throw Fault(400, "Invalid key '\(member.key.prefix(80))' in \(path): \(reason)")
        }
        if extra > countMax { throw Fault(400, "\(path) has too many properties: at most \(countMax)") }
        try schema.check(member.value, path: place(member.key))
      }
    }
  }

  /// Why the value itself does not fit, leaving its parts to `check`.
  private func mismatch(_ value: JSONValue) -> String? {
    func expected(_ type: String) -> String { "\(value.text.prefix(60)) is not of type '\(type)'" }
    switch self {
    case .any, .optional, .either: return nil
    case .null: return value.isNull ? nil : expected("null")
    case .boolean: return value.bool == nil ? expected("boolean") : nil
    case .looseBoolean: return Self.boolean(value) == nil ? expected("boolean") : nil
    case .integer(let range):
      guard case .int(let number) = value else { return expected("integer") }
      return Self.outside(number, range)
    case .looseInteger(let range):
      guard let number = Self.integer(value) else { return expected("integer") }
      return Self.outside(number, range)
    case .number: return value.double == nil ? expected("number") : nil
    case .string(let range, let check):
      guard case .string(let text) = value else { return expected("string") }
      if text.count < range.lowerBound { return "'\(text)' is too short: at least \(range.lowerBound) characters" }
      if text.count > range.upperBound {
        return "'\(text.prefix(60))…' is too long: \(text.count) characters, at most \(range.upperBound)"
      }
      return check?(text)
    case .oneOf(let values):
      guard case .string(let text) = value, values.contains(text) else {
        return "\(value.text.prefix(60)) is not one of [\(values.map { "'\($0)'" }.joined(separator: ", "))]"
      }
      return nil
    case .array(_, let count, let unique):
      guard case .array(let values) = value else { return expected("array") }
      if values.count < count.lowerBound { return "it has \(values.count) items: at least \(count.lowerBound)" }
      if values.count > count.upperBound { return "it has \(values.count) items: at most \(count.upperBound)" }
      if unique, Set(values.map(\.text)).count != values.count { return "it has non-unique elements" }
      return nil
    case .object: return value.object == nil ? expected("object") : nil
    }
  }

  /// An integer, or the integer in decimal text.
  public static func integer(_ value: JSONValue) -> Int? {
    switch value {
    case .int(let number): number
    case .string(let text): text.first == "+" ? nil : Int(text)
    default: nil
    }
  }
  private static func outside(_ number: Int, _ range: ClosedRange<Int>) -> String? {
    if number < range.lowerBound { return "\(number) is less than the minimum of \(range.lowerBound)" }
    if number > range.upperBound { return "\(number) is greater than the maximum of \(range.upperBound)" }
    return nil
  }
}
