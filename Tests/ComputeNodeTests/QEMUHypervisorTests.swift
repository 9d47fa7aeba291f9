import Contracts
import Glibc
import Host
import Kit
import TestKit
import Testing

@testable import ComputeNode

/// Real QEMU with guests that have no operating system: firmware finds no disk to boot and idles. Needs root.
@Suite(.serialized) struct QEMUHypervisorTests {
  /// A folder and a namespace of its own, and a driver on them; everything is removed at the end.
  final class Place {
    let folder: String
    let namespace = NetworkNamespace("mtest-" + UUIDText.makeHex().prefix(8))
    var driver: QEMUHypervisor?

    init() throws {
      folder = try TestKit.folder()
      try namespace.create()
    }

    func open() async throws -> QEMUHypervisor {
      await driver?.close()
      let opened = QEMUHypervisor(
        directory: folder, namespace: namespace, hostname: "node", hostAddress: "127.0.0.1", accelerator: .tcg,
        log: TestKit.log)
      try await opened.start()
      driver = opened
      return opened
    }

    func remove() async throws {
      let driver = try await open()
      for guest in try await driver.list() { try await driver.delete(guest.id) }
      await driver.close()
      try namespace.delete()
      try HostFiles.remove(folder)
    }
  }

  func with(_ body: (Place) async throws -> Void) async throws {
    let place = try Place()
    do {
      try await body(place)
    } catch {
      try await place.remove()
      throw error
    }
    try await place.remove()
  }

  func suite(_ place: Place) -> HypervisorSuite {
    HypervisorSuite(
      reopen: { try await place.open() }, makeTap: { try await TapDevice.create($0, in: place.namespace) },
      folder: place.folder)
  }

  @Test func conformance() async throws {
    try await with { place in
      try await suite(place).run()
      #expect(try HostFiles.list("\(place.folder)/guests").isEmpty)
      #expect(
        try ProcessHandle.all(withArgument: "-pidfile").filter { $0.arguments.joined().contains(place.folder) }.isEmpty)
    }
  }

  @Test func resources() async throws {
    try await with { place in
      let node = try await place.open().resources()
      #expect(node.hypervisorType == "QEMU")
      #expect(node.hypervisorVersion > 5_000_000)
      #expect(node.vcpus >= 1 && node.memoryMB > 0 && node.diskGB >= 0)
      #expect(node.accelerator == "tcg")
    }
  }

  @Test func killedGuestHasCrashedAndCanBeStarted() async throws {
    try await with { place in
      let driver = try await place.open()
      let spec = suite(place).spec()
      try await driver.create(spec)
      try await driver.powerOn(spec.id)
      let changes = driver.changes()
      let machine = try #require(try driver.guest(spec.id).machine)
      machine.process.signal(SIGKILL)
      var iterator = changes.makeAsyncIterator()
      #expect(await iterator.next() == GuestStatus(id: spec.id, power: .crashed))
      try await suite(place).expect(driver, spec.id, .crashed)
      try await driver.powerOn(spec.id)
      try await suite(place).expect(driver, spec.id, .running)
      // While nobody looks.
      let second = try #require(try driver.guest(spec.id).machine)
      await driver.close()
      second.process.signal(SIGKILL)
      #expect(try await second.process.waitForEnd(deadline: .seconds(5)))
      try await suite(place).expect(try await place.open(), spec.id, .crashed)
    }
  }

  @Test func guestThatEndsItsQEMUGracefullyHasShutDown() async throws {
    try await with { place in
      let driver = try await place.open()
      let spec = suite(place).spec()
      try await driver.create(spec)
      try await driver.powerOn(spec.id)
      let changes = driver.changes()
      let machine = try #require(try driver.guest(spec.id).machine)
      machine.process.signal(SIGTERM)
      var iterator = changes.makeAsyncIterator()
      #expect(await iterator.next() == GuestStatus(id: spec.id, power: .shutdown))
      try await suite(place).expect(driver, spec.id, .shutdown)
    }
  }

  @Test func halfMadeGuestsAreSeenAndRemoved() async throws {
    try await with { place in
      let driver = try await place.open()
      let id = HypervisorSuite.id()
      try HostFiles.makeFolder("\(place.folder)/guests/\(id)")
      try HostFiles.writeAtomically("\(place.folder)/guests/\(id)/root.qcow2", [1, 2], mode: 0o600)
      try await suite(place).expect(driver, id, .noState)
      await #expect(throws: Fault.self) { try await driver.powerOn(id) }
      try await driver.create(suite(place).spec(id))
      try await suite(place).expect(driver, id, .shutdown)
      // A QEMU whose record is gone is ended too.
      try await driver.powerOn(id)
      let process = try #require(try driver.guest(id).machine?.process)
      await driver.close()
      try HostFiles.remove("\(place.folder)/guests/\(id)/spec.json")
      try HostFiles.remove("\(place.folder)/guests/\(id)/qemu.pid")
      let next = try await place.open()
      try await suite(place).expect(next, id, .noState)
      try await next.delete(id)
      #expect(!process.isAlive)
    }
  }

  @Test func missingTapIsNamed() async throws {
    try await with { place in
      let driver = try await place.open()
      let interface = suite(place).interface()
      let spec = suite(place).spec(interfaces: [interface])
      try await driver.create(spec)
      let fault = await #expect(throws: Fault.self) { try await driver.powerOn(spec.id) }
      #expect(fault?.message.contains(interface.tapName) == true)
      try await suite(place).expect(driver, spec.id, .shutdown)
    }
  }

  @Test func guestThatDoesNotLetGo() async throws {
    try await with { place in
      let driver = try await place.open()
      let interface = suite(place).interface()
      try await TapDevice.create(interface.tapName, in: place.namespace)
      let spec = suite(place).spec(interfaces: [interface])
      try await driver.create(spec)
      try await driver.powerOn(spec.id)
      let fault = await #expect(throws: Fault.self) {
        try await driver.detach(portID: interface.portID, from: spec.id, deadline: .milliseconds(200))
      }
      #expect(fault?.status == 409)
      // Every place is taken at last.
      for _ in 1..<8 {
        let more = suite(place).interface()
        try await TapDevice.create(more.tapName, in: place.namespace)
        try await driver.attach(more, to: spec.id)
      }
      let full = await #expect(throws: Fault.self) { try await driver.attach(suite(place).interface(), to: spec.id) }
      #expect(full?.status == 409)
    }
  }

  @Test func deleteDoesNotWaitForAGracefulShutdown() async throws {
    try await with { place in
      let driver = try await place.open()
      let spec = suite(place).spec()
      try await driver.create(spec)
      try await driver.powerOn(spec.id)
      let start = ContinuousClock.now
      async let stopped: Void = driver.powerOff(spec.id, grace: .seconds(60))
      try await Task.sleep(for: .milliseconds(100))
      #expect(try await driver.status(of: spec.id)?.power == .running)
      try await driver.delete(spec.id)
      try? await stopped
      #expect(ContinuousClock.now - start < .seconds(20))
      #expect(try await driver.status(of: spec.id) == nil)
    }
  }

  @Test(arguments: ["scsi", "sata", "ide"], ["q35", "pc"])
  func otherHardware(bus: String, machine: String) async throws {
    try await with { place in
      let driver = try await place.open()
      var spec = suite(place).spec(interfaces: [suite(place).interface()])
      try await TapDevice.create(spec.interfaces[0].tapName, in: place.namespace)
      spec.hardware = ["hw_disk_bus": bus, "hw_machine_type": machine, "hw_vif_model": "e1000"]
      spec.disks.append(GuestDisk(name: "ephemeral0", sizeBytes: 1 << 20))
      try await driver.create(spec)
      try await driver.powerOn(spec.id)
      try await suite(place).expect(driver, spec.id, .running)
    }
  }

  @Test func snapshots() async throws {
    try await with { place in
      let driver = try await place.open()
      let base = "\(place.folder)/base.raw"
      try HostFiles.writeAtomically(base, [UInt8](repeating: 0xAB, count: 1 << 20), mode: 0o400)
      var spec = suite(place).spec()
      spec.disks[0] = GuestDisk(name: "root", sizeBytes: 4 << 20, basePath: base, baseFormat: "raw")
      try await driver.create(spec)
      for power in ["off", "on", "on"] {
        if power == "on" { try await driver.powerOn(spec.id) }
        let path = "\(place.folder)/snapshot.qcow2"
        try await driver.snapshotRoot(of: spec.id, to: path)
        #expect(try DiskImage.header(path, format: "qcow2") == .init(virtualSize: 4 << 20, otherFile: false))
        _ = try await Command("qemu-img", ["convert", "-O", "raw", path, "\(place.folder)/raw"]).check()
        #expect(try HostFiles.head("\(place.folder)/raw", bytes: 1 << 20).allSatisfy { $0 == 0xAB })
        try HostFiles.remove(path)
      }
    }
  }

  @Test func hostileBaseImages() async throws {
    try await with { place in
      let driver = try await place.open()
      let path = "\(place.folder)/evil.qcow2"
      _ = try await Command(
        "qemu-img", ["create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", path, "1M"]
      )
      .check()
      var spec = suite(place).spec()
      spec.disks[0] = GuestDisk(name: "root", sizeBytes: 4 << 20, basePath: path, baseFormat: "qcow2")
      await #expect(throws: Fault.self) { try await driver.create(spec) }
      #expect(try await driver.list().isEmpty)
    }
  }

  @Test func missingQEMUIsAClearFault() throws {
    #expect(try QEMUHypervisor.version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n") == 7_002_022)
    #expect(try QEMUHypervisor.version("QEMU emulator version 10.0\n") == 10_000_000)
    #expect(throws: Fault.self) { try QEMUHypervisor.version("?") }
  }
}
