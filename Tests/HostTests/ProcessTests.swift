import Glibc
import Host
import Kit
import TestKit
import Testing

@Suite struct ProcessTests {
  @Test func daemonLivesAndEnds() async throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    let daemon = try await Daemon.start(
      "sh", ["-c", "echo hello; pwd; sleep 60.5"], log: "\(folder)/log", directory: "/tmp")
    try daemon.save("\(folder)/pid")
    #expect(daemon.isAlive)
    #expect(ProcessHandle(pidFile: "\(folder)/pid") == daemon)
    #expect(getsid(daemon.pid) == daemon.pid)
    #expect(daemon.arguments.first?.hasSuffix("/sh") == true)
    #expect(try await daemon.waitForEnd(deadline: .milliseconds(100)) == false)
    #expect(HostFiles.tail("\(folder)/log", bytes: 100) == "hello\n/tmp\n")
    try await daemon.terminate(grace: .seconds(5))
    #expect(!daemon.isAlive)
    #expect(ProcessHandle(pidFile: "\(folder)/pid") == nil)
    try await daemon.terminate(grace: .zero)
    for process in try ProcessHandle.all(withArgument: "60.5") { try await process.terminate(grace: .zero) }
  }

  @Test func onesThatIgnoreTermAreKilled() async throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    let daemon = try await Daemon.start(
      "sh", ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"], log: "\(folder)/log")
    while HostFiles.tail("\(folder)/log", bytes: 10).isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    try await daemon.terminate(grace: .milliseconds(100))
    #expect(!daemon.isAlive)
  }

  @Test func reusedIdsAreNotMistaken() async throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    let own = try #require(ProcessHandle(pid: getpid()))
    #expect(own.isAlive)
    try HostFiles.writeAtomically(
      "\(folder)/pid", Array("\(getpid())\n\(own.startTime - 1)\n\(HostFacts.bootID)\n".utf8), mode: 0o644)
    #expect(ProcessHandle(pidFile: "\(folder)/pid") == nil)
    try HostFiles.writeAtomically("\(folder)/pid", Array("\(getpid())\n".utf8), mode: 0o644)
    #expect(ProcessHandle(pidFile: "\(folder)/pid") == nil)
    #expect(ProcessHandle(pid: 0) == nil)
    #expect(ProcessHandle(pid: -1) == nil)
    #expect(ProcessHandle(pidFile: "\(folder)/absent") == nil)
  }

  @Test func processesThatAreNotOurChildren() async throws {
    let text = try await Command("sh", ["-c", "setsid sleep 61.25 >/dev/null 2>&1 & echo $!"]).check()
    let pid = try #require(Int32(text.dropLast()))
    let process = try #require(ProcessHandle(pid: pid))
    try await process.terminate(grace: .seconds(5))
    #expect(!process.isAlive)
  }
}
