import Host
import Kit

/// Logging in to a guest by its key.
struct GuestLogin: Sendable {
  var user: String
  var address: String
  var key: String
  /// Keeps the known host keys.
  var folder: String
  var namespace: NetworkNamespace?
  /// The SSH client.
  var program = "ssh"

  private var knownHosts: String { folder + "/known_hosts" }

  /// What a person types.
  var command: [String] {
    [
      program, "-i", key, "-o", "UserKnownHostsFile=\(knownHosts)", "-o", "StrictHostKeyChecking=accept-new",
      "\(user)@\(address)",
    ]
  }

  /// A floating IP may have been another guest's before.
  func forgetHostKeys() throws { try HostFiles.remove(knownHosts) }

  /// Runs a command in the guest.
  func run(_ command: [String]) async throws -> CommandOutput {
    let options = [
      "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=10", "-o",
      "LogLevel=ERROR",
    ]
    let arguments = options + self.command.dropFirst() + command
    return try await Command(program, Array(arguments), deadline: .seconds(60), namespace: namespace).run()
  }
}
