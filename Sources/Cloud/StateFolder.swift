import Foundation
import Kit

/// Where a node keeps what it must remember: one folder, readable by its owner only.
public struct StateFolder: Sendable, Equatable {
  public let path: String

  public init(_ path: String) {
    let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    self.path = trimmed.hasPrefix("/") ? trimmed : FileManager.default.currentDirectoryPath + "/" + trimmed
  }

  public var configuration: String { path + "/martlet.yaml" }
  public var database: String { path + "/martlet.db" }
  /// Held while a process serves this state.
  public var lock: String { path + "/martlet.lock" }
  public var pid: String { path + "/martlet.pid" }
  public var control: String { path + "/control.sock" }
  public var keys: String { path + "/keys" }
  /// Rules that take the place of policies' defaults; may be absent.
  public var policy: String { path + "/policy.yaml" }
  public var adminPassword: String { path + "/admin-password" }
  public var logs: String { path + "/log" }
  /// What the process itself prints while it starts and when it dies.
  public var output: String { path + "/log/martlet.log" }
  public var images: String { path + "/images" }
  public var volumes: String { path + "/volumes" }
  public var backups: String { path + "/backups" }
  public var guests: String { path + "/guests" }
  /// Disks of servers on their way to becoming images.
  public var snapshots: String { path + "/snapshots" }
  public var networks: String { path + "/networks" }
  /// The guest image that `martlet image build` makes.
  public var guestImage: String { path + "/guest-image" }
  public var demo: String { path + "/demo" }

  /// Makes the folder and those in it, for the owner only.
  public func create() throws {
    for folder in [path, keys, logs, images, guests, networks, snapshots] {
      do {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch {
        throw Fault(
          500, "Cannot make the state folder \(folder): \(error.localizedDescription) Choose another one with --state.")
      }
    }
  }

  public var exists: Bool { FileManager.default.fileExists(atPath: database) }
}
