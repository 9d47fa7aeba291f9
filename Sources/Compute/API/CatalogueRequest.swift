import API
import Kit

/// Upstream's default rules of policies for the catalogue: all want a token of a project (its `scope_types`).
enum CataloguePolicy {
  static func admin(_ name: String) -> Policy { policy(name, .admin) }
  static func reader(_ name: String) -> Policy { policy(name, .any([.admin, .role("reader")])) }
  static func member(_ name: String) -> Policy { policy(name, .any([.admin, .role("member")])) }
  static func anyone(_ name: String) -> Policy { policy(name, .authenticated) }
  /// A reader of the project that the path names, or the administrator.
  static func ownReader(_ name: String, parameter: String) -> Policy {
    policy(name, .any([.admin, .all([.project(parameter: parameter), .role("reader")])]))
  }
  private static func policy(_ name: String, _ rule: Rule) -> Policy {
    Policy("os_compute_api:\(name)", .all([.projectScope, rule]))
  }

  /// For rules over what stands in the query or body: a 403 fault with upstream's text.
  static func refuse(_ name: String) -> Fault {
    .forbidden(ErrorShape.compute.policyMessage("os_compute_api:\(name)"))
  }
}

/// Query strings of the catalogue.
enum CatalogueQuery {
  /// Refuses items that are not known from microversion 2.`strictSince` on; before it they are ignored.
  static func check(_ call: Call, _ known: Set<String> = [], strictSince minor: Int = 102) throws(Fault) {
    guard call.since(2, minor), let item = call.query.items.first(where: { !known.contains($0.name) }) else { return }
    throw Fault.badRequest(
      "Invalid input for query parameters: Additional properties are not allowed "
        + "('\(item.name.prefix(80))' was unexpected)")
  }

  /// A number that may not be negative; nil when it is not there.
  static func number(_ call: Call, _ name: String) throws(Fault) -> Int? {
    guard let text = call.query[name] else { return nil }
    guard let number = Int(text), number >= 0, text.first != "+" else {
      throw Fault.badRequest(
        "Invalid input for query parameters \(name). Value: \(text.prefix(40)). It must be an integer of 0 or more.")
    }
    return number
  }

  static func boolean(_ call: Call, _ name: String) throws(Fault) -> Bool {
    guard let text = call.query[name] else { return false }
    guard let value = Schema.boolean(.string(text)) else {
      throw Fault.badRequest(
        "Invalid input for query parameters \(name). Value: \(text.prefix(40)). It must be a boolean.")
    }
    return value
  }

  /// The part of a list that `offset` and `limit` ask for, as Nova's old lists take them.
  static func slice<Element>(_ items: [Element], _ call: Call) throws(Fault) -> [Element] {
    let offset = try number(call, "offset") ?? 0
    let limit = min(try number(call, "limit") ?? Limits.pageMax, Limits.pageMax)
    return Array(items.dropFirst(offset).prefix(limit))
  }
}

/// Values in bodies of the catalogue (Nova's parameter types).
enum CatalogueSchema {
  /// Printable text without white space at its ends.
  static let name = Schema.string(1...255) { text in
    if text.first?.isWhitespace == true || text.last?.isWhitespace == true {
      return "it may not start or end with white space"
    }
    return printable(text)
  }
  /// Printable text with something in it; white space at its ends is cut off.
  static let looseName = Schema.string(1...255) { text in
    text.allSatisfy(\.isWhitespace) ? "it is only white space" : printable(text)
  }
  static let zone = Schema.either([
    .string(1...255) { text in
      if text.contains(":") { return "it may not hold ':'" }
      if text.first?.isWhitespace == true || text.last?.isWhitespace == true {
        return "it may not start or end with white space"
      }
      return printable(text)
    }, .null,
  ])
  static let host = Schema.string(1...255) { text in
    text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
      ? nil : "it is not a host name"
  }
  static let description = Schema.either([.string(0...65_535, check: printable), .null])
  /// A boolean, or one of the texts that Nova reads as one.
  static let boolean = Schema.either([
    .boolean,
    .oneOf(
      [
        "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "False", "FALSE", "false", "0", "OFF",
        "Off", "off", "NO", "No", "no",
      ]),
  ])
  static let metadataKey: @Sendable (String) -> String? = { key in
    let isFine = key.utf8.allSatisfy {
      isWord($0) || [UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "."), UInt8(ascii: " ")].contains($0)
    }
    return isFine && (1...255).contains(key.utf8.count) ? nil : "a key is 1 to 255 letters, digits or -_:. and space"
  }

  /// The largest integer of the database's columns, as upstream's.
  static let intMax = 0x7FFF_FFFF

  static func isWord(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "_")
  }
  private static let printable: @Sendable (String) -> String? = { text in
    let isPrintable = text.unicodeScalars.allSatisfy { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
      default: true
      }
    }
    return isPrintable ? nil : "it holds characters that cannot be printed"
  }

  static func trimmed(_ value: JSONValue?) -> String {
    var text = Substring(value?.string ?? "")
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}
