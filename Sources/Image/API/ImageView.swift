import API
import Kit

/// Images, members and tasks as clients see them.
enum ImageView {
  static func image(_ image: Image) -> JSONValue {
    var view = JSONObject(image.properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
    let path = "/v2/images/\(image.id)"
    let members: [(String, JSONValue)] = [
      ("name", .optional(image.name)), ("disk_format", .optional(image.diskFormat)),
      ("container_format", .optional(image.containerFormat)), ("visibility", .string(image.visibility)),
      ("size", .optional(image.size)), ("virtual_size", .optional(image.virtualSize)),
      ("status", .string(image.status.rawValue)), ("checksum", .optional(image.checksum)),
      ("protected", .bool(image.isProtected)), ("min_ram", .int(image.minRAMMB)), ("min_disk", .int(image.minDiskGB)),
      ("owner", .optional(image.owner)), ("os_hidden", .bool(image.isHidden)),
      ("os_hash_algo", image.hash == nil ? .null : "sha512"), ("os_hash_value", .optional(image.hash)),
      ("id", .string(image.id)), ("created_at", .string(image.createdAt.iso8601)),
      ("updated_at", .string(image.updatedAt.iso8601)), ("tags", .strings(image.tags.sorted())),
      ("self", .string(path)), ("file", .string(path + "/file")), ("schema", "/v2/schemas/image"),
    ]
    for (name, value) in members { view.append(name, value) }
    if image.hasData { view.append("stores", .string(ImageService.storeID)) }
    return .object(view)
  }

  /// A page of images with the addresses of the first and the next page.
  static func page(_ images: [Image], hasNext: Bool, _ call: Call) -> JSONValue {
    let query = call.query.text(without: ["marker"])
    var view: JSONObject = [
      "images": .array(images.map(image)), "schema": "/v2/schemas/images",
      "first": .string("/v2/images" + (query.isEmpty ? "" : "?" + query)),
    ]
    if hasNext, let last = images.last {
      view.append("next", .string(PageLinks.href(call, marker: last.id, isRelative: true)))
    }
    return .object(view)
  }

  static func member(_ member: ImageMember) -> JSONValue {
    [
      "member_id": .string(member.memberID), "image_id": .string(member.imageID), "status": .string(member.status),
      "created_at": .string(member.createdAt.iso8601), "updated_at": .string(member.updatedAt.iso8601),
      "schema": "/v2/schemas/member",
    ]
  }

  /// A task; lists leave out what was put in and what came out.
  static func task(_ task: ImageTask, isBrief: Bool = false) -> JSONValue {
    var view: JSONObject = [
      "id": .string(task.id), "type": .string(task.type), "status": .string(task.status),
      "owner": .string(task.owner), "created_at": .string(task.createdAt.iso8601),
      "updated_at": .string(task.updatedAt.iso8601), "self": .string("/v2/tasks/\(task.id)"),
      "schema": "/v2/schemas/task",
    ]
    if let expiry = task.expiresAt { view.append("expires_at", .string(expiry.iso8601)) }
    guard !isBrief else { return .object(view) }
    view.append("image_id", .optional(task.imageID))
    view.append("user_id", .string(task.userID))
    view.append("request_id", .string(task.requestID))
    view.append("input", task.input)
    view.append("result", task.result)
    view.append("message", .string(task.message))
    return .object(view)
  }
}
