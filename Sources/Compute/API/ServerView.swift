import API
import Contracts
import Crypto
import Kit
import Store
import Workflow

/// Everything that views of servers need besides their rows, read with a fixed number of queries for a whole page.
struct ServerFacts {
  var jobs: [String: Job] = [:]
  var ports: [String: [ServerPort]] = [:]
  /// The server group by server.
  var groups: [String: ServerGroup] = [:]
  /// `UP`, `UNKNOWN`, `DOWN`, `MAINTENANCE` by host.
  var hostStatus: [String: String] = [:]
  /// `hostId` by host and project.
  private var hostIDs: [HostOfProject: String] = [:]
  private struct HostOfProject: Hashable { let host: String, projectID: String }

  func hostID(_ server: Server) -> String {
    guard let host = server.host else { return "" }
    return hostIDs[HostOfProject(host: host, projectID: server.projectID)] ?? ServerView.hostID(server)
  }

  func activity(_ server: Server) -> ServerActivity { ServerActivity(jobs[server.subject]) }

  /// Reads what the views of `servers` show to this call.
  static func read(
    _ servers: [Server], _ call: Call, service: ComputeDependencies, withGroups: Bool, tx: any Transaction
  ) throws -> ServerFacts {
    var facts = ServerFacts()
    guard !servers.isEmpty else { return facts }
    facts.jobs = try JobStore.live(subjects: servers.map(\.subject), tx: tx)
    for server in servers {
      guard let host = server.host else { continue }
      let key = HostOfProject(host: host, projectID: server.projectID)
      if facts.hostIDs[key] == nil { facts.hostIDs[key] = ServerView.hostID(server) }
    }
    facts.ports = try service.ports.ports(ofServers: servers.map(\.id), tx: tx)
    if withGroups, call.since(2, 71) {
      facts.groups = try ServerGroupStore.memberships(ofServers: servers.map(\.id), tx: tx)
    }
    if call.since(2, 16), call.identity?.isAdmin == true {
      for node in try ComputeNodeStore.all(now: service.clock.now(), tx: tx) {
        facts.hostStatus[node.host] = !node.isUp ? "UNKNOWN" : node.isEnabled ? "UP" : "MAINTENANCE"
      }
    }
    return facts
  }
}

/// Servers as JSON, by microversion (API reference, Servers).
struct ServerView {
  let call: Call
  let facts: ServerFacts
  /// The short view of `PUT` and rebuild before 2.75.
  var isShort = false
  /// Rebuild shows user data in a member of its own.
  var showsUserData = true
  /// Lists with details never show `server_groups`.
  var showsGroups = false

  private var isAdmin: Bool { call.identity?.isAdmin == true }

  func brief(_ server: Server) -> JSONValue {
    [
      "id": .string(server.id), "name": .string(server.name), "links": ComputeLinks.make(call, "servers", server.id),
    ]
  }

  func full(_ server: Server) -> JSONObject {
    let activity = facts.activity(server)
    let status = server.isDeleted ? "DELETED" : activity.status(in: server.state)
    var view = JSONObject(capacity: 48)
    view.append("id", .string(server.id))
    view.append("name", .string(server.name))
    view.append("status", .string(status))
    view.append("tenant_id", .string(server.projectID))
    view.append("user_id", .string(server.userID))
    view.append("metadata", .texts(server.metadata))
    view.append("hostId", .string(facts.hostID(server)))
    view.append("image", image(server))
    view.append("flavor", flavor(server))
    view.append("created", .string(server.createdAt.iso8601))
    view.append("updated", .string(server.updatedAt.iso8601))
    view.append("addresses", addresses(server))
    view.append("accessIPv4", .string(server.accessIPv4 ?? ""))
    view.append("accessIPv6", .string(server.accessIPv6 ?? ""))
    view.append("links", ComputeLinks.make(call, "servers", server.id))
    view.append("OS-DCF:diskConfig", .string(server.hasAutoDisk ? "AUTO" : "MANUAL"))
    if ["ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"].contains(status) {
      view.append("progress", .int(0))
    }
    if status == "ERROR" || status == "DELETED", let fault = server.fault { view.append("fault", self.fault(fault)) }
    if !isShort { extend(&view, server, activity) }
    byVersion(&view, server)
    return view
  }

  private func extend(_ view: inout JSONObject, _ server: Server, _ activity: ServerActivity) {
    view.append("OS-EXT-AZ:availability_zone", .string(server.zone ?? server.pinnedZone ?? ""))
    view.append("config_drive", .string(server.hasConfigDrive ? "True" : ""))
    view.append("key_name", .optional(server.keyName))
    view.append("OS-SRV-USG:launched_at", .optional(server.launchedAt?.iso8601Micros))
    view.append("OS-SRV-USG:terminated_at", .optional(server.terminatedAt?.iso8601Micros))
    let groups = Set((facts.ports[server.id] ?? []).flatMap(\.securityGroupNames)).sorted()
    if !groups.isEmpty { view.append("security_groups", .array(groups.map { ["name": .string($0)] })) }
    if isAdmin { extendForAdmin(&view, server) }
    view.append("OS-EXT-STS:task_state", .optional(server.isDeleted ? nil : activity.task))
    view.append("OS-EXT-STS:vm_state", .string(server.state.rawValue))
    view.append("OS-EXT-STS:power_state", .int(server.power.rawValue))
    view.append("os-extended-volumes:volumes_attached", .array(server.volumes.compactMap(volume)))
    if call.since(2, 16), isAdmin {
      view.append("host_status", .string(server.host.map { facts.hostStatus[$0] ?? "UNKNOWN" } ?? ""))
    }
  }

  private func extendForAdmin(_ view: inout JSONObject, _ server: Server) {
    let prefix = "OS-EXT-SRV-ATTR:"
    view.append(prefix + "host", .optional(server.host))
    view.append(prefix + "instance_name", .string(server.instanceName))
    view.append(prefix + "hypervisor_hostname", .optional(server.host))
    guard call.since(2, 3) else { return }
    view.append(prefix + "hostname", .string(server.hostname))
    view.append(prefix + "kernel_id", .string(server.imageProperties["kernel_id"] ?? ""))
    view.append(prefix + "launch_index", .int(server.launchIndex))
    view.append(prefix + "ramdisk_id", .string(server.imageProperties["ramdisk_id"] ?? ""))
    view.append(prefix + "reservation_id", .string(server.reservationID))
    view.append(prefix + "root_device_name", .string(server.rootDevice))
    if showsUserData { view.append(prefix + "user_data", .optional(server.userData)) }
  }

  private func byVersion(_ view: inout JSONObject, _ server: Server) {
    if call.since(2, 9) { view.append("locked", .bool(server.lockedBy != nil)) }
    if call.since(2, 19) { view.append("description", .optional(server.description)) }
    if call.since(2, 26) { view.append("tags", .strings(server.tags)) }
    if call.since(2, 63) {
      view.append("trusted_image_certificates", server.trustedCertificates.map { .strings($0) } ?? .null)
    }
    if call.since(2, 71), showsGroups {
      view.append("server_groups", .strings(facts.groups[server.id].map { [$0.id] } ?? []))
    }
    if call.since(2, 73) { view.append("locked_reason", .optional(server.lockedReason)) }
    if call.since(2, 90), isShort || !isAdmin { view.append("OS-EXT-SRV-ATTR:hostname", .string(server.hostname)) }
    if call.since(2, 96), !isShort { view.append("pinned_availability_zone", .optional(server.pinnedZone)) }
    if call.since(2, 100) { view.append("scheduler_hints", .object(server.hints)) }
  }

  private func volume(_ device: BlockDevice) -> JSONValue? {
    guard let id = device.volumeID else { return nil }
    return call.since(2, 3)
      ? ["id": .string(id), "delete_on_termination": .bool(device.deletesOnTermination)] : ["id": .string(id)]
  }

  private func image(_ server: Server) -> JSONValue {
    guard !server.imageID.isEmpty else { return "" }
    var view: JSONObject = [
      "id": .string(server.imageID), "links": [ComputeLinks.bookmark(call, "images", server.imageID)],
    ]
    if call.since(2, 98) {
      let shown = server.imageProperties.filter { $0.key.hasPrefix("hw_") || $0.key.hasPrefix("os_") }
      view.append("properties", .texts(shown))
    }
    return .object(view)
  }

  private func flavor(_ server: Server) -> JSONValue {
    let flavor = server.flavor
    guard call.since(2, 47) else {
      return ["id": .string(flavor.id), "links": [ComputeLinks.bookmark(call, "flavors", flavor.id)]]
    }
    return [
      "vcpus": .int(flavor.vcpus), "ram": .int(flavor.memoryMB), "disk": .int(flavor.diskGB),
      "ephemeral": .int(flavor.ephemeralGB), "swap": .int(flavor.swapMB), "original_name": .string(flavor.name),
      "extra_specs": .texts(flavor.extraSpecs),
    ]
  }

  private func fault(_ fault: ServerFault) -> JSONValue {
    var view: JSONObject = [
      "code": .int(fault.code), "message": .string(fault.message), "created": .string(fault.createdAt.iso8601),
    ]
    // Upstream shows details of internal errors to administrators only.
    if !fault.details.isEmpty, isAdmin || fault.code != 500 { view.append("details", .string(fault.details)) }
    return .object(view)
  }

  private func addresses(_ server: Server) -> JSONValue {
    server.state == .building || server.isDeleted
      ? [:] : Self.addresses(facts.ports[server.id] ?? [], isExtended: !isShort)
  }

  /// Addresses by the names of their networks.
  static func addresses(_ ports: [ServerPort], isExtended: Bool) -> JSONValue {
    var networks = JSONObject()
    for port in ports {
      var list = networks[port.networkName]?.array ?? []
      for fixed in port.fixedIPs {
        list.append(address(fixed.address, fixed.version, "fixed", port, isExtended))
        for floating in fixed.floatingIPs { list.append(address(floating, 4, "floating", port, isExtended)) }
      }
      networks[port.networkName] = .array(list)
    }
    return .object(networks)
  }

  private static func address(
    _ text: String, _ version: Int, _ type: String, _ port: ServerPort, _ isExtended: Bool
  ) -> JSONValue {
    var view: JSONObject = ["version": .int(version), "addr": .string(text)]
    if isExtended {
      view.append("OS-EXT-IPS:type", .string(type))
      view.append("OS-EXT-IPS-MAC:mac_addr", .string(port.mac))
    }
    return .object(view)
  }

  /// Tells servers of one project on the same host apart from others without naming the host.
  static func hostID(_ server: Server) -> String { hostID(server.host, projectID: server.projectID) }
  static func hostID(_ host: String?, projectID: String) -> String {
    guard let host else { return "" }
    // Upstream uses SHA-224, also 56 digits; clients only compare them.
    return SHA256.hash(data: Array((projectID + host).utf8)).map { hex($0) }.joined().prefix(56).description
  }
  private static func hex(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
