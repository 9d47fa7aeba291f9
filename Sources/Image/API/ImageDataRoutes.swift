import API
import Kit
import Store
import Workflow

extension ImageService {
  private static let one = "/v2/images/{image_id}"
  /// How data can come in beside an upload. `web-download` is not among them: this service fetches nothing from elsewhere.
  static let importMethods = ["glance-direct", "copy-image"]

  var dataRoutes: [Route] {
    [
      Route("PUT", Self.one + "/file", Policy("upload_image", .projectMember), body: .raw) { [self] call in
        let (body, auth) = (try Self.dataBody(call), try call.auth)
        try await takeData(of: call.parameter("image_id"), by: auth) { path in
          try await DataTransfer.receive(body, into: path, limit: Image.sizeMax)
        }
        log.request(call.requestID).audit("image \(call.parameter("image_id")): data uploaded by \(auth.user.name)")
        return .empty()
      },
      Route("PUT", Self.one + "/stage", Policy("modify_image", .projectMember), body: .raw) { [self] call in
        try await stage(try Self.dataBody(call), for: call.parameter("image_id"), try call.auth)
        return .empty()
      },
      Route("GET", Self.one + "/file", Policy("download_image", Self.member), download),
      Route("POST", Self.one + "/import", Policy("modify_image", .projectMember), body: .json, importImage),
      Route("GET", Self.one + "/tasks", Policy("get_image", Self.reader)) { [self] call in
        let tasks = try await database.read { tx in
          let image = try ImageStore.require(call.parameter("image_id"), try call.auth, tx: tx)
          return try TaskStore.of(image: image.id, tx: tx)
        }
        return .json(["tasks": .array(tasks.map { ImageView.task($0) })])
      },
      Route("GET", Self.one + "/locations", Policy("fetch_image_location", .service)) { [self] call in
        let image = try await database.read { tx in
          try ImageStore.require(call.parameter("image_id"), try call.auth, tx: tx)
        }
        guard image.hasData, let hash = image.hash else { return .json([]) }
        return .json([["url": .string("file://" + blobs.path(of: hash)), "metadata": ["store": .string(Self.storeID)]]])
      },
      Route("DELETE", "/v2/stores/{store_id}/{image_id}", Policy("delete_image_location", .admin), deleteFromStore),
    ]
  }

  /// The body of an upload, after the checks that its head allows.
  private static func dataBody(_ call: Call) throws -> BodyStream {
    let headers = call.http.headers
    let type = (headers["Content-Type"] ?? "").split(separator: ";").first.map { String($0).lowercased() }
    guard type == "application/octet-stream" else {
      throw Fault(415, "Image data has the Content-Type application/octet-stream, not '\(type?.prefix(80) ?? "")'.")
    }
    if let text = headers["x-openstack-image-size"] {
      guard let size = Int(text), size >= 0 else {
        throw Fault.badRequest("Invalid or missing image size in request headers.")
      }
      guard size <= Image.sizeMax else { throw Fault(413, "The incoming image is too large: \(size) bytes.") }
    }
    if let store = headers["x-image-meta-store"], store != storeID {
      throw Fault.badRequest("Unknown store '\(store.prefix(80))': the store of this cloud is '\(storeID)'.")
    }
    return call.http.body
  }

  private func download(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let image = try await database.read { tx in try ImageStore.require(call.parameter("image_id"), auth, tx: tx) }
    guard image.status != .deactivated || auth.isAdmin else {
      throw Fault.forbidden("The requested image has been deactivated. Image data download is forbidden.")
    }
    guard image.hasData, let hash = image.hash, let size = image.size else { return .empty() }
    let (range, isPart) = try RangeRequest.parse(call.http.headers["Range"], size: size)
    let body = try await DataTransfer.send(blobs.path(of: hash), range: range)
    var reply = Reply(isPart ? 206 : 200, .stream(body, contentType: "application/octet-stream"))
    if let checksum = image.checksum { reply.headers["Content-MD5"] = checksum }
    reply.headers["Content-Length"] = String(range.count)
    if isPart { reply.headers["Content-Range"] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)" }
    return reply
  }

  private func deleteFromStore(_ call: Call) async throws -> Reply {
    let store = call.parameter("store_id")
    let image = try await database.read { tx in
      try ImageStore.require(call.parameter("image_id"), try call.auth, tx: tx)
    }
    guard store == Self.storeID else {
      throw Fault.conflict("The selected store \(store.prefix(80)) is not available on this node.")
    }
    guard image.status == .active else {
      throw Fault.conflict("It's not allowed to remove image data from store if image status is not 'active'")
    }
    throw Fault.forbidden("Cannot delete image data from the only store containing it. Delete the image instead.")
  }

  // MARK: Import

  private func importImage(_ call: Call) async throws -> Reply {
    let method = try Self.importMethod(call.body)
    let (auth, now, taskID) = (try call.auth, clock.now(), UUIDText.make())
    let input = try await database.write { [engine] tx -> JSONValue? in
      let image = try ImageStore.require(call.parameter("image_id"), auth, tx: tx)
      if method == "copy-image" {
        try Self.copyImage(image, call, tx: tx)
        return nil
      }
      try image.checkOwner(auth, "import data into")
      guard image.status == .uploading, try ImageStore.staged(image.id, path: "", tx: tx) != nil else {
        throw Fault.conflict(
          image.status == .active
            ? "Image with status active cannot be target for import"
            : "Image needs to be staged before 'glance-direct' method can be used")
      }
      try image.checkFormats(status: 409)
      try TaskStore.insert(Self.importTask(taskID, image, call, auth, now), tx: tx)
      _ = try ImageStore.move(image.id, from: .uploading, to: .importing, now: now, tx: tx)
      try Self.setProgress(image.id, importing: Self.storeID, failed: "", tx: tx)
      let input: JSONValue = ["image": .string(image.id), "task": .string(taskID)]
      try engine?.enqueue(
        NewJob(
          kind: Self.importKind, subject: "image/\(image.id)", input: input, requestID: call.requestID,
          userID: auth.user.id, projectID: auth.projectID), tx: tx)
      return input
    }
    if let input, engine == nil { try await runImport(input) }
    return .empty(202)
  }

  private static func importMethod(_ body: JSONValue) throws -> String {
    guard let method = body["method"] else { throw Fault.badRequest("Import request requires a 'method' field.") }
    guard let name = method["name"]?.string else { throw Fault.badRequest("Import request requires a 'name' field.") }
    guard importMethods.contains(name) else {
      throw Fault.badRequest(
        "Unknown import method name '\(name.prefix(80))': this cloud has \(importMethods.joined(separator: ", ")).")
    }
    for flag in ["all_stores", "all_stores_must_succeed"] {
      if let value = body[flag], value.bool == nil {
        throw Fault.badRequest("'\(flag)' must be boolean value only")
      }
    }
    guard let stores = body["stores"] else { return name }
    guard body["all_stores"]?.bool != true else {
      throw Fault.badRequest("'all_stores' and 'stores' cannot be given together.")
    }
    guard let names = stores.array?.map({ $0.string ?? "" }) else { throw Fault.badRequest("'stores' must be a list.") }
    guard names.allSatisfy({ $0 == storeID }) else {
      throw Fault.conflict("Unknown store in \(stores.text.prefix(120)): the store of this cloud is '\(storeID)'.")
    }
    return name
  }

  /// There is one store, so a copy to all of them is done as soon as it is asked for.
  private static func copyImage(_ image: Image, _ call: Call, tx: any Transaction) throws {
    guard try call.auth.isAdmin else {
      throw Fault.forbidden("You are not authorized to complete copy_image action.")
    }
    guard image.status == .active else {
      throw Fault.conflict("Only images with status active can be targeted for copying")
    }
    guard call.body["all_stores"]?.bool == true else {
      throw Fault.badRequest("Image is already present at store '\(storeID)'")
    }
    try setProgress(image.id, failed: "", tx: tx)
  }

  private static func importTask(
    _ id: String, _ image: Image, _ call: Call, _ auth: AuthContext, _ now: Timestamp
  ) -> ImageTask {
    ImageTask(
      id: id, type: "api_image_import", status: "processing", owner: auth.projectID, imageID: image.id,
      userID: auth.user.id, requestID: call.requestID,
      input: ["image_id": .string(image.id), "import_req": call.body, "backend": [.string(storeID)]], result: .null,
      message: "", expiresAt: nil, createdAt: now, updatedAt: now)
  }
}
