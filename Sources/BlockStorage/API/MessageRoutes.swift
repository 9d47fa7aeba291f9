import API
import Kit
import Store

extension BlockStorageService {
  static let messageList = BlockList(
    .message,
    [
      ListColumn("id"), ListColumn("event_id"), ListColumn("message_level"), ListColumn("request_id"),
      ListColumn("resource_type"), ListColumn("resource_uuid"),
      ListColumn("created_at", nil, .timestamp, filter: false),
      ListColumn("guaranteed_until", "expires_at", .timestamp, filter: false),
    ])

  var messageRoutes: [Route] {
    [
      route("GET", "/messages", "message:get_all", .projectReader, since: 3) { [self] call in
        let now = clock.now()
        return try await read { tx in
          let scope = ["project_id = \(try call.auth.projectID)", "expires_at > \(now)"] as [SQL]
          let page = try Self.messageList.page(call, scope: scope, tx: tx)
          return Self.messageList.reply(call, "messages", page, try page.rows.map { try Self.messageView($0, call) })
        }
      },
      route("GET", "/messages/{id}", "message:get", .projectReader, since: 3) { [self] call in
        try await read { tx in ["message": try Self.messageView(try Self.message(call, tx: tx), call)] }
      },
      route("DELETE", "/messages/{id}", "message:delete", .projectMember, since: 3) { [self] call in
        try await write(204) { tx in
          try Table.message.remove(try Self.message(call, tx: tx).id, tx: tx)
          return .null
        }
      },
    ]
  }

  private static func message(_ call: Call, tx: any Transaction) throws -> Row {
    let (id, auth) = (call.parameter("id"), try call.auth)
    guard let row = try Table.message.find(id, tx: tx), auth.isAdmin || row.projectID == auth.projectID else {
      throw Fault.notFound("Message \(id.prefix(64)) could not be found.")
    }
    return row
  }
  private static func messageView(_ row: Row, _ call: Call) throws -> JSONValue {
    [
      "id": .string(row.id), "event_id": row.optional("event_id"), "user_message": row.optional("user_message"),
      "message_level": row.optional("message_level"), "created_at": row.time("created_at"),
      "guaranteed_until": row.time("expires_at"), "request_id": row.optional("request_id"),
      "links": try call.links("messages", row.id), "resource_type": row.optional("resource_type"),
      "resource_uuid": row.optional("resource_uuid"),
    ]
  }
}
