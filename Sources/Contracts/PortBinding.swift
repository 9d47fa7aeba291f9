import Kit
import Store

/// A network wish of a new server: a network to make a port on, or a port that exists.
public struct NetworkRequest: Sendable, Codable, Equatable {
  public var networkID: String?
  public var portID: String?
  public var fixedIP: String?
  public var tag: String?
  public init(networkID: String? = nil, portID: String? = nil, fixedIP: String? = nil, tag: String? = nil) {
    (self.networkID, self.portID, self.fixedIP, self.tag) = (networkID, portID, fixedIP, tag)
  }
}

/// A port of a server as Compute shows and uses it.
public struct ServerPort: Sendable, Equatable {
  public struct Fixed: Sendable, Equatable {
    public var address: String
    public var version: Int
    public var subnetID: String
    public var floatingIPs: [String]
    public init(address: String, version: Int, subnetID: String, floatingIPs: [String]) {
      (self.address, self.version, self.subnetID, self.floatingIPs) = (address, version, subnetID, floatingIPs)
    }
  }
  public var id: String
  public var serverID: String
  public var networkID: String
  public var networkName: String
  public var mtu: Int
  public var mac: String
  public var status: String
  public var fixedIPs: [Fixed]
  /// Whether Compute made it, so that it goes with the server.
  public var isOwnedByCompute: Bool
  public var tag: String?
  public var securityGroupNames: [String]
  /// For network_data.json: subnets by id with CIDR, gateway, DNS servers, routes and whether DHCP serves them.
  public var subnets: [SubnetWiring]

  public init(
    id: String, serverID: String, networkID: String, networkName: String, mtu: Int, mac: String, status: String,
    fixedIPs: [Fixed], isOwnedByCompute: Bool, tag: String?, securityGroupNames: [String], subnets: [SubnetWiring]
  ) {
    (self.id, self.serverID, self.networkID, self.networkName) = (id, serverID, networkID, networkName)
    (self.mtu, self.mac, self.status, self.fixedIPs) = (mtu, mac, status, fixedIPs)
    (self.isOwnedByCompute, self.tag) = (isOwnedByCompute, tag)
    (self.securityGroupNames, self.subnets) = (securityGroupNames, subnets)
  }
}

/// What Compute needs of Network. Calls that take a transaction commit or roll back with Compute's own rows.
public protocol PortBinding: Sendable {
  /// Resolves what a new server asks for; `requests` nil: the automatic choice (the project's only network, else a 409
  /// fault; none at all: no ports, unless `auto` was asked). Throws 400/404/409 faults with upstream's messages for unknown networks or
  /// ports, ports in use, networks without subnets, external networks without right, and port quota for `servers` servers.
  func plan(
    _ requests: [NetworkRequest]?, securityGroups: [String], servers: Int, auth: AuthContext, tx: any Transaction
  ) throws -> [NetworkRequest]
  /// Makes or binds the ports of a server in the order of `requests` (the result of `plan`) on `host`. Device owner
  /// `compute:<zone>`, device id the server's. Idempotent per server: ports that it has already are kept.
  func bind(
    _ requests: [NetworkRequest], serverID: String, name: String, securityGroups: [String], projectID: String,
    host: String,
    zone: String, tx: any Transaction
  ) throws -> [ServerPort]
  /// Adds one port to a server that exists (interface attach).
  func attach(
    _ request: NetworkRequest, serverID: String, name: String, projectID: String, host: String, zone: String,
    tx: any Transaction
  ) throws -> ServerPort
  /// Takes a port from its server: deletes it when Compute made it, else unbinds it.
  func detach(portID: String, serverID: String, tx: any Transaction) throws
  /// Takes all ports from a server that is deleted.
  func release(serverID: String, tx: any Transaction) throws
  /// Adds the next free address of `networkID`, or removes an address, of a server's port: actions addFixedIp, removeFixedIp.
  func addFixedIP(networkID: String, serverID: String, tx: any Transaction) throws
  func removeFixedIP(_ address: String, serverID: String, tx: any Transaction) throws
  /// Adds or removes a security group (name or id) on all ports of a server.
  func addSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws
  func removeSecurityGroup(_ group: String, serverID: String, projectID: String, tx: any Transaction) throws
  /// The ports of several servers in one query each table, by server id, in order of creation.
  func ports(ofServers ids: [String], tx: any Transaction) throws -> [String: [ServerPort]]
  /// The server whose port has this address, as seen in a network's DHCP namespace or at a router.
  func serverID(address: String, networkID: String?, routerID: String?, tx: any Transaction) throws -> String?
  /// Returns when the node's data plane has wired everything that was committed before the call. Throws a fault that
  /// names the ports of `serverID` that could not be wired.
  func waitWired(serverID: String) async throws
}
