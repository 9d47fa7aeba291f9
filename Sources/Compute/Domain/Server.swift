import Contracts
import Kit

/// The flavor as a server keeps it: later changes to the flavor do not change the server.
struct ServerFlavor: Sendable, Equatable {
  var id: String
  var name: String
  var vcpus: Int
  var memoryMB: Int
  var diskGB: Int
  var ephemeralGB: Int
  var swapMB: Int
  var extraSpecs: [String: String]

  /// What it takes of a host. The disk of a flavor with none is the image's, which Placement does not count; a server that
  /// boots from a volume has no root disk on the host.
  func request(isVolumeBacked: Bool) -> ResourceRequest {
    ResourceRequest(
      vcpus: vcpus, memoryMB: memoryMB,
      diskGB: (isVolumeBacked ? 0 : diskGB) + ephemeralGB + (swapMB + 1023) / 1024)
  }

  var json: JSONValue {
    [
      "id": .string(id), "name": .string(name), "vcpus": .int(vcpus), "ram": .int(memoryMB), "disk": .int(diskGB),
      "ephemeral": .int(ephemeralGB), "swap": .int(swapMB), "extra_specs": .texts(extraSpecs),
    ]
  }
}

extension ServerFlavor {
  init(json: JSONValue) {
    id = json["id"]?.string ?? ""
    name = json["name"]?.string ?? ""
    vcpus = json["vcpus"]?.int ?? 0
    memoryMB = json["ram"]?.int ?? 0
    diskGB = json["disk"]?.int ?? 0
    ephemeralGB = json["ephemeral"]?.int ?? 0
    swapMB = json["swap"]?.int ?? 0
    extraSpecs = (json["extra_specs"] ?? .null).texts
  }
}

/// Why a server is in ERROR, as its API view shows it (`fault`).
struct ServerFault: Sendable, Equatable {
  var code: Int
  var message: String
  var details: String
  var createdAt: Timestamp
  /// Structured reasons: of a failed schedule, each host's unmet requirements.
  var explanation: JSONValue = .null

  init(_ fault: Fault, at now: Timestamp) {
    code = fault.status < 400 ? 500 : fault.status
    // The first line is the message; what follows are the details that only administrators see for 5xx.
    let lines = fault.message.split(separator: "\n", maxSplits: 1)
    message = lines.first.map(String.init) ?? ""
    details = lines.count > 1 ? String(lines[1]) : ""
    createdAt = now
    explanation = fault.explanation
  }

  var json: JSONValue {
    [
      "code": .int(code), "message": .string(message), "details": .string(details),
      "created": .int(createdAt.microseconds), "explanation": explanation,
    ]
  }
  init?(json: JSONValue) {
    guard let code = json["code"]?.int else { return nil }
    self.code = code
    message = json["message"]?.string ?? ""
    details = json["details"]?.string ?? ""
    createdAt = Timestamp(microseconds: json["created"]?.int ?? 0)
    explanation = json["explanation"] ?? .null
  }
}

/// A file that is written into the guest's config drive (`personality`, until 2.57).
struct InjectedFile: Sendable, Equatable {
  var path: String
  var content: [UInt8]
}

/// A server: what its owner asked for and the settled state it is in. What is under way is told by its live job.
struct Server: Sendable {
  /// Small number, unique in the cloud: `instance-%08x` and `i-%08x`.
  var number = 0
  var id: String
  var projectID: String
  var userID: String
  var name: String
  var description: String?
  var hostname: String
  var state = VMState.building
  var power = PowerState.noState
  /// The node on which it runs; nil until it is scheduled.
  var host: String?
  /// The zone of its host; nil until it is scheduled.
  var zone: String?
  /// The zone that its owner asked for.
  var pinnedZone: String?
  /// Only this host will do (`zone:host`, or `host` since 2.74).
  var forcedHost: String?
  /// Empty when it boots from a volume and no image was named.
  var imageID: String
  var isVolumeBacked = false
  var imageProperties: [String: String] = [:]
  var flavor: ServerFlavor
  /// While a resize is under way: the flavor that it leads to. Quota counts the larger of both.
  var newFlavor: ServerFlavor?
  /// While a resize waits to be confirmed: the flavor before, and the state to return to.
  var oldFlavor: ServerFlavor?
  var oldState: VMState?
  var keyName: String?
  var keyType: String?
  var publicKey: String?
  /// Base64, as it was given.
  var userData: String?
  var hasConfigDrive = false
  var accessIPv4: String?
  var accessIPv6: String?
  var reservationID: String
  var launchIndex = 0
  /// `owner` or `admin`; nil: not locked.
  var lockedBy: String?
  var lockedReason: String?
  /// The generated password until the guest is made, for its config drive.
  var adminPassword: String?
  /// What the guest has posted to the metadata service (os-server-password).
  var guestPassword = ""
  var rootDevice = "/dev/vda"
  var hasAutoDisk = false
  var hints: JSONObject = [:]
  var trustedCertificates: [String]?
  var files: [InjectedFile] = []
  var networks: [NetworkRequest] = []
  var securityGroups: [String] = ["default"]
  var createdAt: Timestamp
  var updatedAt: Timestamp
  var launchedAt: Timestamp?
  var terminatedAt: Timestamp?
  /// When it was deleted; its row stays for usage and for administrators.
  var deletedAt: Timestamp?
  var isDeleted: Bool { deletedAt != nil }
  var fault: ServerFault?
  var metadata: [String: String] = [:]
  var tags: [String] = []
  /// Volumes, and local disks that were asked for beside those of the flavor.
  var blockDevices: [BlockDevice] = []

  /// What quota and Placement hold for it: during a resize enough for both flavors.
  var held: ResourceRequest {
    let request = flavor.request(isVolumeBacked: isVolumeBacked)
    return [newFlavor, oldFlavor].compactMap { $0?.request(isVolumeBacked: isVolumeBacked) }.reduce(request) {
      sum, other in
      ResourceRequest(
        vcpus: max(sum.vcpus, other.vcpus), memoryMB: max(sum.memoryMB, other.memoryMB),
        diskGB: max(sum.diskGB, other.diskGB))
    }
  }

  /// Its ports in the order in which its guest has them as interfaces: that of the request, whose ports may be older than
  /// those that were made for it; then those that came later.
  func ordered(_ ports: [ServerPort]) -> [ServerPort] {
    var rest = ports
    var result: [ServerPort] = []
    for request in networks {
      let found = rest.firstIndex { port in
        request.portID.map { port.id == $0 } ?? (port.isOwnedByCompute && port.networkID == request.networkID)
      }
      if let found { result.append(rest.remove(at: found)) }
    }
    return result + rest
  }

  /// Subject of its jobs.
  var subject: String { Self.subject(id) }
  static func subject(_ id: String) -> String { "server/\(id)" }
  /// `instance-0000002a`
  var instanceName: String { "instance-" + Self.hex8(number) }
  /// `i-0000002a`, for the EC2 tree of its metadata.
  var ec2ID: String { "i-" + Self.hex8(number) }

  private static func hex8(_ number: Int) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: max(0, 8 - text.count)) + text
  }

  /// The host name that a server's name gives: letters, digits and dashes, at most 63 of them.
  static func hostname(from name: String, id: String) -> String {
    var result = ""
    for scalar in name.lowercased().unicodeScalars {
      switch scalar {
      case "a"..."z", "0"..."9", "-": result.unicodeScalars.append(scalar)
      case " ", "_", ".": result += "-"
      default: break
      }
    }
    let trimmed = result.drop { $0 == "-" }.prefix(63)
    let end = trimmed.lastIndex { $0 != "-" }
    let short = end.map { String(trimmed[...$0]) } ?? ""
    return short.isEmpty ? "server-\(id)" : short
  }
}

extension JSONValue {
  /// Texts by name.
  static func texts(_ values: [String: String]) -> JSONValue {
    .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }
  /// What `texts` wrote.
  var texts: [String: String] {
    var result: [String: String] = [:]
    for member in object ?? [:] { result[member.key] = member.value.string ?? member.value.text }
    return result
  }
}
