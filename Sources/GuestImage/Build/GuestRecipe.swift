import FoundationEssentials
import Host
import Kit

/// Turns unpacked packages and our own files into a kernel, an initial RAM disk and a disk.
struct GuestRecipe: Sendable {
  static let rootLabel = "guest-root"
  /// The last console is the system's. The timer check and the watchdogs misfire when an emulated processor waits for its
  /// turn; the processor's random numbers save a guest without a disk's noise from waiting for keys.
  static let kernelArguments =
    "console=tty1 console=ttyS0,115200n8 no_timer_check nowatchdog tsc=nowatchdog random.trust_cpu=on panic=10"

  let source: DebianTree
  let work: String
  let account: GuestAccount
  let progress: @Sendable (String) -> Void

  func build() async throws -> BuiltFiles {
    let modules = try await KernelModules(source)
    progress("kernel \(modules.release): initial RAM disk")
    let initrd = work + "/initrd"
    try HostFiles.writeAtomically(initrd, try await ramdisk(modules), mode: 0o644, isDurable: false)
    progress("root file system")
    var tree = try RootTree(root: work + "/root", source: source)
    try await fill(&tree, modules)
    try FileManager.default.copyItem(atPath: initrd, toPath: tree.root + "/boot/initrd")
    let vmlinuz = try source.file("boot/vmlinuz-\(modules.release)")
    try FileManager.default.copyItem(atPath: vmlinuz, toPath: tree.root + "/boot/vmlinuz")
    progress("disk with boot loader")
    let disk = try await BootDisk(source: source, work: work).build(tree, kernelArguments: Self.kernelArguments)
    return BuiltFiles(disk: disk, kernel: try await kernel(vmlinuz), initrd: initrd)
  }

  // MARK: - Kernel and initial RAM disk

  /// The kernel unpacked, which saves an emulated processor a second at each start: QEMU enters it by its PVH note. As it
  /// is when it is packed in a way that is not known here.
  private func kernel(_ vmlinuz: String) async throws -> String {
    let target = work + "/vmlinux"
    let bytes = try HostFiles.read(vmlinuz)
    // The payload in LZ4's legacy format, which begins with 0x184C2102 in little-endian order (lz4_Frame_format.md of LZ4).
    let magic: [UInt8] = [0x02, 0x21, 0x4C, 0x18]
    guard let start = bytes.firstRange(of: magic)?.lowerBound else {
      try FileManager.default.copyItem(atPath: vmlinuz, toPath: target)
      return target
    }
    let packed = work + "/kernel.lz4"
    try HostFiles.writeAtomically(packed, Array(bytes[start...]), mode: 0o600, isDurable: false)
    // What follows the payload in the file is no LZ4 and makes lz4 complain after it has written everything.
    let arguments = ["-d", "-f", "-q", packed, target]
    do { _ = try await source.run("usr/bin/lz4", arguments) } catch {
      guard try isKernel(target) else { throw error }
    }
    guard try isKernel(target) else { throw Fault.internal("the kernel in \(vmlinuz) could not be unpacked") }
    return target
  }

  private func isKernel(_ path: String) throws -> Bool {
    guard let size = HostFiles.size(path), size > 16 << 20 else { return false }
    return try HostFiles.head(path, bytes: 4) == [0x7F, 0x45, 0x4C, 0x46]
  }

  static let ramdiskModules = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix"]

  private func ramdisk(_ modules: KernelModules) async throws -> [UInt8] {
    let stage = work + "/ramdisk"
    try HostFiles.makeFolder(stage, mode: 0o755)
    try await modules.install(Self.ramdiskModules, root: stage, prefix: "")
    var archive = InitialRamdisk()
    for folder in ["bin", "dev", "proc", "sys", "newroot"] { archive.folder(folder) }
    archive.characterDevice("dev/console", major: 5, minor: 1)
    archive.file("bin/busybox", try HostFiles.read(try source.file(DebianTree.staticBusybox)), mode: 0o755)
    archive.link("bin/sh", to: "busybox")
    archive.file("init", Array(BootScripts.ramdiskInit.utf8), mode: 0o755)
    for path in try BootDisk.paths(below: stage) {
      if let content = try? HostFiles.read("\(stage)/\(path)") {
        archive.file(path, content, mode: 0o644)
      } else {
        archive.folder(path)
      }
    }
    archive.finish()
    return archive.bytes
  }

  // MARK: - Root file system

  static let rootModules = [
    "virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "virtio_balloon", "virtio_rng", "virtio_scsi",
    "virtio_input",
    "sd_mod", "sr_mod", "isofs", "vfat", "nls_ascii", "nls_cp437", "nls_utf8", "nls_iso8859_1", "button", "evdev",
    "ata_piix", "ahci", "e1000", "e1000e", "8139cp", "8021q", "dummy", "fuse", "i6300esb", "softdog", "loop",
  ]
  static let folders = [
    "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/sbin", "etc/dropbear", "etc/acpi/PWRF",
    "var/log", "var/lib/guest", "boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys",
    "tmp",
  ]
  static let programs = [
    "usr/sbin/dropbear", "usr/bin/dbclient", "usr/bin/dropbearkey", "usr/bin/sudo", "usr/bin/curl", "bin/lsblk",
    "sbin/blkid", "sbin/mkfs", "sbin/mke2fs", "sbin/e2fsck", "sbin/resize2fs", "bin/ping", "bin/nc.openbsd",
    "bin/nc.traditional", "usr/sbin/qemu-ga", "usr/libexec/sudo/sudoers.so", "etc/mke2fs.conf",
    "lib/x86_64-linux-gnu/security/pam_permit.so", "lib/x86_64-linux-gnu/security/pam_deny.so",
    "lib64/ld-linux-x86-64.so.2",
  ]
  static let links = [
    ("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("var/run", "/run"),
    ("var/tmp", "/tmp"), ("etc/mtab", "/proc/mounts"), ("usr/bin/sh", "ash"), ("usr/bin/ping6", "ping"),
    ("usr/bin/ssh", "dbclient"), ("usr/sbin/mkfs.ext2", "mke2fs"), ("usr/sbin/mkfs.ext3", "mke2fs"),
    ("usr/sbin/mkfs.ext4", "mke2fs"), ("usr/sbin/fsck.ext4", "e2fsck"),
  ]
  /// Applets of busybox that belong into /usr/sbin.
  static let systemApplets: Set<String> = [
    "acpid", "arp", "blkdiscard", "blockdev", "depmod", "fdisk", "findfs", "fsfreeze", "fstrim", "getty", "halt",
    "hwclock",
    "ifconfig", "init", "insmod", "klogd", "losetup", "lsmod", "mdev", "mkdosfs", "mkswap", "modinfo", "modprobe",
    "poweroff",
    "reboot", "rmmod", "route", "start-stop-daemon", "sulogin", "swapoff", "swapon", "switch_root", "sysctl", "syslogd",
    "tunctl", "udhcpc", "uevent", "vconfig",
  ]
  /// What else decides how the image looks, for its fingerprint.
  static var settings: [String] {
    [BootScripts.ramdiskInit, kernelArguments] + ramdiskModules + rootModules + folders + programs
      + links.flatMap { [$0.0, $0.1] } + systemApplets.sorted()
  }

  private func fill(_ tree: inout RootTree, _ modules: KernelModules) async throws {
    for folder in Self.folders { try tree.folder(folder) }
    for link in Self.links { try tree.link(link.0, to: link.1) }
    try tree.install(DebianTree.staticBusybox, as: "usr/bin/busybox")
    // Debian's other busybox: its shell looks for programs in PATH, where the static one always takes its own applets.
    try tree.install("bin/busybox", as: "usr/bin/ash")
    try tree.install("usr/lib/openssh/sftp-server", as: "usr/lib/sftp-server")
    for program in Self.programs { try tree.install(program) }
    for file in Self.ownFiles(account) { try tree.write(file) }
    try tree.write(try await shadow())
    let applets = try await source.busybox(["--list"]).split(separator: "\n").map(String.init)
    for applet in applets where !tree.exists("usr/bin/\(applet)") && !tree.exists("usr/sbin/\(applet)") {
      let isSystem = Self.systemApplets.contains(applet)
      try tree.link("usr/\(isSystem ? "sbin" : "bin")/\(applet)", to: isSystem ? "../bin/busybox" : "busybox")
    }
    try await modules.install(Self.rootModules, root: tree.root, prefix: "usr/")
    try tree.folder("home/\(account.user)/.ssh")
    tree.setMode("home/\(account.user)/.ssh", 0o040700)
    tree.setMode("tmp", 0o041777)
    tree.setMode("root", 0o040700)
    tree.setMode("usr/bin/sudo", 0o104755)
    _ = try await Command("ldconfig", ["-r", tree.root]).check()
  }

  private func shadow() async throws -> GuestFile {
    let hash = try await source.busybox(
      ["mkpasswd", "-m", "sha512", "-S", "martletguest", "-P", "0"], input: Array((account.password + "\n").utf8))
    let line = hash.split(separator: "\n").first ?? "*"
    return GuestFile(
      "etc/shadow", mode: 0o600, "root:*:19000:0:99999:7:::\n\(account.user):\(line):19000:0:99999:7:::\n")
  }

  /// All files that are ours, but for the password's hash.
  static func ownFiles(_ account: GuestAccount) -> [GuestFile] {
    BootScripts.files + NetworkScripts.files + InstanceScripts.files(user: account.user) + ToolScripts.files
      + SystemSettings.files(account)
  }
}
