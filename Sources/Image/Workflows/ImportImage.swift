import API
import Kit
import Store
import Workflow

extension ImageService {
  static let importKind = "image-import"
  /// The one store that there is, as upstream names its default one.
  static let storeID = "file"

  /// Stages data for a later import: queued → uploading.
  func stage(_ body: BodyStream, for id: String, _ auth: AuthContext) async throws {
    let (now, worker) = (clock.now(), worker)
    let image = try await database.write { tx in
      let image = try ImageStore.require(id, auth, tx: tx)
      try image.checkOwner(auth, "stage data for")
      try image.checkTakesData(to: .uploading)
      _ = try ImageStore.move(image.id, from: .queued, to: .uploading, worker: worker, now: now, tx: tx)
      return image
    }
    let path = blobs.stagedPath(of: image.id)
    do {
      try await FileWork.run { [blobs] in
        try blobs.prepare()
        try FilePath.remove(path)
      }
      let data = try await DataTransfer.receive(body, into: path, limit: Image.sizeMax)
      try await database.write { tx in
        // Complete: it survives this process now, so no worker holds it.
        guard try ImageStore.move(image.id, from: .uploading, to: .uploading, held: worker, now: now, tx: tx) else {
          throw Fault(410, "Image \(image.id) was deleted while its data was staged.")
        }
        try ImageStore.setStaged(data, of: image.id, tx: tx)
      }
    } catch {
      await shielded { await self.unstage(image.id, path) }
      throw (error as? FileError)?.fault ?? error
    }
  }

  private func unstage(_ id: String, _ path: String) async {
    let (worker, now) = (worker, clock.now())
    do {
      try await FileWork.run { try FilePath.remove(path) }
      try await database.write { tx in
        _ = try ImageStore.move(id, from: .uploading, to: .queued, held: worker, now: now, tx: tx)
      }
    } catch {
      log.error("image \(id): the failed staging could not be taken back, the next start does it: \(error)")
    }
  }

  /// Publishes staged data. The staged file stays until the image is active, so that the step can run again.
  var importWorkflow: WorkflowDefinition {
    WorkflowDefinition(
      kind: Self.importKind, deadline: .seconds(7200),
      steps: [
        Step(
          "import", deadline: .seconds(3600),
          run: { [self] context in try await publishStaged(context.input) },
          undo: { [self] context in
            let path = blobs.stagedPath(of: context.input["image"]?.string ?? "")
            try await FileWork.run { try FilePath.remove(path) }
            return .done
          }),
        Step(
          "remove staged data",
          run: { [self] context in
            let path = blobs.stagedPath(of: context.input["image"]?.string ?? "")
            try await FileWork.run { try FilePath.remove(path) }
            return .done
          }),
      ],
      onFailed: { [self] tx, job, fault in try importFailed(job.input, fault, tx: tx) })
  }

  func publishStaged(_ input: JSONValue) async throws -> StepResult {
    let (id, task, now) = (input["image"]?.string ?? "", input["task"]?.string ?? "", clock.now())
    let path = blobs.stagedPath(of: id)
    let found = try await database.read { tx -> (Image, WrittenData)? in
      guard let image = try ImageStore.find(id, tx: tx), image.status == .importing,
        let data = try ImageStore.staged(id, path: path, tx: tx)
      else { return nil }
      return (image, data)
    }
    // Deleted meanwhile, or done already: nothing is left to do.
    guard let (image, data) = found else { return .done }
    let virtualSize = try await inspect(path, image)
    try await FileWork.run { [blobs] in try blobs.publish(data, keepsSource: true) }
    return StepResult(["hash": .string(data.hash)]) { tx in
      guard
        try ImageStore.activate(id, from: [.importing], data, virtualSize: virtualSize, now: now, tx: tx)
      else { return }
      try Self.setProgress(id, failed: "", tx: tx)
      try TaskStore.finish(task, "success", result: ["image_id": .string(id)], now: now, tx: tx)
    }
  }

  func importFailed(_ input: JSONValue, _ fault: Fault, tx: any Transaction) throws {
    let (id, now) = (input["image"]?.string ?? "", clock.now())
    if try ImageStore.move(id, from: .importing, to: .queued, now: now, tx: tx) {
      try ImageStore.setStaged(nil, of: id, tx: tx)
      try Self.setProgress(id, failed: Self.storeID, tx: tx)
    }
    try TaskStore.finish(input["task"]?.string ?? "", "failure", message: fault.message, now: now, tx: tx)
  }

  /// The properties by which clients follow an import: stores that are still to come, and stores that failed.
  static func setProgress(_ id: String, importing: String = "", failed: String, tx: any Transaction) throws {
    let names = ["os_glance_importing_to_stores", "os_glance_failed_import"]
    try tx.execute("DELETE FROM image_property WHERE image_id = \(id) AND name IN \(list: names)")
    try tx.execute(
      """
      INSERT INTO image_property (image_id, name, value) VALUES
      (\(id), \(names[0]), \(importing)), (\(id), \(names[1]), \(failed))
      """)
  }

  /// Runs an import at once, for a service without an engine.
  func runImport(_ input: JSONValue) async throws {
    do {
      let result = try await publishStaged(input)
      try await database.write { tx in try result.commit?(tx) }
    } catch {
      let fault = (error as? FileError)?.fault ?? Fault(error)
      try await database.write { [self] tx in try importFailed(input, fault, tx: tx) }
    }
    let path = blobs.stagedPath(of: input["image"]?.string ?? "")
    try await FileWork.run { try FilePath.remove(path) }
  }
}
