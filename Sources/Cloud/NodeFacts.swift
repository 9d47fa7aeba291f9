import Config
import Foundation
import Host

/// Small facts of this machine and process.
enum NodeFacts {
  /// The node's name: configured, or the machine's.
  static func name(_ configuration: Configuration) -> String {
    let wanted = configuration.text("cloud.host")
    return wanted.isEmpty ? HostFacts.hostname : wanted
  }

  /// A kernel to try the accelerator with: the guest image's, or the one that this machine was booted from.
  static func probeKernel(_ state: StateFolder) -> String? {
    [state.guestImage + "/vmlinuz", "/boot/vmlinuz-" + HostFacts.kernelRelease].first { HostFiles.exists($0) }
  }

  /// Resident memory of this process in MiB; see proc(5), /proc/pid/statm.
  static func residentMB() -> Int {
    guard let bytes = try? HostFiles.read("/proc/self/statm", limit: 4096),
      let pages = String(decoding: bytes, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return (pages * Int(sysconf(CInt(_SC_PAGESIZE)))) >> 20
  }
}
