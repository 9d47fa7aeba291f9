import Kit
import Store

/// Limits of a volume's type that QEMU enforces, by QEMU's names (qemu(1), throttling).
enum QoSLimits {
  private static let names = [
    "total_iops_sec": "iops-total", "read_iops_sec": "iops-read", "write_iops_sec": "iops-write",
    "total_bytes_sec": "bps-total", "read_bytes_sec": "bps-read", "write_bytes_sec": "bps-write",
    "size_iops_sec": "iops-size",
  ]

  static func limits(of volume: Volume, tx: any Transaction) throws -> [String: Int] {
    try limits(of: volume, typeID: volume.typeID, tx: tx)
  }
  /// Those of another type, for a volume that becomes one of it.
  static func limits(of volume: Volume, typeID: String?, tx: any Transaction) throws -> [String: Int] {
    guard let type = try typeID.flatMap({ try Table.type.find($0, tx: tx) }),
      let qos = try type.optionalText("qos_id").flatMap({ try Table.qos.find($0, tx: tx) }),
      qos.text("consumer") != "back-end"
    else { return [:] }
    var limits: [String: Int] = [:]
    for (key, text) in qos.texts("specs") {
      guard let value = Int(text), value > 0 else { continue }
      if let name = names[key] { limits[name] = value }
      if key.hasSuffix("_max"), let name = names[String(key.dropLast(4))] { limits[name + "-max"] = value }
      if key.hasSuffix("_per_gb"), let name = names[String(key.dropLast(7))] { limits[name] = value * volume.size }
    }
    return limits
  }
}
