import API
import Kit
import Store

extension ImageService {
  private static let all = "/v2/images/{image_id}/members"
  private static let one = all + "/{member_id}"

  var memberRoutes: [Route] {
    [
      Route("GET", Self.all, Policy("get_members", Self.reader)) { [self] call in
        let auth = try call.auth
        let members = try await database.read { tx in
          let image = try Self.sharedImage(call, tx: tx)
          let members = try MemberStore.all(of: image.id, tx: tx)
          // A project with which it is shared sees itself alone.
          return auth.isAdmin || image.owner == auth.projectID
            ? members : members.filter { $0.memberID == auth.projectID }
        }
        return .json(["members": .array(members.map(ImageView.member)), "schema": "/v2/schemas/members"])
      },
      Route("POST", Self.all, Policy("add_member", .projectMember), body: .json, addMember),
      Route("GET", Self.one, Policy("get_member", Self.reader)) { [self] call in
        let auth = try call.auth
        let member = try await database.read { tx in
          let image = try Self.sharedImage(call, isHiding: true, tx: tx)
          let id = call.parameter("member_id")
          guard auth.isAdmin || image.owner == auth.projectID || id == auth.projectID else {
            throw Self.noMember(id, image)
          }
          return try Self.require(id, of: image, tx: tx)
        }
        return .json(ImageView.member(member))
      },
      Route("PUT", Self.one, Policy("modify_member", .projectMember), body: .json, setMemberStatus),
      Route("DELETE", Self.one, Policy("delete_member", .projectMember)) { [self] call in
        let auth = try call.auth
        try await database.write { tx in
          let image = try Self.sharedImage(call, tx: tx)
          guard auth.isAdmin || image.owner == auth.projectID else {
            throw Fault.forbidden("You cannot delete image member.")
          }
          try MemberStore.delete(Self.require(call.parameter("member_id"), of: image, tx: tx), tx: tx)
        }
        return .empty()
      },
    ]
  }

  private static func noMember(_ id: String, _ image: Image) -> Fault {
    .notFound("\(id.prefix(64)) not found in the member list of the image \(image.id).")
  }
  private static func require(_ id: String, of image: Image, tx: any Transaction) throws -> ImageMember {
    guard let member = try MemberStore.find(id, of: image.id, tx: tx) else { throw noMember(id, image) }
    return member
  }
  /// The image, which must be shared: 403 otherwise (404 where the answer must not tell).
  private static func sharedImage(_ call: Call, isHiding: Bool = false, tx: any Transaction) throws -> Image {
    let image = try ImageStore.require(call.parameter("image_id"), try call.auth, tx: tx)
    guard image.visibility == "shared" else {
      throw Fault(isHiding ? 404 : 403, "Only shared images have members.")
    }
    return image
  }

  private func addMember(_ call: Call) async throws -> Reply {
    let (auth, now) = (try call.auth, clock.now())
    guard let id = call.body["member"]?.string, (1...255).contains(id.count) else {
      throw Fault.badRequest("Member to be added not specified: the body has {\"member\": \"project id\"}.")
    }
    let member = try await database.write { tx in
      let image = try Self.sharedImage(call, tx: tx)
      guard auth.isAdmin || image.owner == auth.projectID else {
        throw Fault.forbidden("Not allowed to create members for image \(image.id).")
      }
      let member = ImageMember(imageID: image.id, memberID: id, status: "pending", createdAt: now, updatedAt: now)
      let count = try tx.count("SELECT COUNT(*) FROM image_member WHERE image_id = \(image.id)")
      try MemberStore.insert(member, tx: tx)
      guard count < Image.membersMax else {
        throw Fault(413, "Image member limit exceeded for image \(image.id): at most \(Image.membersMax).")
      }
      return member
    }
    return .json(ImageView.member(member))
  }

  private func setMemberStatus(_ call: Call) async throws -> Reply {
    let (auth, now, id) = (try call.auth, clock.now(), call.parameter("member_id"))
    guard let status = call.body["status"]?.string, ImageMember.statuses.contains(status) else {
      throw Fault.badRequest("Status must be \"pending\", \"accepted\" or \"rejected\".")
    }
    let member = try await database.write { tx in
      let image = try Self.sharedImage(call, tx: tx)
      guard auth.isAdmin || image.owner != auth.projectID else {
        throw Fault.forbidden("You are not permitted to modify 'status' on this image member.")
      }
      guard auth.isAdmin || id == auth.projectID else { throw Self.noMember(id, image) }
      var member = try Self.require(id, of: image, tx: tx)
      (member.status, member.updatedAt) = (status, now)
      try MemberStore.setStatus(member, tx: tx)
      return member
    }
    return .json(ImageView.member(member))
  }
}
