import Host
import Kit
import TestKit
import Testing

@testable import BlockStorage

/// What every backend must hold. A new one (on other nodes, on Ceph RBD) passes it before volumes are put there.
struct BackendConformance {
  let backend: any VolumeBackend
  /// A folder for files outside of the backend.
  let folder: String
  private static let size = 8 << 20

  func run() async throws {
    try await blankDisksReadAsZeros()
    try await copiesAreCompleteAndReplace()
    try await failedFillingsLeaveNothing()
    try await growingKeepsTheData()
    try await imagesAreTakenIn()
    try await namesChangeOnce()
    if backend.isLayered { try await layersShareAndStaySafe() }
    #expect(try backend.list().isEmpty, "\(backend.name)")
    let space = try backend.space()
    #expect(space.total >= space.free && space.free > 0)
  }

  private func write(_ file: String, _ pattern: Int, at offset: Int = 0, format: String? = nil) async throws {
    let disk = backend.disk(file, format: format ?? backend.format)
    _ = try await Command(
      "qemu-io", ["-f", disk.format, disk.path, "-c", "write -P \(pattern) \(offset) 64k"]
    ).check()
  }
  private func has(_ file: String, _ pattern: Int, at offset: Int = 0, format: String? = nil) async throws -> Bool {
    let disk = backend.disk(file, format: format ?? backend.format)
    let output = try await Command(
      "qemu-io", ["-f", disk.format, disk.path, "-c", "read -P \(pattern) \(offset) 64k"]
    ).run()
    return output.status == 0 && !output.text.contains("verification failed")
  }

  private func blankDisksReadAsZeros() async throws {
    for _ in 0..<2 { try await backend.makeBlank("volume-a", format: backend.format, sizeBytes: Self.size) }
    #expect(backend.exists("volume-a"))
    #expect(try await has("volume-a", 0))
    #expect(try await backend.info("volume-a", format: backend.format).sizeBytes == Self.size)
    for _ in 0..<2 { try await backend.remove("volume-a") }
    #expect(!backend.exists("volume-a"))
  }

  private func copiesAreCompleteAndReplace() async throws {
    try await backend.makeBlank("volume-a", format: backend.format, sizeBytes: Self.size)
    try await write("volume-a", 1)
    try await backend.makeBlank("volume-b", format: backend.format, sizeBytes: Self.size)
    try await write("volume-b", 2)
    let source = backend.disk("volume-a", format: backend.format)
    try await backend.copy(source, to: "volume-b", format: backend.format, sizeBytes: 2 * Self.size)
    try await backend.duplicate("volume-a", to: "copy-c")
    try await write("volume-a", 3)
    #expect(try await has("volume-b", 1))
    #expect(try await has("volume-b", 0, at: Self.size))
    #expect(try await has("copy-c", 1))
    try await backend.remove("volume-a", isWiped: true)
    for file in ["volume-b", "copy-c"] { try await backend.remove(file) }
  }

  private func failedFillingsLeaveNothing() async throws {
    await #expect(throws: Fault.self) {
      try await backend.receive("volume-a", sizeBytes: Self.size) { _ in throw Fault.conflict("stopped") }
    }
    let missing = backend.disk("volume-none", format: backend.format)
    await #expect(throws: Fault.self) { try await backend.copy(missing, to: "volume-a", format: backend.format) }
    #expect(try backend.list().isEmpty)
    try await backend.receive("volume-a", sizeBytes: Self.size) { path in
      _ = try await Command("qemu-io", ["-f", "qcow2", path, "-c", "write -P 4 0 64k"]).check()
    }
    #expect(try await has("volume-a", 4, format: "qcow2"))
    try await backend.remove("volume-a")
  }

  private func growingKeepsTheData() async throws {
    try await backend.makeBlank("volume-a", format: backend.format, sizeBytes: Self.size)
    try await write("volume-a", 5)
    for _ in 0..<2 {
      try await backend.resize("volume-a", format: backend.format, sizeBytes: 2 * Self.size, keyPath: nil)
    }
    #expect(try await backend.info("volume-a", format: backend.format).sizeBytes == 2 * Self.size)
    #expect(try await has("volume-a", 5))
    try await backend.remove("volume-a")
  }

  private func imagesAreTakenIn() async throws {
    let image = folder + "/image"
    try HostFiles.writeAtomically(image, [UInt8](repeating: 6, count: 1 << 20), mode: 0o600, isDurable: false)
    for _ in 0..<2 { try await backend.adopt(image, as: "layer-a") }
    #expect(try await has("layer-a", 6, format: "raw"))
    // Wiping the backend's name of it must not touch the image.
    try await backend.remove("layer-a", isWiped: true)
    #expect(try HostFiles.read(image).allSatisfy { $0 == 6 })
  }

  private func namesChangeOnce() async throws {
    try await backend.makeBlank("volume-a", format: backend.format, sizeBytes: Self.size)
    for _ in 0..<2 { try await backend.rename("volume-a", to: "volume-b") }
    #expect(try backend.list() == ["volume-b"])
    try await backend.remove("volume-b")
  }

  private func layersShareAndStaySafe() async throws {
    try await backend.makeBlank("volume-a", format: "qcow2", sizeBytes: Self.size)
    for (pattern, layer) in [(1, "layer-1"), (2, "layer-2"), (3, "layer-3")] {
      try await write("volume-a", pattern, at: pattern << 20)
      for _ in 0..<2 { try await backend.freeze("volume-a", as: layer, sizeBytes: Self.size) }
    }
    try await write("volume-a", 9, at: 2 << 20)
    try await backend.makeOverlay("volume-b", above: "layer-2", baseFormat: "qcow2", sizeBytes: 2 * Self.size)
    // A middle layer goes, and then the rest of the chain.
    try await backend.rebase("layer-3", onto: "layer-1", baseFormat: "qcow2", isClosed: false)
    try await backend.makeOverlay("volume-c", above: "layer-2", baseFormat: "qcow2", sizeBytes: Self.size)
    try await write("volume-c", 8, at: 1 << 20)
    for _ in 0..<2 { try await backend.rebase("volume-b", onto: nil, baseFormat: "", isClosed: false) }
    for _ in 0..<2 { try await backend.rebase("volume-c", onto: "layer-1", baseFormat: "qcow2", isClosed: true) }
    #expect(backend.allocated("volume-b") > 0 && backend.allocated("volume-none") == 0)
    try await backend.remove("layer-2")
    #expect(try await has("volume-b", 1, at: 1 << 20))
    #expect(try await has("volume-b", 2, at: 2 << 20))
    #expect(try await has("volume-b", 0, at: 3 << 20))
    #expect(try await has("volume-a", 1, at: 1 << 20))
    #expect(try await has("volume-a", 9, at: 2 << 20))
    #expect(try await has("volume-a", 3, at: 3 << 20))
    #expect(try await has("volume-c", 8, at: 1 << 20))
    #expect(try await has("volume-c", 2, at: 2 << 20))
    for file in ["volume-a", "volume-b", "volume-c", "layer-3", "layer-1"] { try await backend.remove(file) }
  }
}

struct BackendTests {
  @Test(arguments: ["qcow2", "raw"]) func filesHoldTheConformanceSuite(_ format: String) async throws {
    let folder = try TestKit.folder()
    try HostFiles.makeFolder(folder + "/store")
    let backend = FileBackend(settings: .init(name: format, folder: folder + "/store", format: format))
    try await BackendConformance(backend: backend, folder: folder).run()
  }

  @Test func aMissingFolderIsUnavailableForEveryVerb() async throws {
    let backend = FileBackend(settings: .init(name: "lost", folder: "/nowhere/at/all"))
    let verbs: [@Sendable () async throws -> Void] = [
      { try backend.check() },
      { try await backend.makeBlank("volume-a", format: "qcow2", sizeBytes: 1 << 20) },
      { try await backend.makeOverlay("volume-a", above: "layer-a", baseFormat: "raw", sizeBytes: 1 << 20) },
      { try await backend.copy(Disk(path: "/dev/null", format: "raw"), to: "volume-a", format: "raw") },
      { try await backend.receive("volume-a", sizeBytes: 1 << 20) { _ in } },
      { try await backend.freeze("volume-a", as: "layer-a", sizeBytes: 1 << 20) },
      { try await backend.duplicate("volume-a", to: "copy-a") },
      { try await backend.adopt("/dev/null", as: "layer-a") },
      { try await backend.rebase("layer-a", onto: nil, baseFormat: "", isClosed: false) },
      { try await backend.resize("volume-a", format: "qcow2", sizeBytes: 1 << 20, keyPath: nil) },
      { try await backend.rename("volume-a", to: "volume-b") },
      { try await backend.remove("volume-a") },
    ]
    for (index, verb) in verbs.enumerated() {
      do {
        try await verb()
        Issue.record("verb \(index) did not fail")
      } catch let fault as Fault {
        #expect(fault.status == 503 && fault.message.contains("missing"), "verb \(index): \(fault)")
      }
    }
  }
}
