import API
import Contracts
import Kit
import Store

/// The action `rebuild`: the same server with a fresh root disk (API reference, Rebuild Server).
enum ServerRebuild {
  static func handle(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    try ServerSchema.rebuild(call.microversion).check(call.body)
    let wish = call.body["rebuild"] ?? .null
    let password = wish["adminPass"]?.string ?? RandomText.password()
    let server = try await ServerAction(call: call, service: service).start(.rebuild, .rebuild) { server, tx in
      let volume = try apply(wish, to: &server, call, service: service, tx: tx)
      server.adminPassword = password
      var input: JSONObject = ["wasStopped": .bool(server.state == .stopped)]
      if let volume { (input["volume"], input["image"]) = (.string(volume), wish["imageRef"] ?? .null) }
      return .object(input)
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

  /// Returns the volume that is to be written anew.
  private static func apply(
    _ wish: JSONValue, to server: inout Server, _ call: Call, service: ComputeDependencies, tx: any Transaction
  ) throws -> String? {
    let auth = try call.auth
    let id = wish["imageRef"]?.string.flatMap { UUIDText.canonical($0) } ?? ""
    guard let image = try service.images.image(id, visibleTo: auth, tx: tx) else {
      throw Fault.badRequest("Cannot find image for rebuild")
    }
    let volume = try check(image, server, call, service: service, tx: tx)
    if !server.isVolumeBacked { server.imageID = image.id }
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
    guard let metadata = wish["metadata"] else { return volume }
    server.metadata = metadata.texts
    try ServerCreate.checkMetadata(server.metadata.count, projectID: server.projectID, tx: tx)
    try ServerStore.setMetadata(server.metadata, serverID: server.id, tx: tx)
    return volume
  }

  /// Throws 400 faults when the server cannot be rebuilt from the image. Returns the volume that gets its content: since
  /// 2.93, that of a server that boots from a volume; before, such a server keeps its image.
  private static func check(
    _ image: ImageSummary, _ server: Server, _ call: Call, service: ComputeDependencies, tx: any Transaction
  ) throws -> String? {
    var root: VolumeSummary?
    for device in server.volumes {
      guard let id = device.volumeID, let volume = try service.storage().volume(id, tx: tx) else { continue }
      // After a rebuild that failed its volumes are still reserved for it.
      let isReserved = !device.isAttached && ["reserved", "error"].contains(volume.status)
      guard volume.status == "in-use" || isReserved else {
        throw Fault.badRequest(
          "Invalid volume: volume '\(id)' status must be 'in-use'. Currently in '\(volume.status)' status")
      }
      if device.isRoot { root = volume }
    }
    guard server.isVolumeBacked, let root else {
      try ServerCreate.check(image, fits: server.flavor)
      return nil
    }
    guard image.status == "active" else { throw Fault.badRequest("Image \(image.id) is not active.") }
    guard server.flavor.memoryMB >= image.minRAMMB else {
      throw Fault.badRequest("Flavor's memory is too small for requested image.")
    }
    guard call.since(2, 93) else {
      guard root.imageMetadata["image_id"] == image.id else {
        throw Fault.badRequest(
          "Image \(image.id) is unacceptable: Unable to rebuild with a different image for a volume-backed server.")
      }
      return nil
    }
    let needed = max(image.minDiskGB, (max(image.virtualSizeBytes, image.sizeBytes) + (1 << 30) - 1) >> 30)
    guard root.sizeGB >= needed else { throw ServerCreate.volumeTooSmall(root.sizeGB, needed) }
    return root.id
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
      try check(flavor, for: server)
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

  /// Throws 400 faults for a flavor that a server cannot get.
  private static func check(_ flavor: ServerFlavor, for server: Server) throws {
    guard flavor.id != server.flavor.id else {
      throw Fault.badRequest("When resizing, instances must change flavor!")
    }
    if flavor.diskGB == 0, !server.isVolumeBacked, server.flavor.diskGB != 0 {
      throw Fault.badRequest(
        "Server disk was unable to be resized because: Resize to zero disk flavor is not allowed.")
    }
    guard server.isVolumeBacked || flavor.diskGB >= server.flavor.diskGB,
      flavor.ephemeralGB >= server.flavor.ephemeralGB
    else {
      throw Fault.badRequest(
        "Resize to flavor \(flavor.id) is not possible: its disks (\(flavor.diskGB) GB and \(flavor.ephemeralGB) GB) "
          + "are smaller than the server's (\(server.flavor.diskGB) GB and \(server.flavor.ephemeralGB) GB).")
    }
  }
}
