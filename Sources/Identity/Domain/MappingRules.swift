import API
import Kit

/// The rules of a mapping (API reference, OS-FEDERATION: Mappings; upstream's schemas 1.0, 2.0 and 3.0).
enum MappingRules {
  static let versions = ["1.0", "2.0", "3.0"]
  /// Of a mapping that names none.
  static let defaultVersion = "1.0"

  /// Throws 400 for a mapping that does not fit its schema; gives its version.
  static func check(_ mapping: JSONObject) throws(Fault) -> String {
    var version = defaultVersion
    if let given = mapping["schema_version"], given.string != "", !given.isNull {
      guard let text = given.string, versions.contains(text) else {
        throw Fault.badRequest("The schema_version must be one of \(versions.joined(separator: ", ")).")
      }
      version = text
    }
    var rest = mapping
    rest["schema_version"] = nil
    try schema(version).check(.object(rest), path: "mapping")
    return version
  }

  private static func schema(_ version: String) -> Schema {
    .object([.required("rules", .array(rule(version), count: 1...1000))], additional: .allowed)
  }

  private static let text = Schema.string(0...65_535)
  private static let domain = Schema.object([.may("id", text), .may("name", text)])

  private static func rule(_ version: String) -> Schema {
    .object([
      .required("local", .array(local(version), count: 0...1000)), .required("remote", .array(remote, count: 1...1000)),
    ])
  }

  private static func local(_ version: String) -> Schema {
    var project: [Schema.Property] = [
      .required("name", text), .required("roles", .array(.object([.required("name", text)]))),
    ]
    if version != "1.0" { project.append(.may("domain", domain)) }
    var members: [Schema.Property] = [
      .may(
        "user",
        .object([
          .may("id", text), .may("name", text), .may("email", text), .may("domain", domain),
          .may("type", .oneOf(["ephemeral", "local"])),
        ])), .may("projects", .array(.object(project))),
      .may(
        "group",
        .either([
          .object([.required("id", text)]), .object([.required("name", text), .required("domain", domain)]),
        ])), .may("groups", text), .may("group_ids", text), .may("domain", domain),
    ]
    if version == "3.0" { members.append(.may("projects_json", text)) }
    return .object(members)
  }

  /// A type alone, or with one of the four conditions.
  private static let remote: Schema = {
    let type = Schema.required("type", text)
    let conditions = ["any_one_of", "not_any_of", "blacklist", "whitelist"].map { name in
      Schema.object([type, .required(name, .array(.any)), .may("regex", .boolean)])
    }
    return .either([.object([type])] + conditions)
  }()
}
