import Kit
import Store

/// A volume as Compute sees it when it boots from it or attaches it.
public struct VolumeSummary: Sendable, Equatable {
  public var id: String
  public var name: String
  /// `available`, `in-use`, `reserved` …
  public var status: String
  public var sizeGB: Int
  public var isBootable: Bool
  public var isMultiattach: Bool
  public var projectID: String
  public var zone: String
  /// Properties of the image that it was made from, such as `hw_disk_bus`, `kernel_id`.
  public var imageMetadata: [String: String]
  /// Whether its data are on their way to another volume or backend.
  public var isMigrating: Bool

  public init(
    id: String, name: String, status: String, sizeGB: Int, isBootable: Bool, isMultiattach: Bool, projectID: String,
    zone: String, imageMetadata: [String: String], isMigrating: Bool = false
  ) {
    (self.id, self.name, self.status, self.sizeGB) = (id, name, status, sizeGB)
    (self.isBootable, self.isMultiattach, self.projectID) = (isBootable, isMultiattach, projectID)
    (self.zone, self.imageMetadata, self.isMigrating) = (zone, imageMetadata, isMigrating)
  }
}

/// How a node opens a volume: a file on this node, with what QEMU needs to know of it.
public struct VolumeConnection: Sendable, Codable, Equatable {
  /// Absolute path of the file.
  public var path: String
  /// `raw` or `qcow2`.
  public var format: String
  public var isReadOnly: Bool
  /// Limits that QEMU enforces, by QEMU's own names: `iops-total`, `bps-read` …
  public var limits: [String: Int]
  /// For a LUKS volume: the file, readable by root only, with its passphrase.
  public var secretPath: String?

  public init(path: String, format: String, isReadOnly: Bool, limits: [String: Int] = [:], secretPath: String? = nil) {
    (self.path, self.format, self.isReadOnly) = (path, format, isReadOnly)
    (self.limits, self.secretPath) = (limits, secretPath)
  }
}

/// What a new volume is made from.
public enum VolumeSource: Sendable, Codable, Equatable {
  case blank
  case image(String)
  case snapshot(String)
  case volume(String)
}

/// What Compute needs of Block Storage. Calls with a transaction commit or roll back with Compute's own rows.
public protocol VolumeAttaching: VolumeProxying {
  /// The volume, if the caller may see it.
  func volume(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> VolumeSummary?
  /// The volume whoever asks, for workflows that run after the check.
  func volume(_ id: String, tx: any Transaction) throws -> VolumeSummary?
  /// A snapshot's size in GB and volume, if the caller may see it.
  func snapshot(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> (
    sizeGB: Int, volumeID: String
  )?
  /// Whether the caller may use the volume type with this id or name.
  func hasVolumeType(_ key: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> Bool
  /// Makes a volume for a server (block device mapping) and enqueues its creation. Throws quota and input faults.
  func create(
    sizeGB: Int?, source: VolumeSource, type: String?, name: String, zone: String, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String
  /// Returns when the volume is `available` (or reserved for this server); throws a fault that explains when it cannot be.
  func waitReady(_ id: String) async throws
  /// Reserves a volume for a server: an attachment without a connection. Throws a 400 fault when it is not attachable.
  /// Idempotent per server. Returns the attachment's id.
  func reserve(_ id: String, serverID: String, tx: any Transaction) throws -> String
  /// Opens the volume on this node for the attachment.
  func connect(attachmentID: String, host: String, mountpoint: String) async throws -> VolumeConnection
  /// The attachment is in use by the guest: the volume is `in-use`.
  func complete(attachmentID: String, tx: any Transaction) throws
  /// The volume shows `detaching` until `release`, or until `keepAttached` because the guest did not let go of it.
  func beginDetaching(attachmentID: String, tx: any Transaction) throws
  /// Takes `beginDetaching` back.
  func keepAttached(attachmentID: String, tx: any Transaction) throws
  /// Ends an attachment; one that is gone is ended already.
  func release(attachmentID: String, tx: any Transaction) throws
  /// The server's node has closed the volume, but keeps it: the attachment is reserved until the next `connect`.
  func disconnect(attachmentID: String, tx: any Transaction) throws
  /// Deletes a volume that a server made with `delete_on_termination`; one that is gone is deleted already, one that is
  /// being made is given up.
  func delete(_ id: String, requestID: String, tx: any Transaction) throws
  /// Enqueues the replacement of a disconnected volume's content by an image's; `waitReady` waits for it. Throws a 400
  /// fault when it cannot be replaced.
  func reimage(_ id: String, image: String, requestID: String, tx: any Transaction) throws
  /// Takes a snapshot of a volume, in use or not; returns its id. Throws quota and state faults.
  func createSnapshot(of id: String, name: String, auth: AuthContext, requestID: String, tx: any Transaction) throws
    -> String
  /// Returns when the snapshot is complete; throws a fault that explains when it cannot be.
  func waitSnapshotReady(_ id: String) async throws
  /// Deletes a snapshot, complete or not; one that is gone is deleted already.
  func deleteSnapshot(_ id: String, requestID: String, tx: any Transaction) throws
}

extension VolumeAttaching {
  public func beginDetaching(attachmentID: String, tx: any Transaction) throws {}
  public func keepAttached(attachmentID: String, tx: any Transaction) throws {}
}

/// What Block Storage needs of Compute for volumes in use.
public protocol VolumeUsers: Sendable {
  /// Grows the file of an attached volume to `sizeBytes` and tells the guest (QMP `block_resize`). Growing again to the
  /// same size is done already.
  func volumeGrew(_ volumeID: String, serverID: String, sizeBytes: Int) async throws
  /// The volume has grown, and its guest knows: Compute records it as the server's action `extend_volume`.
  func volumeExtended(_ volumeID: String, serverID: String, requestID: String, tx: any Transaction) throws
  /// Copies a consistent view of an attached volume's disk into `path`, an empty qcow2 file of the volume's size that
  /// exists and has no backing file, while the guest runs (QMP `blockdev-backup`): for snapshots, backups and clones. It
  /// returns when the copy is complete; a call after a crash gets a fresh empty file.
  func copyVolume(_ volumeID: String, serverID: String, to path: String) async throws
  /// Moves the guest, running or not, from the volume's file to `target` with its content, without a break (QMP
  /// `blockdev-mirror`): the volume keeps its id. `target` is a disk at least as large, with any content; what was written
  /// before the call returns is in it, and the old file is closed. Done already when the guest is on `target`; a fault
  /// leaves the guest on the old file. For migrations and retypes of volumes in use.
  func swapVolume(_ volumeID: String, serverID: String, to target: VolumeConnection) async throws
}

extension VolumeUsers {
  public func volumeExtended(_ volumeID: String, serverID: String, requestID: String, tx: any Transaction) throws {}
  public func swapVolume(_ volumeID: String, serverID: String, to target: VolumeConnection) async throws {
    throw Fault(501, "The server's host cannot move a volume that is in use.")
  }
}
