import Kit

/// A fixed address on a subnet.
public struct FixedAddress: Sendable, Codable, Hashable {
  public var subnetID: String
  public var address: String
  public init(subnetID: String, address: String) { (self.subnetID, self.address) = (subnetID, address) }
}

/// A route, as subnets and routers have them.
public struct StaticRoute: Sendable, Codable, Hashable {
  public var destination: String
  public var nexthop: String
  public init(destination: String, nexthop: String) { (self.destination, self.nexthop) = (destination, nexthop) }
}

/// A subnet as the data plane needs it.
public struct SubnetWiring: Sendable, Codable, Equatable {
  public var id: String
  public var cidr: String
  public var gateway: String?
  public var hasDHCP: Bool
  public var dnsServers: [String]
  public var hostRoutes: [StaticRoute]
  /// `slaac`, `dhcpv6-stateful`, `dhcpv6-stateless` or nil.
  public var ipv6Mode: String?

  public init(
    id: String, cidr: String, gateway: String?, hasDHCP: Bool, dnsServers: [String], hostRoutes: [StaticRoute],
    ipv6Mode: String?
  ) {
    (self.id, self.cidr, self.gateway, self.hasDHCP) = (id, cidr, gateway, hasDHCP)
    (self.dnsServers, self.hostRoutes, self.ipv6Mode) = (dnsServers, hostRoutes, ipv6Mode)
  }
}

/// A network: a bridge of its own, and a DHCP server when a subnet wants one.
public struct NetworkWiring: Sendable, Codable, Equatable {
  public var id: String
  public var mtu: Int
  /// The external network's bridge is the node's own; see `ExternalNetworkMode`.
  public var isExternal: Bool
  public var dnsDomain: String
  public var subnets: [SubnetWiring]
  /// Port of the DHCP server in this network (device owner `network:dhcp`), when there is one.
  public var dhcpPort: PortWiring?
  /// Whether a router of this network answers 169.254.169.254; otherwise the DHCP server's namespace does.
  public var hasRouterMetadata: Bool

  public init(
    id: String, mtu: Int, isExternal: Bool, dnsDomain: String, subnets: [SubnetWiring], dhcpPort: PortWiring?,
    hasRouterMetadata: Bool
  ) {
    (self.id, self.mtu, self.isExternal, self.dnsDomain) = (id, mtu, isExternal, dnsDomain)
    (self.subnets, self.dhcpPort, self.hasRouterMetadata) = (subnets, dhcpPort, hasRouterMetadata)
  }
}

/// A port. Ports of guests get a TAP; those of DHCP servers and routers an end of a veth in their namespace.
public struct PortWiring: Sendable, Codable, Equatable {
  public var id: String
  public var networkID: String
  public var mac: String
  public var fixedIPs: [FixedAddress]
  public var isUp: Bool
  /// Off: no anti-spoofing and no security groups.
  public var hasPortSecurity: Bool
  /// More (MAC, address or CIDR) pairs that may be a packet's source.
  public var allowedPairs: [AddressPair]
  public var securityGroupIDs: [String]
  public var deviceOwner: String
  public var deviceID: String
  /// Name that DHCP and DNS give it.
  public var dnsName: String
  /// Extra DHCP options: name or number, and value.
  public var dhcpOptions: [DHCPOption]

  public init(
    id: String, networkID: String, mac: String, fixedIPs: [FixedAddress], isUp: Bool = true,
    hasPortSecurity: Bool = true, allowedPairs: [AddressPair] = [], securityGroupIDs: [String] = [],
    deviceOwner: String, deviceID: String, dnsName: String = "", dhcpOptions: [DHCPOption] = []
  ) {
    (self.id, self.networkID, self.mac, self.fixedIPs, self.isUp) = (id, networkID, mac, fixedIPs, isUp)
    (self.hasPortSecurity, self.allowedPairs) = (hasPortSecurity, allowedPairs)
    (self.securityGroupIDs, self.deviceOwner, self.deviceID) = (securityGroupIDs, deviceOwner, deviceID)
    (self.dnsName, self.dhcpOptions) = (dnsName, dhcpOptions)
  }

  /// `tap` and the first 11 characters of the port's id: fits the kernel's 15 characters (IFNAMSIZ).
  public var tapName: String { Self.tapName(id) }
  public static func tapName(_ portID: String) -> String { "tap" + portID.prefix(11) }
}

public struct AddressPair: Sendable, Codable, Hashable {
  public var mac: String
  /// An address or a CIDR.
  public var address: String
  public init(mac: String, address: String) { (self.mac, self.address) = (mac, address) }
}

public struct DHCPOption: Sendable, Codable, Hashable {
  public var name: String
  public var value: String
  public var ipVersion: Int
  public init(name: String, value: String, ipVersion: Int) {
    (self.name, self.value, self.ipVersion) = (name, value, ipVersion)
  }
}

/// A rule of a security group. All rules allow; what none allows is dropped.
public struct SecurityRule: Sendable, Codable, Hashable {
  public var isIngress: Bool
  public var isV6: Bool
  /// nil: any. Names or numbers as in the API, already in lower case (`tcp`, `icmp`, `ipv6-icmp`, `112`).
  public var `protocol`: String?
  /// For ICMP: type and code.
  public var portMin: Int?
  public var portMax: Int?
  /// nil with no remote group: any address.
  public var remoteCIDR: String?
  public var remoteGroupID: String?

  public init(
    isIngress: Bool, isV6: Bool, protocol: String?, portMin: Int?, portMax: Int?, remoteCIDR: String?,
    remoteGroupID: String?
  ) {
    (self.isIngress, self.isV6, self.protocol) = (isIngress, isV6, `protocol`)
    (self.portMin, self.portMax) = (portMin, portMax)
    (self.remoteCIDR, self.remoteGroupID) = (remoteCIDR, remoteGroupID)
  }
}

/// A security group with the addresses of its members, for rules of other groups that name it as remote.
public struct SecurityGroupWiring: Sendable, Codable, Equatable {
  public var id: String
  public var rules: [SecurityRule]
  public var memberAddresses: [String]
  public init(id: String, rules: [SecurityRule], memberAddresses: [String]) {
    (self.id, self.rules, self.memberAddresses) = (id, rules, memberAddresses)
  }
}

/// A floating IP of a router.
public struct FloatingIPWiring: Sendable, Codable, Hashable {
  public var id: String
  public var floatingAddress: String
  public var fixedAddress: String
  public init(id: String, floatingAddress: String, fixedAddress: String) {
    (self.id, self.floatingAddress, self.fixedAddress) = (id, floatingAddress, fixedAddress)
  }
}

/// A router: a namespace with an interface per port.
public struct RouterWiring: Sendable, Codable, Equatable {
  public var id: String
  public var isUp: Bool
  /// Ports with device owner `network:router_interface`.
  public var interfaces: [PortWiring]
  /// Port with device owner `network:router_gateway`.
  public var gateway: PortWiring?
  public var hasSNAT: Bool
  public var routes: [StaticRoute]
  public var floatingIPs: [FloatingIPWiring]

  public init(
    id: String, isUp: Bool, interfaces: [PortWiring], gateway: PortWiring?, hasSNAT: Bool, routes: [StaticRoute],
    floatingIPs: [FloatingIPWiring]
  ) {
    (self.id, self.isUp, self.interfaces, self.gateway) = (id, isUp, interfaces, gateway)
    (self.hasSNAT, self.routes, self.floatingIPs) = (hasSNAT, routes, floatingIPs)
  }
}

/// The whole desired state of a node's network. What is not in it must not exist on the node.
public struct NetworkState: Sendable, Codable, Equatable {
  public var networks: [NetworkWiring]
  /// Ports of guests on this node.
  public var ports: [PortWiring]
  public var securityGroups: [SecurityGroupWiring]
  public var routers: [RouterWiring]

  public init(
    networks: [NetworkWiring] = [], ports: [PortWiring] = [], securityGroups: [SecurityGroupWiring] = [],
    routers: [RouterWiring] = []
  ) {
    (self.networks, self.ports, self.securityGroups, self.routers) = (networks, ports, securityGroups, routers)
  }
}

/// How the external network meets the world.
public enum ExternalNetworkMode: Sendable, Equatable {
  /// Reachable only from inside the cloud's namespace.
  case isolated
  /// A veth and a route on the host.
  case routed
  /// A real NIC becomes a port of the external bridge.
  case bridged(nic: String)
}

/// What an `apply` could not do, by resource id: the rest was done.
public struct NetworkApplyReport: Sendable, Equatable {
  public var failures: [String: String]
  public init(failures: [String: String] = [:]) { self.failures = failures }
}

/// Makes a node's network what it should be. `apply` is idempotent, and changes only what differs from what exists.
public protocol Dataplane: Sendable {
  /// Makes the cloud's namespace and finds what exists in it. Removes nothing.
  func start() async throws
  /// Brings the kernel to `state`; returns when packets flow accordingly.
  func apply(_ state: NetworkState) async throws -> NetworkApplyReport
  /// Ids of the ports whose device exists, for checks and drift.
  func wiredPorts() async throws -> Set<String>
  /// Removes the cloud's namespaces and everything in them.
  func removeAll() async throws
}

/// A request of a guest to 169.254.169.254, by where it came from.
public struct MetadataRequest: Sendable {
  /// The network in whose DHCP namespace it arrived, or
  public var networkID: String?
  /// the router at which it arrived.
  public var routerID: String?
  /// The guest's fixed address.
  public var address: String
  public var method: String
  public var path: String
  public var body: [UInt8]
  public init(networkID: String?, routerID: String?, address: String, method: String, path: String, body: [UInt8]) {
    (self.networkID, self.routerID, self.address) = (networkID, routerID, address)
    (self.method, self.path, self.body) = (method, path, body)
  }
}

public struct MetadataResponse: Sendable {
  public var status: Int
  public var contentType: String
  public var body: [UInt8]
  public init(status: Int, contentType: String, body: [UInt8]) {
    (self.status, self.contentType, self.body) = (status, contentType, body)
  }
}

/// Answers guests' metadata requests (OpenStack and EC2 trees).
public protocol MetadataAnswering: Sendable {
  func answer(_ request: MetadataRequest) async -> MetadataResponse
}
