import Kit
import Store

/// A volume as Compute's old proxy shows it (API reference, Volume extension (os-volumes, os-snapshots), until 2.35).
public struct ProxyVolume: Sendable, Equatable {
  public var id: String
  public var name: String?
  public var description: String?
  public var status: String
  public var sizeGB: Int
  public var zone: String
  /// The name of its type.
  public var type: String?
  public var snapshotID: String?
  public var metadata: [String: String]
  public var createdAt: Timestamp
  /// The first server that has it, and under which name.
  public var serverID: String?
  public var device: String?

  public init(
    id: String, name: String?, description: String?, status: String, sizeGB: Int, zone: String, type: String?,
    snapshotID: String?, metadata: [String: String], createdAt: Timestamp, serverID: String?, device: String?
  ) {
    (self.id, self.name, self.description, self.status) = (id, name, description, status)
    (self.sizeGB, self.zone, self.type, self.snapshotID) = (sizeGB, zone, type, snapshotID)
    (self.metadata, self.createdAt, self.serverID, self.device) = (metadata, createdAt, serverID, device)
  }
}

/// A snapshot of a volume as Compute's old proxy shows it.
public struct ProxyVolumeSnapshot: Sendable, Equatable {
  public var id: String
  public var volumeID: String
  public var name: String?
  public var description: String?
  public var status: String
  public var sizeGB: Int
  public var createdAt: Timestamp

  public init(
    id: String, volumeID: String, name: String?, description: String?, status: String, sizeGB: Int, createdAt: Timestamp
  ) {
    (self.id, self.volumeID, self.name, self.description) = (id, volumeID, name, description)
    (self.status, self.sizeGB, self.createdAt) = (status, sizeGB, createdAt)
  }
}

/// Block Storage's volumes and snapshots for Compute's proxies. All calls are scoped to the caller's project; they throw
/// Block Storage's faults (404 unknown, 400 bad state or input, 413 over quota).
public protocol VolumeProxying: Sendable {
  /// The project's volumes, newest first; with `id` only that one.
  func proxyVolumes(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolume]
  /// Makes a volume and returns its id. Of `volume` its name, description, size, zone, type, snapshot and metadata count.
  func createProxyVolume(_ volume: ProxyVolume, auth: AuthContext, requestID: String, tx: any Transaction) throws
    -> String
  func deleteProxyVolume(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws
  /// The project's snapshots, newest first; with `id` only that one.
  func proxySnapshots(id: String?, auth: AuthContext, tx: any Transaction) throws -> [ProxyVolumeSnapshot]
  /// Takes a snapshot and returns its id; `isForced`: also of a volume in use.
  func createProxySnapshot(
    of volumeID: String, name: String?, description: String?, isForced: Bool, auth: AuthContext, requestID: String,
    tx: any Transaction
  ) throws -> String
  func deleteProxySnapshot(_ id: String, auth: AuthContext, requestID: String, tx: any Transaction) throws
}
