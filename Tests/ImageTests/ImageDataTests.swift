import API
import Crypto
import Foundation
import Kit
import Store
import TestKit
import Testing

@testable import Image

struct ImageDataTests {
  private static func md5(_ bytes: [UInt8]) -> String { Hex.text(Insecure.MD5.hash(data: bytes)) }
  private static func sha512(_ bytes: [UInt8]) -> String { Hex.text(SHA512.hash(data: bytes)) }

  @Test func uploadAndDownload() async throws {
    let cloud = try await ImageHarness()
    let data = ImageHarness.noise(1_500_000)
    let id = try await cloud.make()
    #expect(try await cloud.send("GET", "/v2/images/\(id)/file").status == 204)
    #expect(try await cloud.upload(data, to: id).status == 204)
    let image = try await cloud.send("GET", "/v2/images/\(id)").json
    #expect(image["status"] == "active")
    #expect(image["size"]?.int == data.count)
    #expect(image["virtual_size"]?.int == data.count)
    #expect(image["checksum"]?.string == Self.md5(data))
    #expect(image["os_hash_algo"] == "sha512")
    #expect(image["os_hash_value"]?.string == Self.sha512(data))
    let file = try await cloud.send("GET", "/v2/images/\(id)/file")
    #expect(file.status == 200)
    #expect(file.bytes == data)
    #expect(file.headers["Content-MD5"] == Self.md5(data))
    #expect(try await cloud.upload(data, to: id).status == 409)
    #expect(cloud.files() == ["blobs/\(Self.sha512(data).prefix(2))/\(Self.sha512(data))"])
  }

  @Test func ranges() async throws {
    let cloud = try await ImageHarness()
    let data = ImageHarness.noise(300_000)
    let id = try await cloud.makeActive(data)
    func get(_ range: String) async throws -> ImageHarness.Answer {
      try await cloud.send("GET", "/v2/images/\(id)/file", headers: ["Range": range])
    }
    let middle = try await get("bytes=10-200009")
    #expect(middle.status == 206)
    #expect(middle.bytes == Array(data[10...200_009]))
    #expect(middle.headers["Content-Range"] == "bytes 10-200009/300000")
    #expect(try await get("bytes=299999-").bytes == [data[299_999]])
    #expect(try await get("bytes=-5").bytes == Array(data.suffix(5)))
    #expect(try await get("bytes=5-9999999999").bytes.count == 299_995)
    for bad in ["bytes=300000-", "bytes=9-3", "bytes=-0", "bytes=a-b", "items=0-1", "bytes=1-2,4-5", "bytes="] {
      #expect(try await get(bad).status == 416, "\(bad)")
    }
  }

  @Test func equalDataIsOneFileAndGoesWithItsLastImage() async throws {
    let cloud = try await ImageHarness()
    let data = ImageHarness.noise(4096)
    let (first, second) = (try await cloud.makeActive(data), try await cloud.makeActive(data))
    #expect(cloud.files().count == 1)
    #expect(try await cloud.send("DELETE", "/v2/images/\(first)").status == 204)
    #expect(try await cloud.send("GET", "/v2/images/\(second)/file").bytes == data)
    #expect(try await cloud.send("DELETE", "/v2/images/\(second)").status == 204)
    #expect(cloud.files().isEmpty)
    #expect(try await cloud.send("GET", "/v2/images/\(second)/file").status == 404)
  }

  @Test func aFileInUseOutlivesItsImage() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.makeActive(ImageHarness.noise(4096))
    let path = try await cloud.service.file(of: id)
    #expect(access(path, R_OK) == 0)
    var info = stat()
    #expect(stat(path, &info) == 0 && info.st_mode & 0o777 == 0o444)
    _ = try await cloud.send("DELETE", "/v2/images/\(id)")
    #expect(cloud.files().count == 1, "its path was given away a moment ago")
    cloud.clock.advance(.seconds(1000))
    try await cloud.service.sweep(inUse: [path])
    #expect(cloud.files().count == 1, "a guest uses it")
    try await cloud.service.sweep(inUse: [])
    #expect(cloud.files().isEmpty)
  }

  @Test func aFileAskedForAgainIsKept() async throws {
    let cloud = try await ImageHarness()
    let data = ImageHarness.noise(4096)
    let id = try await cloud.makeActive(data)
    cloud.service.isInUse = { _ in true }
    _ = try await cloud.send("DELETE", "/v2/images/\(id)")
    #expect(cloud.files().count == 1)
    let again = try await cloud.makeActive(data)
    try await cloud.service.sweep(inUse: [])
    #expect(try await cloud.send("GET", "/v2/images/\(again)/file").bytes == data)
  }

  @Test func aFailedUploadLeavesNothing() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make("qcow2")
    let lie = try await cloud.upload(ImageHarness.noise(2000), to: id)
    #expect(lie.status == 415)
    #expect(lie.text.contains("does not match the data"))
    #expect(try await cloud.status(id) == "queued")
    #expect(cloud.files().isEmpty)
    // An announced length that does not come.
    let short = try await cloud.send(
      "PUT", "/v2/images/\(id)/file", headers: ["Content-Type": "application/octet-stream"],
      body: BodyStream(
        AsyncStream {
          $0.yield([1, 2, 3]); $0.finish()
        }, length: 10))
    #expect(short.status == 400)
    // A client that goes away: the body throws.
    struct Gone: Error {}
    let broken = AsyncThrowingStream<[UInt8], any Error> { continuation in
      continuation.yield(ImageHarness.noise(700_000))
      continuation.finish(throwing: Gone())
    }
    let gone = try await cloud.send(
      "PUT", "/v2/images/\(id)/file", headers: ["Content-Type": "application/octet-stream"],
      body: BodyStream(broken, length: nil))
    #expect(gone.status == 400)
    #expect(try await cloud.status(id) == "queued")
    #expect(cloud.files().isEmpty)
    #expect(try await cloud.upload(Crafted.qcow2(), to: id).status == 204)
  }

  @Test func aCancelledUploadIsTakenBack() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
    continuation.yield([1, 2, 3])
    let upload = Task {
      try await cloud.send(
        "PUT", "/v2/images/\(id)/file", headers: ["Content-Type": "application/octet-stream"],
        body: BodyStream(stream, length: 10))
    }
    while try await cloud.status(id) != "saving" { try await Task.sleep(for: .milliseconds(2)) }
    #expect(try await cloud.upload([1], to: id).status == 409)
    upload.cancel()
    _ = try await upload.value
    #expect(try await cloud.status(id) == "queued")
    #expect(cloud.files().isEmpty)
  }

  @Test func anImageDeletedDuringItsUploadLeavesNothing() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
    continuation.yield([1, 2, 3])
    let upload = Task {
      try await cloud.send(
        "PUT", "/v2/images/\(id)/file", headers: ["Content-Type": "application/octet-stream"],
        body: BodyStream(stream, length: nil))
    }
    while try await cloud.status(id) != "saving" { try await Task.sleep(for: .milliseconds(2)) }
    #expect(try await cloud.send("DELETE", "/v2/images/\(id)").status == 204)
    continuation.finish()
    #expect(try await upload.value.status == 410)
    #expect(cloud.files().isEmpty)
  }

  @Test func theNextProcessTakesBackWhatACrashLeft() async throws {
    let first = try await ImageHarness()
    let (saving, staged, active) = (
      try await first.make(), try await first.make(), try await first.makeActive(ImageHarness.noise(100))
    )
    _ = try await first.send(
      "PUT", "/v2/images/\(staged)/stage", headers: ["Content-Type": "application/octet-stream"],
      body: BodyStream(bytes: [1, 2, 3]))
    // As a process leaves it that is killed between publishing data and saying so, and while it writes.
    let lost = first.service.blobs.path(of: String(repeating: "ab", count: 64))
    try FileManager.default.createDirectory(
      atPath: first.directory + "/blobs/ab", withIntermediateDirectories: true)
    try Data([9]).write(to: URL(fileURLWithPath: lost))
    try Data([9]).write(to: URL(fileURLWithPath: first.directory + "/tmp/half"))
    try Data([9]).write(to: URL(fileURLWithPath: first.directory + "/staging/nobody"))
    _ = try await first.database.write { tx in
      try tx.execute("UPDATE image SET status = 'saving', worker = 'gone', staged_hash = 'abab' WHERE id = \(saving)")
    }
    let second = try await ImageHarness(directory: first.directory, database: first.database)
    #expect(try await second.status(saving) == "queued")
    #expect(try await second.status(active) == "active")
    #expect(second.files().filter { $0.hasPrefix("tmp") }.isEmpty)
    #expect(second.files().filter { $0.hasPrefix("blobs") }.count == 1)
    #expect(try await second.upload([1], to: saving).status == 204)
  }

  @Test func snapshotsComeInAsFiles() async throws {
    let cloud = try await ImageHarness()
    let id = UUIDText.make()
    let service = cloud.service
    let auth = try #require(TestVerifier.context("member"))
    try await cloud.database.write { tx in
      try service.reserve(
        .init(
          id: id, name: "snap", status: "queued", diskFormat: "qcow2", containerFormat: "bare", sizeBytes: 0,
          virtualSizeBytes: 0, minDiskGB: 1, minRAMMB: 0, owner: auth.projectID, visibility: "private",
          properties: ["image_type": "snapshot"]), tx: tx)
    }
    let path = try TestKit.folder() + "/snap.qcow2"
    try Data(Crafted.qcow2()).write(to: URL(fileURLWithPath: path))
    try await service.importFile(path, into: id)
    #expect(!FileManager.default.fileExists(atPath: path))
    try await service.importFile(path, into: id)
    let image = try await cloud.send("GET", "/v2/images/\(id)").json
    #expect(image["status"] == "active")
    #expect(image["virtual_size"]?.int == 1 << 30)
    #expect(image["image_type"] == "snapshot")
    let seen = try await cloud.database.read { tx in
      let stranger = try service.image(id, visibleTo: TestVerifier.context("other-member") ?? auth, tx: tx)
      return (try service.image(id, visibleTo: auth, tx: tx), stranger)
    }
    #expect(seen.0?.virtualSizeBytes == 1 << 30)
    #expect(seen.1 == nil)
  }

  @Test func archivesBackNoDisk() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make("raw", container: "ova")
    #expect(try await cloud.upload([1, 2], to: id).status == 204)
    let fault = await #expect(throws: Fault.self) { try await cloud.service.file(of: id) }
    #expect(fault?.status == 400)
    let queued = try await cloud.make()
    let empty = await #expect(throws: Fault.self) { try await cloud.service.file(of: queued) }
    #expect(empty?.status == 409)
  }

  @Test func uploadsAreChecked() async throws {
    let cloud = try await ImageHarness()
    let id = try await cloud.make()
    let octets: Headers = ["Content-Type": "application/octet-stream"]
    func put(_ headers: Headers, as token: String = "member") async throws -> Int {
      try await cloud.send(
        "PUT", "/v2/images/\(id)/file", as: token, headers: headers, body: BodyStream(bytes: [1])
      ).status
    }
    #expect(try await put([:]) == 415)
    #expect(try await put(["Content-Type": "application/json"]) == 415)
    #expect(try await put(["Content-Type": "application/octet-stream", "x-openstack-image-size": "x"]) == 400)
    #expect(try await put(["Content-Type": "application/octet-stream", "x-image-meta-store": "ceph"]) == 400)
    #expect(try await put(octets, as: "reader") == 403)
    #expect(try await put(octets, as: "other-member") == 404)
    #expect(try await put(octets, as: "none") == 401)
    let huge = try await cloud.send(
      "PUT", "/v2/images/\(id)/file", headers: octets,
      body: BodyStream(AsyncStream<[UInt8]> { $0.finish() }, length: (1 << 40) + 1))
    #expect(huge.status == 413)
    let bare = try await cloud.send("POST", "/v2/images", [:]).json["id"]?.string ?? ""
    #expect(try await cloud.upload([1], to: bare).status == 400)
    #expect(try await cloud.status(id) == "queued")
    #expect(cloud.files().isEmpty)
  }
}
