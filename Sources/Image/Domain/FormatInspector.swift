import Kit

/// What a file turned out to be.
struct Inspection: Sendable, Equatable {
  enum Format: String, Sendable {
    case raw, qcow2, vmdk, vdi, vhd, vhdx, iso, luks, gpt, ploop, qed
  }
  var format: Format
  /// Bytes of the disk inside.
  var virtualSize: Int
  /// Why it must not be used even when its format is the declared one; empty: nothing speaks against it.
  var violations: [String] = []
}

/// Recognises disk images by their bytes, never by their names.
///
/// The rule, which is upstream's with `require_image_format_match` on, and stricter where upstream only warns: what is
/// declared as an inspectable format must be exactly that. What is declared `raw` may be any bytes (Tempest uploads random
/// ones), also a partitioned disk, an ISO or a LUKS volume, for those are bytes of a disk; but not a container that
/// QEMU would open as such (qcow2, VMDK, VDI, VHDX, VHD with a header, QED, ploop): a file that is positively something else
/// lies about itself. `ami`, `aki`, `ari` cannot be recognised and pass under the same condition.
enum FormatInspector {
  /// The file's format; raw when nothing is recognised.
  /// Throws a 415 fault for a file that is two things at once: each program would see another disk.
  static func inspect(_ source: some ByteSource, declared: String) throws -> Inspection {
    let head = ByteReader(try source.read(at: 0, count: 1024))
    var found: [Inspection] = []
    if let match = try Qcow2Format.inspect(head, source) { found.append(match) }
    if let match = try VMDKFormat.inspect(head, source) { found.append(match) }
    if let match = VDIFormat.inspect(head) { found.append(match) }
    if let match = try VHDFormat.inspect(head, source, isDeclared: declared == "vhd") { found.append(match) }
    if let match = try VHDXFormat.inspect(head, source) { found.append(match) }
    if let match = try ISOFormat.inspect(source) { found.append(match) }
    if let match = LUKSFormat.inspect(head, source) { found.append(match) }
    if head.starts(with: "QED\0") {
      found.append(Inspection(format: .qed, virtualSize: 0, violations: ["QED images are not supported"]))
    }
    if head.starts(with: "WithoutFreeSpace") || head.starts(with: "WithouFreSpacExt") {
      found.append(Inspection(format: .ploop, virtualSize: clamp(head.little64(36)).multiplied(by: 512)))
    }
    guard found.count < 2 else {
      let names = found.map(\.format.rawValue).joined(separator: ", ")
      throw Fault(415, "The data has the marks of several formats at once (\(names)): it is refused.")
    }
    // A boot sector in front is no format of its own: hybrid ISOs and kernels have one too.
    if let only = found.first { return only }
    return Inspection(format: isPartitioned(head) ? .gpt : .raw, virtualSize: source.size)
  }

  /// Inspects a file against its image's formats. Returns the virtual size in bytes, nil where it cannot be known.
  /// Throws a 415 fault that says what was declared, what was found and why it is refused.
  static func check(_ source: some ByteSource, diskFormat: String, containerFormat: String) throws -> Int? {
    // Archives hold their disks inside; they never back a guest's disk (see ImageService.file).
    guard !archives.contains(containerFormat) else { return nil }
    let inspection = try inspect(source, declared: diskFormat)
    let isPlain = [.raw, .gpt, .iso, .luks].contains(inspection.format)
    let isMatch =
      switch diskFormat {
      case "raw", "ami", "aki", "ari": isPlain
      default: inspection.format.rawValue == diskFormat
      }
    guard isMatch else {
      throw Fault(
        415,
        "Image disk_format \(diskFormat) does not match the data, which is \(inspection.format.rawValue). "
          + "Set disk_format to what the file is, or convert the file.")
    }
    guard inspection.violations.isEmpty else {
      throw Fault(
        415, "The \(diskFormat) data is refused: \(inspection.violations.joined(separator: "; ")).")
    }
    switch diskFormat {
    case "raw": return source.size
    case "ami", "aki", "ari": return nil
    default: return inspection.virtualSize
    }
  }

  /// Container formats that pack other files.
  static let archives: Set<String> = ["ova", "docker", "compressed"]

  private static func isPartitioned(_ head: ByteReader) -> Bool {
    guard head.little16(510) == 0xAA55 else { return false }
    return head.starts(with: "EFI PART", at: 512)
      || (0..<4).contains { head.bytes.count > 450 + 16 * $0 && head.bytes[450 + 16 * $0] != 0 }
  }

  /// A size from a header as an Int; one that no disk can have becomes the largest Int.
  static func clamp(_ value: UInt64) -> Int { Int(exactly: value) ?? Int.max }
}

extension Int {
  /// The product, or the largest Int where it does not fit.
  func multiplied(by factor: Int) -> Int {
    let (value, overflow) = multipliedReportingOverflow(by: factor)
    return overflow ? Int.max : value
  }
}
