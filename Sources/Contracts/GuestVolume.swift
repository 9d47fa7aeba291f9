import Kit

/// A volume of a guest: a disk whose file belongs to Block Storage. The driver opens it and never removes it.
public struct GuestVolume: Sendable, Codable, Equatable {
  /// The volume's id; the guest sees it as the disk's serial number.
  public var volumeID: String
  /// How this node opens it.
  public var connection: VolumeConnection
  /// Size in bytes that the guest sees.
  public var sizeBytes: Int
  /// The name that the API shows, such as `/dev/vdb`; the guest may call it otherwise.
  public var device: String
  /// `virtio`, `scsi`, `sata` or `ide`; nil: as the image's `hw_disk_bus` says.
  public var bus: String?
  /// `disk` or `cdrom`.
  public var type: String
  /// The place among the disks that the guest tries to boot from, from 0; nil: it does not boot from it.
  public var bootIndex: Int?
  /// Whether other guests have it open at the same time.
  public var isShared: Bool

  public init(
    volumeID: String, connection: VolumeConnection, sizeBytes: Int, device: String, bus: String? = nil,
    type: String = "disk", bootIndex: Int? = nil, isShared: Bool = false
  ) {
    (self.volumeID, self.connection, self.sizeBytes, self.device) = (volumeID, connection, sizeBytes, device)
    (self.bus, self.type, self.bootIndex, self.isShared) = (bus, type, bootIndex, isShared)
  }
}

/// What a driver can do with the volumes of its guests. Every verb is idempotent, like those of `Hypervisor`.
public protocol VolumeHypervisor: Sendable {
  /// Adds a volume to the guest, running (hot plug) or not. Attaching it again with another connection, to a guest that
  /// is off, takes the new connection.
  func attach(_ volume: GuestVolume, to id: String) async throws
  /// Removes a volume; done when the guest has let go of it and QEMU has closed the file. After `deadline` it throws a
  /// conflict fault and the volume stays as it is.
  func detach(volumeID: String, from id: String, deadline: Duration) async throws
  /// Moves a guest, running or not, from a volume to a new one (at least as large) with the old one's content, without
  /// a break (QMP `blockdev-mirror`). The old file is closed when it returns; a fault leaves the old one in use.
  func swap(_ volumeID: String, for new: GuestVolume, of id: String) async throws
  /// The file of a volume has grown to `sizeBytes` or must be grown to it while QEMU has it open (QMP `block_resize`).
  func growVolume(_ volumeID: String, of id: String, sizeBytes: Int) async throws
  /// Copies one moment of a volume into `path`, an empty qcow2 file of its size, while the guest runs
  /// (QMP `blockdev-backup`).
  func copyVolume(_ volumeID: String, of id: String, to path: String) async throws
  /// The Unix socket on this node where the guest's display speaks RFB (VNC); nil: the guest is off.
  func displaySocket(of id: String) async throws -> String?
}
