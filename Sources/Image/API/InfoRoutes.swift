import API
import Kit
import Store

extension ImageService {
  var versionRoutes: [Route] {
    let choices: Handler = { call in .json(Self.versions(call), status: 300) }
    return [
      Route("GET", "/", .open, choices), Route("GET", "/v2", .open, choices),
      Route("GET", "/versions", .open) { call in .json(Self.versions(call)) },
    ]
  }

  private static func versions(_ call: Call) -> JSONValue {
    let versions = (0...18).reversed().map { minor -> JSONValue in
      [
        "id": .string("v2.\(minor)"), "status": minor == 18 ? "CURRENT" : "SUPPORTED",
        "links": [["rel": "self", "href": .string(call.baseURL + "/v2/")]],
      ]
    }
    return ["versions": .array(versions)]
  }

  var infoRoutes: [Route] {
    [
      Route("GET", "/v2/info/import", Policy("info_import", .authenticated)) { _ in
        .json([
          "import-methods": [
            "description": "Import methods available.", "type": "array", "value": .strings(Self.importMethods),
          ]
        ])
      },
      Route("GET", "/v2/info/stores", Policy("info_stores", .authenticated)) { _ in
        .json(["stores": [["id": .string(Self.storeID), "default": "true"]]])
      },
      Route("GET", "/v2/info/stores/detail", Policy("stores_info_detail", .service)) { [self] _ in
        .json([
          "stores": [
            [
              "id": .string(Self.storeID), "type": "file", "default": "true", "weight": 0,
              "description": "Content-addressed files", "properties": ["data_dir": .string(blobs.blobs)],
            ]
          ]
        ])
      },
      Route("GET", "/v2/info/usage", Policy("info_usage", .authenticated)) { [self] call in
        let project = try call.auth.projectID
        let usage = try await database.read { tx in try Self.usage(project, tx: tx) }
        return .json(["usage": usage])
      },
    ]
  }

  /// What a project uses, in the terms of upstream's unified limits: sizes in MiB. There are no limits (-1).
  private static func usage(_ project: String, tx: any Transaction) throws -> JSONValue {
    let row = try tx.first(
      """
      SELECT COALESCE(SUM(size), 0) AS total, COUNT(*) AS amount, COALESCE(SUM(staged_size), 0) AS staged,
      SUM(CASE WHEN status IN ('saving', 'uploading', 'importing') THEN 1 ELSE 0 END) AS uploading
      FROM image WHERE owner = \(project)
      """)
    func entry(_ usage: Int) -> JSONValue { ["limit": -1, "usage": .int(usage)] }
    return [
      "image_size_total": entry((row?.int("total") ?? 0) >> 20), "image_count_total": entry(row?.int("amount") ?? 0),
      "image_stage_total": entry((row?.int("staged") ?? 0) >> 20),
      "image_count_uploading": entry(row?.int("uploading") ?? 0),
    ]
  }
}
