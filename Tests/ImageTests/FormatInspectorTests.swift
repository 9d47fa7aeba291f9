import Kit
import Testing

@testable import Image

/// Bytes of disk images, made by hand.
enum Crafted {
  static func put(_ value: UInt64, _ width: Int, at offset: Int, big: Bool, in bytes: inout [UInt8]) {
    for index in 0..<width {
      let shift = 8 * (big ? width - 1 - index : index)
      bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(shift))
    }
  }
  static func put(_ text: String, at offset: Int, in bytes: inout [UInt8]) {
    for (index, byte) in text.utf8.enumerated() { bytes[offset + index] = byte }
  }

  static func qcow2(
    version: UInt64 = 3, size: UInt64 = 1 << 30, backing: UInt64 = 0, incompatible: UInt64 = 0,
    clusterBits: UInt64 = 16, headerLength: UInt64 = 104, extensions: [(UInt64, [UInt8])] = []
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    put(0x5146_49FB, 4, at: 0, big: true, in: &bytes)
    put(version, 4, at: 4, big: true, in: &bytes)
    put(backing, 8, at: 8, big: true, in: &bytes)
    put(backing == 0 ? 0 : 11, 4, at: 16, big: true, in: &bytes)
    put(clusterBits, 4, at: 20, big: true, in: &bytes)
    put(size, 8, at: 24, big: true, in: &bytes)
    if version >= 3 {
      put(incompatible, 8, at: 72, big: true, in: &bytes)
      put(headerLength, 4, at: 100, big: true, in: &bytes)
    }
    var at = version >= 3 ? 104 : 72
    for (type, data) in extensions {
      put(type, 4, at: at, big: true, in: &bytes)
      put(UInt64(data.count), 4, at: at + 4, big: true, in: &bytes)
      for (index, byte) in data.enumerated() { bytes[at + 8 + index] = byte }
      at += 8 + (data.count + 7) / 8 * 8
    }
    return bytes
  }

  static func vmdk(
    _ descriptor: String = """
    # Disk DescriptorFile
    version=1
    CID=fffffffe
    parentCID=ffffffff
    createType="monolithicSparse"
    # Extent description
    RW 2048 SPARSE "disk.vmdk"
    """, offset: UInt64 = 1, sectors: UInt64 = 20
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 16_384)
    put("KDMV", at: 0, in: &bytes)
    put(1, 4, at: 4, big: false, in: &bytes)
    put(2048, 8, at: 12, big: false, in: &bytes)
    put(offset, 8, at: 28, big: false, in: &bytes)
    put(sectors, 8, at: 36, big: false, in: &bytes)
    put(descriptor, at: 512, in: &bytes)
    return bytes
  }

  static func vdi(type: UInt64 = 1) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 1024)
    put(0xBEDA_107F, 4, at: 0x40, big: false, in: &bytes)
    put(type, 4, at: 0x4C, big: false, in: &bytes)
    put(5 << 20, 8, at: 0x170, big: false, in: &bytes)
    return bytes
  }

  static func vhdFooter(type: UInt64) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 512)
    put("conectix", at: 0, in: &bytes)
    put(7 << 20, 8, at: 48, big: true, in: &bytes)
    put(type, 4, at: 60, big: true, in: &bytes)
    return bytes
  }
  static func vhd(dynamic: Bool, type: UInt64? = nil) -> [UInt8] {
    let footer = vhdFooter(type: type ?? (dynamic ? 3 : 2))
    return (dynamic ? footer : []) + [UInt8](repeating: 0, count: 4096) + footer
  }

  static func vhdx(hasParent: Bool = false) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: (2 << 20) + (192 << 10))
    put("vhdxfile", at: 0, in: &bytes)
    let table = 192 << 10
    put("regi", at: table, in: &bytes)
    put(1, 4, at: table + 8, big: false, in: &bytes)
    let region: [UInt8] = [
      0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B, 0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E,
    ]
    for (index, byte) in region.enumerated() { bytes[table + 16 + index] = byte }
    put(2 << 20, 8, at: table + 32, big: false, in: &bytes)
    let metadata = 2 << 20
    put("metadata", at: metadata, in: &bytes)
    put(2, 2, at: metadata + 10, big: false, in: &bytes)
    let parameters: [UInt8] = [
      0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D, 0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B,
    ]
    let size: [UInt8] = [
      0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48, 0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8,
    ]
    for (index, byte) in parameters.enumerated() { bytes[metadata + 32 + index] = byte }
    put(64 << 10, 4, at: metadata + 48, big: false, in: &bytes)
    for (index, byte) in size.enumerated() { bytes[metadata + 64 + index] = byte }
    put((64 << 10) + 8, 4, at: metadata + 80, big: false, in: &bytes)
    put(hasParent ? 2 : 0, 4, at: metadata + (64 << 10) + 4, big: false, in: &bytes)
    put(9 << 20, 8, at: metadata + (64 << 10) + 8, big: false, in: &bytes)
    return bytes
  }

  static func iso(isHybrid: Bool = false) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 40_960)
    put("\u{1}CD001", at: 32_768, in: &bytes)
    if isHybrid { partitioned(&bytes) }
    return bytes
  }
  static func partitioned(_ bytes: inout [UInt8]) {
    bytes[450] = 0xEE
    (bytes[510], bytes[511]) = (0x55, 0xAA)
    put("EFI PART", at: 512, in: &bytes)
  }
  static func luks() -> [UInt8] { [0x4C, 0x55, 0x4B, 0x53, 0xBA, 0xBE, 0, 2] + [UInt8](repeating: 7, count: 4096) }
}

struct FormatInspectorTests {
  private func check(_ bytes: [UInt8], _ disk: String, _ container: String = "bare") throws -> Int? {
    try FormatInspector.check(bytes, diskFormat: disk, containerFormat: container)
  }
  private func reason(_ bytes: [UInt8], _ disk: String) -> String {
    let fault = #expect(throws: Fault.self) { try check(bytes, disk) }
    #expect(fault?.status == 415)
    return fault?.message ?? ""
  }

  @Test func knowsEveryFormatAndItsSize() throws {
    #expect(try check(Crafted.qcow2(), "qcow2") == 1 << 30)
    #expect(try check(Crafted.qcow2(version: 2), "qcow2") == 1 << 30)
    #expect(try check(Crafted.vmdk(), "vmdk") == 2048 * 512)
    #expect(try check(Crafted.vdi(), "vdi") == 5 << 20)
    #expect(try check(Crafted.vhd(dynamic: true), "vhd") == 7 << 20)
    #expect(try check(Crafted.vhd(dynamic: false), "vhd") == 7 << 20)
    #expect(try check(Crafted.vhdx(), "vhdx") == 9 << 20)
    #expect(try check(Crafted.iso(), "iso") == 40_960)
    #expect(try check(Crafted.iso(isHybrid: true), "iso") == 40_960)
  }

  @Test func rawMayBeAnyDisk() throws {
    var disk = ImageHarness.noise(4096)
    #expect(try check(disk, "raw") == 4096)
    Crafted.partitioned(&disk)
    #expect(try check(disk, "raw") == 4096)
    #expect(try check(Crafted.luks(), "raw") == 4104)
    #expect(try check(Crafted.iso(), "raw") == 40_960)
    #expect(try check([], "raw") == 0)
    // A guest's own last sector makes no VHD of its disk.
    #expect(try check(Crafted.vhd(dynamic: false), "raw") == 4608)
    for format in ["ami", "aki", "ari"] { #expect(try check(disk, format) == nil) }
  }

  @Test func liesAreRefused() throws {
    let noise = ImageHarness.noise(4096)
    let files: [(String, [UInt8])] = [
      ("qcow2", Crafted.qcow2()), ("vmdk", Crafted.vmdk()), ("vdi", Crafted.vdi()), ("vhd", Crafted.vhd(dynamic: true)),
      ("vhdx", Crafted.vhdx()), ("iso", Crafted.iso()), ("qed", Array("QED\0".utf8) + noise),
      ("ploop", Array("WithouFreSpacExt".utf8) + noise),
    ]
    for (format, bytes) in files {
      for declared in Image.diskFormats where declared != format {
        if format == "iso", ["raw", "ami", "aki", "ari"].contains(declared) { continue }
        #expect(reason(bytes, declared).contains(format), "\(format) as \(declared)")
      }
    }
    for declared in ["qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ploop"] {
      #expect(reason(noise, declared).contains("raw"))
      #expect(reason([], declared).contains("raw"))
    }
  }

  @Test func archivesAreNotLookedInto() throws {
    #expect(try check(Crafted.qcow2(backing: 512), "raw", "ova") == nil)
    #expect(try check([1], "qcow2", "compressed") == nil)
  }

  @Test func unsafeQcow2IsRefused() {
    #expect(reason(Crafted.qcow2(backing: 1024), "qcow2").contains("backing file"))
    #expect(reason(Crafted.qcow2(incompatible: 4), "qcow2").contains("external data file"))
    #expect(reason(Crafted.qcow2(incompatible: 2), "qcow2").contains("corrupt"))
    #expect(reason(Crafted.qcow2(incompatible: 1 << 40), "qcow2").contains("unknown features (bits 0x10000000000)"))
    #expect(
      reason(Crafted.qcow2(extensions: [(0x6803_F857, [1]), (0x4441_5441, [47])]), "qcow2").contains("external data"))
    #expect(
      reason(Crafted.qcow2(version: 2, extensions: [(0x4441_5441, [47])]), "qcow2").contains("external data"))
    #expect(reason(Crafted.qcow2(version: 1), "qcow2").contains("version 1"))
    #expect(reason(Crafted.qcow2(clusterBits: 40), "qcow2").contains("cluster_bits"))
    #expect(reason(Crafted.qcow2(size: .max), "qcow2").contains("beyond reason"))
    #expect(reason(Crafted.qcow2(headerLength: 0xFFFF_FFFF), "qcow2").contains("header_length"))
    #expect(reason(Array(Crafted.qcow2().prefix(40)), "qcow2").contains("cut off"))
  }
  @Test func harmlessQcow2FeaturesPass() throws {
    #expect(try check(Crafted.qcow2(incompatible: 0b1_1001, extensions: [(0x6803_F857, [1, 2])]), "qcow2") == 1 << 30)
  }

  @Test(arguments: [
    ("monolithicFlat", "createType=\"monolithicFlat\"\nRW 1 FLAT \"a\""), ("is missing", "RW 1 SPARSE \"a\""),
    ("monolithicSparse,twoGb", "createType=\"monolithicSparse\"\ncreateType=twoGb\nRW 1 SPARSE \"a\""),
    ("0 extents", "createType=\"monolithicSparse\""),
    ("2 extents", "createType=\"streamOptimized\"\nRW 1 SPARSE \"a\"\nRW 1 SPARSE \"b\""),
    ("not SPARSE", "createType=\"monolithicSparse\"\nRW 1 FLAT \"a\" 0"),
    ("names a path", "createType=\"monolithicSparse\"\nRW 1 SPARSE \"/etc/shadow\""),
    ("parent", "createType=\"monolithicSparse\"\nparentCID=12345678\nRW 1 SPARSE \"a\""),
    ("parent", "createType=\"monolithicSparse\"\nparentFileNameHint=\"/x\"\nRW 1 SPARSE \"a\""),
    ("not SPARSE", "createType=\"monolithicSparse\"\r\n  rdonly 1 VMFS \"a\"\r\n"),
  ])
  func unsafeVMDKIsRefused(_ part: String, _ descriptor: String) {
    #expect(reason(Crafted.vmdk("# Disk DescriptorFile\n" + descriptor), "vmdk").contains(part))
  }
  @Test func moreUnsafeVMDK() {
    #expect(reason(Crafted.vmdk(offset: 0), "vmdk").contains("no descriptor"))
    #expect(reason(Crafted.vmdk(offset: .max, sectors: .max), "vmdk").contains("no descriptor"))
    #expect(reason(Crafted.vmdk(sectors: 1 << 30), "vmdk").contains("no descriptor"))
    #expect(reason(Array("# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\"".utf8), "vmdk").contains("other files"))
    #expect(reason(Array(" \n# disk DescriptorFile\n".utf8), "raw").contains("vmdk"))
    #expect(reason(Array("COWD".utf8), "vmdk").contains("several files"))
  }

  @Test func differencingDisksAreRefused() {
    #expect(reason(Crafted.vdi(type: 4), "vdi").contains("type 4"))
    #expect(reason(Crafted.vhd(dynamic: true, type: 4), "vhd").contains("type 4"))
    #expect(reason(Crafted.vhdx(hasParent: true), "vhdx").contains("parent"))
    #expect(reason(Array(Crafted.vhdx().prefix(256 << 10)), "vhdx").contains("metadata"))
  }

  @Test func polyglotsAreRefused() {
    var bytes = Crafted.iso()
    bytes.replaceSubrange(0..<4096, with: Crafted.qcow2())
    #expect(reason(bytes, "qcow2").contains("several formats"))
    #expect(reason(bytes, "iso").contains("several formats"))
    #expect(reason(bytes, "raw").contains("several formats"))
  }

  /// Cut off and scrambled files are answered or refused, never a crash.
  @Test func hostileBytesNeverCrash() {
    let seeds = [
      Crafted.qcow2(), Crafted.vmdk(), Crafted.vdi(), Crafted.vhd(dynamic: true), Crafted.vhd(dynamic: false),
      Array(Crafted.vhdx().prefix(300 << 10)), Crafted.iso(), Crafted.luks(),
    ]
    for (index, seed) in seeds.enumerated() {
      for round in 0..<200 {
        let noise = ImageHarness.noise(64, seed: UInt64(index * 1000 + round))
        var bytes = seed
        for (position, byte) in noise.enumerated() {
          bytes[(Int(byte) * 7 + position * 3 + round) % 512] = noise[(position + 7) % 64]
        }
        bytes.removeLast((Int(noise[0]) << 3) % bytes.count)
        bytes.replaceSubrange(0..<min(4, bytes.count), with: seed.prefix(min(4, bytes.count)))
        for format in Image.diskFormats { _ = try? check(bytes, format) }
      }
    }
  }
}
