import Contracts
import Host
import Kit

/// What a guest's QEMU has told on its own.
struct GuestNews: Sendable {
  /// By QEMU's names of events (qapi/run-state.json); `closed`: the connection ended.
  enum Kind: String, Sendable { case shutdown = "SHUTDOWN", stop = "STOP", deviceDeleted = "DEVICE_DELETED", closed }
  let id: String
  /// The connection by which it was told: from one that was replaced since it is no news.
  let connection: String
  let kind: Kind
}

extension QEMUHypervisor {
  private static let housekeeping = Duration.seconds(30)

  /// Runs until the driver is closed: follows guests that change on their own, and keeps console logs within bounds.
  func watchGuests() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.keepConsolesShort() }
      for await one in news { group.addTask { await self.follow(one) } }
      group.cancelAll()
    }
  }

  private func keepConsolesShort() async {
    while (try? await Task.sleep(for: Self.housekeeping)) != nil {
      for guest in allGuests() {
        do {
          try await HostThread.run { try guest.folder.trimConsole() }
        } catch {
          log.warning("the console log of guest \(guest.id) could not be shortened: \(error)")
        }
      }
    }
  }

  private func follow(_ one: GuestNews) async {
    guard let guest = try? guest(one.id) else { return }
    await guest.lock.withLock {
      // A verb of ours has ended or replaced it meanwhile.
      guard let machine = guest.machine, machine.connection == one.connection else { return }
      do {
        switch one.kind {
        case .shutdown: try await guestShutDown(guest)
        case .stop: try await guestStopped(guest, machine)
        case .deviceDeleted: try await plugAgain(guest, machine)
        case .closed: try await connectionClosed(guest, machine)
        }
      } catch {
        log.error("guest \(guest.id): its change could not be followed: \(error)")
      }
    }
  }

  private func guestShutDown(_ guest: Guest) async throws {
    log.info("guest \(guest.id) has shut down by itself")
    try guest.update { $0.wanted = .off }
    try await end(guest)
    feed.send(GuestStatus(id: guest.id, power: .shutdown))
  }

  /// Stopped by QEMU and not by a verb: an error of its emulation or of a disk.
  private func guestStopped(_ guest: Guest, _ machine: Guest.Machine) async throws {
    let status = try await machine.monitor.execute("query-status")["status"]?.string
    switch status {
    case "internal-error":
      log.error(failure(guest, "QEMU gave up").message)
      try await end(guest)
      feed.send(GuestStatus(id: guest.id, power: .crashed))
    case "io-error":
      let why = await diskErrors(guest, machine)
      log.error("guest \(guest.id) was paused: \(why); unpause it when that is mended")
      feed.send(GuestStatus(id: guest.id, power: .paused))
    default: break
    }
  }

  /// Which disks of a guest could not be written, and why.
  private func diskErrors(_ guest: Guest, _ machine: Guest.Machine) async -> String {
    let blocks = (try? await machine.monitor.execute("query-block"))?.array ?? []
    let volumes = (try? guest.existing().spec.volumes) ?? []
    let found = blocks.compactMap { block -> String? in
      guard let status = block["io-status"]?.string, status != "ok" else { return nil }
      let node = block["inserted"]?["node-name"]?.string ?? ""
      let volume = volumes.first { VolumeFile($0).nodes.contains(node) }
      let what = volume.map { "volume \($0.volumeID) (\($0.connection.path))" } ?? "its disk \(node)"
      return "\(what): " + (status == "nospace" ? "no space is left on its storage" : "an error of its storage")
    }
    return found.isEmpty ? "an error of a disk" : found.joined(separator: "; ")
  }

  private func connectionClosed(_ guest: Guest, _ machine: Guest.Machine) async throws {
    guard try await machine.process.waitForEnd(deadline: .seconds(2)) else {
      guest.machine = nil
      log.warning("guest \(guest.id): the monitor's connection was lost")
      _ = try await adopt(guest)
      return
    }
    guest.machine = nil
    log.error(failure(guest, "QEMU ended by itself").message)
    feed.send(GuestStatus(id: guest.id, power: .crashed))
  }
}
