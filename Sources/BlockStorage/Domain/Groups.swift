import Contracts
import Kit
import Store
import Workflow

/// Groups and their snapshots, for their own API and for the older one of consistency groups.
extension BlockStorageService {
  /// What a request says of a group.
  struct GroupOrder: Sendable {
    var name: String?
    var description: String?
    /// Id or name of its group type.
    var type = ""
    /// Ids or names of the types that its volumes may have.
    var volumeTypes: [String] = []
    var zone: String?
  }

  func createGroup(_ order: GroupOrder, auth: AuthContext, tx: any Transaction) throws -> String {
    let (id, now) = (UUIDText.make(), clock.now())
    guard let type = try tx.first("SELECT * FROM bs_group_type WHERE id = \(order.type) OR name = \(order.type)") else {
      throw Fault.notFound("Group type \(order.type.prefix(80)) could not be found.")
    }
    let typeIDs = try order.volumeTypes.map { key -> String in
      do { return try TypeStore.require(key, auth, tx: tx).id } catch let fault as Fault {
        throw Fault.badRequest(fault.message)
      }
    }
    guard order.zone == nil || order.zone == settings.zone else {
      throw Fault.badRequest("Invalid input received: Availability zone '\(order.zone?.prefix(80) ?? "")' is invalid.")
    }
    try Quota.checkGroup(auth.projectID, tx: tx)
    try Table.group.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "name": order.name,
        "description": order.description, "status": "available", "zone": settings.zone, "group_type_id": type.id,
        "volume_types": JSONValue.strings(typeIDs), "created_at": now, "updated_at": now,
      ], tx: tx)
    return id
  }

  /// Changes a group by its fields `name`, `description`, `add_volumes` and `remove_volumes` (ids separated by commas).
  func updateGroup(_ id: String, _ fields: JSONObject, auth: AuthContext, tx: any Transaction) throws {
    guard fields.contains(where: { !$0.value.isNull }) else {
      throw Fault.badRequest("At least one of name, description, add_volumes and remove_volumes must be given.")
    }
    func ids(_ key: String) -> [String] {
      (fields[key]?.string ?? "").split(separator: ",").map { String($0).replacing(" ", with: "") }
    }
    let (added, removed) = (ids("add_volumes"), ids("remove_volumes"))
    let row = try GroupStore.require(id, auth, tx: tx)
    guard row.status == "available" else { throw Fault.badRequest("Invalid group: its status is \(row.status).") }
    for id in removed { try Self.leave(row, id, tx: tx) }
    for id in added where !removed.contains(id) { try Self.join(row, id, auth, tx: tx) }
    if let name = fields["name"] { try Table.group.set(row.id, ["name": Input.name(name)], tx: tx) }
    if let text = fields["description"] { try Table.group.set(row.id, ["description": Input.name(text)], tx: tx) }
    try Table.group.set(row.id, ["updated_at": clock.now()], tx: tx)
  }

  private static func leave(_ group: Row, _ id: String, tx: any Transaction) throws {
    guard let volume = try VolumeStore.find(id, tx: tx), volume.groupID == group.id else {
      throw Volume.invalid("Volume \(id.prefix(64)) is not in group \(group.id).")
    }
    try volume.require(["available", "in-use", "error"], "leave its group")
    try Table.volume.set(id, ["group_id": nil as String?], tx: tx)
  }

  private static func join(_ group: Row, _ id: String, _ auth: AuthContext, tx: any Transaction) throws {
    let types = (group.json("volume_types").array ?? []).compactMap(\.string)
    let volume: Volume
    do { volume = try VolumeStore.require(id, auth, tx: tx) } catch {
      throw Volume.invalid("Cannot add volume \(id.prefix(64)) to group \(group.id): it could not be found.")
    }
    guard volume.groupID == nil || volume.groupID == group.id, types.contains(volume.typeID ?? "") else {
      throw Volume.invalid("Cannot add volume \(id): it is in another group or its type is none of the group's.")
    }
    try volume.require(["available", "in-use"], "join a group")
    try Table.volume.set(id, ["group_id": group.id], tx: tx)
  }

  func deleteGroup(
    _ id: String, withVolumes: Bool, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws {
    let row = try GroupStore.require(id, auth, tx: tx)
    let volumes = try GroupStore.volumes(row.id, tx: tx)
    guard ["available", "error", "error_deleting"].contains(row.status) else {
      throw Fault.badRequest("Invalid group: its status is \(row.status).")
    }
    guard volumes.isEmpty || withVolumes else {
      throw Fault.badRequest("Invalid group: it has volumes, and they are not to be deleted with it.")
    }
    guard try Table.groupSnapshot.count("group_id = \(row.id)", tx: tx) == 0 else {
      throw Fault.badRequest("Invalid group: group \(row.id) has group snapshots.")
    }
    for volume in volumes {
      try volume.require(["available", "error"], "be deleted with its group")
      guard try VolumeStore.snapshotCount(volume.id, tx: tx) == 0 else {
        throw Volume.invalid("Volume \(volume.id) has snapshots.")
      }
    }
    try Table.group.set(row.id, ["status": "deleting", "updated_at": clock.now()], tx: tx)
    for volume in volumes { try removeLater(volume, requestID: requestID, tx: tx) }
    try GroupStore.removeIfEmpty(row.id, tx: tx)
  }

  /// A group of copies of another group's volumes, or of a group snapshot's: exactly one of the two is given.
  func createGroup(
    name: String?, description: String?, from group: String?, or snapshot: String?, auth: AuthContext,
    requestID: String, tx: any Transaction
  ) throws -> String {
    let (id, now) = (UUIDText.make(), clock.now())
    let shot = try snapshot.map { try GroupStore.snapshot($0, auth, tx: tx) }
    let source = try GroupStore.require(group ?? shot?.text("group_id") ?? "", auth, tx: tx)
    try Quota.checkGroup(auth.projectID, tx: tx)
    try Table.group.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "name": name, "description": description,
        "status": "creating", "zone": settings.zone, "group_type_id": source.text("group_type_id"),
        "volume_types": source.json("volume_types"), "group_snapshot_id": snapshot, "source_group_id": group,
        "created_at": now, "updated_at": now,
      ], tx: tx)
    let sources: [VolumeSource] =
      try snapshot.map { try Table.snapshot.all("group_snapshot_id = \($0)", tx: tx).map { .snapshot($0.id) } }
      ?? GroupStore.volumes(source.id, tx: tx).map { .volume($0.id) }
    guard !sources.isEmpty else { throw Fault.badRequest("Invalid group: the source has no volumes.") }
    for source in sources {
      var order = VolumeOrder()
      order.source = source
      let volume = try createVolume(order, auth: auth, requestID: requestID, tx: tx)
      try Table.volume.set(volume, ["group_id": id], tx: tx)
    }
    return id
  }

  func createGroupSnapshot(
    of groupID: String, name: String?, description: String?, auth: AuthContext, requestID: String, tx: any Transaction
  ) throws -> String {
    let (id, now) = (UUIDText.make(), clock.now())
    let group = try GroupStore.require(groupID, auth, tx: tx)
    guard group.status == "available" else { throw Fault.badRequest("Invalid group: its status is \(group.status).") }
    let volumes = try GroupStore.volumes(group.id, tx: tx)
    guard !volumes.isEmpty else { throw Fault.badRequest("Invalid group: it has no volumes to snapshot.") }
    try Table.groupSnapshot.insert(
      [
        "id": id, "project_id": auth.projectID, "user_id": auth.user.id, "group_id": group.id,
        "group_type_id": group.text("group_type_id"), "name": name, "description": description, "status": "creating",
        "created_at": now, "updated_at": now,
      ], tx: tx)
    for volume in volumes {
      _ = try createSnapshot(
        of: volume, name: name, description: nil, isForced: true, groupSnapshot: id, auth: auth, requestID: requestID,
        tx: tx)
    }
    return id
  }

  func deleteGroupSnapshot(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws {
    let row = try GroupStore.snapshot(id, auth, tx: tx)
    guard ["available", "error", "error_deleting"].contains(row.status) else {
      throw Fault.badRequest("Invalid group snapshot: its status is \(row.status).")
    }
    guard try Table.group.count("group_snapshot_id = \(row.id) AND status = 'creating'", tx: tx) == 0 else {
      throw Fault.badRequest("Invalid group snapshot: a group is being made from it.")
    }
    for snapshot in try Table.snapshot.all("group_snapshot_id = \(row.id)", tx: tx) {
      try deleteSnapshot(snapshot, isForced: true, requestID: requestID, tx: tx)
    }
    try Table.groupSnapshot.remove(row.id, tx: tx)
  }
}
