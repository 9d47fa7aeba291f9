import API
import Crypto
import Kit

/// A request that an OAuth 1.0a client signed (RFC 5849 §3).
struct OAuthRequest: Sendable {
  /// How far a request's time may be from ours.
  private static let tolerance = 600

  let parameters: [String: String]
  private let method: String
  private let url: String
  private let query: [(name: String, value: String)]

  init(_ call: Call) {
    let header = call.http.headers["Authorization"] ?? ""
    var values: [String: String] = [:]
    if header.lowercased().hasPrefix("oauth ") {
      for pair in header.dropFirst(6).split(separator: ",") {
        let sides = pair.split(separator: "=", maxSplits: 1).map {
          String($0.filter { !$0.isWhitespace && $0 != "\"" })
        }
        if sides.count == 2 { values[Percent.decode(sides[0])] = Percent.decode(sides[1]) }
      }
    }
    parameters = values
    (method, query) = (call.http.method, call.query.items)
    url = call.baseURL.lowercased() + call.http.path
  }

  var consumerID: String { parameters["oauth_consumer_key"] ?? "" }
  var tokenID: String { parameters["oauth_token"] ?? "" }
  var verifier: String { parameters["oauth_verifier"] ?? "" }

  /// Throws 400 for a parameter that is missing.
  func require(_ names: String...) throws(Fault) {
    for name in names where (parameters[name] ?? "").isEmpty {
      throw Fault.badRequest("Expecting to find \(name) in request. The server could not comply with the request.")
    }
  }

  /// Throws 401 unless the secrets make the signature, now.
  func check(consumer: Secret, token: Secret?, now: Timestamp) throws(Fault) {
    guard let time = parameters["oauth_timestamp"].flatMap({ Int($0) }), abs(now.seconds - time) <= Self.tolerance,
      let given = parameters["oauth_signature"], !given.isEmpty,
      let made = signature(consumer: consumer, token: token), Secret(made).equals(given)
    else { throw Fault.unauthorized("Invalid signature") }
  }

  private func signature(consumer: Secret, token: Secret?) -> String? {
    let keyText = Percent.encode(consumer.value) + "&" + Percent.encode(token?.value ?? "")
    let text = Array(baseString.utf8)
    let key = SymmetricKey(data: Array(keyText.utf8))
    switch parameters["oauth_signature_method"] {
    case "HMAC-SHA1": return Base64.encode(Array(HMAC<Insecure.SHA1>.authenticationCode(for: text, using: key)))
    case "HMAC-SHA256": return Base64.encode(Array(HMAC<SHA256>.authenticationCode(for: text, using: key)))
    default: return nil
    }
  }

  /// RFC 5849 §3.4.1.
  private var baseString: String {
    let own = parameters.filter { $0.key != "oauth_signature" && $0.key != "realm" }.map { ($0.key, $0.value) }
    let all = (own + query.map { ($0.name, $0.value) }).map { (Percent.encode($0.0), Percent.encode($0.1)) }
    let sorted = all.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
    return [method.uppercased(), Percent.encode(url), Percent.encode(sorted)].joined(separator: "&")
  }
}
