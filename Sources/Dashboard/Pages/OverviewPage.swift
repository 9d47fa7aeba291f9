import API
import Kit

/// What a project uses of what it may, and the cloud as a whole.
struct OverviewPage {
  let service: DashboardService
  let visit: Visit

  func project() async throws -> Reply {
    let id = Percent.encode(visit.session.projectID)
    let limits = try await visit.client.get("compute", "/v2.1/limits")["limits"]?["absolute"] ?? .null
    let network = try await visit.client.get("network", "/v2.0/quotas/\(id)/details")["quota"] ?? .null
    let compute: [View] = [
      gauge("Instances", limits["totalInstancesUsed"], limits["maxTotalInstances"]),
      gauge("VCPUs", limits["totalCoresUsed"], limits["maxTotalCores"]),
      gauge("Memory (MiB)", limits["totalRAMUsed"], limits["maxTotalRAMSize"]),
    ]
    let names = [
      ("Networks", "network"), ("Ports", "port"), ("Routers", "router"), ("Floating IPs", "floatingip"),
      ("Security groups", "security_group"),
    ]
    var groups: [View] = [
      ["title": visit.t("Compute"), "gauges": compute],
      [
        "title": visit.t("Network"),
        "gauges": names.map { gauge($0.0, network[$0.1]?["used"], network[$0.1]?["limit"]) },
      ],
    ]
    if let volumes = try await volumes() { groups.append(volumes) }
    let steps: [(String, String, Bool)] = [
      ("Create a network with a subnet", "/project/networks/-/create", (network["network"]?["used"]?.int ?? 0) > 0),
      ("Create a router to the outside", "/project/routers/-/create", (network["router"]?["used"]?.int ?? 0) > 0),
      (
        "Open SSH and ping in a security group", "/project/security-groups",
        (network["security_group"]?["used"]?.int ?? 0) > 1
      ),
      ("Create or import a key pair", "/project/key-pairs", false),
      ("Launch an instance", "/project/launch", (limits["totalInstancesUsed"]?.int ?? 0) > 0),
      ("Give it a floating IP", "/project/floating-ips", (network["floatingip"]?["used"]?.int ?? 0) > 0),
    ]
    return service.page(
      "overview", visit, title: visit.t("Overview"), active: "/project/overview",
      [
        "groups": groups, "isProject": true, "isNew": (limits["totalInstancesUsed"]?.int ?? 0) == 0,
        "steps": steps.map { ["title": visit.t($0.0), "href": $0.1, "done": $0.2] as View },
      ])
  }

  private func volumes() async throws -> View? {
    guard visit.client.has(VolumePanels.service) else { return nil }
    let path = VolumePanels.path(visit.session, "/limits")
    let limits = try await visit.client.get(VolumePanels.service, path)["limits"]?["absolute"] ?? .null
    return [
      "title": visit.t("Volumes"),
      "gauges": [
        gauge("Volumes", limits["totalVolumesUsed"], limits["maxTotalVolumes"]),
        gauge("Snapshots", limits["totalSnapshotsUsed"], limits["maxTotalSnapshots"]),
        gauge("Storage (GiB)", limits["totalGigabytesUsed"], limits["maxTotalVolumeGigabytes"]),
      ],
    ]
  }

  private func gauge(_ title: String, _ used: JSONValue?, _ limit: JSONValue?) -> View {
    let (used, limit) = (used?.int ?? 0, limit?.int ?? -1)
    let percent = limit > 0 ? min(100, used * 100 / limit) : used > 0 && limit == 0 ? 100 : 0
    return [
      "title": visit.t(title), "used": String(used), "limit": limit < 0 ? "∞" : String(limit),
      "ofLimit": limit < 0 ? visit.t("no limit") : "/ \(limit)", "percent": String(percent),
      "tone": percent >= 100 ? "full" : percent >= 80 ? "tight" : "",
    ]
  }

  func admin() async throws -> Reply {
    let statistics = try await visit.client.get(
      "compute", "/v2.1/os-simple-tenant-usage", [("detailed", "0")] + period()
    )
    .list("tenant_usages")
    let names = try await PanelPages.names(
      [Lookup(id: "projects", service: "identity", path: "/v3/projects", collection: "projects")], visit.client,
      visit.session)
    let catalog = try await visit.client.get("identity", "/v3/auth/catalog").list("catalog")
    let hosts = try await visit.client.get("compute", "/v2.1/os-hypervisors/detail").list("hypervisors")
    let servers = try await visit.client.get("compute", "/v2.1/servers", [("all_tenants", "1")]).list("servers")
    let gauges = [
      gauge("Hypervisors", .int(hosts.count), .int(-1)), gauge("Instances", .int(servers.count), .int(-1)),
      gauge("Projects", .int(names.all("projects").count), .int(-1)),
    ]
    func hours(_ usage: JSONValue, _ key: String, per unit: Double = 1) -> String {
      String(Int(((usage[key]?.double ?? 0) / unit).rounded()))
    }
    return service.page(
      "overview", visit, title: visit.t("Overview"), active: "/admin/overview",
      [
        "groups": [["title": visit.t("The whole cloud"), "gauges": gauges] as View], "hasUsage": true,
        "hasSystem": true,
        "usage": statistics.map { usage in
          [
            "project": names.name("projects", usage.text("tenant_id")),
            "servers": String(usage.list("server_usages").count), "vcpus": hours(usage, "total_vcpus_usage"),
            "memory": hours(usage, "total_memory_mb_usage", per: 1024), "disk": hours(usage, "total_local_gb_usage"),
          ] as View
        },
        "system": catalog.map { entry in
          [
            "name": entry.text("name"), "type": entry.text("type"),
            "url": entry.list("endpoints").first?.text("url") ?? "",
          ] as View
        },
      ])
  }

  private func period() -> [(String, String)] {
    let now = service.clock.now()
    let start = Timestamp(seconds: now.seconds - 30 * 86_400)
    func text(_ time: Timestamp) -> String { String(time.iso8601.dropLast()) }
    return [("start", text(start)), ("end", text(now))]
  }
}
