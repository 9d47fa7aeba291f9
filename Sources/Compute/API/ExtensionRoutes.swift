import API
import Kit

/// `/extensions` (API reference, Extensions): what an API without microversions had to announce. An extension is listed
/// when the route that it stands for is served.
enum ExtensionRoutes {
  /// Lists the extensions that `served` has the routes of.
  static func routes(over served: [Route]) -> [Route] {
    let paths = Set(served.map(\.pattern))
    let actions = Set(served.compactMap(\.action))
    let announced = all.filter { entry in
      switch entry.proof {
      case .path(let path): paths.contains("/v2.1/" + path)
      case .action(let action): actions.contains(action)
      }
    }
    let policy = CataloguePolicy.anyone("extensions")
    return [
      Route("GET", "/v2.1/extensions", policy) { call in
        try CatalogueQuery.check(call)
        return .json(["extensions": .array(announced.map(view))])
      },
      Route("GET", "/v2.1/extensions/{alias}", policy) { call in
        try CatalogueQuery.check(call)
        guard let entry = announced.first(where: { $0.alias == call.parameter("alias") }) else {
          throw Fault.notFound("The resource could not be found.")
        }
        return .json(["extension": view(entry)])
      },
    ]
  }

  private enum Proof { case path(String), action(String) }
  private typealias Entry = (alias: String, name: String, description: String, proof: Proof)

  private static func view(_ entry: Entry) -> JSONValue {
    [
      "alias": .string(entry.alias), "name": .string(entry.name), "description": .string(entry.description),
      "namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z", "links": [],
    ]
  }

  private static let all: [Entry] = fields + resources + actions

  /// Members of servers and flavors.
  private static let fields: [Entry] = [
    ("OS-DCF", "DiskConfig", "How a server's disk is partitioned.", .path("servers")),
    ("OS-EXT-AZ", "ExtendedAvailabilityZone", "The availability zone of servers.", .path("servers")),
    ("OS-EXT-IPS", "ExtendedIps", "Whether an address is fixed or floating.", .path("servers")),
    ("OS-EXT-IPS-MAC", "ExtendedIpsMac", "MAC addresses beside IP addresses.", .path("servers")),
    ("OS-EXT-SRV-ATTR", "ExtendedServerAttributes", "Host and other attributes of servers.", .path("servers")),
    ("OS-EXT-STS", "ExtendedStatus", "Power, task and VM state of servers.", .path("servers")),
    ("OS-FLV-DISABLED", "FlavorDisabled", "Whether a flavor is disabled.", .path("flavors")),
    ("OS-FLV-EXT-DATA", "FlavorExtraData", "Ephemeral disks of flavors.", .path("flavors")),
    ("OS-SCH-HNT", "SchedulerHints", "Hints for the scheduler.", .path("servers")),
    ("OS-SRV-USG", "ServerUsage", "When servers were launched and ended.", .path("servers")),
    ("os-access-ips", "AccessIPs", "Addresses by which a server is reached.", .path("servers")),
    ("os-config-drive", "ConfigDrive", "Config drives.", .path("servers")),
    ("os-extended-status", "ExtendedStatus", "Power, task and VM state of servers.", .path("servers")),
    ("os-extended-volumes", "ExtendedVolumes", "Volumes that are attached to servers.", .path("servers")),
    ("os-flavor-rxtx", "FlavorRxtx", "The network share of flavors.", .path("flavors")),
    ("os-flavor-swap", "FlavorSwap", "Swap disks of flavors.", .path("flavors")),
    ("os-multiple-create", "MultipleCreate", "Several servers in one request.", .path("servers")),
    ("os-personality", "Personality", "Files that are put into new servers.", .path("servers")),
    ("os-server-list-multi-status", "ServerListMultiStatus", "Lists of several states.", .path("servers")),
    ("os-server-sort-keys", "ServerSortKeys", "Sorted lists of servers.", .path("servers")),
    ("os-user-data", "UserData", "User data of servers.", .path("servers")),
  ]

  private static let resources: [Entry] = [
    ("os-aggregates", "Aggregates", "Host aggregates.", .path("os-aggregates")),
    (
      "os-assisted-volume-snapshots", "AssistedVolumeSnapshots", "Snapshots with the host's help.",
      .path("os-assisted-volume-snapshots")
    ),
    (
      "os-attach-interfaces", "AttachInterfaces", "Interfaces of servers.",
      .path("servers/{server_id}/os-interface")
    ),
    ("os-availability-zone", "AvailabilityZone", "Availability zones.", .path("os-availability-zone")),
    (
      "os-console-auth-tokens", "ConsoleAuthTokens", "Tokens of consoles.",
      .path("os-console-auth-tokens/{console_token}")
    ),
    ("os-extended-hypervisors", "ExtendedHypervisors", "More about hypervisors.", .path("os-hypervisors")),
    (
      "os-extended-quotas", "ExtendedQuotas", "Forced quotas, and back to the defaults.",
      .path("os-quota-sets/{project_id}")
    ),
    ("os-extended-services", "ExtendedServices", "Why a service is disabled.", .path("os-services")),
    ("os-extended-services-delete", "ExtendedServicesDelete", "Services can be deleted.", .path("os-services")),
    ("os-flavor-access", "FlavorAccess", "Projects of private flavors.", .path("flavors/{flavor_id}/os-flavor-access")),
    (
      "os-flavor-extra-specs", "FlavorExtraSpecs", "Extra specs of flavors.",
      .path("flavors/{flavor_id}/os-extra_specs")
    ),
    ("os-flavor-manage", "FlavorManage", "Flavors can be made and deleted.", .path("flavors")),
    ("os-floating-ip-pools", "FloatingIpPools", "Pools of floating IPs.", .path("os-floating-ip-pools")),
    ("os-floating-ips", "FloatingIps", "Floating IPs.", .path("os-floating-ips")),
    ("os-hosts", "Hosts", "Hosts and their resources.", .path("os-hosts")),
    ("os-hypervisor-status", "HypervisorStatus", "State and status of hypervisors.", .path("os-hypervisors")),
    ("os-hypervisors", "Hypervisors", "Hypervisors.", .path("os-hypervisors")),
    (
      "os-instance-actions", "InstanceActions", "What was done with a server.",
      .path("servers/{server_id}/os-instance-actions")
    ),
    (
      "os-instance_usage_audit_log", "OSInstanceUsageAuditLog", "Audits of usage.",
      .path("os-instance_usage_audit_log")
    ),
    ("os-keypairs", "Keypairs", "Key pairs.", .path("os-keypairs")),
    ("os-migrations", "Migrations", "Migrations of servers.", .path("os-migrations")),
    ("os-networks", "Networks", "Networks.", .path("os-networks")),
    ("os-quota-class-sets", "QuotaClasses", "Limits of quota classes.", .path("os-quota-class-sets/{class_name}")),
    ("os-quota-sets", "Quotas", "Limits of projects.", .path("os-quota-sets/{project_id}")),
    ("os-security-groups", "SecurityGroups", "Security groups.", .path("os-security-groups")),
    (
      "os-server-diagnostics", "ServerDiagnostics", "Figures of a running server.",
      .path("servers/{server_id}/diagnostics")
    ),
    (
      "os-server-external-events", "ServerExternalEvents", "Events from other services.",
      .path("os-server-external-events")
    ),
    ("os-server-group-quotas", "ServerGroupQuotas", "Limits of server groups.", .path("os-server-groups")),
    ("os-server-groups", "ServerGroups", "Server groups.", .path("os-server-groups")),
    (
      "os-server-password", "ServerPassword", "The password that a guest published.",
      .path("servers/{server_id}/os-server-password")
    ),
    ("os-services", "Services", "Services of Compute.", .path("os-services")),
    ("os-simple-tenant-usage", "SimpleTenantUsage", "Usage of projects.", .path("os-simple-tenant-usage")),
    ("os-tenant-networks", "OSTenantNetworks", "Networks of the project.", .path("os-tenant-networks")),
    ("os-used-limits", "UsedLimits", "What is in use of the limits.", .path("limits")),
    ("os-used-limits-for-admin", "UsedLimitsForAdmin", "Limits of other projects.", .path("limits")),
    ("os-user-quotas", "UserQuotas", "Limits of a project's users.", .path("os-quota-sets/{project_id}")),
    ("os-volumes", "Volumes", "Volumes of servers.", .path("servers/{server_id}/os-volume_attachments")),
  ]

  /// Actions of servers.
  private static let actions: [Entry] = [
    ("NMN", "Multinic", "Fixed addresses are added and removed.", .action("addFixedIp")),
    ("os-admin-actions", "AdminActions", "Actions for administrators.", .action("os-resetState")),
    ("os-admin-password", "AdminPassword", "The administrator's password is changed.", .action("changePassword")),
    ("os-console-output", "ConsoleOutput", "The console's log.", .action("os-getConsoleOutput")),
    ("os-consoles", "Consoles", "Consoles.", .action("os-getVNCConsole")),
    ("os-create-backup", "CreateBackup", "Backups of servers.", .action("createBackup")),
    ("os-deferred-delete", "DeferredDelete", "Deleted servers come back.", .action("restore")),
    ("os-evacuate", "Evacuate", "Servers leave a host that is down.", .action("evacuate")),
    ("os-extended-floating-ips", "ExtendedFloatingIps", "A floating IP's fixed address.", .action("addFloatingIp")),
    ("os-extended-rescue-with-image", "ExtendedRescueWithImage", "Rescue by an image.", .action("rescue")),
    ("os-lock-server", "LockServer", "Servers are locked.", .action("lock")),
    ("os-migrate-server", "MigrateServer", "Servers are migrated.", .action("migrate")),
    ("os-pause-server", "PauseServer", "Servers are paused.", .action("pause")),
    ("os-rescue", "Rescue", "Rescue mode.", .action("rescue")),
    ("os-server-start-stop", "ServerStartStop", "Servers are started and stopped.", .action("os-start")),
    ("os-shelve", "Shelve", "Servers are shelved.", .action("shelve")),
    ("os-suspend-server", "SuspendServer", "Servers are suspended.", .action("suspend")),
  ]
}
