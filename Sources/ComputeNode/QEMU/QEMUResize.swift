import Contracts
import Host
import Kit

extension QEMUHypervisor {
  public func reconfigure(_ spec: GuestSpec) async throws {
    let facts = try ready()
    let guest = try guest(spec.id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      try GuestRecord.validate(spec)
      guard record.wanted != .suspended, try await adopt(guest) == nil else {
        throw Fault.conflict("guest \(spec.id) cannot be resized: it is not off")
      }
      var next = record
      next.spec = record.spec.reconfigured(as: spec)
      if next.spec.hardware != record.spec.hardware {
        next.machine = try Hardware(spec.hardware).machineType(version: facts.version)
      }
      for disk in next.spec.disks { try await grow(disk, guest) }
      try guest.save(next)
    }
  }

  /// A disk that was taken away by a resize and comes back is as it was.
  private func grow(_ disk: GuestDisk, _ guest: Guest) async throws {
    let path = guest.folder.disk(disk.name)
    guard HostFiles.exists(path) else { return try await DiskImage.create(disk, at: path) }
    if try DiskImage.header(path, format: "qcow2").virtualSize >= disk.sizeBytes { return }
    _ = try await Command("qemu-img", ["resize", "-q", "-f", "qcow2", path, "\(disk.sizeBytes)"]).check()
  }
}
