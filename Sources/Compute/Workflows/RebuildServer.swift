import Contracts
import Kit
import Store
import Workflow

/// Rebuilds a server: the old guest goes with its disks, a new one is made from the image. A server that was stopped
/// stays stopped.
struct RebuildServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }

  var definition: WorkflowDefinition {
    let guest = guest
    return WorkflowDefinition(
      kind: ServerJob.rebuild.rawValue, deadline: .seconds(900),
      steps: [
        // The new image is fetched before the old disks are given up.
        Step("prepare", deadline: .seconds(600)) { context in
          let (server, ports) = try await guest.load(context)
          async let files = guest.files(server)
          if !ports.isEmpty { try await service.ports.waitWired(serverID: server.id) }
          return StepResult(try await files.json)
        },
        Step("destroy", deadline: .seconds(60), attempts: 2) { context in
          try await service.hypervisor.delete(ServerGuest.id(context.job))
          return .done
        },
        Step("spawn", deadline: .seconds(120), run: spawn),
      ], onFailed: guest.becomeError)
  }

  @Sendable private func spawn(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    try await service.hypervisor.create(
      guest.spec(server, ports, files: GuestFiles(json: context.output("prepare"))))
    let wasStopped = context.input["wasStopped"]?.bool == true
    if !wasStopped { try await service.hypervisor.powerOn(server.id) }
    return guest.commit(context) { server, _ in
      server.state = wasStopped ? .stopped : .active
      server.power = wasStopped ? .shutdown : .running
      (server.adminPassword, server.fault) = (nil, nil)
      server.launchedAt = service.clock.now()
    }
  }
}
