import API
import Kit

/// What is wrong with a step of the launch wizard before anything is asked of Compute: mistakes stop, doubts warn.
struct LaunchProblem: Sendable, Equatable {
  let step: Int
  let text: String
  var isDoubt = false
}

/// Checks the wizard's steps with the services' own data, each with the few calls that it needs.
struct LaunchCheck {
  static let steps = 8
  let visit: Visit
  let form: Form
  private var client: APIClient { visit.client }
  private func t(_ text: String) -> String { visit.t(text) }

  /// The problems of a step; a mistake that a service finds is one of them.
  func problems(_ step: Int) async throws -> [LaunchProblem] {
    do {
      let found =
        switch step {
        case 0: try await details()
        case 1: try await source()
        case 2: try await flavor()
        case 3: try await networks()
        case 4: try await groups()
        case 5: try await key()
        case 6: try configuration()
        case 7: try placement()
        default: [] as [(String, Bool)]
        }
      return found.map { LaunchProblem(step: step, text: $0.0, isDoubt: $0.1) }
    } catch let fault as Fault where fault.status < 500 && fault.status != 401 {
      return [LaunchProblem(step: step, text: t(fault.message))]
    }
  }

  /// How many instances are asked for.
  private func count() throws -> Int { try form.number("count", t("How many")) ?? 1 }
  private func mistake(_ text: String) -> (String, Bool) { (t(text), false) }
  private func doubt(_ text: String, _ numbers: Int? = nil) -> (String, Bool) {
    (t(text) + (numbers.map { " \($0)" } ?? ""), true)
  }
  private func limits(_ service: String, _ path: String) async throws -> JSONValue {
    try await client.get(service, path)["limits"]?["absolute"] ?? .null
  }
  /// What is left of a quota; nil: there is no limit.
  private func left(_ limits: JSONValue, _ used: String, _ limit: String) -> Int? {
    guard let limit = limits[limit]?.int, limit >= 0 else { return nil }
    return max(0, limit - (limits[used]?.int ?? 0))
  }

  private func details() async throws -> [(String, Bool)] {
    var found: [(String, Bool)] = []
    if form["name"].isEmpty { found.append(mistake("Give the instance a name.")) }
    if form["name"].unicodeScalars.count > 255 { found.append(mistake("The name is longer than 255 characters.")) }
    let count = try count()
    guard (1...1000).contains(count) else { return found + [mistake("How many must be from 1 to 1000.")] }
    if let left = left(try await limits("compute", "/v2.1/limits"), "totalInstancesUsed", "maxTotalInstances"),
      left < count
    {
      found.append(doubt("The quota does not fit: instances left:", left))
    }
    return found
  }

  private func source() async throws -> [(String, Bool)] {
    let source = try LaunchSource(form, visit)
    let gib: Int
    switch source.kind {
    case .image:
      let image = try await client.get("image", "/v2/images/" + Percent.encode(source.id))
      guard image.text("status") == "active" else { return [mistake("The image is not active.")] }
      guard source.isNewVolume else { return [] }
      gib = max(image["min_disk"]?.int ?? 0, ((image["size"]?.int ?? 0) + (1 << 30) - 1) >> 30)
    case .volume:
      let volume = try await block("/volumes/" + Percent.encode(source.id), "volume")
      guard volume.text("status") == "available" else { return [mistake("The volume is in use.")] }
      return try count() > 1 ? [mistake("A volume boots one instance only.")] : []
    case .snapshot:
      let snapshot = try await block("/snapshots/" + Percent.encode(source.id), "snapshot")
      guard snapshot.text("status") == "available" else { return [mistake("The snapshot is not available.")] }
      gib = snapshot["size"]?.int ?? 0
    }
    if let size = source.sizeGiB, size < gib {
      return [(t("The volume is too small: GiB that it needs:") + " \(gib)", false)]
    }
    guard source.kind == .snapshot || source.sizeGiB != nil else {
      return [mistake("Say how large the new volume is.")]
    }
    return try await volumeQuota(source.sizeGiB ?? gib)
  }

  private func block(_ tail: String, _ single: String) async throws -> JSONValue {
    try await client.get(VolumePanels.service, VolumePanels.path(visit.session, tail))[single] ?? .null
  }
  private func volumeQuota(_ gib: Int) async throws -> [(String, Bool)] {
    let limits = try await limits(VolumePanels.service, VolumePanels.path(visit.session, "/limits"))
    var found: [(String, Bool)] = []
    if let left = left(limits, "totalVolumesUsed", "maxTotalVolumes"), left < (try count()) {
      found.append(doubt("The quota does not fit: volumes left:", left))
    }
    if let left = left(limits, "totalGigabytesUsed", "maxTotalVolumeGigabytes"), left < gib * (try count()) {
      found.append(doubt("The quota does not fit: GiB of volumes left:", left))
    }
    return found
  }

  private func flavor() async throws -> [(String, Bool)] {
    guard !form["flavor"].isEmpty else { return [mistake("Choose a flavor.")] }
    let flavor =
      try await client.get("compute", "/v2.1/flavors/" + Percent.encode(form["flavor"]))["flavor"] ?? .null
    let limits = try await limits("compute", "/v2.1/limits")
    let count = try count()
    var found: [(String, Bool)] = []
    if let left = left(limits, "totalCoresUsed", "maxTotalCores"), left < count * (flavor["vcpus"]?.int ?? 0) {
      found.append(doubt("The quota does not fit: VCPUs left:", left))
    }
    if let left = left(limits, "totalRAMUsed", "maxTotalRAMSize"), left < count * (flavor["ram"]?.int ?? 0) {
      found.append(doubt("The quota does not fit: MiB of memory left:", left))
    }
    guard let source = try? LaunchSource(form, visit), source.kind == .image else { return found }
    let image = try await client.get("image", "/v2/images/" + Percent.encode(source.id))
    if (flavor["ram"]?.int ?? 0) < (image["min_ram"]?.int ?? 0) {
      found.append(
        (t("The flavor has too little memory: MiB that the image needs:") + " \(image.text("min_ram"))", false))
    }
    let disk = flavor["disk"]?.int ?? 0
    if !source.isNewVolume, disk > 0, disk < image["min_disk"]?.int ?? 0 {
      found.append(
        (t("The flavor's disk is too small: GiB that the image needs:") + " \(image.text("min_disk"))", false))
    }
    return found
  }

  private func networks() async throws -> [(String, Bool)] {
    let (chosen, ports) = (form.all("networks"), form.all("ports"))
    if chosen.isEmpty, ports.isEmpty {
      return [doubt("No network is chosen: Compute takes the project's only one, or says why it cannot.")]
    }
    var found: [(String, Bool)] = []
    if !chosen.isEmpty {
      let known = try await client.get("network", "/v2.0/networks", chosen.map { ("id", $0) }).list("networks")
      for id in chosen {
        guard let network = known.first(where: { $0.text("id") == id }) else {
          found.append((t("This network is not there any more:") + " \(id)", false))
          continue
        }
        if network["subnets"]?.array?.isEmpty != false {
          found.append(
            (t("This network has no subnet, so there is no address on it:") + " \(network.text("name"))", true))
        }
      }
    }
    guard !ports.isEmpty else { return found }
    if try count() > 1 { found.append(mistake("A port is of one instance only.")) }
    let known = try await client.get("network", "/v2.0/ports", ports.map { ("id", $0) }).list("ports")
    for id in ports where known.first(where: { $0.text("id") == id })?.text("device_id") != "" {
      found.append((t("This port is not free any more:") + " \(id)", false))
    }
    return found
  }

  private func groups() async throws -> [(String, Bool)] {
    let chosen = form.all("groups")
    guard !chosen.isEmpty else { return [doubt("No security group is chosen: the group default is taken.")] }
    let known = try await client.get("network", "/v2.0/security-groups", chosen.map { ("id", $0) })
      .list("security_groups").map { $0.text("id") }
    return chosen.filter { !known.contains($0) }.map {
      (t("This security group is not there any more:") + " \($0)", false)
    }
  }

  private func key() async throws -> [(String, Bool)] {
    guard !form["new_key"].isEmpty else {
      return form["key"].isEmpty
        ? [doubt("No key pair is chosen: SSH opens for nobody, unless the image has a password.")] : []
    }
    guard !form["new_key_name"].isEmpty else { return [mistake("Give the imported key pair a name.")] }
    let words = form["new_key"].split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("ssh-") || words[0].hasPrefix("ecdsa-") || words[0].hasPrefix("sk-")
    else {
      return [mistake("This is not a public key: it begins with ssh- or ecdsa- and is one line.")]
    }
    do {
      _ = try await client.get("compute", "/v2.1/os-keypairs/" + Percent.encode(form["new_key_name"]))
      return [mistake("A key pair of this name exists already.")]
    } catch let fault as Fault where fault.status == 404 {
      return []
    }
  }

  private func configuration() throws -> [(String, Bool)] {
    // Nova's limit holds for the base 64 form.
    let bytes = (form.raw("user_data").utf8.count + 2) / 3 * 4
    return bytes > 65_535 ? [mistake("The user data is too long: 49151 bytes are the most.")] : []
  }

  private func placement() throws -> [(String, Bool)] {
    _ = try form.pairs("hints")
    let tooLong = try form.pairs("metadata").contains {
      $0.key.isEmpty || $0.key.unicodeScalars.count > 255 || $0.value.asText.unicodeScalars.count > 255
    }
    return tooLong ? [mistake("Keys and values of metadata have up to 255 characters.")] : []
  }
}

/// What an instance boots from, as the wizard's form says it.
struct LaunchSource {
  enum Kind: String { case image, volume, snapshot }
  let kind: Kind
  let id: String
  /// Whether a volume is made of the image.
  let isNewVolume: Bool
  let sizeGiB: Int?

  /// Throws a 400 fault when nothing is chosen.
  init(_ form: Form, _ visit: Visit) throws {
    let parts = form["source"].split(separator: ":", maxSplits: 1).map(String.init)
    guard parts.count == 2, let kind = Kind(rawValue: parts[0]) else {
      throw Fault.badRequest(visit.t("Choose what it boots from."))
    }
    (self.kind, id, isNewVolume) = (kind, parts[1], form.isOn("boot_volume"))
    sizeGiB = try form.number("volume_size", visit.t("Size of the volume in GiB"))
  }

  /// Adds it to the server's order (API reference, Create server: `imageRef`, `block_device_mapping_v2`).
  func add(to server: inout JSONObject, form: Form) {
    guard kind != .image || isNewVolume else {
      server["imageRef"] = .string(id)
      return
    }
    var device: JSONObject = [
      "boot_index": 0, "uuid": .string(id), "source_type": .string(kind.rawValue), "destination_type": "volume",
      "delete_on_termination": .bool(form.isOn("volume_delete")),
    ]
    if kind != .volume, let sizeGiB { device["volume_size"] = .int(sizeGiB) }
    server["block_device_mapping_v2"] = [.object(device)]
  }
}
