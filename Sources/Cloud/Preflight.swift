import Dashboard
import Foundation
import Host
import Kit

/// One thing that was checked: what it is, how it stands, and what to do when it does not.
public struct CheckResult: Sendable {
  public enum Verdict: String, Sendable { case ok, warning, failed }
  public let name: String
  public let verdict: Verdict
  public let detail: String

  public init(_ name: String, _ verdict: Verdict, _ detail: String) {
    (self.name, self.verdict, self.detail) = (name, verdict, detail)
  }
  public var json: JSONValue {
    ["check": .string(name), "verdict": .string(verdict.rawValue), "detail": .string(detail)]
  }
}

/// What a machine must have before it can be a node.
public struct Preflight: Sendable {
  /// Megabytes of memory and of disk that a node needs at least.
  public static let memoryMBMin = 1024
  public static let diskMBMin = 2048

  /// Programs and the Debian packages that bring them.
  static let programs: KeyValuePairs = [
    "qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "ip": "iproute2", "bridge": "iproute2",
    "nft": "nftables", "dnsmasq": "dnsmasq-base", "radvd": "radvd",
  ]

  private let state: StateFolder
  public init(state: StateFolder) { self.state = state }

  /// All checks, in an order in which the first failure explains the later ones.
  public func run() async -> [CheckResult] {
    var results = [root, cores, memory, disk] + programs + [console]
    if HostFacts.isRoot { results += [tun] + (await kernel()) }
    return results
  }

  /// Throws a fault that lists what failed.
  public func require() async throws {
    let failed = await run().filter { $0.verdict == .failed }
    guard !failed.isEmpty else { return }
    let list = failed.map { "\n  - \($0.name): \($0.detail)" }.joined()
    throw Fault(412, "This machine cannot be a node yet:\(list)")
  }

  private var root: CheckResult {
    HostFacts.isRoot
      ? CheckResult("root", .ok, "running as root")
      : CheckResult(
        "root", .failed,
        "network namespaces, bridges and nftables need root: run it as root, or try `martlet up --fake` for the APIs alone."
      )
  }

  /// Consoles need noVNC's files; everything else works without them.
  private var console: CheckResult {
    ConsoleProxy.absence().map { CheckResult("noVNC", .warning, $0) } ?? CheckResult("noVNC", .ok, "here, for consoles")
  }

  private var cores: CheckResult { CheckResult("cores", .ok, "\(HostFacts.cpuCount) cores, \(HostFacts.cpuModel)") }

  private var memory: CheckResult {
    let total = HostFacts.memory().total >> 20
    return total >= Self.memoryMBMin
      ? CheckResult("memory", .ok, "\(total) MiB")
      : CheckResult("memory", .failed, "\(total) MiB, at least \(Self.memoryMBMin) MiB are needed.")
  }

  private var disk: CheckResult {
    var folder = state.path
    while !HostFiles.exists(folder), folder.count > 1 {
      folder = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
    }
    guard let space = try? HostFiles.space(at: folder.isEmpty ? "/" : folder) else {
      return CheckResult("disk", .warning, "the space at \(state.path) cannot be read")
    }
    let free = space.free >> 20
    return free >= Self.diskMBMin
      ? CheckResult("disk", .ok, "\(free) MiB free at \(state.path)")
      : CheckResult("disk", .failed, "\(free) MiB free at \(state.path), at least \(Self.diskMBMin) MiB are needed.")
  }

  private var programs: [CheckResult] {
    Self.programs.map { program, package in
      HostFacts.hasProgram(program)
        ? CheckResult(program, .ok, "installed")
        : CheckResult(program, .failed, "not installed: apt-get install \(package)")
    }
  }

  private var tun: CheckResult {
    HostFacts.canOpen("/dev/net/tun")
      ? CheckResult("tun", .ok, "/dev/net/tun opens")
      : CheckResult("tun", .failed, "/dev/net/tun does not open: load the kernel module tun (modprobe tun).")
  }

  /// Tries each kernel feature in a namespace of its own, which goes away again.
  private func kernel() async -> [CheckResult] {
    let namespace = NetworkNamespace("martlet-doctor-\(getpid())")
    do { try namespace.create() } catch {
      return [CheckResult("network namespaces", .failed, "\(Fault(error).message)")]
    }
    var results = [CheckResult("network namespaces", .ok, "can be made")]
    func attempt(_ name: String, _ need: String, _ program: String, _ arguments: [String], _ input: String = "") async {
      do {
        _ = try await Command(
          program, arguments, input: Array(input.utf8), deadline: .seconds(10), namespace: namespace
        ).check()
        results.append(CheckResult(name, .ok, "works"))
      } catch {
        results.append(CheckResult(name, .failed, "\(need) (\(Fault(error).message))"))
      }
    }
    await attempt("bridges", "the kernel needs CONFIG_BRIDGE", "ip", ["link", "add", "br0", "type", "bridge"])
    await attempt(
      "veth", "the kernel needs CONFIG_VETH", "ip", ["link", "add", "v0", "type", "veth", "peer", "name", "v1"])
    await attempt(
      "security groups", "the kernel needs CONFIG_BRIDGE_NETFILTER (modprobe br_netfilter)", "ip",
      ["link", "set", "br0", "type", "bridge", "nf_call_iptables", "1"])
    await attempt(
      "nftables", "the kernel needs CONFIG_NF_TABLES with NAT and connection tracking", "nft", ["-f", "-"],
      "table inet t {\n chain c {\n type filter hook forward priority 0;\n ct state established accept\n }\n"
        + " chain n {\n type nat hook postrouting priority 100;\n ip saddr 10.0.0.0/8 masquerade\n }\n}\n"
        + "table bridge b {\n chain c {\n type filter hook prerouting priority -300;\n meta mark set 1\n }\n}\n")
    do { try namespace.delete() } catch {
      results.append(CheckResult("network namespaces", .warning, "\(namespace.name) could not be removed: \(error)"))
    }
    return results
  }
}
