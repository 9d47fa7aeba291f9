import Contracts
import Kit

/// A disk of a server beside the root disk that an image gives (API reference, block_device_mapping_v2): a volume, or a
/// blank disk on the host.
struct BlockDevice: Sendable, Equatable {
  enum Source: String, Sendable { case blank, image, snapshot, volume }

  /// `bdm_uuid`.
  var id = UUIDText.make()
  var serverID = ""
  var source: Source
  /// Whether a volume holds its data; else it is a file on the host.
  var isVolume: Bool
  /// The image or snapshot that its volume is made from.
  var sourceID: String?
  /// nil while its volume has not been made.
  var volumeID: String?
  /// The reservation or attachment in Block Storage.
  var attachmentID: String?
  /// Gigabytes; of a swap disk, megabytes.
  var size: Int?
  /// The place among the disks that the guest tries to boot from, from 0; nil: it does not boot from it.
  var bootIndex: Int?
  /// `/dev/vdb`
  var device: String?
  var bus: String?
  var type: String?
  /// `swap`, or the file system of a blank disk.
  var format: String?
  var tag: String?
  var deletesOnTermination = false
  /// Name or id of the type of the volume that is made.
  var volumeType: String?
  /// Whether the guest has it.
  var isAttached = false
  /// While a guest moves from one volume to another: the device that this one takes the place of.
  var replaces: String?

  var isRoot: Bool { bootIndex == 0 }
  var isSwap: Bool { source == .blank && !isVolume && format == "swap" }
  var isEphemeral: Bool { source == .blank && !isVolume && format != "swap" }
  /// Whether the volume exists only because of this server.
  var isMade: Bool { isVolume && source != .volume }

  /// As the driver opens it.
  func guestVolume(_ connection: VolumeConnection, of volume: VolumeSummary) -> GuestVolume {
    GuestVolume(
      volumeID: volume.id, connection: connection, sizeBytes: volume.sizeGB << 30, device: device ?? "", bus: bus,
      type: type == "cdrom" ? "cdrom" : "disk", bootIndex: bootIndex, isShared: volume.isMultiattach)
  }

  // MARK: Names

  /// What `device` may be (Nova's match_device).
  static func isName(_ text: String) -> Bool {
    guard text.hasPrefix("/dev/") else { return false }
    let rest = text.dropFirst(5)
    let letters = rest.prefix { $0.isASCII && $0.isLowercase }
    return !letters.isEmpty && rest.dropFirst(letters.count).allSatisfy { $0.isASCII && $0.isNumber }
  }

  /// The first free name: `/dev/vda`, … for virtio, `/dev/sda`, … for the other buses.
  static func name(bus: String?, taken: Set<String>) -> String {
    let prefix = bus == "ide" ? "hd" : bus == nil || bus == "virtio" ? "vd" : "sd"
    var index = 0
    while true {
      let name = "/dev/" + prefix + letters(index)
      if !taken.contains(name) { return name }
      index += 1
    }
  }
  private static func letters(_ index: Int) -> String {
    var (index, text) = (index, "")
    repeat {
      text = String(UnicodeScalar(UInt8(97 + index % 26))) + text
      index = index / 26 - 1
    } while index >= 0
    return text
  }
}

extension Server {
  /// Its volumes, without those that only take another's place.
  var volumes: [BlockDevice] { blockDevices.filter { $0.isVolume && $0.replaces == nil } }
  /// The device of a volume. Throws upstream's 404 fault.
  func device(ofVolume id: String) throws -> BlockDevice {
    guard let device = volumes.first(where: { $0.volumeID == id }) else {
      throw Fault.notFound("Instance \(self.id) is not attached to volume \(id.prefix(64))")
    }
    return device
  }

  /// The disks on the host that the flavor gives, or those that the order asked for in their place.
  func localDisks(_ flavor: ServerFlavor) -> [GuestDisk] {
    let ephemerals = blockDevices.filter(\.isEphemeral).map { $0.size ?? flavor.ephemeralGB }
    let swaps = blockDevices.filter(\.isSwap).map { $0.size ?? flavor.swapMB }
    let gigabytes = ephemerals.isEmpty ? [flavor.ephemeralGB] : ephemerals
    let megabytes = swaps.first ?? flavor.swapMB
    var disks = gigabytes.filter { $0 > 0 }.enumerated().map {
      GuestDisk(name: "ephemeral\($0.offset)", sizeBytes: $0.element << 30)
    }
    if megabytes > 0 { disks.append(GuestDisk(name: "swap", sizeBytes: megabytes << 20)) }
    return disks
  }

  /// Names of the local disks beside the root disk: those that were given, or the first free ones.
  var localDiskNames: [(disk: String, path: String)] {
    var taken = Set(blockDevices.compactMap(\.device) + [rootDevice])
    var ephemerals = blockDevices.filter(\.isEphemeral).map(\.device)
    let swap = blockDevices.first(where: \.isSwap)?.device
    return localDisks(flavor).map { disk in
      let given = disk.name == "swap" ? swap : ephemerals.isEmpty ? nil : ephemerals.removeFirst()
      let path = given ?? BlockDevice.name(bus: imageProperties["hw_disk_bus"], taken: taken)
      taken.insert(path)
      return (disk.name, path)
    }
  }

  /// Names that its disks have.
  var deviceNames: Set<String> {
    Set(blockDevices.compactMap(\.device) + [rootDevice] + localDiskNames.map(\.path))
  }

  /// Gives every volume a name that has none, behind those of the local disks.
  mutating func nameDevices() {
    if let root = blockDevices.first(where: { $0.isRoot && $0.isVolume })?.device { rootDevice = root }
    for index in blockDevices.indices where blockDevices[index].isVolume && blockDevices[index].device == nil {
      let device = blockDevices[index]
      blockDevices[index].device =
        device.isRoot
        ? rootDevice : BlockDevice.name(bus: device.bus ?? imageProperties["hw_disk_bus"], taken: deviceNames)
    }
  }
}
