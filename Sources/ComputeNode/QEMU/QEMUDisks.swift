import Contracts
import Kit

/// Disks of a guest on its QEMU's command line: those in its folder, its config drive and its volumes, in the order in
/// which the guest shall find them.
struct QEMUDisks {
  let record: GuestRecord
  let folder: GuestFolder
  let hardware: Hardware

  private enum Disk {
    case local(GuestDisk)
    case config
    case volume(GuestVolume)
  }

  /// A volume that the guest boots from in place of a root disk comes first, as the first disk of other guests.
  private var ordered: [Disk] {
    let spec = record.spec
    let first = spec.bootsFromVolume ? spec.volumes.filter { $0.bootIndex == 0 } : []
    var all: [Disk] = first.map { .volume($0) }
    all += spec.disks.map { .local($0) }
    if spec.configDrive != nil { all.append(.config) }
    return all + spec.volumes.filter { !first.contains($0) }.map { .volume($0) }
  }

  /// Ids of devices, in the order in which the guest tries to boot from them.
  private var bootOrder: [String] {
    let volumes = record.spec.volumes.filter { $0.bootIndex != nil }.sorted {
      ($0.bootIndex ?? 0) < ($1.bootIndex ?? 0)
    }
    let root = record.spec.disks.filter { $0.name == "root" }
    let others = record.spec.disks.filter { $0.name != "root" }
    return root.map { Self.deviceID(disk: $0.name) } + volumes.map { Self.deviceID(volume: $0.volumeID) }
      + others.map { Self.deviceID(disk: $0.name) }
  }

  /// Throws a fault when its buses do not have enough places.
  func arguments() throws -> [String] {
    var arguments: [String] = []
    let disks = ordered
    let buses = disks.map { bus($0) }
    if buses.contains(.scsi) || hardware.diskBus == .scsi {
      arguments += json("-device", ["driver": "virtio-scsi-pci", "id": "scsi"])
    }
    var places = 0
    for (disk, bus) in zip(disks, buses) {
      let isATA = bus == .sata || bus == .ide
      arguments += try self.arguments(disk, bus, ataPlace: isATA ? places : nil)
      if isATA { places += 1 }
    }
    let placesMax = record.hasRootPorts ? 6 : 4
    guard places <= placesMax else {
      throw Fault.conflict(
        "guest \(record.spec.id) has \(places) disks on its ATA bus, which has \(placesMax) places: detach volumes, or "
          + "use hw_disk_bus virtio or scsi")
    }
    return arguments
  }

  private func arguments(_ disk: Disk, _ bus: Hardware.DiskBus, ataPlace: Int?) throws -> [String] {
    var arguments: [String] = []
    var device: JSONObject
    switch disk {
    case .local(let disk):
      arguments += json("-blockdev", Self.drive(disk.name, folder.disk(disk.name)))
      device = ["id": .string(Self.deviceID(disk: disk.name)), "drive": .string(Self.driveID(disk.name))]
      device["driver"] = .string(driver(bus, isROM: false))
      if let slot = record.slots[GuestRecord.slotKey(disk: disk.name)] { place(&device, bus, slot) }
    case .config:
      arguments += json("-blockdev", configNode)
      device = ["id": .string(Self.deviceID(disk: "config")), "drive": .string(Self.driveID("config"))]
      device["driver"] = .string(driver(bus, isROM: true))
      if let slot = record.slots[GuestRecord.slotKey(disk: "config")] { place(&device, bus, slot) }
    case .volume(let volume):
      let file = VolumeFile(volume)
      for object in file.objects { arguments += json("-object", object) }
      arguments += json("-blockdev", file.node)
      device = try self.device(volume)
    }
    if bus == .scsi { device["bus"] = "scsi.0" }
    if let ataPlace {
      // q35: a bus per disk; i440FX: two disks on a bus.
      device["bus"] = .string(record.hasRootPorts ? "ide.\(ataPlace)" : "ide.\(ataPlace / 2)")
      if !record.hasRootPorts { device["unit"] = .int(ataPlace % 2) }
    }
    if let at = bootOrder.firstIndex(where: { device["id"] == .string($0) }) { device["bootindex"] = .int(at + 1) }
    return arguments + json("-device", device)
  }

  private func bus(_ disk: Disk) -> Hardware.DiskBus {
    if case .volume(let volume) = disk { hardware.bus(of: volume) } else { hardware.diskBus }
  }

  private func driver(_ bus: Hardware.DiskBus, isROM: Bool) -> String {
    switch bus {
    case .virtio: "virtio-blk-pci"
    case .scsi: isROM ? "scsi-cd" : "scsi-hd"
    case .sata, .ide: isROM ? "ide-cd" : "ide-hd"
    }
  }

  private func place(_ device: inout JSONObject, _ bus: Hardware.DiskBus, _ slot: Int) {
    switch bus {
    case .virtio: device.merge(record.place(slot))
    case .scsi: device["scsi-id"] = .int(record.spec.bootsFromVolume ? slot : Self.firstVolumeTarget + slot)
    case .sata, .ide: break
    }
  }
  /// SCSI targets of disks in the folder come first; QEMU counts those from 0.
  private static let firstVolumeTarget = 32

  /// The device of a volume: the same on the command line and hot-plugged. What the guest has written is in the file when
  /// its flush returns.
  func device(_ volume: GuestVolume) throws -> JSONObject {
    let (bus, isROM) = (hardware.bus(of: volume), volume.type == "cdrom")
    var device: JSONObject = [
      "driver": .string(driver(bus, isROM: isROM)), "id": .string(record.deviceID(volume)),
      "drive": .string(VolumeFile(volume).topNode), "serial": .string(volume.volumeID),
    ]
    if !isROM { device["write-cache"] = "on" }
    if volume.isShared { device["share-rw"] = true }
    if bus == .scsi { device["bus"] = "scsi.0" }
    if bus == .sata || bus == .ide {
      // ATA's serial number has 20 characters, as virtio's has; QEMU refuses longer ones here.
      device["serial"] = .string(String(volume.volumeID.prefix(20)))
      if !isROM, volume.connection.isReadOnly {
        throw Fault.badRequest(
          "volume \(volume.volumeID) is read-only, which a disk on \(bus.rawValue) cannot be: use virtio, scsi or a CD-ROM"
        )
      }
    }
    if let slot = record.slots[volume.volumeID] { place(&device, bus, slot) }
    return device
  }

  // MARK: - Names and nodes

  static func deviceID(disk name: String) -> String { "disk-\(name)" }
  static func deviceID(volume id: String) -> String { "volume-\(id)" }
  static func driveID(_ name: String) -> String { "drive-\(name)" }

  /// A node of QEMU's block layer for a qcow2 file of ours.
  static func drive(_ name: String, _ path: String) -> JSONObject {
    [
      "driver": "qcow2", "node-name": .string(driveID(name)), "discard": "unmap",
      "file": ["driver": "file", "filename": .string(path)],
    ]
  }

  private var configNode: JSONObject {
    [
      "driver": "raw", "node-name": .string(Self.driveID("config")), "read-only": true,
      "file": ["driver": "file", "filename": .string(folder.configDrive)],
    ]
  }

  private func json(_ option: String, _ value: JSONObject) -> [String] { [option, JSONValue.object(value).text] }
}
