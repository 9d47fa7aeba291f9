import Foundation
import Kit
import Store
import TestKit
import Testing

@testable import Identity

/// Sealing keys: new ones take over, old tokens live on, nothing else opens.
struct KeyTests {
  private func keys(_ cloud: IdentityHarness) throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: cloud.keys))
  }

  @Test func rotationKeepsTokensAndSealsTheBooksAnew() async throws {
    let cloud = try await IdentityHarness()
    let old = await cloud.logIn("member").token
    let credential: JSONValue = ["credential": ["type": "cert", "blob": "a blob", "user_id": "u"]]
    let id = await cloud.send("POST", "/v3/credentials", credential).body["credential"]?["id"]?.string ?? ""
    let before = try await sealed(cloud)
    #expect(try await cloud.service.rotateKeys().map(\.number) == [2, 2, 2])
    #expect(await cloud.isValid(old))
    let new = await cloud.logIn("member").token
    #expect(Base64URL.decode(old)?[1] == 1 && Base64URL.decode(new)?[1] == 2)
    #expect(try await sealed(cloud) != before)
    #expect(await cloud.send("GET", "/v3/credentials/\(id)").body["credential"]?["blob"]?.string == "a blob")
    // The key of tokens that may still be shown stays; the books need theirs no more.
    #expect(
      try keys(cloud) == [
        "token-1.key", "token-2.key", "receipt-1.key", "receipt-2.key", "credential-2.key",
      ])
    // The files' times are the machine's: a day in the past stands for a day gone by.
    let past = Date(timeIntervalSince1970: Double(cloud.clock.now().seconds - 4 * 86_400))
    for name in ["token-2.key", "receipt-2.key"] {
      try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: "\(cloud.keys)/\(name)")
    }
    #expect(try await cloud.service.rotateKeys().map(\.number) == [3, 3, 3])
    #expect(await !cloud.isValid(old))
    #expect(await cloud.isValid(new))
    let again = IdentityHarness.make(cloud.database, cloud.clock, cloud.keys)
    try await again.start()
    #expect(try await again.verify(new).user.name == "member")
  }

  private func sealed(_ cloud: IdentityHarness) async throws -> [UInt8] {
    try await cloud.database.read { try $0.first("SELECT data FROM identity_credential")?.blob("data") ?? [] }
  }

  @Test func highNumbersOfKeys() throws {
    let folder = try TestKit.folder()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(repeating: 7, count: 32).write(to: URL(fileURLWithPath: "\(folder)/x-300.key"))
    let sealer = try Sealer.load(directory: folder, purpose: "x")
    let sealed = try sealer.seal([1, 2, 3])
    #expect(sealer.open(sealed) == [1, 2, 3] && sealer.newest == 300)
    var other = sealed
    other[2] ^= 1
    #expect(sealer.open(other) == nil)
    #expect(Sealer(purpose: "y", keys: [:]).open(sealed) == nil)
  }
}
