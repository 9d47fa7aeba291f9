import Glibc
import Kit

/// What this host is and has.
public enum HostFacts {
  public static var isRoot: Bool { geteuid() == 0 }
  /// Processors that this process may use.
  public static var cpuCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// Memory in bytes: all, and what is left for new processes. See proc(5), /proc/meminfo.
  public static func memory() -> (total: Int, available: Int) {
    var values: [Substring: Int] = [:]
    for line in lines("/proc/meminfo") {
      let words = line.split(whereSeparator: { $0 == ":" || $0 == " " })
      if words.count >= 2, let value = Int(words[1]) { values[words[0]] = value << 10 }
    }
    return (values["MemTotal"] ?? 0, values["MemAvailable"] ?? 0)
  }

  /// The processor's model name; see proc(5), /proc/cpuinfo.
  public static var cpuModel: String {
    let line = lines("/proc/cpuinfo").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":", maxSplits: 1).last.map { String($0).trimmingSpace } ?? architecture
  }

  /// `x86_64`, `aarch64` …
  public static var architecture: String { name { $0.machine } }
  /// The kernel's release, such as `6.1.0-18-amd64`.
  public static var kernelRelease: String { name { $0.release } }
  public static var hostname: String { name { $0.nodename } }
  /// A random text that is another after each boot.
  public static let bootID = lines("/proc/sys/kernel/random/boot_id").first ?? ""

  /// Whether this process can open a device such as /dev/kvm or /dev/net/tun for reading and writing.
  public static func canOpen(_ device: String) -> Bool { (try? Descriptor.open(device, O_RDWR)) != nil }

  /// Whether a program is installed.
  public static func hasProgram(_ name: String) -> Bool { (try? Command.path(of: name)) != nil }

  private static func lines(_ path: String) -> [String] {
    guard let bytes = try? HostFiles.read(path, limit: 4 << 20) else { return [] }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private static func name<Field>(_ field: (utsname) -> Field) -> String {
    var facts = utsname()
    guard uname(&facts) == 0 else { return "" }
    return withUnsafeBytes(of: field(facts)) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
