import API
import Kit
import TestKit
import Testing

@testable import Dashboard

/// Every page of every panel over services whose every text is hostile, so that no page has to be named.
@Suite struct EveryPageTests {
  private static let singles = [
    "server", "volume", "snapshot", "backup", "transfer", "group", "group_snapshot", "volume_type", "qos_specs",
    "group_type", "network", "subnet", "port", "router", "security_group", "floatingip", "address_group", "subnetpool",
    "address_scope", "rbac_policy", "aggregate", "flavor", "hypervisor", "keypair", "server_group", "project", "user",
    "role", "domain", "application_credential", "image", "quota_set", "quota_class_set", "quota", "limits", "absolute",
  ]
  private static let lists = [
    "subnets", "ports", "servers", "images", "projects", "availabilityZoneInfo", "role_assignments", "users", "roles",
    "instanceActions", "members", "volume_type_access", "tenant_usages", "catalog", "security_group_rules",
  ]

  /// A resource of any kind: whatever a page asks it for is hostile.
  private static func hostile(_ status: String) -> JSONObject {
    let text = JSONValue.string(DashboardWorld.hostile)
    var object: JSONObject = [
      "id": "thing-1", "status": .string(status), "size": 1, "owner": .string(TestVerifier.mainProject),
      "project_id": .string(TestVerifier.mainProject), "shared": true, "created_at": text, "updated_at": text,
      "metadata": [DashboardWorld.hostile: text], "extra_specs": [DashboardWorld.hostile: text],
      "specs": [DashboardWorld.hostile: text], "attachments": [["server_id": text, "device": text]],
      "fixed_ips": [["ip_address": text, "subnet_id": text]], "fault": ["message": text, "details": text],
      "hosts": [text], "prefixes": [text], "tags": [text], "keypair": ["name": text, "fingerprint": text],
      "addresses": [DashboardWorld.hostile: [["addr": text]]], "image": ["id": text],
      "flavor": ["original_name": text], "user": ["id": text, "name": text], "role": ["id": text, "name": text],
      "endpoints": [["url": text, "interface": "public"]], "properties": [DashboardWorld.hostile: ["title": text]],
      "policies": [text], "visibility": "shared",
    ]
    for key in [
      "name", "description", "hypervisor_hostname", "host", "zone", "binary", "display_name", "namespace",
      "volume_type",
      "floating_ip_address", "fixed_ip_address", "cidr", "gateway_ip", "mac_address", "device_owner", "agent_type",
      "disabled_reason", "email", "domain_id", "key_name", "fingerprint", "public_key", "consumer", "object_type",
      "action", "target_tenant", "ip_version", "volume_id", "group_id", "availability_zone", "disk_format", "zoneName",
      "message", "request_id", "start_time", "member_id", "policy", "type", "protocol", "remote_ip_prefix",
    ] { object[key] = text }
    return object
  }

  private static func world(_ status: String = "available") throws -> DashboardWorld {
    let thing = JSONValue.object(hostile(status))
    var answer = hostile(status)
    for name in singles where answer[name] == nil || name == "group" { answer[name] = thing }
    for name in lists + Panels.all.map(\.collection) { answer[name] = [thing] }
    let whole = JSONValue.object(answer)
    func routes(_ service: String) -> [Route] {
      (1...8).flatMap { depth -> [Route] in
        let path = (1...depth).map { "/{p\($0)}" }.joined()
        return ["GET", "POST", "PUT", "PATCH", "DELETE"].map { method in
          Route(method, path, Policy(service, .authenticated), body: .optionalJSON) { _ in .json(whole) }
        }
      }
    }
    let services = Set(Panels.all.map(\.service)).union(["placement"])
    return try DashboardWorld(more: Dictionary(uniqueKeysWithValues: services.map { ($0, routes($0)) }))
  }

  private static func check(_ page: DashboardWorld.Page, _ address: String) {
    #expect(page.status == 200, "\(address): \(page.status)")
    #expect(!page.text.contains("<script>"), "\(address)")
    #expect(!page.text.contains("\"'&{{"), "\(address)")
    #expect(page.text.components(separatedBy: "<script").count == 2, "\(address): only our own script")
    #expect(!page.text.contains("javascript:"), "\(address)")
  }

  @Test(arguments: ["available", "ACTIVE"])
  func noTextOfAnyPageIsMarkup(status: String) async throws {
    let world = try Self.world(status)
    await world.signIn("admin")
    for panel in world.service.panels {
      let id = panel.key(.object(Self.hostile(status)))
      Self.check(await world.get(panel.address), panel.address)
      if panel.hasPage, panel.find != nil {
        for tab in [""] + panel.tabs.map({ "?tab=\($0.id)" }) {
          let address = panel.address(of: id) + tab
          Self.check(await world.get(address), address)
        }
      }
      let forms =
        panel.tableActions.filter { $0.href == nil }.map { "\(panel.address)/-/\($0.id)" }
        + (panel.find == nil ? [] : panel.rowActions.filter(\.needsForm).map { "\(panel.address(of: id))/\($0.id)" })
      for address in forms { Self.check(await world.get(address), address) }
    }
    for address in ["/project/overview", "/admin/overview", "/project/launch", "/project/topology", "/settings"] {
      Self.check(await world.get(address), address)
    }
    let q = Percent.encode(String(DashboardWorld.hostile.prefix(12)))
    Self.check(await world.get("/search?q=\(q)"), "search")
  }

  @Test func everyPageNeedsABoundedNumberOfCalls() async throws {
    let world = try Self.world()
    await world.signIn("admin")
    func calls(_ address: String) async -> Int {
      world.calls.withLock { $0 = [] }
      _ = await world.get(address)
      return world.calls.withLock { $0.count }
    }
    for panel in world.service.panels {
      // The list, the projects of the switch, and a list for each kind of name.
      #expect(await calls(panel.address) <= 2 + panel.lookups.count, "\(panel.address)")
      guard panel.hasPage, panel.find != nil else { continue }
      let address = panel.address(of: panel.key(.object(Self.hostile("available"))))
      #expect(await calls(address) <= 8, "\(address)")
    }
    #expect(await calls("/project/overview") <= 5)
    #expect(await calls("/project/topology") <= 8)
    #expect(await calls("/project/launch") <= 14)
    #expect(await calls("/search?q=a") <= 1 + world.service.panels.count)
    #expect(await calls("/settings") <= 1)
  }
}
