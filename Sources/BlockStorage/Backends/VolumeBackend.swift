import Kit

/// A disk as QEMU opens it.
struct Disk: Sendable {
  /// What QEMU takes for its file name: a path on this node, or the address of an image of another storage.
  var path: String
  /// `raw` or `qcow2`.
  var format: String
  /// File with the passphrase of its LUKS encryption.
  var keyPath: String?
}

/// Where volumes' data are. `Tests/BlockStorageTests/BackendConformance.swift` is what each backend must hold; a backend on
/// other nodes or on Ceph RBD is this protocol once more (docs/block-storage.md). Names are those of files: `volume-…`,
/// `layer-…`. Every verb is complete or has no effect, survives a crash at any point, and can be repeated. Errors are faults
/// that say what a user must know: 507 no space or read-only, 503 not there, 500 damaged.
protocol VolumeBackend: Sendable {
  var name: String { get }
  /// Format of new disks without encryption; encrypted ones are qcow2, which QEMU encrypts by LUKS.
  var format: String { get }
  /// Whether a disk can start as a copy-on-write layer above another one.
  var isLayered: Bool { get }
  /// A folder of this node for files that are on their way in or out.
  var workFolder: String { get }

  /// Throws a 503 fault when the storage is not there or takes nothing.
  func check() throws
  /// Bytes in all and free.
  func space() throws -> (total: Int, free: Int)
  /// Names of what is there.
  func list() throws -> [String]
  func exists(_ file: String) -> Bool
  /// How QEMU opens it.
  func disk(_ file: String, format: String, keyPath: String?) -> Disk
  /// What is there; a fault when it is damaged. `format` nil: found out, which only an administrator's file may ask for,
  /// because a guest writes into a raw disk what it likes.
  func info(_ file: String, format: String?) async throws -> DiskInfo

  /// A new disk that reads as zeros.
  func makeBlank(_ file: String, format: String, sizeBytes: Int, keyPath: String?) async throws
  /// A new disk that starts as a layer above another one of this backend.
  func makeOverlay(_ file: String, above base: String, baseFormat: String, sizeBytes: Int) async throws
  /// A complete copy of any disk, replacing what was there; `sizeBytes`: at least the source's, nil: the source's.
  /// `isShared`: the source is open elsewhere.
  func copy(
    _ source: Disk, to file: String, format: String, keyPath: String?, sizeBytes: Int?, isShared: Bool) async throws
  /// Makes a disk by letting `fill` write into an empty qcow2 one (a guest's QEMU does). It has its name when it is complete.
  func receive(
    _ file: String, sizeBytes: Int, _ fill: @Sendable (_ path: String) async throws -> Void) async throws
  /// Freezes the present state of a disk that nobody has open as `layer`, and goes on in a new layer above it.
  func freeze(_ file: String, as layer: String, sizeBytes: Int) async throws
  /// A copy within the backend, byte by byte (with its encryption), sharing blocks where the storage can.
  func duplicate(_ file: String, to copy: String) async throws
  /// Takes in an image's file of this node, without copying where it is on the same file system.
  func adopt(_ path: String, as file: String) async throws
  /// Bytes that a disk takes on the storage; 0 when there is none.
  func allocated(_ file: String) -> Int
  /// Puts a disk directly above `base` (nil: above nothing) with its content unchanged. `isClosed`: nobody has it open or
  /// will meanwhile, so that it can be done in place; otherwise whoever has it open keeps what it opened.
  func rebase(_ file: String, onto base: String?, baseFormat: String, isClosed: Bool) async throws
  func resize(_ file: String, format: String, sizeBytes: Int, keyPath: String?) async throws
  func rename(_ file: String, to other: String) async throws
  /// Removes a disk; done when there is none. `isWiped`: its data are overwritten first.
  func remove(_ file: String, isWiped: Bool) async throws
}

extension VolumeBackend {
  func disk(_ file: String, format: String) -> Disk { disk(file, format: format, keyPath: nil) }
  func makeBlank(_ file: String, format: String, sizeBytes: Int) async throws {
    try await makeBlank(file, format: format, sizeBytes: sizeBytes, keyPath: nil)
  }
  func copy(
    _ source: Disk, to file: String, format: String, keyPath: String? = nil, sizeBytes: Int? = nil
  ) async throws {
    try await copy(source, to: file, format: format, keyPath: keyPath, sizeBytes: sizeBytes, isShared: false)
  }
  func remove(_ file: String) async throws { try await remove(file, isWiped: false) }
}
