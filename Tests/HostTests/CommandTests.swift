import Glibc
import Host
import Kit
import TestKit
import Testing

@Suite struct CommandTests {
  @Test func outputAndStatus() async throws {
    let output = try await Command("sh", ["-c", "cat; echo oops >&2; exit 3"], input: Array("hello".utf8)).run()
    #expect(output.status == 3)
    #expect(output.text == "hello")
    #expect(String(decoding: output.stderr, as: UTF8.self) == "oops\n")
    let text = try await Command("echo", ["$HOME; `x`", "*"]).check()
    #expect(text == "$HOME; `x` *\n")
  }

  @Test func failureNamesCommandAndLastLines() async throws {
    let fault = await #expect(throws: Fault.self) {
      _ = try await Command("sh", ["-c", "echo first >&2; echo the reason >&2; exit 4"]).check()
    }
    #expect(fault?.message.contains("status 4") == true)
    #expect(fault?.message.contains("the reason") == true)
  }

  @Test func missingProgramsAreNamedWithTheirPackage() async throws {
    let fault = await #expect(throws: Fault.self) { _ = try await Command("keepalivedx", []).run() }
    #expect(fault?.message.contains("keepalivedx is not installed") == true)
    await #expect(throws: Fault.self) { _ = try await Command("/nonexistent/program", []).run() }
    await #expect(throws: Fault.self) { _ = try await Command("echo", ["a\0b"]).run() }
  }

  @Test func deadlineKillsTheWholeGroup() async throws {
    let start = ContinuousClock.now
    let fault = await #expect(throws: Fault.self) {
      _ = try await Command("sh", ["-c", "sleep 98.7654 & sleep 98.7654"], deadline: .milliseconds(200)).run()
    }
    #expect(fault?.message.contains("sleep 98.7654") == true)
    #expect(ContinuousClock.now - start < .seconds(10))
    try await Task.sleep(for: .milliseconds(50))
    #expect(try ProcessHandle.all(withArgument: "98.7654").isEmpty)
  }

  @Test func daemonThatKeepsThePipesOpenDoesNotHang() async throws {
    let start = ContinuousClock.now
    let output = try await Command("sh", ["-c", "setsid sleep 30.125 & echo started"], deadline: .seconds(20)).run()
    #expect(output.text == "started\n")
    #expect(ContinuousClock.now - start < .seconds(10))
    for process in try ProcessHandle.all(withArgument: "30.125") { try await process.terminate(grace: .zero) }
  }

  @Test func muchInputAndOutput() async throws {
    let input = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20)
    let output = try await Command("cat", [], input: input).run()
    #expect(output.stdout.count == Limits.commandOutputBytesMax)
    // A program that does not read its input does not end us by SIGPIPE.
    #expect(try await Command("true", [], input: input).run().status == 0)
  }

  @Test func childGetsNoOtherDescriptorAndDefaultSignals() async throws {
    let leak = open("/dev/null", O_RDONLY)
    defer { close(leak) }
    let listing = try await Command("ls", ["/proc/self/fd"]).check()
    #expect(listing.split(separator: "\n").count == 4, "0, 1, 2 and the folder: \(listing)")
    let status = try await Command("grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"]).check()
    #expect(status.split(separator: "\n").allSatisfy { $0.hasSuffix("0000000000000000") }, "\(status)")
  }

  @Test func manyAtOnce() async throws {
    try await withThrowingTaskGroup(of: String.self) { group in
      for index in 0..<100 { group.addTask { try await Command("echo", ["\(index)"]).check() } }
      var seen: Set<String> = []
      for try await text in group { seen.insert(text) }
      #expect(seen.count == 100)
    }
  }

  @Test func environment() async throws {
    let text = try await Command("env", [], environment: ["A": "b c"]).check()
    #expect(text == "A=b c\n")
    #expect(try await Command("env", []).check().contains("LC_ALL=C\n"))
  }
}
