import Kit

/// Turns a token into who is asking. Reads memory only.
public protocol TokenVerifying: Sendable {
  /// Throws a 401 fault for a token that is malformed, tampered with, expired, revoked or of a disabled user or project.
  func verify(_ token: String) async throws -> AuthContext
}
