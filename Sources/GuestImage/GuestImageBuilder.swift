import FoundationEssentials
import Host
import Kit
import Logs

/// Builds the guest image from Debian packages alone. Nothing of it needs root: no mounts, no loop devices, no chroot; the
/// packages are fetched by apt's own client, which checks their signatures, and unpacked without being installed.
public struct GuestImageBuilder: Sendable {
  /// Debian packages that bring the programs which a build runs.
  public static let requiredPackages = ["apt", "dpkg", "qemu-utils", "e2fsprogs", "coreutils", "libc-bin"]

  static let programs = [
    ("apt-get", "apt"), ("apt-cache", "apt"), ("dpkg-deb", "dpkg"), ("qemu-img", "qemu-utils"), ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"), ("dd", "coreutils"), ("env", "coreutils"), ("truncate", "coreutils"),
    ("sha256sum", "coreutils"), ("ldconfig", "libc-bin"),
  ]

  private let files: GuestImageFiles
  private let account: GuestAccount
  private let log: Log
  private let progress: @Sendable (String) -> Void

  /// `outputDirectory`: absolute; made when absent. `user`, `password`: whom the image lets in. `progress` gets a line for
  /// each step.
  public init(
    outputDirectory: String, user: String = "cirros", password: String = "gocubsgo", log: Log,
    progress: @escaping @Sendable (String) -> Void
  ) {
    files = GuestImageFiles(directory: outputDirectory)
    account = GuestAccount(user: user, password: password)
    (self.log, self.progress) = (log, progress)
  }

  /// Builds the image, or returns the one that is there when a new one would be the same. Takes some ten seconds, and a
  /// download of 50 MB the first time. Faults: a missing program, a package that cannot be fetched, no space, another
  /// build in the same folder.
  public func build() async throws -> GuestImage {
    try account.check()
    try checkHost()
    try HostFiles.makeFolder(files.directory, mode: 0o755)
    let lock = try FileLock(files.lock)
    defer { withExtendedLifetime(lock) {} }
    let packages = DebianPackages(folder: files.packages, progress: progress)
    let wanted: [DebianPackage]
    do {
      wanted = try await packages.resolve(GuestPackages.all)
    } catch {
      // Without a network, or with other package lists, an image that was built by this program still serves.
      guard let image = try files.load(), image.fingerprint.hasPrefix(try await recipeDigest()) else { throw error }
      progress("the image of \(image.description) is kept: \(Fault(error).message)")
      return image
    }
    let fingerprint = try await recipeDigest() + "-" + digest(wanted.map { "\($0.file) \($0.hash)" })
    if let image = try files.load(), image.fingerprint == fingerprint {
      progress("the image is up to date: \(files.disk)")
      return image
    }
    return try await build(packages, wanted, fingerprint)
  }

  private func build(
    _ packages: DebianPackages, _ wanted: [DebianPackage], _ fingerprint: String
  ) async throws -> GuestImage {
    let started = ContinuousClock.now
    try HostFiles.remove(files.work)
    try HostFiles.makeFolder(files.work, mode: 0o700)
    defer { try? HostFiles.remove(files.work) }
    try await packages.fetch(wanted)
    progress("unpacking \(wanted.count) packages")
    let source = DebianTree(root: files.work + "/packages")
    try await packages.unpack(wanted.filter { $0.name != "busybox-static" }, to: source.root)
    try await packages.unpack(wanted.filter { $0.name == "busybox-static" }, to: source.root + "/static")
    let recipe = GuestRecipe(source: source, work: files.work, account: account, progress: progress)
    let built = try await recipe.build()
    let kernel = wanted.first { $0.name.hasPrefix("linux-image-") }?.version ?? "unknown"
    let image = GuestImage(
      disk: files.disk, kernel: files.kernel, initrd: files.initrd, kernelArguments: GuestRecipe.kernelArguments,
      user: account.user, password: account.password, minRAMMB: 96, minDiskGB: 0,
      description: "Martlet guest (Linux \(kernel))", fingerprint: fingerprint)
    try files.publish(image, from: built)
    let size = (HostFiles.size(files.disk) ?? 0) >> 20
    let seconds = Double((ContinuousClock.now - started).components.seconds)
    log.info("built \(files.disk): \(image.description), \(size) MiB, \(seconds) s")
    progress("built \(files.disk): \(size) MiB, \(Int(seconds)) s")
    return image
  }

  private func checkHost() throws {
    guard HostFacts.architecture == "x86_64" else {
      throw Fault.unavailable("the guest image is made for x86_64, this machine is \(HostFacts.architecture)")
    }
    let missing = Self.programs.filter { !HostFacts.hasProgram($0.0) }
    guard missing.isEmpty else {
      let packages = Set(missing.map(\.1)).sorted().joined(separator: " ")
      throw Fault.unavailable(
        "building the guest image needs \(missing.map(\.0).joined(separator: ", ")): apt-get install \(packages)")
    }
  }

  /// Of all that is ours in the image.
  private func recipeDigest() async throws -> String {
    let own = GuestRecipe.ownFiles(account).map { "\($0.path) \($0.mode)\n\($0.text)" }
    return try await digest(
      own + GuestPackages.all + GuestRecipe.settings + [account.user, account.password, "\(GuestImage.diskMB)"])
  }

  private func digest(_ parts: [String]) async throws -> String {
    let text = parts.joined(separator: "\u{0}")
    return String(try await Command("sha256sum", [], input: Array(text.utf8)).check().prefix(16))
  }
}

/// Whom the image lets in.
struct GuestAccount: Sendable {
  let user: String
  let password: String

  /// As useradd(8) restricts names; the name also goes into scripts.
  func check() throws {
    let isName =
      (1...32).contains(user.utf8.count) && user != "root"
      && user.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789_-".utf8.contains($0) }
      && user.utf8.first.map { !"0123456789-".utf8.contains($0) } == true
    guard isName else { throw Fault.badRequest("'\(user)' is not a name for the guest's user") }
    guard !password.isEmpty, password.utf8.allSatisfy({ $0 >= 32 }) else {
      throw Fault.badRequest("the guest's password must be a printable text")
    }
  }
}
