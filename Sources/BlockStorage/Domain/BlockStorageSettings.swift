/// How Block Storage is set up on this node.
public struct BlockStorageSettings: Sendable {
  /// A place for volumes: a folder of files.
  public struct Backend: Sendable, Equatable {
    /// `volume_backend_name` of types' extra specs, such as `files`.
    public let name: String
    /// Absolute path of its folder.
    public let folder: String
    /// `qcow2` (thin, copy on write) or `raw`.
    public let format: String
    public init(name: String, folder: String, format: String = "qcow2") {
      (self.name, self.folder, self.format) = (name, folder, format)
    }

    /// Format of a disk here: QEMU encrypts qcow2; a disk that several guests write to must be raw, because QEMU keeps a
    /// qcow2 file's tables in memory.
    func format(isEncrypted: Bool, isMultiattach: Bool) -> String {
      isEncrypted ? "qcow2" : isMultiattach ? "raw" : format
    }
  }

  /// Name of this node in `host@backend#pool`.
  public let host: String
  /// The availability zone that the volumes are in.
  public let zone: String
  public let backends: [Backend]
  /// Folder of the backups' data.
  public let backupFolder: String
  /// Folder, readable by its owner only, of the keys of encrypted volumes.
  public let keyFolder: String
  /// Gigabytes that may be promised per gigabyte that there is (max_over_subscription_ratio).
  public let overSubscriptionRatio: Double

  public init(
    host: String, zone: String = "nova", backends: [Backend], backupFolder: String, keyFolder: String,
    overSubscriptionRatio: Double = 20
  ) {
    (self.host, self.zone, self.backends) = (host, zone, backends)
    (self.backupFolder, self.keyFolder) = (backupFolder, keyFolder)
    self.overSubscriptionRatio = overSubscriptionRatio
  }

  func backend(_ name: String) -> Backend? { backends.first { $0.name == name } }
  /// `host@backend#pool`, as volumes show it.
  func hostName(_ backend: String) -> String { "\(host)@\(backend)#\(backend)" }
  /// The backend that `host@backend[#pool]` names.
  func backend(host text: String) -> Backend? {
    let parts = text.split(separator: "@", maxSplits: 1).map(String.init)
    guard parts.count == 2, parts[0] == host else { return nil }
    let names = parts[1].split(separator: "#", maxSplits: 1).map(String.init)
    guard let name = names.first, names.count < 2 || names[1] == name else { return nil }
    return backend(name)
  }
}
