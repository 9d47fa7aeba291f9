import FoundationEssentials
import Glibc
import Host
import Kit

/// The guest's root file system in a folder of ours. Owners, and modes that would matter on the host, are kept apart and set
/// in the file system image, so that building needs no root and leaves no set-user-ID file here.
struct RootTree {
  let root: String
  private let source: DebianTree
  /// Path → mode with the file's type, for debugfs.
  private(set) var modes: [String: Int] = [:]

  init(root: String, source: DebianTree) throws {
    (self.root, self.source) = (root, source)
    try HostFiles.makeFolder(root, mode: 0o755)
  }

  func folder(_ path: String) throws { try HostFiles.makeFolder("\(root)/\(path)", mode: 0o755) }

  func link(_ path: String, to target: String) throws {
    try makeParent(path)
    try FileManager.default.createSymbolicLink(atPath: "\(root)/\(path)", withDestinationPath: target)
  }

  func exists(_ path: String) -> Bool {
    HostFiles.exists("\(root)/\(path)")
      || (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(root)/\(path)")) != nil
  }

  mutating func write(_ file: GuestFile) throws {
    try makeParent(file.path)
    // Readable here, so that the image's maker can read it without being root.
    let mode = mode_t(file.mode & 0o777 | 0o400)
    try HostFiles.writeAtomically("\(root)/\(file.path)", Array(file.text.utf8), mode: mode, isDurable: false)
    if file.mode != Int(mode) { modes[file.path] = 0o100000 | file.mode }
  }

  /// The mode of something that is there, with its type, such as 0o041777 for /tmp.
  mutating func setMode(_ path: String, _ mode: Int) { modes[path] = mode }

  /// Copies a program or library of the packages, with the libraries that it needs.
  func install(_ path: String, as target: String? = nil) throws {
    let target = Self.merged(target ?? path)
    if exists(target) { return }
    let file = try source.file(path)
    try makeParent(target)
    try FileManager.default.copyItem(atPath: file, toPath: "\(root)/\(target)")
    guard try HostFiles.head(file, bytes: 4) == [0x7F, 0x45, 0x4C, 0x46] else { return }
    for name in try ELFFile(file).neededLibraries where !name.hasPrefix("ld-linux") {
      guard let library = source.library(name) else {
        throw Fault.unavailable(
          "/\(path) needs \(name), which is in none of the Debian packages; Debian 12 is supported")
      }
      try install(library)
    }
  }

  /// Debian packages still name files in /bin and /lib, which are links to /usr/bin and /usr/lib.
  private static func merged(_ path: String) -> String {
    let first = path.prefix { $0 != "/" }
    return ["bin", "sbin", "lib", "lib64"].contains(first) ? "usr/\(path)" : path
  }

  private func makeParent(_ path: String) throws {
    guard let slash = path.lastIndex(of: "/") else { return }
    try folder(String(path[..<slash]))
  }
}

/// A file of the guest that is ours.
struct GuestFile: Sendable {
  /// Without a leading slash.
  var path: String
  var mode: Int
  var text: String

  init(_ path: String, mode: Int = 0o644, _ text: String) { (self.path, self.mode, self.text) = (path, mode, text) }
}
