import Host
import Kit
import TestKit
import Testing

@testable import BlockStorage

/// Passphrases are sealed on disk, and open only while something needs them.
struct KeyStoreTests {
  @Test func keysAreSealedAndOpenOnlyWhileHeld() throws {
    let folder = try TestKit.folder() + "/keys"
    let keys = KeyStore(folder: folder)
    try keys.hold("a")
    let secret = try HostFiles.read(keys.path("a"))
    #expect(secret.count >= 32)
    try keys.hold("a")
    keys.release("a")
    #expect(HostFiles.exists(keys.path("a")))
    keys.release("a")
    #expect(!HostFiles.exists(keys.path("a")))
    for name in try HostFiles.list(folder) where HostFiles.size("\(folder)/\(name)") != nil {
      let text = String(decoding: try HostFiles.read("\(folder)/\(name)"), as: UTF8.self)
      #expect(!text.contains(String(decoding: secret, as: UTF8.self)), "\(name)")
    }
    // Another process opens the same key.
    let second = KeyStore(folder: folder)
    try second.attach("a")
    #expect(try HostFiles.read(second.path("a")) == secret)
    second.detach("a")
    #expect(!HostFiles.exists(second.path("a")))
    try second.remove("a")
    #expect(try second.list().isEmpty)
  }

  @Test func theMasterKeyIsReplacedAndOldOnesOpenNothing() throws {
    let folder = try TestKit.folder() + "/keys"
    let keys = KeyStore(folder: folder)
    for id in ["a", "b"] { try keys.make(id) }
    try keys.hold("a")
    let secret = try HostFiles.read(keys.path("a"))
    keys.release("a")
    let before = try HostFiles.list(folder).filter { $0.hasPrefix("master-") }
    let later = SystemClock().now() + .seconds(3600)
    try keys.rotate(now: later)
    let after = try HostFiles.list(folder).filter { $0.hasPrefix("master-") }
    #expect(after.count == 1 && after != before)
    #expect(try keys.rotatedAt() == later)
    try keys.hold("a")
    #expect(try HostFiles.read(keys.path("a")) == secret)
    keys.release("a")
    // A damaged key is explained.
    try HostFiles.writeAtomically("\(folder)/b.sealed", Array("\(after[0])\nAAAA".utf8), mode: 0o600)
    #expect(throws: Fault.self) { try keys.attach("b") }
  }

  @Test func attachedVolumesHaveOpenKeysAfterARestartToo() async throws {
    let world = try await BlockWorld()
    let type = try await world.encryptedType()
    let id = try await world.make(["volume_type": .string(type)])
    #expect(try await world.status(id) == "available")
    #expect((try? HostFiles.list(world.folder + "/keys/open")) ?? [] == [])
    let (service, server) = (world.service, UUIDText.make())
    let attachment = try await world.database.write { try service.reserve(id, serverID: server, tx: $0) }
    let path = try await service.connect(attachmentID: attachment, host: "node", mountpoint: "/dev/vdb").secretPath
    try await world.database.write { try service.complete(attachmentID: attachment, tx: $0) }
    let secret = try HostFiles.read(path ?? "")
    let next = try await BlockWorld(folder: world.folder, database: world.database, images: world.images)
    #expect(try HostFiles.read(path ?? "") == secret)
    let nextService = next.service
    try await next.database.write { try nextService.release(attachmentID: attachment, tx: $0) }
    #expect(!HostFiles.exists(path ?? ""))
    #expect(try await next.send("DELETE", "/volumes/\(id)").status == 202)
    #expect(try next.service.keys.list().isEmpty)
  }

  @Test func backupsOfEncryptedVolumesAreSealed() async throws {
    let world = try await BlockWorld()
    let id = try await world.make(["volume_type": .string(try await world.encryptedType())])
    try await world.write(id, 65)
    var backups: [String] = []
    for isIncremental in [false, true] {
      let backup = try await world.send(
        "POST", "/backups", ["backup": ["volume_id": .string(id), "incremental": .bool(isIncremental)]])
      backups.append(backup["backup.id"]?.string ?? "")
    }
    let shown = try await world.send("GET", "/backups/\(backups[1])")["backup"]
    #expect(shown?["status"] == "available")
    #expect(shown?["encryption_key_id"]?.string != nil)
    let folder = "\(world.folder)/backups/\(backups[0])"
    for name in try HostFiles.list(folder) {
      let bytes = try HostFiles.read("\(folder)/\(name)")
      #expect(bytes.split(whereSeparator: { $0 != 65 }).allSatisfy { $0.count < 16 }, "\(name)")
    }
    let copy = try await world.make(["backup_id": .string(backups[1])])
    #expect(try await world.has(copy, 65))
    let left = try await world.removeAll()
    #expect(left.isEmpty, "\(left)")
  }
}
