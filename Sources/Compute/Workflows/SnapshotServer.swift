import API
import Contracts
import Foundation
import Kit
import Store
import Workflow

/// Makes an image of a server's root disk (API reference, Create Image): the image is reserved with the request, the disk
/// is copied, and the copy becomes the image's data. When that fails the image goes again.
struct SnapshotServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }

  var definition: WorkflowDefinition {
    let (guest, service) = (guest, service)
    return WorkflowDefinition(
      kind: ServerJob.createImage.rawValue, deadline: .seconds(7200),
      steps: [
        Step(
          "copy", deadline: .seconds(3600),
          run: { context in
            try await copy(context)
            return .done
          },
          undo: { context in
            try removeFile(context.job)
            return .done
          }),
        Step("upload", deadline: .seconds(3600)) { context in
          try await service.images.importFile(path(context.job), into: image(context.job))
          return .done
        },
      ],
      onFailed: { tx, job, fault in
        try service.images.discard(image(job), tx: tx)
        try removeSnapshots(job, tx: tx)
        try guest.keepState(tx, job, fault)
      })
  }

  /// Copies the root disk; of a server that boots from a volume, waits for the snapshots of its volumes: the image of such
  /// a server has no data, it names them.
  private func copy(_ context: StepContext) async throws {
    guard let snapshots = context.input["snapshots"]?.array else {
      return try await service.hypervisor.snapshotRoot(of: ServerGuest.id(context.job), to: path(context.job))
    }
    try await service.engine.whileWaiting {
      for id in snapshots.compactMap(\.string) { try await service.storage().waitSnapshotReady(id) }
    }
    try Data().write(to: URL(fileURLWithPath: path(context.job)))
  }

  private func removeSnapshots(_ job: Job, tx: any Transaction) throws {
    for id in (job.input["snapshots"]?.array ?? []).compactMap(\.string) {
      try service.storage().deleteSnapshot(id, requestID: job.requestID, tx: tx)
    }
  }

  @Sendable private func image(_ job: Job) -> String { job.input["image"]?.string ?? "" }
  @Sendable private func path(_ job: Job) -> String {
    "\(service.settings.snapshotFolder)/martlet-snapshot-\(image(job)).qcow2"
  }
  @Sendable private func removeFile(_ job: Job) throws {
    guard FileManager.default.fileExists(atPath: path(job)) else { return }
    try FileManager.default.removeItem(atPath: path(job))
  }

  // MARK: Deleted meanwhile

  /// The snapshots of a server that its delete has cut off: nobody else takes them back.
  func abandoned(_ serverID: String, tx: any Transaction) throws -> [Job] {
    try JobStore.history(subject: Server.subject(serverID), tx: tx).filter {
      $0.kind == ServerJob.createImage.rawValue && $0.state == .cancelled
    }
  }
  func removeFiles(_ jobs: [Job]) throws { for job in jobs { try removeFile(job) } }
  func discardImages(_ jobs: [Job], tx: any Transaction) throws {
    for job in jobs {
      try service.images.discard(image(job), tx: tx)
      try removeSnapshots(job, tx: tx)
    }
  }

  // MARK: The action

  static func handle(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let wish = call.body["createImage"] ?? .null
    let id = UUIDText.make()
    try await ServerAction(call: call, service: service).start(.createImage, .createImage) { server, tx in
      let metadata = (wish["metadata"] ?? .null).texts
      if !call.since(2, 39) {
        try ServerCreate.checkMetadata(metadata.count, projectID: server.projectID, tx: tx)
      }
      return try reserve(id, server, wish, call, service, tx: tx)
    }
    if call.since(2, 45) { return .json(["image_id": .string(id)], status: 202) }
    return Reply(202, .none, headers: ["Location": "\(call.baseURL)/images/\(id)"])
  }

  /// Writes the image, and takes the snapshots of a server that boots from a volume; returns the job's input.
  private static func reserve(
    _ id: String, _ server: Server, _ wish: JSONValue, _ call: Call, _ service: ComputeDependencies,
    tx: any Transaction
  ) throws -> JSONValue {
    var input: JSONObject = ["image": .string(id)]
    var properties = server.imageProperties
    properties["image_type"] = "snapshot"
    properties["instance_uuid"] = server.id
    properties["user_id"] = try call.auth.user.id
    properties["base_image_ref"] = server.imageID
    properties.merge((wish["metadata"] ?? .null).texts) { $1 }
    let (name, isVolumeBacked) = (wish["name"]?.string ?? "", server.isVolumeBacked)
    if isVolumeBacked {
      let mapping = SnapshotMapping(server: server, service: service, call: call)
      input["snapshots"] = .strings(try mapping.make(imageName: name, &properties, tx: tx))
    }
    try service.images.reserve(
      ImageSummary(
        id: id, name: name, status: "queued", diskFormat: isVolumeBacked ? "raw" : "qcow2", containerFormat: "bare",
        sizeBytes: 0, virtualSizeBytes: 0, minDiskGB: isVolumeBacked ? 0 : server.flavor.diskGB, minRAMMB: 0,
        owner: server.projectID, visibility: "private", properties: properties), tx: tx)
    return .object(input)
  }
}
