import Glibc
import Host
import Kit

/// What a host must have to carry a cloud's network.
enum Preconditions {
  private static let programs = ["ip", "nft", "dnsmasq"]

  /// Throws a fault that says what is missing. Loads kernel modules that are there but not loaded.
  static func check() async throws {
    guard HostFacts.isRoot else {
      throw Fault.unavailable(
        "The kernel's network can only be set up by root: run Martlet as root, or with network.driver: fake.")
    }
    for program in programs { _ = try Command.path(of: program) }
    try await need("/dev/net/tun", module: "tun", what: "TAP devices (CONFIG_TUN)")
    let isNew = !HostFiles.exists("/proc/sys/net/bridge")
    try await need(
      "/proc/sys/net/bridge", module: "br_netfilter", what: "netfilter on bridges (CONFIG_BRIDGE_NETFILTER)")
    if isNew {
      // The module makes every bridge of the host ask netfilter. Ours ask for themselves; the others stay as they were.
      for name in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"] {
        _ = try Sysctl.set("/proc/sys/net/bridge/\(name)", "0")
      }
    }
    _ = try await HostThread.run { try NamespacePicture.generationHere() }
  }

  private static func need(_ path: String, module: String, what: String) async throws {
    if HostFiles.exists(path) { return }
    _ = try? await Command("modprobe", [module]).run()
    if !HostFiles.exists(path) {
      throw Fault.unavailable("This kernel lacks \(what): the module \(module) could not be loaded.")
    }
  }
}
