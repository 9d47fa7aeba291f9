import API
import Kit

/// A namespace of metadata definitions: a vocabulary for properties of images, flavors, volumes, …
struct MetadefNamespace: Sendable, Equatable {
  var name: String
  var displayName: String?
  var description: String?
  var visibility = "private"
  var isProtected = false
  var owner: String?
  var createdAt: Timestamp
  var updatedAt: Timestamp

  static func notFound(_ name: String) -> Fault { .notFound("Namespace \(name.prefix(80)) not found") }
}

/// What a namespace holds.
struct MetadefItem: Sendable, Equatable {
  enum Kind: String, Sendable, CaseIterable {
    case object, property, tag
    case resourceType = "resource_type"

    /// `objects` in paths.
    var collection: String {
      switch self {
      case .property: "properties"
      default: rawValue + "s"
      }
    }
    /// The key of a list in bodies.
    var listKey: String { self == .resourceType ? "resource_type_associations" : collection }
    /// What of a body is kept, and how it must look; the name comes first.
    var schema: Schema {
      let name = Schema.required("name", .string(1...80))
      let readOnly = [Schema.may("created_at", .any), Schema.may("updated_at", .any)]
      switch self {
      case .tag: return .object([name] + readOnly)
      case .resourceType:
        let prefix = Schema.may("prefix", .optional(.string(0...80)))
        return .object([name, prefix, Schema.may("properties_target", .optional(.string(0...80)))] + readOnly)
      case .object:
        return .object(
          [
            name, Schema.may("description", .optional(.string(0...65_535))),
            Schema.may("required", .array(.string(0...80), count: 0...1000)),
            Schema.may("properties", MetadefItem.propertyMap), Schema.may("self", .any), Schema.may("schema", .any),
          ] + readOnly)
      case .property: return .object([name] + MetadefItem.propertyFields)
      }
    }
  }
  static let propertyMap = Schema.object(
    [],
    additional: .matching(keys: { $0.count <= 80 ? nil : "it is too long" }, .object(propertyFields), countMax: 1000))
  private static let count = Schema.integer(0...Int(Int32.max))
  /// JSON Schema's words that a property may use.
  static let propertyFields: [Schema.Property] = [
    Schema.may("name", .string(1...80)), Schema.required("title", .string(0...255)),
    Schema.required("type", .oneOf(["array", "boolean", "integer", "number", "object", "string"])),
    Schema.may("description", .optional(.string(0...65_535))),
    Schema.may("operators", .array(.string(0...80), count: 0...100)), Schema.may("default", .any),
    Schema.may("enum", .array(.any, count: 0...1000)), Schema.may("required", .array(.string(0...80), count: 0...1000)),
    Schema.may("minimum", .number), Schema.may("maximum", .number), Schema.may("minLength", count),
    Schema.may("maxLength", count), Schema.may("pattern", .string(0...1000)), Schema.may("items", .any),
    Schema.may("minItems", count), Schema.may("maxItems", count), Schema.may("uniqueItems", .boolean),
    Schema.may("additionalItems", .boolean), Schema.may("readonly", .boolean),
  ]

  var kind: Kind
  var name: String
  /// The body without name and times.
  var body: JSONObject
  var createdAt: Timestamp
  var updatedAt: Timestamp

  /// Reads a checked body.
  init(_ kind: Kind, _ body: JSONObject, now: Timestamp) {
    self.init(kind: kind, name: body["name"]?.string ?? "", body: [:], createdAt: now, updatedAt: now)
    for member in body where !["name", "created_at", "updated_at", "self", "schema"].contains(member.key) {
      self.body.append(member.key, member.value)
    }
  }
  init(kind: Kind, name: String, body: JSONObject, createdAt: Timestamp, updatedAt: Timestamp) {
    (self.kind, self.name, self.body) = (kind, name, body)
    (self.createdAt, self.updatedAt) = (createdAt, updatedAt)
  }

  /// Types of resources that definitions can be for, as upstream knows them.
  static let resourceTypes = [
    "OS::Cinder::Volume", "OS::Glance::Image", "OS::Nova::Aggregate", "OS::Nova::Flavor", "OS::Nova::Server",
    "OS::Trove::Instance",
  ]
}
