import Contracts
import Host
import Kit

/// Volumes of guests that are only remembered. Their files are real: they are checked, grown and copied as QEMU would.
extension FakeHypervisor {
  public func attach(_ volume: GuestVolume, to id: String) async throws {
    try VolumeFile.validate(volume)
    try change(id) { record in
      let at = record.spec.volumes.firstIndex { $0.volumeID == volume.volumeID }
      if record.power == .suspended { throw Self.isSuspended(id) }
      if record.power != .shutdown, record.power != .crashed {
        if at != nil { return }
        try record.spec.refuseHotPlug(volume)
      }
      try VolumeFile(volume).checkExists()
      if let at { record.spec.volumes[at] = volume } else { record.spec.volumes.append(volume) }
    }
  }

  public func detach(volumeID: String, from id: String, deadline: Duration) async throws {
    let isHeld = state.withLock { $0.heldVolumes.contains(volumeID) }
    try change(id) { record in
      guard let volume = record.spec.volumes.first(where: { $0.volumeID == volumeID }) else { return }
      if record.power == .suspended { throw Self.isSuspended(id) }
      if record.power == .running || record.power == .paused {
        try record.spec.refuseHotPlug(volume)
        if isHeld { throw GuestVolume.notReleased(volumeID, by: id, within: deadline) }
      }
      record.spec.volumes.removeAll { $0.volumeID == volumeID }
    }
  }

  public func swap(_ volumeID: String, for new: GuestVolume, of id: String) async throws {
    try VolumeFile.validate(new)
    try VolumeFile(new).checkExists()
    guard let old = try existing(id).spec.toSwap(volumeID, for: new) else { return }
    try new.mayReplace(old)
    try await VolumeFile(old).copy(to: VolumeFile(new))
    try change(id) { record in
      guard let at = record.spec.volumes.firstIndex(where: { $0.volumeID == volumeID }) else { return }
      record.spec.volumes[at] = new
    }
  }

  public func growVolume(_ volumeID: String, of id: String, sizeBytes: Int) async throws {
    let volume = try existing(id).spec.volume(volumeID, of: id)
    try await VolumeFile(volume).grow(to: sizeBytes)
    try change(id) { record in
      guard let at = record.spec.volumes.firstIndex(where: { $0.volumeID == volumeID }) else { return }
      record.spec.volumes[at].sizeBytes = max(record.spec.volumes[at].sizeBytes, sizeBytes)
    }
  }

  public func copyVolume(_ volumeID: String, of id: String, to path: String) async throws {
    try await VolumeFile(existing(id).spec.volume(volumeID, of: id)).copy(to: path)
  }

  /// The socket that a test has named, while the guest runs.
  public func displaySocket(of id: String) async throws -> String? {
    let record = try existing(id)
    guard record.power == .running || record.power == .paused else { return nil }
    return state.withLock { $0.displays[id] } ?? directory.map { "\($0)/\(id).vnc" }
  }

  public func reconfigure(_ spec: GuestSpec) async throws {
    try GuestRecord.validate(spec)
    try change(spec.id) { record in
      guard record.power == .shutdown || record.power == .crashed else {
        throw Fault.conflict("guest \(spec.id) cannot be resized: it is not off")
      }
      record.spec = record.spec.reconfigured(as: spec)
    }
  }

  // MARK: - For tests

  /// Whether running guests keep the volume when they are asked to let go of it: `detach` then ends as after its
  /// deadline.
  public func hold(_ volumeID: String, _ isHeld: Bool = true) {
    state.withLock { state in
      if isHeld { state.heldVolumes.insert(volumeID) } else { state.heldVolumes.remove(volumeID) }
    }
  }

  /// Where the display of a guest is while it runs; nil: where nobody listens.
  public func setDisplay(_ socket: String?, of id: String) { state.withLock { $0.displays[id] = socket } }

  private static func isSuspended(_ id: String) -> Fault { GuestVolume.isSuspended(id) }
}
