import Contracts
import Kit

/// What a guest can learn of itself, over the metadata service and on its config drive: the same content for both
/// (Nova user guide, Metadata).
struct ServerMetadata: Sendable {
  let server: Server
  let ports: [ServerPort]
  let settings: ComputeSettings

  static let openStackVersions = [
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14", "2025-04-04",
  ]
  static let ec2Versions = [
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04",
  ]

  /// Bytes and media type of a file.
  struct Content: Sendable, Equatable {
    var type: String
    var bytes: [UInt8]
    static func json(_ value: JSONValue) -> Content { Content(type: "application/json", bytes: value.bytes) }
    static func text(_ text: String) -> Content { Content(type: "text/plain; charset=UTF-8", bytes: Array(text.utf8)) }
  }

  /// `name.novalocal`
  var hostname: String {
    settings.dhcpDomain.isEmpty ? server.hostname : server.hostname + "." + settings.dhcpDomain
  }
  /// The decoded user data, or nil when there is none.
  var userData: [UInt8]? { server.userData.flatMap { Base64.decode($0) } }

  // MARK: OpenStack tree

  /// The names of the files in a version's folder.
  func files(version: String) -> [String] {
    var names = ["meta_data.json"]
    if userData != nil { names.append("user_data") }
    if version >= "2013-04-04" { names.append("password") }
    if version >= "2013-10-17" { names.append("vendor_data.json") }
    if version >= "2015-10-15" { names.append("network_data.json") }
    if version >= "2016-10-06" { names.append("vendor_data2.json") }
    return names
  }

  /// A file of a version's folder other than `password`; nil when there is none.
  func file(_ name: String, version: String) -> Content? {
    guard files(version: version).contains(name) else { return nil }
    switch name {
    case "meta_data.json": return .json(metaData(version: version))
    case "user_data": return userData.map { Content(type: "application/octet-stream", bytes: $0) }
    case "vendor_data.json": return .json([:])
    case "vendor_data2.json": return .json(["static": [:]])
    case "network_data.json": return .json(MetadataNetwork.data(ports))
    default: return nil
    }
  }

  /// An injected file by its number: `openstack/content/0000`.
  func injected(_ number: String) -> [UInt8]? {
    guard number.utf8.count == 4, let index = Int(number), server.files.indices.contains(index) else { return nil }
    return server.files[index].content
  }

  private func metaData(version: String) -> JSONValue {
    var data: JSONObject = ["uuid": .string(server.id)]
    if !server.metadata.isEmpty { data.append("meta", .texts(server.metadata)) }
    if !server.files.isEmpty {
      data.append(
        "files",
        .array(
          server.files.enumerated().map { index, file in
            ["path": .string(file.path), "content_path": .string("/content/" + Self.number(index))]
          }))
    }
    if let password = server.adminPassword { data.append("admin_pass", .string(password)) }
    if let name = server.keyName, let key = server.publicKey {
      data.append("public_keys", .texts([name: key]))
      data.append(
        "keys", [["name": .string(name), "type": .string(server.keyType ?? "ssh"), "data": .string(key)]])
    }
    data.append("hostname", .string(hostname))
    data.append("name", .string(server.name))
    data.append("launch_index", .int(server.launchIndex))
    data.append("availability_zone", .string(server.zone ?? ""))
    if version >= "2013-04-04" { data.append("random_seed", .string(Base64.encode(RandomText.bytes(512)))) }
    if version >= "2015-10-15" { data.append("project_id", .string(server.projectID)) }
    if version >= "2016-06-30" { data.append("devices", .array(devices(version: version))) }
    if version >= "2020-10-14" { data.append("dedicated_cpus", []) }
    return .object(data)
  }

  /// Volumes and interfaces with a tag (API reference, device tagging).
  private func devices(version: String) -> [JSONValue] {
    let disks: [JSONValue] = server.volumes.compactMap { device in
      guard let tag = device.tag else { return nil }
      return [
        "type": "disk", "bus": .string(device.bus ?? server.imageProperties["hw_disk_bus"] ?? "virtio"),
        "address": "none", "serial": .optional(device.volumeID), "path": .optional(device.device),
        "tags": [.string(tag)],
      ]
    }
    return disks + interfaces(version: version)
  }

  private func interfaces(version: String) -> [JSONValue] {
    ports.compactMap { port in
      guard let tag = port.tag else { return nil }
      var device: JSONObject = ["type": "nic", "bus": "none", "address": "none", "mac": .string(port.mac)]
      if version >= "2018-08-27" { device.append("vf_trusted", false) }
      device.append("tags", [.string(tag)])
      return .object(device)
    }
  }

  static func number(_ index: Int) -> String {
    let text = String(index)
    return String(repeating: "0", count: max(0, 4 - text.count)) + text
  }

  // MARK: EC2 tree

  /// The folder `meta-data` of a version.
  func ec2(version: String) -> EC2Node {
    let fixed = ports.flatMap(\.fixedIPs).first { $0.version == 4 }
    var data: [String: EC2Node] = [
      "ami-id": .text(ami(server.imageID)), "ami-launch-index": .text(String(server.launchIndex)),
      "ami-manifest-path": .text("FIXME"), "instance-id": .text(server.ec2ID), "hostname": .text(hostname),
      "local-ipv4": .text(fixed?.address ?? ""), "reservation-id": .text(server.reservationID),
      "security-groups": .text(Set(ports.flatMap(\.securityGroupNames)).sorted().joined(separator: "\n")),
    ]
    if let name = server.keyName, let key = server.publicKey {
      data["public-keys"] = .folder(["0": .named("0=\(name)", ["openssh-key": .text(key)])])
    }
    if version >= "2007-01-19" {
      data["local-hostname"] = .text(hostname)
      data["public-hostname"] = .text(hostname)
      data["public-ipv4"] = .text(ports.flatMap(\.fixedIPs).flatMap(\.floatingIPs).first ?? "")
    }
    if version >= "2007-08-29" { data["instance-type"] = .text(server.flavor.name) }
    if version >= "2007-12-15" {
      data["block-device-mapping"] = .folder(blockDevices())
      if let kernel = server.imageProperties["kernel_id"] { data["kernel-id"] = .text(ami(kernel, prefix: "aki")) }
      if let disk = server.imageProperties["ramdisk_id"] { data["ramdisk-id"] = .text(ami(disk, prefix: "ari")) }
    }
    if version >= "2008-02-01" {
      data["placement"] = .folder(["availability-zone": .text(server.zone ?? "")])
    }
    if version >= "2008-09-01" { data["instance-action"] = .text("none") }
    return .folder(data)
  }

  private func blockDevices() -> [String: EC2Node] {
    let name = server.rootDevice.split(separator: "/").last.map(String.init) ?? "vda"
    var devices: [String: EC2Node] = ["ami": .text(name), "root": .text(server.rootDevice)]
    for (disk, path) in server.localDiskNames { devices[disk] = .text(path) }
    for (index, device) in server.volumes.filter({ !$0.isRoot }).enumerated() {
      devices["ebs\(index)"] = .text(device.device ?? "")
    }
    return devices
  }

  /// EC2 names images by eight digits; ours come from the first of the image's id.
  private func ami(_ id: String, prefix: String = "ami") -> String { "\(prefix)-\(id.prefix(8))" }
}

/// A node of the EC2 tree: a text, or a folder whose listing ends its folders' names with a slash.
indirect enum EC2Node: Sendable, Equatable {
  case text(String)
  case folder([String: EC2Node])
  /// A folder that is listed under another name, without a slash: public keys.
  case named(String, [String: EC2Node])

  var children: [String: EC2Node]? {
    switch self {
    case .text: nil
    case .folder(let children), .named(_, let children): children
    }
  }

  /// The node at a path below this one.
  func node(_ path: ArraySlice<String>) -> EC2Node? {
    guard let first = path.first else { return self }
    return children?[first]?.node(path.dropFirst())
  }

  /// As the metadata service writes it.
  var body: String {
    guard let children else {
      if case .text(let text) = self { return text }
      return ""
    }
    return children.sorted { $0.key < $1.key }.map { name, child in
      switch child {
      case .text: name
      case .folder: name + "/"
      case .named(let shown, _): shown
      }
    }.joined(separator: "\n")
  }

  /// As the config drive holds it.
  var json: JSONValue {
    switch self {
    case .text(let text): return .string(text)
    case .folder(let children), .named(_, let children):
      return .object(JSONObject(children.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }))
    }
  }
}
