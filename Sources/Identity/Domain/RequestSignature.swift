import API
import Crypto
import Kit

/// A request that a client of EC2's or S3's API signed, as the service that got it describes it (API reference, OS-EC2).
struct SignedRequest: Sendable {
  var access: String
  var signature: String
  var params: [String: String]
  var headers: [String: String]
  var verb: String
  var host: String
  var path: String
  var bodyHash: String
  /// What an S3 client has signed, in base 64.
  var token: String

  /// Throws 401 when there is no access key, 400 for values of the wrong kind.
  init(_ body: JSONValue) throws(Fault) {
    let names = ["credentials", "credential", "ec2Credentials"]
    let values = names.compactMap { body[$0]?.object }.first { !$0.isEmpty } ?? [:]
    func text(_ value: JSONValue?, _ name: String) throws(Fault) -> String {
      switch value {
      case nil, .null?: return ""
      case .string(let text)?: return text
      case .int(let number)?: return "\(number)"
      case .bool(let flag)?: return flag ? "True" : "False"
      default: throw Fault.badRequest("The credentials' \(name.prefix(64)) must be a text.")
      }
    }
    func texts(_ name: String) throws(Fault) -> [String: String] {
      guard let value = values[name], !value.isNull else { return [:] }
      guard let object = value.object else { throw Fault.badRequest("The credentials' \(name) must be an object.") }
      var result: [String: String] = [:]
      for member in object { result[member.key] = try text(member.value, member.key) }
      return result
    }
    access = try text(values["access"], "access")
    signature = try text(values["signature"], "signature")
    (params, headers) = (try texts("params"), try texts("headers"))
    (verb, host) = (try text(values["verb"], "verb"), try text(values["host"], "host"))
    (path, bodyHash) = (try text(values["path"], "path"), try text(values["body_hash"], "body_hash"))
    token = try text(values["token"], "token")
    if values["access"] == nil { throw Fault.unauthorized("EC2 Signature not supplied") }
  }

  /// When it was signed, if it says so; throws 401 for what is no time.
  func signedAt() throws(Fault) -> Timestamp? {
    let texts = [params["Timestamp"], headers["X-Amz-Date"], params["X-Amz-Date"]]
    guard let text = texts.compactMap({ $0 }).first(where: { !$0.isEmpty }) else { return nil }
    guard let time = Timestamp(text) ?? Timestamp(Self.spread(text)) else {
      throw Fault.unauthorized("Credential timestamp is invalid: \(text.prefix(64))")
    }
    return time
  }

  /// `20260102T030405Z` as `2026-01-02T03:04:05Z`.
  private static func spread(_ text: String) -> String {
    let digits = Array(text)
    guard digits.count == 16, digits[8] == "T", digits[15] == "Z" else { return "" }
    func part(_ from: Int, _ count: Int) -> String { String(digits[from..<(from + count)]) }
    return "\(part(0, 4))-\(part(4, 2))-\(part(6, 2))T\(part(9, 2)):\(part(11, 2)):\(part(13, 2))Z"
  }

  // MARK: EC2

  /// Whether the secret makes the signature that came with it; also without the port, which some clients leave out.
  func isSigned(with secret: Secret) throws(Fault) -> Bool {
    guard !signature.isEmpty else { throw Fault.unauthorized("EC2 signature not supplied.") }
    guard let made = ec2Signature(secret) else { return false }
    if Secret(made).equals(signature) { return true }
    guard let colon = host.lastIndex(of: ":") else { return false }
    var other = self
    other.host = String(host[..<colon])
    return other.ec2Signature(secret).map { Secret($0).equals(signature) } ?? false
  }

  /// By the version that it names; nil for one that there is none of.
  private func ec2Signature(_ secret: Secret) -> String? {
    let key = SymmetricKey(data: Array(secret.value.utf8))
    switch params["SignatureVersion"] {
    case "0"?:
      return Self.sha1((params["Action"] ?? "") + (params["Timestamp"] ?? ""), key)
    case "1"?:
      let sorted = params.sorted { ($0.key.lowercased(), $0.key) < ($1.key.lowercased(), $1.key) }
      return Self.sha1(sorted.map { $0.key + $0.value }.joined(), key)
    case "2"?:
      var all = params
      all["SignatureMethod"] = "HmacSHA256"
      let text = "\(verb)\n\(host)\n\(path)\n" + Self.canonicalQuery(all)
      return Base64.encode(Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)))
    default: return signature4(secret)
    }
  }

  /// AWS signature version 4.
  private func signature4(_ secret: Secret) -> String? {
    let authorization = headers["Authorization"]
    let isHeader = authorization?.hasPrefix("AWS4-HMAC-SHA256") == true
    guard isHeader || params["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256" else { return nil }
    func parameter(_ name: String) -> String {
      guard let authorization else { return params["X-Amz-\(name)"] ?? "" }
      guard let start = authorization.firstRange(of: name + "=")?.upperBound else { return "" }
      return String(authorization[start...].prefix { $0 != "," })
    }
    let names = parameter("SignedHeaders")
    let query = verb.uppercased() == "POST" ? "" : Self.canonicalQuery(params)
    let canonical = [verb.uppercased(), path, query, canonicalHeaders(names), names, bodyHash].joined(separator: "\n")
    let scope = parameter("Credential").split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(
      String.init)
    let date = headers["X-Amz-Date"] ?? params["X-Amz-Date"] ?? ""
    guard scope.count >= 3, date.hasPrefix(scope[0]), !scope[0].isEmpty else { return nil }
    let text = [
      "AWS4-HMAC-SHA256", date, scope.joined(separator: "/"), Self.hex(SHA256.hash(data: Array(canonical.utf8))),
    ].joined(separator: "\n")
    return Self.signature4(Array(text.utf8), secret, date: scope[0], region: scope[1], service: scope[2])
  }

  private func canonicalHeaders(_ names: String) -> String {
    let lower = Dictionary(
      headers.map { (Self.trimmed($0.key).lowercased(), Self.trimmed($0.value)) }
    ) { first, _ in first }
    // Boto before 2.9.3 signed the host without its port.
    let agent = lower["user-agent"] ?? ""
    let isOldBoto = agent.contains(/^Boto\/2\.[0-9]\.[0-2]/)
    let lines = names.split(separator: ";").compactMap { name -> String? in
      guard var value = lower[String(name)] else { return nil }
      if name == "host", isOldBoto { value = String(value.prefix { $0 != ":" }) }
      return "\(name):\(value)"
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func trimmed(_ text: String) -> String {
    var rest = Substring(text)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }

  private static func canonicalQuery(_ params: [String: String]) -> String {
    params.sorted { Array($0.key.unicodeScalars).lexicographicallyPrecedes(Array($1.key.unicodeScalars)) }
      .map { Percent.encode($0.key) + "=" + Percent.encode($0.value) }.joined(separator: "&")
  }

  // MARK: S3

  /// Whether the secret signs `token`: version 4 when it begins so, else version 1.
  func isTokenSigned(with secret: Secret) -> Bool {
    guard let bytes = Base64.decode(token), !signature.isEmpty else { return false }
    let key = SymmetricKey(data: Array(secret.value.utf8))
    guard bytes.starts(with: Array("AWS4".utf8)) else {
      let code = HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: key)
      return Secret(Base64.encode(Array(code))).equals(signature)
    }
    let parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
    guard parts.count == 4, parts[0] == "AWS4-HMAC-SHA256" else { return false }
    let scope = parts[2].split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard scope.count == 4, scope[3] == "aws4_request", ["s3", "iam", "sts"].contains(scope[2]) else { return false }
    let made = Self.signature4(bytes, secret, date: scope[0], region: scope[1], service: scope[2])
    return Secret(made).equals(signature)
  }

  // MARK: Hashes

  private static func signature4(
    _ text: [UInt8], _ secret: Secret, date: String, region: String, service: String
  ) -> String {
    var key = Array(("AWS4" + secret.value).utf8)
    for part in [date, region, service, "aws4_request"] {
      key = Array(HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: SymmetricKey(data: key)))
    }
    return hex(HMAC<SHA256>.authenticationCode(for: text, using: SymmetricKey(data: key)))
  }

  private static func sha1(_ text: String, _ key: SymmetricKey) -> String {
    Base64.encode(Array(HMAC<Insecure.SHA1>.authenticationCode(for: Array(text.utf8), using: key)))
  }

  private static func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}

/// Base 64 with padding (RFC 4648 §4).
enum Base64 {
  static func encode(_ bytes: [UInt8]) -> String {
    let text = Base64URL.encode(bytes).replacing("-", with: "+").replacing("_", with: "/")
    return text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
  }

  /// nil for other characters. Padding and white space may be there.
  static func decode(_ text: String) -> [UInt8]? {
    let plain = text.filter { $0 != "=" && !$0.isWhitespace }
    return Base64URL.decode(plain.replacing("+", with: "-").replacing("/", with: "_"))
  }
}
