import API
import Contracts
import Kit

/// What `POST /servers` asks for, read from a body that its schema has accepted.
struct ServerOrder: Sendable {
  var name: String
  var description: String?
  var hostname: String?
  /// nil: it boots from a block device.
  var imageID: String?
  var devices: BlockDeviceOrder
  var flavorID: String
  /// nil: the automatic choice; empty: no network.
  var networks: [NetworkRequest]?
  /// `auto`: the automatic choice must give a network.
  var needsNetwork: Bool
  var securityGroups: [String]
  var keyName: String?
  var userData: String?
  var wantsConfigDrive: Bool
  var metadata: [String: String]
  var tags: [String]
  var files: [InjectedFile]
  var accessIPv4: String?
  var accessIPv6: String?
  var adminPassword: String
  var isAutoDisk: Bool?
  var certificates: [String]?
  var zone: String?
  var forcedHost: String?
  var hints: JSONObject
  var countMin: Int
  var countMax: Int
  var returnsReservation: Bool

  /// Throws 400 faults for what a schema cannot tell.
  init(_ call: Call) throws {
    let body = call.body["server"] ?? .null
    name = body["name"]?.string ?? ""
    description = call.since(2, 19) ? body["description"]?.string : name
    hostname = body["hostname"]?.string
    flavorID = Self.flavorID(body["flavorRef"])
    securityGroups = Self.distinct(
      (body["security_groups"]?.array ?? [["name": "default"]]).compactMap { $0["name"]?.string })
    keyName = body["key_name"]?.string
    userData = body["user_data"]?.string.flatMap { $0.isEmpty ? nil : $0 }
    wantsConfigDrive = body["config_drive"].flatMap { Schema.boolean($0) } ?? false
    metadata = (body["metadata"] ?? .null).texts
    tags = Self.distinct((body["tags"]?.array ?? []).compactMap(\.string))
    files = (body["personality"]?.array ?? []).map { file in
      InjectedFile(path: file["path"]?.string ?? "", content: Base64.decode(file["contents"]?.string ?? "") ?? [])
    }
    accessIPv4 = body["accessIPv4"]?.string
    accessIPv6 = body["accessIPv6"]?.string.flatMap { IPAddress($0) }.map(\.description)
    adminPassword = body["adminPass"]?.string ?? RandomText.password()
    isAutoDisk = body["OS-DCF:diskConfig"]?.string.map { $0 == "AUTO" }
    certificates = body["trusted_image_certificates"]?.array?.compactMap(\.string)
    hints = (call.body["os:scheduler_hints"] ?? call.body["OS-SCH-HNT:scheduler_hints"])?.object ?? [:]
    countMin = body["min_count"].flatMap { Schema.integer($0) } ?? 1
    countMax = body["max_count"].flatMap { Schema.integer($0) } ?? countMin
    returnsReservation = body["return_reservation_id"].flatMap { Schema.boolean($0) } ?? false
    devices = try BlockDeviceOrder(body, hasImage: body["imageRef"]?.string.map { !$0.isEmpty } ?? false)
    imageID = try Self.image(body, devices)
    networks = try Self.networks(body["networks"])
    needsNetwork = body["networks"]?.string == "auto"
    (zone, forcedHost) = try Self.place(body, isAdmin: call.identity?.isAdmin == true)
    guard countMin <= countMax else { throw Fault.badRequest("min_count must be <= max_count") }
    try checkCounts(call)
  }

  private func checkCounts(_ call: Call) throws {
    guard countMax > 1 else { return }
    if let networks {
      if networks.contains(where: { $0.fixedIP != nil }) {
        throw Fault.badRequest(
          "Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is specified.")
      }
      if networks.contains(where: { $0.portID != nil }) {
        throw Fault.badRequest(
          "Failed to launch instances: Unable to launch multiple instances with a single configured port ID. Please "
            + "launch your instance one by one with different ports.")
      }
    }
    if hostname != nil, !call.since(2, 94) {
      throw Fault.badRequest("Unable to allocate a single hostname to multiple instances")
    }
  }

  private static func distinct(_ values: [String]) -> [String] {
    var seen: Set<String> = []
    return values.filter { seen.insert($0).inserted }
  }

  /// An id, or the address of a flavor that ends with it.
  static func flavorID(_ value: JSONValue?) -> String {
    let text = value?.string ?? value?.int.map(String.init) ?? ""
    return text.split(separator: "/").last.map(String.init) ?? text
  }

  // MARK: Image

  /// The image to boot from; nil: block devices tell. Throws 400 faults.
  private static func image(_ body: JSONValue, _ devices: BlockDeviceOrder) throws -> String? {
    guard let reference = body["imageRef"]?.string, !reference.isEmpty else {
      if devices.isEmpty { throw Fault.badRequest("Missing imageRef attribute") }
      return nil
    }
    guard let id = UUIDText.canonical(reference) else { throw Fault.badRequest("Invalid imageRef provided.") }
    return id
  }

  // MARK: Networks

  private static func networks(_ value: JSONValue?) throws -> [NetworkRequest]? {
    if let choice = value?.string { return choice == "none" ? [] : nil }
    guard let list = value?.array, !list.isEmpty else { return nil }
    var ports: Set<String> = []
    return try list.map { item in
      let address = item["fixed_ip"]?.string
      if let port = item["port"]?.string {
        guard ports.insert(port).inserted else {
          throw Fault.badRequest(
            "Port ID '\(port)' was specified twice: you cannot attach a port multiple times.")
        }
        guard address == nil else {
          throw Fault.badRequest(
            "Specified Fixed IP '\(address ?? "")' cannot be used with port '\(port)': the two cannot be specified "
              + "together.")
        }
        return NetworkRequest(portID: UUIDText.canonical(port) ?? port, tag: item["tag"]?.string)
      }
      guard let network = item["uuid"]?.string else { throw Fault.badRequest("Bad network format: missing 'uuid'") }
      guard let id = UUIDText.canonical(network) else {
        throw Fault.badRequest(
          "Bad networks format: network uuid is not in proper format (\(network.prefix(80)))")
      }
      return NetworkRequest(networkID: id, fixedIP: address, tag: item["tag"]?.string)
    }
  }

  // MARK: Place

  /// Zone and host of `zone:host`, `zone:host:node` and `zone::node`, and of `host` and `hypervisor_hostname`.
  private static func place(_ body: JSONValue, isAdmin: Bool) throws -> (String?, String?) {
    let parts = (body["availability_zone"]?.string ?? "").split(
      separator: ":", omittingEmptySubsequences: false
    ).map(String.init)
    guard parts.count <= 3 else { throw Fault.badRequest("Invalid input received: Unable to parse availability_zone") }
    let zone = parts[0].isEmpty ? nil : parts[0]
    // A host is one node here: both names mean it.
    let forced = parts.dropFirst().first { !$0.isEmpty }
    let requested = body["host"]?.string ?? body["hypervisor_hostname"]?.string
    if forced != nil || requested != nil, !isAdmin {
      let policy =
        requested != nil
        ? "compute:servers:create:requested_destination"
        : "os_compute_api:servers:create:forced_host"
      throw Fault.forbidden(ErrorShape.compute.policyMessage(policy))
    }
    if forced != nil, requested != nil {
      throw Fault.badRequest(
        "One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually "
          + "exclusive.")
    }
    return (zone, forced ?? requested)
  }
}
