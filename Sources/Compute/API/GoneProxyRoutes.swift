import API
import Kit

/// Operations that upstream has removed for good: it answers 410 Gone in every microversion (API reference, Obsolete
/// APIs). Clients that still try them learn that from the status.
enum GoneProxyRoutes {
  static let routes: [Route] = paths.flatMap { path, methods in
    methods.split(separator: " ").map { method in
      Route(String(method), "/v2.1/" + path, Policy("os_compute_api:removed", .authenticated)) { _ in
        throw Fault(410, "This resource is no longer available. No forwarding address is given.")
      }
    }
  }

  private static let paths: [(String, String)] = [
    ("os-agents", "GET POST"), ("os-agents/{agent_build_id}", "PUT DELETE"), ("os-cells", "GET POST"),
    ("os-cells/capacities", "GET"), ("os-cells/detail", "GET"), ("os-cells/info", "GET"),
    ("os-cells/sync_instances", "POST"), ("os-cells/{cell_id}", "GET PUT DELETE"),
    ("os-cells/{cell_id}/capacities", "GET"), ("os-certificates", "POST"), ("os-certificates/{id}", "GET"),
    ("os-cloudpipe", "GET POST"), ("os-cloudpipe/{id}", "PUT"), ("os-fixed-ips/{fixed_ip}", "GET"),
    ("os-fixed-ips/{fixed_ip}/action", "POST"), ("os-floating-ip-dns", "GET"),
    ("os-floating-ip-dns/{domain}", "PUT DELETE"), ("os-floating-ip-dns/{domain}/entries/{name}", "GET PUT DELETE"),
    ("os-floating-ips-bulk", "GET POST"), ("os-floating-ips-bulk/{name}", "GET PUT"), ("os-fping", "GET"),
    ("os-fping/{instance_id}", "GET"), ("os-security-group-default-rules", "GET POST"),
    ("os-security-group-default-rules/{security_group_default_rule_id}", "GET DELETE"),
  ]
}
