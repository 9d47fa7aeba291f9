import Contracts
import Host
import Kit

extension QEMUHypervisor {
  static func swapJob(_ key: String) -> String { "swap-\(key)" }
  /// Longest time until a volume's content is in the next one.
  private static let mirrorDeadline = Duration.seconds(7200)

  public func swap(_ volumeID: String, for new: GuestVolume, of id: String) async throws {
    try VolumeFile.validate(new)
    try VolumeFile(new).checkExists()
    let guest = try guest(id)
    try await guest.lock.withLock {
      let record = try guest.existing()
      let machine = try await awake(guest, record)
      // One of us was ended when the next volume had all the content.
      if let old = record.swapping, old.volumeID == volumeID, record.spec.volumes.contains(new) {
        return try await turn(from: old, to: new, guest, machine)
      }
      guard let old = try record.spec.toSwap(volumeID, for: new) else { return }
      try new.mayReplace(old)
      guard let machine else {
        try await VolumeFile(old).copy(to: VolumeFile(new))
        try guest.update { $0.replace(old, with: new) }
        return
      }
      try await mirror(old, to: new, machine)
      try guest.update { record in
        record.turn(from: old, to: new)
        record.swapping = old
      }
      try await turn(from: old, to: new, guest, machine)
    }
  }

  /// QEMU's blockdev-mirror (qapi/block-core.json) until both have the same content; from then on every write reaches
  /// both before the guest hears of it.
  private func mirror(_ old: GuestVolume, to new: GuestVolume, _ machine: Guest.Machine) async throws {
    let job = JSONValue.string(Self.swapJob(VolumeFile(new).key))
    await cancel(job, machine)
    do {
      await clear(VolumeFile(new), machine)
      // QEMU copies between disks of the same size only. It gets its own size again afterwards.
      try await VolumeFile(new).resize(to: try await openSize(VolumeFile(old), machine))
      try await open(new, machine)
      try await machine.monitor.execute(
        "blockdev-mirror",
        [
          "job-id": job, "device": .string(VolumeFile(old).topNode), "target": .string(VolumeFile(new).topNode),
          "sync": "full", "copy-mode": "write-blocking", "auto-finalize": true, "auto-dismiss": false,
        ])
      try await wait(for: job, ["ready"], machine, Self.mirrorDeadline)
    } catch {
      await cancel(job, machine)
      try await close(VolumeFile(new), machine)
      try? await VolumeFile(new).grow(to: new.sizeBytes)
      throw explained(error, new)
    }
  }

  /// Lets the guest go on with the next volume, and closes the one before.
  private func turn(
    from old: GuestVolume, to new: GuestVolume, _ guest: Guest, _ machine: Guest.Machine?
  ) async throws {
    // A QEMU that was started since has the next one from the beginning.
    if let machine {
      let job = JSONValue.string(Self.swapJob(VolumeFile(new).key))
      do {
        if let status = try await status(of: job, machine) {
          if status == "ready" { try await machine.monitor.execute("job-complete", ["id": job]) }
          try await wait(for: job, ["concluded"], machine, Self.mirrorDeadline)
          try await machine.monitor.execute("job-dismiss", ["id": job])
        }
      } catch {
        try guest.update { record in
          record.turn(from: new, to: old)
          record.swapping = nil
        }
        await cancel(job, machine)
        try await close(VolumeFile(new), machine)
        throw explained(error, new)
      }
      try await close(VolumeFile(old), machine)
      try await grow(VolumeFile(new), to: new.sizeBytes, machine)
    } else {
      try await VolumeFile(new).grow(to: new.sizeBytes)
    }
    try guest.update { $0.swapping = nil }
  }
}
