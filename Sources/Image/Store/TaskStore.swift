import API
import Kit
import Store

/// Work on an image that a client can watch (API reference, Tasks).
struct ImageTask: Sendable {
  var id: String
  var type: String
  /// `pending`, `processing`, `success` or `failure`.
  var status: String
  var owner: String
  var imageID: String?
  var userID: String
  var requestID: String
  var input: JSONValue
  var result: JSONValue
  var message: String
  var expiresAt: Timestamp?
  var createdAt: Timestamp
  var updatedAt: Timestamp
}

/// Rows of tasks.
enum TaskStore {
  static func task(_ row: Row) -> ImageTask {
    ImageTask(
      id: row.text("id"), type: row.text("type"), status: row.text("status"), owner: row.text("owner"),
      imageID: row.optionalText("image_id"), userID: row.text("user_id"), requestID: row.text("request_id"),
      input: row.json("input"), result: row.json("result"), message: row.text("message"),
      expiresAt: row.optionalTimestamp("expires_at"), createdAt: row.timestamp("created_at"),
      updatedAt: row.timestamp("updated_at"))
  }
  static func insert(_ task: ImageTask, tx: any Transaction) throws {
    try tx.execute(
      .insert(
        into: "image_task",
        [
          "id": task.id, "type": task.type, "status": task.status, "owner": task.owner, "image_id": task.imageID,
          "user_id": task.userID, "request_id": task.requestID, "input": task.input,
          "result": task.result.isNull ? nil as String? : task.result.text, "message": task.message,
          "expires_at": task.expiresAt, "created_at": task.createdAt, "updated_at": task.updatedAt,
        ]))
  }
  /// Tasks end two days before they expire, as upstream's task_time_to_live.
  static func finish(
    _ id: String, _ status: String, result: JSONValue = .null, message: String = "", now: Timestamp,
    tx: any Transaction
  ) throws {
    try tx.execute(
      """
      UPDATE image_task SET status = \(status), result = \(result.isNull ? nil : result.text), message = \(message),
      expires_at = \(now + .seconds(172_800)), updated_at = \(now) WHERE id = \(id)
      """)
  }
  static func start(_ id: String, now: Timestamp, tx: any Transaction) throws {
    try tx.execute("UPDATE image_task SET status = 'processing', updated_at = \(now) WHERE id = \(id)")
  }
  static func of(image: String, tx: any Transaction) throws -> [ImageTask] {
    try tx.query("SELECT * FROM image_task WHERE image_id = \(image) ORDER BY created_at").map(task)
  }

  static let list = ListSpec(
    table: "image_task",
    columns: [
      ListColumn("id"), ListColumn("type"), ListColumn("status"),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("updated_at", nil, .timestamp, filter: false),
    ], defaultSort: [("created_at", false)], style: .image)
}
