import FoundationEssentials
import Host
import Kit

/// The kernel's modules and what they need of each other.
struct KernelModules: Sendable {
  let release: String
  private let source: DebianTree
  /// Name with underscores → path in the modules' folder, and paths of what it needs.
  private let known: [String: (path: String, needs: [String])]

  private var folder: String { "\(source.root)/lib/modules/\(release)" }

  /// Lists the modules in the tree; packages come without the list.
  init(_ source: DebianTree) async throws {
    guard let release = try HostFiles.list("\(source.root)/lib/modules").first else {
      throw Fault.unavailable("the kernel package holds no modules")
    }
    (self.source, self.release) = (source, release)
    _ = try await source.busybox(["depmod", "-b", source.root, release])
    let list = try HostFiles.read("\(source.root)/lib/modules/\(release)/modules.dep")
    var known: [String: (path: String, needs: [String])] = [:]
    for line in String(decoding: list, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard let path = parts.first.map(String.init), let file = path.split(separator: "/").last else { continue }
      let name = String(file.prefix { $0 != "." }).replacing("-", with: "_")
      known[name] = (path, parts.count == 2 ? parts[1].split(separator: " ").map(String.init) : [])
    }
    self.known = known
  }

  /// Copies modules, with all that they need, to a tree. Names that this kernel does not have are left out: it has them
  /// built in, or its flavour leaves that hardware out.
  func install(_ names: [String], root: String, prefix: String) async throws {
    var paths: Set<String> = []
    for name in names {
      guard let module = known[name] else { continue }
      paths.insert(module.path)
      paths.formUnion(module.needs)
    }
    let target = "\(root)/\(prefix)lib/modules/\(release)"
    for path in paths {
      let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
      try HostFiles.makeFolder("\(target)/\(folder)", mode: 0o755)
      try FileManager.default.copyItem(atPath: "\(self.folder)/\(path)", toPath: "\(target)/\(path)")
    }
    for list in ["modules.builtin", "modules.order"] {
      try FileManager.default.copyItem(atPath: "\(folder)/\(list)", toPath: "\(target)/\(list)")
    }
    _ = try await source.busybox(["depmod", "-b", root, release])
  }
}
