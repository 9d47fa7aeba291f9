import API
import Contracts
import Kit
import Store
import Workflow

/// `POST /servers`: checks an order against everything that it names, then writes servers, group membership and build
/// jobs: all or nothing, in one transaction.
struct ServerCreate {
  let order: ServerOrder
  /// Since 2.60.
  let allowsMultiattach: Bool
  let auth: AuthContext
  let requestID: String
  let service: ComputeDependencies
  let tx: any Transaction

  /// The new servers, in state `building`.
  func run() throws -> [Server] {
    guard auth.project != nil else {
      throw Fault.badRequest("Creating a server needs a token that is scoped to a project.")
    }
    let now = service.clock.now()
    let flavor = try self.flavor()
    let plan = try BlockDevicePlan(
      order: order.devices, imageID: order.imageID, countMax: order.countMax, flavor: flavor, auth: auth,
      allowsMultiattach: allowsMultiattach, service: service, tx: tx
    ).run()
    try check(plan, flavor)
    let keypair = try self.keypair()
    try checkLimits()
    try checkPlace(now: now)
    let count = try self.count(flavor)
    let groups = order.securityGroups.isEmpty ? ["default"] : order.securityGroups
    let networks = try service.ports.plan(
      order.networks, securityGroups: groups, servers: count, auth: auth, tx: tx)
    if order.needsNetwork, networks.isEmpty {
      throw Fault.badRequest(
        "Unable to automatically allocate a network for project \(auth.projectID): it has none. Create a network with a "
          + "subnet first, or ask for the network 'none'.")
    }
    var template = Server(
      id: "", projectID: auth.projectID, userID: auth.user.id, name: order.name, hostname: "",
      imageID: order.imageID ?? "", flavor: flavor, reservationID: RandomText.reservation(), createdAt: now,
      updatedAt: now)
    fill(&template, plan.boot.properties, keypair)
    template.isVolumeBacked = plan.isVolumeBacked
    template.blockDevices = plan.devices
    template.nameDevices()
    template.networks = networks
    template.securityGroups = groups
    let servers = (0..<count).map { named(template, index: $0, count: count) }
    for server in servers {
      try ServerStore.insert(server, tx: tx)
      try ServerVolumes(service: service).insert(server.blockDevices, tx: tx)
    }
    try join(servers, now: now)
    for server in servers {
      try service.engine.enqueue(
        NewJob(
          kind: ServerJob.build.rawValue, subject: server.subject, input: ["isAdmin": .bool(auth.isAdmin)],
          requestID: requestID, userID: auth.user.id, projectID: auth.projectID), tx: tx)
    }
    return servers
  }

  private func fill(_ server: inout Server, _ image: [String: String], _ keypair: Keypair?) {
    server.description = order.description
    server.imageProperties = image
    server.keyName = keypair?.name
    server.keyType = keypair?.type
    server.publicKey = keypair?.publicKey
    server.userData = order.userData
    server.hasConfigDrive =
      order.wantsConfigDrive || service.settings.forcesConfigDrive
      || image["img_config_drive"] == "mandatory"
    server.accessIPv4 = order.accessIPv4
    server.accessIPv6 = order.accessIPv6
    server.adminPassword = order.adminPassword
    server.hasAutoDisk =
      order.isAutoDisk ?? image["auto_disk_config"].flatMap { Schema.boolean(.string($0)) } ?? false
    server.hints = order.hints
    server.trustedCertificates = order.certificates
    server.files = order.files
    server.metadata = order.metadata
    server.tags = order.tags
    server.pinnedZone = order.zone
    server.forcedHost = order.forcedHost
  }

  private func named(_ template: Server, index: Int, count: Int) -> Server {
    var server = template
    server.id = UUIDText.make()
    server.launchIndex = index
    for place in server.blockDevices.indices {
      server.blockDevices[place].id = UUIDText.make()
      server.blockDevices[place].serverID = server.id
    }
    let derived = Server.hostname(from: order.name, id: server.id)
    server.hostname = order.hostname ?? (count > 1 ? "\(derived)-\(index + 1)" : derived)
    if count > 1 { server.name = "\(order.name)-\(index + 1)" }
    return server
  }

  // MARK: Checks

  private func flavor() throws -> ServerFlavor {
    guard let flavor = try FlavorStore.find(order.flavorID, visibleTo: auth, tx: tx), !flavor.isDisabled else {
      throw Fault.badRequest("Flavor \(order.flavorID.prefix(255)) could not be found.")
    }
    return ServerFlavor(flavor)
  }

  /// Whether what is booted fits the flavor.
  private func check(_ plan: BlockDevicePlan.Result, _ flavor: ServerFlavor) throws {
    if !plan.isVolumeBacked {
      if flavor.diskGB == 0, !auth.isAdmin {
        throw Fault.forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
      }
      guard let image = plan.boot.image else { throw BlockDeviceOrder.bootSequence }
      return try Self.check(image, fits: flavor)
    }
    if let image = plan.boot.image, image.status != "active" {
      throw Fault.badRequest("Image \(image.id) is not active.")
    }
    guard flavor.memoryMB >= plan.boot.minRAMMB else {
      throw Fault.badRequest("Flavor's memory is too small for requested image.")
    }
    let root = plan.devices.first { $0.isRoot && $0.isVolume }
    if let root, root.source != .volume, let size = root.size, size < plan.boot.minDiskGB {
      throw Self.volumeTooSmall(size, plan.boot.minDiskGB)
    }
  }

  static func volumeTooSmall(_ size: Int, _ needed: Int) -> Fault {
    .badRequest(
      "Volume is smaller than the minimum size specified in image metadata. Volume size is \(size << 30) bytes, minimum "
        + "size is \(needed << 30) bytes.")
  }

  /// Throws 400 faults when the image cannot boot on the flavor.
  static func check(_ image: ImageSummary, fits flavor: ServerFlavor) throws {
    guard image.status == "active" else { throw Fault.badRequest("Image \(image.id) is not active.") }
    guard flavor.memoryMB >= image.minRAMMB else {
      throw Fault.badRequest("Flavor's memory is too small for requested image.")
    }
    guard flavor.diskGB > 0 else { return }
    let needed = max(image.virtualSizeBytes, image.sizeBytes)
    guard flavor.diskGB << 30 >= needed else {
      throw Fault.badRequest(
        "Flavor's disk is too small for requested image. Flavor disk is \(flavor.diskGB << 30) bytes, image is "
          + "\(needed) bytes.")
    }
    guard flavor.diskGB >= image.minDiskGB else {
      throw Fault.badRequest(
        "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is "
          + "\(flavor.diskGB << 30) bytes, minimum size is \(image.minDiskGB << 30) bytes.")
    }
  }

  private func keypair() throws -> Keypair? {
    guard let name = order.keyName else { return nil }
    guard let keypair = try KeypairStore.find(name: name, userID: auth.user.id, tx: tx) else {
      throw Fault.badRequest("Invalid key_name provided.")
    }
    return keypair
  }

  private func checkLimits() throws {
    try Self.checkMetadata(order.metadata.count, projectID: auth.projectID, tx: tx)
    guard !order.files.isEmpty else { return }
    let limits = try ComputeQuota.limits(projectID: auth.projectID, tx: tx)
    func check(_ resource: String, _ value: Int, _ what: String) throws {
      try QuotaCheck.check(
        limit: limits[resource] ?? -1, used: 0, asked: value,
        .forbidden("Quota exceeded, \(what) (limit \(limits[resource] ?? 0))."))
    }
    try check("injected_files", order.files.count, "too many personality files")
    for file in order.files {
      try check("injected_file_path_bytes", file.path.utf8.count, "personality file path too long")
      try check("injected_file_content_bytes", file.content.count, "personality file content too long")
    }
  }

  /// Throws upstream's 403 fault when a server would have more metadata items than its project may.
  static func checkMetadata(_ count: Int, projectID: String, tx: any Transaction) throws {
    guard count > 0 else { return }
    let limit = try ComputeQuota.limit("metadata_items", projectID: projectID, tx: tx)
    try QuotaCheck.check(
      limit: limit, used: 0, asked: count, .forbidden("Maximum number of metadata items exceeds \(limit)"))
  }

  private func checkPlace(now: Timestamp) throws {
    guard order.zone != nil || order.forcedHost != nil else { return }
    let nodes = try ComputeNodeStore.all(now: now, tx: tx)
    if let host = order.forcedHost, !nodes.contains(where: { $0.host == host }) {
      throw Fault.badRequest("Compute host \(host.prefix(255)) could not be found.")
    }
    if let zone = order.zone, order.forcedHost == nil,
      !nodes.contains(where: { $0.zone == zone && $0.isEnabled && $0.isUp })
    {
      throw Fault.badRequest("Invalid input received: The requested availability zone is not available")
    }
  }

  /// As many servers as the quota allows, at least `countMin`. Throws upstream's 403 fault otherwise.
  private func count(_ flavor: ServerFlavor) throws -> Int {
    let limits = try ComputeQuota.limits(projectID: auth.projectID, tx: tx)
    let used = try ServerStore.usage(projectID: auth.projectID, tx: tx)
    var allowed = order.countMax
    func cap(_ resource: String, _ used: Int, _ each: Int) {
      guard let limit = limits[resource], limit >= 0, each > 0 else { return }
      allowed = min(allowed, max(0, limit - used) / each)
    }
    cap("instances", used.instances, 1)
    cap("cores", used.cores, flavor.vcpus)
    cap("ram", used.memoryMB, flavor.memoryMB)
    if allowed < order.countMin {
      try ComputeQuota.check(
        [
          "instances": order.countMax, "cores": order.countMax * flavor.vcpus, "ram": order.countMax * flavor.memoryMB,
        ], projectID: auth.projectID, tx: tx)
    }
    return max(allowed, order.countMin)
  }

  private func join(_ servers: [Server], now: Timestamp) throws {
    for hint in ["same_host", "different_host"] {
      for id in SchedulerHints.ids(order.hints, hint) {
        _ = try ServerStore.find(id, auth: auth, tx: tx)
      }
    }
    guard let id = SchedulerHints.ids(order.hints, "group").first else { return }
    guard let group = try ServerGroupStore.find(id, visibleTo: auth, tx: tx), group.projectID == auth.projectID else {
      throw Fault.badRequest("Instance group \(id.prefix(64)) could not be found.")
    }
    try ServerGroupStore.addMembers(servers.map(\.id), to: group, now: now, tx: tx)
  }
}

/// The scheduler hints that name servers or groups: a text or a list of texts.
enum SchedulerHints {
  static func ids(_ hints: JSONObject, _ name: String) -> [String] {
    guard let value = hints[name] else { return [] }
    return (value.array?.compactMap(\.string) ?? value.string.map { [$0] } ?? []).map { UUIDText.canonical($0) ?? $0 }
  }
}

extension ServerFlavor {
  init(_ flavor: Flavor) {
    self.init(
      id: flavor.id, name: flavor.name, vcpus: flavor.vcpus, memoryMB: flavor.memoryMB, diskGB: flavor.diskGB,
      ephemeralGB: flavor.ephemeralGB, swapMB: flavor.swapMB, extraSpecs: flavor.extraSpecs)
  }
}
