import Kit

/// QEMU's copy-on-write format (docs/interop/qcow2.txt of QEMU).
enum Qcow2Format {
  private static let magic: UInt32 = 0x5146_49FB
  /// Dirty, corrupt, external data file, compression type, extended L2 entries.
  private static let knownIncompatible: UInt64 = 0b1_1111
  private static let corrupt: UInt64 = 1 << 1
  private static let externalData: UInt64 = 1 << 2
  private static let externalDataExtension: UInt32 = 0x4441_5441

  static func inspect(_ head: ByteReader, _ source: some ByteSource) throws -> Inspection? {
    guard head.big32(0) == magic else { return nil }
    var result = Inspection(format: .qcow2, virtualSize: FormatInspector.clamp(head.big64(24)))
    let version = head.big32(4)
    guard version == 2 || version == 3 else {
      result.violations.append("version \(version) is not supported (2 and 3 are)")
      return result
    }
    if head.bytes.count < (version == 3 ? 104 : 72) { result.violations.append("the header is cut off") }
    if head.big64(8) != 0 || head.big32(16) != 0 { result.violations.append("it has a backing file") }
    let clusterBits = head.big32(20)
    if !(9...21).contains(clusterBits) { result.violations.append("cluster_bits \(clusterBits) is out of range") }
    // QEMU's own limit: 2^63 - 1 bytes; nothing honest comes near a quarter of it.
    if head.big64(24) > UInt64(1) << 61 { result.violations.append("its virtual size is beyond reason") }
    var headerLength = 72
    if version == 3 {
      let incompatible = head.big64(72)
      if incompatible & externalData != 0 { result.violations.append("it has an external data file") }
      if incompatible & corrupt != 0 { result.violations.append("it is marked as corrupt") }
      if incompatible & ~knownIncompatible != 0 {
        let bits = String(incompatible & ~knownIncompatible, radix: 16)
        result.violations.append("it needs unknown features (bits 0x\(bits))")
      }
      headerLength = Int(head.big32(100))
      if headerLength < 104 || headerLength > 1 << 16 {
        result.violations.append("header_length \(headerLength) is out of range")
      }
    }
    if result.violations.isEmpty, try hasExternalDataName(source, from: headerLength) {
      result.violations.append("it names an external data file")
    }
    return result
  }

  /// Walks the header extensions: type, length, data padded to 8 bytes; type 0 ends them.
  private static func hasExternalDataName(_ source: some ByteSource, from offset: Int) throws -> Bool {
    var at = offset
    for _ in 0..<64 {
      let head = ByteReader(try source.read(at: at, count: 8))
      let (type, length) = (head.big32(0), Int(head.big32(4)))
      if head.bytes.count < 8 || type == 0 { return false }
      if type == externalDataExtension { return true }
      guard length <= 1 << 20 else { return false }
      at += 8 + (length + 7) / 8 * 8
    }
    return false
  }
}
