import Kit
import Store

/// A volume: its row with names for its columns.
struct Volume: Sendable {
  let row: Row
  var id: String { row.id }
  var projectID: String { row.projectID }
  /// `creating`, `available`, `reserved`, `in-use` … (states.md).
  var status: String { row.status }
  /// Gigabytes (GiB), as the API counts.
  var size: Int { row.int("size") }
  var sizeBytes: Int { size << 30 }
  var typeID: String? { row.optionalText("type_id") }
  var backend: String { row.text("backend") }
  /// Name of its file in the backend's folder.
  var file: String { row.optionalText("file") ?? "volume-" + row.id }
  var format: String { row.text("format") }
  /// The layer that its file is a copy-on-write layer above, or that it may be (see `VolumeBackend.freeze`).
  var parent: String? { row.optionalText("parent") }
  var isMultiattach: Bool { row.bool("multiattach") }
  var isEncrypted: Bool { row.bool("encrypted") }
  var keyID: String? { row.optionalText("key_id") }
  var groupID: String? { row.optionalText("group_id") }

  static func notFound(_ id: String) -> Fault {
    .notFound("Volume \(id.prefix(64)) could not be found.", kind: "VolumeNotFound")
  }
  /// Bad states are 400 in Block Storage.
  static func invalid(_ reason: String) -> Fault {
    .badRequest("Invalid volume: \(reason)", kind: "InvalidVolume")
  }
  /// Whether its data are on their way to another backend.
  var isMigrating: Bool {
    ["starting", "migrating", "completing"].contains(row.optionalText("migration_status") ?? "")
  }
  /// Throws when the status is none of these, or the volume is being moved.
  func require(_ statuses: [String], _ what: String) throws {
    guard !isMigrating else { throw Self.invalid("Volume \(id) is migrating: it cannot \(what) now.") }
    guard statuses.contains(status) else {
      throw Self.invalid(
        "Volume \(id) status must be \(statuses.joined(separator: " or ")) to \(what), but its status is \(status).")
    }
  }
  /// Whether its data may be shared with other files as copy-on-write layers.
  var isLayered: Bool { format == "qcow2" && !isEncrypted }
}

/// Rows of volumes.
enum VolumeStore {
  /// The volume, if the caller may see it; a 404 fault otherwise.
  static func require(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Volume {
    guard let volume = try find(id, tx: tx), auth.isAdmin || volume.projectID == auth.projectID else {
      throw Volume.notFound(id)
    }
    return volume
  }
  static func find(_ id: String, tx: any Transaction) throws -> Volume? {
    try Table.volume.find(id, tx: tx).map { Volume(row: $0) }
  }
  static func attachments(_ id: String, tx: any Transaction) throws -> [Row] {
    try Table.attachment.all("volume_id = \(id)", tx: tx)
  }
  /// An attachment by which the volume may be open: `connected` is 1 for a guest of this cloud, which Compute can ask, and 2
  /// for whoever attached it by the API.
  static func user(of id: String, tx: any Transaction) throws -> Row? {
    try Table.attachment.all("volume_id = \(id) AND connected > 0", order: "connected, created_at, id", tx: tx).first
  }
  static func snapshotCount(_ id: String, tx: any Transaction) throws -> Int {
    try Table.snapshot.count("volume_id = \(id)", tx: tx)
  }

  /// No operation is going on any more: `available`, or what its attachments say.
  static func free(_ id: String, now: Timestamp, tx: any Transaction) throws {
    try Table.volume.set(id, ["status": "available", "previous_status": nil as String?, "updated_at": now], tx: tx)
    try settle(id, now: now, tx: tx)
  }

  /// Brings the volume's status to what its attachments say.
  static func settle(_ id: String, now: Timestamp, tx: any Transaction) throws {
    guard let volume = try find(id, tx: tx) else { return }
    let statuses = Set(try attachments(id, tx: tx).map(\.status))
    let status =
      statuses.contains("attached")
      ? "in-use"
      : statuses.contains("attaching") ? "attaching" : statuses.contains("reserved") ? "reserved" : "available"
    let settled = ["available", "reserved", "attaching", "in-use", "detaching"]
    guard settled.contains(volume.status) else { return }
    try Table.volume.set(id, ["status": status, "updated_at": now], tx: tx)
  }
}

extension BlockStorageService {
  /// Closes the key of a volume that no guest has open any more.
  func closeKey(of volumeID: String, tx: any Transaction) throws {
    guard try Table.attachment.count("volume_id = \(volumeID) AND connected = 1", tx: tx) == 0,
      let key = try VolumeStore.find(volumeID, tx: tx)?.keyID
    else { return }
    tx.afterCommit { [keys] in keys.detach(key) }
  }
}
