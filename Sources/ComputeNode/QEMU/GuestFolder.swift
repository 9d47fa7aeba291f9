import Contracts
import Host
import Kit

/// The folder of a guest and the names in it.
struct GuestFolder {
  let path: String
  init(_ path: String) { self.path = path }

  var record: String { "\(path)/spec.json" }
  /// QEMU writes its id here.
  var pidFile: String { "\(path)/qemu.pid" }
  /// What QEMU says of itself.
  var log: String { "\(path)/qemu.log" }
  var monitor: String { "\(path)/qmp.sock" }
  /// The display speaks RFB here.
  var display: String { "\(path)/vnc.sock" }
  var console: String { "\(path)/console.log" }
  /// Console output that was moved out of the way.
  var olderConsole: String { "\(path)/console.old" }
  var configDrive: String { "\(path)/config.iso" }
  /// The memory of a suspended guest.
  var memory: String { "\(path)/memory.bin" }
  func disk(_ name: String) -> String { "\(path)/\(name).qcow2" }
  /// Sockets through which memory is saved and read in, by names relative to the folder.
  static let outgoing = "outgoing.sock"
  static let incoming = "incoming.sock"

  /// The guest's QEMU if it lives: the process in its pid file, which must have that file's path as an argument; or,
  /// when we were ended before it wrote the file, the one among all processes that has.
  func process() throws -> ProcessHandle? {
    if let bytes = try? HostFiles.read(pidFile, limit: 64),
      let pid = Int32(String(decoding: bytes, as: UTF8.self).filter(\.isWholeNumber)),
      let process = ProcessHandle(pid: pid), process.arguments.contains(pidFile)
    {
      return process
    }
    return try ProcessHandle.all(withArgument: pidFile).first
  }

  /// Keeps the console's log within bounds: a guest decides how much it writes.
  func trimConsole() throws {
    guard let size = HostFiles.size(console), size > Self.consoleBytesMax else { return }
    let kept = HostFiles.tail(console, bytes: Self.consoleBytesKept)
    try HostFiles.writeAtomically(olderConsole, Array(kept.utf8), mode: 0o640, isDurable: false)
    // QEMU appends, so what it writes next starts at the new beginning.
    try HostFiles.truncate(console)
  }
  private static let consoleBytesMax = 4 << 20
  private static let consoleBytesKept = 1 << 20

  /// The last `lines` lines of the console (nil: all).
  func consoleText(lines: Int?) -> String {
    let text =
      HostFiles.tail(olderConsole, bytes: Self.consoleBytesKept)
      + HostFiles.tail(console, bytes: 2 * Self.consoleBytesMax)
    guard let lines else { return text }
    return Self.last(lines, of: text)
  }

  /// The last lines of a text; a line break at its end begins no further line.
  static func last(_ lines: Int, of text: String) -> String {
    guard lines > 0 else { return "" }
    var left = lines
    let bytes = text.utf8
    var index = bytes.endIndex
    while index > bytes.startIndex {
      let before = bytes.index(before: index)
      if bytes[before] == UInt8(ascii: "\n"), index != bytes.endIndex {
        left -= 1
        if left == 0 { return String(text[index...]) }
      }
      index = before
    }
    return text
  }
}
