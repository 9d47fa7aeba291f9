import ComputeNode
import Contracts
import Host
import Kit
import TestKit
import Testing

@Suite struct FakeHypervisorTests {
  @Test func conformance() async throws {
    let folder = try TestKit.folder()
    try await HypervisorSuite(
      reopen: {
        let fake = FakeHypervisor(directory: folder)
        try await fake.start()
        return fake
      }, makeTap: { _ in }, folder: folder, hold: { ($0 as? FakeHypervisor)?.hold($1) }
    ).run()
    #expect(try HostFiles.list("\(folder)/fake-guests").isEmpty)
    try HostFiles.remove(folder)
  }

  @Test func changesOfItsOwn() async throws {
    let fake = FakeHypervisor()
    try await fake.start()
    let changes = fake.changes()
    let spec = GuestSpec(
      id: "g", name: "g", vcpus: 1, memoryMB: 1, disks: [GuestDisk(name: "root", sizeBytes: 1024)], interfaces: [])
    try await fake.create(spec)
    try await fake.powerOn("g")
    try fake.simulate(.crashed, of: "g")
    var iterator = changes.makeAsyncIterator()
    #expect(await iterator.next() == GuestStatus(id: "g", power: .crashed))
    try await fake.powerOn("g")
    #expect(try await fake.status(of: "g")?.power == .running)
    #expect(try await fake.consoleLog(of: "g", lines: 1) == "guest g starts\n")
  }

  @Test func failuresOnDemand() async throws {
    let fake = FakeHypervisor()
    try await fake.start()
    let spec = GuestSpec(
      id: "g", name: "g", vcpus: 1, memoryMB: 1, disks: [GuestDisk(name: "root", sizeBytes: 1024)], interfaces: [])
    fake.fail("g", with: .unavailable("broken"))
    await #expect(throws: Fault.self) { try await fake.create(spec) }
    fake.fail("g", with: nil)
    try await fake.create(spec)
  }
}
