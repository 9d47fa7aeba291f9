import API
import Contracts
import Kit
import Store

/// What a new server boots from.
struct BootSource: Sendable {
  /// Properties of the image, or of the image that the volume was made from.
  var properties: [String: String] = [:]
  var minDiskGB = 0
  var minRAMMB = 0
  /// The image of the request (`imageRef`).
  var image: ImageSummary?
}

/// Checks the block devices of a new server against images, volumes, snapshots and the flavor (Nova's messages).
struct BlockDevicePlan {
  let order: BlockDeviceOrder
  let imageID: String?
  let countMax: Int
  let flavor: ServerFlavor
  let auth: AuthContext
  /// Since 2.60.
  let allowsMultiattach: Bool
  let service: ComputeDependencies
  let tx: any Transaction

  /// Most local disks that a server may ask for (Nova's option max_local_block_devices).
  static let localDisksMax = 3
  /// Most volumes that a server may have.
  static let volumesMax = 26
  private static let buses: Set<String> = ["virtio", "scsi", "sata", "ide"]

  struct Result: Sendable {
    var boot: BootSource
    /// Without the local disk that the image becomes.
    var devices: [BlockDevice]
    var isVolumeBacked: Bool { devices.contains { $0.isRoot && $0.isVolume } }
  }

  /// Throws 400 and 403 faults.
  func run() throws -> Result {
    let boot = try self.boot()
    let root = "/dev/" + (boot.properties["root_device_name"].map { $0.replacing("/dev/", with: "") } ?? "vda")
    if imageID != nil, !order.isLegacy, order.devices.contains(where: { $0.isVolume && $0.device == root }) {
      throw Fault.badRequest(
        "The volume cannot be assigned the same device name as the root device \(root.dropFirst(5))")
    }
    var devices = try merged(boot, root: root)
    if countMax > 1, devices.contains(where: { $0.source == .volume }) {
      throw Fault.badRequest("Cannot attach one or more volumes to multiple instances")
    }
    try checkBootSequence(devices)
    for index in devices.indices { try check(&devices[index]) }
    try checkLocal(devices)
    return Result(boot: boot, devices: devices.filter { !$0.isImageDisk })
  }

  // MARK: What is booted

  private func boot() throws -> BootSource {
    if let imageID {
      guard let image = try service.images.image(imageID, visibleTo: auth, tx: tx) else {
        throw Fault.badRequest("Can not find requested image")
      }
      return BootSource(
        properties: image.properties, minDiskGB: image.minDiskGB, minRAMMB: image.minRAMMB, image: image)
    }
    guard let device = order.bootDevice else { return BootSource() }
    if device.source == .image {
      let image = try image(device.sourceID ?? "")
      return BootSource(properties: image.properties, minDiskGB: image.minDiskGB, minRAMMB: image.minRAMMB)
    }
    var volumeID = device.volumeID
    if let id = device.sourceID, device.source == .snapshot { volumeID = try snapshot(id).volumeID }
    guard let volumeID else { return BootSource() }
    return try Self.boot(try volume(volumeID))
  }

  /// What a bootable volume keeps of its image. Throws a 400 fault for one that is not bootable.
  private static func boot(_ volume: VolumeSummary) throws -> BootSource {
    guard volume.isBootable else { throw Fault.badRequest("Block Device \(volume.id) is not bootable.") }
    var properties = volume.imageMetadata
    let minimum = (Int(properties["min_disk"] ?? "") ?? 0, Int(properties["min_ram"] ?? "") ?? 0)
    for name in imageMembers { properties[name] = nil }
    return BootSource(properties: properties, minDiskGB: minimum.0, minRAMMB: minimum.1)
  }
  /// Members of an image that Block Storage keeps among its properties.
  static let imageMembers = [
    "image_id", "image_name", "size", "checksum", "container_format", "disk_format", "min_ram", "min_disk",
  ]

  private func image(_ id: String) throws -> ImageSummary {
    guard let id = UUIDText.canonical(id), let image = try service.images.image(id, visibleTo: auth, tx: tx) else {
      throw BlockDeviceOrder.invalid("failed to get image \(id.prefix(64)).")
    }
    return image
  }
  private func volume(_ id: String) throws -> VolumeSummary {
    guard let volume = try service.storage().volume(id, visibleTo: auth, tx: tx) else {
      throw BlockDeviceOrder.invalid("failed to get volume \(id.prefix(64)).")
    }
    return volume
  }
  private func snapshot(_ id: String) throws -> (sizeGB: Int, volumeID: String) {
    guard let snapshot = try service.storage().snapshot(id, visibleTo: auth, tx: tx) else {
      throw BlockDeviceOrder.invalid("failed to get snapshot \(id.prefix(64)).")
    }
    return snapshot
  }

  // MARK: All devices

  /// The devices of the request, and those of the image that the request does not replace.
  private func merged(_ boot: BootSource, root: String) throws -> [BlockDevice] {
    var ofImage = try BlockDeviceOrder(image: boot.properties)
    ofImage.chooseLegacyRoot(root, isTaken: false)
    let hasRoot = ofImage.devices.contains(where: \.isRoot)
    var order = order
    order.chooseLegacyRoot(root, isTaken: hasRoot)
    var devices = order.devices
    if hasRoot { devices.removeAll { $0.isRoot && $0.source == .image } }
    if order.isLegacy, imageID != nil, !hasRoot, !devices.contains(where: \.isRoot) {
      var disk = BlockDevice(source: .image, isVolume: false)
      (disk.sourceID, disk.bootIndex) = (imageID, 0)
      devices.insert(disk, at: 0)
    }
    let names = order.removed.union(devices.compactMap(\.device))
    return devices + ofImage.devices.filter { $0.device.map { !names.contains($0) } ?? true }
  }

  /// Boot indexes count from 0 without a gap, and one disk has 0.
  private func checkBootSequence(_ devices: [BlockDevice]) throws {
    let indexes = devices.compactMap(\.bootIndex).sorted()
    guard !indexes.isEmpty, indexes == Array(0..<indexes.count) else { throw BlockDeviceOrder.bootSequence }
  }

  // MARK: One device

  private func check(_ device: inout BlockDevice) throws {
    if let type = device.volumeType, !(try service.storage().hasVolumeType(type, visibleTo: auth, tx: tx)) {
      throw Fault.badRequest("Volume type \(type.prefix(80)) could not be found.")
    }
    switch (device.source, device.isVolume) {
    case (.image, true):
      _ = try image(device.sourceID ?? "")
      guard device.size ?? 0 > 0 else {
        throw Fault.badRequest("Images with destination_type 'volume' need to have a non-zero size specified")
      }
    case (.snapshot, _):
      let size = try snapshot(device.sourceID ?? "").sizeGB
      device.size = device.size ?? size
    case (.volume, _):
      let volume = try volume(device.volumeID ?? "")
      if volume.isMultiattach, !allowsMultiattach { throw ServerVolumes.multiattachTooOld }
      device.size = volume.sizeGB
    case (.blank, true):
      guard device.size ?? 0 > 0 else {
        throw Fault.badRequest("Blank volumes (source: 'blank', dest: 'volume') need to have non-zero size")
      }
    case (.blank, false), (.image, false): break
    }
    if device.isVolume { _ = try service.storage() }
    if let bus = device.bus, !Self.buses.contains(bus) {
      throw Fault.badRequest(
        "Block Device Mapping is invalid: The provided disk bus \(bus.prefix(40)) is not valid: it is one of "
          + Self.buses.sorted().joined(separator: ", ") + ".")
    }
    if let type = device.type, !["disk", "cdrom", "lun"].contains(type) {
      throw BlockDeviceOrder.invalid("the device_type \(type.prefix(40)) is not one of cdrom, disk, lun.")
    }
  }

  private func checkLocal(_ devices: [BlockDevice]) throws {
    let ephemerals = devices.filter(\.isEphemeral)
    guard ephemerals.reduce(0, { $0 + ($1.size ?? flavor.ephemeralGB) }) <= flavor.ephemeralGB else {
      throw Fault.badRequest(
        "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device "
          + "mapping, flavor ephemeral size will be used.")
    }
    let swaps = devices.filter(\.isSwap)
    guard swaps.count <= 1 else { throw BlockDeviceOrder.invalid("More than one swap drive requested.") }
    guard swaps.first?.size ?? 0 <= flavor.swapMB else {
      throw Fault.badRequest("Swap drive requested is larger than instance type allows.")
    }
    var locals = devices.filter { !$0.isVolume }.count
    if ephemerals.isEmpty, flavor.ephemeralGB > 0 { locals += 1 }
    if swaps.isEmpty, flavor.swapMB > 0 { locals += 1 }
    guard locals <= Self.localDisksMax else {
      throw BlockDeviceOrder.invalid("You specified more local devices than the limit allows")
    }
    guard devices.filter(\.isVolume).count <= Self.volumesMax else { throw ServerVolumes.tooMany }
  }
}
