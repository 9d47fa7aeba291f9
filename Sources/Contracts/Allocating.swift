import Kit
import Store

/// What a new server asks of a host.
public struct ResourceRequest: Sendable, Codable, Equatable {
  public var vcpus: Int
  public var memoryMB: Int
  public var diskGB: Int
  public init(vcpus: Int, memoryMB: Int, diskGB: Int) {
    (self.vcpus, self.memoryMB, self.diskGB) = (vcpus, memoryMB, diskGB)
  }
}

/// One unmet requirement of one host: what was asked, what was there.
public struct Rejection: Sendable, Codable, Equatable {
  public var host: String
  /// `VCPU`, `MEMORY_MB`, `DISK_GB`, `availability zone`, `service disabled`, …
  public var requirement: String
  public var asked: String
  public var had: String
  public init(host: String, requirement: String, asked: String, had: String) {
    (self.host, self.requirement, self.asked, self.had) = (host, requirement, asked, had)
  }
}

/// A host's capacity with what is used, allocation ratios applied.
public struct HostCapacity: Sendable, Equatable {
  public var host: String
  public var providerID: String
  public var vcpusTotal: Int
  public var vcpusUsed: Int
  public var memoryMBTotal: Int
  public var memoryMBUsed: Int
  public var diskGBTotal: Int
  public var diskGBUsed: Int
  public init(
    host: String, providerID: String, vcpusTotal: Int, vcpusUsed: Int, memoryMBTotal: Int, memoryMBUsed: Int,
    diskGBTotal: Int, diskGBUsed: Int
  ) {
    (self.host, self.providerID) = (host, providerID)
    (self.vcpusTotal, self.vcpusUsed, self.memoryMBTotal) = (vcpusTotal, vcpusUsed, memoryMBTotal)
    (self.memoryMBUsed, self.diskGBTotal, self.diskGBUsed) = (memoryMBUsed, diskGBTotal, diskGBUsed)
  }
}

/// What Compute needs of Placement, in Compute's transactions.
public protocol Allocating: Sendable {
  /// Makes or updates the provider and inventories of a node (allocation ratios and reserved amounts applied).
  /// Returns the provider's id.
  func register(host: String, resources: NodeResources, tx: any Transaction) throws -> String
  /// Every host's capacity and use.
  func capacities(tx: any Transaction) throws -> [HostCapacity]
  /// Claims resources of a host for a consumer (a server). Idempotent: replaces the consumer's claim. Throws a 409 fault
  /// when it does not fit any more.
  func claim(
    consumer: String, host: String, _ request: ResourceRequest, projectID: String, userID: String, tx: any Transaction)
    throws
  /// Gives a consumer's claim back; nothing to give back is fine.
  func release(consumer: String, tx: any Transaction) throws
}
