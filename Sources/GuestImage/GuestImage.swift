import Kit

/// A guest image that is ready for use: a disk that boots by itself (BIOS), and the kernel and initial RAM disk that start
/// it faster. All paths are absolute.
public struct GuestImage: Sendable, Codable, Equatable {
  /// Virtual size of the disk in MiB; its root file system grows to fill a larger one.
  public static let diskMB = 112

  /// The disk, in qcow2 format without a backing file.
  public var disk: String
  /// An ELF or bzImage kernel for direct boot (image property `kernel_id`).
  public var kernel: String
  /// Its initial RAM disk (`ramdisk_id`).
  public var initrd: String
  /// The kernel's command line (`os_command_line`).
  public var kernelArguments: String
  /// Who logs in, with sudo without a password: by the key pair of the server, or by `password`.
  public var user: String
  /// Not a secret: everyone who reads the documentation knows it, as with upstream's test images.
  public var password: String
  /// Least memory that it starts and works with, in MiB.
  public var minRAMMB: Int
  /// Least root disk in GB; 0: the image's own size is enough.
  public var minDiskGB: Int
  /// What the guest calls itself, such as `Martlet guest (Linux 6.1.192-2)`.
  public var description: String
  /// Changes whenever a build would give another image.
  public var fingerprint: String

  public init(
    disk: String, kernel: String, initrd: String, kernelArguments: String, user: String, password: String,
    minRAMMB: Int,
    minDiskGB: Int, description: String, fingerprint: String
  ) {
    (self.disk, self.kernel, self.initrd, self.kernelArguments) = (disk, kernel, initrd, kernelArguments)
    (self.user, self.password, self.minRAMMB, self.minDiskGB) = (user, password, minRAMMB, minDiskGB)
    (self.description, self.fingerprint) = (description, fingerprint)
  }

  /// The image that an earlier build left in `directory`; nil when there is none, or not all of it.
  public static func existing(in directory: String) throws -> GuestImage? {
    try GuestImageFiles(directory: directory).load()
  }

  /// Image properties that hypervisors understand, but for the ids of the kernel and the RAM disk.
  public var properties: [String: String] {
    [
      "os_command_line": kernelArguments, "os_distro": "martlet-guest", "os_type": "linux", "os_admin_user": user,
      "hw_qemu_guest_agent": "yes", "hw_rng_model": "virtio",
    ]
  }
}
