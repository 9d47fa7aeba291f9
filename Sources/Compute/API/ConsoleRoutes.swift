import API
import Contracts
import Kit
import Store

/// The console's log, diagnostics and the guest's password (API reference, Server consoles, Server diagnostics, Servers password).
enum ConsoleRoutes {
  static func routes(_ service: ComputeDependencies) -> [Route] {
    let length = Schema.either([.null, .looseInteger(-1...Int(Int32.max))])
    return [
      Route(
        "POST", ServerActionRoutes.path, action: "os-getConsoleOutput",
        Policy("os_compute_api:os-console-output", .projectMember),
        schema: ServerSchema.action("os-getConsoleOutput", .object([Schema.may("length", length)]))
      ) { call in try await output(call, service) },
      Route(
        "GET", "/v2.1/servers/{server_id}/diagnostics", Policy("os_compute_api:os-server-diagnostics", .admin)
      ) { call in try await diagnostics(call, service) },
      Route(
        "GET", "/v2.1/servers/{server_id}/os-server-password",
        Policy("os_compute_api:os-server-password:show", .projectReader)
      ) { call in
        let server = try await ServerAction(call: call, service: service).server()
        return .json(["password": .string(server.guestPassword)])
      },
      Route(
        "DELETE", "/v2.1/servers/{server_id}/os-server-password",
        Policy("os_compute_api:os-server-password:clear", .projectMember)
      ) { call in
        try await ServerAction(call: call, service: service).change(nil) { server, _, _ in server.guestPassword = "" }
        return .empty(204)
      },
    ]
  }

  private static func output(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let server = try await ServerAction(call: call, service: service).server()
    guard server.host != nil, try await service.hypervisor.status(of: server.id) != nil else {
      throw Fault.conflict("Instance \(server.id) is not ready")
    }
    let length = call.body["os-getConsoleOutput"]?["length"].flatMap { Schema.integer($0) }
    let text = try await service.hypervisor.consoleLog(
      of: server.id, lines: length.flatMap { $0 < 0 ? nil : $0 })
    var clean = ""
    // Control characters other than tab, line feed and escape sequences' start do not belong in a text.
    clean.unicodeScalars.append(
      contentsOf: text.unicodeScalars.filter { $0.value >= 32 || $0 == "\n" || $0 == "\t" })
    return .json(["output": .string(clean)])
  }

  private static func diagnostics(_ call: Call, _ service: ComputeDependencies) async throws -> Reply {
    let auth = try call.auth
    let (server, ports) = try await service.database.read { tx in
      let server = try ServerStore.find(call.parameter("server_id"), auth: auth, tx: tx)
      return (server, try service.ports.ports(ofServers: [server.id], tx: tx)[server.id] ?? [])
    }
    guard server.host != nil, let status = try await service.hypervisor.status(of: server.id) else {
      throw Fault.conflict("Instance \(server.id) is not ready")
    }
    let disks = 1 + (server.flavor.ephemeralGB > 0 ? 1 : 0) + (server.flavor.swapMB > 0 ? 1 : 0)
    guard call.since(2, 48) else {
      return .json(["memory": .int(server.flavor.memoryMB << 10), "vcpus": .int(server.flavor.vcpus)])
    }
    let names: [PowerState: String] = [
      .noState: "pending", .running: "running", .paused: "paused", .shutdown: "shutdown", .crashed: "crashed",
      .suspended: "suspended",
    ]
    let resources = try await service.hypervisor.resources()
    return .json([
      "state": .string(names[status.power] ?? "pending"), "driver": "libvirt",
      "hypervisor": .string(resources.accelerator == "kvm" ? "kvm" : "qemu"), "hypervisor_os": "linux",
      "uptime": .null, "config_drive": .bool(server.hasConfigDrive), "num_cpus": .int(server.flavor.vcpus),
      "num_nics": .int(ports.count), "num_disks": .int(disks),
      "memory_details": ["maximum": .int(server.flavor.memoryMB), "used": .null], "cpu_details": [],
      "nic_details": .array(ports.map(nic)), "disk_details": [],
    ])
  }

  private static func nic(_ port: ServerPort) -> JSONValue {
    [
      "mac_address": .string(port.mac), "rx_octets": .null, "rx_errors": .null, "rx_drop": .null, "rx_packets": .null,
      "rx_rate": .null, "tx_octets": .null, "tx_errors": .null, "tx_drop": .null, "tx_packets": .null,
      "tx_rate": .null,
    ]
  }
}
