import Contracts
import Kit
import Store
import Workflow

/// Gives a server another flavor on its host; the old one stays claimed until the resize is confirmed or reverted.
struct ResizeServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  private var volumes: ServerVolumes { ServerVolumes(service: service) }

  var definitions: [WorkflowDefinition] {
    let guest = guest
    return [
      WorkflowDefinition(
        kind: ServerJob.resize.rawValue, deadline: .seconds(600),
        steps: [
          Step("claim", deadline: .seconds(30), run: claim, undo: unclaim),
          Step("stop", deadline: service.settings.shutdownGrace + .seconds(30), run: stop, undo: restart),
          Step("finish", deadline: .seconds(120), run: finish, undo: restore),
        ], onFailed: guest.keepState),
      WorkflowDefinition(
        kind: ServerJob.confirmResize.rawValue,
        steps: [
          Step("confirm", deadline: .seconds(30)) { context in
            guest.commit(context) { server, tx in
              server.oldFlavor = nil
              server.state = server.oldState ?? .active
              server.oldState = nil
              try hold(server, tx)
            }
          }
        ], onFailed: guest.keepState),
      WorkflowDefinition(
        kind: ServerJob.revertResize.rawValue, deadline: .seconds(600),
        steps: [
          Step("stop", deadline: service.settings.shutdownGrace + .seconds(30), run: stop),
          Step("finish", deadline: .seconds(120), run: revert),
        ], onFailed: guest.becomeError),
    ]
  }

  /// Claims what the server holds now of its host.
  private func hold(_ server: Server, _ tx: any Transaction) throws {
    guard let host = server.host else { return }
    try service.allocations.claim(
      consumer: server.id, host: host, server.held, projectID: server.projectID, userID: server.userID, tx: tx)
  }

  @Sendable private func claim(_ context: StepContext) async throws -> StepResult {
    guest.commit(context) { server, tx in
      do {
        try hold(server, tx)
      } catch let fault as Fault where fault.status == 409 {
        throw Fault(
          500, kind: "NoValidHost", "No valid host was found. \(server.host ?? ""): \(fault.message)",
          explanation: fault.explanation)
      }
    }
  }

  @Sendable private func unclaim(_ context: StepContext) async throws -> StepResult {
    guest.commit(context) { server, tx in
      server.newFlavor = nil
      try hold(server, tx)
    }
  }

  @Sendable private func stop(_ context: StepContext) async throws -> StepResult {
    try await service.hypervisor.powerOff(ServerGuest.id(context.job), grace: service.settings.shutdownGrace)
    return .done
  }

  @Sendable private func restart(_ context: StepContext) async throws -> StepResult {
    if context.input["wasStopped"]?.bool != true {
      try await service.hypervisor.powerOn(ServerGuest.id(context.job))
    }
    return .done
  }

  @Sendable private func finish(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    // After a crash it may run already.
    try await service.hypervisor.powerOff(server.id, grace: .zero)
    let disks = try await volumes.connect(server.volumes)
    try await service.hypervisor.reconfigure(guest.spec(server, ports, disks, files: nil, flavor: server.newFlavor))
    let wasStopped = context.input["wasStopped"]?.bool == true
    if !wasStopped { try await service.hypervisor.powerOn(server.id) }
    return guest.commit(context) { server, _ in
      server.oldFlavor = server.flavor
      server.flavor = server.newFlavor ?? server.flavor
      server.newFlavor = nil
      server.oldState = wasStopped ? .stopped : .active
      server.state = .resized
      server.power = wasStopped ? .shutdown : .running
      server.fault = nil
    }
  }

  @Sendable private func restore(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    try await service.hypervisor.powerOff(server.id, grace: .zero)
    let disks = try await volumes.connect(server.volumes)
    try await service.hypervisor.reconfigure(guest.spec(server, ports, disks, files: nil))
    return .done
  }

  @Sendable private func revert(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    try await service.hypervisor.powerOff(server.id, grace: .zero)
    let disks = try await volumes.connect(server.volumes)
    try await service.hypervisor.reconfigure(guest.spec(server, ports, disks, files: nil, flavor: server.oldFlavor))
    let wasStopped = server.oldState == .stopped
    if !wasStopped { try await service.hypervisor.powerOn(server.id) }
    return guest.commit(context) { server, tx in
      server.flavor = server.oldFlavor ?? server.flavor
      server.oldFlavor = nil
      server.state = server.oldState ?? .active
      server.oldState = nil
      server.power = wasStopped ? .shutdown : .running
      server.fault = nil
      try hold(server, tx)
    }
  }
}
