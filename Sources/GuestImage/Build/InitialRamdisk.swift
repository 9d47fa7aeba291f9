/// A cpio archive in the kernel's "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst of Linux). Not
/// compressed: unpacking costs an emulated processor more than reading.
struct InitialRamdisk {
  private(set) var bytes: [UInt8] = []
  private var inode = 0

  mutating func folder(_ path: String) { append(path, mode: 0o040755) }
  mutating func file(_ path: String, _ content: [UInt8], mode: Int) { append(path, mode: 0o100000 | mode, content) }
  mutating func link(_ path: String, to target: String) { append(path, mode: 0o120777, Array(target.utf8)) }
  mutating func characterDevice(_ path: String, major: Int, minor: Int) {
    append(path, mode: 0o020600, device: (major, minor))
  }
  /// The mark at the end.
  mutating func finish() { append("TRAILER!!!", mode: 0) }

  private mutating func append(_ path: String, mode: Int, _ content: [UInt8] = [], device: (Int, Int) = (0, 0)) {
    inode += 1
    let name = Array(path.utf8) + [0]
    // inode, mode, user, group, links, time, size, device of the file, device that it is, length of the name, checksum.
    let fields = [inode, mode, 0, 0, 1, 0, content.count, 0, 0, device.0, device.1, name.count, 0]
    bytes += Array("070701".utf8) + fields.flatMap(Self.hexadecimal)
    bytes += name
    align()
    bytes += content
    align()
  }

  private mutating func align() { while bytes.count % 4 != 0 { bytes.append(0) } }

  private static func hexadecimal(_ number: Int) -> [UInt8] {
    let digits = Array(String(number, radix: 16, uppercase: true).utf8)
    return [UInt8](repeating: UInt8(ascii: "0"), count: 8 - digits.count) + digits
  }
}
