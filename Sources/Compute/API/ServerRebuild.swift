import API
import Contracts
import Kit
import Store

/// The action `rebuild`: the same server with a fresh root disk (API reference, Rebuild Server).
enum ServerRebuild {
  static func handle(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try ServerSchema.rebuild(call.microversion).check(call.body)
    let auth = try call.auth
    let wish = call.body["rebuild"] ?? .null
    let password = wish["adminPass"]?.string ?? RandomText.password()
    let server = try await ServerAction(call: call, service: service).start(.rebuild, .rebuild) { server, tx in
      try apply(wish, to: &server, auth: auth, service: service, tx: tx)
      server.adminPassword = password
      return ["wasStopped": .bool(server.state == .stopped)]
    }
    let facts = try await service.database.read { tx in
      try ServerFacts.read([server], call, service: service, withGroups: true, tx: tx)
    }
    let view = ServerView(
      call: call, facts: facts, isShort: !call.since(2, 75), showsUserData: false, showsGroups: true)
    var body = view.full(server)
    body["adminPass"] = .string(password)
    if call.since(2, 54) { body["key_name"] = .optional(server.keyName) }
    if call.since(2, 57) { body["user_data"] = .optional(server.userData) }
    return .json(["server": .object(body)], status: 202)
  }

  private static func apply(
    _ wish: JSONValue, to server: inout Server, auth: AuthContext, service: ComputeDependencies, tx: any Transaction
  ) throws {
    let id = wish["imageRef"]?.string.flatMap { UUIDText.canonical($0) } ?? ""
    guard let image = try service.images.image(id, visibleTo: auth, tx: tx) else {
      throw Fault.badRequest("Cannot find image for rebuild")
    }
    try ServerCreate.check(image, fits: server.flavor)
    server.imageID = image.id
    server.imageProperties = image.properties
    if let name = wish["name"]?.string { server.name = name }
    if let description = wish["description"] { server.description = description.string }
    if let hostname = wish["hostname"]?.string { server.hostname = hostname }
    if let disk = wish["OS-DCF:diskConfig"]?.string { server.hasAutoDisk = disk == "AUTO" }
    if let address = wish["accessIPv4"]?.string { server.accessIPv4 = address }
    if let address = wish["accessIPv6"]?.string { server.accessIPv6 = IPAddress(address)?.description }
    if let data = wish["user_data"] { server.userData = data.string }
    if let certificates = wish["trusted_image_certificates"] {
      server.trustedCertificates = certificates.array?.compactMap(\.string)
    }
    if let key = wish["key_name"] { try take(key.string, &server, tx: tx) }
    guard let metadata = wish["metadata"] else { return }
    server.metadata = metadata.texts
    try ServerCreate.checkMetadata(server.metadata.count, projectID: server.projectID, tx: tx)
    try ServerStore.setMetadata(server.metadata, serverID: server.id, tx: tx)
  }

  private static func take(_ name: String?, _ server: inout Server, tx: any Transaction) throws {
    guard let name else {
      (server.keyName, server.keyType, server.publicKey) = (nil, nil, nil)
      return
    }
    guard let keypair = try KeypairStore.find(name: name, userID: server.userID, tx: tx) else {
      throw Fault.badRequest("Invalid key_name provided.")
    }
    (server.keyName, server.keyType, server.publicKey) = (keypair.name, keypair.type, keypair.publicKey)
  }
}

/// The action `resize`: another flavor on the same host, to be confirmed or reverted (API reference, Resize Server).
enum ServerResize {
  static func handle(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    let wish = call.body["resize"] ?? .null
    let id = ServerOrder.flavorID(wish["flavorRef"])
    try await ServerAction(call: call, service: service).start(.resize, .resize) { server, tx in
      guard let found = try FlavorStore.find(id, visibleTo: auth, tx: tx), !found.isDisabled else {
        throw Fault.badRequest("Flavor \(id.prefix(255)) could not be found.")
      }
      let flavor = ServerFlavor(found)
      guard flavor.id != server.flavor.id else {
        throw Fault.badRequest("When resizing, instances must change flavor!")
      }
      guard flavor.diskGB >= server.flavor.diskGB, flavor.ephemeralGB >= server.flavor.ephemeralGB else {
        throw Fault.badRequest(
          "Resize to flavor \(flavor.id) is not possible: its disks (\(flavor.diskGB) GB and \(flavor.ephemeralGB) GB) "
            + "are smaller than the server's (\(server.flavor.diskGB) GB and \(server.flavor.ephemeralGB) GB).")
      }
      try ComputeQuota.check(
        ["cores": flavor.vcpus - server.flavor.vcpus, "ram": flavor.memoryMB - server.flavor.memoryMB],
        projectID: server.projectID, tx: tx)
      if let disk = wish["OS-DCF:diskConfig"]?.string { server.hasAutoDisk = disk == "AUTO" }
      server.newFlavor = flavor
      return [
        "wasStopped": .bool(server.state == .stopped), "migration": .string(UUIDText.make()),
        "oldFlavor": .string(server.flavor.id), "newFlavor": .string(flavor.id),
      ]
    }
    return .empty(202)
  }
}
