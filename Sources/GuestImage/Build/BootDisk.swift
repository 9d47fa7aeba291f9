import FoundationEssentials
import Host
import Kit

/// The disk: an MBR with one ext4 partition, and GRUB between them. It is written without ever being attached.
struct BootDisk: Sendable {
  /// Where the partition begins, in sectors of 512 bytes.
  static let partitionStart = 2048
  /// The largest root file system that growing makes room for, in blocks of 4 KiB: 1 TiB.
  static let growthBlocksMax = 268_435_456

  let source: DebianTree
  let work: String
  private var raw: String { work + "/disk.raw" }

  /// Makes the disk from a tree and returns the path of a compressed qcow2 image. `user`: owns everything below /home.
  func build(_ tree: RootTree, kernelArguments: String) async throws -> String {
    let megabytes = GuestImage.diskMB
    _ = try await Command("truncate", ["-s", "\(megabytes)M", raw]).check()
    try await makeFileSystem(tree, megabytes: megabytes - Self.partitionStart / 2048)
    let head = try await bootSectors(kernelArguments: kernelArguments, sectors: megabytes * 2048 - Self.partitionStart)
    _ = try await Command("dd", ["of=\(raw)", "conv=notrunc", "status=none"], input: head).check()
    let target = work + "/guest.qcow2"
    _ = try await Command(
      "qemu-img", ["convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zlib", raw, target],
      deadline: .seconds(300)
    ).check()
    return target
  }

  private func makeFileSystem(_ tree: RootTree, megabytes: Int) async throws {
    // Features that GRUB 2.06 reads; room for group descriptors, so that growing needs no relocation.
    let features = "^metadata_csum,^64bit,resize_inode"
    let extended =
      "offset=\(Self.partitionStart * 512),root_owner=0:0,resize=\(Self.growthBlocksMax),lazy_itable_init=1"
    _ = try await Command(
      "mke2fs",
      [
        "-q", "-t", "ext4", "-b", "4096", "-O", features, "-J", "size=4", "-E", extended, "-m", "0", "-N", "4096", "-L",
        GuestRecipe.rootLabel, "-d", tree.root, raw, "\(megabytes)M",
      ], deadline: .seconds(120)
    ).check()
    try await setOwners(tree)
  }

  /// mke2fs takes over our ids; here everything becomes root's, and the user's home the user's.
  private func setOwners(_ tree: RootTree) async throws {
    var commands: [String] = []
    for path in try Self.paths(below: tree.root) {
      let id = path.hasPrefix("home/") ? 1000 : 0
      commands += ["sif \"/\(path)\" uid \(id)", "sif \"/\(path)\" gid \(id)"]
    }
    for (path, mode) in tree.modes.sorted(by: { $0.key < $1.key }) {
      commands.append("sif \"/\(path)\" mode 0\(String(mode, radix: 8))")
    }
    let script = work + "/owners"
    let bytes = Array((commands.joined(separator: "\n") + "\n").utf8)
    try HostFiles.writeAtomically(script, bytes, mode: 0o600, isDurable: false)
    let output = try await Command(
      "debugfs", ["-w", "-f", script, "\(raw)?offset=\(Self.partitionStart * 512)"], deadline: .seconds(120)
    ).run()
    // debugfs ends with 0 whatever happens; each command that failed says so, behind its first line with the version.
    let errors = String(decoding: output.stderr, as: UTF8.self).split(separator: "\n").filter {
      !$0.hasPrefix("debugfs ")
    }
    guard output.status == 0, errors.isEmpty else {
      throw Fault.internal("debugfs could not set owners: \(errors.prefix(3).joined(separator: "; "))")
    }
  }

  /// All paths below a folder, without following links.
  static func paths(below root: String, _ folder: String = "") throws -> [String] {
    var result: [String] = []
    for name in try HostFiles.list(folder.isEmpty ? root : "\(root)/\(folder)") {
      let path = folder.isEmpty ? name : "\(folder)/\(name)"
      result.append(path)
      if try isFolder("\(root)/\(path)") { result += try paths(below: root, path) }
    }
    return result
  }

  private static func isFolder(_ path: String) throws -> Bool {
    let type = try FileManager.default.attributesOfItem(atPath: path)[.type]
    return type as? FileAttributeType == .typeDirectory
  }

  /// The MBR with GRUB's first stage and the partition's entry, followed by GRUB's core.
  private func bootSectors(kernelArguments: String, sectors: Int) async throws -> [UInt8] {
    let configuration = """
      linux (hd0,msdos1)/boot/vmlinuz \(kernelArguments)
      initrd (hd0,msdos1)/boot/initrd
      boot

      """
    let (settings, core) = (work + "/grub.cfg", work + "/core.img")
    try HostFiles.writeAtomically(settings, Array(configuration.utf8), mode: 0o600, isDurable: false)
    _ = try await source.run(
      "usr/bin/grub-mkimage",
      [
        "-d", "\(source.root)/usr/lib/grub/i386-pc", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-c", settings,
        "-o",
        core, "biosdisk", "part_msdos", "ext2", "linux", "boot",
      ])
    let stage = try HostFiles.head(try source.file("usr/lib/grub/i386-pc/boot.img"), bytes: 440)
    let coreBytes = try HostFiles.read(core)
    guard stage.count == 440, coreBytes.count <= (Self.partitionStart - 1) * 512 else {
      throw Fault.internal("GRUB's stages do not fit before the partition: \(stage.count) and \(coreBytes.count) bytes")
    }
    // Signature, then the entry: active, no cylinder addresses, type Linux, first sector, number of sectors.
    let entry: [UInt8] = [0x80, 0xFE, 0xFF, 0xFF, 0x83, 0xFE, 0xFF, 0xFF]
    let table = entry + Self.littleEndian(Self.partitionStart) + Self.littleEndian(sectors)
    let signature = Array("MRTL".utf8) + [0, 0]
    return stage + signature + table + [UInt8](repeating: 0, count: 48) + [0x55, 0xAA] + coreBytes
  }

  private static func littleEndian(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(number >> (8 * $0) & 0xFF) } }
}
