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
  /// Hot-plug port by port id of the interface.
  var slots: [String: Int]
  var wanted = Wanted.off
  var hasStarted = false
  /// Whether it was paused when it was suspended.
  var wasPaused = false

  /// Hot-plug ports of a machine, beyond those that its first interfaces need.
  private static let portsMin = 8
  private static let portsSpare = 4
  private static let portsMax = 24

  init(spec: GuestSpec, machine: String) throws {
    let count = spec.interfaces.count
    guard count <= Self.portsMax else {
      throw Fault.badRequest("a guest can have \(Self.portsMax) interfaces, not \(count)")
    }
    (self.spec, self.machine) = (spec, machine)
    portCount = min(Self.portsMax, max(Self.portsMin, count + Self.portsSpare))
    slots = Dictionary(uniqueKeysWithValues: spec.interfaces.enumerated().map { ($1.portID, $0) })
  }

  /// A machine of the i440FX kind has no hot-plug ports: its devices sit on the bus itself.
  var hasRootPorts: Bool { machine.contains("q35") }

  var freeSlot: Int? {
    let taken = Set(slots.values)
    return (0..<portCount).first { !taken.contains($0) }
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
    guard Set(spec.volumes.map { VolumeFile.key($0.volumeID) }).count == spec.volumes.count else {
      throw Fault.badRequest("two volumes of guest \(spec.id) have ids that begin alike")
    }
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
  }
}
