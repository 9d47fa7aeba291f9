import Contracts
import Kit
import Store
import Workflow

/// Plugs an interface into a guest and takes one out. The port was bound with the request; it is taken back when the
/// guest cannot have it.
struct InterfaceServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  /// How long a guest may hold on to a device that it was asked to let go.
  private static let detachDeadline: Duration = .seconds(20)

  var definitions: [WorkflowDefinition] {
    [
      WorkflowDefinition(
        kind: ServerJob.attachInterface.rawValue, deadline: .seconds(180),
        steps: [Step("plug", deadline: .seconds(90), run: plug, undo: unplug)],
        onFailed: { tx, job, fault in
          try service.ports.detach(
            portID: job.input["port"]?.string ?? "", serverID: ServerGuest.id(job), tx: tx)
          try guest.keepState(tx, job, fault)
        }),
      WorkflowDefinition(
        kind: ServerJob.detachInterface.rawValue, deadline: .seconds(180),
        steps: [
          Step("unplug", deadline: .seconds(60), run: unplug),
          Step("release", deadline: .seconds(30)) { context in
            let (port, id) = (context.input["port"]?.string ?? "", ServerGuest.id(context.job))
            return StepResult { try service.ports.detach(portID: port, serverID: id, tx: $0) }
          },
        ], onFailed: guest.keepState),
    ]
  }

  @Sendable private func plug(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    let id = context.input["port"]?.string ?? ""
    guard let port = ports.first(where: { $0.id == id }) else {
      throw Fault.notFound("Port \(id) is not bound to instance \(server.id).")
    }
    try await service.ports.waitWired(serverID: server.id)
    try await service.hypervisor.attach(ServerGuest.interface(port), to: server.id)
    return .done
  }

  @Sendable private func unplug(_ context: StepContext) async throws -> StepResult {
    try await service.hypervisor.detach(
      portID: context.input["port"]?.string ?? "", from: ServerGuest.id(context.job), deadline: Self.detachDeadline)
    return .done
  }
}
