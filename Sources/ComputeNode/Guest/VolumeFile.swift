import Contracts
import Host
import Kit

/// The file of a volume as QEMU and its tools open it.
struct VolumeFile {
  let volumeID: String
  let connection: VolumeConnection

  init(_ volume: GuestVolume) { (volumeID, connection) = (volume.volumeID, volume.connection) }

  /// Names of block nodes have at most 31 characters (QEMU's include/block/block_int-common.h), and a UUID has 36. The
  /// path is in it since a volume can move to another file.
  var key: String {
    let hash = connection.path.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    return volumeID.filter { $0 != "-" }.prefix(12) + "-" + String(hash, radix: 16)
  }

  var formatNode: String { "f-\(key)" }
  private var throttleNode: String { "t-\(key)" }
  /// Every node that may be there.
  var nodes: [String] { [throttleNode, formatNode] }
  /// The node that the guest's device reads.
  var topNode: String { connection.limits.isEmpty ? formatNode : throttleNode }
  var secretID: String { "secret-\(key)" }
  var limitsID: String { "limits-\(key)" }

  /// Objects that its nodes need: the key of its encryption, from a file that QEMU reads; its limits.
  var objects: [JSONObject] {
    var objects: [JSONObject] = []
    if let path = connection.secretPath {
      objects.append(["qom-type": "secret", "id": .string(secretID), "file": .string(path)])
    }
    if !connection.limits.isEmpty {
      objects.append([
        "qom-type": "throttle-group", "id": .string(limitsID),
        "limits": .object(JSONObject(connection.limits.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
      ])
    }
    return objects
  }

  /// Its nodes, one inside the other (qapi/block-core.json). A guest's flush reaches the file, its discards free space.
  var node: JSONObject {
    var file: JSONObject = ["driver": "file", "filename": .string(connection.path), "discard": "unmap"]
    if connection.isReadOnly { file["read-only"] = true }
    var format: JSONObject = [
      "driver": .string(connection.format), "node-name": .string(formatNode), "file": .object(file),
      "discard": "unmap", "cache": ["direct": false, "no-flush": false],
    ]
    if connection.isReadOnly { format["read-only"] = true }
    if connection.secretPath != nil {
      if connection.format == "qcow2" {
        format["encrypt"] = ["format": "luks", "key-secret": .string(secretID)]
      } else {
        (format["driver"], format["key-secret"]) = ("luks", .string(secretID))
      }
    }
    if connection.limits.isEmpty { return format }
    var top: JSONObject = [
      "driver": "throttle", "node-name": .string(throttleNode), "throttle-group": .string(limitsID),
      "file": .object(format),
    ]
    if connection.isReadOnly { top["read-only"] = true }
    return top
  }

  // MARK: - Checks

  /// The limits' names of QEMU (qapi/block-core.json, ThrottleLimits).
  static let limitNames: Set<String> = {
    let bases = ["iops", "bps"].flatMap { kind in ["total", "read", "write"].map { "\(kind)-\($0)" } }
    return Set(bases.flatMap { [$0, "\($0)-max", "\($0)-max-length"] } + ["iops-size"])
  }()

  /// A fault for a volume that no guest can use, whatever is on this node.
  static func validate(_ volume: GuestVolume) throws {
    let connection = volume.connection
    let name = "volume \(volume.volumeID)"
    guard GuestRecord.isValidID(volume.volumeID) else { throw Fault.badRequest("'\(volume.volumeID)' is not an id") }
    guard ["raw", "qcow2"].contains(connection.format) else {
      throw Fault.badRequest("\(name) has the format '\(connection.format)': it must be raw or qcow2")
    }
    for path in [connection.path, connection.secretPath].compactMap({ $0 }) where !path.hasPrefix("/") {
      throw Fault.badRequest("'\(path)' of \(name) is not an absolute path")
    }
    guard ["disk", "cdrom"].contains(volume.type) else {
      throw Fault.badRequest("\(name) has the device type '\(volume.type)': it must be disk or cdrom")
    }
    if let bus = volume.bus, Hardware.DiskBus(rawValue: bus) == nil {
      throw Fault.badRequest("\(name) has the bus '\(bus)': it must be virtio, scsi, sata or ide")
    }
    guard volume.sizeBytes > 0 else { throw Fault.badRequest("\(name) has no size") }
    if let bad = connection.limits.first(where: { !limitNames.contains($0.key) || $0.value < 0 }) {
      throw Fault.badRequest("the limit \(bad.key) = \(bad.value) of \(name) is not one of QEMU's")
    }
    // QEMU keeps a qcow2 file's tables in memory: two that write would destroy them.
    if volume.isShared, !connection.isReadOnly, connection.format != "raw" || connection.secretPath != nil {
      throw Fault.badRequest(
        "\(name) cannot be written by several guests: that needs a raw file without encryption, and it is "
          + "\(connection.secretPath == nil ? connection.format : "encrypted")")
    }
  }

  /// A fault when what it is opened from is not on this node.
  func checkExists() throws {
    guard HostFiles.size(connection.path) != nil else {
      throw Fault.unavailable("the file \(connection.path) of volume \(volumeID) does not exist on this node")
    }
    if let path = connection.secretPath, HostFiles.size(path) == nil {
      throw Fault.unavailable("the key \(path) of the encrypted volume \(volumeID) does not exist on this node")
    }
  }

  // MARK: - While no guest has it open

  private static let copyDeadline = Duration.seconds(7200)

  /// The same node as options of qemu-img (qemu-img(1), --image-opts), without limits.
  private var imageOptions: String {
    var plain = self.connection
    plain.limits = [:]
    var node = VolumeFile(volumeID: volumeID, connection: plain).node
    node["node-name"] = nil
    return Self.flat(node, "").joined(separator: ",")
  }
  private init(volumeID: String, connection: VolumeConnection) {
    (self.volumeID, self.connection) = (volumeID, connection)
  }
  private var secretArguments: [String] {
    guard let path = connection.secretPath else { return [] }
    return ["--object", JSONValue.object(["qom-type": "secret", "id": .string(secretID), "file": .string(path)]).text]
  }
  private static func flat(_ object: JSONObject, _ prefix: String) -> [String] {
    object.members.flatMap { key, value -> [String] in
      switch value {
      case .object(let inner): flat(inner, "\(prefix)\(key).")
      case .bool(let isOn): ["\(prefix)\(key)=\(isOn ? "on" : "off")"]
      default: ["\(prefix)\(key)=\((value.string ?? value.text).replacing(",", with: ",,"))"]
      }
    }
  }

  /// Size in bytes that a guest sees.
  func virtualSize() async throws -> Int {
    let text = try await Command(
      "qemu-img", ["info", "-U", "--output=json"] + secretArguments + ["--image-opts", imageOptions]
    ).check()
    guard let size = try JSONParser.parse(text)["virtual-size"]?.int else {
      throw Fault.internal("qemu-img does not say the size of \(connection.path)")
    }
    return size
  }

  /// Makes the file at least so large; it never shrinks.
  func grow(to sizeBytes: Int) async throws {
    if try await virtualSize() < sizeBytes { try await resize(to: sizeBytes) }
  }

  /// Makes the file exactly so large; what lay behind is gone.
  func resize(to sizeBytes: Int) async throws {
    if try await virtualSize() == sizeBytes { return }
    _ = try await Command(
      "qemu-img", ["resize", "-q", "--shrink"] + secretArguments + ["--image-opts", imageOptions, "\(sizeBytes)"]
    ).check()
  }

  /// Copies the content into an empty qcow2 file that exists and is as large.
  func copy(to path: String) async throws {
    let empty = VolumeConnection(path: path, format: "qcow2", isReadOnly: false)
    try await convert(to: VolumeFile(volumeID: "copy", connection: empty), ["--target-is-zero"])
  }

  /// Copies the content over that of another volume, which is at least as large.
  func copy(to other: VolumeFile) async throws { try await convert(to: other, []) }

  private func convert(to target: VolumeFile, _ flags: [String]) async throws {
    _ = try await Command(
      "qemu-img",
      ["convert", "-q", "-n"] + flags + secretArguments + target.secretArguments
        + ["--image-opts", imageOptions, "--target-image-opts", target.imageOptions], deadline: Self.copyDeadline
    ).check()
  }
}
