import API
import Kit
import Logs
import Store

/// What the service says of itself: versions, zones, extensions, pools, filters (API reference).
extension BlockStorageService {
  static let microversions = MicroversionSupport(service: "volume", min: Microversion(3, 0), max: Microversion(3, 71))

  var versionRoutes: [Route] {
    [
      Route("GET", "/", .open) { call in .json(["versions": [Self.version(call)]], status: 300) },
      Route("GET", "/v3", .open) { call in .json(["versions": [Self.version(call)]]) },
    ]
  }
  private static func version(_ call: Call) -> JSONValue {
    [
      "id": "v3.0", "status": "CURRENT", "version": .string(microversions.max.description),
      "min_version": .string(microversions.min.description), "updated": "2023-08-31T00:00:00Z",
      "links": [
        ["rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"],
        ["rel": "self", "href": .string("\(call.baseURL)/v3/")],
      ],
      "media-types": [
        ["base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"]
      ],
    ]
  }

  private static let extensions: [(alias: String, name: String)] = [
    ("os-admin-actions", "AdminActions"), ("os-availability-zone", "AvailabilityZones"), ("backups", "Backups"),
    ("capabilities", "Capabilities"), ("cgsnapshots", "Cgsnapshots"), ("consistencygroups", "Consistencygroups"),
    ("os-extended-services", "ExtendedServices"),
    ("os-extended-snapshot-attributes", "ExtendedSnapshotAttributes"), ("os-hosts", "Hosts"),
    ("qos-specs", "Qos_specs_manage"), ("os-quota-class-sets", "QuotaClasses"), ("os-quota-sets", "Quotas"),
    ("OS-SCH-HNT", "SchedulerHints"), ("scheduler-stats", "Scheduler_stats"), ("os-services", "Services"),
    ("os-snapshot-actions", "SnapshotActions"), ("os-snapshot-manage", "SnapshotManage"),
    ("os-snapshot-unmanage", "SnapshotUnmanage"), ("os-types-extra-specs", "TypesExtraSpecs"),
    ("os-types-manage", "TypesManage"), ("os-used-limits", "UsedLimits"), ("os-volume-actions", "VolumeActions"),
    ("os-volume-encryption-metadata", "VolumeEncryptionMetadata"),
    ("os-vol-host-attr", "VolumeHostAttribute"), ("os-vol-image-meta", "VolumeImageMetadata"),
    ("os-volume-manage", "VolumeManage"), ("os-vol-mig-status-attr", "VolumeMigStatusAttribute"),
    ("os-vol-tenant-attr", "VolumeTenantAttribute"), ("os-volume-transfer", "VolumeTransfer"),
    ("os-volume-type-access", "VolumeTypeAccess"), ("encryption", "VolumeTypeEncryption"),
    ("os-volume-unmanage", "VolumeUnmanage"),
  ]
  private static func view(_ entry: (alias: String, name: String)) -> JSONValue {
    [
      "alias": .string(entry.alias), "name": .string(entry.name), "description": .string("\(entry.name) of volumes."),
      "updated": "2013-06-27T00:00:00+00:00", "links": [],
    ]
  }

  private static let filters: KeyValuePairs<String, [String]> = [
    "volume": [
      "name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size",
      "created_at", "updated_at", "encryption_key_id", "consumes_quota",
    ],
    "backup": ["name", "status", "volume_id"],
    "snapshot": ["name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"],
    "group_snapshot": ["status", "group_id"],
    "attachment": ["volume_id", "status", "instance_id", "attach_status"],
    "message": ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"],
    "pool": ["name", "volume_type"], "volume_type": ["is_public", "extra_specs"],
  ]

  var infoRoutes: [Route] {
    [
      route("GET", "/os-availability-zone", "volume:availability_zone_list", .authenticated) { [self] _ in
        .json([
          "availabilityZoneInfo": [["zoneName": .string(settings.zone), "zoneState": ["available": true]]]
        ])
      },
      route("GET", "/extensions", "volume:extensions", .authenticated) { _ in
        .json(["extensions": .array(Self.extensions.map(Self.view))])
      },
      route("GET", "/extensions/{alias}", "volume:extensions", .authenticated) { call in
        guard let found = Self.extensions.first(where: { $0.alias == call.parameter("alias") }) else {
          throw Fault.notFound("The extension \(call.parameter("alias").prefix(80)) could not be found.")
        }
        return .json(["extension": Self.view(found)])
      },
      route("GET", "/resource_filters", "volume:resource_filters", .authenticated, since: 33) { call in
        let wanted = call.query["resource"]
        return .json([
          "resource_filters": .array(
            Self.filters.filter { wanted == nil || wanted == $0.key }.map {
              ["resource": .string($0.key), "filters": .strings($0.value)]
            })
        ])
      },
      route("GET", "/scheduler-stats/get_pools", "scheduler_extension:scheduler_stats:get_pools", .admin) {
        [self] in try await pools($0)
      },
      route("GET", "/capabilities/{hostname}", "volume_extension:capabilities", .admin) { [self] in
        try await capabilities($0)
      },
    ]
  }

  private func pools(_ call: Call) async throws -> Reply {
    let isDetailed = Input.flag(.string(call.query["detail"] ?? ""))
    let (name, type) = (call.query["name"], call.since(3, 35) ? call.query["volume_type"] : nil)
    let (auth, now) = (try call.auth, clock.now())
    return try await read { [settings] tx in
      let specs = try type.map { try TypeStore.require($0, auth, tx: tx).texts("extra_specs") }
      let wanted = specs?["volume_backend_name"]
      let pools = try Placing(settings: settings).pools(tx: tx).filter {
        (name == nil || name == settings.hostName($0.backend.name)) && (wanted == nil || wanted == $0.backend.name)
      }
      return [
        "pools": .array(
          pools.map { pool in
            var view: JSONObject = ["name": .string(settings.hostName(pool.backend.name))]
            if isDetailed { view["capabilities"] = .object(pool.capabilities(settings, now: now)) }
            return .object(view)
          })
      ]
    }
  }

  private func capabilities(_ call: Call) async throws -> Reply {
    let host = call.parameter("hostname")
    guard let backend = settings.backend(host: host) else {
      throw Fault.notFound("Service \(host.prefix(80)) could not be found.")
    }
    return .json([
      "namespace": .string("OS::Storage::Capabilities::\(host)"), "vendor_name": "Open Source",
      "volume_backend_name": .string(backend.name), "pool_name": .string(backend.name), "driver_version": "1.0",
      "storage_protocol": "file", "display_name": .string(backend.name),
      "description": .string("Volumes as \(backend.format) files in a folder."), "visibility": "public",
      "replication_targets": [],
      "properties": [
        "compression": ["title": "Compression", "description": "Enables compression.", "type": "boolean"],
        "qos": ["title": "QoS", "description": "Limits that QEMU enforces.", "type": "boolean"],
        "thin_provisioning": [
          "title": "Thin Provisioning", "description": "Files take the space that is written.", "type": "boolean",
        ],
      ],
    ])
  }
}
