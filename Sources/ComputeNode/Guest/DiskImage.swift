import Contracts
import Host
import Kit

/// Disk files of guests.
enum DiskImage {
  /// What the header of a base image says.
  struct Header: Equatable {
    var virtualSize: Int
    /// A file that it would read besides itself: hostile in an image that a user uploaded.
    var otherFile: Bool
  }

  /// Size of the disk in a base file. Throws when the file is not what `format` says.
  static func header(_ path: String, format: String) throws -> Header {
    guard let size = HostFiles.size(path) else { throw Fault.unavailable("the image file \(path) does not exist") }
    switch format {
    case "raw": return Header(virtualSize: size, otherFile: false)
    case "qcow2": return try qcow2Header(HostFiles.head(path, bytes: 104), path)
    default: throw Fault.badRequest("'\(format)' is not a format of disks: raw or qcow2")
    }
  }

  /// QEMU's docs/interop/qcow2.txt: magic, version, backing file offset at 8, virtual size at 24, incompatible
  /// features at 72.
  static func qcow2Header(_ bytes: [UInt8], _ path: String) throws -> Header {
    func number(_ at: Int, _ count: Int) -> UInt64 { bytes[at..<(at + count)].reduce(0) { $0 << 8 | UInt64($1) } }
    guard bytes.count >= 72, number(0, 4) == 0x5146_49FB, let size = Int(exactly: number(24, 8)) else {
      throw Fault.badRequest("\(path) is not a qcow2 image")
    }
    let hasDataFile = number(4, 4) >= 3 && bytes.count >= 80 && number(72, 8) & 4 != 0
    return Header(virtualSize: size, otherFile: number(8, 8) != 0 || hasDataFile)
  }

  /// Makes the disk `path`: a copy-on-write layer over its base, or blank.
  static func create(_ disk: GuestDisk, at path: String) async throws {
    var arguments = ["create", "-q", "-f", "qcow2"]
    var size = disk.sizeBytes
    if let base = disk.basePath {
      let format = disk.baseFormat ?? "raw"
      let header = try header(base, format: format)
      if header.otherFile { throw Fault.badRequest("the image file \(base) names another file as part of it") }
      if size == 0 { size = header.virtualSize }
      guard size >= header.virtualSize else {
        throw Fault.badRequest(
          "the disk \(disk.name) of \(size) bytes is smaller than its image, which has \(header.virtualSize) bytes")
      }
      arguments += ["-b", base, "-F", format]
    }
    guard size > 0 else { throw Fault.badRequest("the disk \(disk.name) has no size") }
    _ = try await Command("qemu-img", arguments + [path, "\((size + 511) / 512 * 512)"]).check()
  }
}
