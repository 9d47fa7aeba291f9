import API
import Kit
import TestKit
import Testing

@testable import Network

struct NetworkAPITests {
  @Test(arguments: TestKit.transcripts())
  func transcript(_ path: String) async throws {
    let cloud = try await NetworkHarness()
    let router = cloud.router
    let problems = try await Transcript(path: path).run { await router.respond($0) }
    #expect(problems.isEmpty, "\(problems.joined(separator: "\n"))")
  }

  @Test func thereAreTranscripts() { #expect(!TestKit.transcripts().isEmpty) }

  /// Every route refuses strangers, and no garbage makes any of them answer with a 5xx.
  @Test func noRouteBreaks() async throws {
    let cloud = try await NetworkHarness()
    let bodies: [JSONValue?] = [
      nil, [:], [], "x", ["network": 1], ["port": ["network_id": 5]], ["router": ["routes": "x"]], ["tags": [1]],
      ["quota": ["network": "many"]], ["subnet_id": 7], ["prefixes": ["x"]], ["network_id": "x"],
    ]
    for route in cloud.router.api.routes where route.policy.name != "open" {
      let path = route.pattern.replacing("{id}", with: NetworkHarness.missing).replacing("{tag}", with: "t")
        .replacing("{alias}", with: "nope").replacing("{object_id}", with: NetworkHarness.missing)
      #expect(try await cloud.send(route.method, path, [:], as: "expired").status == 401, "\(route.method) \(path)")
      for token in ["member", "admin", "norole", "reader", "system-admin", "service"] {
        for body in bodies {
          let answer = try await cloud.send(route.method, path, body, as: token)
          #expect(answer.status < 500, "\(route.method) \(path) \(body?.text ?? "") as \(token): \(answer)")
        }
      }
      let changing = route.method != "GET"
      let reader = try await cloud.send(route.method, path, [:], as: "reader")
      if changing { #expect(reader.status == 403, "\(route.method) \(path) as reader: \(reader)") }
      #expect(try await cloud.send(route.method, path, [:], as: "norole").status != 200 || path.contains("extensions"))
    }
  }

  /// Bad values are refused by name, and change nothing.
  @Test(arguments: BadInput.cases)
  func badInputIsRefused(_ bad: BadInput) async throws {
    let cloud = try await NetworkHarness()
    let (network, subnet) = try await cloud.network()
    let other = try await cloud.network(as: "other-member")
    let router = try await cloud.make("routers", "router", [:])["id"]?.string ?? ""
    let group = try await cloud.make("security-groups", "security_group", ["name": "g"])["id"]?.string ?? ""
    let port = try await cloud.port(network)["id"]?.string ?? ""
    let before = try await Self.counts(cloud)
    func fill(_ text: String) -> String {
      text.replacing("$net", with: network).replacing("$sub", with: subnet).replacing("$foreign", with: other.network)
        .replacing("$theirs", with: other.subnet).replacing("$router", with: router).replacing("$group", with: group)
        .replacing("$port", with: port).replacing("$none", with: NetworkHarness.missing)
        .replacing("$long", with: String(repeating: "n", count: 256))
    }
    let body = try bad.body.map { try JSONParser.parse(fill($0)) }
    let answer = try await cloud.send(bad.method, "/v2.0/" + fill(bad.path), body, as: bad.token)
    #expect(answer.status == bad.status, "\(bad): \(answer)")
    if bad.status != 401 {
      #expect(answer.body["NeutronError"]?["message"]?.string?.isEmpty == false)
      if let kind = bad.kind { #expect(answer.body["NeutronError"]?["type"]?.string == kind, "\(bad): \(answer)") }
    }
    #expect(try await Self.counts(cloud) == before)
  }

  private static func counts(_ cloud: NetworkHarness) async throws -> [Int] {
    try await cloud.database.read { tx in
      try [
        "network", "network_subnet", "network_port", "network_allocation", "network_router", "network_floating_ip",
        "network_security_group", "network_security_rule", "network_rbac", "network_quota", "network_subnetpool",
      ].map { try tx.count("SELECT COUNT(*) FROM \(raw: $0)") }
    }
  }
}

/// One bad request: `$net`, `$sub`, `$port`, `$router` and `$group` are the caller's; `$foreign` and `$theirs` another
/// project's network and subnet; `$none` is nobody's.
struct BadInput: Sendable, CustomTestStringConvertible {
  let method: String
  let path: String
  let body: String?
  let status: Int
  let kind: String?
  let token: String
  init(
    _ method: String, _ path: String, _ body: String?, _ status: Int, _ kind: String? = nil, as token: String = "member"
  ) {
    (self.method, self.path, self.body, self.status) = (method, path, body, status)
    (self.kind, self.token) = (kind, token)
  }
  var testDescription: String { "\(method) \(path) \(body?.prefix(120) ?? "") → \(status)" }

  static let cases: [BadInput] = networks + subnets + ports + routers + groups + others

  private static let networks = [
    BadInput("POST", "networks", #"{"network": {"name": "$long"}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"name": 5}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"colour": "red"}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"id": "$none"}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"admin_state_up": "perhaps"}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"mtu": -1}}"#, 400),
    BadInput("PUT", "networks/$net", #"{"network": {"mtu": 67}}"#, 409, "NetworkMTUSubnetConflict"),
    BadInput("POST", "networks", #"{"network": {"mtu": 9000}}"#, 400, "InvalidInput"),
    BadInput("POST", "networks", #"{"network": {"dns_domain": "-x-."}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"tags": ["a"]}}"#, 400),
    BadInput("POST", "networks", #"{"network": {"availability_zone_hints": ["mars"]}}"#, 404),
    BadInput("POST", "networks", #"{"network": {"shared": true}}"#, 403),
    BadInput("POST", "networks", #"{"network": {"router:external": true}}"#, 403),
    BadInput("POST", "networks", #"{"network": {"provider:network_type": "vxlan"}}"#, 403),
    BadInput("POST", "networks", #"{"network": {"provider:network_type": "tin"}}"#, 400, as: "admin"),
    BadInput("POST", "networks", #"{"network": {"provider:segmentation_id": 7}}"#, 400, as: "admin"),
    BadInput("POST", "networks", #"{"networks": []}"#, 400), BadInput("POST", "networks", #"{"networks": [1]}"#, 400),
    BadInput("PUT", "networks/$foreign", #"{"network": {"name": "x"}}"#, 404, "NetworkNotFound"),
    BadInput("PUT", "networks/$net", #"{"network": {"status": "DOWN"}}"#, 400),
    BadInput("GET", "networks/$foreign", nil, 404, "NetworkNotFound"),
    BadInput("DELETE", "networks/$foreign", nil, 404, "NetworkNotFound"),
    BadInput("DELETE", "networks/$net", nil, 409, "NetworkInUse"),
    BadInput("GET", "networks?colour=red", nil, 400), BadInput("GET", "networks?limit=-1", nil, 400),
    BadInput("GET", "networks?sort_key=colour", nil, 400), BadInput("GET", "networks?marker=$none&limit=1", nil, 400),
    BadInput("GET", "networks?admin_state_up=maybe", nil, 400),
  ]
  private static let subnets = [
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "ip_version": 4}}"#, 400, "BadRequest"),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24"}}"#, 400),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$none", "cidr": "10.1.0.0/24", "ip_version": 4}}"#, 404,
      "NetworkNotFound"),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$foreign", "cidr": "10.1.0.0/24", "ip_version": 4}}"#, 404),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.0.0.128/25", "ip_version": 4}}"#, 400,
      "InvalidInput"),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 6}}"#, 400,
      "InvalidInput"),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 5}}"#, 400),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/33", "ip_version": 4}}"#, 400),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/31", "ip_version": 4}}"#, 400),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "0.0.0.0/0", "ip_version": 4}}"#, 400),
    BadInput("POST", "subnets", #"{"subnet": {"network_id": "$net", "cidr": "224.0.0.0/24", "ip_version": 4}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "10.1.0.255"}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "gateway_ip": "fd00::1"}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "dns_nameservers": ["x"]}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "dns_nameservers": ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4","1.1.1.5","1.1.1.6"]}}"#,
      400, "DNSNameServersExhausted"),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "host_routes": [{"destination": "10.9.0.0/24"}]}}"#,
      400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "ipv6_ra_mode": "slaac"}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "fd00:1::/64", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}}"#,
      400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "fd00:1::/80", "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}}"#,
      400),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$net", "subnetpool_id": "$none", "ip_version": 4}}"#, 404,
      "SubnetPoolNotFound"),
    BadInput(
      "POST", "subnets", #"{"subnet": {"network_id": "$net", "use_default_subnetpool": true, "ip_version": 4}}"#, 400),
    BadInput(
      "POST", "subnets",
      #"{"subnet": {"network_id": "$net", "cidr": "10.1.0.0/24", "ip_version": 4, "allocation_pools": null}}"#, 400),
    BadInput("PUT", "subnets/$sub", #"{"subnet": {"cidr": "10.2.0.0/24"}}"#, 400),
    BadInput(
      "PUT", "subnets/$sub", #"{"subnet": {"gateway_ip": "10.0.0.7"}}"#, 409, "GatewayConflictWithAllocationPools"),
    BadInput("PUT", "subnets/$theirs", #"{"subnet": {"name": "x"}}"#, 404, "SubnetNotFound"),
    BadInput("DELETE", "subnets/$sub", nil, 409, "SubnetInUse"), BadInput("DELETE", "subnets/$theirs", nil, 404),
  ]
  private static let ports = [
    BadInput("POST", "ports", #"{"port": {}}"#, 400), BadInput("POST", "ports", #"{"port": {"network_id": "x"}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$none"}}"#, 404, "NetworkNotFound"),
    BadInput("POST", "ports", #"{"port": {"network_id": "$foreign"}}"#, 404, "NetworkNotFound"),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "mac_address": "zz:00:00:00:00:01"}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{"ip_address": "10.0.0.300"}]}}"#, 400),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{"ip_address": "10.7.0.3"}]}}"#, 400,
      "InvalidIpForNetwork"),
    BadInput(
      "POST", "ports",
      #"{"port": {"network_id": "$net", "fixed_ips": [{"ip_address": "10.7.0.3", "subnet_id": "$sub"}]}}"#, 400,
      "InvalidIpForSubnet"),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{"ip_address": "10.0.0.2"}]}}"#, 409,
      "IpAddressAlreadyAllocated"),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{"subnet_id": "$none"}]}}"#, 404,
      "SubnetNotFound"),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{"subnet_id": "$theirs"}]}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": [{}]}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "fixed_ips": 7}}"#, 400),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "security_groups": ["$none"]}}"#, 404, "SecurityGroupNotFound"),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "security_groups": ["x"]}}"#, 400),
    BadInput(
      "POST", "ports",
      #"{"port": {"network_id": "$net", "port_security_enabled": false, "security_groups": ["$group"]}}"#, 400),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "allowed_address_pairs": [{"ip_address": "x"}]}}"#, 400),
    BadInput(
      "POST", "ports", #"{"port": {"network_id": "$net", "allowed_address_pairs": [{"ip_address": "224.0.0.1"}]}}"#, 400
    ),
    BadInput(
      "POST", "ports",
      #"{"port": {"network_id": "$net", "port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}]}}"#,
      409),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "extra_dhcp_opts": [{"opt_name": ""}]}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "binding:host_id": "node1"}}"#, 403),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "binding:vnic_type": "wool"}}"#, 400),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net", "dns_name": "a b"}}"#, 400),
    BadInput("PUT", "ports/$port", #"{"port": {"network_id": "$net"}}"#, 400),
    BadInput("PUT", "ports/$port", #"{"port": {"security_groups": ["$none"]}}"#, 404),
    BadInput(
      "PUT", "ports/$port", #"{"port": {"port_security_enabled": false}}"#, 409, "PortSecurityPortHasSecurityGroup"),
    BadInput("PUT", "ports/$none", #"{"port": {"name": "x"}}"#, 404, "PortNotFound"),
    BadInput("GET", "ports?fixed_ips=colour", nil, 400),
    BadInput("GET", "ports/$port", nil, 404, "PortNotFound", as: "other-member"),
    BadInput("DELETE", "ports/$port", nil, 404, "PortNotFound", as: "other-member"),
    BadInput("POST", "ports", #"{"port": {"network_id": "$net"}}"#, 403, as: "reader"),
  ]
  private static let routers = [
    BadInput("POST", "routers", #"{"router": {"external_gateway_info": {"network_id": "$net"}}}"#, 400, "BadRequest"),
    BadInput(
      "POST", "routers", #"{"router": {"external_gateway_info": {"network_id": "$none"}}}"#, 404, "NetworkNotFound"),
    BadInput("POST", "routers", #"{"router": {"external_gateway_info": {"colour": 1}}}"#, 400),
    BadInput("POST", "routers", #"{"router": {"distributed": true}}"#, 403),
    BadInput("POST", "routers", #"{"router": {"routes": []}}"#, 400),
    BadInput(
      "PUT", "routers/$router", #"{"router": {"routes": [{"destination": "10.9.0.0/24", "nexthop": "10.8.0.1"}]}}"#,
      400, "InvalidRoutes"),
    BadInput("PUT", "routers/$router/add_router_interface", #"{}"#, 400, "BadRequest"),
    BadInput("PUT", "routers/$router/add_router_interface", #"{"subnet_id": "x"}"#, 400),
    BadInput("PUT", "routers/$router/add_router_interface", #"{"subnet_id": "$sub", "port_id": "$port"}"#, 400),
    BadInput("PUT", "routers/$router/add_router_interface", #"{"subnet_id": "$none"}"#, 404, "SubnetNotFound"),
    BadInput("PUT", "routers/$router/add_router_interface", #"{"subnet_id": "$theirs"}"#, 404, "SubnetNotFound"),
    BadInput("PUT", "routers/$router/add_router_interface", #"{"port_id": "$none"}"#, 404, "PortNotFound"),
    BadInput("PUT", "routers/$router/remove_router_interface", #"{"subnet_id": "$sub"}"#, 404),
    BadInput("PUT", "routers/$none/add_router_interface", #"{"subnet_id": "$sub"}"#, 404, "RouterNotFound"),
    BadInput("PUT", "routers/$router/add_extraroutes", #"{"router": {}}"#, 400),
    BadInput("POST", "floatingips", #"{"floatingip": {}}"#, 400),
    BadInput("POST", "floatingips", #"{"floatingip": {"floating_network_id": "$net"}}"#, 400, "BadRequest"),
    BadInput("POST", "floatingips", #"{"floatingip": {"floating_network_id": "$none"}}"#, 404, "NetworkNotFound"),
    BadInput("GET", "floatingips/$none", nil, 404, "FloatingIPNotFound"),
  ]
  private static let groups = [
    BadInput(
      "POST", "security-groups", #"{"security_group": {"name": "default"}}"#, 409, "SecurityGroupDefaultAlreadyExists"),
    BadInput("PUT", "security-groups/$group", #"{"security_group": {"name": "default"}}"#, 409),
    BadInput("POST", "security-group-rules", #"{"security_group_rule": {"direction": "ingress"}}"#, 400),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$none", "direction": "ingress"}}"#, 404),
    BadInput(
      "POST", "security-group-rules", #"{"security_group_rule": {"security_group_id": "$group", "direction": "up"}}"#,
      400),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "nope"}}"#, 400,
      "SecurityGroupRuleInvalidProtocol"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 79}}"#,
      400, "SecurityGroupInvalidPortRange"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "tcp", "port_range_min": -1, "port_range_max": 79}}"#,
      400, "SecurityGroupInvalidPortValue"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "port_range_min": 1, "port_range_max": 2}}"#,
      400, "SecurityGroupProtocolRequiredWithPorts"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "icmp", "port_range_max": 2}}"#,
      400, "SecurityGroupMissingIcmpType"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "protocol": "gre", "port_range_min": 1, "port_range_max": 2}}"#,
      400),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "ethertype": "IPX"}}"#, 400),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"}}"#,
      400, "SecurityGroupRuleParameterConflict"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "remote_ip_prefix": "10.0.0.0/40"}}"#,
      400, "InvalidCIDR"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "remote_group_id": "bad"}}"#,
      404),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress", "remote_group_id": "$group", "remote_ip_prefix": "10.0.0.0/8"}}"#,
      400),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "egress"}}"#, 409,
      "SecurityGroupRuleExists"),
    BadInput(
      "POST", "security-group-rules",
      #"{"security_group_rule": {"security_group_id": "$group", "direction": "ingress"}}"#, 404, as: "other-member"),
    BadInput("GET", "security-groups/$group", nil, 404, "SecurityGroupNotFound", as: "other-member"),
  ]
  private static let others = [
    BadInput(
      "POST", "rbac-policies",
      #"{"rbac_policy": {"object_type": "soup", "object_id": "$net", "target_tenant": "*", "action": "access_as_shared"}}"#,
      400),
    BadInput(
      "POST", "rbac-policies",
      #"{"rbac_policy": {"object_type": "network", "object_id": "$net", "target_tenant": "*", "action": "access_as_shared"}}"#,
      403),
    BadInput(
      "POST", "rbac-policies",
      #"{"rbac_policy": {"object_type": "network", "object_id": "$net", "target_tenant": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "action": "eat"}}"#,
      400),
    BadInput(
      "POST", "rbac-policies",
      #"{"rbac_policy": {"object_type": "network", "object_id": "$foreign", "target_tenant": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "action": "access_as_shared"}}"#,
      404),
    BadInput(
      "POST", "subnetpools", #"{"subnetpool": {"name": "p", "prefixes": []}}"#, 400, "EmptySubnetPoolPrefixList"),
    BadInput(
      "POST", "subnetpools", #"{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8", "fd00::/48"]}}"#, 400,
      "PrefixVersionMismatch"),
    BadInput(
      "POST", "subnetpools",
      #"{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 28, "max_prefixlen": 20}}"#, 400),
    BadInput(
      "POST", "subnetpools", #"{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "address_scope_id": "$none"}}"#,
      404),
    BadInput("PUT", "quotas/x", #"{"quota": {"network": 1}}"#, 403),
    BadInput("PUT", "quotas/x", #"{"quota": {"network": -2}}"#, 400, as: "admin"),
    BadInput("PUT", "quotas/x", #"{"quota": {"soup": 1}}"#, 400, as: "admin"),
    BadInput("GET", "quotas/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", nil, 403),
    BadInput("DELETE", "quotas/x", nil, 404, as: "admin"),
    BadInput("PUT", "networks/$net/tags", #"{"tags": ["a", "a"]}"#, 400),
    BadInput("PUT", "networks/$net/tags", #"{"tags": "a"}"#, 400),
    BadInput("GET", "networks/$net/tags/none", nil, 404, "TagNotFound"),
    BadInput("DELETE", "networks/$net/tags/none", nil, 404),
    BadInput("PUT", "networks/$foreign/tags/x", nil, 404), BadInput("GET", "agents", nil, 403),
    BadInput("GET", "extensions/nope", nil, 404), BadInput("GET", "soup", nil, 404),
    BadInput("PATCH", "networks", "{}", 405),
    BadInput("POST", "metering/metering-labels", #"{"metering_label": {"name": "x"}}"#, 403),
  ]
}
