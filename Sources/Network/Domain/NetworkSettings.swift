/// What the operator decides about networks.
public struct NetworkSettings: Sendable {
  /// Name of this node, in agents and port bindings.
  public var host: String
  /// MTU of project networks in bytes: 1500 less the 50 of VXLAN.
  public var tenantMTU: Int
  /// MTU of external networks in bytes.
  public var externalMTU: Int
  /// `provider:physical_network` of external networks.
  public var physicalNetwork: String
  /// VXLAN network identifiers (RFC 7348) that project networks get.
  public var vniRange: ClosedRange<Int>
  /// Domain of the names that DHCP gives.
  public var dnsDomain: String
  /// Availability zone of this node's agents.
  public var zone: String

  public init(
    host: String, tenantMTU: Int = 1450, externalMTU: Int = 1500, physicalNetwork: String = "physnet1",
    vniRange: ClosedRange<Int> = 1...1_000_000, dnsDomain: String = "openstacklocal", zone: String = "nova"
  ) {
    (self.host, self.tenantMTU, self.externalMTU) = (host, tenantMTU, externalMTU)
    (self.physicalNetwork, self.vniRange, self.dnsDomain, self.zone) = (physicalNetwork, vniRange, dnsDomain, zone)
  }
}
