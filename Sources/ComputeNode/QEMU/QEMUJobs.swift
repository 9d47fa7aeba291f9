import Contracts
import Host
import Kit

/// Copies of disks, as jobs of QEMU (qapi/job.json).
extension QEMUHypervisor {
  /// Longest time for copying a disk.
  static let copyDeadline = Duration.seconds(3600)
  static func copyJob(_ key: String) -> String { "copy-\(key)" }

  /// Writes the root disk as it is now to a new qcow2 file that depends on no other. A running guest goes on: the
  /// copy is of one moment, as after a power cut.
  public func snapshotRoot(of id: String, to path: String) async throws {
    let guest = try guest(id)
    try await guest.lock.withLock {
      guard let disk = try guest.existing().spec.disks.first(where: { $0.name == "root" }) else {
        throw Fault.conflict("guest \(id) has no disk of its own to copy")
      }
      let source = guest.folder.disk(disk.name)
      do {
        if let machine = try await adopt(guest) {
          let size = try DiskImage.header(source, format: "qcow2").virtualSize
          _ = try await Command("qemu-img", ["create", "-q", "-f", "qcow2", path, "\(size)"]).check()
          try await backup(QEMUDisks.driveID(disk.name), key: disk.name, machine, to: path)
        } else {
          _ = try await Command(
            "qemu-img", ["convert", "-f", "qcow2", "-O", "qcow2", source, path], deadline: Self.copyDeadline
          ).check()
        }
      } catch {
        try HostFiles.remove(path)
        throw error
      }
    }
  }

  /// QEMU's blockdev-backup (qapi/block-core.json) of a node into a qcow2 file that exists.
  func backup(_ source: String, key: String, _ machine: Guest.Machine, to path: String) async throws {
    let (node, job): (JSONValue, JSONValue) = (.string("c-\(key)"), .string(Self.copyJob(key)))
    // Left over when one of us was ended half-way.
    await cancel(job, machine)
    _ = try? await machine.monitor.execute("blockdev-del", ["node-name": node])
    var target = QEMUDisks.drive(key, path)
    target["node-name"] = node
    try await machine.monitor.execute("blockdev-add", target)
    do {
      try await machine.monitor.execute(
        "blockdev-backup",
        ["job-id": job, "device": .string(source), "target": node, "sync": "full", "auto-dismiss": false])
      try await wait(for: job, ["concluded"], machine, Self.copyDeadline)
    } catch {
      await cancel(job, machine)
      _ = try? await machine.monitor.execute("blockdev-del", ["node-name": node])
      throw error
    }
    try await machine.monitor.execute("job-dismiss", ["id": job])
    try await machine.monitor.execute("blockdev-del", ["node-name": node])
  }

  /// Ends copies that one of us began who was ended since, and closes their files: whoever wants the copy begins again.
  /// A volume's turn to the next one goes on.
  func sweep(_ guest: Guest, _ machine: Guest.Machine) async {
    guard let record = try? guest.record(), record.swapping == nil else { return }
    let jobs = (try? await machine.monitor.execute("query-jobs"))?.array ?? []
    for job in jobs.compactMap({ $0["id"]?.string }) where ["copy-", "swap-"].contains(where: job.hasPrefix) {
      log.info("guest \(guest.id): the copy \(job) was left behind and ends")
      await cancel(.string(job), machine)
    }
    let wanted = Set(record.spec.volumes.flatMap { VolumeFile($0).nodes })
    for node in (try? await nodes(machine)) ?? [] {
      guard let name = node["node-name"]?.string, !wanted.contains(name),
        ["c-", "f-", "t-"].contains(where: name.hasPrefix)
      else { continue }
      _ = try? await machine.monitor.execute("blockdev-del", ["node-name": .string(name)])
    }
  }

  /// Ends a job, if there is one; what it copied is worth nothing.
  func cancel(_ job: JSONValue, _ machine: Guest.Machine) async {
    guard (try? await status(of: job, machine)) != nil else { return }
    _ = try? await machine.monitor.execute("block-job-cancel", ["device": job, "force": true])
    _ = try? await wait(for: job, ["concluded"], machine, .seconds(30))
    _ = try? await machine.monitor.execute("job-dismiss", ["id": job])
  }

  /// A job's status; nil when there is none of that id.
  func status(of job: JSONValue, _ machine: Guest.Machine) async throws -> String? {
    try await found(job, machine)?["status"]?.string
  }

  private func found(_ job: JSONValue, _ machine: Guest.Machine) async throws -> JSONValue? {
    try await machine.monitor.execute("query-jobs").array?.first { $0["id"] == job }
  }

  /// Waits until a job has one of the states; a fault when it ended with an error.
  func wait(
    for job: JSONValue, _ states: Set<String>, _ machine: Guest.Machine, _ deadline: Duration
  ) async throws {
    let end = ContinuousClock.now + deadline
    var pause = Duration.milliseconds(5)
    while ContinuousClock.now < end {
      guard let found = try await found(job, machine) else { throw Fault.internal("QEMU lost the copy's job") }
      let status = found["status"]?.string ?? ""
      if status == "concluded", let error = found["error"]?.string {
        throw Fault.internal("QEMU could not copy the disk: \(error)")
      }
      if states.contains(status) { return }
      if status == "concluded" { throw Fault.internal("QEMU ended the copy's job before it was done") }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, .milliseconds(200))
    }
    throw Fault.internal("QEMU had not copied the disk after \(deadline)")
  }
}
