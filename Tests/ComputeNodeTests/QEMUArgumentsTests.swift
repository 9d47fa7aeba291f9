import Contracts
import Host
import Kit
import TestKit
import Testing

@testable import ComputeNode

@Suite struct QEMUArgumentsTests {
  private let tcg = ChosenAccelerator(kind: .tcg, reason: "")

  private func spec() -> GuestSpec {
    GuestSpec(
      id: "11111111-2222-3333-4444-555555555555", name: "a,file=/etc/shadow", vcpus: 2, memoryMB: 256,
      disks: [GuestDisk(name: "root", sizeBytes: 1 << 20)],
      interfaces: [GuestInterface(portID: "p1", mac: "fa:16:3e:00:00:01", tapName: "tap,script=/x", mtu: 1450)],
      kernelPath: nil, ramdiskPath: nil, kernelArguments: nil, configDrive: [])
  }

  private func arguments(_ spec: GuestSpec, isIncoming: Bool = false) throws -> [String] {
    let machine = try Hardware(spec.hardware).machineType(version: 7_002_022)
    let record = try GuestRecord(spec: spec, machine: machine)
    return try QEMUArguments(
      record: record, folder: "/var/lib/a,b", accelerator: tcg, isIncoming: isIncoming
    ).make()
  }

  /// Texts from outside are whole JSON strings or arguments, so that QEMU takes no options from them.
  @Test func outsideTextsAreNotOptions() throws {
    var spec = spec()
    spec.kernelPath = "/boot/k,x=y"
    spec.kernelArguments = "console=ttyS0,115200 -snapshot"
    let arguments = try arguments(spec)
    #expect(!arguments.contains { $0.contains("/etc/shadow") })
    #expect(arguments.contains("console=ttyS0,115200 -snapshot"))
    for argument in arguments where argument.contains("script=/x") || argument.contains("a,b/root") {
      _ = try JSONParser.parse(argument)
    }
    let devices = zip(arguments, arguments.dropFirst()).filter { ["-device", "-blockdev", "-netdev"].contains($0.0) }
    #expect(devices.count > 12)
    for (_, value) in devices { _ = try JSONParser.parse(value) }
  }

  @Test func identityAndMachine() throws {
    let arguments = try arguments(spec())
    #expect(arguments.contains("pc-q35-7.2,usb=off,dump-guest-core=off"))
    #expect(arguments.contains { $0.contains("product=OpenStack Nova") })
    #expect(arguments.filter { $0.contains("pcie-root-port") }.count == 8)
    #expect(!arguments.contains("-incoming"))
    #expect(try self.arguments(spec(), isIncoming: true).contains("unix:incoming.sock"))
    var old = spec()
    old.hardware["hw_machine_type"] = "pc"
    #expect(try self.arguments(old).filter { $0.contains("pcie-root-port") }.isEmpty)
    old.hardware["hw_machine_type"] = "pc-q35-6.2"
    #expect(try self.arguments(old).contains { $0.hasPrefix("pc-q35-6.2,") })
  }

  /// Found by Tempest's tagged boot devices: the config drive was the first disk that the guest found.
  @Test func aRootVolumeIsTheGuestsFirstDisk() throws {
    var spec = spec()
    spec.disks = [GuestDisk(name: "ephemeral0", sizeBytes: 1 << 20)]
    let connection = VolumeConnection(path: "/v", format: "qcow2", isReadOnly: false)
    spec.volumes = [
      GuestVolume(volumeID: "data", connection: connection, sizeBytes: 1 << 20, device: "/dev/vdb"),
      GuestVolume(volumeID: "root", connection: connection, sizeBytes: 1 << 20, device: "/dev/vda", bootIndex: 0),
    ]
    let record = try GuestRecord(spec: spec, machine: "pc-q35-7.2")
    #expect(record.slots == ["root": 0, "disk:ephemeral0": 1, "disk:config": 2, "p1": 3, "data": 4])
    let disks = try arguments(spec).filter { $0.contains("virtio-blk-pci") }
    #expect(disks.count == 4 && disks.allSatisfy { $0.contains("\"port") }, "\(disks)")
  }

  @Test func slotsStayWithTheirInterfaces() throws {
    var record = try GuestRecord(spec: spec(), machine: "pc-q35-7.2")
    #expect(record.slots == ["p1": 0])
    try record.take("p2", "interface")
    try record.take("p2", "interface")
    #expect(record.slots == ["p1": 0, "p2": 1])
    // What has become free is used again last.
    record.slots["p2"] = nil
    for key in ["p3", "p4", "p5", "p6", "p7", "p8"] { try record.take(key, "interface") }
    #expect(record.slots["p3"] == 2 && record.slots["p8"] == 7)
    try record.take("p9", "interface")
    #expect(record.slots["p9"] == 1)
    #expect(throws: Fault.self) { try record.take("p10", "interface") }
    var many = spec()
    many.interfaces = (0..<25).map { GuestInterface(portID: "p\($0)", mac: "", tapName: "t", mtu: 0) }
    #expect(throws: Fault.self) { try GuestRecord(spec: many, machine: "pc-q35-7.2") }
  }

  @Test func lastLines() {
    let text = "a\nb\nc\n"
    #expect(GuestFolder.last(0, of: text) == "")
    #expect(GuestFolder.last(1, of: text) == "c\n")
    #expect(GuestFolder.last(2, of: text) == "b\nc\n")
    #expect(GuestFolder.last(9, of: text) == text)
    #expect(GuestFolder.last(1, of: "a\nb") == "b")
    #expect(GuestFolder.last(1, of: "") == "")
  }

  @Test func consoleLogsAreKeptShort() throws {
    let folder = GuestFolder(try TestKit.folder())
    let line = [UInt8](repeating: UInt8(ascii: "x"), count: 1023) + [UInt8(ascii: "\n")]
    let bytes = (0..<5000).flatMap { _ in line } + Array("last\n".utf8)
    try HostFiles.writeAtomically(folder.console, bytes, mode: 0o600)
    try folder.trimConsole()
    #expect(HostFiles.size(folder.console) == 0)
    #expect(folder.consoleText(lines: 1) == "last\n")
    #expect(folder.consoleText(lines: nil).utf8.count == 1 << 20)
    try HostFiles.writeAtomically(folder.console, Array("new\n".utf8), mode: 0o600)
    try folder.trimConsole()
    #expect(folder.consoleText(lines: 2) == "last\nnew\n")
    try HostFiles.remove(folder.path)
  }

  @Test func qcow2Headers() throws {
    var bytes = [UInt8](repeating: 0, count: 104)
    bytes.replaceSubrange(0..<8, with: [0x51, 0x46, 0x49, 0xFB, 0, 0, 0, 3])
    bytes[29] = 0x10
    #expect(try DiskImage.qcow2Header(bytes, "x") == .init(virtualSize: 1 << 20, otherFile: false))
    bytes[79] = 4
    #expect(try DiskImage.qcow2Header(bytes, "x").otherFile)
    bytes[79] = 0
    bytes[15] = 1
    #expect(try DiskImage.qcow2Header(bytes, "x").otherFile)
    bytes[24] = 0xFF
    #expect(throws: Fault.self) { try DiskImage.qcow2Header(bytes, "x") }
    #expect(throws: Fault.self) { try DiskImage.qcow2Header([1, 2], "x") }
  }

  @Test func acceleratorWithoutAKernelIsTCGWithItsReason() async {
    let chosen = await ChosenAccelerator.choose(
      kernel: "/nonexistent/kernel", qemuVersion: 1, cache: "/nonexistent/cache", log: TestKit.log)
    #expect(chosen.kind == .tcg)
    #expect(chosen.reason.contains("/dev/kvm"))
  }
}
