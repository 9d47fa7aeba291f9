import API
import Kit

/// Key pairs as JSON, by microversion (API reference, Keypairs).
enum KeypairView {
  static func brief(_ keypair: Keypair, _ call: Call) -> JSONObject {
    var view: JSONObject = [
      "name": .string(keypair.name), "public_key": .string(keypair.publicKey),
      "fingerprint": .string(keypair.fingerprint),
    ]
    if call.since(2, 2) { view.append("type", .string(keypair.type)) }
    return view
  }

  static func created(_ keypair: Keypair, privateKey: Secret?, _ call: Call) -> JSONValue {
    var view = brief(keypair, call)
    view.append("user_id", .string(keypair.userID))
    if let privateKey { view.append("private_key", .string(privateKey.value)) }
    return .object(view)
  }

  static func full(_ keypair: Keypair, _ call: Call) -> JSONValue {
    var view = brief(keypair, call)
    view.merge([
      "user_id": .string(keypair.userID), "created_at": .string(keypair.createdAt.iso8601Micros), "deleted": false,
      "deleted_at": nil, "id": .int(keypair.number), "updated_at": nil,
    ])
    return .object(view)
  }
}
