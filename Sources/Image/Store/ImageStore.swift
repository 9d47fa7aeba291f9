import Kit
import Store

/// Rows of images with their properties and tags.
enum ImageStore {
  static func image(_ row: Row) -> Image {
    Image(
      id: row.text("id"), name: row.optionalText("name"),
      status: Image.Status(rawValue: row.text("status")) ?? .queued, visibility: row.text("visibility"),
      owner: row.optionalText("owner"), containerFormat: row.optionalText("container_format"),
      diskFormat: row.optionalText("disk_format"), minDiskGB: row.int("min_disk"), minRAMMB: row.int("min_ram"),
      isProtected: row.bool("protected"), isHidden: row.bool("os_hidden"), size: row.optionalInt("size"),
      virtualSize: row.optionalInt("virtual_size"), checksum: row.optionalText("checksum"),
      hash: row.optionalText("hash"), createdAt: row.timestamp("created_at"), updatedAt: row.timestamp("updated_at"))
  }

  private static func columns(_ image: Image) -> [(String, SQLValue)] {
    [
      ("name", image.name.sqlValue), ("status", image.status.rawValue.sqlValue),
      ("visibility", image.visibility.sqlValue), ("owner", image.owner.sqlValue),
      ("container_format", image.containerFormat.sqlValue), ("disk_format", image.diskFormat.sqlValue),
      ("min_disk", image.minDiskGB.sqlValue), ("min_ram", image.minRAMMB.sqlValue),
      ("protected", image.isProtected.sqlValue), ("os_hidden", image.isHidden.sqlValue),
      ("size", image.size.sqlValue), ("virtual_size", image.virtualSize.sqlValue),
      ("checksum", image.checksum.sqlValue), ("hash", image.hash.sqlValue),
      ("updated_at", image.updatedAt.sqlValue),
    ]
  }

  static func insert(_ image: Image, tx: any Transaction) throws {
    let key = [("id", image.id.sqlValue), ("created_at", image.createdAt.sqlValue)]
    do {
      try tx.execute(.insert(into: "image", key + columns(image)))
    } catch is DuplicateRow {
      throw Fault.conflict("Image ID \(image.id) already exists!")
    }
    try insertParts(image.id, image.properties, image.tags, tx: tx)
  }

  /// Writes what changed from `old`.
  static func update(_ image: Image, from old: Image, tx: any Transaction) throws {
    try tx.execute("\(SQL.update("image", columns(image))) WHERE id = \(image.id)")
    let changed = image.properties.filter { old.properties[$0.key] != $0.value }
    let gone = old.properties.keys.filter { image.properties[$0] == nil } + changed.keys
    if !gone.isEmpty {
      try tx.execute("DELETE FROM image_property WHERE image_id = \(image.id) AND name IN \(list: gone)")
    }
    let untagged = Array(old.tags.subtracting(image.tags))
    if !untagged.isEmpty {
      try tx.execute("DELETE FROM image_tag WHERE image_id = \(image.id) AND value IN \(list: untagged)")
    }
    try insertParts(image.id, changed, image.tags.subtracting(old.tags), tx: tx)
  }

  private static func insertParts(
    _ id: String, _ properties: [String: String], _ tags: Set<String>, tx: any Transaction
  ) throws {
    if !properties.isEmpty {
      let rows = properties.map { "(\(id), \($0.key), \($0.value))" as SQL }
      try tx.execute("INSERT INTO image_property (image_id, name, value) VALUES \(SQL.join(rows, ", "))")
    }
    if !tags.isEmpty {
      let rows = tags.map { "(\(id), \($0))" as SQL }
      try tx.execute("INSERT INTO image_tag (image_id, value) VALUES \(SQL.join(rows, ", "))")
    }
  }

  static func delete(_ id: String, tx: any Transaction) throws {
    for table in ["image_property", "image_tag", "image_member", "image_task"] {
      try tx.execute("DELETE FROM \(raw: table) WHERE image_id = \(id)")
    }
    try tx.execute("DELETE FROM image WHERE id = \(id)")
  }

  /// The image, whoever asks; nil when there is none that `condition` allows.
  static func find(_ id: String, where condition: SQL? = nil, tx: any Transaction) throws -> Image? {
    var sql: SQL = "SELECT * FROM image WHERE id = \(id.lowercased())"
    if let condition { sql = "\(sql) AND (\(condition))" }
    return try complete(try tx.query(sql), tx: tx).first
  }
  /// The image, if the caller may see it. Throws a 404 fault otherwise.
  static func require(_ id: String, _ auth: AuthContext, tx: any Transaction) throws -> Image {
    guard let image = try find(id, where: visible(auth), tx: tx) else { throw Image.notFound(id) }
    return image
  }

  /// Images of rows, with properties and tags in two more queries whatever their number.
  static func complete(_ rows: [Row], tx: any Transaction) throws -> [Image] {
    guard !rows.isEmpty else { return [] }
    var images = rows.map(image)
    let ids = images.map(\.id)
    var properties: [String: [String: String]] = [:]
    for row in try tx.query("SELECT * FROM image_property WHERE image_id IN \(list: ids)") {
      properties[row.text("image_id"), default: [:]][row.text("name")] = row.text("value")
    }
    var tags: [String: Set<String>] = [:]
    for row in try tx.query("SELECT * FROM image_tag WHERE image_id IN \(list: ids)") {
      tags[row.text("image_id"), default: []].insert(row.text("value"))
    }
    for index in images.indices {
      images[index].properties = properties[images[index].id] ?? [:]
      images[index].tags = tags[images[index].id] ?? []
    }
    return images
  }

  /// Which images a caller may see: its own, public and community ones, and those shared with it; administrators all.
  static func visible(_ auth: AuthContext) -> SQL? {
    guard !auth.isAdmin else { return nil }
    return """
      visibility IN ('public', 'community') OR owner = \(auth.projectID) OR (visibility = 'shared' AND id IN
      (SELECT image_id FROM image_member WHERE member = \(auth.projectID)))
      """
  }

  // MARK: Data

  /// Moves an image from one status to another. False when it was not in `from` any more (or not held by `worker`).
  static func move(
    _ id: String, from: Image.Status, to: Image.Status, worker: String? = nil, held: String? = nil, now: Timestamp,
    tx: any Transaction
  ) throws -> Bool {
    var sql: SQL = """
      UPDATE image SET status = \(to.rawValue), worker = \(worker), updated_at = \(now)
      WHERE id = \(id) AND status = \(from.rawValue)
      """
    if let held { sql = "\(sql) AND worker = \(held)" }
    return try tx.execute(sql) == 1
  }

  /// Remembers data that is about to be published, so that it counts as used.
  static func setStaged(_ data: WrittenData?, of id: String, tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE image SET staged_size = \(data?.size), staged_checksum = \(data?.checksum), staged_hash = \(data?.hash)
      WHERE id = \(id)
      """)
  }
  static func staged(_ id: String, path: String, tx: any Transaction) throws -> WrittenData? {
    guard
      let row = try tx.first(
        "SELECT staged_size, staged_checksum, staged_hash FROM image WHERE id = \(id)"),
      let hash = row.optionalText("staged_hash")
    else { return nil }
    return WrittenData(
      path: path, size: row.int("staged_size"), checksum: row.text("staged_checksum"), hash: hash)
  }

  /// Gives an image its published data. False when it is not in `from` any more.
  static func activate(
    _ id: String, from: [Image.Status], _ data: WrittenData, virtualSize: Int?, now: Timestamp, tx: any Transaction
  ) throws -> Bool {
    try tx.execute(
      """
      UPDATE image SET status = 'active', size = \(data.size), virtual_size = \(virtualSize),
      checksum = \(data.checksum), hash = \(data.hash), worker = NULL, staged_size = NULL, staged_checksum = NULL,
      staged_hash = NULL, updated_at = \(now)
      WHERE id = \(id) AND status IN \(list: from.map(\.rawValue))
      """) == 1
  }

  /// How many images use (or are about to use) the data.
  static func references(to hash: String, tx: any Transaction) throws -> Int {
    try tx.count("SELECT COUNT(*) FROM image WHERE hash = \(hash) OR staged_hash = \(hash)")
  }
  static func allReferences(tx: any Transaction) throws -> Set<String> {
    let rows = try tx.query(
      """
      SELECT hash AS h FROM image WHERE hash IS NOT NULL
      UNION SELECT staged_hash AS h FROM image WHERE staged_hash IS NOT NULL
      """)
    return Set(rows.map { $0.text("h") })
  }
}

/// Rows of the projects with which images are shared.
enum MemberStore {
  private static func member(_ row: Row) -> ImageMember {
    ImageMember(
      imageID: row.text("image_id"), memberID: row.text("member"), status: row.text("status"),
      createdAt: row.timestamp("created_at"), updatedAt: row.timestamp("updated_at"))
  }
  static func all(of image: String, tx: any Transaction) throws -> [ImageMember] {
    try tx.query("SELECT * FROM image_member WHERE image_id = \(image) ORDER BY created_at, member").map(member)
  }
  static func find(_ id: String, of image: String, tx: any Transaction) throws -> ImageMember? {
    try tx.first("SELECT * FROM image_member WHERE image_id = \(image) AND member = \(id)").map(member)
  }
  static func insert(_ member: ImageMember, tx: any Transaction) throws {
    do {
      try tx.execute(
        .insert(
          into: "image_member",
          [
            "image_id": member.imageID, "member": member.memberID, "status": member.status,
            "created_at": member.createdAt, "updated_at": member.updatedAt,
          ]))
    } catch is DuplicateRow {
      throw Fault.conflict("Member \(member.memberID) is duplicated for image \(member.imageID)")
    }
  }
  static func setStatus(_ member: ImageMember, tx: any Transaction) throws {
    try tx.execute(
      """
      UPDATE image_member SET status = \(member.status), updated_at = \(member.updatedAt)
      WHERE image_id = \(member.imageID) AND member = \(member.memberID)
      """)
  }
  static func delete(_ member: ImageMember, tx: any Transaction) throws {
    try tx.execute(
      "DELETE FROM image_member WHERE image_id = \(member.imageID) AND member = \(member.memberID)")
  }
}
