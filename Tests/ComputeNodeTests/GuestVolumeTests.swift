import Contracts
import Glibc
import GuestImage
import Host
import Kit
import Logs
import TestKit
import Testing

@testable import ComputeNode

/// A real guest with its volumes: it writes, lets go, finds the same again, and loses its power.
@Suite(.serialized) struct GuestVolumeTests {
  /// Runs in the guest: it talks to us through its console alone.
  static let script = #"""
    #!/bin/sh
    PATH=$PATH:/sbin:/usr/sbin
    say() { echo "volume: $*" > /dev/console; }
    disk=/dev/vdc
    present() { until [ -b $disk ]; do sleep 0.1; done; }
    present
    say serial $(cat /sys/block/vdc/serial)
    dd if=/dev/urandom of=/run/data bs=64k count=8 2>/dev/null
    dd if=/run/data of=$disk bs=64k conv=fsync 2>/dev/null
    say written
    while [ -b $disk ]; do sleep 0.1; done
    say gone
    present
    dd if=$disk bs=64k count=8 2>/dev/null | cmp - /run/data && say equal
    until [ "$(cat /sys/block/vdc/size)" = 32768 ]; do sleep 0.1; done
    say grown
    until [ -b /dev/vdd ]; do sleep 0.1; done
    dd if=/dev/zero of=/dev/vdd bs=64k count=64 conv=fsync 2>/dev/null && say filled
    i=0
    while :; do
      [ -b $disk ] || say vanished
      present
      i=$((i + 1))
      printf '%08d' $i | dd of=$disk bs=8 conv=fsync 2>/dev/null && say done $i
    done
    """#

  @Test func aVolumeKeepsWhatItsGuestWrote() async throws {
    let image = try await image()
    let folder = try TestKit.folder()
    try HostFiles.makeFolder("\(folder)/small")
    _ = try await Command("mount", ["-t", "tmpfs", "-o", "size=1m", "none", "\(folder)/small"]).check()
    let log = LogCenter(directory: folder, level: .info)
    let driver = QEMUHypervisor(
      directory: folder, namespace: nil, hostname: "node", hostAddress: "127.0.0.1", accelerator: .tcg,
      log: log.logger("compute-node"))
    try await driver.start()
    let id = UUIDText.make()
    do {
      try await driver.create(spec(id, image))
      try await driver.powerOn(id)
      try await use(driver, id, folder)
    } catch {
      Issue.record("\(error); the console: \(try await driver.consoleLog(of: id, lines: 40))")
    }
    try await driver.delete(id)
    await driver.close()
    _ = try await Command("umount", ["\(folder)/small"]).check()
    try HostFiles.remove(folder)
  }

  /// The image that the tests of GuestImage make, at the same time perhaps.
  private func image() async throws -> GuestImage {
    let folder = TestKit.path("../../.build/guest-image")
    try HostFiles.makeFolder(folder)
    let builder = GuestImageBuilder(
      outputDirectory: try HostFiles.realPath(folder), log: TestKit.log, progress: { _ in })
    let end = ContinuousClock.now + .seconds(600)
    while ContinuousClock.now < end {
      do {
        return try await builder.build()
      } catch let fault as Fault where fault.status == 409 {
        try await Task.sleep(for: .milliseconds(200))
      }
    }
    return try await builder.build()
  }

  private func spec(_ id: String, _ image: GuestImage) -> GuestSpec {
    let metadata: JSONValue = ["uuid": .string(id), "hostname": "volumes"]
    return GuestSpec(
      id: id, name: "volumes", vcpus: 1, memoryMB: 128,
      disks: [GuestDisk(name: "root", sizeBytes: 1 << 30, basePath: image.disk, baseFormat: "qcow2")], interfaces: [],
      kernelPath: image.kernel, ramdiskPath: image.initrd, kernelArguments: image.kernelArguments,
      configDrive: [
        ConfigDriveFile(path: "openstack/latest/meta_data.json", content: metadata.bytes),
        ConfigDriveFile(path: "openstack/latest/user_data", content: Array(Self.script.utf8)),
      ])
  }

  private func use(_ driver: QEMUHypervisor, _ id: String, _ folder: String) async throws {
    let volumeID = UUIDText.make()
    let path = "\(folder)/volume"
    _ = try await Command("truncate", ["-s", "8M", path]).check()
    let volume = GuestVolume(
      volumeID: volumeID, connection: VolumeConnection(path: path, format: "raw", isReadOnly: false),
      sizeBytes: 8 << 20, device: "/dev/vdc")
    // While the guest still starts: it hears of it later, and is asked again until it lets go.
    try await driver.attach(volume, to: id)
    try await wait(driver, id, "volume: serial \(volumeID.prefix(20))")
    try await wait(driver, id, "volume: written")
    try await driver.detach(volumeID: volumeID, from: id, deadline: .seconds(60))
    try await wait(driver, id, "volume: gone")
    try await driver.attach(volume, to: id)
    try await wait(driver, id, "volume: equal")
    try await driver.growVolume(volumeID, of: id, sizeBytes: 16 << 20)
    try await wait(driver, id, "volume: grown")
    try await fill(driver, id, folder)
    try await wait(driver, id, "volume: done 5")
    try #require(try driver.guest(id).machine).process.signal(SIGKILL)
    try await driver.powerOff(id, grace: .zero)
    let log = try await driver.consoleLog(of: id, lines: nil)
    let acknowledged = log.split(whereSeparator: \.isNewline).compactMap { line in
      line.hasPrefix("volume: done ") ? Int(line.dropFirst(13)) : nil
    }.max()
    let kept = Int(String(decoding: try HostFiles.head(path, bytes: 8), as: UTF8.self))
    #expect(try #require(kept) >= #require(acknowledged), "kept \(kept ?? -1); \(log.suffix(300))")
    #expect(!log.contains("volume: vanished"), "a guest was asked twice, and gave twice")
  }

  /// The storage of a volume is full: the guest stands still, and goes on when there is room.
  private func fill(_ driver: QEMUHypervisor, _ id: String, _ folder: String) async throws {
    let path = "\(folder)/small/volume"
    _ = try await Command("truncate", ["-s", "4M", path]).check()
    let changes = driver.changes()
    let volumeID = UUIDText.make()
    try await driver.attach(
      GuestVolume(
        volumeID: volumeID, connection: VolumeConnection(path: path, format: "raw", isReadOnly: false),
        sizeBytes: 4 << 20, device: "/dev/vdd"), to: id)
    var iterator = changes.makeAsyncIterator()
    #expect(await iterator.next() == GuestStatus(id: id, power: .paused))
    let said = HostFiles.tail("\(folder)/compute-node/compute-node.log", bytes: 10_000)
    #expect(said.contains("volume \(volumeID) (\(path)): no space is left"), "\(said)")
    _ = try await Command("mount", ["-o", "remount,size=16m", "\(folder)/small"]).check()
    try await driver.unpause(id)
    try await wait(driver, id, "volume: filled")
  }

  private func wait(_ driver: QEMUHypervisor, _ id: String, _ text: String) async throws {
    let end = ContinuousClock.now + .seconds(180)
    while try await !driver.consoleLog(of: id, lines: nil).contains(text) {
      guard ContinuousClock.now < end, try await driver.status(of: id)?.power == .running else {
        throw Fault.internal("the guest never said '\(text)'")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}
