import Contracts
import Crypto
import Kit
import Store

/// A permission to open one console of one server, once and soon. Whoever has the token may do that, so only its hash is
/// kept.
struct ConsoleToken: Sendable, Equatable {
  var hash: String
  var serverID: String
  var userID: String
  /// `novnc`.
  var type: String
  /// The node where the guest is.
  var host: String
  var expiresAt: Timestamp

  /// Upstream's default (`[consoleauth] token_ttl`).
  static let lifetime = Duration.seconds(600)

  static func hash(_ token: String) -> String {
    SHA256.hash(data: Array(token.utf8)).map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }.joined()
  }

  /// The page that opens the console: noVNC's, which takes the path of its WebSocket with the token from `path`.
  static func url(_ base: String, _ token: Secret) -> String { "\(base)?path=%3Ftoken%3D\(token.value)" }
}

extension ComputeService: ConsoleOpening {
  public func redeem(_ token: String, by userID: String?) async throws -> OpenedConsole {
    let service = dependencies
    let hash = ConsoleToken.hash(token)
    let refusal = Fault.unauthorized(
      "The console's token is unknown, used up or expired, or it is another user's: ask for a new one.")
    let now = service.clock.now()
    let found = try await service.database.read { tx -> ConsoleToken? in
      guard let token = try ConsoleTokenStore.find(hash, now: now, tx: tx),
        let server = try ServerStore.find(token.serverID, tx: tx), !server.isDeleted
      else { return nil }
      return token
    }
    guard let found, userID == nil || userID == found.userID else { throw refusal }
    guard let socket = try await service.hypervisor.displaySocket(of: found.serverID) else {
      throw Fault.conflict("Instance \(found.serverID) is not running: it has no screen. Start it and try again.")
    }
    // Of two at the same moment one gets it.
    guard try await service.database.write({ tx in try ConsoleTokenStore.remove(hash: hash, tx: tx) }) else {
      throw refusal
    }
    return OpenedConsole(serverID: found.serverID, type: found.type, socket: socket)
  }
}
