import API
import Contracts
import Kit
import Logs
import Store
import Synchronization
import Workflow

/// The Image service: images with their data, for users and for the other services.
public final class ImageService: ImageSource, Sendable {
  let database: any Database
  let clock: any WallClock
  let log: Log
  let blobs: BlobStore
  let engine: WorkflowEngine?
  /// Marks the uploads of this process: those of a process that is gone are taken back at the next start.
  let worker = UUIDText.make()

  struct State {
    var isInUse: @Sendable (String) -> Bool = { _ in true }
    /// Files whose paths were given away lately: their guests may not hold them open yet.
    var handedOut: [String: Timestamp] = [:]
    /// Temporary files of uploads that run now.
    var temporary: Set<String> = []
  }
  let state = Mutex(State())

  /// How long a file is kept after its path was given away, whoever says that it is not in use.
  static let handOutTime: Duration = .seconds(900)

  /// `directory` holds the data; it is made when it is missing. Without an engine imports run within their requests.
  public init(
    database: any Database, clock: any WallClock = SystemClock(), log: Log, directory: String, engine: WorkflowEngine?
  ) {
    (self.database, self.clock, self.log, self.engine) = (database, clock, log, engine)
    blobs = BlobStore(directory: directory)
    engine?.register([importWorkflow])
  }

  /// The Image API v2.0 to v2.18.
  public var api: ServiceAPI {
    ServiceAPI(
      name: "image", errors: .image,
      routes: versionRoutes + imageRoutes + dataRoutes + memberRoutes + taskRoutes + schemaRoutes + infoRoutes
        + namespaceRoutes + MetadefItem.Kind.allCases.flatMap(itemRoutes) + tagRoutes)
  }

  /// Whether something on this node uses a data file, such as a guest whose disk is a layer above it. It is asked before a
  /// file that no image needs any more is removed. Until it is set every file counts as used, and waits for `sweep`.
  public var isInUse: @Sendable (String) -> Bool {
    get { state.withLock { $0.isInUse } }
    set { state.withLock { $0.isInUse = newValue } }
  }

  /// Opens the store and takes back what an earlier process left half-made. Call it before requests are answered, after
  /// `isInUse` is set.
  public func start() async throws { try await sweep() }

  // MARK: ImageSource

  public func image(_ id: String, visibleTo auth: AuthContext, tx: any Transaction) throws -> ImageSummary? {
    try ImageStore.find(id, where: ImageStore.visible(auth), tx: tx).map(Self.summary)
  }
  public func image(_ id: String, tx: any Transaction) throws -> ImageSummary? {
    try ImageStore.find(id, tx: tx).map(Self.summary)
  }

  private static func summary(_ image: Image) -> ImageSummary {
    ImageSummary(
      id: image.id, name: image.name ?? "", status: image.status.rawValue, diskFormat: image.diskFormat ?? "",
      containerFormat: image.containerFormat ?? "", sizeBytes: image.size ?? 0,
      virtualSizeBytes: image.virtualSize ?? image.size ?? 0, minDiskGB: image.minDiskGB, minRAMMB: image.minRAMMB,
      owner: image.owner ?? "", visibility: image.visibility, properties: image.properties)
  }

  /// The file of an image's data. It is not removed within the next 15 minutes, even when the image is deleted, and after
  /// that for as long as `isInUse` says. Throws a 404 fault when there is no such image, 409 when it has no data, 400 when
  /// the data is an archive and no disk.
  public func file(of id: String) async throws -> String {
    let image = try await database.read { tx in try ImageStore.find(id, tx: tx) }
    guard let image else { throw Image.notFound(id) }
    guard image.hasData, let hash = image.hash else {
      throw Fault.conflict("Image \(id) has no data: its status is \(image.status.rawValue).")
    }
    guard !FormatInspector.archives.contains(image.containerFormat ?? "") else {
      throw Fault.badRequest("Image \(id) is an archive (\(image.containerFormat ?? "")): no disk can start from it.")
    }
    let (path, now) = (blobs.path(of: hash), clock.now())
    state.withLock { $0.handedOut[path] = now }
    // From here on nobody removes the file; it may have been removed just before.
    guard try await FileWork.run({ FilePath.size(path) }) == image.size else {
      log.error("the data of image \(id) is missing or cut off: \(path)")
      throw Fault.internal("The data of image \(id) is missing or cut off.")
    }
    return path
  }

  /// Writes a new queued image in the caller's transaction: that of a snapshot, whose data `importFile` brings later.
  /// Size and status of the summary do not matter. Throws a 409 fault for an id that is taken.
  public func reserve(_ summary: ImageSummary, tx: any Transaction) throws {
    let now = clock.now()
    var image = Image(id: summary.id, createdAt: now, updatedAt: now)
    image.name = summary.name
    image.owner = summary.owner
    image.visibility = summary.visibility
    image.diskFormat = summary.diskFormat
    image.containerFormat = summary.containerFormat
    (image.minDiskGB, image.minRAMMB) = (summary.minDiskGB, summary.minRAMMB)
    image.properties = summary.properties
    try ImageStore.insert(image, tx: tx)
  }

  public func discard(_ id: String, tx: any Transaction) throws {
    guard let image = try ImageStore.find(id, tx: tx), image.status == .queued else { return }
    try ImageStore.delete(id, tx: tx)
  }

  /// Copies a file of this node in as the data of a queued image, checks it as an upload, and removes the file. Doing it
  /// again after a crash finishes it. Throws as an upload does.
  public func importFile(_ path: String, into id: String) async throws {
    let isDone = try await database.read { tx in try ImageStore.find(id, tx: tx)?.hasData == true }
    if !isDone {
      try await takeData(of: id, by: nil) { target in
        try await FileWork.run { try DataTransfer.copy(path, into: target) }
      }
      log.audit("image \(id): data imported from \(path)")
    }
    try await FileWork.run { try FilePath.remove(path) }
  }
}
