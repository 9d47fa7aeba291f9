import Kit

/// A named set of hosts with metadata; one with an availability zone makes it (API reference, Host aggregates).
public struct Aggregate: Sendable, Equatable {
  public var id: Int
  public var uuid: String
  public var name: String
  /// The availability zone that its hosts are in.
  public var zone: String?
  /// Without `availability_zone`, which `zone` holds.
  public var metadata: [String: String]
  public var hosts: [String]
  public var createdAt: Timestamp
  public var updatedAt: Timestamp?
}
