import Contracts
import Host
import Kit
import TestKit
import Testing

@testable import ComputeNode

/// What every hypervisor must do, run on each. Guests have no operating system, so nothing is asked of them.
struct HypervisorSuite {
  /// Opens a hypervisor on the same folder again, as a new process would, after the one before was closed.
  let reopen: () async throws -> any Hypervisor
  /// Makes the devices that guests' interfaces need.
  let makeTap: (String) async throws -> Void
  let folder: String
  /// Makes a running guest keep a volume. One without an operating system does so by itself.
  var hold: @Sendable (any Hypervisor, String) -> Void = { _, _ in }

  static let grace = Duration.milliseconds(300)

  static func id() -> String { UUIDText.make() }

  func spec(_ id: String = Self.id(), interfaces: [GuestInterface] = []) -> GuestSpec {
    GuestSpec(
      id: id, name: "evil,name=\"x\" $(y)", vcpus: 1, memoryMB: 32,
      disks: [GuestDisk(name: "root", sizeBytes: 8 << 20)], interfaces: interfaces,
      configDrive: [ConfigDriveFile(path: "openstack/latest/meta_data.json", content: Array("{}".utf8))])
  }

  func interface() -> GuestInterface {
    let port = UUIDText.make()
    return GuestInterface(portID: port, mac: "fa:16:3e:00:00:01", tapName: PortWiring.tapName(port), mtu: 1450)
  }

  func expect(
    _ hypervisor: any Hypervisor, _ id: String, _ power: PowerState?, _ location: SourceLocation = #_sourceLocation
  ) async throws {
    #expect(try await hypervisor.status(of: id)?.power == power, sourceLocation: location)
    #expect(try await hypervisor.list().first { $0.id == id }?.power == power, sourceLocation: location)
  }

  func run() async throws {
    try await lifeCycle()
    try await pausing()
    try await suspending()
    try await interfaces()
    try await volumes()
    try await volumesOfGuestsThatRun()
    try await badVolumes()
    try await resizing()
    try await unknownGuests()
    try await badSpecs()
    try await survivesRestarts()
  }

  private func lifeCycle() async throws {
    let hypervisor = try await reopen()
    let guest = spec()
    try await hypervisor.create(guest)
    try await hypervisor.create(guest)
    try await expect(hypervisor, guest.id, .shutdown)
    try await hypervisor.powerOff(guest.id, grace: .zero)
    try await hypervisor.powerOn(guest.id)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.powerOn(guest.id)
    try await hypervisor.create(guest)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.reboot(guest.id, grace: .zero)
    try await expect(hypervisor, guest.id, .running)
    _ = try await hypervisor.consoleLog(of: guest.id, lines: 10)
    #expect(try await hypervisor.consoleLog(of: guest.id, lines: 0) == "")
    try await hypervisor.powerOff(guest.id, grace: Self.grace)
    try await expect(hypervisor, guest.id, .shutdown)
    try await hypervisor.reboot(guest.id, grace: Self.grace)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.delete(guest.id)
    try await expect(hypervisor, guest.id, nil)
    try await hypervisor.delete(guest.id)
    // A guest that never ran is made anew when it is asked for differently.
    var other = spec(guest.id)
    try await hypervisor.create(other)
    other.memoryMB = 48
    try await hypervisor.create(other)
    try await hypervisor.delete(other.id)
  }

  private func pausing() async throws {
    let hypervisor = try await reopen()
    let guest = spec()
    try await hypervisor.create(guest)
    await #expect(throws: Fault.self) { try await hypervisor.pause(guest.id) }
    await #expect(throws: Fault.self) { try await hypervisor.unpause(guest.id) }
    try await hypervisor.powerOn(guest.id)
    try await hypervisor.unpause(guest.id)
    for _ in 0..<2 { try await hypervisor.pause(guest.id) }
    try await expect(hypervisor, guest.id, .paused)
    try await hypervisor.powerOn(guest.id)
    try await expect(hypervisor, guest.id, .paused)
    for _ in 0..<2 { try await hypervisor.unpause(guest.id) }
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.pause(guest.id)
    try await hypervisor.powerOff(guest.id, grace: Self.grace)
    try await expect(hypervisor, guest.id, .shutdown)
    try await hypervisor.delete(guest.id)
  }

  private func suspending() async throws {
    let hypervisor = try await reopen()
    let guest = spec()
    try await hypervisor.create(guest)
    await #expect(throws: Fault.self) { try await hypervisor.suspend(guest.id) }
    await #expect(throws: Fault.self) { try await hypervisor.resume(guest.id) }
    try await hypervisor.powerOn(guest.id)
    try await hypervisor.resume(guest.id)
    for _ in 0..<2 { try await hypervisor.suspend(guest.id) }
    try await expect(hypervisor, guest.id, .suspended)
    await #expect(throws: Fault.self) { try await hypervisor.pause(guest.id) }
    for _ in 0..<2 { try await hypervisor.resume(guest.id) }
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.pause(guest.id)
    try await hypervisor.suspend(guest.id)
    try await hypervisor.resume(guest.id)
    try await expect(hypervisor, guest.id, .paused)
    try await hypervisor.suspend(guest.id)
    try await hypervisor.powerOff(guest.id, grace: .zero)
    try await expect(hypervisor, guest.id, .shutdown)
    await #expect(throws: Fault.self) { try await hypervisor.resume(guest.id) }
    try await hypervisor.delete(guest.id)
  }

  private func interfaces() async throws {
    let hypervisor = try await reopen()
    let (first, second) = (interface(), interface())
    for one in [first, second] { try await makeTap(one.tapName) }
    let guest = spec(interfaces: [first])
    try await hypervisor.create(guest)
    for _ in 0..<2 { try await hypervisor.attach(second, to: guest.id) }
    try await hypervisor.detach(portID: second.portID, from: guest.id, deadline: .seconds(1))
    try await hypervisor.powerOn(guest.id)
    for _ in 0..<2 { try await hypervisor.attach(second, to: guest.id) }
    try await hypervisor.reboot(guest.id, grace: .zero)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.powerOff(guest.id, grace: .zero)
    for port in [first.portID, second.portID, UUIDText.make()] {
      try await hypervisor.detach(portID: port, from: guest.id, deadline: .zero)
    }
    try await hypervisor.powerOn(guest.id)
    try await expect(hypervisor, guest.id, .running)
    try await hypervisor.delete(guest.id)
  }

  private func unknownGuests() async throws {
    let hypervisor = try await reopen()
    for id in [Self.id(), "../../etc", ""] {
      #expect(try await hypervisor.status(of: id) == nil)
      try await hypervisor.delete(id)
      let verbs: [() async throws -> Void] = [
        { try await hypervisor.powerOn(id) }, { try await hypervisor.powerOff(id, grace: .zero) },
        { try await hypervisor.reboot(id, grace: .zero) }, { try await hypervisor.pause(id) },
        { try await hypervisor.unpause(id) }, { try await hypervisor.suspend(id) },
        { try await hypervisor.resume(id) }, { try await hypervisor.attach(interface(), to: id) },
        { try await hypervisor.detach(portID: Self.id(), from: id, deadline: .zero) },
        { _ = try await hypervisor.consoleLog(of: id, lines: nil) },
        { [volume = try await volume()] in try await hypervisor.attach(volume, to: id) },
        { try await hypervisor.detach(volumeID: Self.id(), from: id, deadline: .zero) },
        { [volume = try await volume()] in try await hypervisor.swap(Self.id(), for: volume, of: id) },
        { try await hypervisor.growVolume(Self.id(), of: id, sizeBytes: 1 << 20) },
        { [folder] in try await hypervisor.copyVolume(Self.id(), of: id, to: "\(folder)/copy") },
        { _ = try await hypervisor.displaySocket(of: id) }, { _ = try await hypervisor.snapshotRoot(of: id, to: "/x") },
      ]
      for verb in verbs {
        let fault = await #expect(throws: Fault.self) { try await verb() }
        #expect(fault?.status == 404)
      }
    }
  }

  private func badSpecs() async throws {
    let hypervisor = try await reopen()
    let good = spec()
    try HostFiles.writeAtomically("\(folder)/base.raw", [UInt8](repeating: 0, count: 1 << 20), mode: 0o400)
    let changes: [(inout GuestSpec) -> Void] = [
      { $0.id = "../x" }, { $0.vcpus = 0 }, { $0.memoryMB = 0 },
      { $0.disks[0].name = "a,b" }, { $0.disks[0].sizeBytes = 0 }, { $0.disks.append($0.disks[0]) },
      { $0.disks[0].basePath = "/nonexistent/image" }, { $0.disks[0].basePath = "relative" },
      { $0.kernelPath = "/nonexistent/kernel" }, { $0.hardware["hw_disk_bus"] = "floppy" },
      { $0.hardware["hw_machine_type"] = "pc-q35-7.2,accel=x" }, { $0.hardware["hw_vif_model"] = "tap" },
      { [folder] in
        $0.disks[0] = GuestDisk(name: "root", sizeBytes: 1024, basePath: "\(folder)/base.raw", baseFormat: "raw")
      },
      { [folder] in
        $0.disks[0] = GuestDisk(name: "root", sizeBytes: 0, basePath: "\(folder)/base.raw", baseFormat: "qcow2")
      },
      { [folder] in
        $0.disks[0] = GuestDisk(name: "root", sizeBytes: 0, basePath: "\(folder)/base.raw", baseFormat: "vmdk")
      },
      { $0.configDrive = [ConfigDriveFile(path: "..", content: [])] },
    ]
    for (index, change) in changes.enumerated() {
      var bad = good
      change(&bad)
      await #expect(throws: Fault.self, "change \(index)") { try await hypervisor.create(bad) }
    }
    #expect(try await hypervisor.list().isEmpty)
    var layered = good
    layered.disks[0] = GuestDisk(name: "root", sizeBytes: 0, basePath: "\(folder)/base.raw", baseFormat: "raw")
    try await hypervisor.create(layered)
    try await hypervisor.delete(layered.id)
  }

  /// A new process finds each guest as it was.
  private func survivesRestarts() async throws {
    var hypervisor = try await reopen()
    let guests = (0..<4).map { _ in spec() }
    for guest in guests { try await hypervisor.create(guest) }
    for guest in guests.dropFirst() { try await hypervisor.powerOn(guest.id) }
    try await hypervisor.pause(guests[2].id)
    try await hypervisor.suspend(guests[3].id)
    hypervisor = try await reopen()
    let states: [PowerState] = [.shutdown, .running, .paused, .suspended]
    for (guest, power) in zip(guests, states) { try await expect(hypervisor, guest.id, power) }
    try await hypervisor.resume(guests[3].id)
    try await expect(hypervisor, guests[3].id, .running)
    for guest in guests { try await hypervisor.delete(guest.id) }
    #expect(try await hypervisor.list().isEmpty)
  }
}
