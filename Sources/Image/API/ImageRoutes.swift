import API
import Kit
import Store

extension ImageService {
  private static let one = "/v2/images/{image_id}"
  private static func policy(_ name: String, _ rule: Rule) -> Policy { Policy(name, rule) }
  /// Upstream's rules ask the role on any project that sees the image; the rows decide which ones those are.
  static let reader = Rule.any([.admin, .role("reader")])
  static let member = Rule.any([.admin, .role("member")])

  var imageRoutes: [Route] {
    [
      Route("GET", "/v2/images", Policy("get_images", .projectReader), listImages),
      Route("POST", "/v2/images", Policy("add_image", .projectMember), body: .json, createImage),
      Route("GET", Self.one, Policy("get_image", Self.reader)) { [self] call in
        let image = try await database.read { tx in
          try ImageStore.require(call.parameter("image_id"), try call.auth, tx: tx)
        }
        return .json(ImageView.image(image))
      },
      Route("PATCH", Self.one, Policy("modify_image", .projectMember), body: .raw, patchImage),
      Route("DELETE", Self.one, Policy("delete_image", .projectMember), deleteImage),
      // The address of an image with an empty id: not found, as upstream answers.
      Route("DELETE", "/v2/images", Policy("delete_image", .projectMember)) { call in
        guard call.http.path.hasSuffix("/") else {
          throw Fault(405, "The method DELETE is not allowed for this resource.", headers: ["Allow": "GET, POST"])
        }
        throw Image.notFound("")
      },
      Route("POST", Self.one + "/actions/deactivate", Policy("deactivate", .projectMember)) { [self] call in
        try await setActive(false, call)
      },
      Route("POST", Self.one + "/actions/reactivate", Policy("reactivate", .projectMember)) { [self] call in
        try await setActive(true, call)
      },
      Route("PUT", Self.one + "/tags/{tag}", Policy("modify_image", .projectMember)) { [self] call in
        let tag = call.parameter("tag")
        guard tag.count <= 255 else { throw Fault.badRequest("A tag has at most 255 characters.") }
        try await change(call, "tag") { $0.tags.insert(tag) }
        return .empty()
      },
      Route("DELETE", Self.one + "/tags/{tag}", Policy("modify_image", .projectMember)) { [self] call in
        let tag = call.parameter("tag")
        try await change(call, "untag") { image in
          guard image.tags.remove(tag) != nil else {
            throw Fault.notFound("Image \(image.id) has no tag '\(tag.prefix(80))'.")
          }
        }
        return .empty()
      },
    ]
  }

  private func listImages(_ call: Call) async throws -> Reply {
    guard !call.http.path.hasSuffix("/") else { throw Image.notFound("") }
    let query = try ImageListQuery(call.query, try call.auth)
    let (images, hasNext) = try await database.read { tx in
      let page = try ImageListQuery.spec.page(query.request, conditions: query.scope, tx: tx)
      return (try ImageStore.complete(page.rows, tx: tx), page.hasNext)
    }
    return .json(ImageView.page(images, hasNext: hasNext, call))
  }

  private func createImage(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    let image = try Image(call.body.object ?? [:], owner: auth.project?.id, now: now)
    guard auth.isAdmin || image.owner == auth.projectID else {
      throw Fault.forbidden("You are not permitted to create images owned by '\(image.owner?.prefix(64) ?? "")'.")
    }
    try Self.checkVisibility(image.visibility, auth)
    try await database.write { tx in try ImageStore.insert(image, tx: tx) }
    log.request(call.requestID).audit("image \(image.id) created by \(auth.user.name)")
    return .json(
      ImageView.image(image), status: 201,
      headers: [
        "Location": "/v2/images/\(image.id)",
        "OpenStack-image-import-methods": Self.importMethods.joined(separator: ","),
        "OpenStack-image-store-ids": Self.storeID,
      ])
  }

  /// Upstream's publicize_image: administrators alone make images public.
  private static func checkVisibility(_ visibility: String, _ auth: AuthContext) throws {
    guard visibility != "public" || auth.isAdmin else {
      throw Fault.forbidden("You are not authorized to complete publicize_image action.")
    }
  }

  private func patchImage(_ call: Call) async throws -> Reply {
    let type = (call.http.headers["Content-Type"] ?? "").split(separator: ";").first.map { String($0).lowercased() }
    guard let type, [ImageChange.oldType, ImageChange.newType].contains(type) else {
      let types = "\(ImageChange.oldType), \(ImageChange.newType)"
      throw Fault(415, "Image PATCH expects Content-Type one of: \(types)", headers: ["Accept-Patch": types])
    }
    let bytes = try await call.http.body.collect(limit: Limits.requestBodyBytesMax)
    let document: JSONValue
    do { document = try JSONParser.parse(bytes) } catch {
      throw Fault.badRequest("Malformed request body: \(error).")
    }
    let changes = try ImageChange.parse(document, isOld: type == ImageChange.oldType)
    let auth = try call.auth
    let image = try await change(call, "modify") { image in
      for change in changes {
        if change.name == "owner", !auth.isAdmin { throw Fault.forbidden("Owner can't be updated by non admin.") }
        if change.name == "visibility" { try Self.checkVisibility(change.value.string ?? "", auth) }
        try image.apply(change)
      }
    }
    return .json(ImageView.image(image))
  }

  /// Changes an image that the caller owns.
  @discardableResult
  private func change(
    _ call: Call, _ action: String, _ body: @escaping @Sendable (inout Image) throws -> Void
  ) async throws -> Image {
    let (auth, now) = (try call.auth, clock.now())
    return try await database.write { tx in
      let old = try ImageStore.require(call.parameter("image_id"), auth, tx: tx)
      try old.checkOwner(auth, action)
      var image = old
      try body(&image)
      try image.checkCounts()
      guard image != old else { return old }
      image.updatedAt = now
      try ImageStore.update(image, from: old, tx: tx)
      return image
    }
  }

  private func deleteImage(_ call: Call) async throws -> Reply {
    let auth = try call.auth
    let image = try await database.write { tx in
      let image = try ImageStore.require(call.parameter("image_id"), auth, tx: tx)
      try image.checkOwner(auth, "delete")
      guard !image.isProtected else {
        throw Fault.forbidden("Image \(image.id) is protected and cannot be deleted.")
      }
      try ImageStore.delete(image.id, tx: tx)
      return image
    }
    log.request(call.requestID).audit("image \(image.id) deleted by \(auth.user.name)")
    let staged = blobs.stagedPath(of: image.id)
    do { try await FileWork.run { try FilePath.remove(staged) } } catch { log.warning("\(error)") }
    if let hash = image.hash { await collect(hash) }
    return .empty()
  }

  private func setActive(_ isActive: Bool, _ call: Call) async throws -> Reply {
    try await change(call, isActive ? "reactivate" : "deactivate") { image in
      guard image.hasData else {
        throw Fault.forbidden(
          "Not allowed to \(isActive ? "re" : "de")activate image in status '\(image.status.rawValue)'")
      }
      image.status = isActive ? .active : .deactivated
    }
    return .empty()
  }
}
