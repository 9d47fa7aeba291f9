import FoundationEssentials
import GuestImage
import Host
import Kit
import TestKit
import Testing

/// Builds the image for real and boots it. It is kept beside the build, so that a second run starts at once.
@Suite(.serialized) struct BootTests {
  static let folder = TestKit.path("../../.build/guest-image")

  private func build() async throws -> GuestImage {
    try HostFiles.makeFolder(Self.folder)
    let builder = GuestImageBuilder(
      outputDirectory: try HostFiles.realPath(Self.folder), log: TestKit.log, progress: { _ in })
    // Other tests make the same image at the same time.
    for _ in 0..<3000 {
      do {
        return try await builder.build()
      } catch let fault as Fault where fault.status == 409 {
        try await Task.sleep(for: .milliseconds(200))
      }
    }
    return try await builder.build()
  }

  private func makeKey(_ type: String) async throws -> (path: String, text: String) {
    let path = try TestKit.folder() + "/key"
    _ = try await Command("ssh-keygen", ["-q", "-t", type, "-N", "", "-f", path]).check()
    return (path, String(decoding: try HostFiles.read(path + ".pub"), as: UTF8.self))
  }

  private func expectLine(_ guest: TestGuest, _ line: String, _ expected: String) async throws {
    let output = try await guest.ssh("set -eu -o pipefail; PATH=$PATH:/sbin:/usr/sbin; " + line)
    let said = output.text + String(decoding: output.stderr, as: UTF8.self)
    #expect(output.status == 0 && said.contains(expected), "\(line): status \(output.status), '\(said)'")
  }

  @Test func anImageThatIsUpToDateIsNotBuiltAgain() async throws {
    let image = try await build()
    let before = try FileManager.default.attributesOfItem(atPath: image.disk)[.modificationDate] as? Date
    #expect(try await build() == image)
    let after = try FileManager.default.attributesOfItem(atPath: image.disk)[.modificationDate] as? Date
    #expect(before == after)
    #expect(try GuestImage.existing(in: try HostFiles.realPath(Self.folder)) == image)
  }

  @Test func aServerBootsFromItsConfigDrive() async throws {
    let image = try await build()
    let (ecdsa, rsa, ed25519) = (try await makeKey("ecdsa"), try await makeKey("rsa"), try await makeKey("ed25519"))
    let metadata: JSONValue = [
      "uuid": "0d3c2b1a-0000-4000-8000-000000000001", "hostname": "web1.example", "meta": ["hostname": "other"],
      "public_keys": ["a": .string(ecdsa.text), "b": .string(rsa.text), "c": .string(ed25519.text)],
      "admin_pass": "Sup3r: s'ecret",
    ]
    let options = TestGuest.Options(
      metadata: metadata, userData: "#!/bin/sh\necho user data of $(hostname) ran as $(id -un)\necho once >> /var/ran\n"
    )
    let guest = try await TestGuest.start(image, options, key: ecdsa.path)
    do {
      try await look(guest, rsa: rsa.path, ed25519: ed25519.path)
      try await plug(guest)
      try await restart(guest)
      try await guest.qmp("system_powerdown")
      #expect(try await guest.hasEnded(within: 60), "the power button did nothing: \(guest.console.suffix(500))")
      try await guest.destroy()
    } catch {
      try await guest.destroy()
      throw error
    }
  }

  private func look(_ guest: TestGuest, rsa: String, ed25519: String) async throws {
    try await guest.waitForConsole("user data of web1 ran as root", seconds: 180)
    try await guest.waitForConsole("web1 login:", seconds: 180)
    #expect(guest.console.contains("Linux version"))
    try await expectLine(guest, "hostname", "web1")
    try await expectLine(guest, "sudo -n id -u", "0")
    try await expectLine(guest, "df -m / | awk 'NR == 2 { print ($2 > 950) ? \"grown\" : $2 }'", "grown")
    #expect(try await guest.ssh("id -un", key: rsa).text == "cirros\n")
    #expect(try await guest.ssh("id -un", key: ed25519).text == "cirros\n")
    #expect(try await guest.ssh("id -un", password: "gocubsgo").status != 0, "the metadata's password counts")
    try await expectLine(guest, "sudo cat /var/ran", "once")
    // What Tempest runs in guests.
    try await expectLine(guest, "ping -c1 -w1 -s56 127.0.0.1", " 0% packet loss")
    try await expectLine(guest, "ping6 -c1 -w1 ::1", " 0% packet loss")
    try await expectLine(guest, "lsblk -lb --nodeps", "TYPE")
    try await expectLine(guest, "blkid -L config-2 -o device", "/dev/vdb")
    try await expectLine(
      guest, "sudo mount /dev/vdb /mnt; sudo cat /mnt/openstack/latest/meta_data.json; sudo umount /mnt", "uuid")
    try await expectLine(guest, "curl -V", "libcurl")
    try await expectLine(
      guest, "sudo nc -p 80 -lk -e echo foolish & sleep 2; echo bar | nc -w 5 127.0.0.1 80", "foolish")
    try await expectLine(
      guest, "sudo nc -u -p 80 -lk -e echo foolish & sleep 1; echo bar | nc -u -w 1 127.0.0.1 80", "foolish")
    try await expectLine(
      guest, "sudo /bin/kill -USR1 $(cat /var/run/udhcpc.eth0.pid); cat /etc/resolv.conf", "nameserver 10.0.2.3")
    try await expectLine(guest, "ip -o link | awk '/52:54:00/ {print $2}'", "eth0")
    try await expectLine(guest, "echo cirros:n3w | sudo chpasswd; echo done", "done")
    #expect(try await guest.ssh("id -un", password: "n3w").text == "cirros\n")
  }

  /// A network interface and a disk that come while it runs.
  private func plug(_ guest: TestGuest) async throws {
    try await guest.qmp(
      "device_add", ["driver": "virtio-net-pci", "netdev": "n1", "id": "nic1", "bus": "spare", "romfile": ""])
    try await guest.waitForConsole("guest: eth1 has 10.9.0.15/24 by DHCP", seconds: 120)
    _ = try await Command("truncate", ["-s", "64M", guest.folder + "/data.raw"]).check()
    let file: JSONValue = ["driver": "file", "filename": .string(guest.folder + "/data.raw")]
    try await guest.qmp("blockdev-add", ["node-name": "data", "driver": "raw", "file": file])
    try await guest.qmp("device_add", ["driver": "virtio-blk-pci", "drive": "data", "id": "disk1", "bus": "spare2"])
    let make = "for i in 1 2 3 4 5 6 7 8 9; do [ -b /dev/vdc ] && break; sleep 1; done; sudo mkfs -t ext4 /dev/vdc"
    try await expectLine(
      guest, make + "; sudo mount /dev/vdc /mnt; sudo touch /mnt/f; sync; sudo umount /mnt; echo ok", "ok")
    try await guest.qmp("device_del", ["id": "nic1"])
    try await expectLine(
      guest, "for i in 1 2 3 4 5 6 7 8 9; do ip link show eth1 || break; sleep 1; done 2>&1; ip -o link", "eth0")
  }

  /// The user data runs once for an instance, and a restart keeps what is on the disk.
  private func restart(_ guest: TestGuest) async throws {
    _ = try await guest.ssh("sync")
    try await guest.qmp("system_reset")
    let end = ContinuousClock.now + .seconds(180)
    while guest.console.components(separatedBy: "guest: SSH answers").count < 3, ContinuousClock.now < end {
      try await Task.sleep(for: .milliseconds(100))
    }
    try await expectLine(guest, "sudo cat /var/ran | wc -l", "1")
    try await expectLine(guest, "hostname", "web1")
  }

  @Test func aDiskBootsByItself() async throws {
    let image = try await build()
    let key = try await makeKey("ed25519")
    let metadata: JSONValue = ["uuid": "1", "hostname": "bios", "public_keys": ["a": .string(key.text)]]
    let guest = try await TestGuest.start(
      image, TestGuest.Options(isDirectBoot: false, diskGB: 3, metadata: metadata), key: key.path)
    do {
      try await guest.waitForConsole("guest: SSH answers", seconds: 300)
      try await expectLine(guest, "df -m / | awk 'NR == 2 { print ($2 > 2900) ? \"grown\" : $2 }'", "grown")
      #expect(try await guest.ssh("sudo -n poweroff").status >= 0)
      #expect(try await guest.hasEnded(within: 60))
      try await guest.destroy()
    } catch {
      try await guest.destroy()
      throw error
    }
  }
}
