import Crypto
import Kit

#if canImport(Glibc)
  import Glibc
#endif

/// What is known of data that has been written and synced, but not yet published.
struct WrittenData: Sendable, Equatable {
  var path: String
  var size: Int
  /// MD5 in hexadecimal: the API's checksum.
  var checksum: String
  /// SHA-512 in hexadecimal.
  var hash: String
}

/// Image data in files named by their SHA-512. A file is written elsewhere, synced, made read-only and then moved to its
/// name: what has a name is complete. Equal data is one file.
///
///     blobs/ab/abcd…   published data        tmp/<uuid>   uploads in progress        staging/<image id>   staged data
struct BlobStore: Sendable {
  let directory: String
  init(directory: String) { self.directory = directory }

  var temporary: String { directory + "/tmp" }
  var staging: String { directory + "/staging" }
  var blobs: String { directory + "/blobs" }
  func path(of hash: String) -> String { "\(blobs)/\(hash.prefix(2))/\(hash)" }
  func stagedPath(of imageID: String) -> String { "\(staging)/\(imageID)" }
  func temporaryPath() -> String { "\(temporary)/\(UUIDText.make())" }

  func prepare() throws {
    for path in [directory, temporary, staging, blobs] { try FilePath.makeDirectory(path) }
  }

  /// Gives written data its name. It is there already: the new copy goes. Doing it again is fine.
  /// `keepsSource` leaves the written file where it is, too (staged data stays until its import is committed).
  func publish(_ data: WrittenData, keepsSource: Bool = false) throws {
    let target = path(of: data.hash)
    let folder = "\(blobs)/\(data.hash.prefix(2))"
    if FilePath.size(target) == data.size {
      if !keepsSource { try FilePath.remove(data.path) }
      return
    }
    try FilePath.makeDirectory(folder)
    if keepsSource {
      // link(2) takes no existing target: a wrong one (only a disk that lost its end makes it) goes first.
      try FilePath.remove(target)
      guard link(data.path, target) == 0 else { throw FileError.last("publish", data.path) }
    } else {
      guard rename(data.path, target) == 0 else { throw FileError.last("publish", data.path) }
    }
    try FilePath.syncDirectory(folder)
    try FilePath.syncDirectory(blobs)
  }

  /// Hashes of every published file.
  func published() throws -> [String] {
    try FilePath.names(in: blobs).flatMap { try FilePath.names(in: "\(blobs)/\($0)") }
  }
}

/// Takes data piece by piece: writes it, and hashes it on the way.
final class DataWriter: @unchecked Sendable {
  // Used by one task at a time, which awaits every step before the next.
  private let file: OpenFile
  private var md5 = Insecure.MD5()
  private var sha512 = SHA512()
  private(set) var size = 0

  init(path: String) throws { file = try OpenFile(path, flags: O_RDWR | O_CREAT | O_EXCL) }

  func append(_ bytes: [UInt8]) throws {
    try file.write(bytes, at: size)
    bytes.withUnsafeBytes {
      md5.update(bufferPointer: $0)
      sha512.update(bufferPointer: $0)
    }
    size += bytes.count
  }

  /// Syncs the file and makes it read-only.
  func finish() throws -> WrittenData {
    try file.setMode(0o444)
    try file.sync()
    return WrittenData(
      path: file.path, size: size, checksum: Hex.text(md5.finalize()), hash: Hex.text(sha512.finalize()))
  }
}
