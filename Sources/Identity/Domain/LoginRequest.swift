import API
import Kit

/// The body of `POST /v3/auth/tokens` (API reference, Authentication and token management).
struct LoginRequest: Sendable {
  /// A user, project or domain that a body names by id or by name.
  struct Reference: Sendable {
    var id: String?
    var name: String?
    var domainID: String?
    var domainName: String?
  }
  enum Scope: Sendable {
    /// None is asked for: the user's default project, if there is one.
    case automatic
    case unscoped
    case project(Reference)
    case domain(Reference)
    case system
    case trust(String)
  }

  var methods: [TokenPayload.Method]
  var user: Reference
  var password: Secret
  var token: Secret
  var credential: Reference
  var credentialUser: Reference
  var credentialSecret: Secret
  var totpUser: Reference
  var passcode: Secret
  var scope: Scope

  private static let domain = Schema.object(
    [.may("id", .string(0...255)), .may("name", .string(0...255))], additional: .allowed)
  private static let named = Schema.object(
    [.may("id", .string(0...255)), .may("name", .string(0...255)), .may("domain", domain)], additional: .allowed)
  private static let user = Schema.object(
    [
      .may("id", .string(0...255)), .may("name", .string(0...255)), .may("domain", domain),
      .may("password", .string(0...4096)), .may("passcode", .string(0...64)),
    ], additional: .allowed)
  private static let schema = Schema.object(
    [
      .required(
        "identity",
        .object(
          [
            .required("methods", .array(.string(0...64), count: 0...16)),
            .may("password", .object([.may("user", user)], additional: .allowed)),
            .may("token", .object([.required("id", .string(0...8192))], additional: .allowed)),
            .may("totp", .object([.may("user", user)], additional: .allowed)),
            .may(
              "application_credential",
              .object(
                [
                  .may("id", .string(0...255)), .may("name", .string(0...255)), .may("secret", .string(0...4096)),
                  .may("user", named),
                ], additional: .allowed)),
          ], additional: .allowed)),
      .may(
        "scope",
        .either([
          .object(
            [
              .may("project", named), .may("domain", domain),
              .may("OS-TRUST:trust", .object([.may("id", .string(0...255))], additional: .allowed)),
              .may("system", .object([.may("all", .boolean)], additional: .allowed)),
            ], additional: .allowed), .string(0...64),
        ])),
    ], additional: .allowed)

  /// Throws 400 for a malformed body, 401 for a method that there is none of.
  init(_ body: JSONValue) throws(Fault) {
    guard let auth = body["auth"] else { throw Fault.badRequest("'auth' is a required property") }
    try Self.schema.check(auth, path: "auth")
    let identity = auth["identity"] ?? .null
    methods = []
    for name in (identity["methods"]?.array ?? []).compactMap(\.string) {
      guard let method = TokenPayload.Method.allCases.first(where: { $0.name == name && $0 != .ec2Credential }) else {
        throw Fault.unauthorized("Attempted to authenticate with an unsupported method.")
      }
      guard identity[name] != nil else { throw Self.missing(name, in: "identity") }
      if !methods.contains(method) { methods.append(method) }
    }
    if methods.isEmpty { throw Fault.unauthorized() }
    let given = identity["password"]?["user"] ?? .null
    user = Self.reference(given)
    if methods.contains(.password) {
      guard identity["password"]?["user"] != nil else { throw Self.missing("user", in: "password") }
      try Self.require(user, "password/user")
    }
    password = Secret(given["password"]?.string ?? "")
    let code = identity["totp"]?["user"] ?? .null
    totpUser = Self.reference(code)
    if methods.contains(.totp) {
      guard identity["totp"]?["user"] != nil else { throw Self.missing("user", in: "totp") }
      try Self.require(totpUser, "totp/user")
    }
    passcode = Secret(code["passcode"]?.string ?? "")
    token = Secret(identity["token"]?["id"]?.string ?? "")
    let own = identity["application_credential"] ?? .null
    credential = Reference(id: own["id"]?.string, name: own["name"]?.string)
    credentialUser = Self.reference(own["user"] ?? .null)
    credentialSecret = Secret(own["secret"]?.string ?? "")
    scope = try Self.scope(auth["scope"])
    if methods.contains(.applicationCredential), auth["scope"] != nil {
      throw Fault.unauthorized("Application credentials cannot request a scope.")
    }
  }

  private static func missing(_ name: String, in place: String) -> Fault {
    .badRequest("Expecting to find \(name) in \(place). The server could not comply with the request.")
  }

  private static func reference(_ value: JSONValue) -> Reference {
    Reference(
      id: value["id"]?.string, name: value["name"]?.string, domainID: value["domain"]?["id"]?.string,
      domainName: value["domain"]?["name"]?.string)
  }

  /// An id, or a name with its domain.
  private static func require(_ reference: Reference, _ place: String) throws(Fault) {
    if reference.id != nil { return }
    if reference.name == nil {
      throw Fault.badRequest("Invalid input for field identity/\(place): id or name must be present.")
    }
    if reference.domainID == nil, reference.domainName == nil { throw missing("domain", in: place) }
  }

  private static func scope(_ value: JSONValue?) throws(Fault) -> Scope {
    guard let value else { return .automatic }
    if let text = value.string {
      guard text == "unscoped" else { throw Fault.badRequest("The scope '\(text)' is unknown.") }
      return .unscoped
    }
    let kinds = ["project", "domain", "unscoped", "system", "OS-TRUST:trust"].filter { value[$0] != nil }
    guard kinds.count == 1 else {
      throw missing("system, project, domain, OS-TRUST:trust or unscoped", in: "scope")
    }
    switch kinds[0] {
    case "project":
      let project = reference(value["project"] ?? .null)
      try require(project, "scope/project")
      return .project(project)
    case "domain":
      let domain = reference(value["domain"] ?? .null)
      if domain.id == nil, domain.name == nil {
        throw Fault.badRequest("Invalid input for field scope/domain: id or name must be present.")
      }
      return .domain(domain)
    case "system": return .system
    case "unscoped": return .unscoped
    default:
      guard let id = value["OS-TRUST:trust"]?["id"]?.string, !id.isEmpty else { throw missing("trust_id", in: "trust") }
      return .trust(id)
    }
  }
}

extension Snapshot {
  /// A domain that is named by id or name.
  func domain(id: String?, name: String?) -> Project? {
    if let name, !name.isEmpty { return projectIDs[NameKey(domainID: "", name: name)].flatMap { domain($0) } }
    return id.flatMap { domain($0) }
  }
  func user(_ reference: LoginRequest.Reference) -> User? {
    if let id = reference.id { return users[id] }
    guard let domain = domain(id: reference.domainID, name: reference.domainName) else { return nil }
    return userIDs[NameKey(domainID: domain.id, name: reference.name ?? "")].flatMap { users[$0] }
  }
  func project(_ reference: LoginRequest.Reference) -> Project? {
    if let name = reference.name, !name.isEmpty {
      guard let domain = domain(id: reference.domainID, name: reference.domainName) else { return nil }
      return projectIDs[NameKey(domainID: domain.id, name: name)].flatMap { projects[$0] }
    }
    return reference.id.flatMap { projects[$0] }
  }
}
