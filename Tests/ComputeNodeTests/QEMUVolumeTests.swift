import Contracts
import Glibc
import Host
import Kit
import TestKit
import Testing

@testable import ComputeNode

/// What QEMU does with volumes beyond the conformance suite. `qemu-io` commands of its monitor write as a guest would.
extension QEMUHypervisorTests {
  private func monitor(_ driver: QEMUHypervisor, _ id: String) throws -> QMPClient {
    try #require(try driver.guest(id).machine).monitor
  }

  private func io(_ driver: QEMUHypervisor, _ id: String, _ volume: GuestVolume, _ command: String) async throws {
    // Through the guest's device. It says to QEMU's log what it did.
    let guest = try driver.guest(id)
    let device = try guest.existing().deviceID(volume)
    let text = "qemu-io -d /machine/peripheral/\(device)/virtio-backend \"\(command)\""
    let before = HostFiles.tail(guest.folder.log, bytes: 1 << 20).count
    let said = try await monitor(driver, id).execute("human-monitor-command", ["command-line": .string(text)])
    let log = HostFiles.tail(guest.folder.log, bytes: 1 << 20).dropFirst(before)
    let bad = ["rror", "failed", "onflict", "not found"]
    #expect(said.string == "" && !bad.contains(where: log.contains), "\(text): \(said) \(log)")
  }

  private func running(_ place: Place, _ change: (inout GuestSpec) -> Void = { _ in }) async throws -> (
    QEMUHypervisor, HypervisorSuite, String
  ) {
    let (driver, suite) = (try await place.open(), suite(place))
    var spec = suite.spec()
    change(&spec)
    try await driver.create(spec)
    try await driver.powerOn(spec.id)
    return (driver, suite, spec.id)
  }

  @Test func limitsAreEnforcedByQEMU() async throws {
    try await with { place in
      let (driver, suite, id) = try await running(place)
      var volume = try await suite.volume("raw")
      volume.connection.limits = ["iops-total": 20, "bps-read": 1 << 20, "iops-size": 4096]
      try await driver.attach(volume, to: id)
      let limits = try await monitor(driver, id).execute(
        "qom-get", ["path": .string("/objects/\(VolumeFile(volume).limitsID)"), "property": "limits"])
      #expect(limits["iops-total"] == 20 && limits["bps-read"] == .int(1 << 20) && limits["iops-size"] == 4096)
      #expect(limits["bps-write"] == 0)
      // 5 pieces of 4 KiB each beyond the first burst.
      let start = ContinuousClock.now
      for _ in 0..<5 { try await io(driver, id, volume, "write -P 1 0 20k") }
      #expect(ContinuousClock.now - start > .milliseconds(500))
    }
  }

  private func encrypt(_ connection: VolumeConnection, _ key: String) async throws {
    let isQcow2 = connection.format == "qcow2"
    let prefix = isQcow2 ? "encrypt." : ""
    let options = (isQcow2 ? "encrypt.format=luks," : "") + "\(prefix)key-secret=s,\(prefix)iter-time=10"
    let command = Command(
      "qemu-img",
      [
        "create", "-q", "-f", isQcow2 ? "qcow2" : "luks", "--object", "secret,id=s,file=\(key)", "-o", options,
        connection.path, "4M",
      ])
    // QEMU times its key derivation, and gives up when the clock did not move meanwhile.
    for _ in 0..<50 where try await command.run().status == 0 { return }
    _ = try await command.check()
  }

  @Test(arguments: ["qcow2", "raw"])
  func encryptedVolumesAreOpened(format: String) async throws {
    try await with { place in
      let (driver, suite, id) = try await running(place)
      var volumes: [GuestVolume] = []
      for _ in 0..<2 {
        var volume = try await suite.volume()
        let key = "\(place.folder)/key"
        try HostFiles.writeAtomically(key, Array("a secret, with a comma".utf8), mode: 0o600)
        (volume.connection.secretPath, volume.connection.format) = (key, format)
        // Making one takes seconds.
        if let first = volumes.first {
          _ = try await Command("cp", [first.connection.path, volume.connection.path]).check()
        } else {
          try await encrypt(volume.connection, key)
        }
        volumes.append(volume)
      }
      try await driver.attach(volumes[0], to: id)
      try await io(driver, id, volumes[0], "write -P 90 0 64k")
      let fault = await #expect(throws: Fault.self) {
        try await driver.copyVolume(volumes[0].volumeID, of: id, to: "\(place.folder)/plain")
      }
      #expect(fault?.status == 400)
      try await driver.growVolume(volumes[0].volumeID, of: id, sizeBytes: 8 << 20)
      volumes[1].sizeBytes = 8 << 20
      try await VolumeFile(volumes[1]).grow(to: 8 << 20)
      try await driver.swap(volumes[0].volumeID, for: volumes[1], of: id)
      try await driver.reboot(id, grace: .zero)
      try await io(driver, id, volumes[1], "read -P 90 0 64k")
      // Without the key, nothing of it is there to read.
      let bytes = try HostFiles.read(volumes[1].connection.path, limit: 64 << 20)
      #expect(!String(decoding: bytes, as: UTF8.self).contains(String(repeating: "Z", count: 512)))
    }
  }

  /// The power of QEMU is cut: what was written and flushed is in the file.
  @Test(arguments: ["qcow2", "raw"])
  func flushedWritesSurviveAKilledQEMU(format: String) async throws {
    try await with { place in
      let (driver, suite, id) = try await running(place)
      let volume = try await suite.volume(format)
      try await driver.attach(volume, to: id)
      for piece in 0..<8 {
        try await io(driver, id, volume, "write -P \(piece + 1) \(piece * 256)k 256k")
        try await io(driver, id, volume, "flush")
      }
      try #require(try driver.guest(id).machine).process.signal(SIGKILL)
      try await driver.powerOff(id, grace: .zero)
      for piece in 0..<8 {
        let read = try await Command(
          "qemu-io",
          ["-f", format, volume.connection.path, "-c", "read -q -P \(piece + 1) \(piece * 256)k 256k"]
        ).run()
        #expect(read.status == 0 && read.text.isEmpty)
      }
      try await driver.powerOn(id)
    }
  }

  @Test func twoGuestsShareAVolume() async throws {
    try await with { place in
      let (driver, suite, first) = try await running(place)
      let shared = try await suite.volume("raw", isShared: true)
      let second = suite.spec()
      try await driver.create(second)
      try await driver.powerOn(second.id)
      for id in [first, second.id] { try await driver.attach(shared, to: id) }
      try await io(driver, first, shared, "write -P 51 0 64k")
      try await io(driver, second.id, shared, "read -P 51 0 64k")
      // One that is not shared is for one guest at a time.
      let own = try await suite.volume()
      try await driver.attach(own, to: first)
      let fault = await #expect(throws: Fault.self) { try await driver.attach(own, to: second.id) }
      #expect(fault?.status == 409)
      #expect(fault?.message.contains("another process") == true)
    }
  }

  /// A guest that lets go after the deadline keeps its volume: it gets it again. A reset makes it let go.
  @Test func whatIsLetGoTooLateComesBack() async throws {
    try await with { place in
      let (driver, suite, id) = try await running(place)
      let volume = try await suite.volume()
      try await driver.attach(volume, to: id)
      try await io(driver, id, volume, "write -P 1 0 64k")
      await #expect(throws: Fault.self) {
        try await driver.detach(volumeID: volume.volumeID, from: id, deadline: .milliseconds(100))
      }
      // A mark on the device: the next one does not have it.
      let device = "/machine/peripheral/\(QEMUDisks.deviceID(volume: volume.volumeID))/virtio-backend"
      var mark: JSONObject = ["id": .string(device), "iops": 9999]
      for name in ["bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"] { mark[name] = 0 }
      try await monitor(driver, id).execute("block_set_io_throttle", mark)
      #expect(try await limit(driver, id, volume) == 9999)
      try await monitor(driver, id).execute("system_reset")
      let end = ContinuousClock.now + .seconds(60)
      while try await limit(driver, id, volume) != 0, ContinuousClock.now < end {
        try await Task.sleep(for: .milliseconds(20))
      }
      #expect(try await limit(driver, id, volume) == 0)
      try await io(driver, id, volume, "read -P 1 0 64k")
    }
  }

  /// The limit of the guest's device; nil: there is no device.
  private func limit(_ driver: QEMUHypervisor, _ id: String, _ volume: GuestVolume) async throws -> Int? {
    let devices = try await monitor(driver, id).execute("query-block").array ?? []
    return devices.first { $0["qdev"]?.string?.contains(volume.volumeID) == true }?["inserted"]?["iops"]?.int
  }

  /// What one of us left behind when it was ended in between does not stand in the way of the next.
  @Test func leftoversAreCleared() async throws {
    try await with { place in
      var (driver, suite, id) = try await running(place)
      var (volume, next) = (try await suite.volume(filled: 0x21), try await suite.volume("raw"))
      (volume.connection.limits, next.connection.limits) = (["iops-total": 5000], ["bps-total": 64 << 20])
      let file = VolumeFile(volume)
      for object in file.objects { try await monitor(driver, id).execute("object-add", object) }
      try await monitor(driver, id).execute("blockdev-add", file.node)
      driver = try await place.open()
      try await driver.attach(volume, to: id)
      // A swap that stands before its last step, and a copy that nobody waits for.
      let target = VolumeFile(next)
      _ = try await driver.status(of: id)
      for object in target.objects { try await monitor(driver, id).execute("object-add", object) }
      try await monitor(driver, id).execute("blockdev-add", target.node)
      try await monitor(driver, id).execute(
        "blockdev-mirror",
        [
          "job-id": .string(QEMUHypervisor.swapJob(target.key)), "device": .string(file.topNode),
          "target": .string(target.topNode), "sync": "full", "auto-dismiss": false,
        ])
      driver = try await place.open()
      try await driver.swap(volume.volumeID, for: next, of: id)
      let nodes = try await monitor(driver, id).execute("query-named-block-nodes", ["flat": true])
      #expect(!nodes.text.contains(file.key) && nodes.text.contains(target.key))
      let objects = try await monitor(driver, id).execute("qom-list", ["path": "/objects"])
      #expect(!objects.text.contains(file.key) && objects.text.contains(target.key))
      #expect(try await monitor(driver, id).execute("query-jobs").array?.isEmpty == true)
      #expect(try driver.guest(id).existing().swapping == nil)
      try await driver.powerOff(id, grace: .zero)
      #expect(try await suite.isFilled(next.connection.path, "raw", 0x21))
    }
  }

  /// A copy that nobody asks for again keeps no file open.
  @Test func abandonedCopiesEnd() async throws {
    try await with { place in
      var (driver, suite, id) = try await running(place) { $0.hardware["hw_disk_bus"] = "scsi" }
      let (old, new) = (try await suite.volume(size: 64 << 20, filled: 0x41), try await suite.volume(size: 64 << 20))
      try await driver.attach(old, to: id)
      try await driver.open(new, try #require(try driver.guest(id).machine))
      try await monitor(driver, id).execute(
        "blockdev-mirror",
        [
          "job-id": .string(QEMUHypervisor.swapJob(VolumeFile(new).key)), "device": .string(VolumeFile(old).topNode),
          "target": .string(VolumeFile(new).topNode), "sync": "full", "speed": .int(1 << 20), "auto-dismiss": false,
        ])
      driver = try await place.open()
      try await driver.detach(volumeID: old.volumeID, from: id, deadline: .seconds(60))
      let nodes = try await monitor(driver, id).execute("query-named-block-nodes", ["flat": true])
      #expect(!nodes.text.contains(VolumeFile(old).key) && !nodes.text.contains(VolumeFile(new).key))
      #expect(try await monitor(driver, id).execute("query-jobs").array?.isEmpty == true)
    }
  }

  /// We were ended when the record said already that the next volume is the one.
  @Test func aSwapIsFinishedByTheNextProcess() async throws {
    try await with { place in
      var (driver, suite, id) = try await running(place)
      let (old, new) = (try await suite.volume(filled: 0x31), try await suite.volume(size: 8 << 20))
      try await driver.attach(old, to: id)
      var guest = try driver.guest(id)
      try await VolumeFile(new).resize(to: old.sizeBytes)
      try await driver.open(new, try #require(guest.machine))
      try await monitor(driver, id).execute(
        "blockdev-mirror",
        [
          "job-id": .string(QEMUHypervisor.swapJob(VolumeFile(new).key)), "device": .string(VolumeFile(old).topNode),
          "target": .string(VolumeFile(new).topNode), "sync": "full", "copy-mode": "write-blocking",
          "auto-dismiss": false,
        ])
      try guest.update { record in
        record.turn(from: old, to: new)
        record.swapping = old
      }
      driver = try await place.open()
      try await driver.swap(old.volumeID, for: new, of: id)
      guest = try driver.guest(id)
      #expect(try guest.existing().swapping == nil)
      #expect(try await suite.size(new) == 8 << 20)
      try HostFiles.remove(old.connection.path)
      try await driver.reboot(id, grace: .zero)
      #expect(try await suite.isFilled(new.connection.path, "qcow2", 0x31))
      // And where QEMU has ended, the next one has it.
      try guest.update { $0.swapping = old }
      try await #require(guest.machine).process.terminate(grace: .zero)
      try await driver.swap(old.volumeID, for: new, of: id)
      #expect(try guest.existing().swapping == nil)
    }
  }

  @Test func displaysSpeakRFB() async throws {
    try await with { place in
      let (driver, _, id) = try await running(place)
      let path = try #require(try await driver.displaySocket(of: id))
      let greeting = try await HostThread.run {
        let socket = try HostSocket.connectUnix(path)
        defer { close(socket) }
        var bytes = [UInt8](repeating: 0, count: 12)
        var one = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        poll(&one, 1, 20_000)
        let count = read(socket, &bytes, 12)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
      }
      #expect(greeting == "RFB 003.008\n")
    }
  }

  @Test(arguments: ["q35", "pc"], ["virtio", "scsi", "sata"])
  func guestsBootFromVolumesOnEveryBus(machine: String, bus: String) async throws {
    try await with { place in
      let suite = suite(place)
      var root = try await suite.volume()
      root.bootIndex = 0
      var disc = try await suite.volume("raw")
      (disc.type, disc.connection.isReadOnly) = ("cdrom", true)
      let (driver, _, id) = try await running(place) { spec in
        spec.hardware = ["hw_disk_bus": bus, "hw_machine_type": machine]
        spec.disks = [GuestDisk(name: "ephemeral0", sizeBytes: 1 << 20)]
        spec.volumes = [disc, root]
      }
      let blocks = try await monitor(driver, id).execute("query-block").array ?? []
      let opened = Set(blocks.compactMap { $0["inserted"]?["node-name"]?.string })
      #expect(opened.isSuperset(of: [root, disc].map { VolumeFile($0).topNode }))
      #expect(
        blocks.first { $0["inserted"]?["node-name"]?.string == VolumeFile(disc).topNode }?["inserted"]?["ro"] == true)
      await #expect(throws: Fault.self) { try await driver.snapshotRoot(of: id, to: "\(place.folder)/s") }
      if bus != "sata" {
        var scarce = try await suite.volume()
        scarce.connection.isReadOnly = true
        try await driver.attach(scarce, to: id)
        // SCSI disks go without the guest's consent.
        if bus == "scsi" {
          try await driver.detach(volumeID: scarce.volumeID, from: id, deadline: .seconds(60))
          let nodes = try await monitor(driver, id).execute("query-named-block-nodes", ["flat": true])
          #expect(!nodes.text.contains(VolumeFile(scarce).key))
        }
      }
    }
  }
}
