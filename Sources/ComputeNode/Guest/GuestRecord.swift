import Contracts
import Host
import Kit

/// What is kept of a guest in its folder, as `spec.json`: it is written last when a guest is made, so a folder without
/// it is half made.
struct GuestRecord: Codable, Equatable {
  /// What the guest should be when no QEMU runs for it. `on` without a QEMU: it crashed.
  enum Wanted: String, Codable { case off, on, suspended }

  var spec: GuestSpec
  /// Versioned machine type, so that a guest's devices stay the same when QEMU is upgraded.
  var machine: String
  /// Hot-plug ports that its machine has.
  var portCount: Int
  /// Place by port id of the interface, id of the volume or `slotKey` of the disk: the hot-plug port, or what stands for
  /// it (`place`). It stays while the guest has the device, for one that is resumed must be as it was.
  var slots: [String: Int]
  /// The place that was given last while the guest existed.
  var lastSlot: Int?
  var wanted = Wanted.off
  var hasStarted = false
  /// Whether it was paused when it was suspended.
  var wasPaused = false
  /// Ids of the running QEMU's devices by volume, where they are not `QEMUDisks.deviceID`: that of the volume before it.
  var aliases: [String: String]?
  /// The volume before, whose content has been copied to the next, which takes its place at this moment.
  var swapping: GuestVolume?

  /// Places of a machine, beyond those that its first devices need.
  private static let portsMin = 8
  private static let portsSpare = 4
  private static let portsMax = 24

  init(spec: GuestSpec, machine: String) throws {
    (self.spec, self.machine, portCount, slots) = (spec, machine, Self.portsMin, [:])
    // The order of places is that in which a guest finds its disks.
    let root = spec.bootsFromVolume ? spec.volumes.filter { $0.bootIndex == 0 } : []
    // Without a place they would come before a root disk that has one.
    let disks = spec.bootsFromVolume ? spec.disks.map(\.name) + (spec.configDrive == nil ? [] : ["config"]) : []
    let keys =
      root.map(\.volumeID) + disks.map { Self.slotKey(disk: $0) } + spec.interfaces.map(\.portID)
      + spec.volumes.filter { !root.contains($0) }.map(\.volumeID)
    guard keys.count <= Self.portsMax else {
      throw Fault.badRequest("a guest can have \(Self.portsMax) interfaces and volumes, not \(keys.count)")
    }
    slots = Dictionary(keys.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    makeRoom()
  }

  /// A machine of the i440FX kind has no hot-plug ports: its devices sit on the bus itself.
  var hasRootPorts: Bool { machine.contains("q35") }

  /// The next free place after the one that was given last: a guest that was asked twice to let go of a device may do so
  /// twice, and must not take what has come since.
  var freeSlot: Int? {
    let taken = Set(slots.values)
    let start = (lastSlot ?? -1) + 1
    return (start..<(start + portCount)).map { $0 % portCount }.first { !taken.contains($0) }
  }

  /// Gives a device its place; a fault when all are taken.
  mutating func take(_ key: String, _ what: String) throws {
    if slots[key] != nil { return }
    if let slot = freeSlot {
      slots[key] = slot
      lastSlot = slot
      return
    }
    throw Fault.conflict(
      "guest \(spec.id) has no place for another \(what): all \(portCount) are taken"
        + (portCount < Self.portsMax ? "; it has more once the server was stopped and started" : ""))
  }

  /// Where QEMU puts a device: a port of its own, or an address that the devices without one do not reach.
  func place(_ slot: Int) -> JSONObject {
    if hasRootPorts { return ["bus": .string("port\(slot)")] }
    return ["bus": "pci.0", "addr": .string("0x" + String(Self.firstAddress + slot, radix: 16))]
  }
  private static let firstAddress = 8

  /// Gives the machine that starts next ports for more devices.
  mutating func makeRoom() {
    let needed = max(slots.count, (slots.values.max() ?? -1) + 1)
    portCount = min(Self.portsMax, max(portCount, needed + Self.portsSpare))
  }

  static func slotKey(disk name: String) -> String { "disk:\(name)" }
  func deviceID(_ volume: GuestVolume) -> String {
    aliases?[volume.volumeID] ?? QEMUDisks.deviceID(volume: volume.volumeID)
  }

  /// Adds a volume, or takes another connection for it.
  mutating func add(_ volume: GuestVolume) throws {
    if let at = spec.volumes.firstIndex(where: { $0.volumeID == volume.volumeID }) {
      spec.volumes[at] = volume
    } else {
      spec.volumes.append(volume)
    }
    try take(volume.volumeID, "volume")
  }

  mutating func remove(volumeID: String) {
    spec.volumes.removeAll { $0.volumeID == volumeID }
    slots[volumeID] = nil
    aliases?[volumeID] = nil
  }

  /// Puts `new` where `old` is: another volume, or the same one in another file.
  mutating func replace(_ old: GuestVolume, with new: GuestVolume) {
    guard let at = spec.volumes.firstIndex(where: { $0.volumeID == old.volumeID }) else { return }
    spec.volumes[at] = new
    let slot = slots.removeValue(forKey: old.volumeID)
    slots[new.volumeID] = slot
  }

  /// The same while QEMU runs, where the device keeps its name.
  mutating func turn(from old: GuestVolume, to new: GuestVolume) {
    let device = deviceID(old)
    replace(old, with: new)
    aliases?[old.volumeID] = nil
    aliases = (aliases ?? [:]).merging([new.volumeID: device]) { $1 }
  }

  static func isValidID(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
          || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "-")
      }
  }

  /// A fault for a spec that no guest can be made of. Its ids become ids of QEMU's devices.
  static func validate(_ spec: GuestSpec) throws {
    let ids = [spec.id] + spec.interfaces.map(\.portID) + spec.volumes.map(\.volumeID)
    if let bad = ids.first(where: { !isValidID($0) }) { throw Fault.badRequest("'\(bad)' is not an id") }
    let names = spec.disks.map(\.name)
    if let bad = names.first(where: { !isValidID($0) || $0 == "config" }) {
      throw Fault.badRequest("'\(bad)' is not a name for a disk")
    }
    guard Set(names).count == names.count, Set(ids).count == ids.count else {
      throw Fault.badRequest("guest \(spec.id) has two disks or interfaces of the same name")
    }
    for volume in spec.volumes { try VolumeFile.validate(volume) }
    guard spec.vcpus >= 1, spec.memoryMB >= 1 else {
      throw Fault.badRequest("guest \(spec.id) needs at least 1 vCPU and 1 MB of memory")
    }
    for path in [spec.kernelPath, spec.ramdiskPath].compactMap({ $0 }) + spec.disks.compactMap(\.basePath) {
      guard path.hasPrefix("/") else { throw Fault.badRequest("'\(path)' is not an absolute path") }
      guard HostFiles.size(path) != nil else {
        throw Fault.unavailable("guest \(spec.id) needs the file \(path), which does not exist on this node")
      }
    }
    _ = try Hardware(spec.hardware)
    for volume in spec.volumes { try VolumeFile(volume).checkExists() }
  }
}
