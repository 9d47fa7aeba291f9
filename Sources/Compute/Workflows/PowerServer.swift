import Contracts
import Kit
import Store
import Workflow

/// The workflows that change a guest's power: one step each, whose verb is idempotent. When one fails, the server keeps
/// its state, the action's event says why, and the next look at the guests corrects what changed after all.
struct PowerServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  /// How long a guest may take to write its memory to disk or read it back.
  private static let memoryDeadline: Duration = .seconds(300)

  var definitions: [WorkflowDefinition] {
    let (hypervisor, settings) = (service.hypervisor, service.settings)
    return [
      power(.start, becomes: .active, .running, wired: true) { try await hypervisor.powerOn($0) },
      power(.stop, becomes: .stopped, .shutdown, deadline: settings.shutdownGrace + .seconds(30)) {
        try await hypervisor.powerOff($0, grace: settings.shutdownGrace)
      },
      power(
        .rebootSoft, becomes: .active, .running, deadline: settings.shutdownGrace + .seconds(60), wired: true
      ) { try await hypervisor.reboot($0, grace: settings.shutdownGrace) },
      power(.rebootHard, becomes: .active, .running, wired: true, failsToError: true) {
        try await hypervisor.reboot($0, grace: .zero)
      },
      power(.pause, becomes: .paused, .paused) { try await hypervisor.pause($0) },
      power(.unpause, becomes: .active, .running) { try await hypervisor.unpause($0) },
      power(.suspend, becomes: .suspended, .suspended, deadline: Self.memoryDeadline) {
        try await hypervisor.suspend($0)
      },
      power(.resume, becomes: .active, .running, deadline: Self.memoryDeadline, wired: true) {
        try await hypervisor.resume($0)
      },
      // Changes of rows alone: the job is their entry in the timeline.
      WorkflowDefinition(kind: ServerJob.lock.rawValue, steps: []),
      WorkflowDefinition(kind: ServerJob.unlock.rawValue, steps: []),
    ]
  }

  /// `wired`: the guest's devices must exist before it can run.
  private func power(
    _ job: ServerJob, becomes state: VMState, _ power: PowerState, deadline: Duration = .seconds(90),
    wired: Bool = false, failsToError: Bool = false, _ verb: @escaping @Sendable (String) async throws -> Void
  ) -> WorkflowDefinition {
    let guest = guest
    let step = Step("perform", deadline: deadline) { context in
      let (server, ports) = try await guest.load(context)
      if wired, !ports.isEmpty { try await service.ports.waitWired(serverID: server.id) }
      if job == .start {
        // What a volume's owner or type changed while the guest was off counts from now on.
        for volume in try await ServerVolumes(service: service).connect(server.volumes.filter(\.isAttached)) {
          try await service.hypervisor.attach(volume, to: server.id)
        }
      }
      try await verb(server.id)
      return guest.commit(context) { server, _ in
        (server.state, server.power, server.fault) = (state, power, nil)
      }
    }
    return WorkflowDefinition(
      kind: job.rawValue, deadline: deadline + .seconds(60), steps: [step],
      onFailed: failsToError ? guest.becomeError : guest.keepState)
  }
}
