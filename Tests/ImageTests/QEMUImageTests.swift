import Foundation
import Kit
import TestKit
import Testing

@testable import Image

private let tool = "/usr/bin/qemu-img"

/// Format inspection on files that QEMU's own tool wrote.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: tool), "qemu-img is not installed"))
struct QEMUImageTests {
  static let size = 10 << 20

  /// Runs qemu-img in a folder and waits for it.
  private static func run(_ arguments: [String], in folder: String) throws {
    var pid: pid_t = 0
    let words = ([tool] + arguments).map { $0.replacing("@", with: folder + "/") }
    let pointers = words.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    guard posix_spawn(&pid, tool, nil, nil, pointers, environ) == 0 else { throw Fault.internal("cannot run \(tool)") }
    var status: CInt = 0
    guard waitpid(pid, &status, 0) == pid, status == 0 else { throw Fault.internal("\(words) ended with \(status)") }
  }
  private func check(_ create: [String], _ name: String, as format: String) throws -> Int? {
    let folder = try TestKit.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Self.run(["create", "-q", "-f", "qcow2", "@base.qcow2", "10M"], in: folder)
    try Self.run(["create", "-q", "-f", "vmdk", "@base.vmdk", "10M"], in: folder)
    try Self.run(["create", "-q"] + create, in: folder)
    return try FormatInspector.check(
      try FileSource(OpenFile("\(folder)/\(name)", flags: O_RDONLY)), diskFormat: format, containerFormat: "bare")
  }

  @Test(arguments: [
    (["-f", "qcow2", "@i", "10M"], "qcow2"), (["-f", "qcow2", "-o", "compat=0.10", "@i", "10M"], "qcow2"),
    (["-f", "qcow2", "-o", "extended_l2=on,compression_type=zstd", "@i", "10M"], "qcow2"),
    (["-f", "vmdk", "@i", "10M"], "vmdk"), (["-f", "vmdk", "-o", "subformat=streamOptimized", "@i", "10M"], "vmdk"),
    (["-f", "vdi", "@i", "10M"], "vdi"), (["-f", "vdi", "-o", "static=on", "@i", "10M"], "vdi"),
    (["-f", "vpc", "-o", "force_size=on", "@i", "10M"], "vhd"),
    (["-f", "vpc", "-o", "subformat=fixed,force_size=on", "@i", "10M"], "vhd"), (["-f", "vhdx", "@i", "10M"], "vhdx"),
    (["-f", "raw", "@i", "10M"], "raw"),
  ])
  func honestFilesPass(_ create: [String], _ format: String) throws {
    #expect(try check(create, "i", as: format) == Self.size)
  }

  @Test(arguments: [
    (["-f", "qcow2", "-b", "@base.qcow2", "-F", "qcow2", "@i"], "i", "qcow2"),
    (["-f", "qcow2", "-o", "data_file=@d.raw,data_file_raw=on", "@i", "10M"], "i", "qcow2"),
    (["-f", "vmdk", "-b", "@base.vmdk", "-F", "vmdk", "@i"], "i", "vmdk"),
    (["-f", "vmdk", "-o", "subformat=monolithicFlat", "@i.vmdk", "10M"], "i.vmdk", "vmdk"),
    (["-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "@i.vmdk", "10M"], "i.vmdk", "vmdk"),
    (["-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", "@i.vmdk", "10M"], "i-s001.vmdk", "vmdk"),
    (["-f", "qed", "@i", "10M"], "i", "raw"), (["-f", "qcow2", "@i", "10M"], "i", "raw"),
    (["-f", "vhdx", "@i", "10M"], "i", "vhd"), (["-f", "raw", "@i", "10M"], "i", "qcow2"),
  ])
  func unsafeFilesAndLiesAreRefused(_ create: [String], _ name: String, _ format: String) {
    let fault = #expect(throws: Fault.self) { try check(create, name, as: format) }
    #expect(fault?.status == 415, "\(fault?.message ?? "")")
  }
}
