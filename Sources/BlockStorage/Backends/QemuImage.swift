import Foundation
import Host
import Kit

/// What a disk image is.
struct DiskInfo: Sendable, Equatable {
  var sizeBytes: Int
  var format: String
  /// Whether it needs another file.
  var hasBacking: Bool
}

extension Disk {
  /// Arguments by which qemu-img reads it (qemu-img(1), --image-opts).
  var source: [String] {
    guard let keyPath else { return ["-f", format, path] }
    let name = path.replacing(",", with: ",,")
    return [
      "--object", "secret,id=source,file=\(keyPath)", "--image-opts",
      "driver=qcow2,file.driver=file,file.filename=\(name),encrypt.key-secret=source",
    ]
  }
  /// Options with which qemu-img writes it. The key is random, so slowing down guesses of it would only cost time.
  var targetOptions: [String] {
    guard let keyPath else { return [] }
    return [
      "--object", "secret,id=target,file=\(keyPath)", "-o",
      "encrypt.format=luks,encrypt.key-secret=target,encrypt.iter-time=10",
    ]
  }
}

/// qemu-img(1), with its errors in the user's words.
enum QemuImage {
  /// Copies of large disks may take long.
  static let deadline: Duration = .seconds(7200)

  static func run(_ arguments: [String]) async throws {
    for attempt in 1... {
      do {
        _ = try await Command("qemu-img", arguments, deadline: deadline).check()
        return
      } catch {
        // QEMU times its key derivation, and gives up when the clock did not move meanwhile: another try sees it move.
        guard "\(error)".contains("accurate CPU usage"), attempt < 20 else { throw error }
      }
    }
  }

  static func create(_ disk: Disk, sizeBytes: Int) async throws {
    try await run(["create", "-q", "-f", disk.format] + disk.targetOptions + [disk.path, "\(sizeBytes)"])
  }

  static func convert(_ source: Disk, to target: Disk, isShared: Bool = false) async throws {
    try await run(
      ["convert", "-q"] + (isShared ? ["-U"] : []) + source.source + ["-O", target.format] + target.targetOptions
        + [target.path])
  }

  static func resize(_ disk: Disk, sizeBytes: Int) async throws {
    try await run(["resize", "-q"] + disk.source + ["\(sizeBytes)"])
  }

  /// Size in bytes and format of a disk image; a fault when it cannot be opened or says that it is corrupt.
  static func info(_ path: String, format: String? = nil) async throws -> DiskInfo {
    let known = format.map { ["-f", $0] } ?? []
    let text = try await Command("qemu-img", ["info", "-U", "--output=json"] + known + [path]).check()
    let info = try JSONParser.parse(text)
    guard let size = info["virtual-size"]?.int, let format = info["format"]?.string else {
      throw Fault.badRequest("\(path) is no disk image.")
    }
    let details = info["format-specific"]?["data"]
    if details?["corrupt"] == true { throw Fault.internal("Image is corrupt: \(path)") }
    let others = [info["backing-filename"], details?["data-file"]]
    return DiskInfo(sizeBytes: size, format: format, hasBacking: others.contains { $0?.string != nil })
  }

  /// What an error of a disk means for its user. The original stays in the explanation, which administrators see.
  static func explained(_ error: any Error, backend: String) -> any Error {
    let text = "\(error)"
    func has(_ signs: String...) -> Bool { signs.contains { text.contains($0) } }
    let cause: JSONValue = ["cause": .string(String(text.prefix(2000)))]
    func fault(_ status: Int, _ message: String) -> Fault { Fault(status, message, explanation: cause) }
    if has("No space left", "Disk quota exceeded") {
      return fault(507, "No space is left on the storage of backend \(backend).")
    }
    if has("Read-only file system") { return fault(507, "The storage of backend \(backend) is read-only.") }
    if has(
      "not in qcow2 format", "is corrupt", "Image is not in", "does not contain a refcount", "L1 table", "L2 table")
    {
      return fault(500, "The data of the disk on backend \(backend) are damaged. Restore it from a backup.")
    }
    if has("Could not open") && has("No such file or directory") {
      return fault(500, "The file of the disk on backend \(backend) is missing. Restore it from a backup.")
    }
    if has("Input/output error") { return fault(500, "The storage of backend \(backend) reports I/O errors.") }
    if has("Failed to get", "lock") && has("Is another process using") {
      return fault(409, "The disk on backend \(backend) is open elsewhere.")
    }
    return error
  }
}
