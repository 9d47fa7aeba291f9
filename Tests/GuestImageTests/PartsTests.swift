import Glibc
import Host
import Kit
import TestKit
import Testing

@testable import GuestImage

/// The parts of a build that need no packages.
struct PartsTests {
  @Test func packagesAreReadFromWhatAptPrints() throws {
    let line: Substring =
      "'http://mirror/pool/b/busybox_1.35.0-4_amd64.deb' busybox-static_1%3a1.35.0-4+deb12u1_amd64.deb 928188 SHA256:00be"
    let package = try #require(DebianPackage(line: line))
    #expect(package.name == "busybox-static")
    #expect(package.version == "1:1.35.0-4+deb12u1")
    #expect(package.file == "busybox-static_1%3a1.35.0-4+deb12u1_amd64.deb")
    #expect(package.size == 928188)
    for bad in ["", "Reading package lists...", "'u' a_b.deb 1 H", "'u' a_b_c.deb x H"] {
      #expect(DebianPackage(line: Substring(bad)) == nil, "\(bad)")
    }
  }

  @Test func neededLibrariesOfAProgramAreFound() throws {
    let program = try HostFiles.realPath(try Command.path(of: "bash"))
    #expect(try ELFFile(program).neededLibraries.contains("libc.so.6"))
    let text = try TestKit.folder() + "/text"
    try HostFiles.writeAtomically(text, Array(repeating: 65, count: 100), mode: 0o600)
    #expect(throws: Fault.self) { try ELFFile(text) }
  }

  @Test func theRamdiskIsAnArchiveThatCpioReads() throws {
    var archive = InitialRamdisk()
    archive.folder("bin")
    archive.file("bin/program", Array("abc".utf8), mode: 0o755)
    archive.link("bin/sh", to: "program")
    archive.finish()
    #expect(archive.bytes.count % 4 == 0)
    let text = String(decoding: archive.bytes, as: UTF8.self)
    // Header: inode 2, mode 0100755, size 3, name of 12 bytes.
    #expect(text.contains("07070100000002000081ED"))
    #expect(text.contains("bin/program\u{0}"))
    #expect(text.hasPrefix("070701") && text.contains("TRAILER!!!"))
  }

  @Test func metadataIsFlattened() async throws {
    let folder = try TestKit.folder()
    let script = folder + "/json.awk"
    try HostFiles.writeAtomically(script, Array(InstanceScripts.json.utf8), mode: 0o600)
    let json: JSONValue = [
      "uuid": "u-1", "meta": ["hostname": "not this", "quote": "a\"b\\c/d"], "hostname": "web1.example",
      "n": [1, ["x": true]],
      "public_keys": ["erin": "ssh-rsa AAAA erin\n", "two": "one\ntwo"], "empty": [:], "none": nil, "list": [],
      "e": "é",
    ]
    let text = try await Command("awk", ["-f", script], input: json.bytes).check()
    let lines = text.split(separator: "\n").map(String.init)
    for expected in [
      "uuid\tu-1", "meta.hostname\tnot this", "meta.quote\ta\"b\\c/d", "hostname\tweb1.example", "n.0\t1",
      "n.1.x\ttrue",
      "public_keys.erin\tssh-rsa AAAA erin", "public_keys.two\tone", "public_keys.two\ttwo", "none\tnull", "e\té",
    ] {
      #expect(lines.contains(expected), "\(expected)")
    }
    #expect(lines.filter { $0.hasPrefix("hostname\t") }.count == 1)
  }

  @Test(arguments: ["root", "", "Erin", "a b", "1a", "a$(id)", "x;y"])
  func badUsersAreRefused(_ user: String) async throws {
    let builder = GuestImageBuilder(
      outputDirectory: try TestKit.folder(), user: user, log: TestKit.log, progress: { _ in })
    await #expect(throws: Fault.self) { try await builder.build() }
  }

  @Test func everyScriptIsOneThatAShellCanRead() async throws {
    let files = GuestRecipe.ownFiles(GuestAccount(user: "cirros", password: "p"))
    let folder = try TestKit.folder()
    let scripts = files.filter { $0.text.hasPrefix("#!") } + [GuestFile("init", BootScripts.ramdiskInit)]
    #expect(scripts.count >= 10)
    for script in scripts {
      let path = folder + "/script"
      try HostFiles.writeAtomically(path, Array(script.text.utf8), mode: 0o600)
      let output = try await Command("sh", ["-n", path]).run()
      #expect(output.status == 0, "\(script.path): \(String(decoding: output.stderr, as: UTF8.self))")
    }
  }
}
