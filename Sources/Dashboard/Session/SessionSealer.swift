import Crypto
import Foundation
import Host
import Kit

/// Seals cookies with AES-256-GCM under a key in a file that only the owner may read. Each use has a purpose of its own,
/// so that a cookie of one kind is none of another.
struct SessionSealer: Sendable {
  private let key: SymmetricKey

  /// Reads the key of the folder; makes it when there is none.
  init(directory: String) throws {
    try FileManager.default.createDirectory(
      atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let path = directory + "/dashboard-1.key"
    if let data = FileManager.default.contents(atPath: path) {
      guard data.count == 32 else { throw Fault.internal("\(path) holds \(data.count) bytes instead of a key of 32.") }
      key = SymmetricKey(data: data)
      return
    }
    key = SymmetricKey(size: .bits256)
    try HostFiles.writeAtomically(path, key.withUnsafeBytes { Array($0) }, mode: 0o600)
  }

  func seal(_ bytes: [UInt8], purpose: String) throws -> String {
    let box = try AES.GCM.seal(bytes, using: key, authenticating: Array(purpose.utf8))
    let sealed = Data(box.nonce) + box.ciphertext + box.tag
    return sealed.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }

  /// What was sealed; nil for anything that was not, or that has been changed.
  func open(_ text: String, purpose: String) -> [UInt8]? {
    let padded = text.replacing("-", with: "+").replacing("_", with: "/")
    guard text.utf8.count < 8192,
      let data = Data(base64Encoded: padded + String(repeating: "=", count: (4 - padded.utf8.count % 4) % 4)),
      data.count > 28, let box = try? AES.GCM.SealedBox(combined: data),
      let opened = try? AES.GCM.open(box, using: key, authenticating: Array(purpose.utf8))
    else { return nil }
    return Array(opened)
  }
}
