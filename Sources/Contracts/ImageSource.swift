import Kit
import Store

/// An image as the other services see it.
public struct ImageSummary: Sendable, Equatable {
  public var id: String
  public var name: String
  /// `active`, `queued`, `deactivated` …
  public var status: String
  public var diskFormat: String
  public var containerFormat: String
  /// Bytes of the file.
  public var sizeBytes: Int
  /// Bytes of the disk that it holds.
  public var virtualSizeBytes: Int
  public var minDiskGB: Int
  public var minRAMMB: Int
  public var owner: String
  public var visibility: String
  /// Custom properties, such as `hw_disk_bus`, `kernel_id`, `os_command_line`.
  public var properties: [String: String]

  public init(
    id: String, name: String, status: String, diskFormat: String, containerFormat: String, sizeBytes: Int,
    virtualSizeBytes: Int, minDiskGB: Int, minRAMMB: Int, owner: String, visibility: String,
    properties: [String: String]
  ) {
    (self.id, self.name, self.status) = (id, name, status)
    (self.diskFormat, self.containerFormat) = (diskFormat, containerFormat)
    (self.sizeBytes, self.virtualSizeBytes) = (sizeBytes, virtualSizeBytes)
    (self.minDiskGB, self.minRAMMB, self.owner) = (minDiskGB, minRAMMB, owner)
    (self.visibility, self.properties) = (visibility, properties)
  }
}

/// Images for Compute and Block Storage.
public protocol ImageSource: Sendable {
  /// The image, if the caller may see it. nil: it does not exist for this caller.
  func image(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> ImageSummary?
  /// The image whoever asks, for workflows that run after the check.
  func image(_ id: String, tx: any Transaction) throws -> ImageSummary?
  /// A complete, checksummed file of the image's data on this node, read-only, that may back disks for as long as guests
  /// use it: deleting the image does not remove a file in use.
  func file(of id: String) async throws -> String
  /// Writes a new queued image, whose data `importFile` brings later. Size and status of the summary do not matter.
  func reserve(_ summary: ImageSummary, tx: any Transaction) throws
  /// Removes an image that was reserved and has no data yet; one that is gone or has data stays as it is.
  func discard(_ id: String, tx: any Transaction) throws
  /// Makes a new active image from a file on this node, which is moved or copied in (for snapshots of servers).
  func importFile(_ path: String, into id: String) async throws
}

extension ImageSource {
  public func reserve(_ summary: ImageSummary, tx: any Transaction) throws {
    throw Fault(501, "This image service takes no images from other services.")
  }
  public func discard(_ id: String, tx: any Transaction) throws {}
}
