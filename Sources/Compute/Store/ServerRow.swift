import Contracts
import Kit
import Store

/// What servers of one list share and is read once: their flavors and images are few.
struct SharedServerParts {
  private var flavors: [String: ServerFlavor] = [:]
  var texts: [String: JSONValue] = [:]

  mutating func flavor(_ row: Row) -> ServerFlavor {
    let text = row.text("flavor")
    if let known = flavors[text] { return known }
    let flavor = ServerFlavor(json: row.json("flavor"))
    flavors[text] = flavor
    return flavor
  }
}

extension Server {
  /// A server without its metadata, tags and block devices.
  init(row: Row) {
    var shared = SharedServerParts()
    self.init(row: row, shared: &shared)
  }

  /// The same for a row of many.
  init(row: Row, shared: inout SharedServerParts) {
    self.init(
      id: row.text("id"), projectID: row.text("project_id"), userID: row.text("user_id"), name: row.text("name"),
      hostname: row.text("hostname"), imageID: row.text("image_id"), flavor: shared.flavor(row),
      reservationID: row.text("reservation_id"), createdAt: row.timestamp("created_at"),
      updatedAt: row.timestamp("updated_at"))
    number = row.int("number")
    description = row.optionalText("description")
    state = VMState(rawValue: row.text("vm_state")) ?? .error
    power = PowerState(rawValue: row.int("power_state")) ?? .noState
    host = row.optionalText("host")
    zone = row.optionalText("zone")
    pinnedZone = row.optionalText("pinned_zone")
    forcedHost = row.optionalText("forced_host")
    isVolumeBacked = row.bool("volume_backed")
    imageProperties = row.json("image_properties", memo: &shared.texts).texts
    newFlavor = row.optionalText("new_flavor") == nil ? nil : ServerFlavor(json: row.json("new_flavor"))
    oldFlavor = row.optionalText("old_flavor") == nil ? nil : ServerFlavor(json: row.json("old_flavor"))
    oldState = row.optionalText("old_state").flatMap { VMState(rawValue: $0) }
    keyName = row.optionalText("key_name")
    keyType = row.optionalText("key_type")
    publicKey = row.optionalText("public_key")
    userData = row.optionalText("user_data")
    hasConfigDrive = row.bool("config_drive")
    accessIPv4 = row.optionalText("access_ipv4")
    accessIPv6 = row.optionalText("access_ipv6")
    launchIndex = row.int("launch_index")
    lockedBy = row.optionalText("locked_by")
    lockedReason = row.optionalText("locked_reason")
    adminPassword = row.optionalText("admin_password")
    guestPassword = row.text("guest_password")
    readRest(row, shared: &shared)
  }

  private mutating func readRest(_ row: Row, shared: inout SharedServerParts) {
    rootDevice = row.text("root_device")
    hasAutoDisk = row.bool("auto_disk")
    hints = row.json("hints").object ?? [:]
    trustedCertificates = row.json("certificates").array?.compactMap(\.string)
    files = (row.json("files").array ?? []).map { file in
      InjectedFile(
        path: file["path"]?.string ?? "", content: Base64.decode(file["contents"]?.string ?? "") ?? [])
    }
    networks = (row.json("networks", memo: &shared.texts).array ?? []).map { NetworkRequest(json: $0) }
    securityGroups = (row.json("security_groups", memo: &shared.texts).array ?? []).compactMap(\.string)
    launchedAt = row.optionalTimestamp("launched_at")
    terminatedAt = row.optionalTimestamp("terminated_at")
    deletedAt = row.optionalTimestamp("deleted_at")
    fault = ServerFault(json: row.json("fault"))
  }

  /// Every column but `number`, which the database gives.
  var columns: [(String, SQLValue)] {
    let fileList = JSONValue.array(
      files.map { ["path": .string($0.path), "contents": .string(Base64.encode($0.content))] })
    let values: KeyValuePairs<String, any SQLConvertible> = [
      "id": id, "project_id": projectID, "user_id": userID, "name": name, "description": description,
      "hostname": hostname, "vm_state": state.rawValue, "power_state": power.rawValue, "host": host, "zone": zone,
      "pinned_zone": pinnedZone, "forced_host": forcedHost, "image_id": imageID,
      "volume_backed": isVolumeBacked, "image_properties": JSONValue.texts(imageProperties), "flavor": flavor.json,
      "flavor_id": flavor.id,
      "vcpus": held.vcpus, "memory_mb": held.memoryMB, "disk_gb": held.diskGB, "new_flavor": newFlavor?.json,
      "old_flavor": oldFlavor?.json, "old_state": oldState?.rawValue, "key_name": keyName, "key_type": keyType,
      "public_key": publicKey, "user_data": userData, "config_drive": hasConfigDrive,
    ]
    let more: KeyValuePairs<String, any SQLConvertible> = [
      "access_ipv4": accessIPv4, "access_ipv6": accessIPv6, "reservation_id": reservationID,
      "launch_index": launchIndex, "locked_by": lockedBy, "locked_reason": lockedReason,
      "admin_password": adminPassword, "guest_password": guestPassword, "root_device": rootDevice,
      "auto_disk": hasAutoDisk, "hints": JSONValue.object(hints),
      "certificates": trustedCertificates.map { JSONValue.strings($0) }, "files": fileList,
      "networks": JSONValue.array(networks.map(\.json)), "security_groups": JSONValue.strings(securityGroups),
      "created_at": createdAt, "updated_at": updatedAt, "launched_at": launchedAt, "terminated_at": terminatedAt,
      "is_deleted": isDeleted, "deleted_at": deletedAt, "fault": fault?.json,
    ]
    return values.map { ($0.key, $0.value.sqlValue) } + more.map { ($0.key, $0.value.sqlValue) }
  }
}

extension NetworkRequest {
  var json: JSONValue {
    [
      "network": .optional(networkID), "port": .optional(portID), "fixed_ip": .optional(fixedIP), "tag": .optional(tag),
    ]
  }
  init(json: JSONValue) {
    self.init(
      networkID: json["network"]?.string, portID: json["port"]?.string, fixedIP: json["fixed_ip"]?.string,
      tag: json["tag"]?.string)
  }
}
