import Kit

/// A disk of a guest. The first one is its root disk.
public struct GuestDisk: Sendable, Codable, Equatable {
  /// File name in the guest's folder without its ending, such as `root` or `ephemeral0`.
  public var name: String
  /// Size in bytes that the guest sees. 0: that of the base image.
  public var sizeBytes: Int
  /// A complete image file on this node that the disk starts as a copy-on-write layer of; nil: blank.
  public var basePath: String?
  /// Format of the base file: `raw` or `qcow2`.
  public var baseFormat: String?

  public init(name: String, sizeBytes: Int, basePath: String? = nil, baseFormat: String? = nil) {
    (self.name, self.sizeBytes, self.basePath, self.baseFormat) = (name, sizeBytes, basePath, baseFormat)
  }
}

/// A network interface of a guest: a TAP device that the data plane has made in the cloud's network namespace.
public struct GuestInterface: Sendable, Codable, Equatable {
  /// The port's id.
  public var portID: String
  public var mac: String
  /// See `PortWiring.tapName`.
  public var tapName: String
  public var mtu: Int

  public init(portID: String, mac: String, tapName: String, mtu: Int) {
    (self.portID, self.mac, self.tapName, self.mtu) = (portID, mac, tapName, mtu)
  }
}

/// A file of the config drive: path in its tree and content.
public struct ConfigDriveFile: Sendable, Codable, Equatable {
  public var path: String
  public var content: [UInt8]
  public init(path: String, content: [UInt8]) { (self.path, self.content) = (path, content) }
}

/// All that a hypervisor needs to make a guest. It is kept in the guest's folder, so that a guest can be started again.
public struct GuestSpec: Sendable, Codable, Equatable {
  /// The server's id.
  public var id: String
  public var name: String
  public var vcpus: Int
  public var memoryMB: Int
  public var disks: [GuestDisk]
  public var interfaces: [GuestInterface]
  /// Volumes of Block Storage. A guest that boots from a volume has no disk `root`.
  public var volumes: [GuestVolume]
  /// Direct kernel boot: files on this node (image properties `kernel_id`, `ramdisk_id`, `os_command_line`).
  public var kernelPath: String?
  public var ramdiskPath: String?
  public var kernelArguments: String?
  /// Files of the config drive; nil: no config drive.
  public var configDrive: [ConfigDriveFile]?
  /// Hardware properties of the image, such as `hw_disk_bus`, `hw_vif_model`, `hw_machine_type`.
  public var hardware: [String: String]

  public init(
    id: String, name: String, vcpus: Int, memoryMB: Int, disks: [GuestDisk], interfaces: [GuestInterface],
    volumes: [GuestVolume] = [], kernelPath: String? = nil, ramdiskPath: String? = nil, kernelArguments: String? = nil,
    configDrive: [ConfigDriveFile]? = nil, hardware: [String: String] = [:]
  ) {
    (self.id, self.name, self.vcpus, self.memoryMB) = (id, name, vcpus, memoryMB)
    (self.disks, self.interfaces, self.volumes) = (disks, interfaces, volumes)
    (self.kernelPath, self.ramdiskPath, self.kernelArguments) = (kernelPath, ramdiskPath, kernelArguments)
    (self.configDrive, self.hardware) = (configDrive, hardware)
  }
}

extension GuestSpec {
  /// Records that were written before guests had volumes are read as well.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      id: try values.decode(String.self, forKey: .id), name: try values.decode(String.self, forKey: .name),
      vcpus: try values.decode(Int.self, forKey: .vcpus), memoryMB: try values.decode(Int.self, forKey: .memoryMB),
      disks: try values.decode([GuestDisk].self, forKey: .disks),
      interfaces: try values.decode([GuestInterface].self, forKey: .interfaces),
      volumes: try values.decodeIfPresent([GuestVolume].self, forKey: .volumes) ?? [],
      kernelPath: try values.decodeIfPresent(String.self, forKey: .kernelPath),
      ramdiskPath: try values.decodeIfPresent(String.self, forKey: .ramdiskPath),
      kernelArguments: try values.decodeIfPresent(String.self, forKey: .kernelArguments),
      configDrive: try values.decodeIfPresent([ConfigDriveFile].self, forKey: .configDrive),
      hardware: try values.decode([String: String].self, forKey: .hardware))
  }
}

/// Nova's power states, by their numbers in the API.
public enum PowerState: Int, Sendable, Codable {
  case noState = 0
  case running = 1
  case paused = 3
  case shutdown = 4
  case crashed = 6
  case suspended = 7
}

/// A guest as it is on the node.
public struct GuestStatus: Sendable, Equatable {
  public var id: String
  public var power: PowerState
  public init(id: String, power: PowerState) { (self.id, self.power) = (id, power) }
}

/// What a node has, for its resource provider and the hypervisor's API view.
public struct NodeResources: Sendable, Equatable {
  public var hostname: String
  /// `QEMU` or `fake`, as `hypervisor_type`.
  public var hypervisorType: String
  /// As Nova counts it: 7.2.22 is 7002022.
  public var hypervisorVersion: Int
  public var vcpus: Int
  public var memoryMB: Int
  public var diskGB: Int
  public var cpuArchitecture: String
  public var cpuModel: String
  /// How guests run: `kvm` or `tcg`, with the reason for the choice.
  public var accelerator: String
  public var acceleratorReason: String
  public var hostAddress: String

  public init(
    hostname: String, hypervisorType: String, hypervisorVersion: Int, vcpus: Int, memoryMB: Int, diskGB: Int,
    cpuArchitecture: String, cpuModel: String, accelerator: String, acceleratorReason: String, hostAddress: String
  ) {
    (self.hostname, self.hypervisorType, self.hypervisorVersion) = (hostname, hypervisorType, hypervisorVersion)
    (self.vcpus, self.memoryMB, self.diskGB) = (vcpus, memoryMB, diskGB)
    (self.cpuArchitecture, self.cpuModel) = (cpuArchitecture, cpuModel)
    (self.accelerator, self.acceleratorReason, self.hostAddress) = (accelerator, acceleratorReason, hostAddress)
  }
}

/// Runs guests on one node. Every verb is idempotent: doing it again after a crash finishes the work and harms nothing.
/// Guests live on when the process that drives them ends; a new one finds them by `list`.
public protocol Hypervisor: VolumeHypervisor {
  /// Opens the driver: chooses the accelerator and finds the guests that exist.
  func start() async throws
  func resources() async throws -> NodeResources
  /// Every guest that has a folder on this node, running or not.
  func list() async throws -> [GuestStatus]
  func status(of id: String) async throws -> GuestStatus?

  /// Makes the guest's folder, disks and config drive; does not start it. Throws a fault that names what is missing.
  func create(_ spec: GuestSpec) async throws
  /// Starts a guest that was created; one that runs already stays as it is.
  func powerOn(_ id: String) async throws
  /// Asks the guest to shut down (ACPI) and ends it when it has not by `grace`. `.zero`: at once.
  func powerOff(_ id: String, grace: Duration) async throws
  /// Soft: asks the guest and falls back to hard after `grace`. Hard (`.zero`): resets by ending and starting it.
  func reboot(_ id: String, grace: Duration) async throws
  func pause(_ id: String) async throws
  func unpause(_ id: String) async throws
  /// Saves the guest's memory to its folder and ends it; `resume` brings it back.
  func suspend(_ id: String) async throws
  func resume(_ id: String) async throws
  /// Ends the guest and removes everything of it. A guest that does not exist is removed already.
  func delete(_ id: String) async throws

  /// Adds an interface to the guest, running (hot plug) or not.
  func attach(_ interface: GuestInterface, to id: String) async throws
  /// Removes an interface; done when the guest has let go of it or `deadline` has passed (then a fault).
  func detach(portID: String, from id: String, deadline: Duration) async throws

  /// Changes the CPUs, memory and hardware of a guest that is powered off and grows its disks; they keep what they start
  /// from (`basePath` is nil) and never shrink. Disks that are new are made.
  func reconfigure(_ spec: GuestSpec) async throws
  /// Writes the root disk as it is now to a new qcow2 file that depends on no other.
  func snapshotRoot(of id: String, to path: String) async throws

  /// The last `lines` lines of the serial console's log (nil: all that is kept). An absent log is empty.
  func consoleLog(of id: String, lines: Int?) async throws -> String
  /// Guests whose state has changed on their own (shut down from inside, crashed) since the stream was opened.
  func changes() -> AsyncStream<GuestStatus>
}
