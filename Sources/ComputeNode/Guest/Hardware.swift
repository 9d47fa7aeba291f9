import Kit

/// The hardware properties of images that this driver knows (Image's metadata definitions, OS::Compute::LibvirtImage).
struct Hardware: Equatable {
  enum DiskBus: String { case virtio, scsi, sata, ide }
  enum InterfaceModel: String {
    case virtio, e1000, e1000e, rtl8139
    var driver: String { self == .virtio ? "virtio-net-pci" : rawValue }
  }
  enum Chipset: String { case q35, pc }

  var diskBus = DiskBus.virtio
  var interfaceModel = InterfaceModel.virtio
  var chipset = Chipset.q35
  /// Exact machine type that the image asks for, such as `pc-q35-7.2`.
  var machine: String?

  init(_ properties: [String: String]) throws {
    if let text = properties["hw_disk_bus"] { diskBus = try Self.parse(text, "hw_disk_bus") }
    if let text = properties["hw_vif_model"] { interfaceModel = try Self.parse(text, "hw_vif_model") }
    guard let text = properties["hw_machine_type"] else { return }
    if let chipset = Chipset(rawValue: text) {
      self.chipset = chipset
    } else if Self.isVersioned(text) {
      chipset = text.hasPrefix("pc-q35-") ? .q35 : .pc
      machine = text
    } else {
      throw Fault.badRequest("hw_machine_type '\(text)' is not known; use q35, pc or a version of them")
    }
  }

  /// The machine type for a QEMU whose version is 7002022 for 7.2.22: each release has types of its own version.
  func machineType(version: Int) -> String {
    let release = "\(version / 1_000_000).\(version / 1000 % 1000)"
    return machine ?? (chipset == .q35 ? "pc-q35-\(release)" : "pc-i440fx-\(release)")
  }

  private static func parse<Value: RawRepresentable>(_ text: String, _ key: String) throws -> Value
  where Value.RawValue == String {
    guard let value = Value(rawValue: text) else { throw Fault.badRequest("\(key) '\(text)' is not supported") }
    return value
  }

  private static func isVersioned(_ text: String) -> Bool {
    guard let prefix = ["pc-q35-", "pc-i440fx-"].first(where: text.hasPrefix) else { return false }
    let version = text.dropFirst(prefix.count).split(separator: ".", omittingEmptySubsequences: false)
    return version.count == 2 && version.allSatisfy { (1...3).contains($0.count) && $0.allSatisfy(\.isWholeNumber) }
  }
}
