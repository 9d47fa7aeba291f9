import Glibc
import Host
import Kit
import Logs

/// Keeps the programs of namespaces running: starts them, takes those over that an earlier process of ours started, tells
/// them of changes, restarts those that ended, and ends those that are no longer wanted. They outlive us.
actor DaemonKeeper {
  private struct Entry {
    var plan: DaemonPlan
    var process: ProcessHandle
  }

  private let directory: String
  private let log: Log
  private var entries: [String: Entry] = [:]

  init(directory: String, log: Log) { (self.directory, self.log) = (directory, log) }

  private func folder(_ name: String) -> String { "\(directory)/\(name)" }

  /// Brings a program to its plan. Returns whether it was started now. A fault when it does not start.
  func ensure(_ plan: DaemonPlan) async throws -> Bool {
    let folder = folder(plan.name)
    if let entry = entries[plan.name], entry.process.isAlive, entry.plan == plan { return false }
    try HostFiles.makeFolder(folder)
    let existing = entries[plan.name]?.process ?? Self.find(plan, folder)
    let changed = try plan.files.filter { name, text in
      try Self.content("\(folder)/\(name)") != DaemonPlan.path(text, folder)
    }
    let process = existing.flatMap { $0.isAlive ? $0 : nil }
    let mustRestart = !plan.restartFiles.isDisjoint(with: changed.keys) || Self.hasStolenLease(plan, folder)
    if let process, !mustRestart {
      try write(changed, folder)
      if !changed.isEmpty { process.signal(SIGHUP) }
      entries[plan.name] = Entry(plan: plan, process: process)
      return false
    }
    if let process { try await process.terminate(grace: .seconds(2)) }
    try write(changed, folder)
    try Self.dropStaleLeases(plan, folder)
    try await start(plan, folder)
    return true
  }

  private func start(_ plan: DaemonPlan, _ folder: String) async throws {
    let process = try await Daemon.start(
      plan.program, plan.arguments.map { DaemonPlan.path($0, folder) }, log: "\(folder)/log",
      namespace: NetworkNamespace(plan.namespace))
    try process.save("\(folder)/pid")
    entries[plan.name] = Entry(plan: plan, process: process)
    log.info("started \(plan.program) of \(plan.resourceID) as process \(process.pid)")
  }

  /// Starts again what has ended by itself; returns the resources whose program does not start.
  func restartEnded() async -> [String: String] {
    var failures: [String: String] = [:]
    for (name, entry) in entries where !entry.process.isAlive {
      log.warning("\(entry.plan.program) of \(entry.plan.resourceID) has ended: \(lastLines(name))")
      do {
        try await start(entry.plan, folder(name))
      } catch {
        failures[entry.plan.resourceID] = Fault(error).message
      }
    }
    return failures
  }

  /// Those of these programs that have ended since they were started, by resource, with what they said.
  func ended(_ names: [String]) -> [String: String] {
    var result: [String: String] = [:]
    for name in names {
      guard let entry = entries[name], !entry.process.isAlive else { continue }
      result[entry.plan.resourceID] = "\(entry.plan.program) ended at once: \(lastLines(name))"
    }
    return result
  }

  private func lastLines(_ name: String) -> String {
    HostFiles.tail("\(folder(name))/log", bytes: 600).split(separator: "\n").suffix(3).joined(separator: "; ")
  }

  /// Ends all programs but these, those of earlier processes too, and removes their folders.
  func keepOnly(_ names: Set<String>) async throws {
    guard HostFiles.exists(directory) else { return }
    for name in try HostFiles.list(directory) where !names.contains(name) {
      let folder = folder(name)
      var processes = [entries[name]?.process, ProcessHandle(pidFile: "\(folder)/pid")].compactMap { $0 }
      if processes.isEmpty {
        processes = try ["--conf-file=\(folder)/dnsmasq.conf", "\(folder)/radvd.conf"].flatMap {
          try ProcessHandle.all(withArgument: $0)
        }
      }
      for process in Set(processes) { try await process.terminate(grace: .seconds(2)) }
      entries[name] = nil
      try HostFiles.remove(folder)
    }
  }

  /// Ends programs in namespaces that are about to be removed, also those that the files of another state folder knew.
  static func endAll(in namespaces: Set<String>) async throws {
    if namespaces.isEmpty { return }
    let wanted = Set(namespaces.compactMap { identity(NetworkNamespace($0).path) })
    for process in try HostFiles.list("/proc").compactMap({ Int32($0) }).compactMap({ ProcessHandle(pid: $0) }) {
      guard let own = identity("/proc/\(process.pid)/ns/net"), wanted.contains(own),
        let program = process.arguments.first?.split(separator: "/").last, ["dnsmasq", "radvd"].contains(program)
      else { continue }
      try await process.terminate(grace: .seconds(2))
    }
  }

  /// What makes a namespace's file the same as another one: stat(2)'s device and inode.
  private static func identity(_ path: String) -> [UInt64]? {
    var facts = stat()
    return stat(path, &facts) == 0 ? [UInt64(facts.st_dev), UInt64(facts.st_ino)] : nil
  }

  private static func find(_ plan: DaemonPlan, _ folder: String) -> ProcessHandle? {
    if let saved = ProcessHandle(pidFile: "\(folder)/pid") { return saved }
    // One that was started just before its starter ended has no pid file.
    let marker = DaemonPlan.path(plan.marker, folder)
    guard HostFiles.exists("\(folder)/log"), let found = try? ProcessHandle.all(withArgument: marker).first else {
      return nil
    }
    try? found.save("\(folder)/pid")
    return found
  }

  private static func content(_ path: String) throws -> String? {
    guard HostFiles.exists(path) else { return nil }
    return String(decoding: try HostFiles.read(path), as: UTF8.self)
  }

  private func write(_ files: [String: String], _ folder: String) throws {
    for (name, text) in files {
      try HostFiles.writeAtomically(
        "\(folder)/\(name)", Array(DaemonPlan.path(text, folder).utf8), mode: 0o640, isDurable: false)
    }
  }

  // MARK: - Leases

  /// Lines of a lease file as (MAC, address); those of DHCPv6 name no MAC and are left alone.
  private static func leaseOwner(_ line: Substring) -> (mac: String, address: String)? {
    let words = line.split(separator: " ")
    guard words.count >= 4, words[2].contains("."), words[1].contains(":") else { return nil }
    return (words[1].lowercased(), String(words[2]))
  }

  /// Whether an address that a port has now is still leased to another MAC: dnsmasq would not give it away.
  private static func hasStolenLease(_ plan: DaemonPlan, _ folder: String) -> Bool {
    if plan.leases.isEmpty { return false }
    let text = HostFiles.tail("\(folder)/leases", bytes: 16 << 20)
    let addresses = Set(plan.leases.compactMap { $0.split(separator: " ").last })
    return text.split(separator: "\n").contains { line in
      guard let owner = leaseOwner(line) else { return false }
      return addresses.contains(owner.address[...]) && !plan.leases.contains("\(owner.mac) \(owner.address)")
    }
  }

  private static func dropStaleLeases(_ plan: DaemonPlan, _ folder: String) throws {
    let path = "\(folder)/leases"
    guard !plan.leases.isEmpty, let text = try content(path) else { return }
    let kept = text.split(separator: "\n").filter { line in
      leaseOwner(line).map { plan.leases.contains("\($0.mac) \($0.address)") } ?? true
    }
    try HostFiles.writeAtomically(path, Array(kept.map { $0 + "\n" }.joined().utf8), mode: 0o640, isDurable: false)
  }
}
