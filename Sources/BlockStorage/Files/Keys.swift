import Host
import Kit

/// Passphrases of encrypted volumes: one file each, in a folder that only its owner reads.
struct Keys: Sendable {
  let folder: String

  func path(_ id: String) -> String { "\(folder)/\(id)" }
  /// Makes a key; one that exists stays.
  func make(_ id: String) throws {
    try HostFiles.makeFolder(folder, mode: 0o700)
    if HostFiles.exists(path(id)) { return }
    try HostFiles.writeAtomically(path(id), Array(Secret.random(bytes: 32).value.utf8), mode: 0o600)
  }
  func remove(_ id: String) throws { try HostFiles.remove(path(id)) }
}
