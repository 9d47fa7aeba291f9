import API
import Kit

/// What bodies of the servers API must look like, by microversion (API reference, Servers).
enum ServerSchema {
  // MARK: Values

  /// Printable text without white space at its ends.
  static let name = Schema.string(1...255) { text in
    if text.first?.isWhitespace == true || text.last?.isWhitespace == true {
      return "it may not start or end with white space"
    }
    return printable(text)
  }
  static let description = Schema.either([.null, .string(0...255, check: printable)])
  static let nameOrNull = Schema.either([.null, name])
  static let flavorRef = Schema.either([.integer(Int.min...Int.max), .string(1...255)])
  static let diskConfig = Schema.oneOf(["AUTO", "MANUAL"])
  static let ipv4 = Schema.string(1...64) { IPAddress($0)?.isV6 == false ? nil : "it is not an IPv4 address" }
  static let ipv6 = Schema.string(1...64) { IPAddress($0)?.isV6 == true ? nil : "it is not an IPv6 address" }
  static let ip = Schema.string(1...64) { IPAddress($0) == nil ? "it is not an IP address" : nil }
  static let tag = Schema.string(1...60) { text in
    text.contains(where: { $0 == "," || $0 == "/" }) ? "a tag holds no comma and no slash" : nil
  }
  static let base64 = Schema.string(0...65_535) { Base64.decode($0) == nil ? "it is not Base64" : nil }
  static let hostname = Schema.string(2...63) { text in
    text.first == "-" || text.last == "-" || !text.utf8.allSatisfy(isLabel) ? "it is not a host name" : nil
  }
  static let domainName = Schema.string(1...255) { text in
    text.utf8.allSatisfy { isLabel($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") }
      ? nil : "it is not a domain name"
  }
  static let metadataKey: @Sendable (String) -> String? = { key in
    let isFine = key.utf8.allSatisfy { isLabel($0) || [UInt8(ascii: "_"), 0x3A, 0x2E, 0x20].contains($0) }
    return isFine && (1...255).contains(key.utf8.count) ? nil : "keys are 1 to 255 letters, digits and -_:. "
  }
  static let metadata = Schema.object(
    [], additional: .matching(keys: metadataKey, .string(0...255), countMax: 10_000))
  static let personality = Schema.array(
    .object([
      Schema.may("path", .string(0...4096)),
      Schema.may("contents", .string(0...1_000_000) { Base64.decode($0) == nil ? "it is not Base64" : nil }),
    ]))
  static let certificates = Schema.either([.null, .array(.string(1...255), count: 1...50, unique: true)])
  static let count = Schema.looseInteger(1...10_000)

  private static func isLabel(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-")
  }
  private static let printable: @Sendable (String) -> String? = { text in
    text.unicodeScalars.contains {
      $0.value < 32 || (127..<160).contains($0.value) || $0.properties.isNoncharacterCodePoint
    }
      ? "it holds characters that cannot be printed" : nil
  }

  // MARK: Create

  static func create(_ version: Microversion) -> Schema {
    func since(_ minor: Int) -> Bool { version >= Microversion(2, minor) }
    var server: [Schema.Property] = [
      Schema.required("name", name), Schema.required("flavorRef", flavorRef),
      Schema.may("imageRef", .either([.uuid, .string(0...0)])), Schema.may("adminPass", .string(0...255)),
      Schema.may("metadata", metadata), Schema.may("OS-DCF:diskConfig", diskConfig),
      Schema.may("accessIPv4", ipv4), Schema.may("accessIPv6", ipv6), Schema.may("availability_zone", name),
      Schema.may("block_device_mapping", .array(legacyMapping)),
      Schema.may("block_device_mapping_v2", .array(mapping(version))),
      Schema.may("config_drive", .looseBoolean), Schema.may("key_name", name), Schema.may("min_count", count),
      Schema.may("max_count", count), Schema.may("return_reservation_id", .looseBoolean),
      Schema.may("security_groups", .array(.object([Schema.may("name", name)]))),
      Schema.may("user_data", base64),
    ]
    server.append(
      since(37) ? Schema.required("networks", networks(version)) : Schema.may("networks", networks(version)))
    if since(19) { server.append(Schema.may("description", description)) }
    if since(52) { server.append(Schema.may("tags", .array(tag, count: 0...50))) }
    if !since(57) { server.append(Schema.may("personality", personality)) }
    if since(63) { server.append(Schema.may("trusted_image_certificates", certificates)) }
    if since(74) {
      server.append(Schema.may("host", domainName))
      server.append(Schema.may("hypervisor_hostname", domainName))
    }
    if since(90) { server.append(Schema.may("hostname", since(94) ? domainName : hostname)) }
    return .object([
      Schema.required("server", .object(server)), Schema.may("os:scheduler_hints", hints),
      Schema.may("OS-SCH-HNT:scheduler_hints", hints),
    ])
  }

  private static func networks(_ version: Microversion) -> Schema {
    let isStrict = version >= Microversion(2, 37)
    var item = [
      Schema.may("fixed_ip", ip), Schema.may("port", .either([.null, .uuid])),
      Schema.may("uuid", isStrict ? .uuid : .string(0...255)),
    ]
    if version >= Microversion(2, 42) || (Microversion(2, 32)...Microversion(2, 36)).contains(version) {
      item.append(Schema.may("tag", tag))
    }
    let list = Schema.array(.object(item), count: 0...64)
    return isStrict ? .either([list, .oneOf(["none", "auto"])]) : list
  }

  private static let uuids = Schema.either([.uuid, .array(.uuid)])
  private static let hints = Schema.object(
    [
      Schema.may("group", uuids), Schema.may("different_host", uuids), Schema.may("same_host", uuids),
      Schema.may("query", .either([.string(0...65_535), .object([], additional: .allowed)])),
      Schema.may("target_cell", name), Schema.may("build_near_host_ip", ip),
      Schema.may("different_cell", .either([.string(0...255), .array(.string(0...255))])),
      Schema.may("cidr", .string(1...64) { $0.hasPrefix("/") ? nil : "it starts with a slash" }),
    ], additional: .allowed)

  private static let device = Schema.string(1...255) { text in
    text.utf8.allSatisfy { isLabel($0) || [0x2E, 0x5F, 0x2F].contains($0) } ? nil : "it is not a device name"
  }
  private static let legacyProperties: [Schema.Property] = [
    Schema.may("virtual_name", .string(0...255)), Schema.may("volume_id", .uuid), Schema.may("snapshot_id", .uuid),
    Schema.may("volume_size", .looseInteger(1...Int(Int32.max))), Schema.may("device_name", device),
    Schema.may("delete_on_termination", .looseBoolean), Schema.may("no_device", .any),
    Schema.may("connection_info", .string(0...16_777_215)),
  ]
  private static let legacyMapping = Schema.object(legacyProperties)
  private static func mapping(_ version: Microversion) -> Schema {
    var properties =
      legacyProperties + [
        Schema.may("source_type", .oneOf(["volume", "image", "snapshot", "blank"])),
        Schema.may("uuid", .string(1...255)), Schema.may("image_id", .uuid),
        Schema.may("destination_type", .oneOf(["local", "volume"])), Schema.may("guest_format", .string(0...255)),
        Schema.may("device_type", .string(0...255)), Schema.may("disk_bus", .string(0...255)),
        Schema.may("boot_index", .either([.null, .looseInteger(Int.min...Int.max)])),
      ]
    if version == Microversion(2, 32) || version >= Microversion(2, 42) { properties.append(Schema.may("tag", tag)) }
    if version >= Microversion(2, 67) {
      properties.append(Schema.may("volume_type", .either([.null, .string(0...255)])))
    }
    return .object(properties)
  }

  // MARK: Update and actions

  static func update(_ version: Microversion) -> Schema {
    var server = [
      Schema.may("name", name), Schema.may("OS-DCF:diskConfig", diskConfig), Schema.may("accessIPv4", ipv4),
      Schema.may("accessIPv6", ipv6),
    ]
    if version >= Microversion(2, 19) { server.append(Schema.may("description", description)) }
    if version >= Microversion(2, 90) {
      server.append(Schema.may("hostname", version >= Microversion(2, 94) ? domainName : hostname))
    }
    if version >= Microversion(2, 104) { server.append(Schema.may("pinned_availability_zone", nameOrNull)) }
    return .object([Schema.required("server", .object(server))])
  }

  static func rebuild(_ version: Microversion) -> Schema {
    var properties = [
      Schema.required("imageRef", .uuid), Schema.may("name", name), Schema.may("adminPass", .string(0...255)),
      Schema.may("metadata", metadata), Schema.may("preserve_ephemeral", .looseBoolean),
      Schema.may("OS-DCF:diskConfig", diskConfig), Schema.may("accessIPv4", ipv4), Schema.may("accessIPv6", ipv6),
    ]
    if version >= Microversion(2, 19) { properties.append(Schema.may("description", description)) }
    if version >= Microversion(2, 54) { properties.append(Schema.may("key_name", nameOrNull)) }
    if version < Microversion(2, 57) {
      properties.append(Schema.may("personality", personality))
    } else {
      properties.append(Schema.may("user_data", .either([.null, base64])))
    }
    if version >= Microversion(2, 63) { properties.append(Schema.may("trusted_image_certificates", certificates)) }
    if version >= Microversion(2, 90) {
      properties.append(Schema.may("hostname", version >= Microversion(2, 94) ? domainName : hostname))
    }
    return .object([Schema.required("rebuild", .object(properties))])
  }

  static func attachInterface(_ version: Microversion) -> Schema {
    var properties = [
      Schema.may("net_id", .uuid), Schema.may("port_id", .uuid),
      Schema.may("fixed_ips", .array(.object([Schema.required("ip_address", ip)]), count: 1...1)),
    ]
    if version >= Microversion(2, 49) { properties.append(Schema.may("tag", tag)) }
    return .object([Schema.may("interfaceAttachment", .object(properties))])
  }

  /// An action whose value does not matter.
  static func bare(_ action: String) -> Schema { .object([Schema.required(action, .any)]) }
  /// An action with a value.
  static func action(_ action: String, _ value: Schema) -> Schema { .object([Schema.required(action, value)]) }
}
