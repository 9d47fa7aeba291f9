import API
import Kit

/// What clients may say of an image, in a create or in a patch.
enum ImageInput {
  /// Set by the service alone.
  static let readOnly: Set<String> = [
    "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema",
    "os_hash_algo", "os_hash_value", "stores",
  ]
  /// Names that mean something inside upstream and must not be custom properties.
  static let reserved: Set<String> = ["location", "locations", "deleted", "deleted_at"]
  private static let reservedPrefix = "os_glance"

  private static func format(_ values: [String]) -> Schema { .optional(.oneOf(values)) }
  /// What each base attribute must look like.
  static let schemas: [String: Schema] = [
    "id": .string(36...36) { UUIDText.isValid($0) ? nil : "it is not a UUID" },
    "name": .optional(.string(0...255)),
    "container_format": format(Image.containerFormats),
    "disk_format": format(Image.diskFormats),
    "visibility": .oneOf(Image.visibilities),
    "owner": .optional(.string(1...255)),
    "min_disk": .integer(0...Int(Int32.max)),
    "min_ram": .integer(0...Int(Int32.max)),
    "protected": .boolean,
    "os_hidden": .boolean,
    "tags": .array(.string(0...255), count: 0...10_000),
  ]

  /// Throws 403 for names that clients may not set, 400 for values that do not fit.
  static func check(_ name: String, _ value: JSONValue) throws {
    try checkName(name)
    if let schema = schemas[name] {
      try schema.check(value, path: name)
    } else {
      guard (1...255).contains(name.count) else {
        throw Fault.badRequest("The name of a custom property has 1 to 255 characters.")
      }
      try Schema.string(0...65_535).check(value, path: name)
    }
  }
  static func checkName(_ name: String) throws {
    if readOnly.contains(name) { throw Fault.forbidden("Attribute '\(name)' is read-only.") }
    if reserved.contains(name) || name.hasPrefix(reservedPrefix) {
      throw Fault.forbidden("Attribute '\(name.prefix(80))' is reserved.")
    }
  }
}

extension Image {
  /// Reads a create's body. Throws 400, 403 or 413 faults that name the bad member.
  init(_ body: JSONObject, owner: String?, now: Timestamp) throws {
    self.init(id: body["id"]?.string ?? UUIDText.make(), owner: owner, createdAt: now, updatedAt: now)
    for member in body {
      try ImageInput.check(member.key, member.value)
      set(member.key, member.value)
    }
    id = UUIDText.canonical(id) ?? id
    try checkCounts()
  }

  /// Throws 413 faults past upstream's quotas.
  func checkCounts() throws {
    guard tags.count <= Self.tagsMax else {
      throw Fault(
        413, "The limit has been exceeded on the number of allowed image tags: \(tags.count) > \(Self.tagsMax).")
    }
    guard properties.count <= Self.propertiesMax else {
      throw Fault(
        413,
        "The limit has been exceeded on the number of allowed image properties: "
          + "\(properties.count) > \(Self.propertiesMax).")
    }
  }

  /// Sets one checked member.
  mutating func set(_ name: String, _ value: JSONValue) {
    switch name {
    case "id": break
    case "name": self.name = value.string
    case "container_format": containerFormat = value.string
    case "disk_format": diskFormat = value.string
    case "visibility": visibility = value.string ?? visibility
    case "owner": owner = value.string
    case "min_disk": minDiskGB = value.int ?? 0
    case "min_ram": minRAMMB = value.int ?? 0
    case "protected": isProtected = value.bool ?? false
    case "os_hidden": isHidden = value.bool ?? false
    case "tags": tags = Set((value.array ?? []).compactMap(\.string))
    default: properties[name] = value.string
    }
  }
}

/// A change of an image: one operation of a JSON patch in one of upstream's two media types.
struct ImageChange: Sendable, Equatable {
  enum Operation: String, Sendable, CaseIterable { case add, remove, replace }
  /// `application/openstack-images-v2.0-json-patch`: `{"replace": "/name", "value": …}`, and add is for new members only.
  static let oldType = "application/openstack-images-v2.0-json-patch"
  /// `application/openstack-images-v2.1-json-patch`: RFC 6902's `{"op": "replace", "path": "/name", "value": …}`.
  static let newType = "application/openstack-images-v2.1-json-patch"

  var operation: Operation
  var name: String
  var value: JSONValue
  var isOld: Bool

  /// Reads a patch document. Throws 400 and 403 faults.
  static func parse(_ document: JSONValue, isOld: Bool) throws -> [ImageChange] {
    guard let items = document.array else {
      throw Fault.badRequest("Request body must be a JSON array of operation objects.")
    }
    guard items.count <= 1000 else { throw Fault.badRequest("A patch has at most 1000 operations.") }
    return try items.map { item in
      guard let object = item.object else { throw Fault.badRequest("Operations must be JSON objects.") }
      let (operation, pointer) = try isOld ? oldOperation(object) : newOperation(object)
      let path = try decode(pointer)
      guard path.count == 1, let name = path.first else {
        throw Fault.badRequest("Invalid JSON pointer for this resource: '\(pointer.prefix(120))'")
      }
      var value = JSONValue.null
      if operation == .remove || name == "id" {
        guard name != "id" else { throw Fault.forbidden("Attribute 'id' is read-only.") }
        try ImageInput.checkName(name)
      } else {
        guard let given = object["value"] else {
          throw Fault.badRequest("Operation \"\(operation.rawValue)\" requires a member named \"value\".")
        }
        try ImageInput.check(name, given)
        value = given
      }
      return ImageChange(operation: operation, name: name, value: value, isOld: isOld)
    }
  }

  private static func oldOperation(_ object: JSONObject) throws -> (Operation, String) {
    let present = Operation.allCases.filter { object[$0.rawValue] != nil }
    guard present.count == 1, let pointer = object[present[0].rawValue]?.string else {
      throw Fault.badRequest(
        "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".")
    }
    return (present[0], pointer)
  }
  private static func newOperation(_ object: JSONObject) throws -> (Operation, String) {
    guard let text = object["op"]?.string, let operation = Operation(rawValue: text) else {
      throw Fault.badRequest("Invalid operation: it must be one of the following: add, remove, replace.")
    }
    guard let pointer = object["path"]?.string else {
      throw Fault.badRequest("Unable to find 'path' in JSON Schema change")
    }
    return (operation, pointer)
  }

  /// Reads a JSON pointer (RFC 6901).
  private static func decode(_ pointer: String) throws -> [String] {
    let shown = pointer.prefix(120)
    guard pointer.hasPrefix("/") else { throw Fault.badRequest("Pointer `\(shown)` does not start with \"/\".") }
    let parts = pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    return try parts.map { part in
      let isEscaped = part.split(separator: "~", omittingEmptySubsequences: false).dropFirst().allSatisfy {
        $0.first == "0" || $0.first == "1"
      }
      guard !part.isEmpty, isEscaped else {
        throw Fault.badRequest("Pointer `\(shown)` has an empty part or a \"~\" that escapes nothing.")
      }
      return String(part).replacing("~1", with: "/").replacing("~0", with: "~")
    }
  }
}

extension Image {
  /// Applies a patch's operation. Throws 403 for what must not change (now), 409 for members that are (not) there.
  mutating func apply(_ change: ImageChange) throws {
    let isBase = ImageInput.schemas[change.name] != nil
    if change.operation == .remove {
      guard !isBase else { throw Fault.forbidden("Property \(change.name) may not be removed.") }
      guard properties.removeValue(forKey: change.name) != nil else {
        throw Fault.conflict("Property \(change.name.prefix(80)) does not exist.")
      }
      return
    }
    if change.operation == .replace, !isBase, properties[change.name] == nil {
      throw Fault.conflict("Property \(change.name.prefix(80)) does not exist.")
    }
    if change.operation == .add, change.isOld, isBase || properties[change.name] != nil {
      throw Fault.conflict("Property \(change.name.prefix(80)) already present.")
    }
    if change.name == "disk_format" || change.name == "container_format", status != .queued {
      throw Fault.forbidden("Attribute \(change.name) can be only replaced for a queued image.")
    }
    set(change.name, change.value)
  }
}
