import Glibc
import Host
import Kit
import TestKit
import Testing

/// These need root: namespaces are the kernel's.
@Suite struct NetworkNamespaceTests {
  private func withNamespace(_ body: (NetworkNamespace) async throws -> Void) async throws {
    let namespace = NetworkNamespace("mtest-" + UUIDText.makeHex().prefix(8))
    try namespace.create()
    do {
      try await body(namespace)
      try namespace.delete()
    } catch {
      try namespace.delete()
      throw error
    }
    #expect(!namespace.exists)
    try namespace.delete()
  }

  @Test func sameAsIPNetns() async throws {
    try await withNamespace { namespace in
      try namespace.create()
      #expect(namespace.exists)
      #expect(try NetworkNamespace.list().contains(namespace))
      let listing = try await Command("ip", ["netns", "list"]).check()
      #expect(listing.contains(namespace.name))
      let links = try await Command("ip", ["-br", "link"], namespace: namespace).check()
      #expect(links.split(separator: "\n").count == 1)
      #expect(links.contains("lo"))
      #expect(links.contains("LOOPBACK,UP"))
    }
  }

  @Test func threadsGoInAndOthersStay() async throws {
    try await withNamespace { namespace in
      try await TapDevice.create("tapmtest", in: namespace)
      try await TapDevice.create("tapmtest", in: namespace)
      #expect(try await TapDevice.exists("tapmtest", in: namespace))
      #expect(try await TapDevice.exists("tapmtest", in: nil) == false)
      #expect(try await namespace.run { if_nametoindex("tapmtest") } != 0)
      #expect(if_nametoindex("tapmtest") == 0)
      await #expect(throws: Fault.self) { try await TapDevice.create("a-name-that-is-too-long", in: namespace) }
    }
  }

  @Test func listeningInside() async throws {
    try await withNamespace { namespace in
      let inside = try namespace.listen(address: "127.0.0.1", port: 0)
      defer { close(inside) }
      let port = try HostSocket.port(of: inside)
      #expect(port > 0)
      let sockets = try await Command("ss", ["-ltn"], namespace: namespace).check()
      #expect(sockets.contains("127.0.0.1:\(port)"))
      #expect(throws: Fault.self) { try namespace.listen(address: "127.0.0.1", port: port) }
      #expect(throws: Fault.self) { try namespace.listen(address: "localhost", port: port) }
      #expect(throws: Fault.self) { try namespace.listen(address: "127.0.0.1", port: 70000) }
      let six = try namespace.listen(address: "::1", port: port)
      close(six)
      // The same address is free on the host or taken by somebody else there: not by us.
      let outside = try HostSocket.listen(address: "127.0.0.1", port: 0)
      close(outside)
    }
  }

  @Test func badNamesAndAbsentOnes() async throws {
    for name in ["", "a/b", "..", "a b", "ä"] {
      #expect(throws: Fault.self) { try NetworkNamespace(name).create() }
    }
    let absent = NetworkNamespace("mtest-absent")
    #expect(!absent.exists)
    await #expect(throws: Fault.self) { try await absent.run {} }
    await #expect(throws: Fault.self) { _ = try await Command("true", [], namespace: absent).run() }
  }

  @Test func longUnixSocketPaths() async throws {
    let folder = try TestKit.folder()
    defer { try? HostFiles.remove(folder) }
    let deep = folder + "/" + String(repeating: "d", count: 120)
    try HostFiles.makeFolder(deep)
    let server = try HostSocket.listenUnix("\(deep)/s")
    defer { close(server) }
    let client = try HostSocket.connectUnix("\(deep)/s")
    close(client)
    #expect(throws: Fault.self) { try HostSocket.connectUnix("\(deep)/other") }
  }
}
