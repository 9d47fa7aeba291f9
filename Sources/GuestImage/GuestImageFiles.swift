import FoundationEssentials
import Host
import Kit

/// Where a guest image's files are in its folder.
struct GuestImageFiles: Sendable {
  let directory: String

  var disk: String { directory + "/guest.qcow2" }
  var kernel: String { directory + "/vmlinux" }
  var initrd: String { directory + "/initrd" }
  var manifest: String { directory + "/image.json" }
  var lock: String { directory + "/build.lock" }
  /// Debian packages that were fetched.
  var packages: String { directory + "/packages" }
  /// What a build needs while it runs.
  var work: String { directory + "/work" }

  /// The image that is there; nil when a file is missing.
  func load() throws -> GuestImage? {
    guard let image = try? HostFiles.load(GuestImage.self, manifest), image.disk == disk,
      [image.disk, image.kernel, image.initrd].allSatisfy(HostFiles.exists)
    else { return nil }
    return image
  }

  /// Puts built files in place. A guest that still uses an old file keeps it: the name goes to the new one.
  func publish(_ image: GuestImage, from built: BuiltFiles) throws {
    try HostFiles.remove(manifest)
    for (source, target) in [(built.disk, disk), (built.kernel, kernel), (built.initrd, initrd)] {
      try HostFiles.remove(target)
      try FileManager.default.moveItem(atPath: source, toPath: target)
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: target)
    }
    try HostFiles.save(image, manifest, mode: 0o644)
  }
}

/// The files that a build has made.
struct BuiltFiles: Sendable {
  var disk: String
  var kernel: String
  var initrd: String
}
