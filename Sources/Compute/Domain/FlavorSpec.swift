import API
import Kit

/// Extra specs that Compute knows, with the values that they may have; checked from microversion 2.86 on (Nova's
/// extra spec validators). Specs of other namespaces are the operator's own and are not checked.
enum FlavorSpec {
  enum Value: Sendable {
    case text, boolean
    case integer(ClosedRange<Int>)
    case oneOf([String])
    /// A regular expression over the whole value.
    case pattern(String)
  }

  /// Throws a 400 fault for a known spec with a bad value, and for an unknown one in a known namespace.
  static func validate(_ name: String, _ value: String) throws(Fault) {
    if let kind = known[name] ?? patterned.first(where: { matches(name, $0.pattern) })?.value {
      guard let reason = mismatch(value, kind) else { return }
      throw Fault.badRequest("Validation failed; '\(value)' is not \(reason).")
    }
    guard let colon = name.firstIndex(of: ":") else { return }
    let namespace = String(name[..<colon])
    let isKnown =
      namespaces.contains(namespace) || matches(namespace, "(resources|trait)\(group)")
    guard !isKnown else {
      throw Fault.badRequest("Validation failed; extra spec '\(name)' does not appear to be a valid extra spec.")
    }
  }

  private static func mismatch(_ value: String, _ kind: Value) -> String? {
    switch kind {
    case .text: return nil
    case .boolean: return Schema.boolean(.string(value)) != nil ? nil : "a valid boolean-like value"
    case .integer(let range):
      guard let number = Int(value) else { return "a valid integer value" }
      return range.contains(number) ? nil : "in the range from \(range.lowerBound) to \(range.upperBound)"
    case .oneOf(let values): return values.contains(value) ? nil : "one of: \(values.joined(separator: ", "))"
    case .pattern(let pattern): return matches(value, pattern) ? nil : "of the format '\(pattern)'"
    }
  }
  private static func matches(_ text: String, _ pattern: String) -> Bool {
    guard let regex = try? Regex(pattern) else { return false }
    return text.wholeMatch(of: regex) != nil
  }

  private static let group = "([a-zA-Z0-9_-]{1,64})?"
  private static let cpuMap = #"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"#
  private static let natural = Value.integer(0...Int.max)
  private static let positive = Value.integer(1...Int.max)
  private static let any = Value.integer(Int.min...Int.max)

  private static let namespaces: Set<String> = Set(
    known.keys.compactMap { name in name.firstIndex(of: ":").map { String(name[..<$0]) } }
      + ["aggregate_instance_extra_specs", "capabilities"])

  /// Specs with a part of their name that varies.
  private static let patterned: [(pattern: String, value: Value)] = [
    (#"hw:numa_cpus\.\d+"#, .pattern(cpuMap)), (#"hw:numa_mem\.\d+"#, positive),
    ("aggregate_instance_extra_specs:.+", .text),
    (
      "capabilities:(cpu_info|metrics|stats|numa_topology|supported_hv_specs|pci_device_pools|nodename|pci_stats"
        + #"|supported_instances|limits|instances)(:\w+)*"#, .text
    ),
    ("resources\(group):[A-Z0-9_]+", any), ("trait\(group):[A-Z0-9_]+", .oneOf(["required", "forbidden"])),
    (#"quota:(cpu|memory|disk_io|vif)_limit"#, natural), (#"quota:(cpu|memory|disk_io|vif)_reservation"#, any),
    (#"quota:(cpu|memory|disk_io|vif)_shares_level"#, .oneOf(["custom", "high", "normal", "low"])),
    (#"quota:(cpu|memory|disk_io|vif)_shares_share"#, natural),
    (#"quota:disk_(read|write|total)_(bytes|iops)_sec"#, natural),
    (#"quota:vif_(inbound|outbound)_(average|peak|burst)"#, natural),
  ]

  private static let known: [String: Value] = hardware.merging(others) { first, _ in first }

  private static let hardware: [String: Value] = [
    "hw:cpu_realtime": .boolean, "hw:cpu_realtime_mask": .pattern(cpuMap), "hw:hide_hypervisor_id": .boolean,
    "hw:cpu_policy": .oneOf(["dedicated", "shared", "mixed"]),
    "hw:cpu_thread_policy": .oneOf(["prefer", "isolate", "require"]),
    "hw:emulator_threads_policy": .oneOf(["isolate", "share"]), "hw:cpu_dedicated_mask": .pattern(cpuMap),
    "hw:mem_page_size": .pattern(#"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"#), "hw:locked_memory": .boolean,
    "hw:numa_nodes": positive,
    "hw:pci_numa_affinity_policy": .oneOf(["required", "preferred", "legacy", "socket"]),
    "hw:cpu_sockets": positive, "hw:cpu_cores": positive, "hw:cpu_threads": positive,
    "hw:cpu_max_sockets": positive, "hw:cpu_max_cores": positive, "hw:cpu_max_threads": positive,
    "hw:boot_menu": .boolean, "hw:vif_multiqueue_enabled": .boolean, "hw:mem_encryption": .boolean,
    "hw:mem_encryption_model": .oneOf(["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"]),
    "hw:pmem": .pattern("([a-zA-Z0-9_]+(,)?)+"), "hw:pmu": .boolean, "hw:serial_port_count": natural,
    "hw:tpm_model": .oneOf(["tpm-tis", "tpm-crb"]), "hw:tpm_version": .oneOf(["1.2", "2.0"]),
    "hw:tpm_secret_security": .oneOf(["user", "host", "deployment"]),
    "hw:watchdog_action": .oneOf(["none", "pause", "poweroff", "reset", "disabled"]),
    "hw:viommu_model": .oneOf(["intel", "smmuv3", "virtio", "auto"]), "hw:virtio_packed_ring": .boolean,
    "hw:sound_model": .oneOf(["sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"]),
    "hw:usb_model": .oneOf(["none", "nec-xhci", "qemu-xhci"]),
    "hw:redirected_usb_ports": .integer(0...15), "hw:ephemeral_encryption": .boolean,
    "hw:ephemeral_encryption_format": .oneOf(["plain", "luks", "luksv2"]),
  ]

  private static let others: [String: Value] = Dictionary(
    uniqueKeysWithValues: [
      "id", "uuid", "service_id", "host", "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used",
      "local_gb_used", "hypervisor_type", "hypervisor_version", "hypervisor_hostname", "free_ram_mb", "free_disk_gb",
      "current_workload", "running_vms", "disk_available_least", "host_ip", "mapped", "cpu_allocation_ratio",
      "ram_allocation_ratio", "disk_allocation_ratio", "total_usable_ram_mb", "total_usable_disk_gb", "disk_mb_used",
      "free_disk_mb", "vcpus_total", "num_instances", "num_io_ops", "failed_builds", "aggregates", "cell_uuid",
      "updated",
    ].map { ("capabilities:" + $0, Value.text) }
  ).merging([
    "accel:device_profile": .text, "hw_rng:allowed": .boolean, "hw_rng:rate_bytes": natural,
    "hw_rng:rate_period": natural, "hw_video:ram_max_mb": natural, "hide_hypervisor_id": .boolean,
    "group_policy": .oneOf(["isolate", "none"]), "os:secure_boot": .oneOf(["disabled", "required"]),
    "pci_passthrough:alias": .pattern(#"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*"#), "quota:cpu_shares": natural,
    "quota:cpu_period": natural, "quota:cpu_quota": any, "vmware:hw_version": .text, "vmware:storage_policy": .text,
  ]) { first, _ in first }
}
