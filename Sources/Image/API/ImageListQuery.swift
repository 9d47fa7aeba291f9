import API
import Kit
import Store

/// The query of `GET /v2/images` (API reference, List images).
struct ImageListQuery: Sendable {
  private static let sortKeys: [String: ListColumn] = [
    "name": ListColumn("name"), "status": ListColumn("status"), "container_format": ListColumn("container_format"),
    "disk_format": ListColumn("disk_format"), "size": ListColumn("size", nil, .int), "id": ListColumn("id"),
    "created_at": ListColumn("created_at", nil, .timestamp), "updated_at": ListColumn("updated_at", nil, .timestamp),
  ]
  private static let numbers: Set<String> = ["size", "virtual_size", "min_disk", "min_ram"]
  /// Columns that take `in:a,b` and plain values.
  private static let texts: Set<String> = ["name", "id", "status", "container_format", "disk_format"]
  private static let exact: Set<String> = ["checksum", "owner"]
  private static let notFilters: Set<String> = ["limit", "marker", "sort", "sort_key", "sort_dir", "member_status"]

  let request: ListRequest
  let scope: [SQL]
  static let spec = ListSpec(table: "image", columns: Array(sortKeys.values), style: .image)

  /// Throws 400 faults that name the bad item.
  init(_ query: Query, _ auth: AuthContext) throws {
    var request = try Self.spec.request(
      Query(query.items.filter { $0.name == "limit" || $0.name == "marker" }.map { ($0.name, $0.value) }))
    request.sort = try Self.sort(query)
    for name in Set(query.items.map(\.name)).subtracting(Self.notFilters).subtracting(["visibility", "tag"]).sorted() {
      request.conditions.append(try Self.condition(name, query[name] ?? ""))
    }
    for tag in query.all("tag") {
      request.conditions.append("id IN (SELECT image_id FROM image_tag WHERE value = \(tag))")
    }
    if !query.contains("os_hidden") { request.conditions.append("os_hidden = 0") }
    self.request = request
    scope = try Self.scope(query, auth)
  }

  /// What the caller's list can hold: own and public images, shared ones by the status of the membership; community images
  /// only when they are asked for or its own.
  private static func scope(_ query: Query, _ auth: AuthContext) throws -> [SQL] {
    let memberStatus = query["member_status"] ?? "accepted"
    guard memberStatus == "all" || ImageMember.statuses.contains(memberStatus) else {
      throw Fault.badRequest("Invalid status: \(memberStatus.prefix(40))")
    }
    var scope: [SQL] = []
    if !auth.isAdmin {
      var shared: SQL = "SELECT image_id FROM image_member WHERE member = \(auth.projectID)"
      if memberStatus != "all" { shared = "\(shared) AND status = \(memberStatus)" }
      scope.append(
        """
        visibility IN ('public', 'community') OR owner = \(auth.projectID)
        OR (visibility = 'shared' AND id IN (\(shared)))
        """)
    }
    guard let visibility = query["visibility"], !visibility.isEmpty else {
      return scope + ["visibility <> 'community' OR owner = \(auth.projectID)"]
    }
    guard visibility == "all" || Image.visibilities.contains(visibility) else {
      throw Fault.badRequest("Invalid visibility value: \(visibility.prefix(40))")
    }
    return visibility == "all" ? scope : scope + ["visibility = \(visibility)"]
  }

  private static func sort(_ query: Query) throws -> [(column: ListColumn, isAscending: Bool)] {
    var keys = query.all("sort_key").map { $0 }
    var directions = query.all("sort_dir")
    if let combined = query["sort"] {
      guard keys.isEmpty, directions.isEmpty else {
        throw Fault.badRequest("Old and new sorting syntax cannot be combined")
      }
      let entries = combined.split(separator: ",", omittingEmptySubsequences: false).map {
        $0.split(separator: ":", maxSplits: 1).map(String.init)
      }
      keys = entries.map { $0.first ?? "" }
      directions = entries.map { $0.count > 1 ? $0[1] : "desc" }
    }
    guard directions.count < 2 || directions.count == keys.count else {
      throw Fault.badRequest("Number of sort dirs does not match the number of sort keys")
    }
    if let wrong = directions.first(where: { $0 != "asc" && $0 != "desc" }) {
      throw Fault.badRequest("Invalid sort direction: \(wrong.prefix(40))")
    }
    if keys.isEmpty { keys = ["created_at"] }
    return try keys.enumerated().map { index, key in
      guard let column = sortKeys[key] else {
        throw Fault.badRequest(
          "Invalid sort key: \(key.prefix(40)). It must be one of the following: "
            + sortKeys.keys.sorted().joined(separator: ", "))
      }
      let direction = directions.count > 1 ? directions[index] : directions.first ?? "desc"
      return (column: column, isAscending: direction == "asc")
    }
  }

  private static func condition(_ name: String, _ value: String) throws -> SQL {
    switch name {
    case "os_hidden", "protected":
      guard value.lowercased() == "true" || value.lowercased() == "false" else {
        throw Fault.badRequest("Invalid value '\(value.prefix(40))' for '\(name)' filter: it is 'true' or 'false'.")
      }
      return "\(raw: name) = \(value.lowercased() == "true")"
    case "changes-since": throw Fault.badRequest("The \"changes-since\" filter is no longer available on v2.")
    case "created_at", "updated_at": return try time(name, value)
    case "os_hash_value": return "hash = \(value)"
    case "os_hash_algo": return value == "sha512" ? "hash IS NOT NULL" : "1 = 0"
    case _ where texts.contains(name): return try text(name, value)
    case _ where exact.contains(name): return "\(raw: name) = \(value)"
    case _ where numbers.contains(name): return Int(value).map { "\(raw: name) = \($0)" } ?? "1 = 0"
    case _ where name.hasSuffix("_min") || name.hasSuffix("_max"):
      let column = String(name.dropLast(4))
      guard numbers.contains(column) else { fallthrough }
      guard let number = Int(value) else {
        throw Fault.badRequest("Unable to filter on a range with a non-numeric value.")
      }
      return "\(raw: column) \(raw: name.hasSuffix("_min") ? ">=" : "<=") \(number)"
    default:
      return "id IN (SELECT image_id FROM image_property WHERE name = \(name) AND value = \(value))"
    }
  }

  private static func text(_ name: String, _ value: String) throws -> SQL {
    let parts = value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else { return "\(raw: name) = \(value)" }
    switch parts[0] {
    case "eq": return "\(raw: name) = \(unquoted(parts[1]))"
    case "in": return "\(raw: name) IN \(list: try list(parts[1]))"
    default: throw Fault.badRequest("Unable to filter by unknown operator '\(parts[0].prefix(40))'.")
    }
  }
  private static func unquoted(_ text: String) -> String {
    text.count > 1 && text.hasPrefix("\"") && text.hasSuffix("\"") ? String(text.dropFirst().dropLast()) : text
  }
  /// Reads `a,"b,c",d`.
  private static func list(_ text: String) throws -> [String] {
    var (values, present, isQuoted): ([String], String, Bool) = ([], "", false)
    for character in text {
      switch character {
      case "\"": isQuoted.toggle()
      case "," where !isQuoted:
        values.append(present)
        present = ""
      default: present.append(character)
      }
    }
    guard !isQuoted, values.count < 1000 else {
      throw Fault.badRequest("Invalid filter value \(text.prefix(80)): a quotation mark is missing, or it is too long.")
    }
    return values + [present]
  }

  private static func time(_ name: String, _ value: String) throws -> SQL {
    var (sign, text) = ("=", value)
    if Timestamp(value) == nil {
      let parts = value.split(separator: ":", maxSplits: 1).map(String.init)
      let signs = ["gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "=", "neq": "<>"]
      guard parts.count == 2, let found = signs[parts[0]] else {
        throw Fault.badRequest("Bad \"\(name)\" query filter format. Use ISO 8601 DateTime notation.")
      }
      (sign, text) = (found, parts[1])
    }
    guard let time = Timestamp(text) else {
      throw Fault.badRequest("Bad \"\(name)\" query filter format. Use ISO 8601 DateTime notation.")
    }
    // Clients see whole seconds, so a time means its second.
    let start = Timestamp(seconds: time.seconds)
    let column = "\(name) / 1000000 * 1000000"
    return "\(raw: column) \(raw: sign) \(start)"
  }
}
