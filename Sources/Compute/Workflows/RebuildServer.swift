import Contracts
import Kit
import Store
import Workflow

/// Rebuilds a server: the old guest goes with its disks, a new one is made from the image; volumes stay, but one that it boots
/// from is written anew. A server that was stopped
/// stays stopped.
struct RebuildServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  private var volumes: ServerVolumes { ServerVolumes(service: service) }

  var definition: WorkflowDefinition {
    let (guest, volumes) = (guest, volumes)
    return WorkflowDefinition(
      kind: ServerJob.rebuild.rawValue, deadline: .seconds(1800),
      steps: [
        // The new image is fetched before the old disks are given up.
        Step("prepare", deadline: .seconds(600)) { context in
          let (server, ports) = try await guest.load(context)
          async let files = guest.files(server)
          if !ports.isEmpty { try await service.ports.waitWired(serverID: server.id) }
          return StepResult(try await files.json)
        },
        Step("destroy", deadline: .seconds(60), attempts: 2) { context in
          let id = ServerGuest.id(context.job)
          try await service.hypervisor.delete(id)
          return StepResult { try volumes.disconnect(id, tx: $0) }
        },
        // A server that boots from a volume gets the image's content into it.
        Step("reimage", deadline: .seconds(30)) { context in
          guard let volume = context.input["volume"]?.string, let image = context.input["image"]?.string else {
            return .done
          }
          return StepResult { tx in
            try service.storage().reimage(volume, image: image, requestID: context.job.requestID, tx: tx)
          }
        },
        Step("spawn", deadline: .seconds(720), run: spawn),
      ], onFailed: guest.becomeError)
  }

  @Sendable private func spawn(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    try await volumes.waitReady(server)
    let disks = try await volumes.connect(server.volumes)
    try await service.hypervisor.create(
      guest.spec(server, ports, disks, files: GuestFiles(json: context.output("prepare"))))
    let wasStopped = context.input["wasStopped"]?.bool == true
    if !wasStopped { try await service.hypervisor.powerOn(server.id) }
    return guest.commit(context) { server, tx in
      try volumes.complete(server.id, tx: tx)
      server.state = wasStopped ? .stopped : .active
      server.power = wasStopped ? .shutdown : .running
      (server.adminPassword, server.fault) = (nil, nil)
      server.launchedAt = service.clock.now()
    }
  }
}
