import Kit

/// What can be counted on a resource provider, such as `VCPU`. Standard classes come with the code; custom ones are rows.
enum ResourceClass {
  static let vcpu = "VCPU"
  static let memoryMB = "MEMORY_MB"
  static let diskGB = "DISK_GB"

  /// The standard classes (os-resource-classes 1.1), in their upstream order.
  static let standard = [
    vcpu, memoryMB, diskGB, "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD",
    "NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC",
    "NET_BW_IGR_KILOBIT_PER_SEC", "PCPU", "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU",
    "NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
    "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
  ]
  static let standardSet = Set(standard)

  /// Upper-case letters, digits and underscores.
  static func isName(_ name: String) -> Bool {
    (1...255).contains(name.utf8.count)
      && name.utf8.allSatisfy { ($0 >= 65 && $0 <= 90) || ($0 >= 48 && $0 <= 57) || $0 == 95 }
  }
  /// A name that a client may give: `CUSTOM_` and at least one more character.
  static func isCustomName(_ name: String) -> Bool {
    isName(name) && name.hasPrefix("CUSTOM_") && name.utf8.count > 7
  }
}
