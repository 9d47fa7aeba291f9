import API
import Contracts
import Kit
import Logs
import Store
import Workflow

/// What Compute needs to know of its place: names of this node and of the cloud.
public struct ComputeSettings: Sendable {
  /// Name of this node, as `OS-EXT-SRV-ATTR:host` and in Placement.
  public var host: String
  /// The availability zone of hosts that no aggregate puts into another.
  public var zone: String
  public var region: String
  /// Address at which the node is reached.
  public var hostAddress: String
  /// Appended to a server's host name in its metadata.
  public var dhcpDomain: String
  /// How long a guest may take to shut down by itself before it is ended.
  public var shutdownGrace: Duration
  /// How often a node reports that it lives.
  public var heartbeatInterval: Duration
  /// How often guests are compared with their servers, beside what they tell by themselves.
  public var syncInterval: Duration
  /// Every server gets a config drive.
  public var forcesConfigDrive: Bool
  /// Where copies of disks are written before they become images; it needs room for the largest of them.
  public var snapshotFolder: String
  /// How long a guest may hold on to a volume that it was asked to let go: longer than its start, in which it hears nothing.
  public var volumeDetachDeadline: Duration
  /// noVNC's page on the proxy of consoles, as browsers reach it (upstream's `novncproxy_base_url`).
  public var consoleURL: String

  public init(
    host: String, zone: String = "nova", region: String = "RegionOne", hostAddress: String = "127.0.0.1",
    dhcpDomain: String = "novalocal", shutdownGrace: Duration = .seconds(60),
    heartbeatInterval: Duration = .seconds(10), syncInterval: Duration = .seconds(60),
    forcesConfigDrive: Bool = false, snapshotFolder: String = "/var/tmp",
    volumeDetachDeadline: Duration = .seconds(120), consoleURL: String = "http://127.0.0.1:6080/vnc_auto.html"
  ) {
    (self.host, self.zone, self.region, self.hostAddress) = (host, zone, region, hostAddress)
    (self.dhcpDomain, self.shutdownGrace, self.heartbeatInterval) = (dhcpDomain, shutdownGrace, heartbeatInterval)
    (self.syncInterval, self.forcesConfigDrive) = (syncInterval, forcesConfigDrive)
    (self.snapshotFolder, self.volumeDetachDeadline) = (snapshotFolder, volumeDetachDeadline)
    self.consoleURL = consoleURL
  }
}

/// What the route groups and workflows of Compute share.
public struct ComputeDependencies: Sendable {
  public let database: any Database
  public let clock: any WallClock
  public let log: Log
  public let engine: WorkflowEngine
  public let hypervisor: any Hypervisor
  public let images: any ImageSource
  public let ports: any PortBinding
  public let securityGroups: any SecurityGroupProxying
  public let allocations: any Allocating
  public let projects: any ProjectDirectory
  /// nil: this cloud has no Block Storage.
  public let volumes: (any VolumeAttaching)?
  public let settings: ComputeSettings
}

/// The microversions that Compute serves (API reference, Microversions).
public enum ComputeVersions {
  public static let support = MicroversionSupport(
    service: "compute", min: Microversion(2, 1), max: Microversion(2, 104),
    legacyHeader: "X-OpenStack-Nova-API-Version")

  /// Brings the path variants that clients use to the one in the route tables: `/v2/…`, a project id behind the version, and
  /// the old name of servers that boot from volumes.
  public static func normalize(_ path: [String]) -> [String] {
    guard let first = path.first, first == "v2.1" || first == "v2" else { return path }
    var rest = Array(path.dropFirst())
    if let project = rest.first, UUIDText.canonical(project) != nil { rest.removeFirst() }
    if rest.first == "os-volumes_boot" { rest[0] = "servers" }
    return ["v2.1"] + rest
  }
}

/// Links of Compute's resources.
public enum ComputeLinks {
  /// `self` with the version in its path, `bookmark` without.
  public static func make(_ call: Call, _ collection: String, _ id: String) -> JSONValue {
    [
      ["rel": "self", "href": .string(selfHref(call, collection, id))], bookmark(call, collection, id),
    ]
  }
  public static func selfHref(_ call: Call, _ collection: String, _ id: String) -> String {
    "\(call.baseURL)/v2.1/\(collection)/\(id)"
  }
  public static func bookmark(_ call: Call, _ collection: String, _ id: String) -> JSONValue {
    ["rel": "bookmark", "href": .string("\(call.baseURL)/\(collection)/\(id)")]
  }
}
