import Contracts
import Kit
import Store
import Workflow

/// Builds a new server: chooses and claims a host and makes the ports in one transaction, makes its volumes, waits for
/// them, the network and the image, then makes and starts the guest. What fails is taken back, and the server is left in
/// ERROR with the reason.
struct BuildServer: Sendable {
  let service: ComputeDependencies
  private var guest: ServerGuest { ServerGuest(service: service) }
  private var volumes: ServerVolumes { ServerVolumes(service: service) }

  var definition: WorkflowDefinition {
    WorkflowDefinition(
      kind: ServerJob.build.rawValue, deadline: .seconds(900),
      steps: [
        Step("schedule", deadline: .seconds(30), run: schedule, undo: unschedule),
        Step("volumes", deadline: .seconds(30), run: makeVolumes),
        Step("prepare", deadline: .seconds(600), run: prepare),
        Step("spawn", deadline: .seconds(120), run: spawn, undo: destroy),
      ],
      onFailed: { tx, job, fault in
        try ServerStore.change(ServerGuest.id(job), now: service.clock.now(), tx: tx) { server in
          (server.state, server.power, server.adminPassword) = (.error, .noState, nil)
          server.fault = ServerFault(fault, at: service.clock.now())
        }
      })
  }

  @Sendable private func schedule(_ context: StepContext) async throws -> StepResult {
    let id = ServerGuest.id(context.job)
    return StepResult { tx in
      guard var server = try ServerStore.find(id, tx: tx), !server.isDeleted else {
        throw Fault.notFound("Instance \(id) could not be found.")
      }
      let host = try choose(server, tx: tx)
      try service.allocations.claim(
        consumer: id, host: host.node.host, server.held, projectID: server.projectID, userID: server.userID, tx: tx)
      (server.host, server.zone) = (host.node.host, host.node.zone)
      server.updatedAt = service.clock.now()
      try ServerStore.save(server, tx: tx)
      _ = try service.ports.bind(
        server.networks, serverID: id, name: server.hostname, securityGroups: server.securityGroups,
        projectID: server.projectID, host: host.node.host, zone: host.node.zone, tx: tx)
    }
  }

  private func choose(_ server: Server, tx: any Transaction) throws -> SchedulerHost {
    let nodes = try ComputeNodeStore.all(now: service.clock.now(), tx: tx)
    let capacities = Dictionary(
      try service.allocations.capacities(tx: tx).map { ($0.host, $0) }
    ) { first, _ in first }
    let hosts = nodes.compactMap { node in
      capacities[node.host].map { SchedulerHost(node: node, capacity: $0) }
    }
    var request = SchedulerRequest(
      resources: server.held, zone: server.forcedHost == nil ? server.pinnedZone : nil, forcedHost: server.forcedHost)
    if let group = try ServerGroupStore.memberships(ofServers: [server.id], tx: tx)[server.id] {
      request.policy = group.policy
      request.membersPerHostMax = group.maxServersPerHost ?? 1
      let members = try ServerGroupStore.members(of: [group.id], tx: tx)[group.id] ?? []
      for host in try self.hosts(of: members.filter { $0 != server.id }, tx: tx) {
        request.members[host, default: 0] += 1
      }
    }
    let same = SchedulerHints.ids(server.hints, "same_host")
    if !same.isEmpty { request.sameHosts = Set(try self.hosts(of: same, tx: tx)) }
    request.differentHosts = Set(try self.hosts(of: SchedulerHints.ids(server.hints, "different_host"), tx: tx))
    return try Scheduler.choose(request, among: hosts)
  }

  /// The hosts of servers, one each.
  private func hosts(of ids: [String], tx: any Transaction) throws -> [String] {
    guard !ids.isEmpty else { return [] }
    return try tx.query("SELECT host FROM server WHERE id IN \(list: ids) AND deleted_at IS NULL").compactMap {
      $0.optionalText("host")
    }
  }

  @Sendable private func unschedule(_ context: StepContext) async throws -> StepResult {
    let id = ServerGuest.id(context.job)
    return guest.commit(context) { server, tx in
      try service.ports.release(serverID: id, tx: tx)
      try service.allocations.release(consumer: id, tx: tx)
      try volumes.release(id, requestID: context.job.requestID, withMade: true, tx: tx)
      (server.host, server.zone) = (nil, nil)
    }
  }

  @Sendable private func makeVolumes(_ context: StepContext) async throws -> StepResult {
    guest.commit(context) { server, tx in try volumes.make(server, context.job, tx: tx) }
  }

  @Sendable private func prepare(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    async let files = guest.files(server)
    try await volumes.waitReady(server)
    if !ports.isEmpty { try await service.ports.waitWired(serverID: server.id) }
    return StepResult(try await files.json)
  }

  @Sendable private func spawn(_ context: StepContext) async throws -> StepResult {
    let (server, ports) = try await guest.load(context)
    let disks = try await volumes.connect(server.volumes)
    try await service.hypervisor.create(
      guest.spec(server, ports, disks, files: GuestFiles(json: context.output("prepare"))))
    try await service.hypervisor.powerOn(server.id)
    return guest.commit(context) { server, tx in
      try volumes.complete(server.id, tx: tx)
      (server.state, server.power) = (.active, .running)
      (server.adminPassword, server.fault) = (nil, nil)
      server.launchedAt = server.launchedAt ?? service.clock.now()
    }
  }

  @Sendable private func destroy(_ context: StepContext) async throws -> StepResult {
    try await service.hypervisor.delete(ServerGuest.id(context.job))
    return .done
  }
}

/// Deletes a server in whatever state it is: the guest first, then ports, volumes, allocation and row in one transaction.
struct DeleteServer: Sendable {
  let service: ComputeDependencies

  var definition: WorkflowDefinition {
    let snapshots = SnapshotServer(service: service)
    return WorkflowDefinition(
      kind: ServerJob.delete.rawValue, deadline: .seconds(300), preempts: true,
      steps: [
        Step("destroy", deadline: .seconds(60), attempts: 4) { context in
          let id = ServerGuest.id(context.job)
          try await service.hypervisor.delete(id)
          let cutOff = try await service.database.read { try snapshots.abandoned(id, tx: $0) }
          try snapshots.removeFiles(cutOff)
          return .done
        },
        Step("release", deadline: .seconds(30), attempts: 4) { context in
          let id = ServerGuest.id(context.job)
          return StepResult { tx in
            try service.ports.release(serverID: id, tx: tx)
            try service.allocations.release(consumer: id, tx: tx)
            try ServerVolumes(service: service).release(
              id, requestID: context.job.requestID, withMade: false, tx: tx)
            try snapshots.discardImages(try snapshots.abandoned(id, tx: tx), tx: tx)
            try ServerGroupStore.removeMember(id, tx: tx)
            try ServerStore.markDeleted(id, now: service.clock.now(), tx: tx)
          }
        },
      ], onFailed: ServerGuest(service: service).becomeError)
  }
}
