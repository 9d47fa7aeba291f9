import FoundationEssentials
import Host
import Kit

/// Unpacked packages: what they hold, and a way to run their programs with their own libraries, whatever the host has.
struct DebianTree: Sendable {
  let root: String

  static let libraryFolders = [
    "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "usr/libexec/sudo", "lib", "usr/lib",
  ]
  /// Unpacked apart: both of Debian's busyboxes are called /bin/busybox.
  static let staticBusybox = "static/bin/busybox"
  static let loader = "lib64/ld-linux-x86-64.so.2"

  /// The regular file behind a path of the tree, such as `usr/bin/curl`, with symbolic links followed inside the tree.
  func file(_ path: String) throws -> String {
    var path = path
    for _ in 0..<8 {
      let absolute = "\(root)/\(path)"
      guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: absolute) else {
        guard HostFiles.size(absolute) != nil else {
          throw Fault.unavailable("the Debian packages have no file /\(path) on this release; Debian 12 is supported")
        }
        return absolute
      }
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
      path = target.hasPrefix("/") ? String(target.dropFirst()) : "\(folder)/\(target)"
    }
    throw Fault.internal("/\(path) of the Debian packages is a circle of symbolic links")
  }

  /// The path of a shared library in the tree.
  func library(_ name: String) -> String? {
    Self.libraryFolders.map { "\($0)/\(name)" }.first { HostFiles.exists("\(root)/\($0)") }
  }

  /// Runs a dynamically linked program of the tree.
  func run(_ path: String, _ arguments: [String], deadline: Duration = .seconds(60)) async throws -> String {
    let folders = Self.libraryFolders.map { "\(root)/\($0)" }.joined(separator: ":")
    return try await Command(
      try file(Self.loader), ["--library-path", folders, try file(path)] + arguments, deadline: deadline
    ).check()
  }

  /// Runs an applet of the static busybox.
  func busybox(_ arguments: [String], input: [UInt8] = []) async throws -> String {
    try await Command(try file(Self.staticBusybox), arguments, input: input, deadline: .seconds(60)).check()
  }
}
