/// Where a console's proxy connects to.
public struct OpenedConsole: Sendable, Equatable {
  public var serverID: String
  /// `novnc`: the socket speaks RFB.
  public var type: String
  /// The Unix socket on this node, as `VolumeHypervisor.displaySocket` names it.
  public var socket: String

  public init(serverID: String, type: String, socket: String) {
    (self.serverID, self.type, self.socket) = (serverID, type, socket)
  }
}

/// What the WebSocket proxy of consoles needs of Compute, which gives tokens out (API reference, Compute: `POST
/// /servers/{id}/remote-consoles`).
public protocol ConsoleOpening: Sendable {
  /// Opens the console that a token stands for. The token is used up by that; call it when the browser's WebSocket
  /// begins, not when its page is fetched.
  ///
  /// `userID`: the signed-in user where the proxy knows one; the token must have been given to them. nil: whoever has
  /// the token may open it, as upstream's proxy does.
  ///
  /// Throws a 401 fault for a token that is unknown, used up, expired or another user's (without saying which), and a
  /// 409 fault that says so when the server has no display now; the token stays good then.
  func redeem(_ token: String, by userID: String?) async throws -> OpenedConsole
}
