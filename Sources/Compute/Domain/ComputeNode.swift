import Contracts
import Kit

/// A process role of Compute on a host, as `os-services` shows it (API reference, Compute services).
public struct NodeService: Sendable, Equatable {
  /// How old the last report of a service may be for it to count as up (Nova's `service_down_time`).
  public static let lifetime = Duration.seconds(60)
  /// The service that runs guests; the only one that can be disabled.
  public static let compute = "nova-compute"
  /// The roles of a controller process: it chooses hosts and runs workflows.
  public static let controllers = ["nova-scheduler", "nova-conductor"]
  /// The zone of services that run no guests.
  public static let internalZone = "internal"

  public var number: Int
  public var uuid: String
  public var binary: String
  public var host: String
  /// The availability zone: an aggregate's wins over the host's own.
  public var zone: String
  public var isEnabled: Bool
  public var disabledReason: String?
  public var isForcedDown: Bool
  /// Whether it is not forced down and has reported in the last 60 seconds.
  public var isUp: Bool
  public var reportedAt: Timestamp
}

/// A host that runs guests.
public struct ComputeNode: Sendable, Equatable {
  public var service: NodeService
  public var resources: NodeResources

  public var host: String { service.host }
  public var zone: String { service.zone }
  public var uuid: String { service.uuid }
  public var isEnabled: Bool { service.isEnabled }
  public var disabledReason: String? { service.disabledReason }
  public var isForcedDown: Bool { service.isForcedDown }
  public var isUp: Bool { service.isUp }
}
