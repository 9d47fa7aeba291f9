import Glibc
import Host
import Kit
import TestKit
import Testing

@Suite struct FilesTests {
  @Test func atomicWriting() throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    let path = "\(folder)/a"
    try HostFiles.writeAtomically(path, Array("one".utf8), mode: 0o600)
    try HostFiles.writeAtomically(path, Array("two".utf8), mode: 0o640)
    #expect(String(decoding: try HostFiles.read(path), as: UTF8.self) == "two")
    var facts = stat()
    stat(path, &facts)
    #expect(facts.st_mode & 0o777 == 0o640)
    #expect(try HostFiles.list(folder) == ["a"])
    #expect(throws: Fault.self) { try HostFiles.writeAtomically("\(folder)/no/b", [], mode: 0o600) }
    #expect(throws: Fault.self) { try HostFiles.read(path, limit: 2) }
    #expect(HostFiles.tail(path, bytes: 2) == "wo")
    #expect(HostFiles.tail("\(folder)/none", bytes: 2) == "")
    #expect(HostFiles.size(path) == 3)
    #expect(HostFiles.size(folder) == nil)
  }

  @Test func foldersAndRemoval() throws {
    let folder = try TestKit.folder()
    try HostFiles.makeFolder("\(folder)/x/y/z")
    try HostFiles.makeFolder("\(folder)/x/y/z")
    try HostFiles.writeAtomically("\(folder)/keep", [1], mode: 0o600)
    symlink("\(folder)/keep", "\(folder)/x/link")
    try HostFiles.remove("\(folder)/x")
    #expect(try HostFiles.list(folder) == ["keep"])
    try HostFiles.remove("\(folder)/x")
    try HostFiles.remove(folder)
    #expect(!HostFiles.exists(folder))
  }

  @Test func json() throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    #expect(try HostFiles.loadJSON("\(folder)/j") == nil)
    try HostFiles.saveJSON(["a": [1, "x"]], "\(folder)/j")
    #expect(try HostFiles.loadJSON("\(folder)/j") == ["a": [1, "x"]])
    try HostFiles.save(["k": 5], "\(folder)/c")
    #expect(try HostFiles.load([String: Int].self, "\(folder)/c") == ["k": 5])
    try HostFiles.writeAtomically("\(folder)/j", Array("{".utf8), mode: 0o600)
    #expect(throws: Fault.self) { try HostFiles.loadJSON("\(folder)/j") }
    #expect(throws: Fault.self) { try HostFiles.load([String: Int].self, "\(folder)/j") }
  }

  @Test func lockHasOneOwner() throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    var lock: FileLock? = try FileLock("\(folder)/lock")
    let fault = #expect(throws: Fault.self) { try FileLock("\(folder)/lock") }
    #expect(fault?.status == 409)
    #expect(fault?.message.contains("\(getpid())") == true)
    #expect(lock != nil)
    lock = nil
    _ = try FileLock("\(folder)/lock")
  }

  @Test func facts() throws {
    #expect(HostFacts.cpuCount >= 1)
    #expect(HostFacts.memory().total > HostFacts.memory().available)
    #expect(HostFacts.memory().available > 0)
    #expect(!HostFacts.cpuModel.isEmpty)
    #expect(!HostFacts.kernelRelease.isEmpty)
    #expect(HostFacts.bootID.count == 36)
    #expect(try HostFiles.space(at: "/").total > 0)
    #expect(HostFacts.hasProgram("sh"))
    #expect(!HostFacts.canOpen("/dev/absent"))
  }
}
