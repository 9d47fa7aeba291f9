import API
import Kit

/// The block devices that `POST /servers` or an image's properties ask for, read from `block_device_mapping_v2` or from
/// the older `block_device_mapping`.
struct BlockDeviceOrder: Sendable {
  /// In the order of the request. The local disk that an image becomes is among them (`isImageDisk`).
  var devices: [BlockDevice] = []
  /// Names of devices that an image may not bring (`no_device`).
  var removed: Set<String> = []
  /// The older form, in which a device's name tells whether the server boots from it.
  var isLegacy = true
  /// Whether the request has any mapping.
  var isEmpty: Bool { devices.isEmpty && removed.isEmpty }

  /// Reads a request's body. Throws upstream's 400 faults for what its schema cannot tell.
  init(_ server: JSONValue, hasImage: Bool) throws {
    let legacy = server["block_device_mapping"]?.array ?? []
    let mappings = server["block_device_mapping_v2"]?.array ?? []
    guard legacy.isEmpty || mappings.isEmpty else {
      throw Fault.badRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    }
    isLegacy = mappings.isEmpty
    for item in legacy { try addLegacy(item) }
    for item in mappings {
      try checkIDs(item, hasImage: hasImage)
      try add(item, id: item["uuid"]?.string)
    }
  }

  /// Reads the mapping that an image brings: that of a volume-backed server's snapshot.
  init(image properties: [String: String]) throws {
    let text = properties["block_device_mapping"] ?? "[]"
    let isV2 = properties["bdm_v2"].flatMap { Schema.boolean(.string($0)) } ?? false
    guard let items = try? JSONParser.parse(text).array else {
      throw Self.invalid("the image's block_device_mapping is not a list.")
    }
    isLegacy = !isV2
    for item in items {
      if isV2 {
        let key = item["source_type"]?.string.map { $0 + "_id" } ?? ""
        try add(item, id: item[key]?.string)
      } else {
        try addLegacy(item)
      }
    }
  }

  static func invalid(_ details: String) -> Fault { .badRequest("Block Device Mapping is Invalid: \(details)") }
  static let bootSequence = invalid(
    "Boot sequence for the instance and image/block device mapping combination is not valid.")

  // MARK: Items

  private func checkIDs(_ item: JSONValue, hasImage: Bool) throws {
    if Self.isNoDevice(item) { return }
    let (source, target) = (item["source_type"]?.string, item["destination_type"]?.string)
    let hasID = item["uuid"]?.string != nil
    if source == "blank", hasID { throw Self.invalid("Invalid device UUID.") }
    if source != nil, source != "blank", !hasID { throw Self.invalid("Missing device UUID.") }
    let index = item["boot_index"].flatMap { Schema.integer($0) }
    if source == "image", target != "volume", !(hasImage && index == 0) {
      throw Self.invalid("Mapping image to local is not supported.")
    }
    guard let type = item["volume_type"]?.string, !type.isEmpty else { return }
    if target == "local" {
      throw Self.invalid("Specifying a volume_type with destination_type=local is not supported.")
    }
    if source == "volume" { throw Self.invalid("Specifying volume type to existing volume is not supported.") }
  }

  private static func isNoDevice(_ item: JSONValue) -> Bool {
    guard let value = item["no_device"], !value.isNull else { return false }
    return Schema.boolean(value) ?? (value.string != "")
  }

  private mutating func add(_ item: JSONValue, id: String?) throws {
    let name = item["device_name"]?.string.map(Self.path)
    if Self.isNoDevice(item) {
      if let name { removed.insert(name) }
      return
    }
    guard let source = item["source_type"]?.string.flatMap(BlockDevice.Source.init) else {
      throw Self.invalid("Some required fields are missing")
    }
    let isStored = source == .volume || source == .snapshot
    let target = item["destination_type"]?.string ?? (isStored ? "volume" : "local")
    guard !isStored || target == "volume" else {
      throw Self.invalid("Mapping \(source.rawValue) to local is not supported.")
    }
    var device = BlockDevice(source: source, isVolume: target == "volume")
    let canonical = id.map { UUIDText.canonical($0) ?? $0 }
    if source == .volume { device.volumeID = canonical } else { device.sourceID = canonical }
    device.size = item["volume_size"].flatMap { Schema.integer($0) }
    device.bootIndex = item["boot_index"].flatMap { Schema.integer($0) }.flatMap { $0 < 0 ? nil : $0 }
    device.device = name
    (device.bus, device.type) = (item["disk_bus"]?.string, item["device_type"]?.string)
    (device.format, device.tag) = (item["guest_format"]?.string, item["tag"]?.string)
    device.deletesOnTermination = item["delete_on_termination"].flatMap { Schema.boolean($0) } ?? false
    device.volumeType = item["volume_type"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    devices.append(device)
  }

  private mutating func addLegacy(_ item: JSONValue) throws {
    let name = item["device_name"]?.string.map(Self.path)
    var device: BlockDevice
    let kind = item["virtual_name"]?.string ?? ""
    if kind == "swap" || kind.hasPrefix("ephemeral") && Int(kind.dropFirst(9)) != nil {
      device = BlockDevice(source: .blank, isVolume: false)
      device.format = kind == "swap" ? "swap" : nil
      device.deletesOnTermination = true
    } else if let id = item["snapshot_id"]?.string {
      device = BlockDevice(source: .snapshot, isVolume: true)
      device.sourceID = UUIDText.canonical(id) ?? id
    } else if let id = item["volume_id"]?.string {
      device = BlockDevice(source: .volume, isVolume: true)
      device.volumeID = UUIDText.canonical(id) ?? id
    } else if Self.isNoDevice(item) {
      if let name { removed.insert(name) }
      return
    } else {
      throw Self.invalid("Unrecognized legacy format.")
    }
    device.device = name
    device.size = item["volume_size"].flatMap { Schema.integer($0) }
    if let flag = item["delete_on_termination"].flatMap({ Schema.boolean($0) }) { device.deletesOnTermination = flag }
    devices.append(device)
  }

  private static func path(_ name: String) -> String { name.hasPrefix("/dev/") ? name : "/dev/" + name }

  // MARK: Booting

  /// Tells by the name of the root disk which of the older form's devices is booted from, as upstream does.
  mutating func chooseLegacyRoot(_ root: String, isTaken: Bool) {
    guard isLegacy else { return }
    for index in devices.indices {
      let device = devices[index]
      devices[index].bootIndex = !isTaken && device.isVolume && device.device == root ? 0 : nil
    }
  }

  /// The device whose content tells what kind of system boots, before an image's own devices are known.
  var bootDevice: BlockDevice? {
    guard isLegacy else { return devices.first(where: \.isRoot) }
    return devices.first { device in
      let letters = (device.device ?? "").split(separator: "/").last.map(String.init) ?? ""
      return device.isVolume && ["vda", "sda", "hda", "xvda"].contains(letters.filter { !$0.isNumber })
    }
  }
}

extension BlockDevice {
  /// The local root disk that an image becomes: it is known by the server's image and has no row.
  var isImageDisk: Bool { source == .image && !isVolume }
}
