import API
import Contracts
import Kit
import Store

/// What a new volume is to be, as a request or another service asks.
struct VolumeOrder: Sendable {
  var name: String?
  var description: String?
  var size: Int?
  var source: VolumeSource = .blank
  var backupID: String?
  var type: String?
  var zone: String?
  var metadata: [String: String] = [:]
  var groupID: String?
  var sameHost: [String] = []
  var differentHost: [String] = []
  var groupSnapshotMember = false

  static let schema = Schema.object(
    [
      Schema.required(
        "volume",
        .object(
          [
            Schema.may("name", Input.name), Schema.may("description", .optional(.string(0...255))),
            Schema.may("display_name", Input.name), Schema.may("display_description", .optional(.string(0...255))),
            Schema.may("size", .optional(.looseInteger(1...2_147_483_647))),
            Schema.may("snapshot_id", Input.uuid), Schema.may("source_volid", Input.uuid),
            Schema.may("backup_id", Input.uuid), Schema.may("imageRef", .optional(.string(0...255))),
            Schema.may("image_id", .optional(.string(0...255))), Schema.may("volume_type", .optional(.string(0...255))),
            Schema.may("availability_zone", .optional(.string(0...255))),
            Schema.may("metadata", .optional(Input.metadata)), Schema.may("multiattach", .optional(.looseBoolean)),
            Schema.may("consistencygroup_id", Input.uuid), Schema.may("group_id", .optional(.string(0...255))),
            Schema.may("source_replica", Input.uuid),
          ], additional: .allowed)),
      Schema.may("OS-SCH-HNT:scheduler_hints", .optional(.object([], additional: .allowed))),
    ], additional: .allowed)

  private static let known: Set<String> = [
    "name", "description", "display_name", "display_description", "size", "snapshot_id", "source_volid", "backup_id",
    "imageRef", "image_id", "volume_type", "availability_zone", "metadata", "multiattach", "consistencygroup_id",
    "group_id", "scheduler_hints", "source_replica", "user_id", "project_id", "status", "attach_status",
  ]

  init() {}

  /// Reads the body of a creation, checked by `schema`.
  init(_ call: Call) throws {
    let volume = call.body["volume"]?.object ?? [:]
    if call.since(3, 53), let key = volume.keys.first(where: { !Self.known.contains($0) }) {
      throw Fault.badRequest("Additional properties are not allowed ('\(key.prefix(80))' was unexpected)")
    }
    func text(_ key: String) -> String? { call.text("volume", key).flatMap { $0.isEmpty ? nil : $0 } }
    if call.field("volume", "multiattach").flatMap(Schema.boolean) == true, call.since(3, 50) {
      throw Fault.badRequest(
        "multiattach parameter has been removed. Use a volume type with the extra spec multiattach.")
    }
    name = Input.name(volume["name"] ?? volume["display_name"])
    description = Input.name(volume["description"] ?? volume["display_description"])
    size = call.field("volume", "size").flatMap(Schema.integer)
    (type, zone) = (text("volume_type"), text("availability_zone"))
    metadata = Input.metadata(call.field("volume", "metadata"))
    groupID = (call.since(3, 13) ? text("group_id") : nil) ?? text("consistencygroup_id")
    backupID = call.since(3, 47) ? text("backup_id") : nil
    let sources: [VolumeSource] = [
      text("snapshot_id").map { .snapshot($0) }, text("source_volid").map { .volume($0) },
      (text("imageRef") ?? text("image_id")).map { .image($0) },
    ].compactMap { $0 }
    guard sources.count + (backupID == nil ? 0 : 1) <= 1 else {
      throw Fault.badRequest(
        "Invalid input received: only one of snapshot_id, source_volid, imageRef and backup_id may be given.")
    }
    source = sources.first ?? .blank
    if case .image(let id) = source, UUIDText.canonical(id) == nil {
      throw Fault.badRequest("Invalid image identifier or unable to access requested image.")
    }
    let hints = call.body["OS-SCH-HNT:scheduler_hints"] ?? volume["scheduler_hints"]
    (sameHost, differentHost) = (Self.texts(hints?["same_host"]), Self.texts(hints?["different_host"]))
  }

  private static func texts(_ value: JSONValue?) -> [String] {
    value?.string.map { [$0] } ?? (value?.array ?? []).compactMap(\.string)
  }
}
