import Crypto
import Foundation
import Host
import Kit
import Synchronization

/// Passphrases of encrypted volumes, sealed with AES-256-GCM by a master key: one file each, in a folder that only its owner
/// reads. QEMU reads a passphrase from a file, so an open copy of a key is there for as long as a job works with it or a
/// guest has its volume, and no longer. The master key is replaced from time to time (`rotate`).
final class KeyStore: Sendable {
  private struct State {
    /// Jobs that work with a key.
    var holds: [String: Int] = [:]
    /// Keys of volumes that guests have open.
    var attached: Set<String> = []
  }
  let folder: String
  private let state = Mutex(State())
  private static let suffix = ".sealed"
  private static let masterPrefix = "master-"

  init(folder: String) { self.folder = folder }

  /// Where the open copy of a key is while it is needed.
  func path(_ id: String) -> String { "\(folder)/open/\(id)" }

  /// Makes a key; one that exists stays.
  func make(_ id: String) throws { try state.withLock { _ in try makeIfMissing(id) } }

  /// Makes the key where it is missing, and opens it until as many `release` follow.
  func hold(_ id: String) throws {
    try state.withLock { state in
      try makeIfMissing(id)
      try open(id)
      state.holds[id, default: 0] += 1
    }
  }
  func release(_ id: String) {
    state.withLock { state in
      state.holds[id, default: 1] -= 1
      if state.holds[id] ?? 0 <= 0 { state.holds[id] = nil }
      closeUnused(id, state)
    }
  }
  /// Opens the key until `detach`: a guest has its volume.
  func attach(_ id: String) throws {
    try state.withLock { state in
      try open(id)
      state.attached.insert(id)
    }
  }
  func detach(_ id: String) {
    state.withLock { state in
      state.attached.remove(id)
      closeUnused(id, state)
    }
  }
  func remove(_ id: String) throws {
    try state.withLock { _ in
      try HostFiles.remove(path(id))
      try HostFiles.remove(sealedPath(id))
    }
  }

  /// A key for sealing data of our own, derived from the passphrase, which is made where it is missing.
  func sealingKey(_ id: String) throws -> SymmetricKey {
    try state.withLock { _ in
      try makeIfMissing(id)
      return SymmetricKey(data: SHA256.hash(data: try unseal(id)))
    }
  }

  /// Ids of all keys.
  func list() throws -> [String] {
    guard HostFiles.exists(folder) else { return [] }
    return try HostFiles.list(folder).compactMap {
      $0.hasSuffix(Self.suffix) ? String($0.dropLast(Self.suffix.count)) : nil
    }
  }

  /// Removes the open copies that a process before this one left; `attach` opens again those that are needed.
  func closeAll() throws { try HostFiles.remove("\(folder)/open") }

  /// Seals every key with a new master key and removes the older ones. What a crash left half-done, the next one completes.
  func rotate(now: Timestamp) throws {
    try state.withLock { _ in
      let old = try masters()
      let new = try makeMaster(now)
      for id in try list() { try seal(id, try unseal(id), with: new) }
      for name in old { try HostFiles.remove("\(folder)/\(name)") }
    }
  }
  /// When the present master key was made; nil: there is none.
  func rotatedAt() throws -> Timestamp? {
    try masters().last.flatMap { Int($0.dropFirst(Self.masterPrefix.count)) }.map { Timestamp(microseconds: $0) }
  }

  private func sealedPath(_ id: String) -> String { "\(folder)/\(id)\(Self.suffix)" }

  private func makeIfMissing(_ id: String) throws {
    guard !HostFiles.exists(sealedPath(id)) else { return }
    let newest = try masters().last ?? makeMaster(SystemClock().now())
    try seal(id, Array(Secret.random(bytes: 32).value.utf8), with: newest)
  }

  private func open(_ id: String) throws {
    guard !HostFiles.exists(path(id)) else { return }
    try HostFiles.makeFolder("\(folder)/open", mode: 0o700)
    try HostFiles.writeAtomically(path(id), try unseal(id), mode: 0o600, isDurable: false)
  }
  private func closeUnused(_ id: String, _ state: State) {
    guard state.holds[id] == nil, !state.attached.contains(id) else { return }
    try? HostFiles.remove(path(id))
  }

  // MARK: - Sealing

  /// Names of the master keys, the newest last.
  private func masters() throws -> [String] {
    guard HostFiles.exists(folder) else { return [] }
    return try HostFiles.list(folder).filter { $0.hasPrefix(Self.masterPrefix) && !$0.hasSuffix(".tmp") }
  }
  private func makeMaster(_ now: Timestamp) throws -> String {
    try HostFiles.makeFolder(folder, mode: 0o700)
    var time = now.microseconds
    while HostFiles.exists("\(folder)/\(Self.masterPrefix)\(time)") { time += 1 }
    let key = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    try HostFiles.writeAtomically("\(folder)/\(Self.masterPrefix)\(time)", key, mode: 0o600)
    return "\(Self.masterPrefix)\(time)"
  }
  private func key(_ master: String) throws -> SymmetricKey {
    SymmetricKey(data: try HostFiles.read("\(folder)/\(master)"))
  }
  private func seal(_ id: String, _ secret: [UInt8], with master: String) throws {
    let box = try AES.GCM.seal(secret, using: try key(master), authenticating: Array(id.utf8))
    guard let combined = box.combined else { throw Fault.internal("The key \(id) cannot be sealed.") }
    let text = master + "\n" + combined.base64EncodedString()
    try HostFiles.writeAtomically(sealedPath(id), Array(text.utf8), mode: 0o600)
  }
  private func unseal(_ id: String) throws -> [UInt8] {
    guard HostFiles.exists(sealedPath(id)) else { throw Fault.internal("The key \(id) of the volume is missing.") }
    let lines = String(decoding: try HostFiles.read(sealedPath(id)), as: UTF8.self).split(separator: "\n")
    guard lines.count == 2, lines[0].hasPrefix(Self.masterPrefix), !lines[0].contains("/"),
      let data = Data(base64Encoded: String(lines[1])),
      let plain = try? AES.GCM.open(
        try AES.GCM.SealedBox(combined: data), using: try key(String(lines[0])), authenticating: Array(id.utf8))
    else { throw Fault.internal("The key \(id) of the volume cannot be opened: it or the master key is damaged.") }
    return Array(plain)
  }
}
