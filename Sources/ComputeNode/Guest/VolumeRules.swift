import Contracts
import Kit

/// What every driver says of volumes, and when.
extension GuestVolume {
  static func notAttached(_ volumeID: String, _ id: String) -> Fault {
    Fault.notFound("volume \(volumeID) is not attached to guest \(id)")
  }
  static func notReleased(_ volumeID: String, by id: String, within deadline: Duration) -> Fault {
    Fault.conflict(
      "guest \(id) has not let go of volume \(volumeID) within \(deadline): it is in use, or the guest is not up; "
        + "unmount it, or stop the server, and detach it again")
  }
  /// The memory of a suspended guest names its devices: with others it could not be resumed.
  static func isSuspended(_ id: String) -> Fault {
    Fault.conflict("guest \(id) is suspended, its volumes cannot change: resume the server first")
  }

  /// Throws when `old`'s content does not fit.
  func mayReplace(_ old: GuestVolume) throws {
    guard sizeBytes >= old.sizeBytes else {
      throw Fault.badRequest(
        "volume \(volumeID) of \(sizeBytes) bytes is smaller than volume \(old.volumeID), which has \(old.sizeBytes)")
    }
    guard !connection.isReadOnly else { throw Fault.badRequest("volume \(volumeID) is read-only") }
  }
}

extension GuestSpec {
  /// Such a guest has no disk `root`.
  var bootsFromVolume: Bool { !disks.contains { $0.name == "root" } && volumes.contains { $0.bootIndex == 0 } }

  func volume(_ volumeID: String, of id: String) throws -> GuestVolume {
    guard let found = volumes.first(where: { $0.volumeID == volumeID }) else {
      throw GuestVolume.notAttached(volumeID, id)
    }
    return found
  }

  /// The volume that `new` takes the place of; nil: it has done so already.
  func toSwap(_ volumeID: String, for new: GuestVolume) throws -> GuestVolume? {
    if volumes.contains(where: { $0.volumeID == new.volumeID && $0.connection.path == new.connection.path }) {
      return nil
    }
    return try volume(volumeID, of: id)
  }

  /// Throws for a bus that takes and gives no disks while the guest runs.
  func refuseHotPlug(_ volume: GuestVolume) throws {
    let bus = try Hardware(hardware).bus(of: volume)
    guard bus == .sata || bus == .ide else { return }
    throw Fault.conflict(
      "volume \(volume.volumeID) is on the bus \(bus.rawValue), which cannot change while guest \(id) runs: "
        + "stop the server first, or use hw_disk_bus virtio or scsi")
  }

  /// The guest with another size: disks keep what they start from, and never shrink.
  func reconfigured(as new: GuestSpec) -> GuestSpec {
    var spec = self
    (spec.name, spec.vcpus, spec.memoryMB, spec.hardware) = (new.name, new.vcpus, new.memoryMB, new.hardware)
    spec.disks = new.disks.map { disk in
      guard var kept = disks.first(where: { $0.name == disk.name }) else { return disk }
      kept.sizeBytes = max(kept.sizeBytes, disk.sizeBytes)
      return kept
    }
    return spec
  }
}

extension Hardware {
  /// CD-ROM drives are SCSI or ATAPI: virtio has none.
  func bus(of volume: GuestVolume) -> DiskBus {
    let bus = volume.bus.flatMap(DiskBus.init) ?? diskBus
    return volume.type == "cdrom" && bus == .virtio ? .sata : bus
  }
}
