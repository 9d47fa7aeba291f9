import API
import Kit

/// What the service speaks (API reference, API versions). No token is needed.
enum VersionRoutes {
  static func routes(_ dependencies: ComputeDependencies) -> [Route] {
    [
      Route("GET", "/", .open) { call in
        .json(["versions": [.object(summary(call, isOld: true)), .object(summary(call, isOld: false))]])
      },
      Route("GET", "/v2.1", .open) { call in
        let isOld = call.http.path.split(separator: "/").first == "v2"
        var version = summary(call, isOld: isOld)
        version["links"] = .array(
          (version["links"]?.array ?? []) + [
            ["rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"]
          ])
        version["media-types"] = [
          [
            "base": "application/json",
            "type": .string("application/vnd.openstack.compute+json;version=\(isOld ? "2" : "2.1")"),
          ]
        ]
        return .json(["version": .object(version)])
      },
    ]
  }

  private static func summary(_ call: Call, isOld: Bool) -> JSONObject {
    let support = ComputeVersions.support
    return [
      "id": isOld ? "v2.0" : "v2.1", "status": isOld ? "DEPRECATED" : "CURRENT",
      "version": isOld ? "" : .string(support.max.description),
      "min_version": isOld ? "" : .string(support.min.description),
      "updated": isOld ? "2025-07-04T12:00:00Z" : "2013-07-23T11:33:21Z",
      "links": [["rel": "self", "href": .string("\(call.baseURL)/\(isOld ? "v2" : "v2.1")/")]],
    ]
  }
}
