import API
import Kit

/// Hypervisors as JSON, by microversion (API reference, Hypervisors).
struct HypervisorView {
  let call: Call
  /// The host whose kernel this process can ask, and the time.
  let localHost: String
  let now: Timestamp
  var withServers = false

  func brief(_ facts: HypervisorFacts) -> JSONObject {
    var view: JSONObject = [
      "id": call.since(2, 53) ? .string(facts.uuid) : .int(facts.number),
      "hypervisor_hostname": .string(facts.hostname), "state": facts.node.isUp ? "up" : "down",
      "status": facts.node.isEnabled ? "enabled" : "disabled",
    ]
    // Before 2.75 hosts without servers have no such member.
    if withServers, call.since(2, 75) || !facts.servers.isEmpty {
      view.append(
        "servers", .array(facts.servers.map { ["name": .string($0.name), "uuid": .string($0.id)] }))
    }
    return view
  }

  func full(_ facts: HypervisorFacts) -> JSONObject {
    let resources = facts.node.resources
    var view = brief(facts)
    view.merge([
      "hypervisor_type": .string(resources.hypervisorType), "hypervisor_version": .int(resources.hypervisorVersion),
      "host_ip": .string(resources.hostAddress),
      "service": [
        "id": call.since(2, 53) ? .string(facts.node.uuid) : .int(facts.number), "host": .string(facts.node.host),
        "disabled_reason": .optional(facts.node.disabledReason),
      ],
    ])
    if call.since(2, 88) {
      view.append("uptime", .optional(uptime(facts)))
    } else {
      view.merge(Self.usage([facts]))
      let cpu: JSONValue = [
        "arch": .string(resources.cpuArchitecture), "model": .string(resources.cpuModel),
        "accelerator": .string(resources.accelerator),
      ]
      view.append("cpu_info", call.since(2, 28) ? cpu : .string(cpu.text))
    }
    return view
  }

  func uptime(_ facts: HypervisorFacts) -> String? {
    facts.node.host == localHost && facts.node.isUp ? HypervisorFacts.uptime(now: now) : nil
  }

  /// Sums over hosts, as each host and the statistics show them.
  static func usage(_ all: [HypervisorFacts]) -> JSONObject {
    func sum(_ value: (HypervisorFacts) -> Int) -> JSONValue { .int(all.map(value).reduce(0, +)) }
    return [
      "vcpus": sum { $0.node.resources.vcpus }, "memory_mb": sum { $0.node.resources.memoryMB },
      "local_gb": sum { $0.node.resources.diskGB }, "vcpus_used": sum { $0.vcpusUsed },
      "memory_mb_used": sum { $0.memoryMBUsed }, "local_gb_used": sum { $0.diskGBUsed },
      "free_ram_mb": sum { $0.freeMemoryMB }, "free_disk_gb": sum { $0.freeDiskGB },
      "current_workload": sum { $0.workload }, "running_vms": sum { $0.servers.count },
      "disk_available_least": sum { $0.freeDiskGB },
    ]
  }
}
