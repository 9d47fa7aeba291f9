import API
import Contracts
import Host
import Kit
import Logs
import Store
import Synchronization
import Workflow

/// The Block Storage service: volumes and what protects them (API reference, Block Storage v3), as files on this node.
public final class BlockStorageService: Sendable {
  let database: any Database
  let clock: any WallClock
  let log: Log
  let engine: WorkflowEngine
  let images: any ImageSource
  let projects: any ProjectDirectory
  let settings: BlockStorageSettings
  /// One task at a time exchanges a volume's file or tells its path.
  let locks = KeyedLock()
  let keys: KeyStore
  private let runningGuests = Mutex<(any VolumeUsers)?>(nil)

  /// Registers Block Storage's workflows with `engine`.
  public init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log, engine: WorkflowEngine,
    images: any ImageSource, projects: any ProjectDirectory, settings: BlockStorageSettings
  ) {
    (self.database, self.clock, self.log, self.engine) = (database, clock, log, engine)
    (self.images, self.projects, self.settings) = (images, projects, settings)
    keys = KeyStore(folder: settings.keyFolder)
    engine.register(workflows)
  }

  var workflows: [WorkflowDefinition] { volumeWorkflows + backupWorkflows + moveWorkflows }

  /// Who runs the guests that have volumes attached: Compute. Set it before requests are answered.
  public var users: (any VolumeUsers)? {
    get { runningGuests.withLock { $0 } }
    set { runningGuests.withLock { $0 = newValue } }
  }

  /// The Block Storage API, microversions 3.0 to 3.71.
  public var api: ServiceAPI {
    ServiceAPI(
      name: "block-storage", errors: .blockStorage, microversions: Self.microversions, routes: routes,
      normalize: Self.normalize)
  }

  private var routes: [Route] {
    var routes: [Route] = versionRoutes
    routes += volumeRoutes
    routes += volumeActionRoutes
    routes += moveRoutes
    routes += manageRoutes
    routes += legacyAttachRoutes
    routes += metadataRoutes
    routes += snapshotRoutes
    routes += attachmentRoutes
    routes += typeRoutes
    routes += typeSpecRoutes
    routes += encryptionRoutes
    routes += defaultTypeRoutes
    routes += qosRoutes
    routes += quotaRoutes
    routes += infoRoutes
    routes += serviceRoutes
    routes += messageRoutes
    routes += transferRoutes
    routes += backupRoutes
    routes += groupTypeRoutes
    routes += groupRoutes
    routes += groupSnapshotRoutes
    routes += consistencyGroupRoutes
    return routes
  }

  /// Makes what must be there, and removes files that an earlier process left half-made. Call it before requests are
  /// answered. A backend whose folder cannot be made is reported, and refuses volumes until it can.
  public func start() async throws {
    for backend in settings.backends {
      do {
        try HostFiles.makeFolder(backend.folder, mode: 0o700)
      } catch { log.error("backend \(backend.name): \(error)") }
    }
    let (settings, now) = (settings, clock.now())
    try await database.write { tx in
      try ServiceStore.register(settings, now: now, tx: tx)
      try TypeStore.makeStandard(now: now, tx: tx)
      try GroupStore.makeConsistencyType(now: now, tx: tx)
    }
    try await openKeys()
    for backend in settings.backends { await sweep(backend) }
  }

  /// How long a master key seals the keys of encrypted volumes.
  static let keyLifetime: Duration = .seconds(30 * 86_400)

  /// Seals the keys of encrypted volumes anew, by a new master key; returns its number. Volumes in use go on.
  public func rotateKeys() throws -> Int {
    let now = clock.now()
    try keys.rotate(now: now)
    return now.microseconds
  }

  /// Renews the master key when its time has come; jobs do all else. Returns when the task is cancelled.
  public func run() async throws {
    while !Task.isCancelled {
      do {
        if let since = try keys.rotatedAt(), clock.now() - since > Self.keyLifetime {
          try keys.rotate(now: clock.now())
        }
      } catch { log.error("the master key of encrypted volumes was not renewed: \(error)") }
      try await Task.sleep(for: .seconds(3600))
    }
  }

  /// Opens the keys of the volumes that guests have, and removes those that no volume has any more.
  private func openKeys() async throws {
    try keys.closeAll()
    let (used, attached) = try await database.read { tx in
      let used = try tx.query(
        """
        SELECT key_id FROM bs_volume WHERE key_id IS NOT NULL
        UNION SELECT moving_key FROM bs_volume WHERE moving_key IS NOT NULL
        UNION SELECT key_id FROM bs_snapshot WHERE key_id IS NOT NULL
        UNION SELECT key_id FROM bs_backup WHERE key_id IS NOT NULL
        """)
      let attached = try tx.query(
        """
        SELECT DISTINCT v.key_id AS key_id FROM bs_attachment a JOIN bs_volume v ON v.id = a.volume_id
        WHERE a.connected = 1 AND v.key_id IS NOT NULL
        """)
      return (Set(used.map { $0.text("key_id") }), attached.map { $0.text("key_id") })
    }
    for id in try keys.list() where !used.contains(id) { try keys.remove(id) }
    for id in attached {
      do { try keys.attach(id) } catch { log.error("the key of a volume in use cannot be opened: \(error)") }
    }
  }

  /// Removes files of our own naming that no row knows: those of a process that ended between a file and its row.
  func sweep(_ backend: BlockStorageSettings.Backend) async {
    do {
      let known = try await database.read { tx in
        let volumes = try Table.volume.all("backend = \(backend.name)", tx: tx).map { Volume(row: $0).file }
        let moving = try tx.query("SELECT moving_to FROM bs_volume WHERE moving_to IS NOT NULL")
          .map { $0.text("moving_to") }.filter { $0.hasPrefix(backend.name + "/") }
          .map { String($0.dropFirst(backend.name.count + 1)) }
        return Set(volumes + moving + (try Table.layer.all("backend = \(backend.name)", tx: tx).map(\.id)))
      }
      for name in try HostFiles.list(backend.folder) {
        let isOurs = ["volume-", "layer-", "copy-", "upload-", "moved-"].contains {
          name.hasPrefix($0) && UUIDText.isValid(String(name.dropFirst($0.count)))
        }
        guard name.hasSuffix(".tmp") || isOurs && !known.contains(name) else { continue }
        log.warning("backend \(backend.name): removing the left-over file \(name)")
        try HostFiles.remove("\(backend.folder)/\(name)")
      }
    } catch { log.error("backend \(backend.name) could not be checked: \(error)") }
  }
}
