/// An extension of the API that clients look for before they use it (API reference, Networking, Extensions).
struct APIExtension: Sendable {
  let alias: String
  let name: String
  let updated: String
  let description: String

  init(_ alias: String, _ name: String, _ updated: String, _ description: String) {
    (self.alias, self.name, self.updated, self.description) = (alias, name, updated, description)
  }

  /// What is served, no more. Aliases and names are upstream's; clients compare them.
  static let all: [APIExtension] = basics + more

  private static let basics: [APIExtension] = [
    APIExtension(
      "address-group", "Address group", "2020-07-15T10:00:00-00:00",
      "Names lists of addresses for security group rules."),
    APIExtension(
      "rbac-address-group", "Add address_group type to RBAC", "2021-01-20T00:00:00-00:00",
      "Shares address groups with chosen projects."),
    APIExtension(
      "security-groups-remote-address-group", "Remote address group id field for security group rules",
      "2020-08-25T10:00:00-00:00", "Rules whose remote end is an address group."),
    APIExtension(
      "aap-reject-multicast", "Allowed address pairs reject multicast extension", "2026-04-01T00:00:00-00:00",
      "Refuses multicast addresses as allowed address pairs."),
    APIExtension(
      "address-scope", "Address scope", "2015-07-26T10:00:00-00:00",
      "Groups subnet pools whose addresses are routed without translation."),
    APIExtension("agent", "agent", "2013-02-03T10:00:00-00:00", "Lists what serves networks on each node."),
    APIExtension("agent_sort_key", "Agents Sort Key", "2013-02-03T10:00:00-00:00", "Sorts the list of agents."),
    APIExtension(
      "allowed-address-pairs", "Allowed Address Pairs", "2013-07-23T10:00:00-00:00",
      "Lets a port send from more addresses than its own."),
    APIExtension(
      "availability_zone", "Availability Zone", "2015-01-01T10:00:00-00:00", "Lists the zones of network agents."),
    APIExtension(
      "availability_zone_filter", "Availability Zone Filter Extension", "2018-06-22T10:00:00-00:00",
      "Filters the list of zones."),
    APIExtension("binding", "Port Binding", "2014-02-03T10:00:00-00:00", "Shows and sets where a port is plugged in."),
    APIExtension(
      "default-subnetpools", "Default Subnetpools", "2016-02-18T18:00:00-00:00",
      "Makes subnets from the default subnet pool."),
    APIExtension(
      "dhcp_agent_scheduler", "DHCP Agent Scheduler", "2013-02-07T10:00:00-00:00",
      "Tells and sets which DHCP agent serves a network."),
    APIExtension(
      "dns-domain-ports", "dns_domain for ports", "2017-06-25T18:00:00-00:00", "DNS domains of single ports."),
    APIExtension(
      "dns-integration", "DNS Integration", "2015-08-15T18:00:00-00:00", "Names of ports and floating IPs in DNS."),
    APIExtension(
      "dvr", "Distributed Virtual Router", "2014-06-1T10:00:00-00:00",
      "Marks routers whose traffic is routed on every compute node."),
    APIExtension(
      "empty-string-filtering", "Empty String Filtering Extension", "2018-05-01T10:00:00-00:00",
      "Filters by empty values."),
    APIExtension(
      "ext-gw-mode", "Neutron L3 Configurable external gateway mode", "2013-03-28T10:00:00-00:00",
      "Switches source translation at a router's gateway."),
    APIExtension(
      "external-net", "Neutron external network", "2013-01-14T10:00:00-00:00", "Marks networks that lead outside."),
    APIExtension(
      "extra_dhcp_opt", "Neutron Extra DHCP options", "2013-03-17T12:00:00-00:00", "Gives a port more DHCP options."),
    APIExtension("extraroute", "Neutron Extra Route", "2013-02-01T10:00:00-00:00", "Gives a router static routes."),
    APIExtension(
      "extraroute-atomic", "Atomically add/remove extra routes", "2019-07-10T00:00:00+00:00",
      "Adds and removes single static routes of a router."),
    APIExtension(
      "filter-validation", "Filter parameters validation", "2018-07-04T10:00:00-00:00",
      "Refuses unknown filters of lists."),
    APIExtension(
      "fip-port-details", "Floating IP Port Details Extension", "2018-04-09T10:00:00-00:00",
      "Shows the port that a floating IP leads to."),
    APIExtension(
      "floating-ip-router-writable", "Floating IP Router (writable)", "2026-08-05T00:00:00-00:00",
      "Sets the router of a floating IP."),
    APIExtension(
      "floatingip-pools", "Floating IP Pools Extension", "2018-03-21T10:00:00-00:00",
      "Lists the subnets that floating IPs come from."),
    APIExtension(
      "ip-substring-filtering", "IP address substring filtering", "2017-11-28T09:00:00-00:00",
      "Filters ports by a part of an address."),
    APIExtension(
      "ip_allocation", "IP Allocation", "2016-06-10T23:00:00-00:00", "Shows when a port gets its addresses."),
    APIExtension(
      "l2_adjacency", "L2 Adjacency", "2016-04-12T16:00:00-00:00", "Shows whether a network is one layer 2 segment."),
    APIExtension(
      "l3-ha", "HA Router extension", "2014-04-26T00:00:00-00:00", "Marks routers that are kept on several nodes."),
    APIExtension(
      "l3-port-ip-change-not-allowed", "Prevent L3 router ports IP address change extension",
      "2018-10-09T10:00:00-00:00", "Keeps the addresses of router ports as they are."),
    APIExtension(
      "l3_agent_scheduler", "L3 Agent Scheduler", "2013-02-07T10:00:00-00:00",
      "Tells and sets which L3 agent serves a router."),
    APIExtension(
      "metering", "Neutron Metering", "2013-06-12T10:00:00-00:00", "Labels the traffic of routers that is counted."),
    APIExtension(
      "metering_source_and_destination_fields", "Neutron Metering with source and destination filtering",
      "2020-08-21T08:12:00-00:00", "Metering rules by source and destination."),
    APIExtension("net-mtu", "Network MTU", "2015-03-25T10:00:00-00:00", "Shows the MTU of a network."),
    APIExtension(
      "net-mtu-writable", "Network MTU (writable)", "2017-07-12T00:00:00-00:00", "Sets the MTU of a network."),
    APIExtension(
      "network-ip-availability", "Network IP Availability", "2015-09-24T00:00:00-00:00",
      "Counts the addresses of networks."),
    APIExtension(
      "network_availability_zone", "Network Availability Zone", "2015-01-01T10:00:00-00:00",
      "Zones in which a network is served."),
  ]
  private static let more: [APIExtension] = [
    APIExtension("pagination", "Pagination support", "2016-06-12T00:00:00-00:00", "Lists in pages."),
    APIExtension(
      "port-mac-address-regenerate", "Neutron Port MAC address regenerate", "2018-05-03T10:00:00-00:00",
      "Gives a port a new MAC address."),
    APIExtension(
      "port-security", "Port Security", "2012-07-23T10:00:00-00:00",
      "Switches anti-spoofing and security groups of ports."),
    APIExtension(
      "port-security-groups-filtering", "Port filtering on security groups", "2018-01-09T09:00:00-00:00",
      "Filters ports by their security groups."),
    APIExtension(
      "project-id", "project_id field enabled", "2016-09-09T09:09:09-09:09",
      "Names the project as project_id beside tenant_id."),
    APIExtension(
      "provider", "Provider Network", "2012-09-07T10:00:00-00:00", "Shows and sets what a network is made of."),
    APIExtension(
      "quota-check-limit", "Quota engine limit check", "2021-09-08T16:00:00-00:00", "Refuses quotas below what is used."
    ),
    APIExtension(
      "quota-check-limit-default", "Quota engine limit check by default", "2024-08-21T16:00:00-00:00",
      "Refuses quotas below what is used, unless forced."),
    APIExtension(
      "quota_details", "Quota details management support", "2017-02-10T10:00:00-00:00", "Shows what is used of quotas."),
    APIExtension("quotas", "Quota management support", "2012-07-29T10:00:00-00:00", "Limits what a project may have."),
    APIExtension(
      "rbac-address-scope", "Add address_scope type to RBAC", "2020-02-12T00:00:00-00:00",
      "Shares address scopes with chosen projects."),
    APIExtension(
      "rbac-policies", "RBAC Policies", "2015-06-17T12:15:12-00:00", "Shares networks with chosen projects."),
    APIExtension(
      "rbac-security-groups", "Add security_group type to network RBAC", "2019-02-14T00:00:00-00:00",
      "Shares security groups with chosen projects."),
    APIExtension(
      "rbac-subnetpool", "Add subnetpool type to RBAC", "2020-02-05T00:00:00-00:00",
      "Shares subnet pools with chosen projects."),
    APIExtension(
      "revision-if-match", "If-Match constraints based on revision_number", "2016-12-11T00:00:00-00:00",
      "Changes a resource only at a named revision."),
    APIExtension(
      "router", "Neutron L3 Router", "2012-07-20T10:00:00-00:00", "Routers between networks, and floating IPs."),
    APIExtension(
      "router-admin-state-down-before-update", "Enforce Router's Admin State Down Before Update Extension",
      "2019-07-02T15:56:00", "Changes a router to distributed only while it is down."),
    APIExtension(
      "router_availability_zone", "Router Availability Zone", "2015-01-01T10:00:00-00:00",
      "Zones in which a router is served."),
    APIExtension("security-group", "security-group", "2012-10-05T10:00:00-00:00", "Filters the traffic of ports."),
    APIExtension(
      "security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "2020-07-28T10:00:00-00:00",
      "Shows the canonical CIDR of a rule."),
    APIExtension(
      "security-groups-rules-belongs-to-default-sg",
      "Security group rule belongs to the project's default security group", "2023-05-23T10:00:00-00:00",
      "Tells rules of default security groups."),
    APIExtension(
      "security-groups-shared-filtering", "Security group filtering on the shared field", "2021-10-05T09:00:00-00:00",
      "Filters security groups by whether they are shared."),
    APIExtension(
      "service-type", "Neutron Service Type Management", "2013-01-20T00:00:00-00:00",
      "Lists the providers of network services."),
    APIExtension("sorting", "Sorting support", "2016-06-12T00:00:00-00:00", "Sorts lists."),
    APIExtension(
      "standard-attr-description", "standard-attr-description", "2016-02-10T10:00:00-00:00", "Describes resources."),
    APIExtension(
      "standard-attr-revisions", "Resource revision numbers", "2016-04-11T10:00:00-00:00",
      "Counts the changes of resources."),
    APIExtension(
      "standard-attr-tag",
      "Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, router, floatingip",
      "2017-01-01T00:00:00-00:00", "Tags resources."),
    APIExtension(
      "standard-attr-timestamp", "Resource timestamps", "2016-09-12T10:00:00-00:00",
      "Times of creation and last change."),
    APIExtension(
      "stateful-security-group", "Stateful security group", "2019-11-26T09:00:00-00:00",
      "Switches connection tracking of a security group."),
    APIExtension(
      "subnet-dns-publish-fixed-ip", "Subnet DNS publish fixed IP", "2019-12-06T12:00:00-00:00",
      "Publishes fixed IPs of a subnet in DNS."),
    APIExtension(
      "subnet-external-network", "Subnet belongs to an external network", "2024-02-05T18:00:00-00:00",
      "Shows whether a subnet is on an external network."),
    APIExtension(
      "subnet-service-types", "Subnet service types", "2016-03-15T18:00:00-00:00",
      "Keeps a subnet for ports of some device owners."),
    APIExtension("subnet_allocation", "Subnet Allocation", "2015-03-30T10:00:00-00:00", "Takes subnets from pools."),
    APIExtension(
      "subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "2019-02-08T10:00:00-00:00",
      "Adds and removes single prefixes of a subnet pool."),
    APIExtension("tag-creation", "Tag creation extension", "2024-23-07T10:00:00-00:00", "Adds several tags at once."),
    APIExtension(
      "tag-ports-during-bulk-creation", "Tag Ports During Bulk Creation", "2019-12-29T19:00:00-00:00",
      "Tags ports as they are made."),
  ]
}
