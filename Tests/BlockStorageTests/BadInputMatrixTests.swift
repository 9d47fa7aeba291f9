import API
import Kit
import Store
import TestKit
import Testing

@testable import BlockStorage

/// Every member of every operation's body with every kind of wrong value: a 4xx that changes nothing, and never a 5xx.
struct BadInputMatrixTests {
  /// Things of the main project and of another one, for operations to refer to.
  private struct Things {
    var volume = "", snapshot = "", backup = "", group = "", groupType = "", groupSnapshot = "", type = "", qos = ""
    var image = "", transfer = "", attachment = "", foreign = "", foreignSnapshot = ""
  }
  private struct Operation {
    let method: String
    let path: String
    let body: JSONValue
    var token = "member"
    /// Members that name something: an unknown id and another project's must be refused.
    var references: [String] = []
  }
  private static let wrong: [(String, JSONValue)] = [
    ("true", true), ("5", 5), ("-1", -1), ("a huge number", .double(1e300)), ("an empty text", ""),
    ("a long text", .string(String(repeating: "x", count: 70_000))), ("a control character", "a\u{0}b"), ("a list", []),
    ("a list of lists", [[1]]), ("an object", [:]), ("a nested object", ["a": ["b": nil]]),
  ]

  @Test func noWrongMemberOfAnyBodyChangesAnything() async throws {
    let world = try await BlockWorld()
    let things = try await Self.make(world)
    var count = 0
    for operation in Self.operations(things) {
      guard let key = operation.body.object.flatMap({ Array($0).first?.key }), let members = operation.body[key]?.object
      else { continue }
      for name in members.keys {
        for (what, value) in Self.wrong {
          var changed = members
          changed[name] = value
          try await Self.send(world, operation, [key: .object(changed)], "\(name) is \(what)")
          count += 1
        }
        guard operation.references.contains(name) else { continue }
        for id in [UUIDText.make(), name.contains("snapshot") ? things.foreignSnapshot : things.foreign] {
          var changed = members
          changed[name] = .string(id)
          let status = try await Self.send(world, operation, [key: .object(changed)], "\(name) is not there")
          #expect(status == 404 || status == 400, "\(operation.method) \(operation.path) \(name): \(status)")
        }
      }
      for (what, value) in Self.wrong { try await Self.send(world, operation, [key: value], "the body is \(what)") }
      try await Self.send(world, operation, [:], "the body is empty")
    }
    #expect(count > 600)
  }

  @discardableResult
  private static func send(
    _ world: BlockWorld, _ operation: Operation, _ body: JSONValue, _ what: String
  ) async throws -> Int {
    let before = try await state(world)
    let answer = try await world.send(operation.method, operation.path, body, as: operation.token)
    let place = "\(operation.method) \(operation.path) \(operation.body.text.prefix(60)): \(what)"
    #expect(answer.status < 500, "\(place): \(answer.status) \(answer.json.text.prefix(300))")
    if answer.status >= 400 {
      #expect(
        answer.json.object.flatMap({ Array($0).first?.value })?["message"]?.string?.isEmpty == false,
        "\(place): \(answer.json.text)")
      let after = try await state(world)
      #expect(before == after, "\(place): \(answer.status)")
    }
    return answer.status
  }

  /// Rows of every table, and what the volumes are.
  private static func state(_ world: BlockWorld) async throws -> [String] {
    try await world.database.read { tx in
      let tables = [
        "bs_snapshot", "bs_layer", "bs_attachment", "bs_message", "bs_type", "bs_qos", "bs_quota", "bs_transfer",
        "bs_backup", "bs_group_type", "bs_grp", "bs_group_snapshot", "job",
      ]
      let counts = try tables.map { "\($0) \(try tx.count("SELECT COUNT(*) FROM \(raw: $0)"))" }
      return try counts + Table.volume.all("1 = 1", tx: tx).map { "\($0.id) \($0.status) \($0.int("size"))" }
    }
  }

  private static func make(_ world: BlockWorld) async throws -> Things {
    try await world.allow(volumes: 100_000, snapshots: 100_000)
    try await world.send(
      "PUT", "/os-quota-sets/\(TestVerifier.mainProject)", ["quota_set": ["backups": -1, "groups": -1]], as: "admin")
    var things = Things()
    func id(_ path: String, _ body: JSONValue, _ key: String, as token: String = "member") async throws -> String {
      try await world.send("POST", path, body, as: token)[key]?.string ?? ""
    }
    things.volume = try await world.make()
    things.snapshot = try await world.snapshot(things.volume)
    things.backup = try await id("/backups", ["backup": ["volume_id": .string(things.volume)]], "backup.id")
    things.groupType = try await id("/group_types", ["group_type": ["name": "gt"]], "group_type.id", as: "admin")
    things.group = try await id(
      "/groups", ["group": ["group_type": .string(things.groupType), "volume_types": ["__DEFAULT__"]]], "group.id")
    _ = try await world.make(["group_id": .string(things.group)])
    things.groupSnapshot = try await id(
      "/group_snapshots", ["group_snapshot": ["group_id": .string(things.group)]], "group_snapshot.id")
    things.type = try await id("/types", ["volume_type": ["name": "t"]], "volume_type.id", as: "admin")
    things.qos = try await id("/qos-specs", ["qos_specs": ["name": "q"]], "qos_specs.id", as: "admin")
    things.image = try world.image()
    let given = try await world.make()
    things.transfer = try await id("/volume-transfers", ["transfer": ["volume_id": .string(given)]], "transfer.id")
    let attached = try await world.make()
    things.attachment = try await id(
      "/attachments", ["attachment": ["volume_uuid": .string(attached)]], "attachment.id")
    things.foreign = try await world.make(as: "other-member")
    things.foreignSnapshot = try await id(
      "/snapshots", ["snapshot": ["volume_id": .string(things.foreign)]], "snapshot.id", as: "other-member")
    return things
  }

  private static func operations(_ things: Things) -> [Operation] {
    let volume = "/volumes/\(things.volume)"
    func text(_ id: String) -> JSONValue { .string(id) }
    func act(_ path: String, _ name: String, _ fields: JSONValue, _ token: String = "member", _ refs: [String] = [])
      -> Operation
    { Operation(method: "POST", path: path + "/action", body: [name: fields], token: token, references: refs) }
    func post(_ path: String, _ body: JSONValue, _ token: String = "member", _ refs: [String] = []) -> Operation {
      Operation(method: "POST", path: path, body: body, token: token, references: refs)
    }
    func put(_ path: String, _ body: JSONValue, _ token: String = "member") -> Operation {
      Operation(method: "PUT", path: path, body: body, token: token)
    }
    let volumes = [
      post(
        "/volumes",
        [
          "volume": [
            "size": 1, "name": "n", "description": "d", "volume_type": "t", "availability_zone": "nova",
            "metadata": ["a": "b"],
            "multiattach": false, "group_id": text(things.group),
          ]
        ], "member", ["group_id"]),
      post("/volumes", ["volume": ["snapshot_id": text(things.snapshot)]], "member", ["snapshot_id"]),
      post("/volumes", ["volume": ["source_volid": text(things.volume)]], "member", ["source_volid"]),
      post("/volumes", ["volume": ["backup_id": text(things.backup)]], "member", ["backup_id"]),
      post("/volumes", ["volume": ["imageRef": text(things.image), "size": 1]], "member", ["imageRef"]),
      put(volume, ["volume": ["name": "n", "description": "d", "metadata": ["a": "b"]]]),
      post(volume + "/metadata", ["metadata": ["a": "b"]]), put(volume + "/metadata", ["metadata": ["a": "b"]]),
      put(volume + "/metadata/a", ["meta": ["a": "b"]]),
      act(volume, "os-extend", ["new_size": 2]), act(volume, "os-set_bootable", ["bootable": true]),
      act(volume, "os-update_readonly_flag", ["readonly": false]),
      act(volume, "os-reset_status", ["status": "available", "attach_status": "detached"], "admin"),
      act(volume, "os-retype", ["new_type": "t", "migration_policy": "never"], "member", ["new_type"]),
      act(volume, "os-migrate_volume", ["host": "node@files#files", "force_host_copy": false], "admin"),
      act(volume, "os-migrate_volume_completion", ["new_volume": text(things.volume), "error": false], "admin"),
      act(
        volume, "os-volume_upload_image",
        [
          "image_name": "i", "force": false, "disk_format": "raw", "container_format": "bare", "visibility": "private",
          "protected": false,
        ]),
      act(volume, "os-reimage", ["image_id": text(things.image), "reimage_reserved": false], "member", ["image_id"]),
      act(volume, "os-set_image_metadata", ["metadata": ["a": "b"]]),
      act(volume, "os-unset_image_metadata", ["key": "none"]),
      act(volume, "revert", ["snapshot_id": text(things.snapshot)], "member", ["snapshot_id"]),
      act(volume, "os-attach", ["instance_uuid": text(things.image), "mountpoint": "/dev/vdb", "mode": "rw"]),
      act(volume, "os-detach", ["attachment_id": text(things.attachment)], "member", ["attachment_id"]),
      act(volume, "os-force_detach", ["attachment_id": text(things.attachment), "connector": nil], "admin"),
      act(volume, "os-initialize_connection", ["connector": ["host": "h"]]),
      act(volume, "os-terminate_connection", ["connector": ["host": "h"]]),
    ]
    return volumes + protection(things) + catalogue(things)
  }

  private static func protection(_ things: Things) -> [Operation] {
    func text(_ id: String) -> JSONValue { .string(id) }
    return [
      Operation(
        method: "POST", path: "/snapshots",
        body: [
          "snapshot": [
            "volume_id": text(things.volume), "name": "s", "description": "d", "force": true, "metadata": [:],
          ]
        ],
        references: ["volume_id"]),
      Operation(
        method: "PUT", path: "/snapshots/\(things.snapshot)", body: ["snapshot": ["name": "s", "description": "d"]]),
      Operation(
        method: "POST", path: "/snapshots/\(things.snapshot)/action",
        body: ["os-reset_status": ["status": "available"]],
        token: "admin"),
      Operation(
        method: "POST", path: "/snapshots/\(things.snapshot)/action",
        body: ["os-update_snapshot_status": ["status": "available", "progress": "50%"]], token: "admin"),
      Operation(
        method: "POST", path: "/backups",
        body: [
          "backup": [
            "volume_id": text(things.volume), "snapshot_id": text(things.snapshot), "name": "b", "description": "d",
            "container": "c", "incremental": false, "force": true, "metadata": ["a": "b"],
          ]
        ], references: ["volume_id", "snapshot_id"]),
      Operation(
        method: "PUT", path: "/backups/\(things.backup)", body: ["backup": ["name": "b", "metadata": ["a": "b"]]]),
      Operation(
        method: "POST", path: "/backups/\(things.backup)/restore",
        body: ["restore": ["volume_id": text(things.volume), "name": "n"]], references: ["volume_id"]),
      Operation(
        method: "POST", path: "/backups/\(things.backup)/action", body: ["os-reset_status": ["status": "available"]],
        token: "admin"),
      Operation(
        method: "POST", path: "/backups/import_record",
        body: ["backup-record": ["backup_service": "s", "backup_url": "u"]], token: "admin"),
      Operation(
        method: "POST", path: "/volume-transfers",
        body: ["transfer": ["volume_id": text(things.volume), "name": "t", "no_snapshots": false]],
        references: ["volume_id"]),
      Operation(
        method: "POST", path: "/volume-transfers/\(things.transfer)/accept", body: ["accept": ["auth_key": "wrong"]]),
      Operation(
        method: "POST", path: "/attachments",
        body: [
          "attachment": [
            "volume_uuid": text(things.volume), "instance_uuid": text(things.image), "connector": ["host": "h"],
            "mode": "rw",
          ]
        ], references: ["volume_uuid"]),
      Operation(
        method: "PUT", path: "/attachments/\(things.attachment)", body: ["attachment": ["connector": ["host": "h"]]]),
      Operation(
        method: "POST", path: "/groups",
        body: [
          "group": [
            "group_type": text(things.groupType), "volume_types": ["__DEFAULT__"], "name": "g", "description": "d",
            "availability_zone": "nova",
          ]
        ], references: ["group_type"]),
      Operation(
        method: "PUT", path: "/groups/\(things.group)",
        body: ["group": ["name": "g", "description": "d", "add_volumes": "", "remove_volumes": ""]]),
      Operation(
        method: "POST", path: "/groups/action",
        body: ["create-from-src": ["group_snapshot_id": text(things.groupSnapshot), "name": "g"]],
        references: ["group_snapshot_id"]),
      Operation(
        method: "POST", path: "/groups/\(things.group)/action", body: ["delete": ["delete-volumes": false]]),
      Operation(
        method: "POST", path: "/group_snapshots",
        body: ["group_snapshot": ["group_id": text(things.group), "name": "s", "description": "d"]],
        references: ["group_id"]),
      Operation(
        method: "POST", path: "/consistencygroups",
        body: ["consistencygroup": ["volume_types": "__DEFAULT__", "name": "c", "description": "d"]],
        references: ["volume_types"]),
      Operation(
        method: "POST", path: "/consistencygroups/create_from_src",
        body: ["consistencygroup-from-src": ["cgsnapshot_id": text(things.groupSnapshot), "name": "c"]],
        references: ["cgsnapshot_id"]),
      Operation(
        method: "POST", path: "/cgsnapshots",
        body: ["cgsnapshot": ["consistencygroup_id": text(things.group), "name": "s"]],
        references: ["consistencygroup_id"]),
    ]
  }

  private static func catalogue(_ things: Things) -> [Operation] {
    let type = "/types/\(things.type)"
    func admin(_ method: String, _ path: String, _ body: JSONValue, _ refs: [String] = []) -> Operation {
      Operation(method: method, path: path, body: body, token: "admin", references: refs)
    }
    let host: JSONValue = "node@files#files"
    return [
      admin(
        "POST", "/types",
        ["volume_type": ["name": "x", "description": "d", "os-volume-type-access:is_public": true, "extra_specs": [:]]]),
      admin("PUT", type, ["volume_type": ["name": "t", "description": "d", "is_public": true]]),
      admin("POST", type + "/extra_specs", ["extra_specs": ["a": "b"]]),
      admin(
        "POST", type + "/encryption",
        ["encryption": ["provider": "luks", "control_location": "front-end", "cipher": "c", "key_size": 256]]),
      admin("POST", type + "/action", ["addProjectAccess": ["project": "p"]]),
      admin(
        "PUT", "/default-types/\(TestVerifier.otherProject)", ["default_type": ["volume_type": "t"]], ["volume_type"]),
      admin("POST", "/qos-specs", ["qos_specs": ["name": "q2", "consumer": "front-end", "read_iops_sec": "5"]]),
      admin("PUT", "/qos-specs/\(things.qos)", ["qos_specs": ["consumer": "front-end", "read_iops_sec": "5"]]),
      admin(
        "PUT", "/os-quota-sets/\(TestVerifier.otherProject)",
        ["quota_set": ["volumes": 5, "gigabytes": 50, "per_volume_gigabytes": 5]]),
      admin("PUT", "/os-quota-class-sets/default", ["quota_class_set": ["snapshots": 100_000]]),
      admin(
        "POST", "/group_types",
        ["group_type": ["name": "g2", "description": "d", "is_public": true, "group_specs": [:]]]),
      admin("PUT", "/group_types/\(things.groupType)", ["group_type": ["name": "gt", "is_public": true]]),
      admin("POST", "/group_types/\(things.groupType)/group_specs", ["group_specs": ["a": "b"]]),
      admin(
        "POST", "/manageable_volumes",
        ["volume": ["host": host, "ref": ["source-name": "none"], "name": "n", "volume_type": "t", "bootable": false]]),
      admin(
        "POST", "/manageable_snapshots",
        ["snapshot": ["volume_id": .string(things.volume), "ref": ["source-name": "none"], "name": "n"]], ["volume_id"]),
    ]
  }
}
