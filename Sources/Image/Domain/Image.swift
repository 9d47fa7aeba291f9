import Kit

/// An image: what clients set, and what is known of its data.
struct Image: Sendable, Equatable {
  /// Where an image stands (API reference, Image statuses). `saving` lasts as long as an upload.
  enum Status: String, Sendable {
    case queued, saving, uploading, importing, active, deactivated
  }
  static let containerFormats = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]
  static let diskFormats = [
    "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop",
  ]
  static let visibilities = ["community", "public", "private", "shared"]
  /// Upstream's quotas: image_tag, image_property and image_member.
  static let tagsMax = 128
  static let propertiesMax = 128
  static let membersMax = 128
  /// Upstream's image_size_cap: 1 TiB.
  static let sizeMax = 1 << 40

  var id: String
  var name: String?
  var status = Status.queued
  var visibility = "shared"
  var owner: String?
  var containerFormat: String?
  var diskFormat: String?
  var minDiskGB = 0
  var minRAMMB = 0
  var isProtected = false
  var isHidden = false
  /// Bytes of the data.
  var size: Int?
  /// Bytes of the disk in the data.
  var virtualSize: Int?
  /// MD5 of the data, in hexadecimal.
  var checksum: String?
  /// SHA-512 of the data, in hexadecimal: also its name in the store.
  var hash: String?
  var createdAt: Timestamp
  var updatedAt: Timestamp
  var properties: [String: String] = [:]
  var tags: Set<String> = []

  var hasData: Bool { status == .active || status == .deactivated }

  static func notFound(_ id: String) -> Fault { .notFound("No image found with ID \(id.prefix(64))") }

  /// Throws a 403 fault for whoever does not own the image. Those who do not see it never get here.
  func checkOwner(_ auth: AuthContext, _ action: String) throws {
    guard auth.isAdmin || (auth.project != nil && owner == auth.projectID) else {
      throw Fault.forbidden("You are not permitted to \(action) image \(id): it belongs to another project.")
    }
  }

  /// Throws when the image cannot take data now: 409 for a status, 400 for formats that are not set.
  func checkTakesData(to next: Status) throws {
    guard status == .queued else {
      throw Fault.conflict(
        "Image status transition from \(status.rawValue) to \(next.rawValue) is not allowed: an image takes data "
          + "while it is queued.")
    }
    if next == .saving { try checkFormats(status: 400) }
  }
  func checkFormats(status: Int) throws {
    let missing = [("disk_format", diskFormat), ("container_format", containerFormat)].filter { $0.1 == nil }.map(\.0)
    guard missing.isEmpty else {
      throw Fault(status, "Properties \(missing.joined(separator: ", ")) must be set prior to saving data.")
    }
  }
}

/// A project with which an image is shared.
struct ImageMember: Sendable, Equatable {
  static let statuses = ["pending", "accepted", "rejected"]
  var imageID: String
  var memberID: String
  var status: String
  var createdAt: Timestamp
  var updatedAt: Timestamp
}
