import Contracts
import Kit

/// The command line of a guest's QEMU. Whatever comes from outside is in JSON arguments or an argument of its own,
/// never inside QEMU's `key=value` syntax; sockets have names relative to the guest's folder, where QEMU is started.
struct QEMUArguments {
  let record: GuestRecord
  let folder: String
  let accelerator: ChosenAccelerator
  /// Whether memory that was saved is read in from `GuestFolder.incoming`.
  let isIncoming: Bool

  func make() throws -> [String] {
    let spec = record.spec
    let hardware = try Hardware(spec.hardware)
    var arguments = [
      "-name", "martlet-\(spec.id)", "-nodefaults", "-no-user-config", "-no-shutdown", "-display", "none",
      "-machine", "\(record.machine),usb=off,dump-guest-core=off", "-m", "\(spec.memoryMB)", "-smp", "\(spec.vcpus)",
      "-rtc", "base=utc", "-boot", "strict=on", "-msg", "timestamp=on", "-vnc", "unix:vnc.sock",
      "-pidfile", GuestFolder(folder).pidFile,
      "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-chardev", "socket,id=qmp,path=qmp.sock,server=on,wait=off", "-mon", "chardev=qmp,mode=control",
      "-chardev", "socket,id=serial0,path=serial.sock,server=on,wait=off,logfile=console.log,logappend=on",
    ]
    arguments += accelerator.arguments + identity(spec)
    for port in 0..<(record.hasRootPorts ? record.portCount : 0) { arguments += device(rootPort(port)) }
    arguments += device(["driver": "isa-serial", "id": "serial", "chardev": "serial0"])
    arguments += device(["driver": "VGA", "id": "video"])
    arguments += object(["qom-type": "rng-random", "id": "rng0", "filename": "/dev/urandom"])
    arguments += device(["driver": "virtio-rng-pci", "id": "rng", "rng": "rng0"])
    arguments += try QEMUDisks(record: record, folder: GuestFolder(folder), hardware: hardware).arguments()
    for interface in spec.interfaces {
      arguments += json("-netdev", Self.netdev(interface))
      arguments += device(Self.nic(interface, record, hardware))
    }
    if let kernel = spec.kernelPath {
      arguments += ["-kernel", kernel]
      if let ramdisk = spec.ramdiskPath { arguments += ["-initrd", ramdisk] }
      if let text = spec.kernelArguments, !text.isEmpty { arguments += ["-append", text] }
    }
    if isIncoming { arguments += ["-incoming", "unix:\(GuestFolder.incoming)"] }
    return arguments
  }

  // MARK: - Devices

  static func deviceID(_ portID: String) -> String { "nic-\(portID)" }
  static func netdevID(_ portID: String) -> String { "net-\(portID)" }

  static func netdev(_ interface: GuestInterface) -> JSONObject {
    [
      "type": "tap", "id": .string(netdevID(interface.portID)), "ifname": .string(interface.tapName), "script": "no",
      "downscript": "no",
    ]
  }

  static func nic(_ interface: GuestInterface, _ record: GuestRecord, _ hardware: Hardware) -> JSONObject {
    let model = hardware.interfaceModel
    var nic: JSONObject = [
      "driver": .string(model.driver), "id": .string(deviceID(interface.portID)),
      "netdev": .string(netdevID(interface.portID)), "mac": .string(interface.mac), "romfile": "",
    ]
    nic.merge(record.place(record.slots[interface.portID] ?? 0))
    if model == .virtio, interface.mtu > 0 { nic["host_mtu"] = .int(interface.mtu) }
    return nic
  }

  private func rootPort(_ port: Int) -> JSONObject {
    let isFirst = port % 8 == 0
    return [
      "driver": "pcie-root-port", "id": .string("port\(port)"), "bus": "pcie.0", "chassis": .int(port + 1),
      "addr": .string("\(String(0x10 + port / 8, radix: 16)).\(port % 8)"), "multifunction": .bool(isFirst),
    ]
  }

  /// What guests see as their hardware's maker: by it cloud-init knows that it is on OpenStack.
  private func identity(_ spec: GuestSpec) -> [String] {
    guard UUIDText.isValid(spec.id) else { return [] }
    return [
      "-uuid", spec.id, "-smbios",
      "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova,serial=\(spec.id),uuid=\(spec.id),"
        + "family=Virtual Machine",
    ]
  }

  private func device(_ value: JSONObject) -> [String] { json("-device", value) }
  private func object(_ value: JSONObject) -> [String] { json("-object", value) }
  private func json(_ option: String, _ value: JSONObject) -> [String] { [option, JSONValue.object(value).text] }
}
