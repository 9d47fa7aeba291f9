import Kit
import Store

/// A security group as Compute's old proxy shows it (API reference, Security groups (os-security-groups), until 2.35).
public struct ProxySecurityGroup: Sendable, Equatable {
  /// A rule: ingress only, IPv4 CIDR or another group.
  public struct Rule: Sendable, Equatable {
    public var id: String
    public var parentGroupID: String
    /// `tcp`, `udp`, `icmp`; nil: any.
    public var `protocol`: String?
    public var fromPort: Int?
    public var toPort: Int?
    public var cidr: String?
    /// The remote group's name and project.
    public var groupName: String?
    public var groupProjectID: String?

    public init(
      id: String, parentGroupID: String, protocol: String?, fromPort: Int?, toPort: Int?, cidr: String?,
      groupName: String?, groupProjectID: String?
    ) {
      (self.id, self.parentGroupID, self.protocol) = (id, parentGroupID, `protocol`)
      (self.fromPort, self.toPort, self.cidr) = (fromPort, toPort, cidr)
      (self.groupName, self.groupProjectID) = (groupName, groupProjectID)
    }
  }
  public var id: String
  public var name: String
  public var description: String
  public var projectID: String
  public var rules: [Rule]

  public init(id: String, name: String, description: String, projectID: String, rules: [Rule]) {
    (self.id, self.name, self.description) = (id, name, description)
    (self.projectID, self.rules) = (projectID, rules)
  }
}

/// Network's security groups for Compute's proxies. All calls are scoped to the caller's project (administrators may see all);
/// they throw Network's faults (404 unknown, 409 in use or over quota, 400 bad rule).
public protocol SecurityGroupProxying: Sendable {
  func securityGroups(allProjects: Bool, auth: AuthContext, tx: any Transaction) throws -> [ProxySecurityGroup]
  func securityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws -> ProxySecurityGroup
  func createSecurityGroup(name: String, description: String, auth: AuthContext, tx: any Transaction) throws
    -> ProxySecurityGroup
  func updateSecurityGroup(_ id: String, name: String, description: String, auth: AuthContext, tx: any Transaction)
    throws -> ProxySecurityGroup
  func deleteSecurityGroup(_ id: String, auth: AuthContext, tx: any Transaction) throws
  /// `rule.id` is ignored; `remoteGroupID` names the remote group.
  func createRule(_ rule: ProxySecurityGroup.Rule, remoteGroupID: String?, auth: AuthContext, tx: any Transaction)
    throws
    -> ProxySecurityGroup.Rule
  func deleteRule(_ id: String, auth: AuthContext, tx: any Transaction) throws
}
