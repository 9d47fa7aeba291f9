import API
import Kit
import Store

/// Volumes as JSON, by microversion and by who asks.
struct VolumeView {
  let call: Call
  let isAdmin: Bool
  let typeNames: [String: String]
  let attachments: [String: [Row]]
  let services: [String: Row]
  /// The groups among theirs that are consistency groups.
  let consistencyGroups: Set<String>

  /// Fetches what the views of these volumes need, in four queries.
  init(_ call: Call, _ rows: [Row], tx: any Transaction) throws {
    self.call = call
    isAdmin = try call.auth.isAdmin
    typeNames = Dictionary(try Table.type.all("1 = 1", tx: tx).map { ($0.id, $0.text("name")) }) { first, _ in first }
    let found = try Table.attachment.all("volume_id IN \(list: rows.map(\.id)) AND status = 'attached'", tx: tx)
    attachments = Dictionary(grouping: found) { $0.text("volume_id") }
    let groups = Set(rows.compactMap { $0.optionalText("group_id") })
    consistencyGroups =
      groups.isEmpty
      ? []
      : Set(
        try Table.group.all(
          "id IN \(list: Array(groups)) AND group_type_id = \(try GroupStore.consistencyType(tx: tx))", tx: tx
        ).map(\.id))
    services = call.since(3, 48) ? try ServiceStore.volumeServices(tx: tx) : [:]
  }

  func summary(_ row: Row) throws -> JSONValue {
    ["id": .string(row.id), "name": row.optional("name"), "links": try call.links("volumes", row.id)]
  }

  /// `isAnswer`: the answer to a creation or a change, which leaves out what upstream's extensions add.
  func detail(_ row: Row, isAnswer: Bool = false) throws -> JSONValue {
    var view: JSONObject = [
      "id": .string(row.id), "status": .string(row.status), "size": .int(row.int("size")),
      "availability_zone": row.optional("zone"), "created_at": row.time("created_at"),
      "updated_at": row.time("updated_at"), "attachments": .array(attached(row)), "name": row.optional("name"),
      "description": row.optional("description"),
      "volume_type": .optional(row.optionalText("type_id").flatMap { typeNames[$0] }),
      "snapshot_id": row.optional("snapshot_id"), "source_volid": row.optional("source_volid"),
      "metadata": metadata(row), "links": try call.links("volumes", row.id), "user_id": row.optional("user_id"),
      "bootable": row.bool("bootable") ? "true" : "false", "encrypted": .bool(row.bool("encrypted")),
      "replication_status": row.optional("replication_status"),
      "consistencygroup_id": .optional(
        row.optionalText("group_id").flatMap { consistencyGroups.contains($0) ? $0 : nil }),
      "multiattach": .bool(row.bool("multiattach")),
      "migration_status": isAdmin ? row.optional("migration_status") : nil,
    ]
    if !isAnswer { addExtensions(&view, row) }
    addVersioned(&view, row)
    return .object(view)
  }

  private func addExtensions(_ view: inout JSONObject, _ row: Row) {
    view["os-vol-tenant-attr:tenant_id"] = .string(row.projectID)
    let image = row.texts("image_metadata")
    if !image.isEmpty { view["volume_image_metadata"] = .texts(image) }
    if isAdmin {
      view["os-vol-host-attr:host"] = row.optional("host")
      view["os-vol-mig-status-attr:migstat"] = row.optional("migration_status")
      view["os-vol-mig-status-attr:name_id"] = .null
    }
  }

  private func addVersioned(_ view: inout JSONObject, _ row: Row) {
    if isAdmin {
      if call.since(3, 21) { view["provider_id"] = .null }
      if call.since(3, 61) { view["cluster_name"] = .null }
    }
    if call.since(3, 13) { view["group_id"] = row.optional("group_id") }
    if call.since(3, 48) {
      let host = row.text("host").split(separator: "#").first.map(String.init) ?? ""
      view["service_uuid"] = .optional(services[host]?.id)
      view["shared_targets"] = false
    }
    if call.since(3, 63) { view["volume_type_id"] = row.optional("type_id") }
    if call.since(3, 64), row.bool("encrypted") { view["encryption_key_id"] = row.optional("key_id") }
    if call.since(3, 65) { view["consumes_quota"] = .bool(row.bool("consumes_quota")) }
  }

  private func metadata(_ row: Row) -> JSONValue {
    var metadata = row.texts("metadata")
    if let readonly = row.optionalInt("readonly") { metadata["readonly"] = readonly == 1 ? "True" : "False" }
    return .texts(metadata)
  }

  private func attached(_ row: Row) -> [JSONValue] {
    (attachments[row.id] ?? []).map { attachment in
      [
        "id": .string(row.id), "attachment_id": .string(attachment.id), "volume_id": .string(row.id),
        "server_id": attachment.optional("server_id"), "host_name": isAdmin ? attachment.optional("host") : nil,
        "device": attachment.optional("mountpoint"), "attached_at": attachment.time("attached_at"),
      ]
    }
  }
}
