import Kit

/// Servers of a project that the scheduler keeps together or apart (API reference, Server groups).
public struct ServerGroup: Sendable, Equatable {
  public enum Policy: String, Sendable, CaseIterable {
    case affinity
    case antiAffinity = "anti-affinity"
    case softAffinity = "soft-affinity"
    case softAntiAffinity = "soft-anti-affinity"
  }
  public var id: String
  public var name: String
  public var projectID: String
  public var userID: String
  public var policy: Policy
  /// For anti-affinity: how many members one host may have; nil: 1.
  public var maxServersPerHost: Int?
}
