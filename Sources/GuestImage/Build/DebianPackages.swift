import Host
import Kit

/// A version of a package that apt would install.
struct DebianPackage: Sendable, Equatable {
  var name: String
  var version: String
  /// Name of its archive.
  var file: String
  /// Size of the archive in bytes.
  var size: Int
  var hash: String

  /// A line of `apt-get --print-uris download`: `'URI' FILE SIZE HASH`. The file is named NAME_VERSION_ARCHITECTURE.deb, with
  /// `%3a` for a colon.
  init?(line: Substring) {
    let words = line.split(separator: " ")
    guard words.count == 4, words[0].hasPrefix("'"), let size = Int(words[2]) else { return nil }
    let parts = words[1].split(separator: "_")
    guard parts.count == 3 else { return nil }
    (name, file, self.size, hash) = (String(parts[0]), String(words[1]), size, String(words[3]))
    version = String(parts[1]).replacing("%3a", with: ":")
  }
}

/// Debian packages in a folder, fetched by apt's client and kept for the next build.
struct DebianPackages: Sendable {
  let folder: String
  let progress: @Sendable (String) -> Void

  /// The versions that apt would install; a name that ends in `*` stands for the package that it depends on.
  func resolve(_ names: [String]) async throws -> [DebianPackage] {
    do {
      return try await candidates(names)
    } catch {
      try await refresh(because: error)
      return try await candidates(names)
    }
  }

  private func candidates(_ names: [String]) async throws -> [DebianPackage] {
    var concrete: [String] = []
    for name in names {
      concrete.append(name.hasSuffix("*") ? try await dependency(of: String(name.dropLast())) : name)
    }
    let output = try await Command("apt-get", ["--print-uris", "download"] + concrete, deadline: .seconds(60)).check()
    let packages = output.split(separator: "\n").compactMap(DebianPackage.init)
    let missing = Set(concrete).subtracting(packages.map(\.name))
    guard missing.isEmpty else {
      throw Fault.unavailable("apt does not know the packages \(missing.sorted().joined(separator: ", "))")
    }
    return packages.sorted { $0.name < $1.name }
  }

  /// The first package on which a metapackage depends: of `linux-image-cloud-amd64` today's kernel.
  private func dependency(of name: String) async throws -> String {
    let output = try await Command("apt-cache", ["depends", "--important", name], deadline: .seconds(60)).check()
    for line in output.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "Depends:" { return String(words[1]) }
    }
    throw Fault.unavailable("apt does not know the package \(name)")
  }

  /// Reads the archives' lists again, which only root may; without that the error stands.
  private func refresh(because error: any Error) async throws {
    guard HostFacts.isRoot else {
      throw Fault.unavailable("\(Fault(error).message). As root, run: apt-get update")
    }
    progress("reading the package lists again (apt-get update)")
    _ = try await Command("apt-get", ["update", "-q"], deadline: .seconds(300)).check()
  }

  /// Fetches what is not there yet.
  func fetch(_ packages: [DebianPackage]) async throws {
    try HostFiles.makeFolder(folder, mode: 0o755)
    let known = Set(packages.map(\.file))
    for file in try HostFiles.list(folder) where !known.contains(file) { try HostFiles.remove("\(folder)/\(file)") }
    let missing = packages.filter { HostFiles.size("\(folder)/\($0.file)") != $0.size }
    guard !missing.isEmpty else { return }
    let bytes = missing.reduce(0) { $0 + $1.size }
    progress("fetching \(missing.count) Debian packages, \(bytes >> 20) MB")
    var done = 0
    for start in stride(from: 0, to: missing.count, by: 16) {
      let some = missing[start..<min(start + 16, missing.count)]
      do {
        try await download(some.map { "\($0.name)=\($0.version)" })
      } catch {
        try await refresh(because: error)
        try await download(some.map { "\($0.name)=\($0.version)" })
      }
      done += some.reduce(0) { $0 + $1.size }
      progress("fetched \(done >> 20) of \(bytes >> 20) MB")
    }
  }

  private func download(_ names: [String]) async throws {
    let options = ["-q", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=120"]
    _ = try await Command(
      "env", ["-C", folder, "apt-get"] + options + ["download"] + names, deadline: .seconds(900)
    ).check()
  }

  /// Unpacks archives over each other.
  func unpack(_ packages: [DebianPackage], to root: String) async throws {
    try HostFiles.makeFolder(root, mode: 0o755)
    for package in packages {
      _ = try await Command("dpkg-deb", ["-x", "\(folder)/\(package.file)", root], deadline: .seconds(120)).check()
    }
  }
}
