import ComputeNode
import Config
import Foundation
import Host
import Kit
import Logs

/// Starts and ends the process that serves a state folder, and takes a cloud down.
public struct Launcher: Sendable {
  /// How long a start may take before it counts as failed.
  static let startDeadline: Duration = .seconds(120)
  private let configuration: Configuration
  private let state: StateFolder

  public init(configuration: Configuration, state: StateFolder) {
    (self.configuration, self.state) = (configuration, state)
  }

  /// Starts a server in the background and returns its status once every API answers; a cloud that runs already is left as
  /// it is. Throws a fault with what the server said when it ended instead.
  public func up(program: String) async throws -> JSONValue {
    let client = ControlClient(state)
    if let status = try client.status() { return status }
    if configuration.text("network.driver") == "kernel" { try await Preflight(state: state).require() }
    try state.create()
    let overrides = configuration.overrides
    try HostFiles.writeAtomically(state.configuration, Array(overrides.utf8), mode: 0o640)
    let process = try await Daemon.start(program, ["serve", "--state", state.path], log: state.output)
    let deadline = ContinuousClock.now + Self.startDeadline
    while ContinuousClock.now < deadline {
      if let status = try client.status() { return status }
      guard process.isAlive else {
        let said = HostFiles.tail(state.output, bytes: 4000).split(separator: "\n").suffix(8).joined(separator: "\n")
        throw Fault(500, "The server ended while it started:\n\(said)\nIts logs are in \(state.logs).")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw Fault(
      504, "The server did not answer within \(Self.startDeadline.components.seconds) s; see \(state.output).")
  }

  /// Ends the server; guests and their networks go on. False when none ran.
  public func stop() async throws -> Bool {
    guard let process = ProcessHandle(pidFile: state.pid), process.isAlive,
      process.arguments.contains("serve")
    else { return false }
    try await process.terminate(grace: .seconds(20))
    return true
  }

  /// Takes the cloud down: the server, the guests, and everything that it made in the kernel. Disks and books stay, unless
  /// `purge`.
  public func down(purge: Bool, progress: @Sendable (String) -> Void) async throws {
    if try await stop() { progress("the server has stopped") }
    guard HostFiles.exists(state.path) else { return }
    if state.exists {
      let services = try CloudServices(
        configuration: configuration, state: state, logs: LogCenter(directory: state.logs))
      try await services.hypervisor.start()
      let running = try await services.hypervisor.list().filter { $0.power != .shutdown }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for guest in running {
          group.addTask { try await services.hypervisor.powerOff(guest.id, grace: .seconds(purge ? 0 : 15)) }
        }
        try await group.waitForAll()
      }
      if !running.isEmpty { progress("\(running.count) guests have been shut down") }
      try await services.dataplane.removeAll()
      progress("its networks are gone")
      try services.database.close()
    }
    if purge {
      try HostFiles.remove(state.path)
      progress("\(state.path) is removed")
    }
  }
}
