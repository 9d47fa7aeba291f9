import API
import Kit

extension IdentityService {
  /// Tokens for OAuth 2.0 clients (API reference, OS-OAUTH2): an application credential is the client.
  var oauth2Routes: [Route] {
    [
      Route("POST", "/v3/OS-OAUTH2/token", .open, body: .raw) { [self] call in
        do {
          return try await clientToken(call)
        } catch let fault as OAuthFault {
          return .json(
            ["error": .string(fault.kind), "error_description": .string(fault.message)], status: fault.status,
            headers: fault.status == 401 ? ["WWW-Authenticate": "Keystone uri=\"\(call.baseURL)\""] : [:])
        }
      }
    ]
  }

  private struct OAuthFault: Error {
    let status: Int
    let kind: String
    let message: String
    static let noClient = OAuthFault(status: 401, kind: "invalid_client", message: "Client authentication failed.")
  }

  private func clientToken(_ call: Call) async throws -> Reply {
    let bytes = try await call.http.body.collect(limit: 65_536)
    let form = Query(text: String(decoding: bytes, as: UTF8.self))
    guard let grant = form["grant_type"] else {
      throw OAuthFault(status: 400, kind: "invalid_request", message: "The parameter grant_type is required.")
    }
    guard grant == "client_credentials" else {
      throw OAuthFault(
        status: 400, kind: "unsupported_grant_type",
        message: "The parameter grant_type \(grant.prefix(64)) is not supported.")
    }
    let request = try Self.login(form, Self.basic(call.http.headers["Authorization"] ?? ""))
    do {
      let payload = try await authenticate(request, call)
      return .json([
        "access_token": .string(try seal(payload)), "token_type": "Bearer",
        "expires_in": .int((payload.expiresAt - payload.issuedAt).microseconds / 1_000_000),
      ])
    } catch let fault as Fault {
      let kind = fault.status == 401 ? "invalid_client" : fault.status == 400 ? "invalid_request" : "other_error"
      throw OAuthFault(status: fault.status, kind: kind, message: fault.message)
    } catch is AuthReceipt {
      throw OAuthFault.noClient
    }
  }

  private static func login(_ form: Query, _ basic: (id: String, secret: String)?) throws -> LoginRequest {
    guard let id = basic?.id ?? form["client_id"], let secret = basic?.secret ?? form["client_secret"], !id.isEmpty,
      !secret.isEmpty
    else { throw OAuthFault.noClient }
    let own: JSONValue = ["id": .string(id), "secret": .string(secret)]
    let body: JSONValue = [
      "auth": ["identity": ["methods": ["application_credential"], "application_credential": own]]
    ]
    do {
      return try LoginRequest(body)
    } catch { throw OAuthFault.noClient }
  }

  /// Id and secret of `Basic …` (RFC 7617).
  private static func basic(_ header: String) -> (id: String, secret: String)? {
    guard header.lowercased().hasPrefix("basic "), let bytes = Base64.decode(String(header.dropFirst(6))) else {
      return nil
    }
    let parts = String(decoding: bytes, as: UTF8.self).split(
      separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
  }
}
