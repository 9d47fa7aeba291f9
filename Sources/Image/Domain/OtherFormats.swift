import Kit

/// VirtualBox's format: the pre-header's signature, and the type that says whether it stands alone.
enum VDIFormat {
  static func inspect(_ head: ByteReader) -> Inspection? {
    guard head.little32(0x40) == 0xBEDA_107F else { return nil }
    var result = Inspection(format: .vdi, virtualSize: FormatInspector.clamp(head.little64(0x170)))
    let type = head.little32(0x4C)
    if type != 1 && type != 2 { result.violations.append("image type \(type) does not stand alone") }
    return result
  }
}

/// Microsoft's VHD (Virtual Hard Disk Image Format Specification): a footer, of which dynamic disks have a copy in front.
enum VHDFormat {
  private static let footerBytes = 512

  /// A footer at the end alone is looked at only when VHD was declared: a guest can write one on its own raw disk.
  static func inspect(_ head: ByteReader, _ source: some ByteSource, isDeclared: Bool) throws -> Inspection? {
    var footer = head
    if !head.starts(with: "conectix") {
      guard isDeclared, source.size > footerBytes else { return nil }
      footer = ByteReader(try source.read(at: source.size - footerBytes, count: footerBytes))
      guard footer.starts(with: "conectix") else { return nil }
    }
    var result = Inspection(format: .vhd, virtualSize: FormatInspector.clamp(footer.big64(48)))
    let type = footer.big32(60)
    if type != 2 && type != 3 { result.violations.append("disk type \(type) does not stand alone") }
    return result
  }
}

/// Microsoft's VHDX (MS-VHDX): the size and the parent flag are items of the metadata region.
enum VHDXFormat {
  private static let regionTable = 192 << 10
  private static let tableBytes = 64 << 10
  private static let metadataRegion = "06a27c8b90479a4bb8fe575f050f886e"
  private static let fileParameters = "3767a1ca36fa434db3b633f0aa44e76b"
  private static let virtualDiskSize = "2442a52f1bcd7648b2115dbed83bf4b8"
  private static let parentLocator = "2d5fd3a80bb34d45abf7d3d84834ab0c"

  static func inspect(_ head: ByteReader, _ source: some ByteSource) throws -> Inspection? {
    guard head.starts(with: "vhdxfile") else { return nil }
    var result = Inspection(format: .vhdx, virtualSize: 0)
    guard let table = try metadata(source) else {
      result.violations.append("it has no readable metadata")
      return result
    }
    var hasSize = false
    for index in 0..<min(Int(table.reader.little16(10)), 2047) {
      let entry = 32 + 32 * index
      let item = FormatInspector.clamp(UInt64(table.reader.little32(entry + 16)))
      switch guid(table.reader, entry) {
      case virtualDiskSize:
        let value = ByteReader(try source.read(at: table.offset.adding(item), count: 8)).little64(0)
        result.virtualSize = FormatInspector.clamp(value)
        hasSize = true
      case fileParameters:
        let flags = ByteReader(try source.read(at: table.offset.adding(item), count: 8)).little32(4)
        if flags & 2 != 0 { result.violations.append("it has a parent image") }
      case parentLocator: result.violations.append("it names a parent image")
      default: break
      }
    }
    if !hasSize { result.violations.append("its metadata has no disk size") }
    return result
  }

  private static func metadata(_ source: some ByteSource) throws -> (reader: ByteReader, offset: Int)? {
    let regions = ByteReader(try source.read(at: regionTable, count: tableBytes))
    guard regions.starts(with: "regi") else { return nil }
    for index in 0..<min(Int(regions.little32(8)), 2047) {
      let entry = 16 + 32 * index
      guard guid(regions, entry) == metadataRegion else { continue }
      let offset = FormatInspector.clamp(regions.little64(entry + 16))
      let reader = ByteReader(try source.read(at: offset, count: tableBytes))
      return reader.starts(with: "metadata") ? (reader, offset) : nil
    }
    return nil
  }
  /// 16 bytes as they lie in the file, in hexadecimal.
  private static func guid(_ reader: ByteReader, _ offset: Int) -> String {
    guard offset + 16 <= reader.bytes.count else { return "" }
    return Hex.text(reader.bytes[offset..<offset + 16])
  }
}

/// A file system of a CD (ECMA-119): its first volume descriptor in sector 16.
enum ISOFormat {
  static func inspect(_ source: some ByteSource) throws -> Inspection? {
    let descriptor = ByteReader(try source.read(at: 32_768, count: 8))
    guard descriptor.starts(with: "CD001", at: 1) else { return nil }
    return Inspection(format: .iso, virtualSize: source.size)
  }
}

/// An encrypted volume (LUKS On-Disk Format): bytes of a disk, whatever they mean.
enum LUKSFormat {
  static func inspect(_ head: ByteReader, _ source: some ByteSource) -> Inspection? {
    guard head.bytes.prefix(6).elementsEqual([0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE]) else { return nil }
    return Inspection(format: .luks, virtualSize: source.size)
  }
}

/// Bytes in lower-case hexadecimal.
enum Hex {
  static func text(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var result: [UInt8] = []
    for byte in bytes {
      result.append(digits[Int(byte >> 4)])
      result.append(digits[Int(byte & 15)])
    }
    return String(decoding: result, as: UTF8.self)
  }
}

extension Int {
  /// The sum, or the largest Int where it does not fit.
  func adding(_ other: Int) -> Int {
    let (value, overflow) = addingReportingOverflow(other)
    return overflow ? Int.max : value
  }
}
