import Glibc
import GuestImage
import Host
import Kit
import TestKit

/// A QEMU with the image, on user-mode networking: nothing of it is seen outside loopback.
final class TestGuest: Sendable {
  let folder: String
  let port: Int
  private let process: ProcessHandle
  private let image: GuestImage
  private let key: String

  private init(folder: String, port: Int, process: ProcessHandle, image: GuestImage, key: String) {
    (self.folder, self.port, self.process, self.image, self.key) = (folder, port, process, image, key)
  }

  struct Options {
    var isDirectBoot = true
    var diskGB = 1
    /// Metadata on a config drive; nil: none.
    var metadata: JSONValue?
    var userData: String?
  }

  static func start(_ image: GuestImage, _ options: Options, key: String) async throws -> TestGuest {
    let folder = try TestKit.folder()
    let disk = folder + "/disk.qcow2"
    _ = try await Command(
      "qemu-img", ["create", "-q", "-f", "qcow2", "-b", image.disk, "-F", "qcow2", disk, "\(options.diskGB)G"]
    ).check()
    let socket = try HostSocket.listen(address: "127.0.0.1", port: 0)
    let port = try HostSocket.port(of: socket)
    close(socket)
    var arguments = [
      "-machine", "q35,usb=off", "-accel", "tcg,thread=multi,tb-size=32", "-cpu", "max", "-m", "128", "-nodefaults",
      "-no-user-config", "-display", "none", "-drive", "if=none,id=root,file=\(disk),format=qcow2,cache=unsafe",
      "-device",
      "virtio-blk-pci,drive=root", "-netdev", "user,id=n0,hostfwd=tcp:127.0.0.1:\(port)-:22", "-device",
      "virtio-net-pci,netdev=n0,romfile=", "-netdev", "user,id=n1,net=10.9.0.0/24", "-device",
      "pcie-root-port,id=spare",
      "-device", "pcie-root-port,id=spare2,chassis=2", "-chardev", "file,id=console,path=\(folder)/console.log",
      "-serial",
      "chardev:console", "-qmp", "unix:\(folder)/qmp.sock,server=on,wait=off",
    ]
    if options.isDirectBoot {
      arguments += ["-kernel", image.kernel, "-initrd", image.initrd, "-append", image.kernelArguments]
    }
    if let metadata = options.metadata {
      let drive = try await configDrive(folder, metadata, options.userData)
      arguments += [
        "-drive", "if=none,id=config,file=\(drive),format=raw,readonly=on", "-device", "virtio-blk-pci,drive=config",
      ]
    }
    let process = try await Daemon.start("qemu-system-x86_64", arguments, log: folder + "/qemu.log")
    return TestGuest(folder: folder, port: port, process: process, image: image, key: key)
  }

  private static func configDrive(_ folder: String, _ metadata: JSONValue, _ userData: String?) async throws -> String {
    let tree = folder + "/drive"
    try HostFiles.makeFolder(tree + "/openstack/latest")
    try HostFiles.writeAtomically(tree + "/openstack/latest/meta_data.json", metadata.bytes, mode: 0o644)
    if let userData {
      try HostFiles.writeAtomically(tree + "/openstack/latest/user_data", Array(userData.utf8), mode: 0o644)
    }
    let path = folder + "/config.iso"
    _ = try await Command(
      "xorriso", ["-as", "genisoimage", "-quiet", "-R", "-J", "-V", "config-2", "-o", path, tree]
    ).check()
    return path
  }

  var console: String { HostFiles.tail(folder + "/console.log", bytes: 1 << 20) }
  var isRunning: Bool { process.isAlive }

  /// Waits until the console says `text`.
  func waitForConsole(_ text: String, seconds: Int) async throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while !console.contains(text) {
      guard process.isAlive, ContinuousClock.now < end else {
        throw Fault.internal(
          "the console never said '\(text)':\n\(console.suffix(2000))\n\(HostFiles.tail(folder + "/qemu.log", bytes: 2000))"
        )
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Runs a line of shell in the guest over SSH. `password`: instead of the key.
  func ssh(_ line: String, password: String? = nil, key other: String? = nil) async throws -> CommandOutput {
    var arguments = [
      "-F", "none", "-p", "\(port)", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
      "LogLevel=ERROR", "-o", "ConnectTimeout=30",
    ]
    var environment = ["PATH": "/usr/bin:/bin", "HOME": folder]
    if let password {
      let helper = folder + "/askpass"
      try HostFiles.writeAtomically(helper, Array("#!/bin/sh\necho '\(password)'\n".utf8), mode: 0o700)
      environment.merge(["SSH_ASKPASS": helper, "SSH_ASKPASS_REQUIRE": "force"]) { $1 }
      arguments += ["-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"]
    } else {
      arguments += ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i", other ?? key]
    }
    return try await Command(
      "ssh", arguments + ["\(image.user)@127.0.0.1", line], deadline: .seconds(90), environment: environment
    ).run()
  }

  func qmp(_ command: String, _ arguments: JSONObject = [:]) async throws {
    let client = try await QMPClient.connect(
      folder + "/qmp.sock", deadline: .seconds(10), onEvent: { _, _ in }, onClose: {})
    do { try await client.execute(command, arguments) } catch {
      await client.close()
      throw error
    }
    await client.close()
  }

  /// Whether it has powered off by itself in time.
  func hasEnded(within seconds: Int) async throws -> Bool { try await process.waitForEnd(deadline: .seconds(seconds)) }

  func destroy() async throws {
    try await process.terminate(grace: .zero)
    try HostFiles.remove(folder)
  }
}
