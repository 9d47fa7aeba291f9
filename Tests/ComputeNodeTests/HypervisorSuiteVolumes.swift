import Contracts
import Host
import Kit
import Testing

@testable import ComputeNode

extension HypervisorSuite {
  static let volumeBytes = 4 << 20

  /// A new volume whose file is filled with one byte; 0: a blank one.
  func volume(
    _ format: String = "qcow2", size: Int = Self.volumeBytes, filled byte: UInt8 = 0, isShared: Bool = false
  ) async throws -> GuestVolume {
    let id = Self.id()
    let path = "\(folder)/volume,\(id)"
    _ = try await Command("qemu-img", ["create", "-q", "-f", format, path, "\(size)"]).check()
    if byte != 0 {
      _ = try await Command("qemu-io", ["-f", format, path, "-c", "write -q -P \(byte) 0 \(size)"]).check()
    }
    return GuestVolume(
      volumeID: id, connection: VolumeConnection(path: path, format: format, isReadOnly: false), sizeBytes: size,
      device: "/dev/vdb", isShared: isShared)
  }

  /// Whether the first bytes of a disk file are all `byte`.
  func isFilled(_ path: String, _ format: String, _ byte: UInt8, size: Int = Self.volumeBytes) async throws -> Bool {
    let output = try await Command(
      "qemu-io", ["-U", "-r", "-f", format, path, "-c", "read -q -P \(byte) 0 \(size)"]
    ).run()
    return output.status == 0 && output.text.isEmpty
  }

  func size(_ volume: GuestVolume) async throws -> Int { try await VolumeFile(volume).virtualSize() }

  func blank(_ name: String, size: Int = Self.volumeBytes) async throws -> String {
    let path = "\(folder)/\(name)"
    _ = try await Command("qemu-img", ["create", "-q", "-f", "qcow2", path, "\(size)"]).check()
    return path
  }

  func volumes() async throws {
    let hypervisor = try await reopen()
    var (first, second) = (try await volume("raw", filled: 0x11), try await volume(filled: 0x22))
    var guest = spec()
    guest.volumes = [first]
    try await hypervisor.create(guest)
    #expect(try await hypervisor.displaySocket(of: guest.id) == nil)
    for _ in 0..<2 { try await hypervisor.attach(second, to: guest.id) }
    // Off: another connection replaces the one before.
    second.connection.limits = ["iops-total": 1000, "bps-total": 100 << 20]
    try await hypervisor.attach(second, to: guest.id)
    try await copies(hypervisor, guest.id, [(first, 0x11), (second, 0x22)])
    try await grows(hypervisor, guest.id, &first)
    try await hypervisor.powerOn(guest.id)
    #expect(try await hypervisor.displaySocket(of: guest.id) != nil)
    try await grows(hypervisor, guest.id, &second)
    try await copies(hypervisor, guest.id, [(first, 0x11), (second, 0x22)])
    try await hypervisor.powerOff(guest.id, grace: .zero)
    for _ in 0..<2 { try await hypervisor.detach(volumeID: second.volumeID, from: guest.id, deadline: .zero) }
    try await swaps(hypervisor, guest.id, first, byte: 0x11)
    try HostFiles.remove(first.connection.path)
    try await hypervisor.delete(guest.id)
    #expect(try await isFilled(second.connection.path, "qcow2", 0x22))
  }

  private func copies(_ hypervisor: any Hypervisor, _ id: String, _ volumes: [(GuestVolume, UInt8)]) async throws {
    for (volume, byte) in volumes {
      let path = try await blank("copy.qcow2", size: size(volume))
      try await hypervisor.copyVolume(volume.volumeID, of: id, to: path)
      #expect(try await isFilled(path, "qcow2", byte))
      try HostFiles.remove(path)
    }
  }

  private func grows(_ hypervisor: any Hypervisor, _ id: String, _ volume: inout GuestVolume) async throws {
    volume.sizeBytes = 3 * Self.volumeBytes
    for _ in 0..<2 { try await hypervisor.growVolume(volume.volumeID, of: id, sizeBytes: volume.sizeBytes) }
    // It never shrinks.
    try await hypervisor.growVolume(volume.volumeID, of: id, sizeBytes: Self.volumeBytes)
    #expect(try await size(volume) == volume.sizeBytes)
  }

  /// To a larger one and on to a third, off and then running.
  private func swaps(_ hypervisor: any Hypervisor, _ id: String, _ old: GuestVolume, byte: UInt8) async throws {
    let small = try await volume()
    await #expect(throws: Fault.self) { try await hypervisor.swap(old.volumeID, for: small, of: id) }
    let (second, third) = (
      try await volume("raw", size: 3 * Self.volumeBytes), try await volume(size: 4 * Self.volumeBytes)
    )
    for _ in 0..<2 { try await hypervisor.swap(old.volumeID, for: second, of: id) }
    try await hypervisor.powerOn(id)
    try await hypervisor.growVolume(second.volumeID, of: id, sizeBytes: 3 * Self.volumeBytes)
    for _ in 0..<2 { try await hypervisor.swap(second.volumeID, for: third, of: id) }
    await #expect(throws: Fault.self) {
      try await hypervisor.swap(second.volumeID, for: try await volume(size: 8 * Self.volumeBytes), of: id)
    }
    // What it does not use any more is not open.
    #expect(try await size(second) == 3 * Self.volumeBytes)
    try await hypervisor.reboot(id, grace: .zero)
    try await hypervisor.growVolume(third.volumeID, of: id, sizeBytes: 5 * Self.volumeBytes)
    #expect(try await isFilled(third.connection.path, "qcow2", byte))
    #expect(try await isFilled(second.connection.path, "raw", byte))
    try await moves(hypervisor, id, third, byte: byte)
  }

  /// A volume goes to another file, running and then off.
  private func moves(_ hypervisor: any Hypervisor, _ id: String, _ volume: GuestVolume, byte: UInt8) async throws {
    for format in ["raw", "qcow2"] {
      var moved = volume
      moved.sizeBytes = 5 * Self.volumeBytes
      moved.connection = try await self.volume(format, size: moved.sizeBytes, filled: 0x77).connection
      for _ in 0..<2 { try await hypervisor.swap(volume.volumeID, for: moved, of: id) }
      try await hypervisor.powerOff(id, grace: .zero)
      #expect(try await isFilled(moved.connection.path, format, byte))
    }
  }

  func volumesOfGuestsThatRun() async throws {
    var hypervisor = try await reopen()
    let guest = spec()
    try await hypervisor.create(guest)
    try await hypervisor.powerOn(guest.id)
    let (first, shared) = (try await volume(), try await volume("raw", isShared: true))
    for one in [first, shared] { for _ in 0..<2 { try await hypervisor.attach(one, to: guest.id) } }
    var other = spec()
    other.volumes = [shared]
    try await hypervisor.create(other)
    try await hypervisor.powerOn(other.id)
    // A guest that does not let go.
    hold(hypervisor, first.volumeID)
    for _ in 0..<2 {
      let fault = await #expect(throws: Fault.self) {
        try await hypervisor.detach(volumeID: first.volumeID, from: guest.id, deadline: .milliseconds(100))
      }
      #expect(fault?.status == 409)
    }
    hypervisor = try await reopen()
    try await hypervisor.growVolume(first.volumeID, of: guest.id, sizeBytes: 2 * Self.volumeBytes)
    try await hypervisor.suspend(guest.id)
    for volume in [first, try await volume()] {
      let fault = await #expect(throws: Fault.self) { try await hypervisor.attach(volume, to: guest.id) }
      #expect(fault?.status == 409)
    }
    await #expect(throws: Fault.self) {
      try await hypervisor.detach(volumeID: first.volumeID, from: guest.id, deadline: .zero)
    }
    try await hypervisor.resume(guest.id)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.powerOff(guest.id, grace: .zero)
    try await hypervisor.detach(volumeID: first.volumeID, from: guest.id, deadline: .zero)
    for id in [guest.id, other.id] { try await hypervisor.delete(id) }
  }

  func badVolumes() async throws {
    let hypervisor = try await reopen()
    let good = try await volume()
    let changes: [(inout GuestVolume) -> Void] = [
      { $0.volumeID = "../x" }, { $0.connection.path = "relative" }, { $0.connection.path = "/nonexistent/volume" },
      { $0.connection.format = "vmdk" }, { $0.sizeBytes = 0 }, { $0.bus = "usb,x=y" }, { $0.type = "lun" },
      { $0.isShared = true }, { $0.connection.limits = ["iops": 1] },
      { $0.connection.limits = ["iops-total": -1] }, { $0.connection.secretPath = "/nonexistent/key" },
    ]
    var guest = spec()
    guest.hardware = ["hw_disk_bus": "sata"]
    try await hypervisor.create(guest)
    for (index, change) in changes.enumerated() {
      var bad = good
      change(&bad)
      let fault = await #expect(throws: Fault.self, "change \(index)") {
        try await hypervisor.attach(bad, to: guest.id)
      }
      #expect([400, 503].contains(fault?.status), "change \(index)")
    }
    try await hypervisor.attach(good, to: guest.id)
    try HostFiles.remove(good.connection.path)
    let missing = await #expect(throws: Fault.self) { try await hypervisor.powerOn(guest.id) }
    #expect(missing?.message.contains(good.volumeID) == true)
    try await hypervisor.detach(volumeID: good.volumeID, from: guest.id, deadline: .zero)
    let (first, second) = (try await volume(), try await volume())
    try await hypervisor.attach(first, to: guest.id)
    try await hypervisor.powerOn(guest.id)
    let fault = await #expect(throws: Fault.self) { try await hypervisor.attach(second, to: guest.id) }
    #expect(fault?.status == 409)
    let kept = await #expect(throws: Fault.self) {
      try await hypervisor.detach(volumeID: first.volumeID, from: guest.id, deadline: .zero)
    }
    #expect(kept?.status == 409)
    try await hypervisor.delete(guest.id)
  }

  func resizing() async throws {
    let hypervisor = try await reopen()
    let small = spec()
    var large = small
    (large.vcpus, large.memoryMB, large.disks[0].sizeBytes) = (2, 48, 16 << 20)
    large.disks.append(GuestDisk(name: "ephemeral0", sizeBytes: 4 << 20))
    try await hypervisor.create(small)
    try await hypervisor.powerOn(small.id)
    let fault = await #expect(throws: Fault.self) { try await hypervisor.reconfigure(large) }
    #expect(fault?.status == 409)
    try await hypervisor.powerOff(small.id, grace: .zero)
    for spec in [large, large, small, large] { try await hypervisor.reconfigure(spec) }
    try await hypervisor.powerOn(small.id)
    try await expect(hypervisor, small.id, .running)
    try await hypervisor.delete(small.id)
    let absent = await #expect(throws: Fault.self) { try await hypervisor.reconfigure(large) }
    #expect(absent?.status == 404)
  }
}
