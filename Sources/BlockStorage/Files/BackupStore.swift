import Crypto
import Foundation
import Host
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// Backups' data: a folder per chain (a full backup and the incremental ones above it) with the pieces of its disks by
/// their SHA-256, and a manifest per backup that lists them. A piece is written once per chain, so an incremental backup
/// takes what has changed; a full one shares nothing with others. Reading checks every piece.
struct BackupStore: Sendable {
  let folder: String
  /// Seals the pieces (AES-256-GCM), where the volume is encrypted.
  var key: SymmetricKey?
  /// Bytes of a piece.
  static let pieceBytes = 4 << 20
  /// lseek(2)'s SEEK_DATA, which the C library's module does not export.
  private static let seekData: CInt = 3

  struct Manifest: Codable, Sendable {
    var sizeBytes: Int
    /// Offset of a piece and its SHA-256; what is not listed is zero.
    var pieces: [Piece]
    struct Piece: Codable, Sendable {
      var offset: Int
      var hash: String
    }
  }

  func chain(_ id: String) -> String { "\(folder)/\(id)" }
  func manifestPath(_ id: String, chain: String) -> String { "\(self.chain(chain))/\(id).json" }
  private func piecePath(_ hash: String, chain: String) -> String { "\(self.chain(chain))/\(hash)" }

  /// Reads a raw file and keeps it as backup `id`. Returns how many pieces it wrote. Safe to repeat.
  func save(_ raw: String, as id: String, chain: String) throws -> Int {
    try HostFiles.makeFolder(folder, mode: 0o700)
    try HostFiles.makeFolder(self.chain(chain), mode: 0o700)
    let file = open(raw, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileBackend.failure("open", raw) }
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    var manifest = Manifest(sizeBytes: size, pieces: [])
    var written = 0
    var offset = 0
    while offset < size {
      // Holes of the file are zeros that need not be read.
      let data = Int(lseek(file, off_t(offset), Self.seekData))
      if data < 0 { break }
      offset = data / Self.pieceBytes * Self.pieceBytes
      let bytes = try Self.read(file, at: offset, count: min(Self.pieceBytes, size - offset), raw)
      if bytes.contains(where: { $0 != 0 }) {
        let hash = Digest.hex(bytes)
        let path = piecePath(hash, chain: chain)
        if !HostFiles.exists(path) {
          try HostFiles.writeAtomically(path, try sealed(bytes, hash), mode: 0o600)
          written += 1
        }
        manifest.pieces.append(Manifest.Piece(offset: offset, hash: hash))
      }
      offset += Self.pieceBytes
    }
    try HostFiles.save(manifest, manifestPath(id, chain: chain), mode: 0o600)
    return written
  }

  /// Writes backup `id` into a new raw file. Throws a fault when a piece is missing or damaged.
  func restore(_ id: String, chain: String, to raw: String) throws {
    guard let manifest = try HostFiles.load(Manifest.self, manifestPath(id, chain: chain)) else {
      throw Fault.internal("The data of backup \(id) are missing.")
    }
    let file = open(raw, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw FileBackend.failure("open", raw) }
    defer { close(file) }
    guard ftruncate(file, off_t(manifest.sizeBytes)) == 0 else { throw FileBackend.failure("size", raw) }
    for piece in manifest.pieces {
      let bytes = try opened(try HostFiles.read(piecePath(piece.hash, chain: chain)), piece.hash)
      guard let bytes, Digest.hex(bytes) == piece.hash else {
        throw Fault.internal("The data of backup \(id) are damaged at offset \(piece.offset).")
      }
      var done = 0
      while done < bytes.count {
        let count = bytes.withUnsafeBytes {
          pwrite(file, $0.baseAddress.map { $0 + done }, bytes.count - done, off_t(piece.offset + done))
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw FileBackend.failure("write", raw) }
        done += count
      }
    }
  }

  private func sealed(_ bytes: [UInt8], _ hash: String) throws -> [UInt8] {
    guard let key else { return bytes }
    guard let box = try AES.GCM.seal(bytes, using: key, authenticating: Array(hash.utf8)).combined else {
      throw Fault.internal("A piece of the backup cannot be sealed.")
    }
    return Array(box)
  }
  /// nil: it is damaged, or sealed by another key.
  private func opened(_ bytes: [UInt8], _ hash: String) throws -> [UInt8]? {
    guard let key else { return bytes }
    guard let box = try? AES.GCM.SealedBox(combined: bytes) else { return nil }
    return (try? AES.GCM.open(box, using: key, authenticating: Array(hash.utf8))).map { Array($0) }
  }

  /// Removes a backup and the pieces that no other backup of its chain needs.
  func remove(_ id: String, chain: String) throws {
    let path = self.chain(chain)
    guard HostFiles.exists(path) else { return }
    try HostFiles.remove(manifestPath(id, chain: chain))
    let names = try HostFiles.list(path)
    let manifests = names.filter { $0.hasSuffix(".json") }
    if manifests.isEmpty { return try HostFiles.remove(path) }
    var needed: Set<String> = []
    for name in manifests {
      let manifest = try HostFiles.load(Manifest.self, "\(path)/\(name)")
      for piece in manifest?.pieces ?? [] { needed.insert(piece.hash) }
    }
    for name in names where !name.hasSuffix(".json") && !needed.contains(name) {
      try HostFiles.remove("\(path)/\(name)")
    }
  }

  private static func read(_ file: CInt, at offset: Int, count: Int, _ path: String) throws -> [UInt8] {
    var done = 0
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      while done < count {
        let got = pread(file, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { throw FileBackend.failure("read", path) }
        done += got
      }
      length = done
    }
  }
}
