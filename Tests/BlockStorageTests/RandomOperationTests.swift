import API
import Foundation
import Host
import Kit
import Store
import Synchronization
import TestKit
import Testing
import Workflow

@testable import BlockStorage

/// Numbers that are the same in every run (SplitMix64).
final class Dice: Sendable {
  private let state: Mutex<UInt64>
  init(seed: UInt64) { state = Mutex(seed) }
  func roll(_ sides: Int) -> Int {
    state.withLock { state in
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
      return Int((value ^ (value >> 31)) % UInt64(sides))
    }
  }
  func pick<Element>(_ elements: [Element]) -> Element? {
    elements.isEmpty ? nil : elements[roll(elements.count)]
  }
}

/// 500 random operations, while the process is killed again and again: every byte that was written is where it belongs, and
/// when all is deleted, no file, attachment, reservation, key or quota is left.
struct RandomOperationTests {
  @Test func fiveHundredOperationsWithCrashesLeaveNothing() async throws {
    let run = try await RandomRun(seed: 20_261_124)
    for number in 1...500 {
      try await run.step(number)
      if number % 50 == 0 { try await run.check(number) }
    }
    #expect(run.crashes > 30, "\(run.crashes) crashes")
    let left = try await run.world.removeAll()
    #expect(left.isEmpty, "\(left)")
    try HostFiles.remove(run.world.folder)
  }
}

/// Kills the process at one in 25 of the points where it could be.
private final class Killer: Sendable {
  let isActive = Mutex(false)
  let hasKilled = Mutex(false)
  private let dice: Dice
  init(_ dice: Dice) { self.dice = dice }
  func act() throws {
    guard isActive.withLock({ $0 }), dice.roll(25) == 0 else { return }
    hasKilled.withLock { $0 = true }
    throw SimulatedCrash()
  }
}

/// What is expected to be there, and the process that has it at the moment.
private final class RandomRun {
  /// Patterns by their place in MiB.
  typealias Content = [Int: Int]
  struct ModelVolume {
    var content: Content
    var attachment: String?
    var groupID: String?
  }

  private let dice: Dice
  private let killer: Killer
  private(set) var world: BlockWorld
  private(set) var crashes = 0
  private var volumes: [String: ModelVolume] = [:]
  private var snapshots: [String: (volume: String, content: Content)] = [:]
  private var backups: [String: Content] = [:]
  private var images: [String: Content] = [:]
  private var log: [String] = []

  init(seed: UInt64) async throws {
    dice = Dice(seed: seed)
    killer = Killer(dice)
    world = try await BlockWorld()
    try await world.allow()
    try await world.type(on: "plain")
    _ = try await world.encryptedType()
    try await restart()
  }

  /// A new process on the same state, which is killed at one of its points now and then.
  private func restart() async throws {
    killer.hasKilled.withLock { $0 = false }
    let killer = killer
    world = try await BlockWorld(
      folder: world.folder, database: world.database, images: world.images, crash: { _, _, _ in try killer.act() })
    world.service.users = TestUsers(world)
    try await world.engine.takeOver()
    try await world.engine.drain()
  }

  /// Sends a request to a process that may be killed while it works on it, and goes on with a new one then.
  private func send(
    _ method: String, _ path: String, _ body: JSONValue? = nil, as token: String = "member"
  ) async throws -> BlockWorld.Answer {
    killer.isActive.withLock { $0 = true }
    let answer = try await world.send(method, path, body, as: token)
    killer.isActive.withLock { $0 = false }
    #expect(answer.status < 500, "\(method) \(path): \(answer.json.text)")
    if killer.hasKilled.withLock({ $0 }) {
      crashes += 1
      try await restart()
    }
    return answer
  }

  private func closed() -> [String] { volumes.filter { $0.value.attachment == nil }.keys.sorted() }
  private func any() -> [String] { volumes.keys.sorted() }

  func step(_ number: Int) async throws {
    let operations: [(String, () async throws -> Void)] = [
      ("create", create), ("create", create), ("write", write), ("write", write), ("write", write),
      ("snapshot", snapshot), ("snapshot", snapshot), ("delete snapshot", deleteSnapshot), ("delete", delete),
      ("extend", extend), ("revert", revert), ("backup", backup), ("restore", restore),
      ("delete backup", deleteBackup), ("move", move), ("upload", upload), ("reimage", reimage), ("attach", attach),
      ("detach", detach), ("transfer", transfer), ("manage", manage), ("group", group),
    ]
    let (name, operation) = operations[dice.roll(operations.count)]
    log.append("\(number) \(name)")
    try await operation()
  }

  /// Every disk has the bytes that were written to it, and nothing is half-made.
  func check(_ number: Int) async throws {
    let recent = log.suffix(50).joined(separator: ", ")
    for (id, volume) in volumes {
      let status = try await world.status(id)
      #expect(status == (volume.attachment == nil ? "available" : "in-use"), "\(number) volume \(id): \(recent)")
      for (place, pattern) in volume.content {
        let isThere = try await world.has(id, pattern, at: place << 20)
        #expect(isThere, "\(number) volume \(id) at \(place) MiB: \(recent)")
      }
    }
    let shown = try await world.send("GET", "/snapshots/detail")["snapshots"]?.array ?? []
    #expect(Set(shown.compactMap { $0["id"]?.string }) == Set(snapshots.keys), "\(number): \(recent)")
    #expect(shown.allSatisfy { $0["status"] == "available" }, "\(number): \(recent)")
    let kept = try await world.send("GET", "/backups/detail")["backups"]?.array ?? []
    #expect(Set(kept.compactMap { $0["id"]?.string }) == Set(backups.keys), "\(number): \(recent)")
    #expect(kept.allSatisfy { $0["status"] == "available" }, "\(number): \(recent)")
  }
}

// MARK: - Operations

extension RandomRun {
  private func create() async throws {
    guard volumes.count < 8 else { return try await delete() }
    var fields: JSONObject = ["size": 1]
    var content: Content = [:]
    switch dice.roll(6) {
    case 0:
      guard let id = dice.pick(any()) else { break }
      (fields["source_volid"], fields["size"], content) = (.string(id), nil, volumes[id]?.content ?? [:])
    case 1:
      guard let id = dice.pick(snapshots.keys.sorted()) else { break }
      (fields["snapshot_id"], fields["size"], content) = (.string(id), nil, snapshots[id]?.content ?? [:])
    case 2:
      guard let id = dice.pick(backups.keys.sorted()) else { break }
      (fields["backup_id"], fields["size"], content) = (.string(id), nil, backups[id] ?? [:])
    case 3:
      guard let id = dice.pick(images.keys.sorted()) else { break }
      (fields["imageRef"], fields["size"], content) = (.string(id), 3, images[id] ?? [:])
    // Making an encrypted disk takes QEMU two seconds of computing.
    case 4: fields["volume_type"] = .string(dice.roll(12) == 0 ? "luks" : "plain")
    default: break
    }
    let answer = try await send("POST", "/volumes", ["volume": .object(fields)])
    guard answer.status == 202, let id = answer["volume.id"]?.string else { return }
    // An encrypted volume that a guest has cannot be copied; it says so and is removed.
    guard try await world.status(id) == "available" else {
      _ = try await send("DELETE", "/volumes/\(id)")
      return
    }
    volumes[id] = ModelVolume(content: content)
  }

  private func write() async throws {
    guard let id = dice.pick(any()) else { return }
    let (place, pattern) = (dice.roll(8), 1 + dice.roll(250))
    try await world.write(id, pattern, at: place << 20)
    volumes[id]?.content[place] = pattern
  }

  private func snapshot() async throws {
    guard snapshots.count < 12, let id = dice.pick(any()), let volume = volumes[id] else { return }
    let answer = try await send("POST", "/snapshots", ["snapshot": ["volume_id": .string(id), "force": true]])
    guard answer.status == 202, let snapshot = answer["snapshot.id"]?.string else { return }
    if try await world.send("GET", "/snapshots/\(snapshot)")["snapshot.status"] == "available" {
      snapshots[snapshot] = (id, volume.content)
    } else {
      _ = try await send("DELETE", "/snapshots/\(snapshot)")
    }
  }

  private func deleteSnapshot() async throws {
    guard let id = dice.pick(snapshots.keys.sorted()) else { return }
    if try await send("DELETE", "/snapshots/\(id)").status == 202 { snapshots[id] = nil }
  }

  private func delete() async throws {
    guard let id = dice.pick(closed()) else { return }
    guard try await send("DELETE", "/volumes/\(id)?cascade=true").status == 202 else { return }
    volumes[id] = nil
    snapshots = snapshots.filter { $0.value.volume != id }
  }

  private func extend() async throws {
    guard let id = dice.pick(closed()) else { return }
    let size = try await world.volume(id)["size"]?.int ?? 1
    _ = try await send("POST", "/volumes/\(id)/action", ["os-extend": ["new_size": .int(size + 1)]])
  }

  private func revert() async throws {
    guard let id = dice.pick(snapshots.keys.sorted()), let snapshot = snapshots[id] else { return }
    let answer = try await send(
      "POST", "/volumes/\(snapshot.volume)/action", ["revert": ["snapshot_id": .string(id)]])
    if answer.status == 202 { volumes[snapshot.volume]?.content = snapshot.content }
  }

  private func backup() async throws {
    guard backups.count < 6, let id = dice.pick(closed()) else { return }
    let answer = try await send(
      "POST", "/backups", ["backup": ["volume_id": .string(id), "incremental": .bool(dice.roll(2) == 0)]])
    guard answer.status == 202, let backup = answer["backup.id"]?.string else { return }
    backups[backup] = volumes[id]?.content
  }

  private func restore() async throws {
    guard let backup = dice.pick(backups.keys.sorted()), let id = dice.pick(closed()) else { return }
    let answer = try await send("POST", "/backups/\(backup)/restore", ["restore": ["volume_id": .string(id)]])
    if answer.status == 202 { volumes[id]?.content = backups[backup] ?? [:] }
  }

  private func deleteBackup() async throws {
    guard let id = dice.pick(backups.keys.sorted()) else { return }
    if try await send("DELETE", "/backups/\(id)").status == 202 { backups[id] = nil }
  }

  private func move() async throws {
    guard let id = dice.pick(any()) else { return }
    if dice.roll(2) == 0 {
      let backend = ["files", "plain"][dice.roll(2)]
      _ = try await send(
        "POST", "/volumes/\(id)/action", ["os-migrate_volume": ["host": .string("node@\(backend)#\(backend)")]],
        as: "admin")
    } else {
      let type = ["__DEFAULT__", "plain"][dice.roll(2)]
      _ = try await send(
        "POST", "/volumes/\(id)/action", ["os-retype": ["new_type": .string(type), "migration_policy": "on-demand"]])
    }
  }

  private func upload() async throws {
    guard images.count < 4, let id = dice.pick(closed()) else { return }
    let answer = try await send(
      "POST", "/volumes/\(id)/action", ["os-volume_upload_image": ["image_name": "i", "disk_format": "qcow2"]])
    if let image = answer["os-volume_upload_image.image_id"]?.string { images[image] = volumes[id]?.content }
  }

  private func reimage() async throws {
    guard let image = dice.pick(images.keys.sorted()), let id = dice.pick(closed()) else { return }
    let answer = try await send("POST", "/volumes/\(id)/action", ["os-reimage": ["image_id": .string(image)]])
    if answer.status == 202 { volumes[id]?.content = images[image] ?? [:] }
  }

  private func attach() async throws {
    guard let id = dice.pick(closed()), volumes[id]?.groupID == nil else { return }
    let service = world.service
    let attachment = try await world.database.write { try service.reserve(id, serverID: UUIDText.make(), tx: $0) }
    _ = try await service.connect(attachmentID: attachment, host: "node", mountpoint: "/dev/vdb")
    try await world.database.write { try service.complete(attachmentID: attachment, tx: $0) }
    volumes[id]?.attachment = attachment
  }

  private func detach() async throws {
    guard let id = dice.pick(volumes.filter { $0.value.attachment != nil }.keys.sorted()) else { return }
    let (service, attachment) = (world.service, volumes[id]?.attachment ?? "")
    try await world.database.write { try service.release(attachmentID: attachment, tx: $0) }
    volumes[id]?.attachment = nil
  }

  private func transfer() async throws {
    guard let id = dice.pick(closed()) else { return }
    let answer = try await send("POST", "/volume-transfers", ["transfer": ["volume_id": .string(id)]])
    guard let transfer = answer["transfer.id"]?.string else { return }
    _ = try await send("DELETE", "/volume-transfers/\(transfer)")
  }

  private func manage() async throws {
    guard let id = dice.pick(closed()), let volume = volumes[id] else { return }
    let host = try await world.volume(id)["os-vol-host-attr:host"] ?? ""
    let file = try await world.database.read { try VolumeStore.find(id, tx: $0)?.id } ?? ""
    guard try await send("POST", "/volumes/\(id)/action", ["os-unmanage": [:]], as: "admin").status == 202 else {
      return
    }
    volumes[id] = nil
    let answer = try await send(
      "POST", "/manageable_volumes", ["volume": ["host": host, "ref": ["source-name": .string("volume-\(file)")]]],
      as: "admin")
    #expect(answer.status == 202, "\(answer.json.text)")
    guard let new = answer["volume.id"]?.string else { return }
    volumes[new] = ModelVolume(content: volume.content)
  }

  private func group() async throws {
    let types = try await world.send("GET", "/group_types", as: "admin")["group_types"]?.array ?? []
    let answer = try await send(
      "POST", "/groups", ["group": ["group_type": types.first?["id"] ?? "", "volume_types": ["__DEFAULT__"]]])
    let id = answer["group.id"]?.string ?? ""
    let made = try await send("POST", "/volumes", ["volume": ["size": 1, "group_id": .string(id)]])["volume.id"]?.string
    if let made { try await world.write(made, 5) }
    let shot = try await send("POST", "/group_snapshots", ["group_snapshot": ["group_id": .string(id)]])
    let copy = try await send(
      "POST", "/groups/action", ["create-from-src": ["group_snapshot_id": shot["group_snapshot.id"] ?? ""]])
    _ = try await send("DELETE", "/group_snapshots/\(shot["group_snapshot.id"]?.string ?? "")")
    for group in [id, copy["group.id"]?.string ?? ""] {
      let gone = try await send("POST", "/groups/\(group)/action", ["delete": ["delete-volumes": true]])
      #expect(gone.status == 202, "\(gone.json.text)")
    }
  }
}
