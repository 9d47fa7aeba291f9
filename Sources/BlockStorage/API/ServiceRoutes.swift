import API
import Kit
import Logs
import Store

/// The service's parts and hosts: listing, disabling, freezing, log levels (API reference, Services).
extension BlockStorageService {
  private static let target = Schema.object(
    [
      Schema.may("host", .string(1...255)), Schema.may("binary", .optional(.string(1...255))),
      Schema.may("service", .optional(.string(1...255))), Schema.may("disabled_reason", .string(0...255)),
      Schema.may("cluster", .optional(.string(0...255))), Schema.may("backend_id", .optional(.string(0...255))),
    ], additional: .allowed)

  var serviceRoutes: [Route] {
    func update(_ verb: String) -> String { "volume_extension:services:\(verb)" }
    return [
      route("GET", "/os-services", "volume_extension:services:index", .admin) { [self] in try await listServices($0) },
      route("PUT", "/os-services/enable", update("update"), .admin, schema: Self.target) { [self] in
        try await setService($0, isDisabled: false, reason: nil)
      },
      route("PUT", "/os-services/disable", update("update"), .admin, schema: Self.target) { [self] in
        try await setService($0, isDisabled: true, reason: nil)
      },
      route("PUT", "/os-services/disable-log-reason", update("update"), .admin, schema: Self.target) { [self] call in
        let reason = Input.name(call.body["disabled_reason"]) ?? ""
        guard !reason.isEmpty else { throw Fault.badRequest("Missing required element 'disabled_reason'.") }
        return try await setService(call, isDisabled: true, reason: reason)
      },
      route("PUT", "/os-services/freeze", "volume:freeze_host", .admin, schema: Self.target) { [self] in
        try await setFrozen($0, true)
      },
      route("PUT", "/os-services/thaw", "volume:thaw_host", .admin, schema: Self.target) { [self] in
        try await setFrozen($0, false)
      },
      route("PUT", "/os-services/failover_host", "volume:failover_host", .admin, schema: Self.target) { [self] call in
        _ = try volumeHost(call)
        throw Fault.badRequest("The backend does not replicate: there is no host to fail over to.")
      },
      route("PUT", "/os-services/failover", "volume:failover_host", .admin, since: 26, schema: Self.target) {
        [self] call in
        _ = try volumeHost(call)
        throw Fault.badRequest("The backend does not replicate: there is no host to fail over to.")
      },
      route("PUT", "/os-services/get-log", update("update"), .admin, since: 32, body: .json) { [self] in
        try await logLevels($0)
      },
      route(
        "PUT", "/os-services/set-log", update("update"), .admin, since: 32,
        schema: .object([Schema.may("level", .string(1...20))], additional: .allowed)
      ) { [self] in try await setLogLevel($0) },
      route(
        "POST", "/workers/cleanup", "workers:cleanup", .admin, since: 24, schema: .object([], additional: .allowed)
      ) { _ in
        // Nothing is ever left over: interrupted jobs resume by themselves when the process starts.
        .json(["cleaning": [], "unavailable": []], status: 202)
      },
      route("GET", "/os-hosts", "volume_extension:hosts", .admin) { [self] call in
        let service = call.query["service"]
        return try await read { [settings] tx in
          let rows = try Table.service.all("1 = 1", order: "service_binary, host", tx: tx)
          return [
            "hosts": .array(
              rows.filter { service == nil || $0.text("service_binary") == service }.map { row in
                [
                  "host_name": row.optional("host"), "service": row.optional("service_binary"),
                  "zone": .string(settings.zone), "service-status": "available",
                  "service-state": row.bool("disabled") ? "disabled" : "enabled",
                  "last-update": row.time("updated_at"),
                ]
              })
          ]
        }
      },
      route("GET", "/os-hosts/{host}", "volume_extension:hosts", .admin) { [self] in try await showHost($0) },
      route(
        "PUT", "/os-hosts/{host}", "volume_extension:hosts", .admin,
        schema: .object([Schema.required("status", .oneOf(["enable", "disable"]))])
      ) {
        [self] call in
        let isDisabled = call.body["status"]?.string == "disable"
        let host = call.parameter("host")
        return try await write { tx in
          guard try tx.execute("UPDATE bs_service SET disabled = \(isDisabled) WHERE host = \(host)") > 0 else {
            throw Fault.notFound("Host \(host.prefix(80)) could not be found.")
          }
          return ["host": .string(host), "status": isDisabled ? "disabled" : "enabled"]
        }
      },
      route("GET", "/clusters", "clusters:get_all", .admin, since: 7) { _ in .json(["clusters": []]) },
      route("GET", "/clusters/detail", "clusters:get_all", .admin, since: 7) { _ in .json(["clusters": []]) },
      route("GET", "/clusters/{name}", "clusters:get", .admin, since: 7) { throw Self.noCluster($0.parameter("name")) },
      route("PUT", "/clusters/enable", "clusters:update", .admin, since: 7, schema: Self.cluster) {
        throw Self.noCluster($0.body["name"]?.string ?? "")
      },
      route("PUT", "/clusters/disable", "clusters:update", .admin, since: 7, schema: Self.cluster) {
        throw Self.noCluster($0.body["name"]?.string ?? "")
      },
    ]
  }

  private static let cluster = Schema.object([Schema.required("name", .string(1...255))], additional: .allowed)
  private static func noCluster(_ name: String) -> Fault {
    .notFound("Cluster \(name.prefix(80)) could not be found: volume services of this cloud are in no cluster.")
  }

  private func listServices(_ call: Call) async throws -> Reply {
    let (host, binary, now) = (call.query["host"], call.query["binary"] ?? call.query["service"], clock.now())
    return try await read { [settings] tx in
      let rows = try Table.service.all("1 = 1", order: "service_binary, host", tx: tx).filter {
        (host == nil || $0.text("host") == host) && (binary == nil || $0.text("service_binary") == binary)
      }
      return [
        "services": .array(
          rows.map { row in
            let isVolume = row.text("service_binary") == "cinder-volume"
            var view: JSONObject = [
              "binary": row.optional("service_binary"), "host": row.optional("host"), "zone": .string(settings.zone),
              "status": row.bool("disabled") ? "disabled" : "enabled", "state": "up",
              "updated_at": .string(now.iso8601Micros), "disabled_reason": row.optional("reason"),
            ]
            if isVolume {
              view["replication_status"] = "disabled"
              view["active_backend_id"] = .null
              view["frozen"] = .bool(row.bool("frozen"))
              if call.since(3, 49) { view["backend_state"] = "up" }
            }
            if call.since(3, 7) { view["cluster"] = .null }
            return .object(view)
          })
      ]
    }
  }

  private func setService(_ call: Call, isDisabled: Bool, reason: String?) async throws -> Reply {
    let (host, binary) = (call.body["host"]?.string ?? "", call.body["binary"]?.string ?? call.body["service"]?.string)
    guard !host.isEmpty, let binary else { throw Fault.badRequest("Missing required element 'host' or 'binary'.") }
    return try await write { tx in
      let changed = try tx.execute(
        """
        UPDATE bs_service SET disabled = \(isDisabled), reason = \(reason)
        WHERE host = \(host) AND service_binary = \(binary)
        """)
      guard changed > 0 else {
        throw Fault.notFound("Service \(binary.prefix(80)) on \(host.prefix(80)) could not be found.")
      }
      var view: JSONObject = [
        "host": .string(host), "service": .string(binary), "binary": .string(binary), "disabled": .bool(isDisabled),
        "status": isDisabled ? "disabled" : "enabled",
      ]
      if let reason { view["disabled_reason"] = .string(reason) }
      return .object(view)
    }
  }

  private func volumeHost(_ call: Call) throws -> String {
    let host = call.body["host"]?.string ?? ""
    guard settings.backend(host: host) != nil else {
      throw Fault.notFound("Service cinder-volume on \(host.prefix(80)) could not be found.")
    }
    return host
  }
  private func setFrozen(_ call: Call, _ isFrozen: Bool) async throws -> Reply {
    let host = try volumeHost(call)
    return try await write { tx in
      try tx.execute("UPDATE bs_service SET frozen = \(isFrozen) WHERE host = \(host)")
      return .null
    }
  }

  /// Services of the cloud log per service: what is asked for a binary is the level of Block Storage's log.
  private func logLevels(_ call: Call) async throws -> Reply {
    let prefix = call.body["prefix"]?.string ?? ""
    return .json([
      "log_levels": .array(
        try logBinaries(call).map { binary in
          [
            "binary": .string(binary), "host": .string(settings.host),
            "levels": [.init(prefix.isEmpty ? log.service : prefix): .string(log.level.name)],
          ]
        })
    ])
  }
  private func setLogLevel(_ call: Call) async throws -> Reply {
    let text = call.body["level"]?.string ?? ""
    guard let level = LogLevel(name: text) ?? (text.uppercased() == "WARN" ? .warning : nil) else {
      throw Fault.badRequest("Invalid input received: level is '\(text.prefix(20))'.")
    }
    _ = try logBinaries(call)
    log.setLevel(level)
    return .empty(202)
  }
  private func logBinaries(_ call: Call) throws -> [String] {
    let all = ["cinder-volume", "cinder-scheduler", "cinder-backup", "cinder-api"]
    guard let binary = call.body["binary"]?.string, !binary.isEmpty, binary != "*" else { return all }
    guard all.contains(binary) else {
      throw Fault.badRequest("Invalid input received: binary is '\(binary.prefix(40))'.")
    }
    return [binary]
  }

  private func showHost(_ call: Call) async throws -> Reply {
    let host = call.parameter("host")
    return try await read { tx in
      guard try Table.service.count("host = \(host) AND service_binary = 'cinder-volume'", tx: tx) == 1 else {
        throw Fault.notFound("Host \(host.prefix(80)) could not be found.")
      }
      let prefix = host + "#"
      let volumes = try Table.volume.all("INSTR(host, \(prefix)) = 1", tx: tx)
      let snapshots = try Table.snapshot.all("volume_id IN \(list: volumes.map(\.id))", tx: tx)
      func resource(_ project: String, _ volumes: [Row], _ snapshots: [Row]) -> JSONValue {
        [
          "resource": [
            "host": .string(host), "project": .string(project), "volume_count": .string("\(volumes.count)"),
            "total_volume_gb": .string("\(volumes.reduce(0) { $0 + $1.int("size") })"),
            "snapshot_count": .string("\(snapshots.count)"),
            "total_snapshot_gb": .string("\(snapshots.reduce(0) { $0 + $1.int("size") })"),
          ]
        ]
      }
      let parts = Set(volumes.map(\.projectID)).sorted().map { project in
        resource(project, volumes.filter { $0.projectID == project }, snapshots.filter { $0.projectID == project })
      }
      return ["host": .array([resource("(total)", volumes, snapshots)] + parts)]
    }
  }
}
