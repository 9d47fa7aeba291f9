import API
import Kit
import Store

/// The metadata of volumes and of snapshots: the same operations on two tables (API reference, Volume metadata).
extension BlockStorageService {
  var metadataRoutes: [Route] {
    metadataRoutes(.volume, "/volumes/{id}/metadata", read: "volume:get_volume_metadata", write: "volume_metadata")
      + metadataRoutes(
        .snapshot, "/snapshots/{id}/metadata", read: "volume:get_snapshot_metadata", write: "snapshot_metadata")
  }

  private static let all = Schema.object([Schema.required("metadata", Input.metadata)], additional: .refused)
  private static let one = Schema.object([Schema.required("meta", Input.metadata)], additional: .refused)

  private func metadataRoutes(_ table: Table, _ path: String, read: String, write noun: String) -> [Route] {
    [
      route("GET", path, read, .projectReader) { [self] call in
        let auth = try call.auth
        let metadata = try await database.read { try Self.metadata(table, call, auth, tx: $0) }
        let hash = Self.etag(metadata)
        return .json(
          ["metadata": .texts(metadata)], headers: call.since(3, 15) ? ["ETag": hash] : [:])
      },
      route("POST", path, "volume:create_\(noun)", .projectMember, schema: Self.all) { [self] call in
        try await changeMetadata(table, call) { old in
          old.merging(Input.metadata(call.body["metadata"])) { _, new in new }
        }
      },
      route("PUT", path, "volume:update_\(noun)", .projectMember, schema: Self.all) { [self] call in
        try await changeMetadata(table, call) { _ in Input.metadata(call.body["metadata"]) }
      },
      route("GET", path + "/{key}", read, .projectReader) { [self] call in
        let (auth, key) = (try call.auth, call.parameter("key"))
        return try await self.read { tx in
          guard let value = try Self.metadata(table, call, auth, tx: tx)[key] else { throw Self.noKey(key) }
          return ["meta": .texts([key: value])]
        }
      },
      route("PUT", path + "/{key}", "volume:update_\(noun)", .projectMember, schema: Self.one) { [self] call in
        let (key, meta) = (call.parameter("key"), Input.metadata(call.body["meta"]))
        guard meta.count == 1, let value = meta[key] else {
          throw Fault.badRequest("Request body and URI mismatch")
        }
        _ = try await changeMetadata(table, call) { $0.merging([key: value]) { _, new in new } }
        return .json(["meta": .texts([key: value])])
      },
      route("DELETE", path + "/{key}", "volume:delete_\(noun)", .projectMember) { [self] call in
        let key = call.parameter("key")
        _ = try await changeMetadata(table, call) { old in
          guard old[key] != nil else { throw Self.noKey(key) }
          return old.filter { $0.key != key }
        }
        return .empty(200)
      },
    ]
  }

  private static func noKey(_ key: String) -> Fault {
    .notFound("Metadata item with key \(key.prefix(80)) was not found.")
  }
  private static func row(_ table: Table, _ call: Call, _ auth: AuthContext, tx: any Transaction) throws -> Row {
    table.name == Table.volume.name
      ? try VolumeStore.require(call.parameter("id"), auth, tx: tx).row
      : try SnapshotStore.require(call.parameter("id"), auth, tx: tx)
  }
  private static func metadata(
    _ table: Table, _ call: Call, _ auth: AuthContext, tx: any Transaction
  ) throws -> [String: String] { try row(table, call, auth, tx: tx).texts("metadata") }

  private func changeMetadata(
    _ table: Table, _ call: Call, _ change: @escaping @Sendable ([String: String]) throws -> [String: String]
  ) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    let wanted = call.since(3, 15) ? call.http.headers["If-Match"] : nil
    let result = try await database.write { tx -> [String: String] in
      let row = try Self.row(table, call, auth, tx: tx)
      let old = row.texts("metadata")
      if let wanted, wanted != "*", !wanted.contains(Self.etag(old)) {
        throw Fault(412, "The metadata has changed: its ETag is not the one of If-Match.")
      }
      let new = try change(old)
      guard new.count <= 128 else { throw Fault(413, "A resource has at most 128 metadata items.") }
      guard !["uploading", "migrating", "restoring-backup"].contains(row.status) else {
        throw Volume.invalid("Metadata cannot change while the status is \(row.status).")
      }
      try table.set(row.id, ["metadata": JSONValue.texts(new), "updated_at": now], tx: tx)
      return new
    }
    return .json(["metadata": .texts(result)], headers: call.since(3, 15) ? ["ETag": Self.etag(result)] : [:])
  }

  /// A tag that changes with the content.
  private static func etag(_ metadata: [String: String]) -> String { Digest.hex(JSONValue.texts(metadata).bytes) }
}
