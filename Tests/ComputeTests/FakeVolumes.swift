import Contracts
import Kit
import Store
import Synchronization

@testable import Compute

/// Volumes, attachments and snapshots in tables of their own, so that they commit and roll back with their callers.
final class FakeVolumes: VolumeAttaching {
  static let free = "cccccccc-0000-4000-8000-000000000001"
  static let bootable = "cccccccc-0000-4000-8000-000000000002"
  static let shared = "cccccccc-0000-4000-8000-000000000003"
  static let others = "cccccccc-0000-4000-8000-000000000004"
  static let broken = "cccccccc-0000-4000-8000-000000000005"
  static let large = "cccccccc-0000-4000-8000-000000000006"
  static let snapshot = "dddddddd-0000-4000-8000-000000000001"
  private let failures = Mutex<[String: Fault]>([:])
  func fail(_ verb: String, with fault: Fault?) { failures.withLock { $0[verb] = fault } }
  private func check(_ verb: String) throws { if let fault = failures.withLock({ $0[verb] }) { throw fault } }

  static func migration(owner: String, other: String) -> Migration {
    let rows = [
      (free, owner, "available", 1, 0, 0), (bootable, owner, "available", 2, 1, 0),
      (shared, owner, "available", 1, 0, 1),
      (others, other, "available", 1, 1, 0), (broken, owner, "error", 1, 0, 0), (large, owner, "available", 5, 0, 0),
    ].map { "('\($0.0)', '\($0.1)', '\($0.2)', \($0.3), \($0.4), \($0.5), 0, '\(image)')" }
    return Migration(
      "test-volumes",
      [
        """
        CREATE TABLE fake_volume (
          id VARCHAR(36) PRIMARY KEY, project_id VARCHAR(64) NOT NULL, status VARCHAR(32) NOT NULL, size INT NOT NULL,
          bootable INT NOT NULL, multiattach INT NOT NULL, migrating INT NOT NULL, image TEXT NOT NULL)
        """,
        """
        CREATE TABLE fake_attachment (
          id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36) NOT NULL, server_id VARCHAR(36) NOT NULL,
          status VARCHAR(32) NOT NULL)
        """,
        "CREATE TABLE fake_snapshot (id VARCHAR(36) PRIMARY KEY, volume_id VARCHAR(36) NOT NULL, size INT NOT NULL)",
        "INSERT INTO fake_volume VALUES \(raw: rows.joined(separator: ", "))",
        "INSERT INTO fake_snapshot VALUES ('\(raw: snapshot)', '\(raw: bootable)', 2)",
      ])
  }
  private static let image =
    "{\"image_id\": \"11111111-1111-4111-8111-111111111111\", \"min_ram\": \"64\", \"min_disk\": \"1\", "
    + "\"hw_disk_bus\": \"virtio\"}"

  func volume(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> VolumeSummary? {
    try volume(id, tx: tx).flatMap { auth.isAdmin || $0.projectID == auth.projectID ? $0 : nil }
  }
  func volume(_ id: String, tx: any Transaction) throws -> VolumeSummary? {
    try tx.first("SELECT * FROM fake_volume WHERE id = \(id)").map { row in
      VolumeSummary(
        id: id, name: "", status: row.text("status"), sizeGB: row.int("size"), isBootable: row.bool("bootable"),
        isMultiattach: row.bool("multiattach"), projectID: row.text("project_id"), zone: "nova",
        imageMetadata: row.json("image").texts, isMigrating: row.bool("migrating"))
    }
  }
  func snapshot(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> (
    sizeGB: Int, volumeID: String
  )? {
    try tx.first("SELECT * FROM fake_snapshot WHERE id = \(id)").map { ($0.int("size"), $0.text("volume_id")) }
  }
  func hasVolumeType(_ key: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> Bool { key == "fast" }

  func create(
    sizeGB: Int?, source: VolumeSource, type: String?, name: String, zone: String, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String {
    try check("create")
    let id = UUIDText.make()
    try tx.execute(
      .insert(
        into: "fake_volume",
        [
          "id": id, "project_id": auth.projectID, "status": "creating", "size": sizeGB ?? 1,
          "bootable": source != .blank, "multiattach": 0, "migrating": 0, "image": "{}",
        ]))
    return id
  }

  /// What is being made is made the moment somebody waits for it.
  func waitReady(_ id: String) async throws { try check("waitReady") }

  func reserve(_ id: String, serverID: String, tx: any Transaction) throws -> String {
    guard let volume = try volume(id, tx: tx) else { throw Fault.notFound("Volume \(id) could not be found.") }
    let allowed = ["available", "creating"] + (volume.isMultiattach ? ["reserved", "in-use"] : [])
    guard allowed.contains(volume.status) else {
      throw Fault.badRequest("Invalid volume: volume \(id) is \(volume.status)")
    }
    let attachment = UUIDText.make()
    try tx.execute(
      .insert(
        into: "fake_attachment",
        ["id": attachment, "volume_id": id, "server_id": serverID, "status": "reserved"]))
    try settle(id, tx: tx)
    return attachment
  }
  func connect(attachmentID: String, host: String, mountpoint: String) async throws -> VolumeConnection {
    try check("connect")
    return VolumeConnection(path: "/volumes/\(attachmentID)", format: "qcow2", isReadOnly: false)
  }
  func complete(attachmentID: String, tx: any Transaction) throws { try set(attachmentID, "attached", tx: tx) }
  func disconnect(attachmentID: String, tx: any Transaction) throws { try set(attachmentID, "reserved", tx: tx) }
  func beginDetaching(attachmentID: String, tx: any Transaction) throws { try set(attachmentID, "detaching", tx: tx) }
  func keepAttached(attachmentID: String, tx: any Transaction) throws { try set(attachmentID, "attached", tx: tx) }
  func release(attachmentID: String, tx: any Transaction) throws {
    guard let volume = try volumeID(attachmentID, tx: tx) else { return }
    try tx.execute("DELETE FROM fake_attachment WHERE id = \(attachmentID)")
    try settle(volume, tx: tx)
  }

  private func volumeID(_ attachmentID: String, tx: any Transaction) throws -> String? {
    try tx.first("SELECT volume_id FROM fake_attachment WHERE id = \(attachmentID)")?.text("volume_id")
  }
  private func set(_ attachmentID: String, _ status: String, tx: any Transaction) throws {
    guard let volume = try volumeID(attachmentID, tx: tx) else { throw Fault.notFound("no attachment \(attachmentID)") }
    try tx.execute("UPDATE fake_attachment SET status = \(status) WHERE id = \(attachmentID)")
    try settle(volume, tx: tx)
  }
  private func settle(_ id: String, tx: any Transaction) throws {
    let statuses = Set(
      try tx.query("SELECT status FROM fake_attachment WHERE volume_id = \(id)").map { $0.text("status") })
    let status =
      statuses.contains("attached")
      ? "in-use"
      : statuses.contains("detaching") ? "detaching" : statuses.contains("reserved") ? "reserved" : "available"
    try tx.execute("UPDATE fake_volume SET status = \(status) WHERE id = \(id)")
  }

  func delete(_ id: String, requestID: String, tx: any Transaction) throws {
    guard try tx.count("SELECT COUNT(*) FROM fake_attachment WHERE volume_id = \(id)") == 0 else {
      throw Fault.badRequest("Invalid volume: it is attached")
    }
    try tx.execute("DELETE FROM fake_volume WHERE id = \(id)")
  }
  func reimage(_ id: String, image: String, requestID: String, tx: any Transaction) throws {
    try check("reimage")
    guard try volume(id, tx: tx)?.status == "reserved" else { throw Fault.badRequest("Invalid volume: it is open") }
    let text = "{\"image_id\": \"\(image)\"}"
    try tx.execute("UPDATE fake_volume SET image = \(text) WHERE id = \(id)")
  }
  func createSnapshot(of id: String, name: String, auth: AuthContext, requestID: String, tx: any Transaction) throws
    -> String
  {
    try check("snapshot")
    let snapshot = UUIDText.make()
    let size = try volume(id, tx: tx)?.sizeGB ?? 0
    try tx.execute(.insert(into: "fake_snapshot", ["id": snapshot, "volume_id": id, "size": size]))
    return snapshot
  }
  func waitSnapshotReady(_ id: String) async throws { try check("waitSnapshotReady") }
  func deleteSnapshot(_ id: String, requestID: String, tx: any Transaction) throws {
    try tx.execute("DELETE FROM fake_snapshot WHERE id = \(id)")
  }
}

extension FakeVolumes {
  func proxyVolumes(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolume] {
    let rows = try tx.query("SELECT * FROM fake_volume WHERE project_id = \(auth.projectID) ORDER BY id")
    let found = rows.filter { id == nil || $0.text("id") == id }
    if let id, found.isEmpty { throw Fault.notFound("Volume \(id) could not be found.") }
    return found.map { row in
      ProxyVolume(
        id: row.text("id"), name: "v", description: nil, status: row.text("status"), sizeGB: row.int("size"),
        zone: "nova", type: nil, snapshotID: nil, metadata: [:], createdAt: Timestamp(seconds: 0), serverID: nil,
        device: nil)
    }
  }
  func createProxyVolume(_ volume: ProxyVolume, auth: AuthContext, requestID: String, tx: any Transaction) throws
    -> String
  {
    try create(
      sizeGB: volume.sizeGB, source: .blank, type: nil, name: "", zone: "", auth: auth, requestID: requestID, tx: tx)
  }
  func deleteProxyVolume(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws {
    _ = try proxyVolumes(id: id, auth: auth, tx: tx)
    try delete(id, requestID: requestID, tx: tx)
  }
  func proxySnapshots(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolumeSnapshot] {
    let found = try tx.query("SELECT * FROM fake_snapshot").filter { id == nil || $0.text("id") == id }
    if let id, found.isEmpty { throw Fault.notFound("Snapshot \(id) could not be found.") }
    return found.map { row in
      ProxyVolumeSnapshot(
        id: row.text("id"), volumeID: row.text("volume_id"), name: "s", description: nil, status: "available",
        sizeGB: row.int("size"), createdAt: Timestamp(seconds: 0))
    }
  }
  func createProxySnapshot(
    of volumeID: String, name: String?, description: String?, isForced: Bool, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String {
    _ = try proxyVolumes(id: volumeID, auth: auth, tx: tx)
    return try createSnapshot(of: volumeID, name: name ?? "", auth: auth, requestID: requestID, tx: tx)
  }
  func deleteProxySnapshot(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws {
    _ = try proxySnapshots(id: id, auth: auth, tx: tx)
    try deleteSnapshot(id, requestID: requestID, tx: tx)
  }
}

extension FakeGuests {
  func attach(_ volume: GuestVolume, to id: String) async throws {
    try change("attachVolume", id) { guest in
      guest.spec.volumes.removeAll { $0.volumeID == volume.volumeID }
      guest.spec.volumes.append(volume)
    }
  }
  func detach(volumeID: String, from id: String, deadline: Duration) async throws {
    try change("detachVolume", id) { $0.spec.volumes.removeAll { $0.volumeID == volumeID } }
  }
  func swap(_ volumeID: String, for new: GuestVolume, of id: String) async throws {
    try change("swapVolume", id) { guest in
      guard let index = guest.spec.volumes.firstIndex(where: { $0.volumeID == volumeID }) else { return }
      guest.spec.volumes[index] = new
    }
  }
  func growVolume(_ volumeID: String, of id: String, sizeBytes: Int) async throws {
    try change("growVolume", id) { guest in
      guard let index = guest.spec.volumes.firstIndex(where: { $0.volumeID == volumeID }) else {
        throw Fault.notFound("no volume")
      }
      guest.spec.volumes[index].sizeBytes = sizeBytes
    }
  }
  func copyVolume(_ volumeID: String, of id: String, to path: String) async throws {
    try change("copyVolume", id) { _ in }
  }
}
