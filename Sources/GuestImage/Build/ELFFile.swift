import Host
import Kit

/// What is needed to know of a 64-bit little-endian ELF file; see elf(5).
struct ELFFile {
  private let bytes: [UInt8]

  /// Throws a fault for a file of another kind.
  init(_ path: String) throws {
    bytes = try HostFiles.read(path)
    guard bytes.count >= 64, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, 2, 1]) else {
      throw Fault.internal("\(path) is not a 64-bit ELF file")
    }
  }

  /// Names of the shared libraries that it needs (DT_NEEDED); none for a static program.
  var neededLibraries: [String] {
    guard let dynamic = segments.first(where: { $0.type == 2 }) else { return [] }
    var names: [Int] = []
    var table: Int?
    for at in stride(from: dynamic.offset, to: dynamic.offset + dynamic.size - 15, by: 16) {
      switch number(at, 8) {
      case 1: names.append(number(at + 8, 8))
      case 5: table = number(at + 8, 8)
      default: break
      }
    }
    guard let table, let start = fileOffset(of: table) else { return [] }
    return names.map { text(at: start + $0) }
  }

  private struct Segment {
    var type: Int
    var offset: Int
    var address: Int
    var size: Int
  }

  private var segments: [Segment] {
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2))
    return (0..<count).map { index in
      let at = table + index * size
      return Segment(
        type: number(at, 4), offset: number(at + 8, 8), address: number(at + 16, 8), size: number(at + 32, 8))
    }
  }

  private func fileOffset(of address: Int) -> Int? {
    let segment = segments.first { $0.type == 1 && ($0.address..<($0.address + $0.size)).contains(address) }
    return segment.map { address - $0.address + $0.offset }
  }

  /// 0 where the file has ended.
  private func number(_ at: Int, _ width: Int) -> Int {
    guard at >= 0, at + width <= bytes.count else { return 0 }
    return Int(truncatingIfNeeded: (0..<width).reduce(UInt64(0)) { $0 | UInt64(bytes[at + $1]) << UInt64(8 * $1) })
  }

  private func text(at start: Int) -> String {
    guard bytes.indices.contains(start) else { return "" }
    return String(decoding: bytes[start...].prefix { $0 != 0 }, as: UTF8.self)
  }
}
